package lint

import (
	"fmt"
	"strings"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/component-helpers/scheduling/corev1/nodeaffinity"

	"github.com/karpenter-oke/karpenter-oke/pkg/virtualnode"
)

// judge decides on workloads.
type judge struct {
	options Options
	filter  *virtualnode.Filter
	virtual []*corev1.Node
}

// finding collects what is to be said of one workload.
type finding struct {
	*judge
	*workload
	decision virtualnode.Decision
	blockers []virtualnode.Rule
	problems []string
	warnings []string
}

func (j *judge) result(w *workload) Result {
	f := &finding{judge: j, workload: w, decision: j.filter.Decide(w.pod), blockers: j.filter.Blockers(w.pod), problems: []string{}, warnings: []string{}}
	explanation := j.filter.Explain(w.pod, f.decision)
	f.conflicts(explanation.Conflict)
	f.mistakes()
	f.advice()
	message := explanation.Summary
	if explanation.Conflict != "" {
		message += " " + explanation.Conflict
	}
	return Result{
		Kind: w.document.Kind(), Namespace: w.pod.Namespace, Name: name(w.document),
		Layer: f.decision.Layer, Rule: f.decision.Rule, Message: message,
		Blockers: ruleNames(f.blockers), Warnings: f.warnings, Problems: f.problems, Source: w.document.Place(),
	}
}

func (f *finding) problem(format string, args ...any) {
	f.problems = append(f.problems, fmt.Sprintf(format, args...))
}

func (f *finding) warn(format string, args ...any) {
	f.warnings = append(f.warnings, fmt.Sprintf(format, args...))
}

// conflicts finds what the workload says that it does not do.
func (f *finding) conflicts(conflict string) {
	if conflict != "" {
		f.problem("%s", lower(conflict))
	}
	statesManaged := f.decision.Rule == virtualnode.RuleStatedManaged
	switch {
	case statesManaged || len(f.blockers) == 0:
	case f.decision.Conflict == virtualnode.ConflictNeedsManaged:
		f.problem("virtual nodes refuse it: %s", sentences(f.blockers))
	case f.namesTaint():
		f.problem("its toleration names the virtual nodes' taint, but they refuse it: %s; remove that, or the toleration", sentences(f.blockers))
	}
	if value, ok := f.pod.Annotations[virtualnode.OverflowAfterKey]; ok && f.decision.Conflict != virtualnode.ConflictBadOverflow && f.badOverflow(value) {
		f.problem("its annotation %s is %q, which is ignored; want a duration such as 5m, or never", virtualnode.OverflowAfterKey, value)
	}
	if f.decision.Rule == virtualnode.RuleBadAffinity {
		f.problem("its node affinity can not be read: check the operators, and that each has the values it wants")
	}
	if f.document.Kind() == "Pod" {
		return
	}
	own := ownMetadata(f.document)
	for _, key := range []string{virtualnode.LayerKey, virtualnode.OverflowAfterKey} {
		if _, inTemplate := f.pod.Annotations[key]; own[key] != "" && !inTemplate && f.pod.Labels[key] == "" {
			f.problem("it says %s=%s on the %s itself, which has no effect; move it into the metadata of the pod template", key, own[key], f.document.Kind())
		}
	}
}

// mistakes finds what keeps the pods from ever running, and what looks like a slip.
func (f *finding) mistakes() {
	managed := f.decision.Layer == virtualnode.LayerManaged
	switch {
	case managed && f.selectsVirtualNodes():
		f.problem("it selects virtual nodes only, but is managed (rule %s), so it will never be scheduled; %s", f.decision.Rule, f.cure())
	case f.decision.Rule == virtualnode.RuleNothingFits:
		f.warn("no virtual node and no NodePool that is known here has the labels that it selects")
	case f.decision.Rule == virtualnode.RuleNoMatch:
		f.warn("it tolerates the taint, but selects no virtual node that is known here, so managed nodes are bought for it")
	}
	if t := f.nearMiss(); t != "" {
		f.warn("%s", t)
	}
	for _, u := range f.unknown {
		f.warn("%s: the API server does not know the field, so it has no effect", u)
	}
}

