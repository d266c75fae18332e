package virtualnode

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// holding holds the pod of one name until it is let go.
type holding struct {
	name string
	off  atomic.Bool
}

func (h *holding) Held(p *corev1.Pod) (string, bool) {
	return "test", p.Name == h.name && !h.off.Load()
}

func TestHeldPodsAreNotShownToCoreUntilTheyAreReleased(t *testing.T) {
	e := newCoreEnv(t, DefaultConfig(), nodePool("general", nil), vnode("virtual-1"), pendingPod("held"), pendingPod("free"), pendingPod("burst", burst))
	h := &holding{name: "held"}
	e.filter.HoldBack(h)

	pods, err := e.provisioner.GetPendingPods(e.ctx)
	require.NoError(t, err)
	require.Equal(t, []string{"free"}, podNames(pods), moved)
	require.Empty(t, e.recorder.Events(), moved)

	h.off.Store(true)
	pods, err = e.provisioner.GetPendingPods(e.ctx)
	require.NoError(t, err)
	require.ElementsMatch(t, []string{"free", "held"}, podNames(pods), moved)
}

func TestHeldPodsWakeNothingUntilTheyAreReleased(t *testing.T) {
	e := newTriggerEnv(t, DefaultConfig(), vnode("v1", cordoned), nodePool("general", nil), pendingPod("held"), pendingPod("burst", burst))
	h := &holding{name: "held"}
	e.filter.HoldBack(h)

	require.Equal(t, heldInterval, e.look(t, "held").RequeueAfter)
	require.Empty(t, e.core.woke)
	require.Empty(t, e.recorder.Events(), "a held pod is told about by who holds it")
	require.Zero(t, e.filter.pending.skippedByCause()[CauseCordoned], "a held pod counts as a virtual node's")

	h.off.Store(true)
	e.filter.Release(client.ObjectKey{Namespace: "default", Name: "held"})
	require.Equal(t, 1, e.queue.Len())
	req, _ := e.queue.Get()
	require.Equal(t, "held", req.Name)
	e.queue.Done(req)
	require.Equal(t, 10*time.Second, e.look(t, "held").RequeueAfter)
	require.Equal(t, []string{"held"}, e.core.woke)
}

func TestReleasingBeforeTheControllersRunIsHarmless(t *testing.T) {
	require.NotPanics(t, func() { testFilter(DefaultConfig(), testClock()).Release(client.ObjectKey{Name: "p"}) })
}

func TestPodsOfVirtualNodesAreNotAskedAbout(t *testing.T) {
	e := newTriggerEnv(t, DefaultConfig(), vnode("v1"), pendingPod("burst", burst))
	e.filter.HoldBack(&holding{name: "burst"})
	require.Equal(t, reminderInterval, e.look(t, "burst").RequeueAfter)
	require.Equal(t, 1, e.recorder.Calls(EventSkipped))
}
