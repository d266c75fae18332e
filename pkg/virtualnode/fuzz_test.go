package virtualnode

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
)

// FuzzDecide feeds pods as JSON. Decide must not panic, must say the same twice and leave the pod alone, must give a reason, and
// must be monotone: a pod that is Karpenter's stays so when it gets one more feature that virtual nodes refuse.
func FuzzDecide(f *testing.F) {
	for _, rule := range Rules() {
		for _, edit := range ruleCases[rule.Name].breaks {
			seed(f, typicalPod("p", burst, edit))
			seed(f, pendingPod("p", tolerateAll, edit))
		}
	}
	seed(f, pendingPod("p", byKey, affinity(term("type", "Perhaps", "x")), annotation(LayerKey, "virtual"), annotation(OverflowAfterKey, "9e99h")))
	f.Add([]byte(`{"spec":{"tolerations":[{"key":"virtual-kubelet.io/provider","operator":"Gt","value":"x"}],"containers":null}}`), uint8(3), int64(-1))

	hard := (&Config{}).activeRules(Hard)
	f.Fuzz(func(t *testing.T, data []byte, pick uint8, seconds int64) {
		pod := &corev1.Pod{}
		if json.Unmarshal(data, pod) != nil {
			return
		}
		cfg := DefaultConfig()
		cfg.OverflowAfter = time.Minute
		clk := testClock()
		clk.Step(time.Duration(seconds))
		filter := testFilter(cfg, clk, vnode("a"), vnode("b", cordoned, nodeTaint("team", "a")), nodePool("general", nil))

		before := pod.DeepCopy()
		d := filter.Decide(pod)
		require.Equal(t, before, pod, "Decide changed the pod")
		require.Equal(t, d, filter.Decide(pod), "Decide says something else the second time")
		require.NotEmpty(t, d.Rule)
		require.Contains(t, []Layer{LayerManaged, LayerVirtual}, d.Layer)
		require.NotEmpty(t, filter.Explain(pod, d).String())
		requireTraits(t, filter.index.Snapshot(), hard, pod)
		if d.Skip() {
			return
		}
		rule := hard[int(pick)%len(hard)]
		more := pod.DeepCopy()
		if len(more.Spec.Containers) == 0 {
			more.Spec.Containers = pendingPod("p").Spec.Containers
		}
		fillMaps(more)
		ruleCases[rule.Name].breaks[0](more)
		requireTraits(t, filter.index.Snapshot(), hard, more)
		if rule.matches(filter.index.Snapshot(), more) {
			require.False(t, filter.Decide(more).Skip(), "adding %s made a pod of Karpenter's a virtual node's", rule.Name)
		}
	})
}

// requireTraits holds that no rule is passed over that a pod breaks: the traits it needs are noted of every such pod.
func requireTraits(t *testing.T, s *Snapshot, rules []Rule, p *corev1.Pod) {
	t.Helper()
	has := read(p).has
	for _, r := range rules {
		if r.needs != 0 && r.matches(s, p) {
			require.NotZero(t, r.needs&has, "rule %s is not asked of a pod that breaks it", r.Name)
		}
	}
}

func seed(f *testing.F, p *corev1.Pod) {
	data, err := json.Marshal(p)
	require.NoError(f, err)
	f.Add(data, uint8(len(data)), int64(len(data)))
}

// fillMaps makes the maps that the cases write to.
func fillMaps(p *corev1.Pod) {
	for i := range p.Spec.Containers {
		r := &p.Spec.Containers[i].Resources
		if r.Limits == nil {
			r.Limits = corev1.ResourceList{}
		}
		if r.Requests == nil {
			r.Requests = corev1.ResourceList{}
		}
	}
}
