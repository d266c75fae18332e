package virtualnode

import (
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// Explanation is a decision in words, for events and for people who ask.
type Explanation struct {
	// Warning is true when a person must act before the pod can run, or has contradicted themselves.
	Warning bool
	// Summary says what happens to the pod, and by which rule.
	Summary string
	// Cause says what keeps virtual nodes from running it, with numbers. Empty for pods that are Karpenter's from the start.
	Cause string
	// Advice says what to do about it. Empty when there is nothing to do.
	Advice string
	// Conflict says what contradicts itself in the pod. Empty when nothing does.
	Conflict string
}

// String joins the parts to one text. Event messages are cut at 1,024 bytes by the API server's rules; these stay well below.
func (e Explanation) String() string {
	var parts []string
	for _, s := range []string{e.Summary, e.Cause, e.Advice, e.Conflict} {
		if s != "" {
			parts = append(parts, s)
		}
	}
	return strings.Join(parts, " ")
}

// Explain puts a decision on the pod into words, from the present state of the virtual nodes.
func (f *Filter) Explain(p *corev1.Pod, d Decision) Explanation {
	counts := f.index.Snapshot().count(p, f.clock.Now(), f.config.GracePeriod)
	e := Explanation{Conflict: f.conflictText(p, d)}
	switch {
	case d.Skip():
		e.Summary = fmt.Sprintf("Karpenter leaves this pod to virtual nodes (rule %s: %s).", d.Rule, f.ruleText(d))
		e.Cause = causeText(d.Cause, counts)
		e.Advice = f.adviceText(p, d)
		e.Warning = d.Rule == RuleNothingFits || d.Cause == CauseAbsent || d.Cause == CauseNoMatch
	case d.Rule == RuleOverflow:
		e.Summary = fmt.Sprintf("Karpenter takes this pod over (rule %s: %s).", d.Rule, f.ruleText(d))
		e.Cause = causeText(d.Cause, counts)
		e.Warning = true
	default:
		e.Summary = fmt.Sprintf("This pod is Karpenter's (rule %s: %s).", d.Rule, f.ruleText(d))
	}
	e.Warning = e.Warning || e.Conflict != ""
	return e
}

// Advisories returns the features of the pod that virtual nodes ignore or treat in their own way.
func (f *Filter) Advisories(p *corev1.Pod) []Rule { return allMatches(f.advisory, p) }

// Blockers returns every feature of the pod that virtual nodes refuse.
func (f *Filter) Blockers(p *corev1.Pod) []Rule { return allMatches(f.hard, p) }

func allMatches(rules []Rule, p *corev1.Pod) []Rule {
	var found []Rule
	for _, r := range rules {
		if r.Test(p) {
			found = append(found, r)
		}
	}
	return found
}

func (f *Filter) ruleText(d Decision) string {
	taint := f.config.Taint.ToString()
	switch d.Rule {
	case RuleStatedManaged:
		return "it or its namespace says " + LayerKey + "=managed"
	case RuleStatedVirtual:
		return "it or its namespace says " + LayerKey + "=virtual"
	case RuleNotTolerated:
		return "it does not tolerate " + taint
	case RuleNeedsManaged:
		if d.Feature != nil {
			return "it " + d.Feature.Message + " [" + d.Feature.Name + "]"
		}
		return "it uses a feature that virtual nodes refuse"
	case RuleNamesTaint:
		return "its toleration names " + taint
	case RuleToleratesAll:
		return "it tolerates every taint, and a virtual node could take it"
	case RuleAllNoRoom:
		return "it tolerates every taint, but no virtual node could take it now"
	case RuleNoMatch:
		return "it tolerates " + taint + ", but its selectors or tolerations exclude every virtual node"
	case RuleNothingFits:
		return "it tolerates " + taint + ", but neither a virtual node nor a NodePool matches it"
	case RuleOverflow:
		return "it waited for virtual nodes for longer than allowed"
	case RuleBadAffinity:
		return "its node affinity cannot be read"
	}
	return d.Rule
}

func causeText(c Cause, n NodeCounts) string {
	if c == "" {
		return ""
	}
	head := fmt.Sprintf("%s, %d schedulable", plural(n.Total, "virtual node"), n.Usable())
	if n.Matching != n.Total {
		head = fmt.Sprintf("%s, %d of them match, %d schedulable", plural(n.Total, "virtual node"), n.Matching, n.Usable())
	}
	switch c {
	case CauseAbsent:
		return "No virtual node exists in this cluster."
	case CauseNoMatch:
		return plural(n.Total, "virtual node") + ", none matches the pod's selectors, affinity and tolerations."
	case CauseScheduler:
		return head + ": see kube-scheduler's FailedScheduling event for what is missing."
	}
	var why []string
	for _, w := range []struct {
		count int
		text  string
	}{{n.Cordoned, "cordoned"}, {n.Full, "full"}, {n.NotReady, "not Ready"}} {
		switch {
		case w.count == n.Matching && w.count > 0:
			return head + ": " + w.text + "."
		case w.count > 0:
			why = append(why, fmt.Sprintf("%d %s", w.count, w.text))
		}
	}
	return head + ": " + strings.Join(why, ", ") + "."
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

func (f *Filter) adviceText(p *corev1.Pod, d Decision) string {
	var do string
	switch d.Cause {
	case CauseAbsent:
		do = "Add a virtual node pool to the cluster."
	case CauseNoMatch:
		do = "Compare the pod's selectors and tolerations with the labels and taints of the virtual nodes and NodePools (kubectl get nodes --show-labels)."
	case CauseCordoned:
		do = "It starts when one is uncordoned (kubectl uncordon NODE)."
	case CauseFull:
		do = "It starts when a pod there ends; enlarge the virtual node pool for more."
	case CauseNotReady:
		do = "It starts when one is Ready again (kubectl describe node NODE says why it is not)."
	}
	alternative := "For a managed node instead, set the annotation " + LayerKey + "=managed on the pod."
	if d.RecheckAfter > 0 {
		alternative = fmt.Sprintf("In %s Karpenter takes it over.", d.RecheckAfter.Round(time.Second))
	}
	if !f.index.Snapshot().anyPoolTakes(p) {
		alternative = "No NodePool matches it either, so Karpenter could not help."
	}
	return strings.TrimSpace(do + " " + alternative)
}

func (f *Filter) conflictText(p *corev1.Pod, d Decision) string {
	switch d.Conflict {
	case ConflictNeedsManaged:
		return "It says " + LayerKey + "=virtual, which it cannot have; remove the feature or the statement."
	case ConflictNotTolerated:
		return "It says " + LayerKey + "=virtual; add a toleration for " + f.config.Taint.ToString() + " or remove the statement."
	case ConflictBadLayer:
		value, ok := p.Annotations[LayerKey]
		if !ok {
			value = p.Labels[LayerKey]
		}
		return fmt.Sprintf("Its %s is %q, which is ignored; want managed or virtual.", LayerKey, value)
	case ConflictBadOverflow:
		return fmt.Sprintf("Its annotation %s is %q, which is ignored; want a duration such as 5m, or never.", OverflowAfterKey, p.Annotations[OverflowAfterKey])
	}
	return ""
}
