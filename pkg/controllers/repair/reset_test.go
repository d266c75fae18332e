package repair

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
	"k8s.io/client-go/kubernetes/scheme"
	testclock "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/cloudprovider"
	"sigs.k8s.io/karpenter/pkg/test"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/instance"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/inventory"
)

const cluster = "ocid1.cluster.oc1.phx.mine"

var noon = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

// world is one node whose reboot core has issued at noon, and its instance.
type world struct {
	t          *testing.T
	clock      *testclock.FakeClock
	kube       client.Client
	recorder   *test.EventRecorder
	state      core.InstanceLifecycleStateEnum
	shape      string
	answer     error
	resets     []string // operation ids
	controller *ResetController
}

func (w *world) ListInstances(context.Context, string) ([]core.Instance, error) {
	id := "instance"
	return []core.Instance{{
		Id: &id, LifecycleState: w.state, Shape: &w.shape, AvailabilityDomain: common.String("Uocm:PHX-AD-1"),
		FreeformTags: map[string]string{v1alpha1.TagClusterID: cluster},
	}}, nil
}

func (w *world) Reboot(_ context.Context, id, operationID string, kind instance.RebootKind) error {
	require.Equal(w.t, "instance", id)
	require.Equal(w.t, instance.RebootHard, kind)
	w.resets = append(w.resets, operationID)
	return w.answer
}

func newWorld(t *testing.T, shape string, state core.InstanceLifecycleStateEnum) *world {
	t.Helper()
	w := &world{t: t, clock: testclock.NewFakeClock(noon), recorder: test.NewEventRecorder(), shape: shape, state: state}
	claim := &karpv1.NodeClaim{ObjectMeta: metav1.ObjectMeta{Name: "claim", UID: "uid", Annotations: map[string]string{karpv1.RebootPreBootIDAnnotationKey: "first"}}}
	claim.Status.ProviderID = "instance"
	claim.StatusConditions().SetTrueWithReason(karpv1.ConditionTypeRebooting, karpv1.RebootReasonIssued, "rebooting for KernelDeadlock/DockerHung")
	claim.StatusConditions().SetUnknownWithReason(karpv1.ConditionTypeInitialized, karpv1.RebootReasonRebooting, "node is rebooting")
	for i := range claim.Status.Conditions {
		claim.Status.Conditions[i].LastTransitionTime = metav1.NewTime(noon)
	}
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "node"}, Spec: corev1.NodeSpec{ProviderID: "instance"}}
	node.Status.NodeInfo.BootID = "first"
	w.kube = fake.NewClientBuilder().WithScheme(scheme.Scheme).WithObjects(claim, node).WithStatusSubresource(claim, node).
		WithIndex(&corev1.Node{}, "spec.providerID", func(o client.Object) []string { return []string{o.(*corev1.Node).Spec.ProviderID} }).Build()
	w.restart()
	return w
}

// restart is another process: it has listed the instances and knows nothing else.
func (w *world) restart() {
	inv := inventory.NewProvider(w, inventory.OneCompartment("compartment"), cluster, w.clock)
	require.NoError(w.t, inv.Refresh(w.t.Context()))
	w.controller = NewResetController(w.kube, w.recorder, inv, w, w.clock)
}

// look reconciles after a time and returns when the controller wants to look again; 0 for never.
func (w *world) look(after time.Duration) time.Duration {
	w.t.Helper()
	w.clock.Step(after)
	claim := &karpv1.NodeClaim{}
	require.NoError(w.t, w.kube.Get(w.t.Context(), client.ObjectKey{Name: "claim"}, claim))
	result, err := w.controller.Reconcile(w.t.Context(), claim)
	require.NoError(w.t, err)
	return result.RequeueAfter
}

