package resources_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/instancetype/resources"
	"github.com/karpenter-oke/karpenter-oke/test/cluster/kubelets/kubelet"
)

// E5 with 2 OCPUs, 32 GB and a boot volume of 50 GB, by OKE's own settings; see TestPredictionInBytesAndMillicores.
const (
	e5Memory       = 31560 * mib
	e5KubeReserved = 3886945403
	e5Disk         = 38 * gib
	e5CPU          = 4000 - 98 - 100
)

func TestWhatTheNodeClassGivesTheKubeletReplacesOKEsFigures(t *testing.T) {
	machine := resources.Machine{VCPUs: 4, MemoryGB: 32, BootVolumeGB: 50, VNICs: 2}
	const disk10 = (e5Disk + 9) / 10
	for _, tc := range []struct {
		says              string
		kubelet           *v1alpha1.KubeletConfiguration
		cpu, memory, disk int64 // allocatable, in millicores and bytes
	}{
		{"nothing", nil, e5CPU, e5Memory - e5KubeReserved - 200*mib, e5Disk - disk10},
		{"an empty block", &v1alpha1.KubeletConfiguration{}, e5CPU, e5Memory - e5KubeReserved - 200*mib, e5Disk - disk10},
		{
			"CPU only, so memory stays", &v1alpha1.KubeletConfiguration{KubeReserved: v1alpha1.ReservedResources{"cpu": "250m"}},
			4000 - 250 - 100, e5Memory - e5KubeReserved - 200*mib, e5Disk - disk10,
		},
		{
			"all of both reservations", &v1alpha1.KubeletConfiguration{
				KubeReserved:   v1alpha1.ReservedResources{"cpu": "0.5", "memory": "1Gi", "ephemeral-storage": "2Gi", "pid": "1000"},
				SystemReserved: v1alpha1.ReservedResources{"cpu": "1", "memory": "500M", "ephemeral-storage": "1Gi"},
			},
			4000 - 500 - 1000, e5Memory - gib - 500_000_000 - 100*mib, e5Disk - disk10 - 3*gib,
		},
		{
			"less than OKE, down to nothing", &v1alpha1.KubeletConfiguration{
				KubeReserved:   v1alpha1.ReservedResources{"cpu": "0", "memory": "0"},
				SystemReserved: v1alpha1.ReservedResources{"cpu": "0", "memory": "0"},
			},
			4000, e5Memory - 100*mib, e5Disk - disk10,
		},
		{
			"thresholds as quantities", &v1alpha1.KubeletConfiguration{EvictionHard: v1alpha1.EvictionThresholds{"memory.available": "500Mi", "nodefs.available": "5Gi"}},
			e5CPU, e5Memory - e5KubeReserved - 600*mib, e5Disk - 5*gib,
		},
		{
			// 5 % of 31,560 MiB is 1,578 MiB; 12.5 % of 38 GiB is 4.75 GiB.
			"thresholds as shares", &v1alpha1.KubeletConfiguration{EvictionHard: v1alpha1.EvictionThresholds{"memory.available": "5%", "nodefs.available": "12.5%"}},
			e5CPU, e5Memory - e5KubeReserved - 100*mib - 1578*mib, e5Disk - 4864*mib,
		},
		{
			"a threshold of nothing", &v1alpha1.KubeletConfiguration{EvictionHard: v1alpha1.EvictionThresholds{"memory.available": "0%", "nodefs.available": "0"}},
			e5CPU, e5Memory - e5KubeReserved - 100*mib, e5Disk,
		},
		{
			"signals and soft thresholds that allocatable does not know", &v1alpha1.KubeletConfiguration{
				EvictionHard: v1alpha1.EvictionThresholds{"imagefs.available": "50%", "nodefs.inodesFree": "10%"},
				EvictionSoft: v1alpha1.EvictionThresholds{"memory.available": "50%"},
			},
			e5CPU, e5Memory - e5KubeReserved - 200*mib, e5Disk - disk10,
		},
		{
			"a fraction of a millicore counts as one", &v1alpha1.KubeletConfiguration{SystemReserved: v1alpha1.ReservedResources{"cpu": "100500u"}},
			4000 - 98 - 101, e5Memory - e5KubeReserved - 200*mib, e5Disk - disk10,
		},
		{
			"what is no quantity counts as not given", &v1alpha1.KubeletConfiguration{
				KubeReserved: v1alpha1.ReservedResources{"cpu": "many", "memory": "-1Gi"},
				EvictionHard: v1alpha1.EvictionThresholds{"memory.available": "120%", "nodefs.available": "x%"},
			},
			e5CPU, e5Memory - e5KubeReserved - 200*mib, e5Disk - disk10,
		},
	} {
		t.Run(tc.says, func(t *testing.T) {
			k := resources.KubeletOf(tc.kubelet)
			allocatable := resources.Predict(machine, resources.PodLimits{}, k).Allocatable()
			require.Equal(t, tc.cpu, allocatable.Cpu().MilliValue(), "millicores")
			require.Equal(t, tc.memory, allocatable.Memory().Value(), "bytes of memory")
			require.Equal(t, tc.disk, allocatable.StorageEphemeral().Value(), "bytes of disk")
			cpu, memory, disk := resources.Remaining(machine, k)
			require.Equal(t, []int64{tc.cpu, tc.memory, tc.disk}, []int64{cpu, memory, disk}, "the short way gives the same")
		})
	}
}