// cure says what makes a pod that selects virtual nodes run there.
func (f *finding) cure() string {
	switch f.decision.Rule {
	case virtualnode.RuleNotTolerated:
		return "add a toleration for " + f.options.Filter.Taint.ToString()
	case virtualnode.RuleStatedManaged:
		return "remove the selector, or the statement"
	case virtualnode.RuleNeedsManaged:
		return "remove the selector, or what virtual nodes refuse"
	}
	return "remove the selector for a managed node"
}

// advice tells what virtual nodes treat in their own way, to those who are going there.
func (f *finding) advice() {
	if f.decision.Layer != virtualnode.LayerVirtual {
		return
	}
	for _, rule := range f.filter.Advisories(f.pod) {
		f.warn("it %s [%s]", rule.Message, rule.Name)
	}
	for _, ask := range [][2]string{{"sidecar.istio.io/inject", "true"}, {"linkerd.io/inject", "enabled"}} {
		if f.pod.Labels[ask[0]] == ask[1] || f.pod.Annotations[ask[0]] == ask[1] {
			f.warn("it asks for a sidecar by %s, which comes with an init container: the injected pod will be managed", ask[0])
		}
	}
}

// namesTaint tells whether a toleration names the taint of virtual nodes, and so says that the workload is meant for them.
func (f *finding) namesTaint() bool {
	for i := range f.pod.Spec.Tolerations {
		if t := &f.pod.Spec.Tolerations[i]; t.Key != "" && t.ToleratesTaint(logr.Discard(), &f.options.Filter.Taint, true) {
			return true
		}
	}
	return false
}

// nearMiss says why a toleration of the taint's key does not tolerate it. Empty when none is there or another one does.
func (f *finding) nearMiss() string {
	taint := &f.options.Filter.Taint
	if f.decision.Rule != virtualnode.RuleNotTolerated {
		return ""
	}
	for i := range f.pod.Spec.Tolerations {
		t := &f.pod.Spec.Tolerations[i]
		if t.Key != taint.Key {
			continue
		}
		why := "its operator " + string(t.Operator) + " does not match"
		switch {
		case t.Effect != "" && t.Effect != taint.Effect:
			why = fmt.Sprintf("its effect is %s, not %s", t.Effect, taint.Effect)
		case t.Operator == "" || t.Operator == corev1.TolerationOpEqual:
			why = fmt.Sprintf("its value is %q, not %q", t.Value, taint.Value)
		}
		return fmt.Sprintf("its toleration of %s does not tolerate %s: %s", t.Key, taint.ToString(), why)
	}
	return ""
}

// selectsVirtualNodes tells whether a virtual node matches only by a label that marks it as one: no other node ever will.
func (f *finding) selectsVirtualNodes() bool {
	affinity := nodeaffinity.GetRequiredNodeAffinity(f.pod)
	for _, node := range f.virtual {
		if ok, err := affinity.Match(node); err != nil || !ok {
			continue
		}
		plain := node.DeepCopy()
		for _, marker := range f.options.Filter.Markers.Labels {
			delete(plain.Labels, marker.Key)
		}
		if ok, err := affinity.Match(plain); err == nil && !ok {
			return true
		}
	}
	return false
}

// badOverflow asks the filter, which reads the annotation of pods that virtual nodes may take only, about such a pod.
func (f *finding) badOverflow(value string) bool {
	taint := f.options.Filter.Taint
	probe := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Annotations: map[string]string{virtualnode.OverflowAfterKey: value}},
		Spec:       corev1.PodSpec{Tolerations: []corev1.Toleration{{Key: taint.Key, Operator: corev1.TolerationOpExists}}},
	}
	return f.filter.Decide(probe).Conflict == virtualnode.ConflictBadOverflow
}

func ruleNames(rules []virtualnode.Rule) []string {
	names := make([]string, len(rules))
	for i := range rules {
		names[i] = rules[i].Name
	}
	return names
}

// sentences says each rule in words, with its name.
func sentences(rules []virtualnode.Rule) string {
	out := make([]string, len(rules))
	for i := range rules {
		out[i] = fmt.Sprintf("it %s [%s]", rules[i].Message, rules[i].Name)
	}
	return strings.Join(out, ", ")
}

// lower makes a sentence the part of another.
func lower(s string) string {
	if s == "" {
		return ""
	}
	return strings.TrimSuffix(strings.ToLower(s[:1])+s[1:], ".")
}
