package instancetype

import (
	"math"
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
	// gridStep coarsens the number of points a shape gets, so that small changes of the catalogue seldom change the list.
	gridStep = 4

	// limitShare keeps one node's size under this part of a NodePool's limits. In each scheduling loop core charges every new node
	// at the largest type that is still possible for it, so a type as large as the limit would let a loop buy one node only.
	limitShare = 8
	// Nodes up to this size are offered whatever the limits are.
	alwaysOfferedVCPUs    = 32
	alwaysOfferedMemoryGB = 256
)

// tier says how much of the grid a flexible shape gets.
type tier struct {
	// priceRatio is the highest price in the tier relative to the cheapest flexible shape of the same architecture.
	priceRatio float64
	// weight is the part of the points that the cheapest shapes get.
	weight float64
	// points are had however many shapes there are.
	points int
}

// tiers share the budget by price: dear shapes are bought only when the cheap ones cannot be had, and then a coarse grid is good enough.
// They are measured, see designs/0004-instance-types.md.
var tiers = []tier{{1.10, 1, 6}, {1.30, 0.5, 6}, {math.Inf(1), 0, 4}}

const (
	// equalPrice is how close prices are of shapes that share points among them: what one does not offer, its twin does.
	equalPrice = 1.02
	// dearRatio is the price of a fixed shape relative to the same size of the cheapest flexible one from which it is left out when the
	// budget is short (previous generations).
	dearRatio = 1.30
)

// selector picks the cells that one NodePool is offered.
type selector struct {
	// requirements are those of the NodePool's template, its labels included.
	requirements scheduling.Requirements
	// images are the requirements of the images that the node class has, one set an image; empty means that images are not known yet.
	images []scheduling.Requirements
	// bounds are the node class's.
	bounds bounds
	// limits of the NodePool, 0 for none.
	limitVCPUs, limitMemoryGB float64
	// inUse are names of types that nodes have; they are offered whatever the budget, so that no node is replaced for its type's name.
	inUse []string
	// slots are those of the node class's capacity reservations, by instance type.
	slots map[string][]slot
	// named are the type names that the requirements ask for; a size off the grid is offered when it is asked for by name.
	named []string
}

