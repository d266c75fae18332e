package preflight

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	coordinationclient "k8s.io/client-go/kubernetes/typed/coordination/v1"
	clienttesting "k8s.io/client-go/testing"
	clocktesting "k8s.io/utils/clock/testing"
)

const patience = time.Minute

// installations are two of them, in one cluster.
type installations struct {
	t      *testing.T
	kube   *fake.Clientset
	leases coordinationclient.LeaseInterface
	clock  *clocktesting.FakeClock
}

func newInstallations(t *testing.T) *installations {
	kube := fake.NewClientset()
	return &installations{t: t, kube: kube, leases: kube.CoordinationV1().Leases(SoleNamespace), clock: clocktesting.NewFakeClock(time.Unix(1000, 0))}
}

func (i *installations) of(identity string) *Sole {
	return &Sole{Leases: i.leases, Identity: identity, Clock: i.clock}
}

// works starts an installation's working process; the returned function ends it.
func (i *installations) works(identity string) (stop func() error) {
	i.t.Helper()
	ctx, cancel := context.WithCancel(i.t.Context())
	done := make(chan error, 1)
	go func() { done <- i.of(identity).Start(ctx) }()
	require.Eventually(i.t, func() bool { return i.holder() == identity && i.clock.HasWaiters() }, patience, time.Millisecond)
	return func() error {
		cancel()
		return <-done
	}
}

func (i *installations) holder() string {
	lease, err := i.leases.Get(i.t.Context(), SoleLease, metav1.GetOptions{})
	if err != nil || lease.Spec.HolderIdentity == nil {
		return ""
	}
	return *lease.Spec.HolderIdentity
}

func TestASecondInstallationEndsAtItsStart(t *testing.T) {
	i := newInstallations(t)
	require.NoError(t, i.of("a/karpenter").Check(t.Context()), "nobody has been here")
	stop := i.works("a/karpenter")
	require.NoError(t, i.of("a/karpenter").Check(t.Context()), "another replica, or the same after a kill")
	err := i.of("b/karpenter").Check(t.Context())
	require.ErrorContains(t, err, "another karpenter-oke serves this cluster, a/karpenter, and two would end each other's nodes: uninstall one of them (this is b/karpenter;")
	require.ErrorContains(t, i.of("b/karpenter").Start(t.Context()), "another karpenter-oke serves this cluster", "one that won its own election as well")
	require.Equal(t, "a/karpenter", i.holder())

	require.NoError(t, stop())
	require.Empty(t, i.holder(), "it is given back")
	require.NoError(t, i.of("b/karpenter").Check(t.Context()))
}

func TestAnInstallationThatWasKilledIsWaitedForNoLongerThanItsLease(t *testing.T) {
	i := newInstallations(t)
	killed := "a/karpenter"
	now := metav1.NewMicroTime(i.clock.Now())
	_, err := i.leases.Create(t.Context(), &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Name: SoleLease}, Spec: coordinationv1.LeaseSpec{HolderIdentity: &killed, RenewTime: &now}}, metav1.CreateOptions{})
	require.NoError(t, err)
	i.clock.Step(soleExpiry)
	require.Error(t, i.of("b/karpenter").Check(t.Context()))
	i.clock.Step(time.Second)
	require.NoError(t, i.of("b/karpenter").Check(t.Context()))
	require.NoError(t, i.works("b/karpenter")())
}

func TestTheLeaseIsRenewedAndFailuresToDoSoAreOutlived(t *testing.T) {
	i := newInstallations(t)
	stop := i.works("a/karpenter")
	renewed := func() time.Time {
		lease, err := i.leases.Get(t.Context(), SoleLease, metav1.GetOptions{})
		require.NoError(t, err)
		return lease.Spec.RenewTime.Time
	}
	failing := true
	i.kube.PrependReactor("update", "leases", func(clienttesting.Action) (bool, runtime.Object, error) {
		return failing, nil, errors.New("the API server is away")
	})
	first := renewed()
	i.clock.Step(soleRenew)
	require.Eventually(t, i.clock.HasWaiters, patience, time.Millisecond)
	require.Equal(t, first, renewed())
	failing = false
	i.clock.Step(soleRenew)
	require.Eventually(t, func() bool { return renewed().Equal(first.Add(2 * soleRenew)) }, patience, time.Millisecond)
	require.Eventually(t, i.clock.HasWaiters, patience, time.Millisecond)
	require.NoError(t, stop())
}

func TestALeaseThatMayNotBeReadStopsNobody(t *testing.T) {
	i := newInstallations(t)
	i.kube.PrependReactor("get", "leases", func(clienttesting.Action) (bool, runtime.Object, error) { return true, nil, errors.New("forbidden") })
	require.NoError(t, i.of("a/karpenter").Check(t.Context()))
}
