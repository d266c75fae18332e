package shape_test

import (
	"strings"
	"testing"

	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/core"
	"github.com/stretchr/testify/require"

	"github.com/karpenter-oke/karpenter-oke/pkg/providers/shape"
	"github.com/karpenter-oke/karpenter-oke/test/ocisim/data"
)

// catalog is the real catalogue by name.
func catalog(t *testing.T) map[string]*shape.Shape {
	t.Helper()
	records, err := data.Shapes()
	require.NoError(t, err)
	out := map[string]*shape.Shape{}
	for _, record := range records {
		s, ok := shape.FromRecord(record, nil)
		require.True(t, ok)
		out[s.Name] = s
	}
	return out
}

func TestShapesAreDescribedFromTheirNamesAndRecords(t *testing.T) {
	shapes := catalog(t)
	for _, tc := range []struct {
		name, family, generation, category, arch, cpu string
		vcpus                                         int
		preemptible                                   bool
	}{
		{"VM.Standard.E5.Flex", "VM.Standard.E5", "E5", "standard", "amd64", "amd", 2, true},
		{"VM.Standard.E6.Flex", "VM.Standard.E6", "E6", "standard", "amd64", "amd", 2, true},
		{"VM.Standard.A1.Flex", "VM.Standard.A1", "A1", "standard", "arm64", "ampere", 1, true},
		{"VM.Standard.A2.Flex", "VM.Standard.A2", "A2", "standard", "arm64", "ampere", 2, false},
		{"VM.Standard.A4.Flex", "VM.Standard.A4", "A4", "standard", "arm64", "ampere", 2, true},
		{"BM.Standard.A1.160", "BM.Standard.A1", "A1", "standard", "arm64", "ampere", 1, false},
		{"VM.Standard3.Flex", "VM.Standard3", "3", "standard", "amd64", "intel", 2, true},
		{"VM.Standard2.16", "VM.Standard2", "2", "standard", "amd64", "intel", 2, true},
		{"VM.Standard.E2.1.Micro", "VM.Standard.E2", "E2", "standard", "amd64", "amd", 2, false},
		{"VM.Standard.x86.Generic", "VM.Standard.x86.Generic", "", "standard", "amd64", "", 2, false},
		{"VM.Standard.Ampere.Generic", "VM.Standard.Ampere.Generic", "", "standard", "arm64", "ampere", 1, false},
		{"VM.Optimized3.Flex", "VM.Optimized3", "3", "optimized", "amd64", "intel", 2, true},
		{"VM.DenseIO.E5.Flex", "VM.DenseIO.E5", "E5", "denseio", "amd64", "amd", 2, false},
		{"BM.HPC.E5.144", "BM.HPC.E5", "E5", "hpc", "amd64", "amd", 2, false},
		{"VM.GPU3.4", "VM.GPU3", "3", "gpu", "amd64", "intel", 2, true},
		{"BM.GPU.A100-v2.8", "BM.GPU.A100-v2", "A100-v2", "gpu", "amd64", "amd", 2, false},
		{"BM.GPU.GB200.4", "BM.GPU.GB200", "GB200", "gpu", "arm64", "nvidia", 1, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := shapes[tc.name]
			require.NotNil(t, s)
			require.Equal(t, tc.family, s.Family)
			require.Equal(t, tc.generation, s.Generation)
			require.Equal(t, tc.category, s.Category)
			require.Equal(t, tc.arch, s.Arch)
			require.Equal(t, tc.cpu, s.CPUManufacturer)
			require.Equal(t, tc.vcpus, s.VCPUsPerOCPU)
			require.Equal(t, tc.preemptible, s.Preemptible)
			require.Equal(t, strings.HasPrefix(tc.name, "BM."), s.BareMetal)
			require.True(t, s.Known)
			require.Empty(t, s.Warnings)
		})
	}
}

func TestProcessorRulesAgreeWithTheDescriptionsOfTheCatalogue(t *testing.T) {
	records, err := data.Shapes()
	require.NoError(t, err)
	for _, record := range records {
		s, _ := shape.FromRecord(record, nil)
		if record.ProcessorDescription == nil || s.CPUManufacturer == "" {
			continue
		}
		require.Contains(t, strings.ToLower(*record.ProcessorDescription), s.CPUManufacturer, s.Name)
	}
}

