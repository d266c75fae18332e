package inspect

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/samber/lo"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"sigs.k8s.io/karpenter/pkg/cloudprovider"
	"sigs.k8s.io/karpenter/pkg/scheduling"
	nodepoolutils "sigs.k8s.io/karpenter/pkg/utils/nodepool"
	"sigs.k8s.io/karpenter/pkg/utils/resources"
)

// demand is what a pod asks of a node.
type demand struct {
	pod      *corev1.Pod
	requests corev1.ResourceList
	// alternatives are sets of node labels of which one must hold, the zones of its volumes included.
	alternatives []scheduling.Requirements
}

// judge says whether the NodePool could make a node for the pod. unready is what keeps it from making any.
func (i *Inspector) judge(c *candidate, d demand, unready []string) PoolVerdict {
	v := PoolVerdict{Name: c.pool.Name}
	for _, why := range unready {
		v.Blocks = append(v.Blocks, Block{Why: why, Do: fmt.Sprintf("see kubectl describe nodepool %s", c.pool.Name)})
	}
	if nodepoolutils.IsStatic(c.pool) {
		v.Blocks = append(v.Blocks, Block{Why: "the NodePool has a fixed number of nodes (spec.replicas) and makes none for pods"})
	}
	for _, taint := range untolerated(d.pod, c.template.Spec.Taints) {
		v.Blocks = append(v.Blocks, Block{
			Why: "the pod does not tolerate its taint " + taint.ToString(),
			Do:  "add a toleration for " + taint.ToString() + " to the pod",
		})
	}
	allowed, block := c.allowed(d)
	if block != nil {
		v.Blocks = append(v.Blocks, *block)
	}
	if len(allowed) == 0 || len(unready) > 0 {
		return v
	}
	fits, stages, block := i.sift(c, d, allowed)
	v.Types = stages
	if block != nil {
		v.Blocks = append(v.Blocks, *block)
	}
	if v.Takes = len(v.Blocks) == 0; v.Takes {
		v.Cheapest = fits[:min(len(fits), MaxCheapest)]
	}
	return v
}

// allowed are the alternatives of the pod that the NodePool's labels allow, each together with what the NodePool itself requires; the
// block says why there is none.
func (c *candidate) allowed(d demand) ([]scheduling.Requirements, *Block) {
	var out []scheduling.Requirements
	var whys []string
	for _, r := range d.alternatives {
		if why := c.conflict(r); why != "" {
			whys = append(whys, why)
			continue
		}
		both := scheduling.NewRequirements(c.template.Requirements.Values()...)
		both.Add(r.Values()...)
		out = append(out, both)
	}
	switch {
	case len(out) > 0:
		return out, nil
	case len(whys) == 0:
		return nil, &Block{Why: "the pod's node affinity chooses nodes by their fields, which Karpenter does not do", Do: "choose nodes by their labels"}
	}
	whys = lo.Uniq(whys)
	block := &Block{Why: "the pod wants " + strings.Join(whys[:min(len(whys), MaxNames)], "; or "), Do: "change the pod's node selector or affinity, or the NodePool's requirements"}
	return nil, block
}

// conflict says which labels of the pod the NodePool's nodes can not have; empty when they can have all.
func (c *candidate) conflict(r scheduling.Requirements) string {
	have := c.template.Requirements
	if have.IsCompatible(r, scheduling.AllowUndefinedWellKnownLabels) {
		return ""
	}
	var whys []string
	for _, key := range slices.Sorted(maps.Keys(r)) {
		one := scheduling.NewRequirements(r.Get(key))
		switch {
		case have.IsCompatible(one, scheduling.AllowUndefinedWellKnownLabels):
		case have.Has(key):
			whys = append(whys, fmt.Sprintf("%s (the NodePool allows %s)", r.Get(key), have.Get(key)))
		default:
			whys = append(whys, fmt.Sprintf("%s (a label that the NodePool's nodes do not have)", r.Get(key)))
		}
	}
	return strings.Join(whys, " and ")
}

