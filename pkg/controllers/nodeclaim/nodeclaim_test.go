package nodeclaim

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/core"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/scheme"
	testclock "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/instance"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/inventory"
)

const clusterID = "ocid1.cluster.oc1.phx.mine"

var noon = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

// cloud is one compartment's instances, and remembers what was terminated.
type cloud struct {
	instance.Provider
	instances  []core.Instance
	err        error
	terminated []string
	onList     func()
}

func (c *cloud) ListInstances(context.Context, string) ([]core.Instance, error) {
	if c.onList != nil {
		c.onList()
	}
	return c.instances, c.err
}

func (c *cloud) Terminate(_ context.Context, id string) error {
	c.terminated = append(c.terminated, id)
	return nil
}

func (c *cloud) ReleaseVolumes(context.Context, []inventory.Instance) error { return nil }

func (c *cloud) add(id, claimUID, cluster string, created time.Time, state core.InstanceLifecycleStateEnum) {
	owner := inventory.Owner{
		NodePool: inventory.NamedUID{Name: "pool", UID: "uid-pool"}, NodeClaim: inventory.NamedUID{Name: "claim", UID: claimUID}, InstanceType: "t",
	}
	c.instances = append(c.instances, core.Instance{
		Id: &id, DisplayName: common.String("claim"), LifecycleState: state, TimeCreated: &common.SDKTime{Time: created}, AvailabilityDomain: common.String("Uocm:PHX-AD-1"),
		Shape: common.String("VM.Standard.E5.Flex"), FreeformTags: owner.Tags(cluster),
		ShapeConfig: &core.InstanceShapeConfig{Ocpus: common.Float32(2), MemoryInGBs: common.Float32(16)},
	})
}

func newKube(objects ...client.Object) client.Client {
	return fake.NewClientBuilder().WithScheme(scheme.Scheme).WithObjects(objects...).WithStatusSubresource(&karpv1.NodeClaim{}).
		WithIndex(&karpv1.NodeClaim{}, "status.providerID", func(o client.Object) []string {
			return []string{o.(*karpv1.NodeClaim).Status.ProviderID}
		}).Build()
}

func pool() *karpv1.NodePool {
	return &karpv1.NodePool{ObjectMeta: metav1.ObjectMeta{Name: "pool", UID: "uid-pool"}}
}

func claim(name, uid, providerID string) *karpv1.NodeClaim {
	c := &karpv1.NodeClaim{ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID(uid), Labels: map[string]string{
		karpv1.NodePoolLabelKey: "pool", corev1.LabelInstanceTypeStable: "VM.Standard.E5.Flex.2o.16g"}}}
	c.Status.ProviderID = providerID
	return c
}

func TestOrphansAreTerminatedAndNothingElse(t *testing.T) {
	old, running := noon.Add(-time.Hour), core.InstanceLifecycleStateRunning
	c := &cloud{}
	c.add("orphan", "uid-gone", clusterID, old, running)
	c.add("owned", "uid-owned", clusterID, old, running)
	c.add("tags-edited", "uid-nonsense", clusterID, old, running)
	c.add("young", "uid-young", clusterID, noon.Add(-time.Minute), running)
	c.add("ending", "uid-ending", clusterID, old, core.InstanceLifecycleStateTerminating)
	c.add("foreign", "uid-gone", "ocid1.cluster.oc1.phx.other", old, running)
	clk := testclock.NewFakeClock(noon)
	c.add("unknown-pool", "uid-gone", clusterID, old, running)
	c.instances[len(c.instances)-1].FreeformTags[v1alpha1.TagNodePool] = "pool/uid-of-another"
	c.add("unborn", "uid-gone", clusterID, old, running)
	c.instances[len(c.instances)-1].DisplayName = common.String("not-recorded")
	c.add("made-by-hand", "uid-gone", clusterID, old, running)
	c.instances[len(c.instances)-1].DisplayName = common.String("bastion")
	c.add("no-name", "uid-gone", clusterID, old, running)
	c.instances[len(c.instances)-1].DisplayName = nil
	c.add("no-time", "uid-gone", clusterID, old, running)
	c.instances[len(c.instances)-1].TimeCreated = nil
	kube := newKube(pool(), claim("owned", "uid-owned", ""), claim("by-id", "uid-by-id", "tags-edited"), claim("not-recorded", "uid-x", ""))
	controller := NewOrphanController(kube, inventory.NewProvider(c, inventory.OneCompartment("compartment"), clusterID, clk), c, clk)
	_, err := controller.Reconcile(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"orphan"}, c.terminated)
}

