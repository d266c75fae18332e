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
	// unitPrice compares shapes of one architecture: the price of 4 vCPUs with 16 GB, or of the shape itself when its size is fixed.
	unitPrice float64
	// knownPrice is false when the price was guessed from a relative.
	knownPrice bool
}

// Reference size for comparing flexible shapes: the middle of what general workloads ask for.
const (
	referenceVCPUs    = 4
	referenceMemoryGB = 16
)

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
		ocpus, memoryGB := s.OCPUs, s.MemoryGB
		if f.sizable() {
			ocpus, memoryGB = referenceVCPUs/float64(s.VCPUsPerOCPU), referenceMemoryGB
		}
		f.unitPrice, f.knownPrice = prices.OnDemand(s, ocpus, memoryGB, pricing.BaselineFull)
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
