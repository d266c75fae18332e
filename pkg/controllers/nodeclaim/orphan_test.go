package nodeclaim

import (
	"testing"
	"time"

	"github.com/oracle/oci-go-sdk/v65/core"
	"github.com/samber/lo"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	testclock "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/pkg/oci"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/instance"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/inventory"
	"github.com/karpenter-oke/karpenter-oke/test/ocisim"
	"github.com/karpenter-oke/karpenter-oke/test/ocitest"
)

// collector is a region with an orphan controller of its cluster, on a clock that the test moves.
type collector struct {
	*ocitest.Region
	t       *testing.T
	clock   *testclock.FakeClock
	kube    client.Client
	orphans *OrphanController
}

func newCollector(t *testing.T, options ocisim.Options, objects ...client.Object) *collector {
	t.Helper()
	c := &collector{t: t, clock: testclock.NewFakeClock(noon), kube: newKube(objects...)}
	options.Clock = c.clock
	c.Region = ocitest.Start(t, options)
	c.restart()
	return c
}

func (c *collector) restart() {
	inv := inventory.NewProvider(c.Client, inventory.OneCompartment(c.World.CompartmentID), c.World.ClusterID, c.clock)
	instances := instance.NewProvider(instance.Config{ClusterID: c.World.ClusterID, CompartmentID: c.World.CompartmentID},
		instance.Dependencies{API: c.Client, Inventory: inv, Clock: c.clock})
	c.orphans = NewOrphanController(c.kube, inv, instances, c.clock)
}

// own launches an instance that carries the tags of a NodeClaim of the cluster.
func (c *collector) own(cluster, name string, changes ...func(tags map[string]string)) string {
	c.t.Helper()
	of := claim(name, "uid-"+name, "")
	of.OwnerReferences = append(of.OwnerReferences, metav1.OwnerReference{Kind: "NodePool", Name: "pool", UID: "uid-pool"})
	tags := inventory.OwnerOf(of).Tags(cluster)
	for _, change := range changes {
		change(tags)
	}
	launched, _ := c.Launch(name, tags, func(d *core.LaunchInstanceDetails) { d.Metadata = map[string]string{"of": cluster} })
	return oci.Value(launched.Id)
}

func (c *collector) collect() {
	c.t.Helper()
	c.clock.Step(orphanInterval + time.Second)
	_, err := c.orphans.Reconcile(c.t.Context())
	require.NoError(c.t, err)
}

func (c *collector) terminated() []string {
	var names []string
	for _, entry := range c.Journal().Entries(0) {
		if entry.Operation == "TerminateInstance" {
			names = append(names, lo.Must(lo.Find(c.Instances(), func(i ocisim.Instance) bool { return entry.Path == "/20160918/instances/"+i.ID })).DisplayName)
		}
	}
	return names
}

func TestAnOrphanGoesWithItsVolumesAndVNICsAndNothingOfAnotherClusterDoes(t *testing.T) {
	c := newCollector(t, ocisim.Options{}, pool(), claim("alive", "uid-alive", ""))
	const other = "ocid1.cluster.oc1.phx.other"
	orphan, alive := c.own(c.World.ClusterID, "lost"), c.own(c.World.ClusterID, "alive")
	c.own(other, "lost") // equal names and even equal UIDs in the same compartment
	c.own(other, "alive")
	c.own("", "nobodys", func(tags map[string]string) { clear(tags) })
	c.collect()
	require.Empty(t, c.terminated(), "it is too young")
	c.collect()
	require.Equal(t, []string{"lost"}, c.terminated())
	for _, entry := range c.Journal().Entries(0) {
		if entry.Operation == "TerminateInstance" {
			require.Equal(t, "/20160918/instances/"+orphan, entry.Path)
			require.Contains(t, entry.Query, "preserveBootVolume=false")
			require.Contains(t, entry.Query, "preserveDataVolumesCreatedAtLaunch=false")
		}
	}
	c.collect()
	require.Len(t, c.terminated(), 1, "once")
	boots, volumes, vnics := c.Left()
	require.Len(t, boots, 4, "those of the four that live")
	require.Len(t, volumes, 4)
	require.Len(t, vnics, 4)
	state, _ := lo.Find(c.Instances(), func(i ocisim.Instance) bool { return i.ID == alive })
	require.Equal(t, "RUNNING", state.State)
}

