package nodeclass

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/awslabs/operatorpkg/status"
	"github.com/samber/lo"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/pkg/oci"
	"github.com/karpenter-oke/karpenter-oke/test/ocisim"
)

// change writes a new spec, as a person does, and resolves it.
func (s *suite) change(edit func(*v1alpha1.OciNodeClassSpec)) {
	s.t.Helper()
	require.NoError(s.t, s.kube.Get(s.t.Context(), client.ObjectKeyFromObject(s.class), s.class))
	edit(&s.class.Spec)
	s.class.Generation++
	require.NoError(s.t, s.kube.Update(s.t.Context(), s.class))
	s.reconcile()
}

func (s *suite) requireFalse(condition string, words ...string) {
	s.t.Helper()
	got := s.condition(condition)
	require.True(s.t, got.IsFalse(), "%+v", got)
	for _, w := range words {
		require.Contains(s.t, got.Message, w)
	}
	require.True(s.t, s.condition(status.ConditionReady).IsFalse())
	before := s.class.ResourceVersion
	s.reconcile()
	require.Equal(s.t, before, s.class.ResourceVersion, "the same failure has the same message")
}

func (s *suite) requireReady() {
	s.t.Helper()
	require.True(s.t, s.condition(status.ConditionReady).IsTrue(), "%+v", s.class.Status.Conditions)
}

func TestPodNetworkingIsTheClusters(t *testing.T) {
	s := newSuite(t)
	s.reconcile()
	require.Equal(t, v1alpha1.PodNetworkingVCNNative, s.class.Status.PodNetworking)
	s.change(func(spec *v1alpha1.OciNodeClassSpec) {
		spec.PodNetworking = &v1alpha1.PodNetworking{Type: v1alpha1.PodNetworkingFlannel}
	})
	s.requireFalse(v1alpha1.ConditionTypeBootstrapReady, "podNetworking.type is Flannel and the OKE cluster uses VCNNative")
	groups := []v1alpha1.SecurityGroupSelectorTerm{{ID: s.region.World.NSGIDs[1]}}
	s.change(func(spec *v1alpha1.OciNodeClassSpec) {
		spec.PodNetworking = &v1alpha1.PodNetworking{PodSubnetSelector: []v1alpha1.SubnetSelectorTerm{{Name: "pods-1"}}, PodSecurityGroupSelector: &groups}
	})
	s.requireReady()
	require.Equal(t, s.region.World.PodSubnetIDs[0], s.class.Status.PodSubnets[0].ID)
	require.Equal(t, s.region.World.NSGIDs[1], s.class.Status.PodSecurityGroups[0].ID)

	s.region.SetCluster(func(c *ocisim.ClusterState) { c.CNI = ocisim.CNIFlannel })
	require.NoError(t, s.clusters.Refresh(t.Context()))
	s.reconcile()
	s.requireFalse(v1alpha1.ConditionTypeBootstrapReady, "Flannel", "remove podSubnetSelector")
	s.change(func(spec *v1alpha1.OciNodeClassSpec) {
		spec.PodNetworking = &v1alpha1.PodNetworking{PodSubnetSelector: []v1alpha1.SubnetSelectorTerm{{Name: "nope"}}}
	})
	s.requireFalse(v1alpha1.ConditionTypeSubnetsReady, "podSubnetSelector: no subnet", `"nope"`)
}

func TestSubnetsOfADualStackClusterHaveAnIPv6Prefix(t *testing.T) {
	s := newSuite(t)
	s.reconcile()
	s.requireReady()
	s.region.SetCluster(func(c *ocisim.ClusterState) { c.IPFamilies = []string{"IPv4", "IPv6"} })
	require.NoError(t, s.clusters.Refresh(t.Context()))
	s.reconcile()
	s.requireFalse(v1alpha1.ConditionTypeSubnetsReady, "nodes get IPv6 addresses", "nodes-1", "no IPv6 prefix", "set primaryVnic.assignIpv6Ip to false")
	no := false
	s.change(func(spec *v1alpha1.OciNodeClassSpec) { spec.PrimaryVNIC = &v1alpha1.PrimaryVNIC{AssignIPv6IP: &no} })
	s.requireReady()
	id, err := s.region.AddSubnet(ocisim.SubnetSpec{Name: "both", CIDR: "10.0.240.0/24", IPv6CIDR: "2603:c020:0:1::/64"})
	require.NoError(t, err)
	s.change(func(spec *v1alpha1.OciNodeClassSpec) {
		spec.PrimaryVNIC = nil
		spec.SubnetSelector = append(spec.SubnetSelector, v1alpha1.SubnetSelectorTerm{Name: "both"})
	})
	s.requireReady()
	require.Equal(t, []string{id}, names(s.class.Status.Subnets, func(n v1alpha1.Subnet) string { return n.ID }), "those without a prefix are not used")
	s.change(func(spec *v1alpha1.OciNodeClassSpec) {
		spec.PodNetworking = &v1alpha1.PodNetworking{PodSubnetSelector: []v1alpha1.SubnetSelectorTerm{{Name: "pods-1"}}}
	})
	s.requireFalse(v1alpha1.ConditionTypeSubnetsReady, "podSubnetSelector: pods of the OKE cluster get IPv6 addresses", "pods-1")
}

