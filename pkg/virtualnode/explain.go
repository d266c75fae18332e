package virtualnode

import (
	"fmt"
	"slices"
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
		e.Cause = causeText(d.Cause, counts) + archText(d.Cause, f.index.Snapshot(), p)
		e.Advice = f.adviceText(p, d)
		e.Warning = d.Rule == RuleNothingFits || d.Cause == CauseAbsent || d.Cause == CauseNoMatch
	case d.Rule == RuleOverflow:
		e.Summary = fmt.Sprintf("Karpenter takes this pod over (rule %s: %s).", d.Rule, f.ruleText(d))
		e.Cause = causeText(d.Cause, counts) + schedulerText(p)
		e.Warning = true
	default:
		e.Summary = fmt.Sprintf("This pod is Karpenter's (rule %s: %s).", d.Rule, f.ruleText(d))
	}
	e.Warning = e.Warning || e.Conflict != ""
	return e
}

// Advisories returns the features of the pod that virtual nodes ignore or treat in their own way.
func (f *Filter) Advisories(p *corev1.Pod) []Rule {
	return allMatches(f.advisory, f.index.Snapshot(), p)
}

// Blockers returns every feature of the pod that virtual nodes refuse.
func (f *Filter) Blockers(p *corev1.Pod) []Rule { return allMatches(f.hard, f.index.Snapshot(), p) }

func allMatches(rules []Rule, s *Snapshot, p *corev1.Pod) []Rule {
	var found []Rule
	for _, r := range rules {
		if r.matches(s, p) {
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
	}{
		{n.Troubled, troubleText(c)}, {n.Cordoned, "cordoned"}, {n.Full, "full"}, {n.Busy, "too little CPU or memory left"},
		{n.NotReady, "not Ready"}, {n.TooSmall, "too small for the pod"},
	} {
		switch {
		case w.count == n.Matching && w.count > 0:
			return head + ": " + w.text + "."
		case w.count > 0:
			why = append(why, fmt.Sprintf("%d %s", w.count, w.text))
		}
	}
	return head + ": " + strings.Join(why, ", ") + "."
}

// troubleText says what kept the newest pod from starting; nodes may have different troubles, the decision names the first.
func troubleText(c Cause) string {
	switch c {
	case CauseNoAddress:
		return "no address left for pods"
	case CauseQuota:
		return "a quota or service limit is used up"
	case CauseNoCapacity:
		return "OCI is out of capacity"
	}
	return "pods do not start"
}

// archText names the architectures of the virtual nodes to a pod that asks for one and matches none.
func archText(c Cause, s *Snapshot, p *corev1.Pod) string {
	if _, asks := p.Spec.NodeSelector[corev1.LabelArchStable]; c != CauseNoMatch || !asks {
		return ""
	}
	var archs []string
	for _, n := range s.nodes {
		if n.arch != "" && !slices.Contains(archs, n.arch) {
			archs = append(archs, n.arch)
		}
	}
	if len(archs) == 0 {
		return ""
	}
	slices.Sort(archs)
	return " Their pod shapes are " + strings.Join(archs, " and ") + "."
}

// schedulerWords bounds what is quoted of kube-scheduler, so that the event stays below the 1,024 bytes that the API server takes.
const schedulerWords = 240

// schedulerText quotes kube-scheduler's own words, which the pod carries.
func schedulerText(p *corev1.Pod) string {
	for i := range p.Status.Conditions {
		c := &p.Status.Conditions[i]
		if c.Type != corev1.PodScheduled || c.Status != corev1.ConditionFalse || c.Message == "" {
			continue
		}
		message := strings.ToValidUTF8(c.Message, "")
		if len(message) > schedulerWords {
			message = strings.ToValidUTF8(message[:schedulerWords], "") + "..."
		}
		return fmt.Sprintf(" kube-scheduler says: %q.", message)
	}
	return ""
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
	case CauseNoRoom:
		do = "It starts when pods there end; virtual nodes also show this while their pod subnet has no free address."
	case CauseTooLarge:
		do = "Lower its requests, or let it run on a managed node."
	case CauseNoAddress:
		do = "Free addresses in the pod subnet of the virtual node pool, or give the pool a larger one."
	case CauseQuota:
		do = "Raise the limit in the OCI console (Limits, Quotas and Usage), or end other pods."
	case CauseNoCapacity:
		do = "Wait, or add virtual nodes in another availability domain or of another pod shape."
	case CauseNotReady:
		do = "It starts when one is Ready again (kubectl describe node NODE says why it is not)."
	}
	alternative := "For a managed node instead, set the annotation " + LayerKey + "=managed on the pod."
	if d.Overflow > 0 {
		alternative = fmt.Sprintf("In %s Karpenter takes it over.", d.Overflow.Round(time.Second))
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
	case ConflictBadNamespace:
		word := f.index.Snapshot().namespaces[p.Namespace].unknown
		return fmt.Sprintf("Its namespace's %s is %q, which is ignored; want managed or virtual.", LayerKey, word)
	case ConflictOnlyVirtual:
		return "It says " + LayerKey + "=managed, but its selectors match virtual nodes only and no NodePool; change one of them."
	case ConflictBadOverflow:
		return fmt.Sprintf("Its annotation %s is %q, which is ignored; want a duration such as 5m, or never.", OverflowAfterKey, p.Annotations[OverflowAfterKey])
	}
	return ""
}
