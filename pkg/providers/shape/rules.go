package shape

import (
	"regexp"
	"strconv"
	"strings"
)

// certainty says how far a rule of this file can be trusted.
type certainty string

const (
	// documented: Oracle's documentation says so.
	documented certainty = "documented"
	// observed: seen on live nodes or in Oracle's own provider, not in the documentation.
	observed certainty = "observed"
	// assumed: follows the pattern of its relatives; nothing was seen. The cautious side is taken.
	assumed certainty = "assumed"
)

// processor is what ListShapes does not say about a family's processor and market.
type processor struct {
	arch         string
	manufacturer string
	// vcpusPerOCPU: x86 2 (documented); A1 1 (documented); A2 and A4 2 (observed: a live A2 node with 3 OCPUs has 6 CPUs).
	vcpusPerOCPU int
	// preemptible holds for virtual machines only; bare metal is never preemptible (documentation of preemptible instances).
	preemptible bool
	vcpuSource  certainty
	spotSource  certainty
}

// processors is keyed by the family without its VM. or BM. part. "Preemptible Instances" in OCI's documentation lists Standard1, B1,
// Standard2, Standard3, E2 (not Micro), E3, E4, E5, A1, DenseIO1, DenseIO2, GPU2, GPU3 and Optimized3; E6 and A4 come from the table in Oracle's own
// Karpenter provider. A family that is on neither list is taken as not preemptible, because a launch would be refused.
var processors = map[string]processor{
	"Standard1":               {ArchAMD64, "intel", 2, true, documented, documented},
	"Standard2":               {ArchAMD64, "intel", 2, true, documented, documented},
	"Standard3":               {ArchAMD64, "intel", 2, true, documented, documented},
	"Standard.B1":             {ArchAMD64, "intel", 2, true, documented, documented},
	"Standard.E2":             {ArchAMD64, "amd", 2, true, documented, documented},
	"Standard.E3":             {ArchAMD64, "amd", 2, true, documented, documented},
	"Standard.E4":             {ArchAMD64, "amd", 2, true, documented, documented},
	"Standard.E5":             {ArchAMD64, "amd", 2, true, documented, documented},
	"Standard.E6":             {ArchAMD64, "amd", 2, true, documented, observed},
	"Standard.A1":             {ArchARM64, "ampere", 1, true, documented, documented},
	"Standard.A2":             {ArchARM64, "ampere", 2, false, observed, assumed},
	"Standard.A4":             {ArchARM64, "ampere", 2, true, observed, observed},
	"Standard.AMD.Generic":    {ArchAMD64, "amd", 2, false, documented, assumed},
	"Standard.Intel.Generic":  {ArchAMD64, "intel", 2, false, documented, assumed},
	"Standard.x86.Generic":    {ArchAMD64, "", 2, false, documented, assumed},
	"Standard.Ampere.Generic": {ArchARM64, "ampere", 1, false, assumed, assumed}, // may be an A1, so the smaller ratio
	"Optimized3":              {ArchAMD64, "intel", 2, true, documented, documented},
	"DenseIO1":                {ArchAMD64, "intel", 2, true, documented, documented},
	"DenseIO2":                {ArchAMD64, "intel", 2, true, documented, documented},
	"DenseIO.E4":              {ArchAMD64, "amd", 2, false, documented, documented},
	"DenseIO.E5":              {ArchAMD64, "amd", 2, false, documented, documented},
	"HPC2":                    {ArchAMD64, "intel", 2, false, documented, documented},
	"HPC.E5":                  {ArchAMD64, "amd", 2, false, documented, documented},
	"GPU2":                    {ArchAMD64, "intel", 2, true, documented, documented},
	"GPU3":                    {ArchAMD64, "intel", 2, true, documented, documented},
	"GPU4":                    {ArchAMD64, "amd", 2, false, documented, documented},
	"GPU.A10":                 {ArchAMD64, "intel", 2, false, documented, documented},
	"GPU.A100-v2":             {ArchAMD64, "amd", 2, false, documented, documented},
	"GPU.L40S":                {ArchAMD64, "intel", 2, false, documented, documented},
	"GPU.H100":                {ArchAMD64, "intel", 2, false, documented, documented},
	"GPU.H200":                {ArchAMD64, "intel", 2, false, documented, documented},
	"GPU.B200":                {ArchAMD64, "intel", 2, false, documented, documented},
	"GPU.MI300X":              {ArchAMD64, "intel", 2, false, documented, documented},
	"GPU.MI355X":              {ArchAMD64, "amd", 2, false, documented, documented},
	// Grace has no multithreading and 72 cores a chip, two chips a server: 144 OCPUs are taken as 144 CPUs.
	"GPU.GB200": {ArchARM64, "nvidia", 1, false, assumed, documented},
	"GPU.GB300": {ArchARM64, "nvidia", 1, false, assumed, documented},
}

// documentedSizes are the only sizes of flexible shapes whose answer from ListShapes is wider than what can be launched (documented; that a
// launch of another size is refused was not seen).
var documentedSizes = map[string][]FlexSize{
	"VM.DenseIO.E4.Flex": {{8, 128, 6800}, {16, 256, 13600}, {32, 512, 27200}},
	"VM.DenseIO.E5.Flex": {{8, 96, 6800}, {16, 192, 13600}, {24, 288, 20400}, {32, 384, 27200}, {40, 480, 34000}, {48, 576, 40800}},
}

