package shape

import (
	"math"
	"slices"
)

// Architectures as Kubernetes names them.
const (
	ArchAMD64 = "amd64"
	ArchARM64 = "arm64"
)

// GPU vendors as they stand in labels.
const (
	GPUManufacturerNVIDIA = "nvidia"
	GPUManufacturerAMD    = "amd"
)

// Shape categories, as the label instance-category carries them.
const (
	CategoryStandard  = "standard"
	CategoryDenseIO   = "denseio"
	CategoryOptimized = "optimized"
	CategoryGPU       = "gpu"
	CategoryHPC       = "hpc"
)

// Range is an inclusive range; a zero Max means that nothing above Min is known.
type Range struct {
	Min float64
	Max float64
}

// Contains says whether the value lies in the range.
func (r Range) Contains(value float64) bool { return value >= r.Min && value <= r.Max }

// VNICRule says how many VNICs an instance of a shape can have: the number for Min OCPUs and less, growing by PerOCPU, never above Max.
type VNICRule struct {
	Min     int
	Max     int
	PerOCPU float64
}

// BandwidthRule says the network bandwidth of an instance in Gbit/s, growing with the OCPUs between the bounds. All zero: not known.
type BandwidthRule struct {
	MinGbps     float64
	MaxGbps     float64
	PerOCPUGbps float64
}

// Extended bounds instances of a flexible shape that span the processor sockets of their host.
type Extended struct {
	OCPURange   Range
	MaxMemoryGB float64
}

// FlexSize is a size of a flexible shape that is documented as one of few choices.
type FlexSize struct {
	OCPUs    float64 `json:"ocpus"`
	MemoryGB float64 `json:"memoryGB"`
	// LocalNVMeGB is the local NVMe storage that comes with the size.
	LocalNVMeGB float64 `json:"localNvmeGB,omitempty"`
}

// Shape is what is known of one OCI shape. "GB" of memory is what OCI calls GB and is 2^30 bytes (a 16 GB VM is a 16 GiB VM).
// A Shape in a Snapshot is shared: it must not be changed.
type Shape struct {
	// Name is OCI's name, such as VM.Standard.E5.Flex.
	Name string
	// Family is the name without its size: VM.Standard.E5, BM.GPU.H100.
	Family string
	// Generation is the part of the name that tells the processor generation: E5, A1, 3, GPU3. Empty when the name has none.
	Generation string
	// Category is one of the Category constants; standard for names of an unknown pattern.
	Category string
	// Arch is amd64 or arm64.
	Arch string
	// CPUManufacturer is amd, intel, ampere or nvidia; empty for shapes that may get any processor.
	CPUManufacturer string
	// VCPUsPerOCPU is how many CPUs the kubelet sees for one OCPU.
	VCPUsPerOCPU int
	BareMetal    bool
	// Flexible shapes take their OCPUs and memory from the launch.
	Flexible bool
	// Known is false when no rule recognised the name; then the derived fields are the cautious guess.
	Known bool

	// OCPUs and MemoryGB are the size of a fixed shape and the default size of a flexible one.
	OCPUs    float64
	MemoryGB float64
	// OCPURange, MemoryRange and MemoryPerOCPU bound the sizes of a flexible shape. They stop where extended-memory instances
	// (more than one NUMA node) begin: those cannot be preemptible or live-migrated.
	OCPURange     Range
	MemoryRange   Range
	MemoryPerOCPU Range
	// Extended bounds the extended-memory instances; nil where the shape has none.
	Extended *Extended
	// DefaultMemoryPerOCPU is what OCI gives when a launch names no memory; 0 when not known.
	DefaultMemoryPerOCPU float64
	// Sizes, when not empty, are the only sizes a flexible shape is documented to have.
	Sizes []FlexSize

	VNICs     VNICRule
	Bandwidth BandwidthRule

	GPUs            int
	GPUName         string // lower case, such as a10 or h100
	GPUManufacturer string // nvidia or amd
	GPUDescription  string // OCI's own text
	GPUMemoryGB     int    // of each GPU; 0 when not known
	RDMA            bool
	LocalNVMeGB     float64 // of a fixed shape; of a flexible one see LocalNVMe

	// Baselines are the burstable utilisations that the shape offers, such as BASELINE_1_8; BASELINE_1_1 is not burstable.
	Baselines []string
	// MinBaselineOCPUs is the least product of OCPUs and baseline that a burstable instance must have; 0 when there is none.
	MinBaselineOCPUs float64
	// Platform are the options of processor and firmware that a launch may set.
	Platform Platform
	// Preemptible says whether OCI sells the shape as preemptible capacity.
	Preemptible bool
	// LiveMigration says whether OCI can move instances to another host while they run.
	LiveMigration bool
	// AlwaysFree marks the shape of the free tier.
	AlwaysFree bool
	// QuotaNames are the service limits that count this shape.
	QuotaNames []string
	// Zones are the zones (short names of availability domains) that list the shape. Empty: no domain lists it any more, but
	// nodes may still run on it.
	Zones []string
	// Warnings say in one line each what had to be guessed.
	Warnings []string
}

