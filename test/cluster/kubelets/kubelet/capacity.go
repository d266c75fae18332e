package kubelet

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

const (
	kib = int64(1) << 10
	mib = int64(1) << 20
	gib = int64(1) << 30
)

// Hardware is the size of a machine as its owner ordered it.
type Hardware struct {
	VCPUs            int
	MemoryGB         float64 // GiB in fact
	GPUs             int
	GPUResource      string // nvidia.com/gpu or amd.com/gpu; used with GPUs > 0
	BareMetal        bool
	BootVolumeSizeGB int64 // GiB in fact
	PodDiskBytes     int64 // of another file system under the kubelet's directory; 0 where it is the root's
	RootGrown        bool  // the root file system was grown to the boot volume
}

// Sizes of an OKE node image's disk.
const (
	// ungrownRoot is the ephemeral-storage capacity that nodes show whose root file system was not grown (published observation: 37177616Ki).
	ungrownRoot = 37177616 * kib
	// imageDisk is the size of the image's own disk (46.6 GiB); the rest of it beside the root file system is boot, EFI and a reserved volume.
	imageDisk = 466 * gib / 10
)

// DefaultMaxPods is a kubelet's default.
const DefaultMaxPods = 110

// Memory that the hypervisor and the kernel keep of a virtual machine, measured on A1 and E5 machines of 8 to 128 GB: the
// published points lie just below 570 MiB + 18 MiB for each GB.
const (
	vmTaxBase = 570 * mib
	vmTaxPerG = 18 * mib
	// A bare-metal server has no hypervisor; its kernel keeps a little for itself (page tables and reserved regions).
	metalTaxBase = 256 * mib
	metalTaxPerG = 4 * mib
)

// MemoryCapacity is what the kernel reports as total, bytes.
func (h Hardware) MemoryCapacity() int64 {
	total := int64(h.MemoryGB * float64(gib))
	base, per := vmTaxBase, vmTaxPerG
	if h.BareMetal {
		base, per = metalTaxBase, metalTaxPerG
	}
	capacity := total - base - int64(h.MemoryGB*float64(per))
	return max(capacity-capacity%kib, 0)
}

// StorageCapacity is the size of the file system under the kubelet's directory, bytes.
func (h Hardware) StorageCapacity() int64 {
	if h.PodDiskBytes > 0 {
		return h.PodDiskBytes - h.PodDiskBytes%kib
	}
	if !h.RootGrown {
		return ungrownRoot
	}
	size := h.BootVolumeSizeGB*gib - (imageDisk - ungrownRoot)
	return max(size-size%kib, ungrownRoot)
}

// Capacity is Node.status.capacity without device plugins' resources.
func (h Hardware) Capacity(maxPods int) corev1.ResourceList {
	return corev1.ResourceList{
		corev1.ResourceCPU:              *resource.NewQuantity(int64(h.VCPUs), resource.DecimalSI),
		corev1.ResourceMemory:           *resource.NewQuantity(h.MemoryCapacity(), resource.BinarySI),
		corev1.ResourceEphemeralStorage: *resource.NewQuantity(h.StorageCapacity(), resource.BinarySI),
		corev1.ResourcePods:             *resource.NewQuantity(int64(maxPods), resource.DecimalSI),
		"hugepages-1Gi":                 *resource.NewQuantity(0, resource.BinarySI),
		"hugepages-2Mi":                 *resource.NewQuantity(0, resource.BinarySI),
	}
}

// ImageKubeReserved is what OKE images reserve for Kubernetes when no argument says otherwise. CPU: 60, 70, 80, 85, 90
// millicores for one to five cores and 2.5 for each further one; the only published node (16 CPUs, 157 m kept) fits this table with two
// cores for each CPU. Memory: a step function of the ordered GB as seen in real kubelet configurations (2 Gi at 12-21 GB, 3 Gi at
// 32-37, 5 Gi at 64, 9 Gi at 128).
func ImageKubeReserved(h Hardware) map[string]string {
	cores := float64(2 * h.VCPUs)
	table := []float64{0, 60, 70, 80, 85, 90}
	milli := table[int(math.Min(cores, 5))]
	if cores > 5 {
		milli += 2.5 * (cores - 5)
	}
	return map[string]string{"cpu": strconv.FormatInt(int64(milli), 10) + "m", "memory": strconv.FormatInt(imageMemoryReserved(h.MemoryGB)/mib, 10) + "Mi"}
}