// documentedMaxima are upper bounds where the documentation is below ListShapes and nobody has seen the larger size run (documented).
var documentedMaxima = map[string]struct{ ocpus, memoryGB float64 }{
	"VM.Standard.A1.Flex": {76, 472},
}

// gpuNames are the GPU models that the shape's name does not tell (documented).
var gpuNames = map[string]string{"GPU2": "p100", "GPU3": "v100", "GPU4": "a100"}

// gpuMemories are the GB of each GPU where OCI's description does not tell them (documented).
var gpuMemories = map[string]int{"GPU2": 16, "GPU3": 16, "GPU4": 40, "GPU.A10": 24}

var (
	gpuMemoryPattern = regexp.MustCompile(`([0-9]+) ?GB`)
	seriesPattern    = regexp.MustCompile(`^(Standard|DenseIO|Optimized|HPC|GPU)([0-9]*)$`)
	sizePattern      = regexp.MustCompile(`^([0-9]+|Flex|Micro)$`)
)

// parsedName is a shape's name taken apart.
type parsedName struct {
	family     string // VM.Standard.E5
	model      string // Standard.E5: the key of processors
	generation string // E5
	category   string
	bareMetal  bool
	understood bool // false: not of the pattern (VM|BM).<series>...
}

// parseName takes a shape's name apart; it never fails, a name of another pattern is just not understood.
func parseName(name string) parsedName {
	tokens := strings.Split(name, ".")
	for len(tokens) > 2 && sizePattern.MatchString(tokens[len(tokens)-1]) {
		tokens = tokens[:len(tokens)-1]
	}
	p := parsedName{family: strings.Join(tokens, "."), model: strings.Join(tokens, "."), category: CategoryStandard, bareMetal: tokens[0] == "BM"}
	if len(tokens) < 2 || (tokens[0] != "BM" && tokens[0] != "VM") {
		return p
	}
	p.model = strings.Join(tokens[1:], ".")
	series := seriesPattern.FindStringSubmatch(tokens[1])
	if series == nil {
		return p
	}
	p.understood = true
	p.category = strings.ToLower(series[1])
	switch {
	case series[2] != "":
		p.generation = series[2]
	case len(tokens) > 2 && tokens[len(tokens)-1] != "Generic":
		p.generation = tokens[2]
	}
	return p
}

// guessProcessor is the cautious guess for a family that the table does not have, from its description and name.
func guessProcessor(p parsedName, description string) processor {
	text := strings.ToLower(description)
	guess := processor{arch: ArchAMD64, vcpusPerOCPU: 2, vcpuSource: assumed, spotSource: assumed}
	arm := strings.Contains(text, "ampere") || strings.Contains(text, "grace") || strings.Contains(text, "arm ") || strings.Contains(text, "arm®")
	armByName := p.category == CategoryStandard && len(p.generation) > 1 && p.generation[0] == 'A' && isDigit(p.generation[1])
	graceByName := strings.HasPrefix(p.model, "GPU.GB") || strings.HasPrefix(p.model, "GPU.GH")
	if arm || armByName || graceByName {
		// One CPU an OCPU: never more than there is.
		guess.arch, guess.vcpusPerOCPU = ArchARM64, 1
	}
	switch amd, intel := strings.Contains(text, "amd"), strings.Contains(text, "intel"); {
	case amd && intel:
	case amd:
		guess.manufacturer = "amd"
	case intel:
		guess.manufacturer = "intel"
	case strings.Contains(text, "ampere") || armByName:
		guess.manufacturer = "ampere"
	case strings.Contains(text, "nvidia") || graceByName:
		guess.manufacturer = "nvidia"
	case len(p.generation) > 1 && p.generation[0] == 'E' && isDigit(p.generation[1]):
		guess.manufacturer = "amd"
	}
	// A variant of a known family, such as Standard.E6.Ax, has its parent's CPU ratio: a later name part never changed it so far.
	for model := p.model; guess.arch == ArchARM64; {
		cut := strings.LastIndexByte(model, '.')
		if cut < 0 {
			break
		}
		model = model[:cut]
		if parent, ok := processors[model]; ok && parent.arch == guess.arch {
			guess.vcpusPerOCPU = parent.vcpusPerOCPU
			break
		}
	}
	return guess
}

func isDigit(b byte) bool { return b >= '0' && b <= '9' }

// gpuOf tells a GPU's model and vendor: AMD's models are MI..., all others are NVIDIA's. Documented for every GPU shape up to GB300, assumed for
// later ones, where the description decides if it names a vendor. RDMA, local NVMe and the number of GPUs need no rule: the record has them.
// gpuMemoryGB is the memory of each GPU as its description says ("NVIDIA A100 80 GB"), else as documented; 0 when neither is known.
func gpuMemoryGB(p parsedName, description string) int {
	if found := gpuMemoryPattern.FindStringSubmatch(description); found != nil {
		if gb, err := strconv.Atoi(found[1]); err == nil {
			return gb
		}
	}
	return gpuMemories[p.model]
}

func gpuOf(p parsedName, description string) (name, manufacturer string) {
	name, ok := gpuNames[p.model]
	if !ok {
		name = strings.ToLower(strings.TrimPrefix(p.model, "GPU."))
		name, _, _ = strings.Cut(name, "-")
	}
	if strings.HasPrefix(name, "mi") || (strings.Contains(description, "AMD") && !strings.Contains(description, "NVIDIA")) {
		return name, GPUManufacturerAMD
	}
	return name, GPUManufacturerNVIDIA
}
