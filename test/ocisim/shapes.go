package ocisim

import (
	"math"
	"net/http"
	"strings"

	"github.com/oracle/oci-go-sdk/v65/core"
	"github.com/samber/lo"
)

// size is what an instance is made of.
type size struct {
	ocpus, memoryGB float64
	vcpus, gpus     int
}

func shapeOperations() []operation {
	return []operation{{name: "ListShapes", method: http.MethodGet, path: "/20160918/shapes", handle: listShapes}}
}

// listShapes repeats a shape for every AD that has it unless one AD is asked for.
func listShapes(s *Simulator, c *call) (*reply, error) {
	if _, err := s.inCompartment(c); err != nil {
		return nil, err
	}
	ads := s.world.ADs
	if ad := c.query.Get("availabilityDomain"); ad != "" {
		if err := s.availabilityDomain(ad); err != nil {
			return nil, err
		}
		ads = []string{ad}
	}
	var image *core.Image
	if id := c.query.Get("imageId"); id != "" {
		found, known := s.state.images.get(id)
		if !known {
			return nil, notFound("image %s", id)
		}
		image = &found
	}
	type placed struct {
		core.Shape
		ad string
	}
	var out []placed
	for _, ad := range ads {
		for _, shape := range s.state.shapes {
			if s.offered(*shape.Shape, ad) && c.is("shape", *shape.Shape) && (image == nil || compatible(*image, shape)) {
				out = append(out, placed{shape, ad})
			}
		}
	}
	return listAs(c, out, func(p placed) string { return p.ad + "/" + *p.Shape.Shape }, func(p placed) core.Shape { return p.Shape })
}

// offered says whether the AD has hosts for the shape.
func (s *Simulator) offered(shape, ad string) bool {
	return !s.state.absentShapes[shape+"\x00"+ad] && !s.faults.hides(shape, ad)
}

// SetShapeOffered says whether an AD has a shape. By default every AD has every shape.
func (s *Simulator) SetShapeOffered(shape, ad string, offered bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, known := s.shape(shape); !known {
		return shapeNotFound(shape)
	}
	if err := s.availabilityDomain(ad); err != nil {
		return err
	}
	if offered {
		delete(s.state.absentShapes, shape+"\x00"+ad)
	} else {
		s.state.absentShapes[shape+"\x00"+ad] = true
	}
	return nil
}

func (s *Simulator) shape(name string) (core.Shape, bool) {
	return lo.Find(s.state.shapes, func(shape core.Shape) bool { return *shape.Shape == name })
}

// arm says whether the shape's processor is arm64, by family: the API does not tell (its processorDescription only hints).
func arm(shape string) bool {
	for _, family := range []string{".A1.", ".A2.", ".A4.", ".Ampere.", ".GB200.", ".GB300."} {
		if strings.Contains(shape, family) {
			return true
		}
	}
	return false
}

// vcpusPerOCPU: a1 cores are one thread each; an OCPU of A2, A4 is two cores, of x86 two threads (documentation, "Compute Shapes"). For Grace
// processors no source states the ratio; 1 is assumed.
func vcpusPerOCPU(shape string) float64 {
	for _, family := range []string{".A1.", ".Ampere.", ".GB200.", ".GB300."} {
		if strings.Contains(shape, family) {
			return 1
		}
	}
	return 2
}

func vcpusOf(shape string, ocpus float64) int {
	return int(math.Ceil(ocpus * vcpusPerOCPU(shape)))
}

// maxVNICs is how many VNICs an instance of the shape can have with so many OCPUs.
func maxVNICs(shape core.Shape, ocpus float64) int {
	fixed := lo.FromPtr(shape.MaxVnicAttachments)
	o := shape.MaxVnicAttachmentOptions
	if o == nil || !lo.FromPtr(shape.IsFlexible) {
		return fixed
	}
	scaled := int(math.Floor(ocpus * float64(lo.FromPtr(o.DefaultPerOcpu))))
	return min(int(lo.FromPtr(o.Max)), max(lo.FromPtr(o.Min), scaled))
}

