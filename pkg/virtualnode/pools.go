package virtualnode

import (
	corev1 "k8s.io/api/core/v1"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	corescheduling "sigs.k8s.io/karpenter/pkg/controllers/provisioning/scheduling"
	"sigs.k8s.io/karpenter/pkg/scheduling"
	nodepoolutils "sigs.k8s.io/karpenter/pkg/utils/nodepool"
)

// pool is the part of a NodePool that says which pods it could make nodes for.
type pool struct {
	name         string
	generation   int64
	uid          string
	taints       scheduling.Taints
	requirements scheduling.Requirements
}

// newPool reads a NodePool, or returns nil for one that makes no nodes for pods: static, on its way out, or without a NodeClass.
// One that is not Ready counts: its pods are Karpenter's, and Karpenter says why they wait.
func newPool(np *karpv1.NodePool) *pool {
	if np.DeletionTimestamp != nil || np.Spec.Template.Spec.NodeClassRef == nil || nodepoolutils.IsStatic(np) {
		return nil
	}
	template := corescheduling.NewNodeClaimTemplate(np)
	return &pool{
		name:         np.Name,
		generation:   np.Generation,
		uid:          string(np.UID),
		taints:       template.Spec.Taints,
		requirements: template.Requirements,
	}
}

// couldTake tells whether the pool's taints and labels leave the pod a way in. Whether an instance type is large enough is core's
// question. Like core, it takes the terms of required node affinity one by one.
func (pl *pool) couldTake(p *corev1.Pod) bool {
	for i := range pl.taints {
		if !tolerates(p.Spec.Tolerations, &pl.taints[i]) {
			return false
		}
	}
	base := scheduling.NewLabelRequirements(p.Spec.NodeSelector)
	selector := requiredNodeAffinity(p)
	if selector == nil || len(selector.NodeSelectorTerms) == 0 {
		return pl.allows(base)
	}
	for i := range selector.NodeSelectorTerms {
		term := &selector.NodeSelectorTerms[i]
		if len(term.MatchFields) > 0 {
			continue // core refuses these
		}
		requirements := scheduling.NewNodeSelectorRequirements(term.MatchExpressions...)
		requirements.Add(base.Values()...)
		if pl.allows(requirements) {
			return true
		}
	}
	return false
}

func (pl *pool) allows(r scheduling.Requirements) bool {
	return pl.requirements.Compatible(r, scheduling.AllowUndefinedWellKnownLabels) == nil
}

// anyPoolTakes tells whether one of the NodePools could take the pod.
func (s *Snapshot) anyPoolTakes(p *corev1.Pod) bool {
	for _, pl := range s.pools {
		if pl.couldTake(p) {
			return true
		}
	}
	return false
}
