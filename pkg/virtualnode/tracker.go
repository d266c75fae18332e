package virtualnode

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// tracker remembers the last decision on every pod that kube-scheduler has given up on, for the gauges, for counting each
// decision once, and for looking again at skipped pods when virtual nodes change.
type tracker struct {
	mu      sync.Mutex
	pods    map[types.NamespacedName]tracked
	skipped map[Cause]int
}

type tracked struct {
	layer Layer
	rule  string
	cause Cause
	since time.Time
}

func newTracker() *tracker {
	return &tracker{pods: map[types.NamespacedName]tracked{}, skipped: map[Cause]int{}}
}

// set notes the decision on a pod and returns whether layer or rule differ from the last time.
func (t *tracker) set(key types.NamespacedName, d Decision, since time.Time) (changed bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	last, known := t.pods[key]
	if known && last.layer == LayerVirtual {
		t.skipped[last.cause]--
	}
	if d.Skip() {
		t.skipped[d.Cause]++
	}
	t.pods[key] = tracked{layer: d.Layer, rule: d.Rule, cause: d.Cause, since: since}
	return !known || last.layer != d.Layer || last.rule != d.Rule
}

// forget drops a pod that is bound, ended, or gone, and returns whether it was skipped.
func (t *tracker) forget(key types.NamespacedName) (skipped bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	last, known := t.pods[key]
	if skipped = known && last.layer == LayerVirtual; skipped {
		t.skipped[last.cause]--
	}
	delete(t.pods, key)
	return skipped
}

// skippedPods returns the keys of the skipped pods, in no order.
func (t *tracker) skippedPods() []types.NamespacedName {
	t.mu.Lock()
	defer t.mu.Unlock()
	var keys []types.NamespacedName
	for key, pod := range t.pods {
		if pod.layer == LayerVirtual {
			keys = append(keys, key)
		}
	}
	return keys
}

// skippedByCause returns a number for every cause, 0 included.
func (t *tracker) skippedByCause() map[Cause]int {
	t.mu.Lock()
	defer t.mu.Unlock()
	counts := make(map[Cause]int, len(Causes))
	for _, c := range Causes {
		counts[c] = t.skipped[c]
	}
	return counts
}

// oldestSkipped is the time since when the longest-waiting skipped pod is unschedulable; ok is false when none is skipped.
func (t *tracker) oldestSkipped() (oldest time.Time, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, pod := range t.pods {
		if pod.layer == LayerVirtual && (!ok || pod.since.Before(oldest)) {
			oldest, ok = pod.since, true
		}
	}
	return oldest, ok
}