func TestGPUsAreTold(t *testing.T) {
	shapes := catalog(t)
	for name, want := range map[string]struct {
		gpus         int
		model, maker string
		memoryGB     int
	}{
		"VM.GPU.A10.2":     {2, "a10", "nvidia", 24},
		"BM.GPU.A100-v2.8": {8, "a100", "nvidia", 80},
		"BM.GPU4.8":        {8, "a100", "nvidia", 40},
		"VM.GPU3.1":        {1, "v100", "nvidia", 16},
		"VM.GPU2.1":        {1, "p100", "nvidia", 16},
		"BM.GPU.MI300X.8":  {8, "mi300x", "amd", 192},
		"BM.GPU.H100.8":    {8, "h100", "nvidia", 80},
	} {
		s := shapes[name]
		require.Equal(t, want.gpus, s.GPUs, name)
		require.Equal(t, want.model, s.GPUName, name)
		require.Equal(t, want.maker, s.GPUManufacturer, name)
		require.Equal(t, want.memoryGB, s.GPUMemoryGB, name)
	}
	require.Empty(t, shapes["VM.Standard.E5.Flex"].GPUManufacturer)
	require.True(t, shapes["BM.GPU.H100.8"].RDMA)
	require.False(t, shapes["VM.GPU.A10.1"].RDMA)
}

func TestFlexibleShapesHaveTheirRangesExtendedMemoryAndDocumentedSizes(t *testing.T) {
	shapes := catalog(t)
	for _, tc := range []struct {
		says, shape     string
		ocpus, memoryGB float64
		offered         bool
	}{
		{"an ordinary size", "VM.Standard.E5.Flex", 4, 32, true},
		{"the last size without extended memory", "VM.Standard.E4.Flex", 64, 1024, true},
		{"the most extended memory", "VM.Standard.E4.Flex", 114, 1760, true},
		{"more than the most extended memory", "VM.Standard.E4.Flex", 114, 1761, false},
		{"the least OCPUs of extended memory as documented", "VM.Standard.E4.Flex", 28, 1025, true},
		{"fewer OCPUs than extended memory has", "VM.Standard.E4.Flex", 27, 1025, false},
		{"the least OCPUs of extended memory on Intel as documented", "VM.Standard3.Flex", 14, 600, true},
		{"more memory than 64 GB an OCPU of extended memory", "VM.Standard.E4.Flex", 28, 1793, false},
		{"less than 1 GB an OCPU", "VM.Standard.E5.Flex", 8, 7, false},
		{"more than 64 GB an OCPU", "VM.Standard.E5.Flex", 1, 65, false},
		{"less than 1 OCPU", "VM.Standard.A2.Flex", 0.5, 4, false},
		{"A1 as documented", "VM.Standard.A1.Flex", 76, 472, true},
		{"A1 beyond the documentation", "VM.Standard.A1.Flex", 80, 472, false},
		{"a documented DenseIO size", "VM.DenseIO.E4.Flex", 16, 256, true},
		{"a DenseIO size that only ListShapes allows", "VM.DenseIO.E4.Flex", 16, 128, false},
		{"the size of a fixed shape", "VM.Standard2.4", 4, 60, true},
		{"another size of a fixed shape", "VM.Standard2.4", 4, 64, false},
		{"ranges of a record that leaves the ratio out", "VM.Standard.E6.Ax.Flex", 4, 64, true},
	} {
		require.Equal(t, tc.offered, shapes[tc.shape].Offers(tc.ocpus, tc.memoryGB), "%s: %s %v/%v", tc.says, tc.shape, tc.ocpus, tc.memoryGB)
	}
	e4 := shapes["VM.Standard.E4.Flex"]
	require.False(t, e4.IsExtended(64, 1024))
	require.True(t, e4.IsExtended(64, 1025))
	require.True(t, e4.IsExtended(65, 100))
	for _, name := range []string{"VM.Standard.A1.Flex", "VM.Standard.E6.Flex", "VM.DenseIO.E4.Flex", "VM.Standard2.4"} {
		require.Nil(t, shapes[name].Extended, name)
	}
	require.Equal(t, 27200.0, shapes["VM.DenseIO.E4.Flex"].LocalNVMe(32))
	require.Equal(t, 54400.0, shapes["BM.DenseIO.E4.128"].LocalNVMe(128))
}