func TestEditedTagsNeverMakeAnInstanceAnOrphan(t *testing.T) {
	c := newCollector(t, ocisim.Options{}, pool())
	set := func(key, value string) func(map[string]string) {
		return func(tags map[string]string) { tags[key] = value }
	}
	c.own(c.World.ClusterID, "no-cluster", func(tags map[string]string) { delete(tags, v1alpha1.TagClusterID) })
	c.own(c.World.ClusterID, "other-pool", set(v1alpha1.TagNodePool, "pool/uid-of-a-restored-cluster"))
	c.own(c.World.ClusterID, "no-pool", func(tags map[string]string) { delete(tags, v1alpha1.TagNodePool) })
	recorded := c.own(c.World.ClusterID, "recorded", set(v1alpha1.TagNodeClaim, "x/y"))
	require.NoError(t, c.kube.Create(t.Context(), claim("of-recorded", "uid-z", recorded)))
	c.own(c.World.ClusterID, "launching", set(v1alpha1.TagNodeClaim, "x/y"))
	require.NoError(t, c.kube.Create(t.Context(), claim("launching", "uid-l", "")))
	c.clock.Step(time.Hour)
	c.collect()
	c.restart()
	c.collect()
	require.Empty(t, c.terminated())
}

func TestAMachineMadeByHandWithTheTagsOfANodeIsLeftAlone(t *testing.T) {
	c := newCollector(t, ocisim.Options{TerminationDelay: -1}, pool())
	node := c.withData("node")
	require.NoError(t, c.kube.Create(t.Context(), claim("node", "uid-node", node)))
	of := claim("node", "uid-node", node)
	of.OwnerReferences = append(of.OwnerReferences, metav1.OwnerReference{Kind: "NodePool", Name: "pool", UID: "uid-pool"})
	copied := func(name string) string {
		launched, _ := c.Launch(name, inventory.OwnerOf(of).Tags(c.World.ClusterID))
		return oci.Value(launched.Id)
	}
	copied("bastion")
	require.NoError(t, c.TerminateInstance(copied("database"))) // in the console, which keeps data volumes
	volumes := c.data()
	require.Len(t, volumes, 3)
	c.clock.Step(time.Hour)
	c.collect()
	require.NoError(t, c.kube.Delete(t.Context(), claim("node", "uid-node", node)))
	c.collect()
	require.Equal(t, []string{"node"}, c.terminated(), "the node goes with its NodeClaim, and nothing else does")
	require.Len(t, c.data(), 2, "those of both machines made by hand are there")
	require.Len(t, c.orphans.reported, 1)
}

func TestAnOrphanOfANodePoolThatIsGoneIsEndedByTheProcessThatKnewIt(t *testing.T) {
	c := newCollector(t, ocisim.Options{}, pool())
	c.collect()
	require.NoError(t, c.kube.Delete(t.Context(), pool()))
	c.own(c.World.ClusterID, "lost")
	c.clock.Step(time.Hour)
	c.collect()
	require.Equal(t, []string{"lost"}, c.terminated())
	c.own(c.World.ClusterID, "unknown")
	c.clock.Step(time.Hour)
	c.restart()
	c.collect()
	require.Equal(t, []string{"lost"}, c.terminated(), "a process that never saw the NodePool leaves it alone and says so")
	require.Len(t, c.orphans.reported, 1)
}