func newSelector(nodePool *karpv1.NodePool, nodeClass *v1alpha1.OciNodeClass, inUse []string) *selector {
	s := &selector{requirements: scheduling.Requirements{}, bounds: boundsOf(nodeClass), inUse: inUse}
	for _, image := range nodeClass.Status.Images {
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

// namesShapes says whether the requirements name types, shapes or families; then all of them are offered, giants too.
func (s *selector) namesShapes() bool {
	return s.names(corev1.LabelInstanceTypeStable, v1alpha1.LabelInstanceShapeName, v1alpha1.LabelInstanceFamily)
}

// names says whether the requirements list values of one of the labels.
func (s *selector) names(labels ...string) bool {
	return slices.ContainsFunc(labels, func(key string) bool {
		return s.requirements.Has(key) && s.requirements.Get(key).Operator() == corev1.NodeSelectorOpIn
	})
}

// asksForShapes says whether the requirements name shapes, families or generations; then none of them is left out for its price.
func (s *selector) asksForShapes() bool {
	return s.namesShapes() || s.names(v1alpha1.LabelInstanceGeneration)
}

// choose picks the cells of a catalogue: all that the requirements, images and limits leave, with as many points of each flexible shape as
// fit under maxTypes.
func (s *selector) choose(all *catalog, snapshot *shape.Snapshot) []*cell {
	anySize := s.asksForSize()
	var fixed, sizable []family
	for _, f := range all.families {
		if !s.hasImage(f.cells[0]) || !s.bounds.allow(f.shape) {
			continue
		}
		f.cells = slices.DeleteFunc(s.bounds.sizes(&f), func(c *cell) bool {
			return !c.meets(s.requirements) || !s.meetsReservations(c) || !s.bounds.roomFor(c) || (!anySize && !s.withinLimits(c))
		})
		switch {
		case len(f.cells) == 0:
		case f.sizable():
			sizable = append(sizable, f)
		default:
			fixed = append(fixed, f)
		}
	}
	if !s.namesShapes() {
		fixed, sizable = withoutGiants(fixed, sizable)
	}
	chosen := cellsOf(fixed)
	points, complete := shareBudget(sizable, maxTypes-len(chosen))
	if !complete && !s.asksForShapes() {
		chosen = cellsOf(slices.DeleteFunc(fixed, func(f family) bool { return dear(f, sizable) }))
		points, _ = shareBudget(sizable, maxTypes-len(chosen))
	}
	chosen = s.addReserved(s.addNamed(append(chosen, points...), all, snapshot), all, snapshot)
	sortCells(chosen)
	return chosen
}

func cellsOf(families []family) (cells []*cell) {
	for _, f := range families {
		cells = append(cells, f.cells...)
	}
	return cells
}

// dear says whether a fixed shape costs much more than a flexible shape of the same size and architecture.
func dear(fixed family, sizable []family) bool {
	if !fixed.plain() {
		return false
	}
	c := fixed.cells[0]
	return slices.ContainsFunc(sizable, func(f family) bool {
		same := f.perVCPU*float64(c.vcpus) + f.perGB*c.memoryGB
		return f.shape.Arch == fixed.shape.Arch && f.knownPrice && !f.baseline.burstable() && fixed.price > dearRatio*same
	})
}

// share is what one flexible shape gets of the grid: its tier, and its turn among the shapes that cost the same.
type share struct {
	tier
	turn, of int
}

// shareBudget takes the first points of each shape's grid, as many as the budget allows, fewer of the dear shapes. Shapes that cost the
// same take turns. complete says that all points fitted.
func shareBudget(families []family, budget int) (cells []*cell, complete bool) {
	shares := make([]share, len(families))
	largest := map[*cell]bool{} // of the first tier: nothing larger is offered, so these must be
	for i, f := range families {
		shares[i] = shareOf(i, families)
		if shares[i].tier == tiers[0] {
			for _, c := range maximal(f.cells) {
				largest[c] = true
			}
		}
	}
	take := func(points int) (cells []*cell) {
		for i, f := range families {
			limit := int(float64(points) * shares[i].weight)
			for _, c := range f.cells {
				// Ranks are places in the whole list, so that a grid is part of every finer one.
				if c.rank < shares[i].points || largest[c] || (c.rank < limit && c.rank%shares[i].of == shares[i].turn) {
					cells = append(cells, c)
				}
			}
		}
		return cells
	}
	if all := cellsOf(families); len(all) <= budget {
		return all, true
	}
	chosen := take(0)
	for points := gridStep; points <= 2*grid.Len(); points += gridStep {
		more := take(points)
		if len(more) > budget {
			break
		}
		chosen = more
	}
	return chosen, false
}

// shareOf compares a shape with the others of its architecture and baseline.
func shareOf(i int, families []family) share {
	f := families[i]
	cheapest := f.price
	out := share{of: 1}
	for j, other := range families {
		if other.shape.Arch != f.shape.Arch || other.baseline != f.baseline || !other.knownPrice {
			continue
		}
		cheapest = min(cheapest, other.price)
		if j != i && f.knownPrice && max(other.price, f.price) <= equalPrice*min(other.price, f.price) {
			out.of++
			if j < i {
				out.turn++
			}
		}
	}
	out.tier = tiers[len(tiers)-1] // also where the price is a guess
	for _, t := range tiers {
		if f.knownPrice && f.price <= cheapest*t.priceRatio {
			out.tier = t
			break
		}
	}
	return out
}

// addNamed adds the types that are asked for by name or in use and are not chosen yet.
func (s *selector) addNamed(chosen []*cell, all *catalog, snapshot *shape.Snapshot) []*cell {
	if len(s.named)+len(s.inUse) == 0 {
		return chosen
	}
	have := make(map[string]bool, len(chosen))
	for _, c := range chosen {
		have[c.name] = true
	}
	add := func(name string, wanted func(*cell) bool) {
		size, sh, ok := parseTypeName(name, snapshot)
		if have[name] || !ok {
			return
		}
		if c := newCell(all.shapes[sh.Name], size.OCPUs, size.MemoryGB, baseline(size.Baseline), grid.Len()); wanted(c) {
			have[name] = true
			chosen = append(chosen, c)
		}
	}
	for _, name := range s.named {
		add(name, func(c *cell) bool {
			return c.meets(s.requirements) && s.meetsReservations(c) && s.hasImage(c) && c.baseline.offeredBy(c.shape, c.ocpus) &&
				s.bounds.allow(c.shape) && s.bounds.contain(c) && s.bounds.roomFor(c)
		})
	}
	for _, name := range s.inUse {
		add(name, func(*cell) bool { return true })
	}
	return chosen
}
