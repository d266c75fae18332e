package nodeclaim

import (
	"context"
	"fmt"
	"maps"
	"testing"

	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/core"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/scheme"
	testclock "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/inventory"
)

// account is what the sync controller changes: one instance's tags and one VNIC's groups.
type account struct {
	cloud
	calls  []string
	groups []string
}

func (a *account) ChangeInstanceTags(_ context.Context, _ string, change func(core.Instance) (map[string]string, map[string]map[string]interface{})) error {
	a.calls = append(a.calls, "UpdateInstance")
	a.instances[0].FreeformTags, a.instances[0].DefinedTags = change(a.instances[0])
	return nil
}

func (a *account) ListVNICAttachments(context.Context, string, string) ([]core.VnicAttachment, error) {
	a.calls = append(a.calls, "ListVnicAttachments")
	return []core.VnicAttachment{{VnicId: common.String("pods")}, {VnicId: common.String("primary")}, {}}, nil
}

func (a *account) GetVNIC(_ context.Context, id string) (core.Vnic, error) {
	a.calls = append(a.calls, "GetVnic")
	return core.Vnic{Id: &id, IsPrimary: common.Bool(id == "primary")}, nil
}

func (a *account) UpdateVNICSecurityGroups(_ context.Context, id string, groups []string) error {
	a.calls = append(a.calls, "UpdateVnic "+id)
	a.groups = groups
	return nil
}

type syncSuite struct {
	t       *testing.T
	account *account
	kube    client.Client
	inv     *inventory.DefaultProvider
}

func newSyncSuite(t *testing.T) *syncSuite {
	t.Helper()
	a := &account{}
	a.add("i", "uid-a", clusterID, noon, core.InstanceLifecycleStateRunning)
	a.instances[0].FreeformTags["somebody"] = "else"
	a.instances[0].DefinedTags = map[string]map[string]interface{}{"Oracle-Tags": {"CreatedBy": "x"}}
	nodeClass := &v1alpha1.OciNodeClass{ObjectMeta: metav1.ObjectMeta{Name: "class"}}
	nodeClass.Status.SecurityGroups = []v1alpha1.SecurityGroup{{ID: "g1"}}
	for _, condition := range v1alpha1.ReadyConditionTypes {
		nodeClass.StatusConditions().SetTrue(condition)
	}
	c := claim("a", "uid-a", "i")
	c.Spec.NodeClassRef = &karpv1.NodeClassReference{Group: v1alpha1.Group, Kind: "OciNodeClass", Name: "class"}
	c.Annotations = map[string]string{
		v1alpha1.AnnotationSecurityGroupIDs: "g1", v1alpha1.AnnotationNodeClassHash: nodeClass.Hash(), v1alpha1.AnnotationNodeClassHashVersion: v1alpha1.HashVersion,
	}
	return &syncSuite{t: t, account: a,
		kube: fake.NewClientBuilder().WithScheme(scheme.Scheme).WithObjects(nodeClass, c).Build(),
		inv:  inventory.NewProvider(a, inventory.OneCompartment("compartment"), clusterID, testclock.NewFakeClock(noon))}
}

// run reconciles on a fresh list and gives the calls that it made.
func (s *syncSuite) run() []string {
	s.t.Helper()
	require.NoError(s.t, s.inv.Refresh(s.t.Context()))
	s.account.calls = nil
	_, err := NewSyncController(s.kube, s.account, s.inv, clusterID).Reconcile(s.t.Context())
	require.NoError(s.t, err)
	return s.account.calls
}

func (s *syncSuite) edit(change func(*v1alpha1.OciNodeClass)) {
	s.t.Helper()
	nodeClass := &v1alpha1.OciNodeClass{}
	require.NoError(s.t, s.kube.Get(s.t.Context(), client.ObjectKey{Name: "class"}, nodeClass))
	change(nodeClass)
	require.NoError(s.t, s.kube.Update(s.t.Context(), nodeClass))
}

func (s *syncSuite) tags() map[string]string { return s.account.instances[0].FreeformTags }

func TestTagsFollowTheClassAndOthersStay(t *testing.T) {
	s := newSyncSuite(t)
	require.Empty(t, s.run(), "nothing differs, nothing is called")
	s.edit(func(c *v1alpha1.OciNodeClass) {
		c.Spec.FreeFormTags = v1alpha1.FreeFormTags{"team": "data", "env": "prod"}
		c.Spec.DefinedTags = v1alpha1.DefinedTags{"cost": {"center": "42"}}
	})
	require.Equal(t, []string{"UpdateInstance"}, s.run())
	require.Equal(t, "data", s.tags()["team"])
	require.Equal(t, "else", s.tags()["somebody"])
	require.Equal(t, clusterID, s.tags()[v1alpha1.TagClusterID])
	require.Equal(t, map[string]map[string]interface{}{"Oracle-Tags": {"CreatedBy": "x"}, "cost": {"center": "42"}}, s.account.instances[0].DefinedTags)
	require.Empty(t, s.run())

	s.edit(func(c *v1alpha1.OciNodeClass) {
		c.Spec.FreeFormTags, c.Spec.DefinedTags = v1alpha1.FreeFormTags{"team": "web"}, nil
	})
	require.Equal(t, []string{"UpdateInstance"}, s.run())
	require.Equal(t, "web", s.tags()["team"])
	require.NotContains(t, s.tags(), "env", "a tag that the class gave up goes")
	require.Equal(t, "else", s.tags()["somebody"], "a tag of somebody else does not")
	require.Empty(t, s.run())
}