// bandwidthGbps is the network bandwidth of an instance of the shape with so many OCPUs; 0 when the catalogue does not say.
func bandwidthGbps(shape core.Shape, ocpus float64) float64 {
	o := shape.NetworkingBandwidthOptions
	if o == nil {
		return float64(lo.FromPtr(shape.NetworkingBandwidthInGbps))
	}
	scaled := ocpus * float64(lo.FromPtr(o.DefaultPerOcpuInGbps))
	return min(float64(lo.FromPtr(o.MaxInGbps)), max(float64(lo.FromPtr(o.MinInGbps)), scaled))
}

// preemptible says whether the shape can be had as preemptible capacity: virtual machines but not the micro shape, the newer GPU and DenseIO families and
// the *.Ax families (documentation, "Preemptible Instances"). Uncertain for E6, A2 and A4, which are taken as possible.
func preemptible(shape string) bool {
	if !strings.HasPrefix(shape, "VM.") || strings.HasSuffix(shape, ".Micro") {
		return false
	}
	return !lo.ContainsBy([]string{".GPU.", ".DenseIO.", ".Ax.", ".Generic"}, func(family string) bool { return strings.Contains(shape, family) })
}

// resize works out and checks the size asked for. Errors are the client's.
func resize(shape core.Shape, d *core.LaunchInstanceShapeConfigDetails) (size, error) {
	name := *shape.Shape
	if !lo.FromPtr(shape.IsFlexible) {
		z := size{ocpus: float64(lo.FromPtr(shape.Ocpus)), memoryGB: float64(lo.FromPtr(shape.MemoryInGBs)), gpus: lo.FromPtr(shape.Gpus)}
		z.vcpus = vcpusOf(name, z.ocpus)
		if d != nil && ((d.Ocpus != nil && float64(*d.Ocpus) != z.ocpus) || (d.MemoryInGBs != nil && float64(*d.MemoryInGBs) != z.memoryGB)) {
			return z, invalid("shapeConfig is not allowed for the fixed shape %s", name)
		}
		return z, nil
	}
	if d == nil || (d.Ocpus == nil && d.Vcpus == nil) {
		return size{}, invalid("shapeConfig.ocpus is required for the flexible shape %s", name)
	}
	z := size{ocpus: float64(lo.FromPtr(d.Ocpus)), gpus: lo.FromPtr(shape.Gpus)}
	if d.Ocpus == nil {
		z.ocpus = float64(*d.Vcpus) / vcpusPerOCPU(name)
	}
	if d.Vcpus != nil && *d.Vcpus != vcpusOf(name, z.ocpus) {
		return z, invalid("shapeConfig.vcpus %d does not fit ocpus %g of shape %s", *d.Vcpus, z.ocpus, name)
	}
	z.vcpus, z.memoryGB = vcpusOf(name, z.ocpus), z.ocpus*float64(lo.FromPtr(shape.MemoryOptions.DefaultPerOcpuInGBs))
	if d.MemoryInGBs != nil {
		z.memoryGB = float64(*d.MemoryInGBs)
	}
	return z, checkRanges(shape, z)
}

// extended says whether a size is more than one processor socket of the host has: an "extended memory" instance.
func extended(shape core.Shape, z size) bool {
	o, m := shape.OcpuOptions, shape.MemoryOptions
	if o == nil || m == nil {
		return false
	}
	return beyond(z.ocpus, o.MaxPerNumaNode) || beyond(z.memoryGB, m.MaxPerNumaNodeInGBs)
}

func beyond(value float64, most *float32) bool { return lo.FromPtr(most) > 0 && value > float64(*most) }

// leastExtendedOCPUs is what an extended memory instance has at least, as a share of what one socket has: 28 of 64 OCPUs (E3, E4) and 14 of 32 (Standard3)
// are documented ("Extended Memory VM Instances"). Uncertain for E5, which is taken to follow them.
const leastExtendedOCPUs = 0.4375