func TestNodesCanNotJoinABasicCluster(t *testing.T) {
	s := newSuite(t)
	s.region.SetCluster(func(c *ocisim.ClusterState) { c.Type = "BASIC_CLUSTER" })
	require.NoError(t, s.clusters.Refresh(t.Context()))
	s.reconcile()
	s.requireFalse(v1alpha1.ConditionTypeBootstrapReady, "upgrade it to an enhanced cluster")
}

func TestWhatDoesNotFitIsSaidBeforeALaunch(t *testing.T) {
	s := newSuite(t)
	s.bootstrap.err = errors.New("the metadata has 40000 bytes and OCI takes 32000; shorten userData")
	s.reconcile()
	s.requireFalse(v1alpha1.ConditionTypeBootstrapReady, "shorten userData")
	s.bootstrap.err = nil
	s.reconcile()
	s.requireReady()
}

func TestAnImageIsStartedAsItsSystemIs(t *testing.T) {
	s := newSuite(t)
	s.change(func(spec *v1alpha1.OciNodeClassSpec) {
		spec.ImageSelector = []v1alpha1.ImageSelectorTerm{{OSFamily: "Ubuntu", OSVersion: "24.04"}}
	})
	s.requireFalse(v1alpha1.ConditionTypeImageReady, "set imageFamily to Ubuntu")
	s.change(func(spec *v1alpha1.OciNodeClassSpec) { spec.ImageFamily = "Ubuntu2404" })
	s.requireReady()
	require.Contains(t, s.class.Status.Images[0].Name, "ubuntu")
}

func TestTheClassIsResolvedAgainWhenAnImageHasSoaked(t *testing.T) {
	s := newSuite(t)
	s.reconcile()
	used := s.class.Status.Images[0].ID
	id, err := s.region.PublishImage(ocisim.ImageSpec{DisplayName: "Oracle-Linux-8.10-2026.11.01-0-OKE-1.36.2-9999"})
	require.NoError(t, err)
	s.change(func(spec *v1alpha1.OciNodeClassSpec) {
		spec.ImagePolicy = &v1alpha1.ImagePolicy{Soak: &metav1.Duration{Duration: 3 * time.Minute}}
	})
	require.Equal(t, used, s.class.Status.Images[0].ID)
	require.Equal(t, id, s.class.Status.Images[0].Successor.ID)
	require.LessOrEqual(t, s.status.wait(s.class, 0), 3*time.Minute+20*time.Second)
	s.clock.Step(4 * time.Minute)
	s.reconcile()
	require.Equal(t, id, s.class.Status.Images[0].ID)
	require.GreaterOrEqual(t, s.status.wait(s.class, 0), revalidateAfter)
}

func TestAnImageThatIsNotFoundAnyMoreStaysInTheStatus(t *testing.T) {
	s := newSuite(t)
	s.reconcile()
	before := s.class.Status.Images
	s.change(func(spec *v1alpha1.OciNodeClassSpec) {
		spec.ImageSelector = []v1alpha1.ImageSelectorTerm{{Name: "nope"}}
	})
	s.requireFalse(v1alpha1.ConditionTypeImageReady, `no image is named "nope"`)
	require.Equal(t, before, s.class.Status.Images, "nodes must not drift because a selector is wrong")
}

