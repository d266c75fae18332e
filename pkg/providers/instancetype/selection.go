package instancetype

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/scheduling"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/instancetype/grid"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/shape"
)

const (
	// maxTypes bounds the types of a NodePool. Core's scheduling time grows with it (500 pods: 300 types 0.25 s, 1000 types 1 s).
	maxTypes = 300
	// gridStep coarsens the number of points a shape gets, so that small changes of the catalogue do not change the list.
	gridStep = 8
	// minPoints is how many points a shape keeps, however many shapes there are.
	minPoints = 6

	// limitShare keeps one node's size under this part of a NodePool's limits. In each scheduling loop core charges every new node
	// at the largest type that is still possible for it, so a type as large as the limit would let a loop buy one node only.
	limitShare = 8
	// Nodes up to this size are offered whatever the limits are.
	alwaysOfferedVCPUs    = 32
	alwaysOfferedMemoryGB = 256
)

// tiers share the grid's budget among shapes by price relative to the cheapest shape of the same architecture: the dearer shapes are
// chosen only when the cheap ones cannot be had, and then a coarse grid is good enough.
var tiers = []struct{ priceRatio, weight float64 }{{1.10, 1}, {1.30, 0.5}}

const lastTierWeight = 0.25

// selector picks the cells that one NodePool is offered.
type selector struct {
	// requirements are those of the NodePool's template, its labels included.
	requirements scheduling.Requirements
	// images are the requirements of the images that the node class has, one set an image; empty means that images are not known yet.
	images []scheduling.Requirements
	// limits of the NodePool, 0 for none.
	limitVCPUs, limitMemoryGB float64
	// inUse are names of types that nodes have; they are offered whatever the budget, so that no node is replaced for its type's name.
	inUse []string
	// named are the type names that the requirements ask for; a size off the grid is offered when it is asked for by name.
	named []string
}

func newSelector(nodePool *karpv1.NodePool, images []v1alpha1.Image, inUse []string) *selector {
	s := &selector{requirements: scheduling.Requirements{}, inUse: inUse}
	for _, image := range images {
		s.images = append(s.images, toRequirements(image.Requirements))
	}
	if nodePool == nil {
		return s
	}
	for key, value := range nodePool.Spec.Template.Labels {
		s.requirements.Add(scheduling.NewRequirement(key, corev1.NodeSelectorOpIn, value))
	}
	for _, r := range nodePool.Spec.Template.Spec.Requirements {
		s.requirements.Add(toRequirement(r.Key, r.Operator, r.Values))
		if r.Key == corev1.LabelInstanceTypeStable && r.Operator == corev1.NodeSelectorOpIn {
			s.named = append(s.named, r.Values...)
		}
	}
	if limit, ok := nodePool.Spec.Limits[corev1.ResourceCPU]; ok {
		s.limitVCPUs = limit.AsApproximateFloat64()
	}
	if limit, ok := nodePool.Spec.Limits[corev1.ResourceMemory]; ok {
		s.limitMemoryGB = limit.AsApproximateFloat64() / (1 << 30)
	}
	return s
}

func toRequirements(rs []corev1.NodeSelectorRequirement) scheduling.Requirements {
	out := scheduling.Requirements{}
	for _, r := range rs {
		out.Add(toRequirement(r.Key, r.Operator, r.Values))
	}
	return out
}

// toRequirement copies the values, which core may rewrite, and takes a comparison without a number as one that nothing meets.
func toRequirement(key string, operator corev1.NodeSelectorOperator, values []string) *scheduling.Requirement {
	switch operator {
	case corev1.NodeSelectorOpGt, corev1.NodeSelectorOpLt, karpv1.NodeSelectorOpGte, karpv1.NodeSelectorOpLte:
		if len(values) == 0 {
			return scheduling.NewRequirement(key, corev1.NodeSelectorOpIn)
		}
	}
	return scheduling.NewRequirement(key, operator, slices.Clone(values)...)
}

// meets says whether a cell can be part of requirements. Labels that the cell does not decide are left to core.
func (c *cell) meets(requirements scheduling.Requirements) bool {
	for key, requirement := range requirements {
		value, settled := c.label(key)
		if !settled {
			continue
		}
		if value != "" {
			if !requirement.Has(value) {
				return false
			}
			continue
		}
		// The label does not exist on such a node: only requirements that absence satisfies are met.
		if op := requirement.Operator(); op != corev1.NodeSelectorOpDoesNotExist && op != corev1.NodeSelectorOpNotIn {
			return false
		}
	}
	return true
}

