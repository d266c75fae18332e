package instancetype

import (
	"cmp"
	"slices"

	"github.com/karpenter-oke/karpenter-oke/pkg/providers/instancetype/grid"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/instancetype/resources"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/pricing"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/shape"
)

// minAllocatableMemory is the least memory that must be left for pods: below it the system pods of a node do not fit, and the node would be
// bought in vain (VM.Standard.E2.1.Micro, 1 OCPU with 3 GB).
const minAllocatableMemory = 512 << 20

// family is all cells of one shape, with what the choice between shapes needs.
type family struct {
	shape *shape.Shape
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
	s := f.shape
	if !f.sizable() {
		c := f.cells[0]
		f.price, f.knownPrice = prices.OnDemand(s, c.ocpus, c.memoryGB, pricing.BaselineFull)
		return
	}
	ocpus := referenceVCPUs / float64(s.VCPUsPerOCPU)
	f.price, f.knownPrice = prices.OnDemand(s, ocpus, referenceMemoryGB, pricing.BaselineFull)
	double, _ := prices.OnDemand(s, ocpus, 2*referenceMemoryGB, pricing.BaselineFull)
	f.perGB = (double - f.price) / referenceMemoryGB
	f.perVCPU = (f.price - referenceMemoryGB*f.perGB) / referenceVCPUs
}

// plain says whether the shape has nothing that only some shapes have: then a flexible shape can stand in for it.
func (f *family) plain() bool { return f.shape.GPUs == 0 && !f.shape.RDMA && f.shape.LocalNVMeGB == 0 }

// newCatalog makes all cells of a snapshot. Its cost is linear in the number of shapes.
func newCatalog(snapshot *shape.Snapshot, prices pricing.Provider) []family {
	families := make([]family, 0, len(snapshot.Shapes()))
	for _, s := range snapshot.Shapes() {
		f := family{shape: s}
		if s.Flexible {
			for _, size := range grid.Sizes(s) {
				f.add(newCell(s, size.OCPUs, size.MemoryGB, size.Rank))
			}
		} else if s.OCPUs > 0 && s.MemoryGB > 0 {
			f.add(newCell(s, s.OCPUs, s.MemoryGB, 0))
		}
		if len(f.cells) == 0 {
			continue
		}
		f.setPrices(prices)
		families = append(families, f)
	}
	return families
}

func (f *family) add(c *cell) {
	allocatable := resources.AllocatableMemory(c.memoryGB)
	if c.vcpus > 0 && allocatable >= minAllocatableMemory {
		f.cells = append(f.cells, c)
	}
}

// sizable says whether the family takes part in the sharing of the grid's budget.
func (f *family) sizable() bool { return f.shape.Flexible && len(f.shape.Sizes) == 0 }

// sortCells puts cells into the order in which types are returned: by shape, then by size.
func sortCells(cells []*cell) {
	slices.SortFunc(cells, func(a, b *cell) int {
		return cmp.Or(cmp.Compare(a.shape.Name, b.shape.Name), cmp.Compare(a.ocpus, b.ocpus), cmp.Compare(a.memoryGB, b.memoryGB))
	})
}
