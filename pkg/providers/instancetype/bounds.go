package instancetype

import (
	"math"
	"slices"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/instancetype/resources"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/shape"
)

// bounds is what a node class says about shapes and their sizes.
type bounds struct {
	platform v1alpha1.PlatformConfig
	// vmOnly holds on dedicated VM hosts, clusterOnly in compute clusters, which take bare metal with RDMA.
	vmOnly, clusterOnly bool

	baselines baselines
	// extended holds when sizes beyond one processor socket may be had.
	extended bool
	// flex is false when the sizes of flexible shapes are not bound.
	flex          bool
	ocpus         shape.Range
	memoryPerOCPU shape.Range // GB

	disks   disks
	kubelet resources.Kubelet
}

func boundsOf(nodeClass *v1alpha1.OciNodeClass) bounds {
	b := bounds{
		platform: platformOf(nodeClass), vmOnly: onDedicatedHosts(nodeClass), clusterOnly: inComputeClusters(nodeClass),
		baselines: baselinesOf(nodeClass), extended: nodeClass.ExtendedMemory(),
		ocpus: shape.Range{Max: math.Inf(1)}, memoryPerOCPU: shape.Range{Max: math.Inf(1)},
		disks: disksOf(nodeClass), kubelet: resources.KubeletOf(nodeClass.Spec.Kubelet),
	}
	f := nodeClass.Spec.Flex
	if f == nil {
		return b
	}
	if o := f.OCPUs; o != nil {
		b.flex = true
		if o.Min != nil {
			b.ocpus.Min = float64(*o.Min)
		}
		if o.Max != nil {
			b.ocpus.Max = float64(*o.Max)
		}
	}
	if m := f.MemoryPerOCPU; m != nil {
		b.flex = true
		if m.Min != nil {
			b.memoryPerOCPU.Min = m.Min.AsApproximateFloat64() / bytesPerGB
		}
		if m.Max != nil {
			b.memoryPerOCPU.Max = m.Max.AsApproximateFloat64() / bytesPerGB
		}
	}
	return b
}

const bytesPerGB = 1 << 30 // what OCI calls a GB

// allow says whether instances of a shape can be as the node class wants them.
func (b *bounds) allow(s *shape.Shape) bool {
	p := &b.platform
	return s.Platform.SecureBoot.Allows(p.IsSecureBootEnabled) &&
		s.Platform.MeasuredBoot.Allows(p.IsMeasuredBootEnabled) &&
		s.Platform.TPM.Allows(p.IsTrustedPlatformModuleEnabled) &&
		s.Platform.MemoryEncryption.Allows(p.IsMemoryEncryptionEnabled) &&
		s.Platform.Multithreading.Allows(p.IsSymmetricMultiThreadingEnabled) &&
		(!b.vmOnly || !s.BareMetal) && (!b.clusterOnly || (s.BareMetal && s.RDMA))
}

// contain says whether a cell's size lies within the bounds, which are for flexible shapes only.
func (b *bounds) contain(c *cell) bool {
	if c.extended() && (!b.extended || c.baseline.burstable()) {
		return false
	}
	return !c.shape.Flexible ||
		(b.baselines.has(c.baseline) && b.ocpus.Contains(c.ocpus) && b.memoryPerOCPU.Contains(c.memoryGB/c.ocpus))
}

// roomFor says whether the node class's own reservations leave something of the cell for pods; a kubelet whose reservations exceed its
// machine does not start.
func (b *bounds) roomFor(c *cell) bool {
	if b.kubelet == (resources.Kubelet{}) {
		return true // the catalogue has only cells that OKE's own reservations fit
	}
	cpu, memory, disk := resources.Remaining(c.machine(b.disks), b.kubelet)
	return cpu > 0 && memory >= minAllocatableMemory && disk >= 0
}

// sizes are the cells of a family within the bounds. Where the grid has no point there, its points are moved to the nearest size that is,
// so that no bounds leave a shape without sizes that it could have.
func (b *bounds) sizes(f *family) []*cell {
	if !b.flex || !f.shape.Flexible {
		return slices.Clone(f.cells)
	}
	inside := slices.DeleteFunc(slices.Clone(f.cells), func(c *cell) bool { return !b.contain(c) })
	if len(inside) > 0 || !f.sizable() {
		return inside
	}
	seen := map[string]bool{}
	for _, c := range f.cells {
		if moved, ok := b.move(c); ok && !seen[moved.name] {
			seen[moved.name] = true
			inside = append(inside, moved)
		}
	}
	return inside
}

// move is the nearest cell within the bounds and the shape's own ranges, with whole OCPUs and GB.
func (b *bounds) move(c *cell) (*cell, bool) {
	s := c.shape
	ocpus := min(max(c.ocpus, b.ocpus.Min, math.Ceil(s.OCPURange.Min)), b.ocpus.Max, math.Floor(s.OCPURange.Max))
	least := math.Ceil(max(ocpus*max(b.memoryPerOCPU.Min, s.MemoryPerOCPU.Min), s.MemoryRange.Min))
	most := math.Floor(min(ocpus*min(b.memoryPerOCPU.Max, s.MemoryPerOCPU.Max), s.MemoryRange.Max))
	memoryGB := min(max(c.memoryGB, least), most)
	if memoryGB < least || !s.Offers(ocpus, memoryGB) {
		return nil, false
	}
	moved := newCell(s, ocpus, memoryGB, c.baseline, c.rank)
	return moved, b.contain(moved) && moved.useful()
}