func TestAnOrphanThatOCIRefusesToEndHoldsUpNoOther(t *testing.T) {
	c := newCollector(t, ocisim.Options{}, pool())
	first := c.own(c.World.ClusterID, "first")
	c.own(c.World.ClusterID, "second")
	c.Fail(ocisim.Fault{Operation: "TerminateInstance", Match: ocisim.Match{ResourceID: first}, Kind: ocisim.ErrorAnswer, Status: 409, Code: "IncorrectState", Message: "no", Times: 1})
	c.clock.Step(time.Hour)
	c.collect()
	require.ElementsMatch(t, []string{"first", "second"}, c.terminated())
	c.collect()
	require.ElementsMatch(t, []string{"first", "first", "second"}, c.terminated(), "it is tried again")
	boots, volumes, vnics := c.Left()
	require.Empty(t, boots)
	require.Empty(t, volumes)
	require.Empty(t, vnics)
	require.Empty(t, lo.Filter(c.Instances(), func(i ocisim.Instance, _ int) bool { return i.State != "TERMINATED" }))
}

func TestAPageThatFailsEndsNoOrphan(t *testing.T) {
	c := newCollector(t, ocisim.Options{PageSize: 1}, pool())
	c.own(c.World.ClusterID, "one")
	c.own(c.World.ClusterID, "two")
	c.clock.Step(time.Hour)
	c.Fail(ocisim.Fault{Operation: "ListInstances", Kind: ocisim.ErrorAnswer, Status: 404, Code: "NotAuthorizedOrNotFound", Message: "no", Skip: 1})
	_, err := c.orphans.Reconcile(t.Context())
	require.Error(t, err)
	require.Empty(t, c.terminated())
}

func TestADuplicateOfANodeClaimsInstanceIsEndedAndTheNodeClaimsIsNot(t *testing.T) {
	c := newCollector(t, ocisim.Options{}, pool())
	kept := c.own(c.World.ClusterID, "one")
	double := c.own(c.World.ClusterID, "one") // equal in name and tags
	require.NoError(t, c.kube.Create(t.Context(), claim("one", "uid-one", kept)))
	// Of another NodeClaim, the tags of the instance that it names were edited to say "one"; those of its double are as they were.
	edited := c.own(c.World.ClusterID, "two", func(tags map[string]string) { tags[v1alpha1.TagNodeClaim] = "one/uid-one" })
	second := c.own(c.World.ClusterID, "two")
	require.NoError(t, c.kube.Create(t.Context(), claim("two", "uid-two", edited)))
	// A third one waits for its launch to be recorded: which of its instances is the right one is not known yet.
	c.own(c.World.ClusterID, "three")
	c.own(c.World.ClusterID, "three")
	require.NoError(t, c.kube.Create(t.Context(), claim("three", "uid-three", "")))
	c.clock.Step(time.Hour)
	c.collect()
	require.ElementsMatch(t, []string{"one", "two"}, c.terminated())
	for _, i := range c.Instances() {
		ended := i.State == "TERMINATED" || i.State == "TERMINATING"
		require.Equal(t, i.ID == double || i.ID == second, ended, i.DisplayName)
	}
}

func TestEqualNamesInOneCompartmentAreToldApartByTheClusterTag(t *testing.T) {
	const other = "ocid1.cluster.oc1.phx.other"
	c := newCollector(t, ocisim.Options{}, pool())
	c.own(other, "one")
	c.own("", "one", func(tags map[string]string) { clear(tags) })
	// Somebody edits the tag of another cluster onto one of ours, and takes it away from another: neither is ours to end.
	c.own(c.World.ClusterID, "one", func(tags map[string]string) { tags[v1alpha1.TagClusterID] = other })
	c.own(c.World.ClusterID, "one", func(tags map[string]string) { delete(tags, v1alpha1.TagClusterID) })
	c.own(c.World.ClusterID, "one")
	c.clock.Step(time.Hour)
	c.collect()
	require.Equal(t, []string{"one"}, c.terminated())
	require.Len(t, lo.Filter(c.Instances(), func(i ocisim.Instance, _ int) bool { return i.State == "RUNNING" }), 4)
}