// sift asks of all types what core asks, in turn, and says after which question none was left.
func (i *Inspector) sift(c *candidate, d demand, allowed []scheduling.Requirements) ([]Fit, []Stage, *Block) {
	left, stages := c.types, []Stage{{"listed for the NodePool", len(c.types)}}
	if len(left) == 0 {
		return nil, stages, &Block{Why: "no instance type meets the NodePool's requirements", Do: "loosen its spec.template.spec.requirements"}
	}
	remaining := c.remaining()
	for _, q := range []struct {
		text  string
		keep  func(*cloudprovider.InstanceType) bool
		block func([]*cloudprovider.InstanceType) Block
	}{
		{"with the labels that pod and NodePool want", func(it *cloudprovider.InstanceType) bool { return len(meets(it, allowed)) > 0 },
			func([]*cloudprovider.InstanceType) Block {
				return Block{Why: "no instance type has all labels that the pod and the NodePool want", Do: "compare them with: kubectl karpenter_oke types --nodepool " + c.pool.Name + " -o wide"}
			}},
		{"large enough, DaemonSets included", func(it *cloudprovider.InstanceType) bool { return len(lacking(c, d, it)) == 0 },
			func(before []*cloudprovider.InstanceType) Block { return tooSmall(c, d, before) }},
		{"within the NodePool's limits", func(it *cloudprovider.InstanceType) bool { return len(exceeded(it.Capacity, remaining)) == 0 },
			func(before []*cloudprovider.InstanceType) Block { return overLimit(c, before, remaining) }},
		{"to be had now", func(it *cloudprovider.InstanceType) bool { return cheapestOf(it, allowed) != nil },
			func(before []*cloudprovider.InstanceType) Block { return i.soldOut(before, allowed) }},
	} {
		before := left
		left = lo.Filter(left, func(it *cloudprovider.InstanceType, _ int) bool { return q.keep(it) })
		stages = append(stages, Stage{q.text, len(left)})
		if len(left) == 0 {
			block := q.block(before)
			return nil, stages, &block
		}
	}
	fits := lo.Map(left, func(it *cloudprovider.InstanceType, _ int) Fit {
		o := cheapestOf(it, allowed)
		return Fit{Type: it.Name, Zone: o.Zone(), CapacityType: o.CapacityType(), Price: o.Price}
	})
	slices.SortStableFunc(fits, func(a, b Fit) int { return cmp.Or(cmp.Compare(a.Price, b.Price), strings.Compare(a.Type, b.Type)) })
	return fits, stages, nil
}

// meets returns the alternatives that the type's labels and one of its offerings, available or not, allow.
func meets(it *cloudprovider.InstanceType, allowed []scheduling.Requirements) []scheduling.Requirements {
	return lo.Filter(allowed, func(r scheduling.Requirements, _ int) bool {
		return it.Requirements.Intersects(r) == nil && it.Offerings.HasCompatible(r)
	})
}

// cheapestOf is the cheapest offering that can be had; nil when there is none.
func cheapestOf(it *cloudprovider.InstanceType, allowed []scheduling.Requirements) *cloudprovider.Offering {
	var best *cloudprovider.Offering
	for _, r := range meets(it, allowed) {
		for _, o := range it.Offerings {
			if o.Launchable() && (best == nil || o.Price < best.Price) && r.IsCompatible(o.Requirements, scheduling.AllowUndefinedWellKnownLabels) {
				best = o
			}
		}
	}
	return best
}

// lacking lists the resources of which a new node of the type has less than the pod and the DaemonSets ask, in order.
func lacking(c *candidate, d demand, it *cloudprovider.InstanceType) []corev1.ResourceName {
	total, has := resources.Merge(d.requests, c.overhead(it)), it.Allocatable()
	var names []corev1.ResourceName
	for _, name := range slices.Sorted(maps.Keys(total)) {
		if q := total[name]; q.Cmp(has[name]) > 0 {
			names = append(names, name)
		}
	}
	return names
}

