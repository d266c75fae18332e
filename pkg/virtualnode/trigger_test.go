package virtualnode

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	crmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	coretest "sigs.k8s.io/karpenter/pkg/test"
	podutils "sigs.k8s.io/karpenter/pkg/utils/pod"
)

// spyTrigger stands for core's pod trigger and notes which pods would have woken the scheduling loop.
type spyTrigger struct{ woke []string }

func (s *spyTrigger) Name() string { return "provisioner.trigger.pod" }

func (s *spyTrigger) Reconcile(_ context.Context, p *corev1.Pod) (reconcile.Result, error) {
	if podutils.IsProvisionable(p) {
		s.woke = append(s.woke, p.Name)
		return reconcile.Result{RequeueAfter: 10 * time.Second}, nil
	}
	return reconcile.Result{}, nil
}

type triggerEnv struct {
	*indexEnv
	filter   *Filter
	trigger  *podTrigger
	core     *spyTrigger
	recorder *coretest.EventRecorder
	queue    workqueue.TypedRateLimitingInterface[reconcile.Request]
}

func newTriggerEnv(t *testing.T, cfg Config, objects ...client.Object) *triggerEnv {
	t.Helper()
	e := &triggerEnv{indexEnv: newIndexEnv(t, objects...), core: &spyTrigger{}, recorder: coretest.NewEventRecorder()}
	e.filter = NewFilter(cfg, e.index, e.clock)
	e.trigger = newPodTrigger(e.filter, e.core, e.recorder, e.api)
	e.queue = workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[reconcile.Request]())
	t.Cleanup(e.queue.ShutDown)
	require.NoError(t, e.trigger.keepQueue(t.Context(), e.queue))
	return e
}

func (e *triggerEnv) look(t *testing.T, name string) reconcile.Result {
	t.Helper()
	result, err := e.trigger.Reconcile(t.Context(), reconcile.Request{NamespacedName: client.ObjectKey{Namespace: "default", Name: name}})
	require.NoError(t, err)
	return result
}

func gauge(t *testing.T, name string, labels map[string]string) float64 {
	t.Helper()
	families, err := crmetrics.Registry.Gather()
	require.NoError(t, err)
	for _, family := range families {
		if family.GetName() != name {
			continue
		}
		for _, m := range family.GetMetric() {
			matched := 0
			for _, l := range m.GetLabel() {
				if labels[l.GetName()] == l.GetValue() {
					matched++
				}
			}
			if matched == len(labels) {
				return m.GetGauge().GetValue() + m.GetCounter().GetValue()
			}
		}
	}
	require.Fail(t, "no such metric", "%s %v", name, labels)
	return 0
}

func TestSkippedPodsWakeNothingAndSayWhy(t *testing.T) {
	e := newTriggerEnv(t, DefaultConfig(), vnode("v1", cordoned), nodePool("general", nil), pendingPod("burst", burst), pendingPod("stateful"))

	require.Equal(t, reminderInterval, e.look(t, "burst").RequeueAfter)
	require.Equal(t, 10*time.Second, e.look(t, "stateful").RequeueAfter)

	require.Equal(t, []string{"stateful"}, e.core.woke)
	require.Len(t, e.recorder.Events(), 1)
	event := e.recorder.Events()[0]
	require.Equal(t, EventSkipped, event.Reason)
	require.Equal(t, "burst", event.InvolvedObject.(*corev1.Pod).Name)
	require.Contains(t, event.Message, "1 virtual node, 0 schedulable: cordoned.")
}

func TestSkippedPodsAreLookedAtAgainWhenVirtualNodesChange(t *testing.T) {
	e := newTriggerEnv(t, DefaultConfig(), vnode("v1", cordoned), nodePool("general", nil), pendingPod("burst", burst), pendingPod("stateful"))
	e.look(t, "burst")
	e.look(t, "stateful")
	require.Zero(t, e.queue.Len())

	e.update(t, vnode("v1"))
	require.Equal(t, 1, e.queue.Len(), "uncordoning does not wake the skipped pod, or wakes others")
	req, _ := e.queue.Get()
	require.Equal(t, "burst", req.Name)
	e.queue.Done(req)

	e.update(t, vnode("v1", func(n *corev1.Node) { n.Annotations = map[string]string{"x": "y"} }))
	require.Zero(t, e.queue.Len())
}

