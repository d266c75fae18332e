package inspect

import (
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/cloudprovider"
	corescheduling "sigs.k8s.io/karpenter/pkg/controllers/provisioning/scheduling"
	"sigs.k8s.io/karpenter/pkg/scheduling"
	"sigs.k8s.io/karpenter/pkg/utils/resources"
)

// candidate is a NodePool as core's scheduler sees it: a template for nodes, types to choose from, and the DaemonSets that come along.
type candidate struct {
	pool     *karpv1.NodePool
	template *corescheduling.NodeClaimTemplate
	types    []*cloudprovider.InstanceType
	// daemons are the DaemonSets' pods that the template's taints and labels let in; a type may still exclude some.
	daemons []daemon
}

// daemon is a DaemonSet's pod, and the alternatives of node labels that it asks for.
type daemon struct {
	pod          *corev1.Pod
	alternatives []scheduling.Requirements
}

// newCandidate needs a NodePool that names a node class.
func newCandidate(nodePool *karpv1.NodePool, types []*cloudprovider.InstanceType, daemons []*corev1.Pod) *candidate {
	c := &candidate{pool: nodePool, template: corescheduling.NewNodeClaimTemplate(nodePool), types: types}
	for _, p := range daemons {
		if len(untolerated(p, c.template.Spec.Taints)) > 0 {
			continue
		}
		alternatives := slices.DeleteFunc(alternativesOf(p), func(r scheduling.Requirements) bool {
			return !c.template.Requirements.IsCompatible(r, scheduling.AllowUndefinedWellKnownLabels)
		})
		if len(alternatives) > 0 {
			c.daemons = append(c.daemons, daemon{p, alternatives})
		}
	}
	return c
}

// runsOn tells whether the daemon runs on nodes of the type. Labels that only nodes have are not asked of types, as in core.
func (d *daemon) runsOn(it *cloudprovider.InstanceType) bool {
	return slices.ContainsFunc(d.alternatives, func(r scheduling.Requirements) bool { return it.Requirements.Intersects(r) == nil })
}

// overhead is what DaemonSets take of a node of the type; nil when none runs there.
func (c *candidate) overhead(it *cloudprovider.InstanceType) corev1.ResourceList {
	var pods []*corev1.Pod
	for k := range c.daemons {
		if c.daemons[k].runsOn(it) {
			pods = append(pods, c.daemons[k].pod)
		}
	}
	if len(pods) == 0 {
		return nil
	}
	return resources.RequestsForPods(pods...)
}

// everywhere counts the DaemonSets that run on every type.
func (c *candidate) everywhere() int {
	count := 0
	for k := range c.daemons {
		if !slices.ContainsFunc(c.types, func(it *cloudprovider.InstanceType) bool { return !c.daemons[k].runsOn(it) }) {
			count++
		}
	}
	return count
}

// remaining is what the NodePool's limits leave. A resource without a limit is not in it.
func (c *candidate) remaining() corev1.ResourceList {
	left := corev1.ResourceList{}
	for name, limit := range c.pool.Spec.Limits {
		left[name] = limit.DeepCopy()
	}
	for name, used := range c.pool.Status.Resources {
		if q, limited := left[name]; limited {
			q.Sub(used)
			left[name] = q
		}
	}
	return left
}

// exceeded lists the resources of which a type has more than the limits leave, in order.
func exceeded(capacity, remaining corev1.ResourceList) []corev1.ResourceName {
	var names []corev1.ResourceName
	for _, name := range slices.Sorted(maps.Keys(remaining)) {
		if q := capacity[name]; q.Cmp(remaining[name]) > 0 {
			names = append(names, name)
		}
	}
	return names
}

// untolerated lists the taints that keep the pod away. Core ignores the preference PreferNoSchedule when nothing else is left.
func untolerated(p *corev1.Pod, taints []corev1.Taint) []corev1.Taint {
	var out []corev1.Taint
	for _, taint := range taints {
		if taint.Effect != corev1.TaintEffectPreferNoSchedule && (scheduling.Taints{taint}).ToleratesPod(p) != nil {
			out = append(out, taint)
		}
	}
	return out
}

// alternativesOf are the sets of node labels of which the pod needs one: its node selector with each term of its required node
// affinity. Terms over fields are left out, core refuses them.
func alternativesOf(p *corev1.Pod) []scheduling.Requirements {
	selector := scheduling.NewLabelRequirements(p.Spec.NodeSelector)
	terms := requiredTerms(p)
	if len(terms) == 0 {
		return []scheduling.Requirements{selector}
	}
	var out []scheduling.Requirements
	for _, term := range terms {
		if len(term.MatchFields) > 0 {
			continue
		}
		r := scheduling.NewNodeSelectorRequirements(term.MatchExpressions...)
		r.Add(selector.Values()...)
		out = append(out, r)
	}
	return out
}

func requiredTerms(p *corev1.Pod) []corev1.NodeSelectorTerm {
	a := p.Spec.Affinity
	if a == nil || a.NodeAffinity == nil || a.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution == nil {
		return nil
	}
	return a.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms
}
