package virtualnode

import (
	"slices"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"sigs.k8s.io/karpenter/pkg/events"
)

// blanketInterval is how often the decision on a pod with a blanket toleration is taken again: it hangs on the room that virtual nodes
// have left, which moves with every pod.
const blanketInterval = time.Minute

// Filter decides which pods Karpenter leaves to virtual nodes.
type Filter struct {
	config   Config
	hard     []Rule
	advisory []Rule
	index    *Index
	clock    clock.PassiveClock
	pending  *tracker
	holders  []Holder
	// recorder is set by WrapControllers, before anything runs.
	recorder events.Recorder
	// wake looks at pods again; nil until the pod trigger exists.
	wake atomic.Pointer[func([]types.NamespacedName)]
}

// NewFilter returns a filter for settings that have passed Config.Validate.
func NewFilter(cfg Config, index *Index, clk clock.PassiveClock) *Filter {
	return &Filter{
		config:   cfg,
		hard:     cfg.activeRules(Hard),
		advisory: cfg.activeRules(Advisory),
		index:    index,
		clock:    clk,
		pending:  newTracker(),
	}
}

// Decide chooses the pod's layer from the rules, the index's present snapshot and the clock. It does no I/O, changes nothing, and
// allocates nothing for pods without required node affinity, unless no virtual node matches them or their overflow is due.
func (f *Filter) Decide(p *corev1.Pod) Decision {
	if p == nil {
		return Decision{Layer: LayerManaged, Rule: RuleNotTolerated}
	}
	return f.decideAt(f.index.Snapshot(), f.clock.Now(), p)
}

// decideAt follows the order of the rules: what is stated, the taint, what the pod needs, what the virtual nodes are, the time.
func (f *Filter) decideAt(s *Snapshot, now time.Time, p *corev1.Pod) Decision {
	stated, conflict := statedLayer(s, p)
	if stated == LayerManaged {
		return Decision{Layer: LayerManaged, Rule: RuleStatedManaged, Conflict: conflict}
	}
	tolerance := toleranceOf(p.Spec.Tolerations, &f.config.Taint)
	if tolerance == toleratesNot && (stated != LayerVirtual || !s.anyNodeTolerated(p)) {
		if stated == LayerVirtual {
			conflict = ConflictNotTolerated
		}
		return Decision{Layer: LayerManaged, Rule: RuleNotTolerated, Conflict: conflict}
	}
	r := read(p)
	if feature := firstMatch(f.hard, s, p, r.has); feature != nil {
		if stated == LayerVirtual {
			conflict = ConflictNeedsManaged
		}
		return Decision{Layer: LayerManaged, Rule: RuleNeedsManaged, Feature: feature, Conflict: conflict}
	}
	cause, err := f.cause(s, now, p, r.want)
	if err != nil {
		return Decision{Layer: LayerManaged, Rule: RuleBadAffinity, Conflict: conflict}
	}
	d := Decision{Layer: LayerVirtual, Cause: cause, Conflict: conflict}
	switch {
	case stated == LayerVirtual:
		d.Rule = RuleStatedVirtual
	case tolerance == toleratesAll && cause == CauseScheduler:
		d.Rule = RuleToleratesAll
		d.RecheckAfter = blanketInterval
	case tolerance == toleratesAll:
		return Decision{Layer: LayerManaged, Rule: RuleAllNoRoom, Conflict: conflict}
	case cause == CauseNoMatch && s.anyPoolTakes(p):
		return Decision{Layer: LayerManaged, Rule: RuleNoMatch, Conflict: conflict}
	case cause == CauseNoMatch:
		d.Rule = RuleNothingFits
	default:
		d.Rule = RuleNamesTaint
	}
	return f.overflow(d, s, now, p)
}

// overflow hands a pod over that has waited long enough. A pod that no NodePool could take stays: core could only complain of it.
func (f *Filter) overflow(d Decision, s *Snapshot, now time.Time, p *corev1.Pod) Decision {
	after, set, ok := overflowSetting(p.Annotations)
	if !ok && d.Conflict == "" {
		d.Conflict = ConflictBadOverflow
	}
	if !set {
		after = f.config.OverflowAfter
	}
	// Where core counts the virtual nodes' room it would plan the pod onto them again, so nothing overflows.
	if after <= 0 || f.config.Consolidation == ConsolidationCount {
		return d
	}
	since, waiting := unschedulableSince(p)
	if !waiting {
		return d
	}
	left := after - now.Sub(since)
	if left > 0 {
		d.Overflow = left
		if d.RecheckAfter == 0 || left < d.RecheckAfter {
			d.RecheckAfter = left
		}
		return d
	}
	if !s.anyPoolTakes(p) {
		return d
	}
	return Decision{Layer: LayerManaged, Rule: RuleOverflow, Cause: d.Cause, Conflict: d.Conflict}
}