func TestCompartment(t *testing.T) {
	s := newSuite(t)
	s.reconcile()
	require.Equal(t, &v1alpha1.Compartment{ID: s.region.World.CompartmentID, Name: "workloads"}, s.class.Status.Compartment)
	other := s.region.AddCompartment("other")
	s.change(func(spec *v1alpha1.OciNodeClassSpec) { spec.CompartmentID = other })
	s.requireReady()
	require.Equal(t, "other", s.class.Status.Compartment.Name)
	s.change(func(spec *v1alpha1.OciNodeClassSpec) { spec.CompartmentID = "ocid1.compartment.oc1..none" })
	s.requireFalse(v1alpha1.ConditionTypeCompartmentReady, "Allow <the controller> to read compartments")
	s.change(func(spec *v1alpha1.OciNodeClassSpec) { spec.CompartmentID = other })
	s.requireReady()
	s.region.Fail(ocisim.Fault{Operation: "ListInstances", Kind: ocisim.ErrorAnswer, Status: 404, Code: "NotAuthorizedOrNotFound", Message: "at 2026-01-01T00:00:00Z, opc-request-id: ABC/DEF"})
	s.reconcile()
	s.requireFalse(v1alpha1.ConditionTypeCompartmentReady, "read instances")
	require.NotContains(t, s.condition(v1alpha1.ConditionTypeCompartmentReady).Message, "2026-01-01")
	require.NotContains(t, s.condition(v1alpha1.ConditionTypeCompartmentReady).Message, "ABC")
}

func TestTheControllersOwnCompartmentNeedsNoName(t *testing.T) {
	s := newSuite(t)
	s.region.Fail(ocisim.Fault{Operation: "GetCompartment", Kind: ocisim.ErrorAnswer, Status: 404, Code: "NotAuthorizedOrNotFound", Message: "x"})
	s.reconcile()
	s.requireReady()
	require.Equal(t, &v1alpha1.Compartment{ID: s.region.World.CompartmentID}, s.class.Status.Compartment)
}

func TestKeys(t *testing.T) {
	s := newSuite(t)
	key, err := s.region.AddKey("volumes", "")
	require.NoError(t, err)
	s.change(func(spec *v1alpha1.OciNodeClassSpec) { spec.BootConfig = &v1alpha1.BootConfig{KMSKeyID: key} })
	s.requireReady()
	require.Equal(t, []v1alpha1.KMSKey{{ID: key, Name: "volumes"}}, s.class.Status.KMSKeys)

	require.NoError(t, s.region.SetKeyState(key, "DISABLED"))
	s.reconcile()
	s.requireFalse(v1alpha1.ConditionTypeKMSKeysReady, "volumes", "DISABLED", "enable it")

	s.change(func(spec *v1alpha1.OciNodeClassSpec) { spec.BootConfig.KMSKeyID = "ocid1.key.oc1.phx.vault.none" })
	s.requireReady()
	got := s.condition(v1alpha1.ConditionTypeKMSKeysReady)
	require.Equal(t, reasonUnchecked, got.Reason, "a key that can not be read is not a key that is missing")
	require.Contains(t, got.Message, "Allow service blockstorage to use keys")
	s.change(func(spec *v1alpha1.OciNodeClassSpec) { spec.BootConfig = nil })
	require.Empty(t, s.class.Status.KMSKeys)
}

func TestPlacementIsResolved(t *testing.T) {
	s := newSuite(t)
	w := s.region.World
	reservation, err := s.region.SetReservation(ocisim.ReservationSpec{Name: "r", AvailabilityDomain: w.ADs[0], Shape: "VM.Standard.E5.Flex", OCPUs: 2, MemoryGB: 16, Count: 2})
	require.NoError(t, err)
	group, err := s.region.AddClusterPlacementGroup(ocisim.PlaceSpec{Labelled: ocisim.Labelled{Name: "g"}, AvailabilityDomain: w.ADs[0]})
	require.NoError(t, err)
	host, err := s.region.AddDedicatedVMHost(ocisim.PlaceSpec{Labelled: ocisim.Labelled{Name: "h"}, AvailabilityDomain: w.ADs[0], FaultDomain: "FAULT-DOMAIN-2"})
	require.NoError(t, err)
	byName := func(name string) []v1alpha1.PlacementSelectorTerm {
		return []v1alpha1.PlacementSelectorTerm{{Name: name}}
	}
	s.change(func(spec *v1alpha1.OciNodeClassSpec) {
		spec.Placement = &v1alpha1.Placement{CapacityReservationSelector: byName("r"), ClusterPlacementGroupSelector: byName("g")}
	})
	s.requireReady()
	require.Equal(t, reservation, s.class.Status.CapacityReservations[0].ID)
	require.Equal(t, group, s.class.Status.ClusterPlacementGroups[0].ID)
	before := s.class.ResourceVersion
	s.reconcile()
	require.Equal(t, before, s.class.ResourceVersion, "quantities that come back from the API server are the same quantities")

	s.change(func(spec *v1alpha1.OciNodeClassSpec) {
		spec.Placement = &v1alpha1.Placement{DedicatedVMHostSelector: byName("h"), FaultDomains: []string{"FAULT-DOMAIN-1"}}
	})
	s.requireFalse(v1alpha1.ConditionTypePlacementReady, "none of the dedicated VM hosts is in FAULT-DOMAIN-1")
	s.change(func(spec *v1alpha1.OciNodeClassSpec) { spec.Placement.FaultDomains = nil })
	s.requireReady()
	require.Equal(t, host, s.class.Status.DedicatedVMHosts[0].ID)
	require.Empty(t, s.class.Status.CapacityReservations, "what is not asked for any more is gone")
	s.change(func(spec *v1alpha1.OciNodeClassSpec) {
		spec.Placement = &v1alpha1.Placement{ComputeClusterSelector: byName("none")}
	})
	s.requireFalse(v1alpha1.ConditionTypePlacementReady, `no compute cluster that is ACTIVE is named "none"`)
}