// tooSmall names, of the type that lacks least, what it lacks; and where no type has enough of a resource, the most that one has.
func tooSmall(c *candidate, d demand, types []*cloudprovider.InstanceType) Block {
	most := map[corev1.ResourceName]resource.Quantity{}
	nearest, least := types[0], lacking(c, d, types[0])
	for _, it := range types {
		for name, free := range resources.Subtract(it.Allocatable(), c.overhead(it)) {
			if best, seen := most[name]; !seen || free.Cmp(best) > 0 {
				most[name] = free
			}
		}
		if now := lacking(c, d, it); len(now) <= len(least) {
			nearest, least = it, now
		}
	}
	var never []string
	for _, name := range slices.Sorted(maps.Keys(d.requests)) {
		wanted, best := d.requests[name], most[name]
		if wanted.Cmp(best) > 0 {
			if best.Sign() <= 0 {
				never = append(never, fmt.Sprintf("%s %s, and no instance type has any", name, Quantity(name, wanted)))
				continue
			}
			never = append(never, fmt.Sprintf("%s %s, and the most that an instance type has for it is %s", name, Quantity(name, wanted), Quantity(name, best)))
		}
	}
	if len(never) > 0 {
		return Block{
			Why: "the pod asks for " + strings.Join(never, "; and for "),
			Do:  "ask for less, or let the NodePool use larger or other shapes",
		}
	}
	names := lo.Map(least, func(name corev1.ResourceName, _ int) string { return string(name) })
	return Block{
		Why: fmt.Sprintf("no instance type has enough of everything at once; the nearest, %s, lacks %s", nearest.Name, strings.Join(names, " and ")),
		Do:  "ask for less, or let the NodePool use larger or other shapes",
	}
}

// overLimit says which limit is in the way of the type that exceeds fewest.
func overLimit(c *candidate, types []*cloudprovider.InstanceType, remaining corev1.ResourceList) Block {
	smallest := lo.MinBy(types, func(a, b *cloudprovider.InstanceType) bool {
		x, y := exceeded(a.Capacity, remaining), exceeded(b.Capacity, remaining)
		if len(x) != len(y) {
			return len(x) < len(y)
		}
		return a.Capacity.Cpu().Cmp(*b.Capacity.Cpu()) < 0
	})
	var why, do []string
	for _, name := range exceeded(smallest.Capacity, remaining) {
		limit, used, needs := c.pool.Spec.Limits[name], c.pool.Status.Resources[name], smallest.Capacity[name]
		why = append(why, fmt.Sprintf("its limit of %s is %s, %s are used, and the smallest fitting type has %s",
			name, Quantity(name, limit), Quantity(name, used), Quantity(name, needs)))
		do = append(do, "spec.limits."+string(name))
	}
	return Block{Why: strings.Join(why, "; "), Do: "raise its " + strings.Join(do, " and ")}
}

// soldOut says why none of the types can be had, most frequent reason first, and when the first mark ends.
func (i *Inspector) soldOut(types []*cloudprovider.InstanceType, allowed []scheduling.Requirements) Block {
	counts, until := map[string]int{}, ""
	first := int64(0)
	for _, it := range types {
		size, _ := i.Sizes.Size(it.Name)
		for _, o := range it.Offerings {
			if !lo.SomeBy(allowed, func(r scheduling.Requirements) bool {
				return r.IsCompatible(o.Requirements, scheduling.AllowUndefinedWellKnownLabels)
			}) {
				continue
			}
			reason, end := i.reasonOf(size, o.Zone(), o.CapacityType())
			counts[reason]++
			if end != nil && (first == 0 || end.UnixNano() < first) {
				first, until = end.UnixNano(), end.UTC().Format("15:04:05 MST")
			}
		}
	}
	reasons := lo.Keys(counts)
	slices.SortFunc(reasons, func(a, b string) int { return cmp.Or(counts[b]-counts[a], strings.Compare(a, b)) })
	b := Block{
		Why: fmt.Sprintf("none of %d fitting types can be had now (%s)", len(types), strings.Join(reasons, ", ")),
		Do:  "allow more shapes, zones or capacity types, or raise the service limit where one is exceeded",
	}
	if until != "" {
		b.Do += "; Karpenter tries again by itself after " + until
	}
	return b
}