func TestAClaimCreatedWhileTheCloudIsReadIsNotMissed(t *testing.T) {
	c := &cloud{}
	c.add("new", "uid-new", clusterID, noon.Add(-time.Hour), core.InstanceLifecycleStateRunning)
	clk := testclock.NewFakeClock(noon)
	kube := newKube(pool())
	c.onList = func() { require.NoError(t, kube.Create(t.Context(), claim("new", "uid-new", ""))) }
	_, err := NewOrphanController(kube, inventory.NewProvider(c, inventory.OneCompartment("compartment"), clusterID, clk), c, clk).Reconcile(t.Context())
	require.NoError(t, err)
	require.Empty(t, c.terminated)
}

func TestAFailedListTerminatesNothing(t *testing.T) {
	c := &cloud{err: errors.New("page 2")}
	c.add("orphan", "uid-gone", clusterID, noon.Add(-time.Hour), core.InstanceLifecycleStateRunning)
	clk := testclock.NewFakeClock(noon)
	_, err := NewOrphanController(newKube(pool()), inventory.NewProvider(c, inventory.OneCompartment("compartment"), clusterID, clk), c, clk).Reconcile(t.Context())
	require.Error(t, err)
	require.Empty(t, c.terminated)
}

func TestTheInstanceTypeIsPutBackOnANode(t *testing.T) {
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n", Labels: map[string]string{
		v1alpha1.LabelNodeClass: "c", corev1.LabelInstanceTypeStable: "VM.Standard.E5.Flex", corev1.LabelInstanceType: "VM.Standard.E5.Flex"}}}
	node.Spec.ProviderID = "i"
	stranger := node.DeepCopy()
	stranger.Name, stranger.Spec.ProviderID = "stranger", "other"
	kube := newKube(claim("a", "uid-a", "i"), node, stranger)
	for _, n := range []*corev1.Node{node, stranger} {
		_, err := NewLabelsController(kube).Reconcile(t.Context(), n)
		require.NoError(t, err)
	}
	got := &corev1.Node{}
	require.NoError(t, kube.Get(t.Context(), client.ObjectKey{Name: "n"}, got))
	require.Equal(t, "VM.Standard.E5.Flex.2o.16g", got.Labels[corev1.LabelInstanceTypeStable])
	require.Equal(t, "VM.Standard.E5.Flex.2o.16g", got.Labels[corev1.LabelInstanceType])
	require.NoError(t, kube.Get(t.Context(), client.ObjectKey{Name: "stranger"}, got))
	require.Equal(t, "VM.Standard.E5.Flex", got.Labels[corev1.LabelInstanceTypeStable])
}

func TestTheTypesInUseFollowTheNodeClaims(t *testing.T) {
	kube := newKube(claim("a", "uid-a", "i"), claim("b", "uid-b", "j"))
	c := NewInUseController(kube)
	reconciled := func() uint64 {
		_, err := c.Reconcile(t.Context(), reconcile.Request{})
		require.NoError(t, err)
		return c.Generation()
	}
	first := reconciled()
	require.Equal(t, []string{"VM.Standard.E5.Flex.2o.16g"}, c.TypeNames("pool"))
	require.Equal(t, first, reconciled(), "nothing changed")
	require.NoError(t, kube.DeleteAllOf(t.Context(), &karpv1.NodeClaim{}))
	require.Greater(t, reconciled(), first)
	require.Empty(t, c.TypeNames("pool"))
}