func refusal(operation, message string) error {
	return fmt.Errorf("launching: %w", &oci.Error{Operation: operation, Class: oci.ClassNotFound, Status: 404, Code: "NotAuthorizedOrNotFound", Message: message})
}

func TestARefusedLaunchNamesThePolicyAndIsTriedAgain(t *testing.T) {
	s := newSuite(t)
	s.reconcile()
	require.Equal(t, reasonNoLaunchYet, s.condition(v1alpha1.ConditionTypeLaunchAuthorized).Reason, "no launch holds nothing up")

	s.launches.Record(s.class, refusal("LaunchInstance", "Authorization failed or requested resource not found."))
	require.Len(t, s.launches.changed, 1, "the class is looked at without delay")
	s.reconcile()
	s.requireFalse(v1alpha1.ConditionTypeLaunchAuthorized, "Allow <the controller> to manage instances in compartment id "+s.region.World.CompartmentID, "to use subnets", "use network-security-groups")
	s.launches.Record(s.class, refusal("LaunchInstance", "again"))
	s.launches.Record(s.class, &oci.Error{Class: oci.ClassCapacity})
	require.Len(t, s.launches.changed, 1, "nothing changed")

	s.clock.Step(refusedFor + time.Second)
	s.reconcile()
	s.requireReady()
	require.Equal(t, reasonTryingAgain, s.condition(v1alpha1.ConditionTypeLaunchAuthorized).Reason)

	s.launches.Record(s.class, refusal("LaunchInstance", "related resource not found: subnet ocid1.subnet.x"))
	s.reconcile()
	s.requireFalse(v1alpha1.ConditionTypeLaunchAuthorized, "Allow <the controller> to use subnets in compartment <of the subnets>")
	s.launches.Record(s.class, nil)
	s.reconcile()
	s.requireReady()
	require.Equal(t, v1alpha1.ConditionTypeLaunchAuthorized, s.condition(v1alpha1.ConditionTypeLaunchAuthorized).Reason)
}

func TestWhatLaunchesSayIsWrittenWithoutAskingOCI(t *testing.T) {
	s := newSuite(t)
	s.reconcile()
	launches, asked := NewLaunchesController(s.status), s.region.Journal().Counts()
	reconcile := func() time.Duration {
		require.NoError(t, s.kube.Get(t.Context(), client.ObjectKeyFromObject(s.class), s.class))
		result, err := launches.Reconcile(t.Context(), s.class)
		require.NoError(t, err)
		return result.RequeueAfter
	}
	s.launches.Record(s.class, refusal("LaunchInstance", "x"))
	require.GreaterOrEqual(t, reconcile(), refusedFor)
	s.requireNow(v1alpha1.ConditionTypeLaunchAuthorized, metav1.ConditionFalse)
	s.requireNow(status.ConditionReady, metav1.ConditionFalse)
	s.clock.Step(refusedFor + time.Second)
	require.Zero(t, reconcile())
	s.requireNow(status.ConditionReady, metav1.ConditionTrue)
	s.launches.Record(s.class, nil)
	require.Zero(t, reconcile())
	s.requireNow(v1alpha1.ConditionTypeLaunchAuthorized, metav1.ConditionTrue)
	require.Equal(t, asked, s.region.Journal().Counts())

	stale := s.class.DeepCopy()
	s.change(func(spec *v1alpha1.OciNodeClassSpec) { spec.FreeFormTags = v1alpha1.FreeFormTags{"a": "b"} })
	s.launches.Record(stale, refusal("LaunchInstance", "x"))
	result, err := launches.Reconcile(t.Context(), stale)
	require.NoError(t, err)
	require.NotZero(t, result.RequeueAfter, "a class that was written meanwhile is looked at again")
}