// VCPUs is the number of CPUs that the kubelet sees on an instance with this many OCPUs.
func (s *Shape) VCPUs(ocpus float64) int { return int(math.Floor(ocpus * float64(s.VCPUsPerOCPU))) }

// MaxVNICs is how many VNICs an instance with this many OCPUs can have, the primary one included.
func (s *Shape) MaxVNICs(ocpus float64) int {
	if s.VNICs.PerOCPU <= 0 {
		return s.VNICs.Min
	}
	return min(s.VNICs.Max, max(s.VNICs.Min, int(math.Floor(ocpus*s.VNICs.PerOCPU))))
}

// NetworkGbps is the network bandwidth of an instance with this many OCPUs in Gbit/s; 0 when not known.
func (s *Shape) NetworkGbps(ocpus float64) float64 {
	if s.Bandwidth.PerOCPUGbps <= 0 {
		return s.Bandwidth.MinGbps
	}
	return min(s.Bandwidth.MaxGbps, max(s.Bandwidth.MinGbps, ocpus*s.Bandwidth.PerOCPUGbps))
}

// LocalNVMe is the size of the local NVMe disks in GB of an instance with this many OCPUs.
func (s *Shape) LocalNVMe(ocpus float64) float64 {
	for _, size := range s.Sizes {
		if size.OCPUs == ocpus {
			return size.LocalNVMeGB
		}
	}
	return s.LocalNVMeGB
}

// Offers says whether an instance of this shape can have the size. For a fixed shape that is its own size only.
func (s *Shape) Offers(ocpus, memoryGB float64) bool {
	if !s.Flexible {
		return ocpus == s.OCPUs && memoryGB == s.MemoryGB
	}
	if len(s.Sizes) > 0 {
		return slices.ContainsFunc(s.Sizes, func(f FlexSize) bool { return f.OCPUs == ocpus && f.MemoryGB == memoryGB })
	}
	if s.IsExtended(ocpus, memoryGB) {
		return s.Extended != nil && s.Extended.OCPURange.Contains(ocpus) && memoryGB <= s.Extended.MaxMemoryGB && s.MemoryPerOCPU.Contains(memoryGB/ocpus)
	}
	return ocpus > 0 && s.OCPURange.Contains(ocpus) && s.MemoryRange.Contains(memoryGB) && s.MemoryPerOCPU.Contains(memoryGB/ocpus)
}

// IsExtended says whether a size is beyond what one processor socket has.
func (s *Shape) IsExtended(ocpus, memoryGB float64) bool {
	return s.Flexible && len(s.Sizes) == 0 && (ocpus > s.OCPURange.Max || memoryGB > s.MemoryRange.Max)
}

// InZone says whether the availability domain lists the shape.
func (s *Shape) InZone(zone string) bool { return slices.Contains(s.Zones, zone) }
