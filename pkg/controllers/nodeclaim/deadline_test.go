package nodeclaim

import (
	"context"
	"testing"
	"time"

	"github.com/awslabs/operatorpkg/status"
	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/core"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/scheme"
	testclock "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/cloudprovider"
	"sigs.k8s.io/karpenter/pkg/controllers/nodeclaim/lifecycle"
	"sigs.k8s.io/karpenter/pkg/state/nodepoolhealth"
	"sigs.k8s.io/karpenter/pkg/test"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/inventory"
)

// ourClasses is as much of a cloud provider as core's lifecycle asks of one for a NodeClaim that was launched.
type ourClasses struct{ cloudprovider.CloudProvider }

func (ourClasses) GetSupportedNodeClasses() []status.Object {
	return []status.Object{&v1alpha1.OciNodeClass{}}
}

// booting is a NodeClaim whose instance runs and has no node, under core's own lifecycle and our deadline.
type booting struct {
	*testing.T
	clock     *testclock.FakeClock
	kube      client.Client
	lifecycle *lifecycle.Controller
	deadline  *DeadlineController
	recorder  *test.EventRecorder
	created   time.Time
}

func newBooting(t *testing.T, hypervisor string, state core.InstanceLifecycleStateEnum) *booting {
	t.Helper()
	b := &booting{T: t, clock: testclock.NewFakeClock(noon), recorder: test.NewEventRecorder(), created: noon}
	claim := &karpv1.NodeClaim{ObjectMeta: metav1.ObjectMeta{
		Name: "slow", UID: "uid", CreationTimestamp: metav1.NewTime(noon), Finalizers: []string{karpv1.TerminationFinalizer},
		Labels: map[string]string{v1alpha1.LabelInstanceHypervisor: hypervisor},
	}}
	claim.Spec.NodeClassRef = &karpv1.NodeClassReference{Group: v1alpha1.Group, Kind: "OciNodeClass", Name: "default"}
	claim.Status.ProviderID = "ocid1.instance.oc1.phx.slow"
	claim.StatusConditions(status.WithClock(b.clock)).SetTrue(karpv1.ConditionTypeLaunched)
	claim.StatusConditions(status.WithClock(b.clock)).SetUnknownWithReason(karpv1.ConditionTypeRegistered, "NodeNotFound", "Node not registered with cluster")
	b.kube = fake.NewClientBuilder().WithScheme(scheme.Scheme).WithObjects(claim).WithStatusSubresource(claim).
		WithIndex(&corev1.Node{}, "spec.providerID", func(o client.Object) []string { return []string{o.(*corev1.Node).Spec.ProviderID} }).Build()
	cloud := &cloud{instances: []core.Instance{{
		Id: &claim.Status.ProviderID, LifecycleState: state, FreeformTags: inventory.OwnerOf(claim).Tags(clusterID), TimeCreated: &common.SDKTime{Time: noon},
	}}}
	inv := inventory.NewProvider(cloud, inventory.OneCompartment("c"), clusterID, b.clock)
	require.NoError(t, inv.Refresh(t.Context()))
	b.lifecycle = lifecycle.NewController(b.clock, b.kube, ourClasses{}, b.recorder, nil, &nodepoolhealth.State{}, nil)
	b.deadline = NewDeadlineController(b.kube, b.recorder, inv, b.clock)
	return b
}

func (b *booting) read() (*karpv1.NodeClaim, bool) {
	b.Helper()
	claim := &karpv1.NodeClaim{}
	err := b.kube.Get(b.Context(), client.ObjectKey{Name: "slow"}, claim)
	require.NoError(b, client.IgnoreNotFound(err))
	return claim, !apierrors.IsNotFound(err) && claim.DeletionTimestamp.IsZero()
}

// endsAfter lets minutes pass, with both controllers in each, until core deletes the NodeClaim.
func (b *booting) endsAfter(ctx context.Context) time.Duration {
	b.Helper()
	for b.clock.Since(b.created) < 2*time.Hour {
		claim, there := b.read()
		if !there {
			return b.clock.Since(b.created).Truncate(time.Minute)
		}
		_, err := b.deadline.Reconcile(ctx, claim)
		require.NoError(b, err)
		claim, _ = b.read()
		_, err = b.lifecycle.Reconcile(ctx, claim)
		require.NoError(b, err)
		b.clock.Step(time.Minute)
	}
	return b.clock.Since(b.created)
}

func TestBareMetalHasMoreTimeToRegisterThanCoreGives(t *testing.T) {
	for name, tt := range map[string]struct {
		hypervisor string
		state      core.InstanceLifecycleStateEnum
		want       time.Duration
		told       int
	}{
		"a server that boots has 45 minutes":          {"bm", core.InstanceLifecycleStateRunning, 45 * time.Minute, 3},
		"one that is not even provisioned has too":    {"bm", core.InstanceLifecycleStateProvisioning, 45 * time.Minute, 3},
		"one that OCI ends has core's own 15":         {"bm", core.InstanceLifecycleStateTerminating, 15 * time.Minute, 0},
		"a virtual machine is none of its business":   {"vm", core.InstanceLifecycleStateRunning, 15 * time.Minute, 0},
		"a claim of which nothing is said is not too": {"", core.InstanceLifecycleStateRunning, 15 * time.Minute, 0},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBooting(t, tt.hypervisor, tt.state)
			claim, _ := b.read()
			if !isBareMetal(claim) { // the watch leaves it out
				b.deadline.inventory = nothingListed{}
			}
			ended := b.endsAfter(t.Context())
			require.InDelta(t, tt.want.Minutes(), ended.Minutes(), 2, "the clock is stepped by the minute")
			require.Equal(t, tt.told, b.recorder.Calls(EventDeadline))
		})
	}
}

// nothingListed knows no instance.
type nothingListed struct{ inventory.Provider }

func (nothingListed) Current() inventory.Snapshot { return inventory.Snapshot{} }

func TestANodeThatRegisteredKeepsItsTime(t *testing.T) {
	b := newBooting(t, "bm", core.InstanceLifecycleStateRunning)
	claim, _ := b.read()
	claim.StatusConditions(status.WithClock(b.clock)).SetTrue(karpv1.ConditionTypeRegistered)
	require.NoError(t, b.kube.Status().Update(t.Context(), claim))
	b.clock.Step(14 * time.Minute)
	claim, _ = b.read()
	before := claim.StatusConditions().Get(karpv1.ConditionTypeRegistered).LastTransitionTime
	result, err := b.deadline.Reconcile(t.Context(), claim)
	require.NoError(t, err)
	require.Zero(t, result)
	claim, _ = b.read()
	require.True(t, before.Equal(&claim.StatusConditions().Get(karpv1.ConditionTypeRegistered).LastTransitionTime))
}

func TestAServerThatNoListHasShownYetIsAskedForAgain(t *testing.T) {
	b := newBooting(t, "bm", core.InstanceLifecycleStateRunning)
	b.deadline.inventory = nothingListed{}
	b.clock.Step(11 * time.Minute)
	claim, _ := b.read()
	result, err := b.deadline.Reconcile(t.Context(), claim)
	require.NoError(t, err)
	require.Equal(t, unlistedAgain, result.RequeueAfter)
}
