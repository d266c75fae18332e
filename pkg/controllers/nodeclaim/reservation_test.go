package nodeclaim

import (
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
	"sigs.k8s.io/karpenter/pkg/test"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/inventory"
)

// reservedNode is a NodeClaim with a Node and an instance in reservation abc.
func reservedNode(t *testing.T, raw core.Instance) (client.Client, *ReservationController, *test.EventRecorder) {
	t.Helper()
	labels := func() map[string]string {
		return map[string]string{
			karpv1.CapacityTypeLabelKey: karpv1.CapacityTypeReserved, v1alpha1.LabelCapacityReservationID: "abc", v1alpha1.LabelCapacityReservationSlot: "0123",
			"team": "data",
		}
	}
	claim := &karpv1.NodeClaim{ObjectMeta: metav1.ObjectMeta{Name: "one", UID: "uid", Labels: labels()}}
	claim.Status.ProviderID, claim.Status.NodeName = "ocid1.instance.oc1.phx.one", "node-one"
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "node-one", UID: "node-uid", Labels: labels()}, Spec: corev1.NodeSpec{ProviderID: "ocid1.instance.oc1.phx.one"}}
	kube := fake.NewClientBuilder().WithScheme(scheme.Scheme).WithObjects(claim, node).WithStatusSubresource(claim).Build()
	raw.Id = common.String("ocid1.instance.oc1.phx.one")
	raw.FreeformTags = inventory.OwnerOf(claim).Tags("cluster")
	cloud := &cloud{instances: []core.Instance{raw}}
	clock := testclock.NewFakeClock(time.Unix(10_000, 0))
	inv := inventory.NewProvider(cloud, inventory.OneCompartment("c"), "cluster", clock)
	require.NoError(t, inv.Refresh(t.Context()))
	recorder := test.NewEventRecorder()
	return kube, NewReservationController(kube, recorder, inv), recorder
}

func TestANodeWhoseReservationEndedBecomesOnDemandAndLivesOn(t *testing.T) {
	kube, controller, recorder := reservedNode(t, core.Instance{LifecycleState: core.InstanceLifecycleStateRunning})
	_, err := controller.Reconcile(t.Context())
	require.NoError(t, err)
	claim, node := &karpv1.NodeClaim{}, &corev1.Node{}
	require.NoError(t, kube.Get(t.Context(), client.ObjectKey{Name: "one"}, claim))
	require.NoError(t, kube.Get(t.Context(), client.ObjectKey{Name: "node-one"}, node))
	want := map[string]string{karpv1.CapacityTypeLabelKey: karpv1.CapacityTypeOnDemand, "team": "data"}
	require.Equal(t, want, claim.Labels)
	require.Equal(t, want, node.Labels)
	require.True(t, claim.DeletionTimestamp.IsZero())
	require.Equal(t, 2, recorder.Calls(ReasonReservationEnded), "on the NodeClaim and the Node")
	_, err = controller.Reconcile(t.Context())
	require.NoError(t, err)
	require.Equal(t, 2, recorder.Calls(ReasonReservationEnded), "once")
}

func TestANodeKeepsItsReservationWhileOCISaysSoOrSaysNothing(t *testing.T) {
	for says, raw := range map[string]core.Instance{
		"it is there": {LifecycleState: core.InstanceLifecycleStateRunning, CapacityReservationId: common.String("ocid1.capacityreservation.oc1.phx.abc")},
		"it is going": {LifecycleState: core.InstanceLifecycleStateTerminating},
	} {
		t.Run(says, func(t *testing.T) {
			kube, controller, recorder := reservedNode(t, raw)
			_, err := controller.Reconcile(t.Context())
			require.NoError(t, err)
			claim := &karpv1.NodeClaim{}
			require.NoError(t, kube.Get(t.Context(), client.ObjectKey{Name: "one"}, claim))
			require.Equal(t, "abc", claim.Labels[v1alpha1.LabelCapacityReservationID])
			require.Zero(t, recorder.Calls(ReasonReservationEnded))
		})
	}
}