func TestTagsThatSomebodySetSinceTheListAreKept(t *testing.T) {
	s := newSyncSuite(t)
	require.NoError(t, s.inv.Refresh(t.Context()))
	s.account.instances[0].FreeformTags = maps.Clone(s.tags())
	s.account.instances[0].FreeformTags["set"] = "a moment ago"
	delete(s.account.instances[0].FreeformTags, "somebody")
	s.edit(func(c *v1alpha1.OciNodeClass) { c.Spec.FreeFormTags = v1alpha1.FreeFormTags{"team": "data"} })
	_, err := NewSyncController(s.kube, s.account, s.inv, clusterID).Reconcile(t.Context())
	require.NoError(t, err)
	require.Equal(t, "data", s.tags()["team"])
	require.Equal(t, "a moment ago", s.tags()["set"])
	require.NotContains(t, s.tags(), "somebody")
	known, _ := s.inv.Current().Get("i")
	require.Equal(t, s.tags(), known.FreeformTags)
}

func TestAClassWithManyTagsKeepsTheMostImportantOfOurs(t *testing.T) {
	s := newSyncSuite(t)
	s.edit(func(c *v1alpha1.OciNodeClass) {
		c.Spec.FreeFormTags = v1alpha1.FreeFormTags{}
		for i := range 7 {
			c.Spec.FreeFormTags[fmt.Sprint("tag-", i)] = "x"
		}
	})
	s.run()
	require.Len(t, s.tags(), v1alpha1.MaxFreeformTags)
	require.Contains(t, s.tags(), v1alpha1.TagClusterID)
	require.Contains(t, s.tags(), v1alpha1.TagNodeClaim)
}

// claimed says what the NodeClaims of this test say.
type claimed map[string]inventory.Owner

func (c claimed) Claimed(context.Context) (map[string]inventory.Owner, error) { return c, nil }

func TestOwnershipTagsThatWereEditedArePutBackOnce(t *testing.T) {
	s := newSyncSuite(t)
	c := &karpv1.NodeClaim{}
	require.NoError(t, s.kube.Get(t.Context(), client.ObjectKey{Name: "a"}, c))
	owner := inventory.OwnerOf(c)
	owner.NodePool.UID, owner.NodeClass, owner.InstanceType = "uid-pool", "class", "t"
	s.inv = inventory.NewProvider(s.account, inventory.OneCompartment("compartment"), clusterID, testclock.NewFakeClock(noon), inventory.WithClaims(claimed{"i": owner}))
	s.account.instances[0].FreeformTags = map[string]string{"somebody": "else", v1alpha1.TagNodeClaim: "non/sense"}
	require.Equal(t, []string{"UpdateInstance"}, s.run())
	want := owner.Tags(clusterID)
	want["somebody"] = "else"
	require.Equal(t, want, s.tags())
	_, err := NewSyncController(s.kube, s.account, s.inv, clusterID).Reconcile(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"UpdateInstance"}, s.account.calls, "not again before the next list")
	require.Empty(t, s.run(), "and not after it")

	s.account.instances[0].FreeformTags[v1alpha1.TagClusterID] = "ocid1.cluster.oc1.phx.other"
	require.Empty(t, s.run(), "what carries another cluster's tag is left alone")
}

func TestSecurityGroupsOfTheNodesVNICFollowTheClass(t *testing.T) {
	s := newSyncSuite(t)
	s.run()
	s.edit(func(c *v1alpha1.OciNodeClass) {
		c.Status.SecurityGroups = []v1alpha1.SecurityGroup{{ID: "g3"}, {ID: "g2"}}
	})
	require.Equal(t, []string{"ListVnicAttachments", "GetVnic", "GetVnic", "UpdateVnic primary", "GetVnic"}, s.run())
	require.Equal(t, []string{"g2", "g3"}, s.account.groups)
	require.Empty(t, s.run(), "once")
}

func TestANodeClaimOfAnotherHashVersionIsStampedAnew(t *testing.T) {
	s := newSyncSuite(t)
	c := &karpv1.NodeClaim{}
	require.NoError(t, s.kube.Get(t.Context(), client.ObjectKey{Name: "a"}, c))
	c.Annotations[v1alpha1.AnnotationNodeClassHashVersion], c.Annotations[v1alpha1.AnnotationNodeClassHash] = "v0", "123"
	require.NoError(t, s.kube.Update(t.Context(), c))
	s.run()
	require.NoError(t, s.kube.Get(t.Context(), client.ObjectKey{Name: "a"}, c))
	require.Equal(t, v1alpha1.HashVersion, c.Annotations[v1alpha1.AnnotationNodeClassHashVersion])
	require.Equal(t, (&v1alpha1.OciNodeClass{}).Hash(), c.Annotations[v1alpha1.AnnotationNodeClassHash])
}
