package shape_test

import (
	"testing"

	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/core"
	"github.com/stretchr/testify/require"

	"github.com/karpenter-oke/karpenter-oke/pkg/providers/shape"
)

// flexRecord is what ListShapes might say of a flexible shape that no rule knows.
func flexRecord(name string) core.Shape {
	return core.Shape{
		Shape: &name, IsFlexible: common.Bool(true), Ocpus: common.Float32(1), MemoryInGBs: common.Float32(6),
		OcpuOptions:   &core.ShapeOcpuOptions{Min: common.Float32(1), Max: common.Float32(100)},
		MemoryOptions: &core.ShapeMemoryOptions{MinInGBs: common.Float32(1), MaxInGBs: common.Float32(1000)},
	}
}

func TestAnOverrideCorrectsWhatIsDerived(t *testing.T) {
	gpu := core.Shape{Shape: common.String("BM.GPU.MI500X.8"), Ocpus: common.Float32(100), MemoryInGBs: common.Float32(2000)}
	for _, tc := range []struct {
		says     string
		record   core.Shape
		override string
		want     func(*testing.T, *shape.Shape)
	}{
		{"processor and market", flexRecord("VM.Standard.A6.Flex"), "[{match: VM.Standard.A6.*, vcpusPerOcpu: 2, preemptible: true, cpuManufacturer: arm}]", func(t *testing.T, s *shape.Shape) {
			require.Equal(t, 2, s.VCPUsPerOCPU)
			require.True(t, s.Preemptible)
			require.Equal(t, "arm", s.CPUManufacturer)
			require.Equal(t, "arm64", s.Arch, "what is not named stays as derived")
		}},
		{"architecture", flexRecord("VM.Standard.Z1.Flex"), `[{"match":"VM.Standard.Z1.*","arch":"arm64"}]`, func(t *testing.T, s *shape.Shape) {
			require.Equal(t, "arm64", s.Arch)
			require.False(t, s.Platform.Multithreading.On, "what follows from the architecture follows")
		}},
		{"largest size", flexRecord("VM.Standard.E7.Flex"), "[{match: VM.Standard.E7.*, maxOcpus: 50, maxMemoryGB: 400}]", func(t *testing.T, s *shape.Shape) {
			require.True(t, s.Offers(50, 400))
			require.False(t, s.Offers(51, 400))
			require.False(t, s.Offers(50, 401))
		}},
		{"a bound above the record's does not widen it", flexRecord("VM.Standard.E7.Flex"), "[{match: VM.Standard.E7.*, maxOcpus: 500}]", func(t *testing.T, s *shape.Shape) {
			require.False(t, s.Offers(101, 400))
		}},
		{"the only sizes", flexRecord("VM.DenseIO.E6.Flex"), "[{match: '*.DenseIO.E6.*', sizes: [{ocpus: 8, memoryGB: 96, localNvmeGB: 6800}]}]", func(t *testing.T, s *shape.Shape) {
			require.True(t, s.Offers(8, 96))
			require.False(t, s.Offers(16, 96))
			require.InDelta(t, 6800, s.LocalNVMe(8), 0)
		}},
		{"GPUs, RDMA and disks that the record leaves out", gpu, "[{match: BM.GPU.MI500X.8, gpus: 8, rdma: true, localNvmeGB: 100}]", func(t *testing.T, s *shape.Shape) {
			require.Equal(t, 8, s.GPUs)
			require.Equal(t, "mi500x", s.GPUName)
			require.Equal(t, "amd", s.GPUManufacturer)
			require.True(t, s.RDMA)
			require.InDelta(t, 100, s.LocalNVMe(100), 0)
		}},
		{"GPU's model and vendor", gpu, "[{match: BM.GPU.*, gpus: 4, gpuName: x1, gpuManufacturer: nvidia}]", func(t *testing.T, s *shape.Shape) {
			require.Equal(t, "x1", s.GPUName)
			require.Equal(t, "nvidia", s.GPUManufacturer)
		}},
		{"the first that matches counts", flexRecord("VM.Standard.A6.Flex"), "[{match: '*.A6.*', vcpusPerOcpu: 4}, {match: '*', vcpusPerOcpu: 8}]", func(t *testing.T, s *shape.Shape) {
			require.Equal(t, 4, s.VCPUsPerOCPU)
		}},
	} {
		t.Run(tc.says, func(t *testing.T) {
			overrides, err := shape.ParseOverrides(tc.override)
			require.NoError(t, err)
			before, ok := shape.FromRecord(tc.record, nil)
			require.True(t, ok)
			require.NotEmpty(t, before.Warnings)
			s, ok := shape.FromRecord(tc.record, overrides)
			require.True(t, ok)
			require.Empty(t, s.Warnings, "a shape that somebody has looked at is no longer in doubt")
			tc.want(t, s)
		})
	}
}

func TestShapesThatNoOverrideMatchesStayAsTheyAre(t *testing.T) {
	overrides, err := shape.ParseOverrides("[{match: VM.Standard.E7.*, arch: arm64, vcpusPerOcpu: 1, preemptible: false, rdma: true}]")
	require.NoError(t, err)
	for name, s := range catalog(t) {
		record := recordOf(t, name)
		again, ok := shape.FromRecord(record, overrides)
		require.True(t, ok)
		require.Equal(t, s, again)
	}
}

func TestOverridesThatCannotBeMeantAreRefused(t *testing.T) {
	for want, text := range map[string]string{
		`"" is not a shell glob`:                              "[{arch: arm64}]",
		`"[" is not a shell glob`:                             "[{match: '['}]",
		`arch "mips" is neither`:                              "[{match: x, arch: mips}]",
		"100 vCPUs an OCPU":                                   "[{match: x, vcpusPerOcpu: 100}]",
		"-1 GPUs":                                             "[{match: x, gpus: -1}]",
		`gpuManufacturer "intel"`:                             "[{match: x, gpuManufacturer: intel}]",
		`gpuName "B 300" is not a label value`:                "[{match: x, gpuName: B 300}]",
		"must not be negative":                                "[{match: x, maxOcpus: -4}]",
		"a size needs ocpus and memoryGB above 0":             "[{match: x, sizes: [{ocpus: 8}]}]",
		`unknown field "vcpus"`:                               "[{match: x, vcpus: 2}]",
		"reading the list of shape overrides":                 "match: x",
		`shape override "yy": gpuManufacturer "z" is neither`: "[{match: x, arch: arm64}, {match: yy, gpuManufacturer: z}]",
	} {
		_, err := shape.ParseOverrides(text)
		require.ErrorContains(t, err, want)
	}
	for _, nothing := range []string{"", "  \n", "[]"} {
		overrides, err := shape.ParseOverrides(nothing)
		require.NoError(t, err)
		require.Empty(t, overrides)
	}
}