func TestReservationsBeyondAnyMachineLeaveNothingAndDoNotOverflow(t *testing.T) {
	machine := resources.Machine{VCPUs: 4, MemoryGB: 32, BootVolumeGB: 50}
	for _, huge := range []string{"9E", "1e30", "9223372036854775807", "1000000Gi"} {
		k := resources.KubeletOf(&v1alpha1.KubeletConfiguration{
			KubeReserved:   v1alpha1.ReservedResources{"cpu": huge, "memory": huge, "ephemeral-storage": huge},
			SystemReserved: v1alpha1.ReservedResources{"cpu": huge, "memory": huge, "ephemeral-storage": huge},
			EvictionHard:   v1alpha1.EvictionThresholds{"memory.available": huge, "nodefs.available": huge},
		})
		cpu, memory, disk := resources.Remaining(machine, k)
		require.Negative(t, cpu, huge)
		require.Negative(t, memory, huge)
		require.Negative(t, disk, huge)
	}
}

// The simulated kubelet's own model, which shares no code with ours, reads the same settings.
func TestPredictionsAreAtMostWhatAKubeletWithTheSameSettingsReports(t *testing.T) {
	for _, c := range []v1alpha1.KubeletConfiguration{
		{},
		{KubeReserved: v1alpha1.ReservedResources{"cpu": "200m", "memory": "700Mi"}, SystemReserved: v1alpha1.ReservedResources{"cpu": "50m", "memory": "1G", "ephemeral-storage": "1Gi"}},
		{EvictionHard: v1alpha1.EvictionThresholds{"memory.available": "7.5%", "nodefs.available": "15%"}},
		{EvictionHard: v1alpha1.EvictionThresholds{"memory.available": "1Gi", "nodefs.available": "10Gi"}},
		{KubeReserved: v1alpha1.ReservedResources{"cpu": "80m"}, EvictionHard: v1alpha1.EvictionThresholds{"memory.available": "200Mi"}},
	} {
		for _, size := range []struct {
			vcpus    int
			memoryGB float64
		}{{2, 8}, {4, 32}, {16, 200}} {
			_, real, err := kubelet.Resources(
				kubelet.Hardware{VCPUs: size.vcpus, MemoryGB: size.memoryGB, BootVolumeSizeGB: 100, RootGrown: true},
				kubelet.Config{KubeReserved: c.KubeReserved, SystemReserved: c.SystemReserved, EvictionHard: c.EvictionHard}, 110)
			require.NoError(t, err)
			predicted := resources.Predict(
				resources.Machine{VCPUs: size.vcpus, MemoryGB: size.memoryGB, BootVolumeGB: 100}, resources.PodLimits{}, resources.KubeletOf(&c)).Allocatable()
			for name, q := range predicted {
				is := real[name]
				require.LessOrEqual(t, q.Cmp(is), 0, "%+v: %s predicted %s, is %s", c, name, q.String(), is.String())
			}
		}
	}
}
