package shape

import (
	"fmt"
	"math"
	"slices"

	"github.com/oracle/oci-go-sdk/v65/core"

	"github.com/karpenter-oke/karpenter-oke/pkg/oci"
)

// maxMemoryPerOCPU bounds flexible shapes whose record leaves the ratio out; it is the same on every documented flexible shape.
const (
	minMemoryPerOCPU = 1
	maxMemoryPerOCPU = 64
	// minVMVNICs is what a VM can have when its record does not say: two, as on every documented VM shape but the free one.
	minVMVNICs = 2
)

// FromRecord makes a Shape of one record of ListShapes. Zones are left empty. It returns false for a record without a name.
func FromRecord(record core.Shape, overrides []Override) (*Shape, bool) {
	name := oci.Value(record.Shape)
	if name == "" {
		return nil, false
	}
	parsed := parseName(name)
	s := &Shape{
		Name:       name,
		Family:     parsed.family,
		Generation: parsed.generation,
		Category:   parsed.category,
		BareMetal:  parsed.bareMetal,
		Flexible:   oci.Value(record.IsFlexible) && record.OcpuOptions != nil,
		OCPUs:      float64(oci.Value(record.Ocpus)),
		MemoryGB:   float64(oci.Value(record.MemoryInGBs)),
		AlwaysFree: record.BillingType == core.ShapeBillingTypeAlwaysFree,
		QuotaNames: slices.Clone(record.QuotaNames),

		LiveMigration: oci.Value(record.IsLiveMigrationSupported),
	}
	applyProcessor(s, parsed, oci.Value(record.ProcessorDescription))
	applyDevices(s, parsed, record)
	applyNetwork(s, record)
	if s.Flexible {
		applyFlexRanges(s, record)
	}
	for _, b := range record.BaselineOcpuUtilizations {
		s.Baselines = append(s.Baselines, string(b))
	}
	s.MinBaselineOCPUs = float64(oci.Value(record.MinTotalBaselineOcpusRequired))
	if s.Category == CategoryGPU && s.GPUs == 0 {
		s.Warnings = append(s.Warnings, "by its name the shape has GPUs, but its record says nothing of them: taken as without")
	}
	applyOverrides(s, overrides)
	applyPlatform(s, record.PlatformConfigOptions)
	if !s.Flexible && (s.OCPUs <= 0 || s.MemoryGB <= 0) {
		s.Warnings = append(s.Warnings, "the shape's record has no size")
	}
	return s, true
}

func applyProcessor(s *Shape, parsed parsedName, description string) {
	p, known := processors[parsed.model]
	s.Known = known
	if !known {
		p = guessProcessor(parsed, description)
		s.Warnings = append(s.Warnings, fmt.Sprintf("unknown family %s: taken as %s with %d vCPUs an OCPU and not preemptible", parsed.family, p.arch, p.vcpusPerOCPU))
	}
	s.Arch, s.CPUManufacturer, s.VCPUsPerOCPU = p.arch, p.manufacturer, p.vcpusPerOCPU
	s.Preemptible = p.preemptible && !s.BareMetal && !s.AlwaysFree
}

func applyDevices(s *Shape, parsed parsedName, record core.Shape) {
	s.GPUs = oci.Value(record.Gpus)
	if s.GPUs > 0 {
		s.GPUDescription = oci.Value(record.GpuDescription)
		s.GPUName, s.GPUManufacturer = gpuOf(parsed, s.GPUDescription)
		s.GPUMemoryGB = gpuMemoryGB(parsed, s.GPUDescription)
	}
	s.RDMA = oci.Value(record.RdmaPorts) > 0
	s.LocalNVMeGB = float64(oci.Value(record.LocalDisksTotalSizeInGBs))
}

