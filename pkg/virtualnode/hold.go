package virtualnode

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// Holder keeps pods back from core for a while, for a reason of its own: for example because the nodes that were bought for a pod
// repeatedly did not take it.
//
// Held is asked for every pending pod of Karpenter's in every scheduling loop, so it must answer from memory, must not allocate, must
// not block, and must be safe for concurrent use. The reason is one word from a small fixed set, for logs. Whoever holds a pod tells
// the pod's owner so by an event; the filter does not.
type Holder interface {
	Held(p *corev1.Pod) (reason string, held bool)
}

// HoldBack adds a holder. Pods that Decide leaves to virtual nodes are not asked about: they are not core's anyway. Held pods stay
// Karpenter's in every decision, metric and event; core just does not see them as pending until the holder lets them go. Call it
// before the controllers start.
func (f *Filter) HoldBack(h Holder) { f.holders = append(f.holders, h) }

// held asks the holders about a pod of Karpenter's.
func (f *Filter) held(p *corev1.Pod) (reason string, held bool) {
	for _, h := range f.holders {
		if reason, held := h.Held(p); held {
			return reason, true
		}
	}
	return "", false
}

// Release looks at the pods again now, so that core learns at once of those that are not held any more. Pods that do not exist are
// ignored. A held pod that nobody releases is looked at again every heldInterval.
func (f *Filter) Release(pods ...types.NamespacedName) {
	if wake := f.wake.Load(); wake != nil {
		(*wake)(pods)
	}
}

// wakePods puts pods into the queue of the trigger, which is not there before the controllers have started.
func (t *podTrigger) wakePods(pods []types.NamespacedName) {
	t.mu.Lock()
	q := t.queue
	t.mu.Unlock()
	if q == nil {
		return
	}
	for _, key := range pods {
		q.Add(reconcile.Request{NamespacedName: key})
	}
}
