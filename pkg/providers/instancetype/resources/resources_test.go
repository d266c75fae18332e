package resources_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"github.com/karpenter-oke/karpenter-oke/pkg/providers/instancetype/resources"
)

const (
	mib = 1 << 20
	gib = 1 << 30
)

func TestMemoryIsNeverAboveWhatNodesWereSeenToHave(t *testing.T) {
	for _, tc := range []struct {
		node        string
		memoryGB    float64
		seenMiB     float64 // MemTotal or capacity
		seenAllocMi float64 // allocatable, 0 where it was not published
	}{
		{"A1 8 GB", 8, 7657, 0},
		{"A1 12 GB", 12, 12*1024 - 619, 0},
		{"A1 50 GB", 50, 50*1024 - 1374, 0},
		{"A1 128 GB", 128, 128*1024 - 2780, 0},
		{"E5 32 GB", 32, 30.89 * 1024, 27.70 * 1024},
	} {
		t.Run(tc.node, func(t *testing.T) {
			capacity := resources.MemoryCapacity(tc.memoryGB)
			require.LessOrEqual(t, float64(capacity), tc.seenMiB*mib)
			require.GreaterOrEqual(t, float64(capacity), tc.seenMiB*mib*0.96, "caution that wastes more than 4 % is not wanted")
			if tc.seenAllocMi > 0 {
				require.LessOrEqual(t, float64(resources.AllocatableMemory(tc.memoryGB)), tc.seenAllocMi*mib)
				require.GreaterOrEqual(t, float64(resources.AllocatableMemory(tc.memoryGB)), tc.seenAllocMi*mib*0.95)
			}
		})
	}
}

// The reservations in GiB that live nodes were seen with, by their memory in GB, and the documented ones.
func TestMemoryReservedForKubernetesIsNeverBelowWhatNodesReserve(t *testing.T) {
	for _, tc := range []struct{ memoryGB, seenGiB float64 }{
		{4, 1}, {8, 1}, {12, 2}, {16, 2}, {21, 2}, {32, 3}, {37, 3}, {39, 4}, {40, 4}, {64, 5}, {128, 9}, {256, 9 + 128*20.0/1024},
	} {
		reserved := float64(resources.KubeReservedMemory(tc.memoryGB)) / gib
		require.GreaterOrEqual(t, reserved, tc.seenGiB, "%v GB", tc.memoryGB)
		require.LessOrEqual(t, reserved, tc.seenGiB+1.1, "%v GB", tc.memoryGB)
	}
}

func TestCPUReservedForKubernetesIsNeverBelowWhatNodesReserve(t *testing.T) {
	for _, tc := range []struct {
		vcpus int
		seen  int64 // documented for this many cores; 157 is the sample node with 16 CPUs
		want  int64
	}{{1, 60, 70}, {2, 70, 85}, {3, 80, 93}, {4, 85, 98}, {5, 90, 103}, {16, 157, 158}, {32, 158, 238}} {
		got := resources.KubeReservedCPUMillis(tc.vcpus)
		require.Equal(t, tc.want, got, "%d CPUs", tc.vcpus)
		require.GreaterOrEqual(t, got, tc.seen)
	}
	require.Zero(t, resources.KubeReservedCPUMillis(0))
}

func TestPredictionInBytesAndMillicores(t *testing.T) {
	e5 := resources.Predict(resources.Machine{VCPUs: 4, MemoryGB: 32, BootVolumeGB: 50, VNICs: 2}, resources.PodLimits{}, resources.Kubelet{})
	allocatable := e5.Allocatable()
	// 32768 - 600 - 32 x 19 MiB.
	require.EqualValues(t, 31560*mib, e5.Capacity.Memory().Value())
	require.EqualValues(t, 4000, e5.Capacity.Cpu().MilliValue())
	// 98 for Kubernetes, 100 for the system.
	require.EqualValues(t, 3802, allocatable.Cpu().MilliValue())
	// Kubernetes 1 + 0.8 + 0.8 + 0.06 x 17 = 3.62 GiB, rounded up to a byte; system and eviction 100 MiB each.
	require.EqualValues(t, 31560*mib-3886945403-200*mib, allocatable.Memory().Value())
	// 50 - 12 GiB, less 10 % that the kubelet keeps free.
	require.EqualValues(t, 38*gib, e5.Capacity.StorageEphemeral().Value())
	require.EqualValues(t, 38*gib-(38*gib+9)/10, allocatable.StorageEphemeral().Value())
	require.EqualValues(t, 110, allocatable.Pods().Value())
	require.NotContains(t, e5.Capacity, corev1.ResourceName("nvidia.com/gpu"))
}

func TestGPUsAreCountedUnderTheirVendorsResource(t *testing.T) {
	nvidia := resources.Predict(resources.Machine{VCPUs: 30, MemoryGB: 240, GPUs: 1, GPUManufacturer: "nvidia"}, resources.PodLimits{}, resources.Kubelet{}).Capacity
	amd := resources.Predict(resources.Machine{VCPUs: 224, MemoryGB: 2048, GPUs: 8, GPUManufacturer: "amd"}, resources.PodLimits{}, resources.Kubelet{}).Capacity
	require.EqualValues(t, 1, nvidia.Name("nvidia.com/gpu", "").Value())
	require.EqualValues(t, 8, amd.Name("amd.com/gpu", "").Value())
	require.NotContains(t, amd, corev1.ResourceName("nvidia.com/gpu"))
}

func TestTinyMachinesHaveNothingToGiveAndNothingNegativeAsCapacity(t *testing.T) {
	require.Zero(t, resources.MemoryCapacity(0))
	require.Zero(t, resources.MemoryCapacity(0.5))
	require.Negative(t, resources.AllocatableMemory(1))
}