func imageMemoryReserved(gb float64) int64 {
	var reserved float64 // GiB
	switch {
	case gb < 4:
		return int64(0.25 * gb * float64(gib)) // below the table's first row
	case gb <= 8:
		reserved = 1 + 0.20*(gb-4)
	case gb <= 16:
		reserved = 1.8 + 0.10*(gb-8)
	case gb <= 128:
		reserved = 2.6 + 0.06*(gb-16)
	default:
		return 9*gib + int64(gb-128)*20*mib
	}
	return int64(math.Floor(reserved)) * gib
}

// ImageSystemReserved is what OKE images reserve for the system when no argument says otherwise.
func ImageSystemReserved() map[string]string {
	return map[string]string{"cpu": "100m", "memory": "100Mi"}
}

// DefaultEvictionHard are the kubelet's own thresholds; an argument replaces them all.
func DefaultEvictionHard() map[string]string {
	return map[string]string{"memory.available": "100Mi", "nodefs.available": "10%", "nodefs.inodesFree": "5%", "imagefs.available": "15%", "imagefs.inodesFree": "5%"}
}

// Resources returns Node.status.capacity and allocatable. maxPods is used when the arguments give none. Errors: reservations that do not fit the machine.
func Resources(h Hardware, c Config, maxPods int) (capacity, allocatable corev1.ResourceList, err error) {
	if c.MaxPods > 0 {
		maxPods = c.MaxPods
	}
	if maxPods == 0 {
		maxPods = DefaultMaxPods
	}
	if c.PodsPerCore > 0 {
		maxPods = min(maxPods, c.PodsPerCore*h.VCPUs)
	}
	kube, system, hard := c.KubeReserved, c.SystemReserved, c.EvictionHard
	if kube == nil {
		kube = ImageKubeReserved(h)
	}
	if system == nil {
		system = ImageSystemReserved()
	}
	if hard == nil {
		hard = DefaultEvictionHard()
	}
	capacity = h.Capacity(maxPods)
	allocatable = capacity.DeepCopy()
	for _, reserved := range []map[string]string{kube, system} {
		for name, q := range reserved {
			if err := subtract(allocatable, corev1.ResourceName(name), q); err != nil {
				return nil, nil, err
			}
		}
	}
	for signal, name := range map[string]corev1.ResourceName{"memory.available": corev1.ResourceMemory, "nodefs.available": corev1.ResourceEphemeralStorage} {
		value, ok := hard[signal]
		if !ok {
			continue
		}
		whole := capacity[name]
		bytes, err := threshold(value, whole.Value())
		if err != nil {
			return nil, nil, fmt.Errorf("eviction threshold of %s: %w", signal, err)
		}
		if err := subtract(allocatable, name, strconv.FormatInt(bytes, 10)); err != nil {
			return nil, nil, err
		}
	}
	return capacity, allocatable, nil
}

// subtract takes a reservation from what is left; a kubelet does not start when nothing remains.
func subtract(from corev1.ResourceList, name corev1.ResourceName, q string) error {
	left, ok := from[name]
	if !ok {
		return nil // e.g. pid, which is not a node resource
	}
	reserved, err := resource.ParseQuantity(q)
	if err != nil {
		return fmt.Errorf("reservation of %s: %w", name, err)
	}
	left.Sub(reserved)
	if left.Sign() < 0 {
		return fmt.Errorf("kubelet: invalid node allocatable configuration: the reservations of %s exceed its capacity", name)
	}
	from[name] = left
	return nil
}

// threshold reads "100Mi" or "10%" of whole, bytes.
func threshold(value string, whole int64) (int64, error) {
	if percent, ok := strings.CutSuffix(value, "%"); ok {
		p, err := strconv.ParseFloat(percent, 64)
		if err != nil || p < 0 || p > 100 {
			return 0, fmt.Errorf("%q is not a percentage", value)
		}
		return int64(float64(whole) * p / 100), nil
	}
	q, err := resource.ParseQuantity(value)
	if err != nil {
		return 0, fmt.Errorf("%q is not a quantity: %w", value, err)
	}
	if q.Sign() < 0 {
		return 0, fmt.Errorf("%q is negative", value)
	}
	return q.Value(), nil
}
