package shape

import (
	"slices"

	"github.com/oracle/oci-go-sdk/v65/core"
)

// Option says which values a launch may give a switch of the processor or the firmware.
type Option struct {
	On  bool
	Off bool
}

// Allows says whether the switch can have the value; nil asks for nothing. What cannot be turned on is off.
func (o Option) Allows(wanted *bool) bool {
	switch {
	case wanted == nil:
		return true
	case *wanted:
		return o.On
	default:
		return o.Off || !o.On
	}
}

// Sent is the value that a launch sends for the switch: nil where nothing is asked for, or where the shape has no such switch and is so
// anyway. OCI refuses values that a shape does not list.
func (o Option) Sent(wanted *bool) *bool {
	if wanted == nil || (*wanted && !o.On) || (!*wanted && !o.Off) {
		return nil
	}
	return wanted
}

// Platform says which options of processor and firmware a launch may set (platformConfigOptions of ListShapes). A shape whose record has
// none keeps its defaults: no secure or measured boot, no Trusted Platform Module, no memory encryption, and two threads a core on x86.
type Platform struct {
	// Type is OCI's name of the platform, such as AMD_VM, which a launch that sets an option must give; empty where none can be set.
	Type string

	SecureBoot       Option
	MeasuredBoot     Option
	TPM              Option
	MemoryEncryption Option
	// Multithreading is two threads a core. Arm processors have one thread a core and nothing to switch (Ampere and Grace).
	Multithreading Option
}

func option(values []bool) Option {
	return Option{On: slices.Contains(values, true), Off: slices.Contains(values, false)}
}

// applyPlatform reads the options of a record. The architecture is known by then.
func applyPlatform(s *Shape, o *core.ShapePlatformConfigOptions) {
	s.Platform = Platform{Multithreading: Option{On: s.Arch == ArchAMD64, Off: s.Arch != ArchAMD64}}
	if o == nil {
		return
	}
	s.Platform.Type = string(o.Type)
	if o.SecureBootOptions != nil {
		s.Platform.SecureBoot = option(o.SecureBootOptions.AllowedValues)
	}
	if o.MeasuredBootOptions != nil {
		s.Platform.MeasuredBoot = option(o.MeasuredBootOptions.AllowedValues)
	}
	if o.TrustedPlatformModuleOptions != nil {
		s.Platform.TPM = option(o.TrustedPlatformModuleOptions.AllowedValues)
	}
	if o.MemoryEncryptionOptions != nil {
		s.Platform.MemoryEncryption = option(o.MemoryEncryptionOptions.AllowedValues)
	}
	if o.SymmetricMultiThreadingOptions != nil && s.Arch == ArchAMD64 {
		s.Platform.Multithreading = option(o.SymmetricMultiThreadingOptions.AllowedValues)
	}
}

// threadsPerCore is what multithreading makes of a core.
const threadsPerCore = 2

// WithoutMultithreading is the shape as an instance sees it whose multithreading was turned off: one vCPU for each core. Shapes that have
// no multithreading are returned as they are.
func (s *Shape) WithoutMultithreading() *Shape {
	if !s.Platform.Multithreading.On || s.VCPUsPerOCPU < threadsPerCore {
		return s
	}
	single := *s
	single.VCPUsPerOCPU /= threadsPerCore
	return &single
}