// hasImage says whether the node class has an image that the cell can run. What an image requires (architecture, GPU) is the same for
// every size of a shape, so one cell answers for its family.
func (s *selector) hasImage(c *cell) bool {
	return len(s.images) == 0 || slices.ContainsFunc(s.images, c.meets)
}

// asksForSize says whether the requirements speak of sizes or of certain shapes; then the limits do not hide large ones.
func (s *selector) asksForSize() bool {
	return slices.ContainsFunc([]string{
		corev1.LabelInstanceTypeStable, v1alpha1.LabelInstanceShapeName, v1alpha1.LabelInstanceCPU, v1alpha1.LabelInstanceOCPU, v1alpha1.LabelInstanceMemory,
	}, s.requirements.Has)
}

// withinLimits says whether the cell is small enough for the NodePool's limits.
func (s *selector) withinLimits(c *cell) bool {
	maxVCPUs, maxMemoryGB := max(s.limitVCPUs/limitShare, alwaysOfferedVCPUs), max(s.limitMemoryGB/limitShare, alwaysOfferedMemoryGB)
	return (s.limitVCPUs == 0 || float64(c.vcpus) <= maxVCPUs) && (s.limitMemoryGB == 0 || c.memoryGB <= maxMemoryGB)
}

// choose picks the cells of a catalogue: all that the requirements, images and limits leave, with as many points of each flexible shape as
// fit under maxTypes.
func (s *selector) choose(catalog []family, snapshot *shape.Snapshot) []*cell {
	anySize := s.asksForSize()
	var fixed []*cell
	var sizable []family
	for i := range catalog {
		f := &catalog[i]
		if !s.hasImage(f.cells[0]) {
			continue
		}
		kept := slices.DeleteFunc(slices.Clone(f.cells), func(c *cell) bool {
			return !c.meets(s.requirements) || !(anySize || s.withinLimits(c))
		})
		switch {
		case len(kept) == 0:
		case f.sizable():
			sizable = append(sizable, family{shape: f.shape, cells: kept, unitPrice: f.unitPrice, knownPrice: f.knownPrice})
		default:
			fixed = append(fixed, kept...)
		}
	}
	chosen := append(fixed, shareBudget(sizable, maxTypes-len(fixed))...)
	chosen = s.addNamed(chosen, snapshot)
	sortCells(chosen)
	return chosen
}

// shareBudget takes the first points of each shape's grid, as many as the budget allows, fewer of the dear shapes.
func shareBudget(families []family, budget int) []*cell {
	weights := make([]float64, len(families))
	for i, f := range families {
		weights[i] = weightOf(f, families)
	}
	take := func(points int) (cells []*cell) {
		for i, f := range families {
			last := max(minPoints, int(float64(points)*weights[i]))
			for _, c := range f.cells {
				// Ranks are places in the whole list, so that a grid is part of every finer one.
				if c.rank < last {
					cells = append(cells, c)
				}
			}
		}
		return cells
	}
	chosen := take(minPoints)
	for points := gridStep; points <= grid.Len(); points += gridStep {
		more := take(points)
		if len(more) > budget {
			break
		}
		chosen = more
	}
	return chosen
}

// weightOf compares a shape with the cheapest of its architecture.
func weightOf(f family, families []family) float64 {
	cheapest := f.unitPrice
	for _, other := range families {
		if other.shape.Arch == f.shape.Arch && other.knownPrice {
			cheapest = min(cheapest, other.unitPrice)
		}
	}
	for _, tier := range tiers {
		if f.unitPrice <= cheapest*tier.priceRatio {
			return tier.weight
		}
	}
	return lastTierWeight
}

// addNamed adds the types that are asked for by name or in use and are not chosen yet.
func (s *selector) addNamed(chosen []*cell, snapshot *shape.Snapshot) []*cell {
	if len(s.named)+len(s.inUse) == 0 {
		return chosen
	}
	have := make(map[string]bool, len(chosen))
	for _, c := range chosen {
		have[c.name] = true
	}
	add := func(name string, wanted func(*cell) bool) {
		size, sh, ok := parseTypeName(name, snapshot)
		if have[name] || !ok || size.Baseline != "" {
			return
		}
		if c := newCell(sh, size.OCPUs, size.MemoryGB, grid.Len()); wanted(c) {
			have[name] = true
			chosen = append(chosen, c)
		}
	}
	for _, name := range s.named {
		add(name, func(c *cell) bool { return c.meets(s.requirements) && s.hasImage(c) })
	}
	for _, name := range s.inUse {
		add(name, func(*cell) bool { return true })
	}
	return chosen
}
