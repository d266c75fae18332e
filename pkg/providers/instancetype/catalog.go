package instancetype

import (
	"cmp"
	"slices"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/instancetype/grid"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/pricing"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/shape"
)

// minAllocatableMemory is the least memory that must be left for pods: below it the system pods of a node do not fit, and the node would be
// bought in vain (VM.Standard.E2.1.Micro, 1 OCPU with 3 GB).
const minAllocatableMemory = 512 << 20

// variant is what a catalogue depends on besides shapes and prices: node classes that agree in it share one.
type variant struct {
	threads   threading
	baselines baselines
	extended  bool
}

func variantOf(nodeClass *v1alpha1.OciNodeClass) variant {
	return variant{threads: threadsOf(nodeClass), baselines: baselinesOf(nodeClass), extended: nodeClass.ExtendedMemory()}
}

// catalog is every shape at every size that a variant can have.
type catalog struct {
	families []family
	// shapes are the region's shapes as instances of the variant see them.
	shapes map[string]*shape.Shape
}

// family is all cells of one shape and baseline, with what the choice between shapes needs.
type family struct {
	shape    *shape.Shape
	baseline baseline
	// cells are in the order of usefulness.
	cells []*cell
	// perVCPU and perGB are the unit prices of a flexible shape; a fixed one has only the price of its size, in price.
	perVCPU, perGB float64
	price          float64
	// knownPrice is false when the price was guessed from a relative.
	knownPrice bool
}

// Reference size at which flexible shapes are compared: the middle of what general workloads ask for.
const (
	referenceVCPUs    = 4
	referenceMemoryGB = 16
)

// setPrices reads the prices that compare shapes. A flexible shape's price is linear in OCPUs and memory, so two sizes tell both parts.
func (f *family) setPrices(prices pricing.Provider) {
	s, share := f.shape, pricing.Baseline(f.baseline)
	if !f.sizable() {
		c := f.cells[0]
		f.price, f.knownPrice = prices.OnDemand(s, c.ocpus, c.memoryGB, share)
		return
	}
	ocpus := referenceVCPUs / float64(s.VCPUsPerOCPU)
	f.price, f.knownPrice = prices.OnDemand(s, ocpus, referenceMemoryGB, share)
	double, _ := prices.OnDemand(s, ocpus, 2*referenceMemoryGB, share)
	f.perGB = (double - f.price) / referenceMemoryGB
	f.perVCPU = (f.price - referenceMemoryGB*f.perGB) / referenceVCPUs
}

// plain says whether the shape has nothing that only some shapes have: then a flexible shape can stand in for it.
func (f *family) plain() bool { return f.shape.GPUs == 0 && !f.shape.RDMA && f.shape.LocalNVMeGB == 0 }

// newCatalog makes all cells of a snapshot. Its cost is linear in the number of shapes.
func newCatalog(snapshot *shape.Snapshot, prices pricing.Provider, v variant) *catalog {
	all := &catalog{families: make([]family, 0, len(snapshot.Shapes())), shapes: make(map[string]*shape.Shape, len(snapshot.Shapes()))}
	for _, s := range snapshot.Shapes() {
		if v.threads == singleThread {
			s = s.WithoutMultithreading()
		}
		all.shapes[s.Name] = s
		if !s.Flexible {
			if s.OCPUs > 0 && s.MemoryGB > 0 {
				all.add(prices, family{shape: s}, []grid.Size{{OCPUs: s.OCPUs, MemoryGB: s.MemoryGB}})
			}
			continue
		}
		sizes := grid.Sizes(s)
		if v.extended {
			sizes = append(sizes, grid.Extended(s)...)
		}
		for _, share := range v.baselines.list() {
			all.add(prices, family{shape: s, baseline: share}, sizes)
		}
	}
	return all
}

// add takes a family up with those of the sizes that are worth having; without any it is left out.
func (all *catalog) add(prices pricing.Provider, f family, sizes []grid.Size) {
	for _, size := range sizes {
		if !f.baseline.offeredBy(f.shape, size.OCPUs) {
			continue
		}
		if c := newCell(f.shape, size.OCPUs, size.MemoryGB, f.baseline, size.Rank); c.useful() && (!c.extended() || !c.baseline.burstable()) {
			f.cells = append(f.cells, c)
		}
	}
	if len(f.cells) > 0 {
		f.setPrices(prices)
		all.families = append(all.families, f)
	}
}

// sizable says whether the family takes part in the sharing of the grid's budget.
func (f *family) sizable() bool { return f.shape.Flexible && len(f.shape.Sizes) == 0 }

// sortCells puts cells into the order in which types are returned: by shape, then by size.
func sortCells(cells []*cell) {
	slices.SortFunc(cells, func(a, b *cell) int {
		return cmp.Or(cmp.Compare(a.shape.Name, b.shape.Name), cmp.Compare(a.ocpus, b.ocpus), cmp.Compare(a.memoryGB, b.memoryGB), cmp.Compare(a.name, b.name))
	})
}