func TestAnOverdueRebootIsForced(t *testing.T) {
	const vm, metal = "VM.Standard.E5.Flex", "BM.GPU.H100.8"
	const running, stopping, starting = core.InstanceLifecycleStateRunning, core.InstanceLifecycleStateStopping, core.InstanceLifecycleStateStarting
	for _, c := range []struct {
		name   string
		shape  string
		state  core.InstanceLifecycleStateEnum
		after  time.Duration
		resets int
	}{
		{"a machine gets time to follow", vm, stopping, patienceVM - time.Second, 0},
		{"one that does not shut down is reset", vm, stopping, patienceVM, 1},
		{"so is one that took no notice", vm, running, patienceVM, 1},
		{"one that is coming up is left alone", vm, starting, patienceVM, 0},
		{"bare metal takes longer", metal, stopping, patienceVM, 0},
		{"bare metal that does not shut down is reset", metal, stopping, patienceBM, 1},
		{"bare metal that may be in its firmware is left alone", metal, running, patienceBM, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, c.shape, c.state)
			w.look(c.after)
			require.Len(t, w.resets, c.resets)
			require.Equal(t, c.resets, w.recorder.Calls(EventReset))
		})
	}
}

func TestTheControllerWakesWhenARebootIsOverdue(t *testing.T) {
	w := newWorld(t, "VM.Standard.E5.Flex", core.InstanceLifecycleStateStopping)
	require.Equal(t, patienceVM-time.Minute, w.look(time.Minute))
	require.Zero(t, w.look(patienceVM), "it has done what it can; core replaces the node if it stays away")
	require.Len(t, w.resets, 1)
}

func TestANodeWithAnotherBootIsLeftAlone(t *testing.T) {
	w := newWorld(t, "VM.Standard.E5.Flex", core.InstanceLifecycleStateRunning)
	node := &corev1.Node{}
	require.NoError(t, w.kube.Get(t.Context(), client.ObjectKey{Name: "node"}, node))
	node.Status.NodeInfo.BootID = "second"
	require.NoError(t, w.kube.Status().Update(t.Context(), node))
	require.Zero(t, w.look(time.Hour))
	require.Empty(t, w.resets)
}

func TestAResetOfOneBootHasOneToken(t *testing.T) {
	w := newWorld(t, "VM.Standard.E5.Flex", core.InstanceLifecycleStateStopping)
	w.answer = errors.New("instance is STOPPING and can not be rebooted yet")
	require.Equal(t, retryAfter, w.look(patienceVM))
	w.restart()
	w.answer = nil
	w.look(retryAfter)
	require.Len(t, w.resets, 2)
	require.Equal(t, w.resets[0], w.resets[1], "OCI does the same operation once")
	require.Equal(t, 1, w.recorder.Calls(EventReset))
}

func TestAResetThatIsRefusedIsLeftToCore(t *testing.T) {
	w := newWorld(t, "VM.Standard.E5.Flex", core.InstanceLifecycleStateStopping)
	w.answer = cloudprovider.NewNodeRebootFailedError(errors.New("not allowed"))
	require.Zero(t, w.look(patienceVM))
	require.Zero(t, w.recorder.Calls(EventReset))
}

func TestOnlyRebootsThatOCITookAreFollowed(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*karpv1.NodeClaim)
	}{
		{"one that is still draining", func(claim *karpv1.NodeClaim) {
			claim.StatusConditions().SetTrueWithReason(karpv1.ConditionTypeRebooting, karpv1.RebootReasonRequested, "")
		}},
		{"one that has ended", func(claim *karpv1.NodeClaim) {
			claim.StatusConditions().SetFalse(karpv1.ConditionTypeRebooting, karpv1.RebootReasonSucceeded, "")
		}},
		{"one whose time is not written yet", func(claim *karpv1.NodeClaim) { claim.StatusConditions().SetTrue(karpv1.ConditionTypeInitialized) }},
		{"a NodeClaim that was never rebooted", func(claim *karpv1.NodeClaim) { claim.Status.Conditions = nil }},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, "VM.Standard.E5.Flex", core.InstanceLifecycleStateStopping)
			claim := &karpv1.NodeClaim{}
			require.NoError(t, w.kube.Get(t.Context(), client.ObjectKey{Name: "claim"}, claim))
			c.change(claim)
			require.NoError(t, w.kube.Status().Update(t.Context(), claim))
			w.look(time.Hour)
			require.Empty(t, w.resets)
		})
	}
}
