package instancetype

import (
	"math"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/instancetype/resources"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/shape"
)

// cell is a shape at a size, perhaps burstable: what an instance type is made from. Cells of a catalogue are shared and never change.
type cell struct {
	shape    *shape.Shape
	name     string
	ocpus    float64
	memoryGB float64
	baseline baseline
	vcpus    int
	// reservedOnly: nodes of the cell are launched into capacity reservations only.
	reservedOnly bool
	// rank is the cell's place in the order of usefulness among its shape's cells; only the first ones are offered.
	rank int
}

func newCell(s *shape.Shape, ocpus, memoryGB float64, share baseline, rank int) *cell {
	c := &cell{shape: s, name: s.Name, ocpus: ocpus, memoryGB: memoryGB, baseline: share, vcpus: s.VCPUs(ocpus), rank: rank}
	if s.Flexible {
		c.name = typeName(s.Name, ocpus, memoryGB) + share.suffix()
	}
	return c
}

// extended says whether the cell is larger than one processor socket of its host.
func (c *cell) extended() bool { return c.shape.IsExtended(c.ocpus, c.memoryGB) }

// machine is the cell as the resource model sees it.
func (c *cell) machine(d disks) resources.Machine {
	m := resources.Machine{
		VCPUs: c.vcpus, MemoryGB: c.memoryGB, BootVolumeGB: d.bootVolumeGB, VNICs: c.shape.MaxVNICs(c.ocpus),
		GPUs: c.shape.GPUs, GPUManufacturer: c.shape.GPUManufacturer,
	}
	if d.localNVMe {
		m.LocalNVMeGB = c.shape.LocalNVMe(c.ocpus)
	}
	return m
}

// disks are what a node class says of where nodes keep what pods write.
type disks struct {
	bootVolumeGB int64
	// localNVMe: on the shape's local drives, where it has some.
	localNVMe bool
}

func disksOf(nodeClass *v1alpha1.OciNodeClass) disks {
	return disks{bootVolumeGB: nodeClass.BootVolumeSizeInGBs(), localNVMe: nodeClass.LocalNVMeHoldsPods()}
}

// ownLabels are the labels whose value follows from the cell alone.
var ownLabels = append([]string{
	corev1.LabelInstanceTypeStable, corev1.LabelArchStable, corev1.LabelOSStable, corev1.LabelWindowsBuild,
}, v1alpha1.WellKnownLabels...)

// label is the cell's value of a label in ownLabels. The empty string means that the label does not exist on such a node. settled is
// false for labels that the cell does not decide (zone, region, capacity type, reservation, fault domain, labels of others).
func (c *cell) label(key string) (value string, settled bool) {
	s := c.shape
	switch key {
	case corev1.LabelInstanceTypeStable:
		return c.name, true
	case corev1.LabelArchStable:
		return s.Arch, true
	case corev1.LabelOSStable:
		return string(corev1.Linux), true
	case v1alpha1.LabelInstanceShapeName:
		return s.Name, true
	case v1alpha1.LabelInstanceCPU:
		return strconv.Itoa(c.vcpus), true
	case v1alpha1.LabelInstanceOCPU:
		return strconv.Itoa(int(c.ocpus)), true
	case v1alpha1.LabelInstanceMemory:
		return strconv.Itoa(int(c.memoryGB * mibPerGB)), true
	case v1alpha1.LabelInstanceNetworkBandwidth:
		return positive(int(math.Floor(s.NetworkGbps(c.ocpus) * mbitPerGbit))), true
	case v1alpha1.LabelInstanceMaxVNICs:
		return strconv.Itoa(s.MaxVNICs(c.ocpus)), true
	case v1alpha1.LabelIsFlexible:
		return strconv.FormatBool(s.Flexible), true
	case v1alpha1.LabelInstanceFamily:
		return s.Family, true
	case v1alpha1.LabelInstanceGeneration:
		return s.Generation, true
	case v1alpha1.LabelInstanceCategory:
		return s.Category, true
	case v1alpha1.LabelInstanceCPUManufacturer:
		return s.CPUManufacturer, true
	case v1alpha1.LabelInstanceLocalNVMe:
		return positive(int(s.LocalNVMe(c.ocpus))), true
	case v1alpha1.LabelInstanceHypervisor:
		if s.BareMetal {
			return "bm", true
		}
		return "vm", true
	case v1alpha1.LabelInstanceRDMA:
		return strconv.FormatBool(s.RDMA), true
	case v1alpha1.LabelInstanceGPU, v1alpha1.LabelInstanceGPUName, v1alpha1.LabelInstanceGPUManufacturer, v1alpha1.LabelInstanceGPUMemory, v1alpha1.LabelInstanceGPUDescription:
		return c.gpuLabel(key), true
	case v1alpha1.LabelInstanceExtendedMemory:
		if c.extended() {
			return "true", true
		}
		return "", true
	case v1alpha1.LabelBaselineOCPUUtilization:
		return c.baseline.percent(), true
	case corev1.LabelWindowsBuild:
		return "", true
	default:
		return "", false
	}
}

func (c *cell) gpuLabel(key string) string {
	if c.shape.GPUs == 0 {
		return ""
	}
	switch key {
	case v1alpha1.LabelInstanceGPU:
		return strconv.Itoa(c.shape.GPUs)
	case v1alpha1.LabelInstanceGPUName:
		return c.shape.GPUName
	case v1alpha1.LabelInstanceGPUMemory:
		return positive(c.shape.GPUMemoryGB)
	case v1alpha1.LabelInstanceGPUManufacturer:
		return c.shape.GPUManufacturer
	default:
		return labelValue(c.shape.GPUDescription)
	}
}

const (
	mibPerGB    = 1024
	mbitPerGbit = 1024 // the label's documented unit
	maxLabel    = 63
)

// positive is a number as a label, nothing for zero.
func positive(n int) string {
	if n <= 0 {
		return ""
	}
	return strconv.Itoa(n)
}

// labelValue makes free text a legal label value: other characters become dashes, which do not repeat and do not stand at the ends.
func labelValue(text string) string {
	var b strings.Builder
	for _, r := range text {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '.', r == '_':
			b.WriteRune(r)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
		}
	}
	value := b.String()
	if len(value) > maxLabel {
		value = value[:maxLabel]
	}
	return strings.Trim(value, "-._")
}

// useful says whether OKE's own reservations leave enough of the cell for pods.
func (c *cell) useful() bool {
	return c.vcpus > 0 && resources.AllocatableMemory(c.memoryGB) >= minAllocatableMemory
}