// cause says why no virtual node runs the pod, which wants that much, yet. The error is that of an unreadable affinity.
func (f *Filter) cause(s *Snapshot, now time.Time, p *corev1.Pod, want size) (Cause, error) {
	var known, matching bool
	best := len(Causes)
	for _, n := range s.nodes {
		if n.forgotten(now, f.config.GracePeriod) {
			continue
		}
		known = true
		ok, err := n.matches(p)
		if err != nil {
			return "", err
		}
		if !ok {
			continue
		}
		matching = true
		obstacle := n.obstacle(now, f.config.GracePeriod, want)
		if obstacle == "" {
			return CauseScheduler, nil
		}
		best = min(best, slices.Index(Causes, obstacle))
	}
	switch {
	case !known:
		return CauseAbsent, nil
	case !matching:
		return CauseNoMatch, nil
	}
	return Causes[best], nil
}

// statedLayer is what the pod says, else what its namespace says. A word that is no layer counts as nothing said.
func statedLayer(s *Snapshot, p *corev1.Pod) (Layer, Conflict) {
	value, ok := p.Annotations[LayerKey]
	if !ok {
		value, ok = p.Labels[LayerKey]
	}
	namespace := s.namespaces[p.Namespace]
	if !ok {
		if namespace.unknown != "" {
			return "", ConflictBadNamespace
		}
		return namespace.layer, ""
	}
	if layer, known := parseLayer(value); known {
		return layer, ""
	}
	return namespace.layer, ConflictBadLayer
}

// Settled tells of a pod that has a node and that the filter asks nothing more about: it does not tolerate the taint of virtual nodes, nor is it
// said to be meant for them by itself. Nothing then hangs on its containers' and its volumes' details, which need not be kept.
func (c *Config) Settled(p *corev1.Pod) bool {
	if p.Spec.NodeName == "" || toleranceOf(p.Spec.Tolerations, &c.Taint) != toleratesNot {
		return false
	}
	for _, said := range []map[string]string{p.Annotations, p.Labels} {
		if layer, known := parseLayer(said[LayerKey]); known && layer == LayerVirtual {
			return false
		}
	}
	return true
}

// tolerance is how a pod tolerates the taint of virtual nodes.
type tolerance int

const (
	toleratesNot tolerance = iota
	// toleratesAll is by a toleration without a key, which tolerates every taint: system pods do this, not only bursts.
	toleratesAll
	// toleratesByKey is by a toleration that names the key: the pod is meant for virtual nodes.
	toleratesByKey
)

func toleranceOf(tolerations []corev1.Toleration, taint *corev1.Taint) tolerance {
	best := toleratesNot
	for i := range tolerations {
		if !tolerates(tolerations[i:i+1], taint) {
			continue
		}
		if tolerations[i].Key != "" {
			return toleratesByKey
		}
		best = toleratesAll
	}
	return best
}

// anyNodeTolerated tells whether the pod tolerates all taints of some virtual node: pools may carry other taints, or none.
func (s *Snapshot) anyNodeTolerated(p *corev1.Pod) bool {
	for _, n := range s.nodes {
		tolerated := true
		for i := range n.taints {
			tolerated = tolerated && tolerates(p.Spec.Tolerations, &n.taints[i])
		}
		if tolerated {
			return true
		}
	}
	return false
}

// unschedulableSince is when kube-scheduler first gave up on the pod; it does not move on later tries.
func unschedulableSince(p *corev1.Pod) (time.Time, bool) {
	if p.Spec.NodeName != "" {
		return time.Time{}, false
	}
	for i := range p.Status.Conditions {
		c := &p.Status.Conditions[i]
		if c.Type != corev1.PodScheduled || c.Reason != corev1.PodReasonUnschedulable {
			continue
		}
		if c.LastTransitionTime.IsZero() {
			return p.CreationTimestamp.Time, true
		}
		return c.LastTransitionTime.Time, true
	}
	return time.Time{}, false
}
