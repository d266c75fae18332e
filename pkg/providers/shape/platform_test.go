package shape_test

import (
	"testing"

	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/core"
	"github.com/stretchr/testify/require"

	"github.com/karpenter-oke/karpenter-oke/pkg/providers/shape"
)

func TestPlatformOptionsComeFromTheRecord(t *testing.T) {
	shapes := catalog(t)
	free, never, always := shape.Option{On: true, Off: true}, shape.Option{}, shape.Option{On: true}
	for _, tc := range []struct {
		name string
		want shape.Platform
	}{
		{"VM.Standard.E4.Flex", shape.Platform{Type: "AMD_VM", SecureBoot: free, MeasuredBoot: free, TPM: free, MemoryEncryption: free, Multithreading: free}},
		{"VM.Standard3.Flex", shape.Platform{Type: "INTEL_VM", SecureBoot: free, MeasuredBoot: free, TPM: free, MemoryEncryption: never, Multithreading: free}},
		{"BM.Standard.E5.192", shape.Platform{Type: "GENERIC_BM", SecureBoot: free, MeasuredBoot: shape.Option{Off: true}, TPM: free, MemoryEncryption: free, Multithreading: free}},
		{"VM.DenseIO.E4.Flex", shape.Platform{Type: "AMD_VM", Multithreading: free}},
		{"VM.Standard.E2.4", shape.Platform{Multithreading: always}},
		{"VM.Standard.A1.Flex", shape.Platform{Multithreading: shape.Option{Off: true}}},
	} {
		require.Equal(t, tc.want, shapes[tc.name].Platform, tc.name)
	}
}

func TestAnOptionAllowsWhatCanBeSetAndWhatIsSoAnyway(t *testing.T) {
	on, off := common.Bool(true), common.Bool(false)
	for _, tc := range []struct {
		says             string
		option           shape.Option
		nothing, on, off bool
	}{
		{"free", shape.Option{On: true, Off: true}, true, true, true},
		{"always on", shape.Option{On: true}, true, true, false},
		{"always off", shape.Option{Off: true}, true, false, true},
		{"not there", shape.Option{}, true, false, true},
	} {
		require.Equal(t, tc.nothing, tc.option.Allows(nil), tc.says)
		require.Equal(t, tc.on, tc.option.Allows(on), tc.says)
		require.Equal(t, tc.off, tc.option.Allows(off), tc.says)

		require.Nil(t, tc.option.Sent(nil), tc.says)
		require.Equal(t, tc.option.On, tc.option.Sent(on) != nil, tc.says)
		require.Equal(t, tc.option.Off, tc.option.Sent(off) != nil, tc.says)
	}
}

func TestWithoutMultithreadingAnOCPUIsOneVCPUOnX86(t *testing.T) {
	shapes := catalog(t)
	for _, tc := range []struct {
		name     string
		ocpus    float64
		two, one int
	}{
		{"VM.Standard.E5.Flex", 4, 8, 4}, {"BM.Standard.E5.192", 192, 384, 192},
		{"VM.Standard.A1.Flex", 4, 4, 4}, {"VM.Standard.A2.Flex", 4, 8, 8},
	} {
		s := shapes[tc.name]
		single := s.WithoutMultithreading()
		require.Equal(t, tc.two, s.VCPUs(tc.ocpus), tc.name)
		require.Equal(t, tc.one, single.VCPUs(tc.ocpus), tc.name)
		require.Equal(t, s.MaxVNICs(tc.ocpus), single.MaxVNICs(tc.ocpus), "VNICs go by OCPUs")
	}
}

func TestARecordWithoutMultithreadingOptionsOnAnOverriddenArchitecture(t *testing.T) {
	record := core.Shape{Shape: common.String("VM.Standard.Z9.4"), Ocpus: common.Float32(4), MemoryInGBs: common.Float32(32)}
	s, ok := shape.FromRecord(record, []shape.Override{{Match: "VM.Standard.Z9.*", Arch: shape.ArchARM64, VCPUsPerOCPU: 2}})
	require.True(t, ok)
	require.Equal(t, shape.Option{Off: true}, s.Platform.Multithreading)
	require.Same(t, s, s.WithoutMultithreading(), "an Arm OCPU has two cores, not two threads")
}
