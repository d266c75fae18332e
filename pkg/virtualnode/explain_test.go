package virtualnode

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
)

func TestTheEventSaysWhyAndWhatToDo(t *testing.T) {
	long := testStart.Add(-time.Hour)
	overflowing := DefaultConfig()
	overflowing.OverflowAfter = 5 * time.Minute
	for name, test := range map[string]struct {
		config  Config
		cluster []any
		pod     *corev1.Pod
		kind    string
		reason  string
		message string
	}{
		"every virtual node is cordoned": {
			DefaultConfig(), []any{vnode("v1", cordoned), vnode("v2", cordoned), nodePool("general", nil)}, pendingPod("p", byKey), corev1.EventTypeNormal, EventSkipped,
			"Karpenter leaves this pod to virtual nodes (rule names-taint: its toleration names virtual-kubelet.io/provider=oracle:NoSchedule). " +
				"2 virtual nodes, 0 schedulable: cordoned. It starts when one is uncordoned (kubectl uncordon NODE). " +
				"For a managed node instead, set the annotation karpenter.k8s.oracle/layer=managed on the pod.",
		},
		"the pod would fit no NodePool": {
			DefaultConfig(), []any{vnode("v1", cordoned), nodePool("general", nil)}, pendingPod("p", burst), corev1.EventTypeNormal, EventSkipped,
			"Karpenter leaves this pod to virtual nodes (rule names-taint: its toleration names virtual-kubelet.io/provider=oracle:NoSchedule). " +
				"1 virtual node, 0 schedulable: cordoned. It starts when one is uncordoned (kubectl uncordon NODE). " +
				"No NodePool matches it either, so Karpenter could not help.",
		},
		"the virtual nodes are away for different reasons": {
			DefaultConfig(), []any{vnode("v1", cordoned), vnode("v2", full), vnode("v3", notReadySince(long)), vnode("arm", nodeLabel(corev1.LabelArchStable, "arm64")), nodePool("general", nil)},
			pendingPod("p", byKey, selector(corev1.LabelArchStable, "amd64")), corev1.EventTypeNormal, EventSkipped,
			"Karpenter leaves this pod to virtual nodes (rule names-taint: its toleration names virtual-kubelet.io/provider=oracle:NoSchedule). " +
				"4 virtual nodes, 3 of them match, 0 schedulable: 1 cordoned, 1 full, 1 not Ready. It starts when a pod there ends; enlarge the virtual node pool for more. " +
				"For a managed node instead, set the annotation karpenter.k8s.oracle/layer=managed on the pod.",
		},
		"virtual nodes have room": {
			DefaultConfig(), []any{vnode("v1"), nodePool("general", nil)}, pendingPod("p", byKey), corev1.EventTypeNormal, EventSkipped,
			"Karpenter leaves this pod to virtual nodes (rule names-taint: its toleration names virtual-kubelet.io/provider=oracle:NoSchedule). " +
				"1 virtual node, 1 schedulable: see kube-scheduler's FailedScheduling event for what is missing. " +
				"For a managed node instead, set the annotation karpenter.k8s.oracle/layer=managed on the pod.",
		},
		"no virtual node exists": {
			DefaultConfig(), []any{nodePool("general", nil)}, pendingPod("p", byKey), corev1.EventTypeWarning, EventSkipped,
			"Karpenter leaves this pod to virtual nodes (rule names-taint: its toleration names virtual-kubelet.io/provider=oracle:NoSchedule). " +
				"No virtual node exists in this cluster. Add a virtual node pool to the cluster. " +
				"For a managed node instead, set the annotation karpenter.k8s.oracle/layer=managed on the pod.",
		},
		"nothing could ever take it": {
			DefaultConfig(), []any{vnode("v1"), nodePool("general", nil)}, pendingPod("p", byKey, selector("disk", "tape")), corev1.EventTypeWarning, EventSkipped,
			"Karpenter leaves this pod to virtual nodes (rule nothing-matches: it tolerates virtual-kubelet.io/provider=oracle:NoSchedule, but neither a virtual node nor a NodePool matches it). " +
				"1 virtual node, none matches the pod's selectors, affinity and tolerations. " +
				"Compare the pod's selectors and tolerations with the labels and taints of the virtual nodes and NodePools (kubectl get nodes --show-labels). " +
				"No NodePool matches it either, so Karpenter could not help.",
		},
		"it will overflow": {
			overflowing, []any{vnode("v1", cordoned), nodePool("general", nil)}, pendingPod("p", byKey), corev1.EventTypeNormal, EventSkipped,
			"Karpenter leaves this pod to virtual nodes (rule names-taint: its toleration names virtual-kubelet.io/provider=oracle:NoSchedule). " +
				"1 virtual node, 0 schedulable: cordoned. It starts when one is uncordoned (kubectl uncordon NODE). In 5m0s Karpenter takes it over.",
		},
		"it overflows": {
			overflowing, []any{vnode("v1", cordoned), nodePool("general", nil)}, pendingPod("p", byKey, annotation(OverflowAfterKey, "0.0001ms")), corev1.EventTypeWarning, EventOverflow,
			"Karpenter takes this pod over (rule overflow: it waited for virtual nodes for longer than allowed). 1 virtual node, 0 schedulable: cordoned.",
		},
		"it says virtual and cannot be": {
			DefaultConfig(), []any{vnode("v1")}, pendingPod("p", byKey, pvc, annotation(LayerKey, "virtual")), corev1.EventTypeWarning, EventConflict,
			"This pod is Karpenter's (rule needs-managed-node: it mounts a PersistentVolumeClaim [persistent-volume-claim]). " +
				"It says karpenter.k8s.oracle/layer=virtual, which it cannot have; remove the feature or the statement.",
		},
		"it says virtual and does not tolerate": {
			DefaultConfig(), []any{vnode("v1")}, pendingPod("p", annotation(LayerKey, "virtual")), corev1.EventTypeWarning, EventConflict,
			"This pod is Karpenter's (rule taint-not-tolerated: it does not tolerate virtual-kubelet.io/provider=oracle:NoSchedule). " +
				"It says karpenter.k8s.oracle/layer=virtual; add a toleration for virtual-kubelet.io/provider=oracle:NoSchedule or remove the statement.",
		},
		"it states a layer that does not exist": {
			DefaultConfig(), nil, pendingPod("p", annotation(LayerKey, "cloudy")), corev1.EventTypeWarning, EventConflict,
			"This pod is Karpenter's (rule taint-not-tolerated: it does not tolerate virtual-kubelet.io/provider=oracle:NoSchedule). " +
				`Its karpenter.k8s.oracle/layer is "cloudy", which is ignored; want managed or virtual.`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			clk := testClock()
			f := testFilter(test.config, clk, test.cluster...)
			if test.reason == EventOverflow {
				clk.Step(time.Second)
			}
			event, ok := f.eventFor(test.pod, f.Decide(test.pod))
			require.True(t, ok)
			require.Equal(t, test.message, event.Message)
			require.Equal(t, test.kind, event.Type)
			require.Equal(t, test.reason, event.Reason)
			require.Less(t, len(event.Message), 1024)
		})
	}
}