func TestVNICsAndBandwidthGrowWithOCPUs(t *testing.T) {
	shapes := catalog(t)
	for _, tc := range []struct {
		shape string
		ocpus float64
		vnics int
		gbps  float64
	}{
		{"VM.Standard.E5.Flex", 1, 2, 1},
		{"VM.Standard.E5.Flex", 2, 2, 2},
		{"VM.Standard.E5.Flex", 8, 8, 8},
		{"VM.Standard.E5.Flex", 64, 24, 40},
		{"VM.Optimized3.Flex", 1, 2, 4},
		{"VM.Optimized3.Flex", 8, 16, 32},
		{"VM.Standard.AMD.Generic", 16, 2, 1},
		{"VM.Standard.E6.Ax.Flex", 16, 2, 0},
		{"BM.Standard.E4.128", 128, 256, 100},
	} {
		require.Equal(t, tc.vnics, shapes[tc.shape].MaxVNICs(tc.ocpus), "%s %v", tc.shape, tc.ocpus)
		require.InDelta(t, tc.gbps, shapes[tc.shape].NetworkGbps(tc.ocpus), 0.01, "%s %v", tc.shape, tc.ocpus)
	}
}

func TestUnknownShapesAreOfferedWithAWarningAndTheCautiousGuess(t *testing.T) {
	for _, tc := range []struct {
		says, name, description string
		arch                    string
		vcpus                   int
		maker                   string
	}{
		{"a new AMD generation", "VM.Standard.E7.Flex", "2.7 GHz AMD EPYC™ 9J66 (Venice)", "amd64", 2, "amd"},
		{"a new Ampere generation has one vCPU an OCPU until told otherwise", "VM.Standard.A6.Flex", "Ampere®", "arm64", 1, "ampere"},
		{"a new Ampere generation without a description", "VM.Standard.A6.Flex", "", "arm64", 1, "ampere"},
		{"a variant has its family's ratio", "VM.Standard.A4.Ax.Flex", "", "arm64", 2, "ampere"},
		{"a name of no known pattern", "XX.Strange", "", "amd64", 2, ""},
		{"a name of one word", "Strange", "", "amd64", 2, ""},
		{"a new Grace machine", "BM.GPU.GB500.4", "NVIDIA® Grace™", "arm64", 1, "nvidia"},
	} {
		t.Run(tc.says, func(t *testing.T) {
			record := core.Shape{Shape: &tc.name, ProcessorDescription: &tc.description, Ocpus: common.Float32(1), MemoryInGBs: common.Float32(16)}
			if strings.Contains(tc.name, "GPU") {
				record.Gpus = common.Int(4)
			}
			s, ok := shape.FromRecord(record, nil)
			require.True(t, ok)
			require.False(t, s.Known)
			require.Len(t, s.Warnings, 1)
			require.Equal(t, tc.arch, s.Arch)
			require.Equal(t, tc.vcpus, s.VCPUsPerOCPU)
			require.Equal(t, tc.maker, s.CPUManufacturer)
			require.False(t, s.Preemptible)
		})
	}
}

func TestRecordsWithNothingInThemDoNoHarm(t *testing.T) {
	_, ok := shape.FromRecord(core.Shape{}, nil)
	require.False(t, ok)
	s, ok := shape.FromRecord(core.Shape{Shape: common.String("VM.Standard.E5.Flex"), IsFlexible: common.Bool(true), OcpuOptions: &core.ShapeOcpuOptions{}, MemoryOptions: &core.ShapeMemoryOptions{}}, nil)
	require.True(t, ok)
	require.False(t, s.Offers(1, 8))
	s, ok = shape.FromRecord(core.Shape{Shape: common.String("VM.Standard2.1")}, nil)
	require.True(t, ok)
	require.NotEmpty(t, s.Warnings)
}

// recordOf is the catalogue's record of a shape.
func recordOf(t *testing.T, name string) core.Shape {
	t.Helper()
	records, err := data.Shapes()
	require.NoError(t, err)
	for _, record := range records {
		if *record.Shape == name {
			return record
		}
	}
	require.Fail(t, "no record of "+name)
	return core.Shape{}
}