func applyNetwork(s *Shape, record core.Shape) {
	s.VNICs = VNICRule{Min: oci.Value(record.MaxVnicAttachments), Max: oci.Value(record.MaxVnicAttachments)}
	if o := record.MaxVnicAttachmentOptions; o != nil {
		s.VNICs = VNICRule{Min: oci.Value(o.Min), Max: int(oci.Value(o.Max)), PerOCPU: float64(oci.Value(o.DefaultPerOcpu))}
	}
	if s.VNICs.Min == 0 && !s.BareMetal {
		s.VNICs.Min, s.VNICs.Max = minVMVNICs, max(minVMVNICs, s.VNICs.Max)
	}
	gbps := float64(oci.Value(record.NetworkingBandwidthInGbps))
	s.Bandwidth = BandwidthRule{MinGbps: gbps, MaxGbps: gbps}
	if o := record.NetworkingBandwidthOptions; o != nil {
		s.Bandwidth = BandwidthRule{
			MinGbps: float64(oci.Value(o.MinInGbps)), MaxGbps: float64(oci.Value(o.MaxInGbps)), PerOCPUGbps: float64(oci.Value(o.DefaultPerOcpuInGbps)),
		}
	}
}

// applyFlexRanges takes the ranges of the record, stops at one NUMA node and at documented maxima, and fills what is left out.
func applyFlexRanges(s *Shape, record core.Shape) {
	o := record.OcpuOptions
	s.OCPURange = Range{Min: max(1, float64(oci.Value(o.Min))), Max: float64(oci.Value(o.Max))}
	if numa := float64(oci.Value(o.MaxPerNumaNode)); numa > 0 {
		s.OCPURange.Max = min(s.OCPURange.Max, numa)
	}
	s.MemoryPerOCPU = Range{Min: minMemoryPerOCPU, Max: maxMemoryPerOCPU}
	if m := record.MemoryOptions; m != nil {
		s.MemoryRange = Range{Min: max(1, float64(oci.Value(m.MinInGBs))), Max: float64(oci.Value(m.MaxInGBs))}
		if numa := float64(oci.Value(m.MaxPerNumaNodeInGBs)); numa > 0 {
			s.MemoryRange.Max = min(s.MemoryRange.Max, numa)
		}
		if m.MinPerOcpuInGBs != nil {
			s.MemoryPerOCPU.Min = float64(*m.MinPerOcpuInGBs)
		}
		if limit := float64(oci.Value(m.MaxPerOcpuInGBs)); limit > 0 {
			s.MemoryPerOCPU.Max = limit
		}
		s.DefaultMemoryPerOCPU = float64(oci.Value(m.DefaultPerOcpuInGBs))
	}
	if s.MemoryRange.Max == 0 {
		s.MemoryRange = Range{Min: 1, Max: s.OCPURange.Max * s.MemoryPerOCPU.Max}
	}
	if limit, ok := documentedMaxima[s.Name]; ok {
		s.OCPURange.Max, s.MemoryRange.Max = min(s.OCPURange.Max, limit.ocpus), min(s.MemoryRange.Max, limit.memoryGB)
	}
	s.Sizes = documentedSizes[s.Name]
	s.Extended = extendedOf(s, record)
}

// leastExtendedOCPUs is what an extended-memory instance has at least, as a share of one socket's OCPUs: 28 of 64 on E3 and E4 and 14 of 32 on
// Standard3 are documented (Compute documentation, extended memory VM instances). Other shapes are taken to follow them.
const leastExtendedOCPUs = 0.4375

// extendedOf reads what a record allows beyond one NUMA node; nil when that is nothing.
func extendedOf(s *Shape, record core.Shape) *Extended {
	if record.MemoryOptions == nil || len(s.Sizes) > 0 {
		return nil
	}
	most := Extended{
		OCPURange:   Range{Min: math.Ceil(leastExtendedOCPUs * s.OCPURange.Max), Max: float64(oci.Value(record.OcpuOptions.Max))},
		MaxMemoryGB: float64(oci.Value(record.MemoryOptions.MaxInGBs)),
	}
	sockets := oci.Value(record.OcpuOptions.MaxPerNumaNode) > 0 && oci.Value(record.MemoryOptions.MaxPerNumaNodeInGBs) > 0
	if _, bound := documentedMaxima[s.Name]; bound || !sockets || (most.OCPURange.Max <= s.OCPURange.Max && most.MaxMemoryGB <= s.MemoryRange.Max) {
		return nil
	}
	return &most
}