func TestPodsOfKarpentersGetNoEventOfOurs(t *testing.T) {
	f := testFilter(DefaultConfig(), testClock(), vnode("v1"), nodePool("general", nil))
	for name, pod := range map[string]*corev1.Pod{"plain": pendingPod("p"), "stateful": pendingPod("p", byKey, pvc), "stated": pendingPod("p", byKey, annotation(LayerKey, "managed"))} {
		t.Run(name, func(t *testing.T) {
			_, ok := f.eventFor(pod, f.Decide(pod))
			require.False(t, ok)
		})
	}
}

func TestEventsAreRepeatedOnlyWhenTheReasonChanges(t *testing.T) {
	clk := testClock()
	f := testFilter(DefaultConfig(), clk, vnode("v1", cordoned), nodePool("general", nil))
	pod := pendingPod("p", byKey)
	first, _ := f.eventFor(pod, f.Decide(pod))
	f.index.setNode(vnode("v2", cordoned), load{})
	again, _ := f.eventFor(pod, f.Decide(pod))
	require.Equal(t, first.DedupeValues, again.DedupeValues)

	f.index.setNode(vnode("v3", full), load{})
	other, _ := f.eventFor(pod, f.Decide(pod))
	require.NotEqual(t, first.DedupeValues, other.DedupeValues)
	require.NotEqual(t, first.DedupeValues, func() []string {
		e, _ := f.eventFor(pendingPod("q", byKey), f.Decide(pod))
		return e.DedupeValues
	}())
}