// withData launches an instance with a data volume for a NodeClaim of the cluster.
func (c *collector) withData(name string) string {
	c.t.Helper()
	of := claim(name, "uid-"+name, "")
	of.OwnerReferences = append(of.OwnerReferences, metav1.OwnerReference{Kind: "NodePool", Name: "pool", UID: "uid-pool"})
	launched, _ := c.Launch(name, inventory.OwnerOf(of).Tags(c.World.ClusterID), func(d *core.LaunchInstanceDetails) {
		d.Metadata = map[string]string{"of": name}
		d.LaunchVolumeAttachments = []core.LaunchAttachVolumeDetails{core.LaunchAttachParavirtualizedVolumeDetails{
			LaunchCreateVolumeDetails: core.LaunchCreateVolumeFromAttributes{SizeInGBs: lo.ToPtr(int64(50))},
		}}
	})
	return oci.Value(launched.Id)
}

// data are the OCIDs of the data volumes that are there.
func (c *collector) data() []string {
	_, volumes, _ := c.Left()
	return volumes
}

func TestDataVolumesOfALaunchThatFailedLateGoAlsoWhenNoNodeClaimNamesItsInstance(t *testing.T) {
	denied := func(operation string) *ocisim.Fault {
		return &ocisim.Fault{Operation: operation, Kind: ocisim.ErrorAnswer, Status: 404, Code: "NotAuthorizedOrNotFound", Message: "Authorization failed or requested resource not found."}
	}
	cases := []struct {
		name  string
		claim client.Object // beside the NodePool
		fault *ocisim.Fault
		gone  bool
	}{
		{"the NodeClaim is gone", nil, nil, true},
		{"the NodeClaim waits for another launch", claim("late", "uid-late", ""), nil, true},
		{"OCI fails to delete a volume at first", nil, &ocisim.Fault{Operation: "DeleteVolume", Kind: ocisim.ErrorAnswer, Status: 409, Code: "IncorrectState", Times: 1}, true},
		{"the right to inspect attachments is missing", nil, denied("ListVolumeAttachments"), false},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			c := newCollector(t, ocisim.Options{TerminationDelay: -1}, pool())
			if tc.claim != nil {
				require.NoError(t, c.kube.Create(t.Context(), tc.claim))
			}
			c.Fail(ocisim.Fault{Kind: ocisim.OutOfHostCapacityLater, Times: 1})
			c.withData("late")
			alive := c.withData("alive")
			require.NoError(t, c.kube.Create(t.Context(), claim("alive", "uid-alive", alive)))
			before := c.data()
			if tc.fault != nil {
				c.Fail(*tc.fault)
			}
			c.restart() // nobody has seen the launch
			for range 4 {
				c.clock.Step(orphanInterval + time.Second)
				_, _ = c.orphans.Reconcile(t.Context()) // fails where OCI does
			}
			require.Empty(t, c.terminated())
			if !tc.gone {
				require.Equal(t, before, c.data())
			} else {
				require.Len(t, c.data(), len(before)-1)
			}
		})
	}
}

func TestVolumesOfEndedInstancesAreAskedForOnceAndInOneList(t *testing.T) {
	c := newCollector(t, ocisim.Options{TerminationDelay: -1}, pool())
	named := c.withData("named")
	require.NoError(t, c.kube.Create(t.Context(), claim("named", "uid-named", named)))
	for _, name := range []string{"one", "two", "three"} {
		c.withData(name)
	}
	other := c.own(c.World.ClusterID, "other-pool", func(tags map[string]string) { tags[v1alpha1.TagNodePool] = "pool/uid-of-a-restored-cluster" })
	for _, i := range c.Instances() {
		require.NoError(t, c.TerminateInstance(i.ID)) // by hand, which keeps data volumes
	}
	require.NotEmpty(t, other)
	c.clock.Step(orphanAge)
	for range 3 {
		c.collect()
	}
	require.Equal(t, 1, c.Journal().Counts()["ListVolumeAttachments"])
	require.Equal(t, 3, c.Journal().Counts()["DeleteVolume"], "not that of the one whose NodeClaim sees to it")
}
