package inspect

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/samber/lo"
	corev1 "k8s.io/api/core/v1"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	corescheduling "sigs.k8s.io/karpenter/pkg/controllers/provisioning/scheduling"
	"sigs.k8s.io/karpenter/pkg/scheduling"
	nodepoolutils "sigs.k8s.io/karpenter/pkg/utils/nodepool"
	"sigs.k8s.io/karpenter/pkg/utils/resources"

	"github.com/karpenter-oke/karpenter-oke/pkg/virtualnode"
)

// maxAlternatives bounds the combinations of node affinity terms and volume zones that are looked at.
const maxAlternatives = 64

// Explain says why the pod goes where it goes, and what every NodePool could do for it. The pod is looked at as if it had no node yet.
func (i *Inspector) Explain(ctx context.Context, pod *corev1.Pod) (*Explanation, error) {
	if err := i.Filter.Ensure(ctx, i.Kube); err != nil {
		return nil, err
	}
	decision := i.Filter.Decide(pod)
	words := i.Filter.Explain(pod, decision)
	out := &Explanation{
		Layer: string(decision.Layer), Rule: decision.Rule, Warning: words.Warning,
		Summary: words.Summary, Cause: words.Cause, Advice: words.Advice, Conflict: words.Conflict,
		Blockers: features(i.Filter.Blockers(pod)), Advisories: features(i.Filter.Advisories(pod)),
		VirtualNodes: grouped(i.Filter.NodeVerdicts(pod)), NodePools: []PoolVerdict{},
		Requests: resources.RequestsForPods(pod), Notes: notLookedAt(pod),
	}
	d := demand{pod: pod, requests: out.Requests, alternatives: alternativesOf(pod)}
	if err := i.withVolumes(ctx, &d); err != nil {
		out.Notes = append(out.Notes, "the zones of its volumes are not known: "+err.Error())
	}
	pools := &karpv1.NodePoolList{}
	if err := i.Kube.List(ctx, pools); err != nil {
		return nil, fmt.Errorf("listing NodePools: %w", err)
	}
	daemons, err := i.daemons(ctx)
	if err != nil {
		return nil, err
	}
	ordered := lo.ToSlicePtr(pools.Items)
	nodepoolutils.OrderByWeight(ordered)
	for _, nodePool := range ordered {
		out.NodePools = append(out.NodePools, i.poolVerdict(ctx, nodePool, d, daemons))
	}
	if pod.Spec.NodeName != "" { // it has got its place: nothing is missing and nothing need be done
		out.Cause, out.Advice, out.Warning = "", "", out.Conflict != ""
		return out, nil
	}
	out.Do = advice(out, decision)
	return out, nil
}

// poolVerdict judges one NodePool; one that can not be read costs only its own verdict.
func (i *Inspector) poolVerdict(ctx context.Context, nodePool *karpv1.NodePool, d demand, daemons []*corev1.Pod) PoolVerdict {
	unready, err := i.unready(ctx, nodePool)
	if err == nil && nodePool.Spec.Template.Spec.NodeClassRef == nil {
		return PoolVerdict{Name: nodePool.Name, Blocks: []Block{{Why: strings.Join(unready, "; ")}}}
	}
	var c *candidate
	if err == nil {
		types, listErr := i.listTypes(ctx, nodePool)
		c, err = newCandidate(nodePool, types, daemons), listErr
	}
	if err != nil {
		return PoolVerdict{Name: nodePool.Name, Blocks: []Block{{Why: err.Error()}}}
	}
	return i.judge(c, d, unready)
}

// withVolumes narrows the alternatives to the zones in which the pod's volumes are or can be.
func (i *Inspector) withVolumes(ctx context.Context, d *demand) error {
	volumes, err := corescheduling.NewVolumeTopology(i.Kube).GetRequirements(ctx, d.pod)
	if err != nil || len(volumes) == 0 {
		return err
	}
	var out []scheduling.Requirements
	for _, r := range d.alternatives {
		for _, v := range volumes {
			if len(out) == maxAlternatives {
				break
			}
			both := scheduling.NewRequirements(r.Values()...)
			both.Add(v.Values()...)
			out = append(out, both)
		}
	}
	d.alternatives = out
	return nil
}

func features(rules []virtualnode.Rule) []Feature {
	return lo.Map(rules, func(r virtualnode.Rule, _ int) Feature { return Feature{r.Name, r.Message, r.Source} })
}

// grouped puts virtual nodes with the same verdict together: a pool's nodes mostly differ in nothing.
func grouped(verdicts []virtualnode.NodeVerdict) []VirtualNodes {
	out := []VirtualNodes{}
	for _, v := range verdicts {
		k := slices.IndexFunc(out, func(g VirtualNodes) bool { return g.Matches == v.Matches && g.Why == v.Why && g.State == v.State })
		if k < 0 {
			out, k = append(out, VirtualNodes{Matches: v.Matches, Why: v.Why, State: v.State}), len(out)
		}
		if out[k].Count++; out[k].Count <= MaxNames {
			out[k].Names = append(out[k].Names, v.Name)
		}
	}
	return out
}

// notLookedAt names what depends on the other pods of the cluster.
func notLookedAt(p *corev1.Pod) []string {
	var what []string
	if len(p.Spec.TopologySpreadConstraints) > 0 {
		what = append(what, "topology spread")
	}
	if a := p.Spec.Affinity; a != nil && a.PodAffinity != nil && len(a.PodAffinity.RequiredDuringSchedulingIgnoredDuringExecution) > 0 {
		what = append(what, "pod affinity")
	}
	if a := p.Spec.Affinity; a != nil && a.PodAntiAffinity != nil && len(a.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution) > 0 {
		what = append(what, "pod anti-affinity")
	}
	if len(p.Spec.ResourceClaims) > 0 {
		what = append(what, "its resource claims")
	}
	if len(what) == 0 {
		return nil
	}
	return []string{strings.Join(what, " and ") + ": not looked at here; Karpenter's FailedScheduling event says when this is in the way"}
}

// advice is what to change, most useful first: what the decision itself advises, then, where no NodePool takes a pod that is
// Karpenter's, what is in the way of the NodePools with the fewest obstacles.
func advice(e *Explanation, d virtualnode.Decision) []string {
	var do []string
	if e.Conflict != "" {
		do = append(do, e.Conflict)
	}
	if d.Skip() {
		if e.Advice != "" {
			do = append(do, e.Advice)
		}
		return do
	}
	if len(e.NodePools) == 0 {
		return append(do, "Create a NodePool: this cluster has none.")
	}
	if slices.ContainsFunc(e.NodePools, func(v PoolVerdict) bool { return v.Takes }) {
		return do
	}
	fewest := len(lo.MinBy(e.NodePools, func(a, b PoolVerdict) bool { return len(a.Blocks) < len(b.Blocks) }).Blocks)
	for _, v := range e.NodePools {
		steps := lo.FilterMap(v.Blocks, func(b Block, _ int) (string, bool) { return b.Do, b.Do != "" })
		if len(v.Blocks) == fewest && len(steps) > 0 && len(do) < MaxNames {
			do = append(do, "For NodePool "+v.Name+": "+strings.Join(steps, "; ")+".")
		}
	}
	return do
}
