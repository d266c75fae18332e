package shape

import (
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"
)

// Override corrects what the rules and the record say of the shapes that match, for shapes that did not exist when the rules were written.
// Only set fields count. The first override that matches a shape is the one that counts.
type Override struct {
	// Match is a shell glob over shape names, such as VM.Standard.E7.*.
	Match string `json:"match"`
	// Arch is amd64 or arm64.
	Arch string `json:"arch,omitempty"`
	// CPUManufacturer is a label value, such as amd.
	CPUManufacturer string `json:"cpuManufacturer,omitempty"`
	// VCPUsPerOCPU is how many CPUs the kubelet sees for one OCPU.
	VCPUsPerOCPU int `json:"vcpusPerOcpu,omitempty"`
	// GPUs is the number of GPUs, where the record leaves it out.
	GPUs int `json:"gpus,omitempty"`
	// GPUName is the model in lower case, such as b300; GPUManufacturer is nvidia or amd. Both count on shapes with GPUs only.
	GPUName         string `json:"gpuName,omitempty"`
	GPUManufacturer string `json:"gpuManufacturer,omitempty"`
	RDMA            *bool  `json:"rdma,omitempty"`
	Preemptible     *bool  `json:"preemptible,omitempty"`
	// LocalNVMeGB is the size of local NVMe disks.
	LocalNVMeGB *float64 `json:"localNvmeGB,omitempty"`
	// MaxOCPUs and MaxMemoryGB bound a flexible shape below what its record allows.
	MaxOCPUs    float64 `json:"maxOcpus,omitempty"`
	MaxMemoryGB float64 `json:"maxMemoryGB,omitempty"`
	// Sizes are the only sizes of a flexible shape that can be launched, such as those of DenseIO shapes.
	Sizes []FlexSize `json:"sizes,omitempty"`
}

// Bounds of what an override may say: beyond them it is a slip of the pen.
const (
	mostVCPUsPerOCPU = 8
	mostGPUs         = 1024
)

// labelWord is what may become part of a label's value.
var labelWord = regexp.MustCompile(`^[a-z0-9]([-a-z0-9_.]{0,61}[a-z0-9])?$`)

// Validate says what is wrong with an override.
func (o Override) Validate() error {
	if _, err := path.Match(o.Match, ""); err != nil || o.Match == "" {
		return fmt.Errorf("shape override: %q is not a shell glob over shape names", o.Match)
	}
	var errs []error
	wrong := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("shape override %q: "+format, append([]any{o.Match}, args...)...))
	}
	if o.Arch != "" && o.Arch != ArchAMD64 && o.Arch != ArchARM64 {
		wrong("arch %q is neither %s nor %s", o.Arch, ArchAMD64, ArchARM64)
	}
	if o.VCPUsPerOCPU < 0 || o.VCPUsPerOCPU > mostVCPUsPerOCPU {
		wrong("%d vCPUs an OCPU is not between 1 and %d", o.VCPUsPerOCPU, mostVCPUsPerOCPU)
	}
	if o.GPUs < 0 || o.GPUs > mostGPUs {
		wrong("%d GPUs is not between 1 and %d", o.GPUs, mostGPUs)
	}
	if o.GPUManufacturer != "" && o.GPUManufacturer != GPUManufacturerNVIDIA && o.GPUManufacturer != GPUManufacturerAMD {
		wrong("gpuManufacturer %q is neither %s nor %s", o.GPUManufacturer, GPUManufacturerNVIDIA, GPUManufacturerAMD)
	}
	for field, word := range map[string]string{"cpuManufacturer": o.CPUManufacturer, "gpuName": o.GPUName} {
		if word != "" && !labelWord.MatchString(word) {
			wrong("%s %q is not a label value in lower case", field, word)
		}
	}
	if o.MaxOCPUs < 0 || o.MaxMemoryGB < 0 || (o.LocalNVMeGB != nil && *o.LocalNVMeGB < 0) {
		wrong("maxOcpus, maxMemoryGB and localNvmeGB must not be negative")
	}
	for _, size := range o.Sizes {
		if size.OCPUs <= 0 || size.MemoryGB <= 0 || size.LocalNVMeGB < 0 {
			wrong("a size needs ocpus and memoryGB above 0, and no negative localNvmeGB")
		}
	}
	return errors.Join(errs...)
}

// ParseOverrides reads overrides as a setting gives them: a list in YAML or JSON, each with match and the fields to correct. A field that does
// not exist is an error. An empty text is no overrides.
func ParseOverrides(text string) ([]Override, error) {
	if strings.TrimSpace(text) == "" {
		return nil, nil
	}
	var overrides []Override
	if err := yaml.UnmarshalStrict([]byte(text), &overrides); err != nil {
		return nil, fmt.Errorf("reading the list of shape overrides: %w", err)
	}
	errs := make([]error, 0, len(overrides))
	for _, o := range overrides {
		errs = append(errs, o.Validate())
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return overrides, nil
}

// applyOverrides lets the first override that matches the name win. Who overrides a shape has looked at it, so the warnings go.
func applyOverrides(s *Shape, overrides []Override) {
	i := slices.IndexFunc(overrides, func(o Override) bool {
		ok, err := path.Match(o.Match, s.Name)
		return ok && err == nil
	})
	if i < 0 {
		return
	}
	o := &overrides[i]
	s.Arch = or(o.Arch, s.Arch)
	s.CPUManufacturer = or(o.CPUManufacturer, s.CPUManufacturer)
	s.VCPUsPerOCPU = or(o.VCPUsPerOCPU, s.VCPUsPerOCPU)
	if s.GPUs == 0 && o.GPUs > 0 {
		s.GPUName, s.GPUManufacturer = gpuOf(parseName(s.Name), "")
	}
	if s.GPUs = or(o.GPUs, s.GPUs); s.GPUs > 0 {
		s.GPUName, s.GPUManufacturer = or(o.GPUName, s.GPUName), or(o.GPUManufacturer, s.GPUManufacturer)
	}
	if o.RDMA != nil {
		s.RDMA = *o.RDMA
	}
	if o.Preemptible != nil {
		s.Preemptible = *o.Preemptible
	}
	if o.LocalNVMeGB != nil {
		s.LocalNVMeGB = *o.LocalNVMeGB
	}
	if s.Flexible {
		s.OCPURange.Max = min(s.OCPURange.Max, or(o.MaxOCPUs, s.OCPURange.Max))
		s.MemoryRange.Max = min(s.MemoryRange.Max, or(o.MaxMemoryGB, s.MemoryRange.Max))
		if o.MaxOCPUs > 0 || o.MaxMemoryGB > 0 {
			s.Extended = nil // what is said of the shape's maxima is said of all its sizes
		}
		if len(o.Sizes) > 0 {
			s.Sizes, s.Extended = o.Sizes, nil
		}
	}
	s.Warnings = nil
}

// or is the first value unless it is not set.
func or[T comparable](value, otherwise T) T {
	var unset T
	if value == unset {
		return otherwise
	}
	return value
}