func TestAPodThatOverflowsWakesCoreOnTime(t *testing.T) {
	cfg := DefaultConfig()
	cfg.OverflowAfter = 5 * time.Minute
	e := newTriggerEnv(t, cfg, vnode("v1", cordoned), nodePool("general", nil), pendingPod("waiting", byKey))
	overflowed := func() float64 {
		return gauge(t, "karpenter_oke_virtual_node_overflow_total", map[string]string{"reason": "cordoned"})
	}
	overflowCounter.Add(0, map[string]string{labelReason: "cordoned"})
	before := overflowed()

	require.Equal(t, 5*time.Minute, e.look(t, "waiting").RequeueAfter)
	require.Empty(t, e.core.woke)
	e.clock.Step(5 * time.Minute)
	e.look(t, "waiting")
	e.look(t, "waiting")
	require.Equal(t, []string{"waiting", "waiting"}, e.core.woke)
	require.Equal(t, before+1, overflowed(), "an overflow counts once")
	require.Equal(t, 1, e.recorder.Calls(EventSkipped))
	require.Positive(t, e.recorder.Calls(EventOverflow))
}

func TestTheGaugesFollowSkippedPods(t *testing.T) {
	e := newTriggerEnv(t, DefaultConfig(), vnode("v1", cordoned), nodePool("general", nil),
		pendingPod("a", burst), pendingPod("b", burst), pendingPod("gone", burst), pendingPod("stateful"))
	for _, name := range []string{"a", "b", "gone", "stateful"} {
		e.look(t, name)
	}
	skipped := func(cause Cause) float64 {
		return gauge(t, "karpenter_oke_virtual_node_skipped_pods", map[string]string{"reason": string(cause)})
	}
	require.Equal(t, 3.0, skipped(CauseCordoned))

	bound := &corev1.Pod{}
	require.NoError(t, e.api.Get(t.Context(), client.ObjectKey{Namespace: "default", Name: "a"}, bound))
	bound.Spec.NodeName = "v1"
	require.NoError(t, e.api.Update(t.Context(), bound))
	require.NoError(t, e.api.Delete(t.Context(), pendingPod("gone")))
	e.look(t, "a")
	e.look(t, "gone")
	require.Equal(t, 1.0, skipped(CauseCordoned))

	e.update(t, vnode("v1"))
	e.look(t, "b")
	require.Zero(t, skipped(CauseCordoned))
	require.Equal(t, 1.0, skipped(CauseScheduler))

	e.clock.Step(90 * time.Second)
	_, err := (&metricsController{filter: e.filter}).Reconcile(t.Context())
	require.NoError(t, err)
	require.Equal(t, 90.0, gauge(t, "karpenter_oke_virtual_node_oldest_skipped_pod_age_seconds", nil))
	require.Equal(t, 1.0, gauge(t, "karpenter_oke_virtual_node_nodes", map[string]string{"state": "usable", "arch": "amd64"}))
	require.Zero(t, gauge(t, "karpenter_oke_virtual_node_nodes", map[string]string{"state": "cordoned", "arch": "amd64"}))
}

func TestOnlyPodsThatMayBePendingAreLookedAt(t *testing.T) {
	pending, bound := pendingPod("a"), pendingPod("a", runningOn("managed-1"))
	require.True(t, mayBePending.Create(event.CreateEvent{Object: pending}))
	require.False(t, mayBePending.Create(event.CreateEvent{Object: bound}), "thousands are there at a start")
	require.True(t, mayBePending.Update(event.UpdateEvent{ObjectOld: pending, ObjectNew: bound}), "it is pending no more, which the books must learn")
	require.False(t, mayBePending.Update(event.UpdateEvent{ObjectOld: bound, ObjectNew: bound}))
	require.True(t, mayBePending.Delete(event.DeleteEvent{Object: bound}))
}
