package virtualnode

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/karpenter/pkg/events"
)

// Reasons of the events on pods.
const (
	// EventSkipped is on a pod that Karpenter leaves to virtual nodes; a Warning when nothing can take it as things are.
	EventSkipped = "SkippedForVirtualNode"
	// EventOverflow is on a pod that Karpenter takes over from virtual nodes.
	EventOverflow = "VirtualNodeOverflow"
	// EventConflict is on a pod that is Karpenter's and says of itself something else, or something unreadable.
	EventConflict = "LayerConflict"
)

// eventTimeout is for how long the same event is not repeated: below the hour that the API server keeps events.
const eventTimeout = 15 * time.Minute

// eventFor returns the event that a decision deserves; ok is false for the ordinary pod of Karpenter's.
func (f *Filter) eventFor(p *corev1.Pod, d Decision) (events.Event, bool) {
	if f.onlyVirtualMatches(p, d) {
		d.Conflict = ConflictOnlyVirtual
	}
	var reason string
	switch {
	case d.Skip():
		reason = EventSkipped
	case d.Rule == RuleOverflow:
		reason = EventOverflow
	case d.Conflict != "" || d.Rule == RuleBadAffinity:
		reason = EventConflict
	default:
		return events.Event{}, false
	}
	explanation := f.Explain(p, d)
	kind := corev1.EventTypeNormal
	if explanation.Warning || reason == EventConflict {
		kind = corev1.EventTypeWarning
	}
	return events.Event{
		InvolvedObject: p,
		Type:           kind,
		Reason:         reason,
		Message:        explanation.String(),
		DedupeValues:   []string{string(p.UID), d.Rule, string(d.Cause), string(d.Conflict)},
		DedupeTimeout:  eventTimeout,
	}, true
}

// onlyVirtualMatches tells whether a pod that was stated to be managed can only run on virtual nodes. It is not asked in Decide, because
// it changes no decision.
func (f *Filter) onlyVirtualMatches(p *corev1.Pod, d Decision) bool {
	if d.Rule != RuleStatedManaged || d.Conflict != "" {
		return false
	}
	s := f.index.Snapshot()
	return !s.anyPoolTakes(p) && s.count(p, f.clock.Now(), f.config.GracePeriod).Matching > 0
}