// denseSizes are the sizes that the documentation allows for flexible shapes with local NVMe: GB of memory by OCPUs. The API's ranges are wider.
var denseSizes = map[string]map[float64]float64{
	"VM.DenseIO.E4.Flex": {8: 128, 16: 256, 32: 512},
	"VM.DenseIO.E5.Flex": {8: 96, 16: 192, 24: 288, 32: 384, 40: 480, 48: 576},
}

// ocpusPerDenseDrive is how many OCPUs of such a shape come with one drive more.
const ocpusPerDenseDrive = 8

// localDisks are the drives of an instance and their size in all, in GB of 10^9 bytes.
func localDisks(shape core.Shape, ocpus float64) (drives int, totalGB float64) {
	drives, totalGB = lo.FromPtr(shape.LocalDisks), float64(lo.FromPtr(shape.LocalDisksTotalSizeInGBs))
	if _, dense := denseSizes[lo.FromPtr(shape.Shape)]; dense {
		n := int(ocpus / ocpusPerDenseDrive)
		return n, totalGB * float64(n)
	}
	return drives, totalGB
}

func checkRanges(shape core.Shape, z size) error {
	name := *shape.Shape
	if sizes, dense := denseSizes[name]; dense {
		if sizes[z.ocpus] != z.memoryGB || z.memoryGB == 0 {
			return invalid("shapeConfig with %g OCPUs and %g GB is not available for shape %s", z.ocpus, z.memoryGB, name)
		}
		return nil
	}
	o, m := shape.OcpuOptions, shape.MemoryOptions
	if z.ocpus < float64(lo.FromPtr(o.Min)) || z.ocpus > float64(lo.FromPtr(o.Max)) || z.ocpus != math.Trunc(z.ocpus) {
		return invalid("shapeConfig.ocpus %g is not a whole number within %g..%g for shape %s", z.ocpus, lo.FromPtr(o.Min), lo.FromPtr(o.Max), name)
	}
	least := max(float64(lo.FromPtr(m.MinInGBs)), z.ocpus*float64(lo.FromPtr(m.MinPerOcpuInGBs)))
	most := float64(lo.FromPtr(m.MaxInGBs))
	if per := float64(lo.FromPtr(m.MaxPerOcpuInGBs)); per > 0 {
		most = min(most, z.ocpus*per)
	}
	if z.memoryGB < least || z.memoryGB > most || z.memoryGB != math.Trunc(z.memoryGB) {
		return invalid("shapeConfig.memoryInGBs %g is not a whole number within %g..%g for shape %s with %g OCPUs", z.memoryGB, least, most, name, z.ocpus)
	}
	if extended(shape, z) && z.ocpus < math.Ceil(leastExtendedOCPUs*float64(lo.FromPtr(o.MaxPerNumaNode))) {
		return invalid("shapeConfig.ocpus %g is too few for %g GB of extended memory on shape %s", z.ocpus, z.memoryGB, name)
	}
	return nil
}

// describe renders the size as part of an instance.
func describe(shape core.Shape, z size, baseline core.InstanceShapeConfigBaselineOcpuUtilizationEnum) *core.InstanceShapeConfig {
	drives, driveGB := localDisks(shape, z.ocpus)
	return &core.InstanceShapeConfig{Ocpus: lo.ToPtr(float32(z.ocpus)), MemoryInGBs: lo.ToPtr(float32(z.memoryGB)), Vcpus: lo.ToPtr(z.vcpus),
		Gpus: lo.ToPtr(z.gpus), GpuDescription: shape.GpuDescription, ProcessorDescription: shape.ProcessorDescription, BaselineOcpuUtilization: baseline,
		NetworkingBandwidthInGbps: lo.ToPtr(float32(bandwidthGbps(shape, z.ocpus))), MaxVnicAttachments: lo.ToPtr(maxVNICs(shape, z.ocpus)),
		LocalDisks: &drives, LocalDisksTotalSizeInGBs: lo.ToPtr(float32(driveGB)), LocalDiskDescription: shape.LocalDiskDescription}
}