func (s *suite) requireNow(kind string, want metav1.ConditionStatus) {
	s.t.Helper()
	require.NoError(s.t, s.kube.Get(s.t.Context(), client.ObjectKeyFromObject(s.class), s.class))
	require.Equal(s.t, want, s.condition(kind).Status, kind)
}

func TestAResolutionAgainAsksForNoMoreThanWhatMayChange(t *testing.T) {
	s := newSuite(t)
	s.reconcile()
	first := s.region.Journal().Counts()
	require.Equal(t, 1, first["GetCompartment"])
	s.reconcile()
	second := s.region.Journal().Counts()
	for operation := range second {
		second[operation] -= first[operation]
	}
	require.Equal(t, map[string]int{
		"ListImages": 1, "GetSubnet": 1, "GetSubnetCidrUtilization": 1, "GetNetworkSecurityGroup": 1,
		"GetCompartment": 0, "GetNodePoolOptions": 0, "GetImage": 0, "GetCluster": 0,
	}, second)
}

func TestARefusalEndsWithAChangeOfTheClassAndOutlivesTheController(t *testing.T) {
	s := newSuite(t)
	s.reconcile()
	s.launches.Record(s.class, refusal("LaunchInstance", "x"))
	s.reconcile()
	s.requireFalse(v1alpha1.ConditionTypeLaunchAuthorized)

	s.status.Launches = NewLaunchOutcomes(s.clock)
	s.reconcile()
	require.True(t, s.condition(v1alpha1.ConditionTypeLaunchAuthorized).IsFalse(), "a controller that was started again keeps it for a while")
	s.clock.Step(refusedFor + time.Second)
	s.reconcile()
	s.requireReady()

	s.status.Launches.Record(s.class, refusal("LaunchInstance", "x"))
	s.reconcile()
	require.True(t, s.condition(v1alpha1.ConditionTypeLaunchAuthorized).IsFalse())
	s.change(func(spec *v1alpha1.OciNodeClassSpec) { spec.FreeFormTags = v1alpha1.FreeFormTags{"a": "b"} })
	s.requireReady()
}

func TestMessagesAreBounded(t *testing.T) {
	require.Len(t, []rune(bounded(strings.Repeat("ü", 5000))), maxMessage+3)
	require.Equal(t, "short", bounded("short"))
}

func TestTheNodesOfAClassAreCounted(t *testing.T) {
	s := newSuite(t)
	s.reconcile()
	nodes := NewNodesController(s.kube)
	for i := range 3 {
		claim := &karpv1.NodeClaim{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprint("claim-", i)}}
		claim.Spec.NodeClassRef = &karpv1.NodeClassReference{Group: v1alpha1.Group, Kind: "OciNodeClass", Name: lo.Ternary(i < 2, "class", "other")}
		require.NoError(t, s.kube.Create(t.Context(), claim))
	}
	_, err := nodes.Reconcile(t.Context(), s.class)
	require.NoError(t, err)
	s.reconcile()
	require.EqualValues(t, 2, s.class.Status.Nodes, "the count is kept by the other writer of the status")
}

func TestAStatusThatWasWrittenMeanwhileIsNotOverwritten(t *testing.T) {
	s := newSuite(t)
	s.reconcile()
	stale := s.class.DeepCopy()
	s.change(func(spec *v1alpha1.OciNodeClassSpec) {
		spec.SubnetSelector = []v1alpha1.SubnetSelectorTerm{{ID: s.region.World.NodeSubnetIDs[1]}}
	})
	stale.Status.Subnets = nil
	result, err := s.status.Reconcile(t.Context(), stale)
	require.NoError(t, err)
	require.Less(t, result.RequeueAfter, retryAfter)
	s.reconcile()
	require.Equal(t, s.region.World.NodeSubnetIDs[1], s.class.Status.Subnets[0].ID)
}

func TestOneClassDoesNotAffectAnother(t *testing.T) {
	s := newSuite(t)
	broken := s.class.DeepCopy()
	broken.Name, broken.UID, broken.ResourceVersion = "broken", "broken", ""
	broken.Spec.SubnetSelector[0].ID = "ocid1.subnet.oc1.phx.none"
	require.NoError(t, s.kube.Create(t.Context(), broken))
	_, err := s.status.Reconcile(t.Context(), broken)
	require.NoError(t, err)
	s.launches.Record(broken, refusal("LaunchInstance", "x"))
	require.True(t, broken.StatusConditions().Root().IsFalse())
	s.reconcile()
	s.requireReady()
}
