package instancetype_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/instancetype"
	"github.com/karpenter-oke/karpenter-oke/test/cluster/kubelets/kubelet"
)

// familyResources is what a node of a family gives, by OKE's own settings and a boot volume of 50 GB.
type familyResources struct {
	shape           string
	ocpus, memoryGB float64
	vcpus           int64
	capacityMiB     int64 // memory that the kubelet finds
	kubeMillis      int64 // CPU reserved for Kubernetes
	kubeBytes       int64 // memory reserved for Kubernetes
	allocatable     int64 // bytes of memory for pods
	flannelPods     int64
	nativePods      int64 // with VCN-native pod networking
	gpus            int64
	gpuVendor       string
}

// familyTable has a size of every family of the catalogue.
var familyTable = []familyResources{
	{"BM.DenseIO.E4.128", 128, 2048, 256, 2057640, 1358, 51260434678, 2106121770762, 110, 110, 0, ""},
	{"BM.DenseIO.E5.128", 128, 1536, 256, 1543080, 1358, 40265318400, 1577561620480, 110, 110, 0, ""},
	{"BM.DenseIO2.52", 52, 768, 104, 771240, 598, 23772643984, 784721395056, 110, 110, 0, ""},
	{"BM.GPU.A10.4", 64, 1024, 128, 1028520, 718, 29270202123, 1049001470197, 110, 110, 4, "nvidia"},
	{"BM.GPU.A100-v2.8", 128, 2048, 256, 2057640, 1358, 51260434678, 2106121770762, 110, 110, 8, "nvidia"},
	{"BM.GPU.B200.8", 128, 4096, 256, 4115880, 1358, 95240899789, 4220362371891, 110, 110, 8, "nvidia"},
	{"BM.GPU.GB200.4", 144, 960, 144, 964200, 798, 27895812588, 982931451412, 110, 110, 4, "nvidia"},
	{"BM.GPU.GB300.4", 144, 960, 144, 964200, 798, 27895812588, 982931451412, 110, 110, 4, "nvidia"},
	{"BM.GPU.H100.8", 112, 2048, 224, 2057640, 1198, 51260434678, 2106121770762, 110, 110, 8, "nvidia"},
	{"BM.GPU.H200.8", 112, 3072, 224, 3086760, 1198, 73250667234, 3163242071326, 110, 110, 8, "nvidia"},
	{"BM.GPU.L40S.4", 112, 1024, 224, 1028520, 1198, 29270202123, 1049001470197, 110, 110, 4, "nvidia"},
	{"BM.GPU.MI300X.8", 112, 2048, 224, 2057640, 1198, 51260434678, 2106121770762, 110, 110, 8, "amd"},
	{"BM.GPU.MI355X.8", 128, 3072, 256, 3086760, 1358, 73250667234, 3163242071326, 110, 110, 8, "amd"},
	{"BM.GPU2.2", 28, 256, 56, 256680, 358, 12777527706, 256161244774, 110, 110, 2, "nvidia"},
	{"BM.GPU3.8", 52, 768, 104, 771240, 598, 23772643984, 784721395056, 110, 110, 8, "nvidia"},
	{"BM.GPU4.8", 64, 2048, 128, 2057640, 718, 51260434678, 2106121770762, 110, 110, 8, "nvidia"},
	{"BM.HPC.E5.144", 144, 768, 288, 771240, 1518, 23772643984, 784721395056, 110, 110, 0, ""},
	{"BM.HPC2.36", 36, 384, 72, 385320, 438, 15526306776, 388301282344, 110, 110, 0, ""},
	{"BM.Optimized3.36", 36, 512, 72, 513960, 438, 18275085845, 520441319915, 110, 110, 0, ""},
	{"BM.Standard.A1.160", 160, 1024, 160, 1028520, 878, 29270202123, 1049001470197, 110, 110, 0, ""},
	{"BM.Standard.A4.48", 48, 768, 96, 771240, 558, 23772643984, 784721395056, 110, 110, 0, ""},
	{"BM.Standard.B1.44", 44, 512, 88, 513960, 518, 18275085845, 520441319915, 110, 110, 0, ""},
	{"BM.Standard.E2.64", 64, 512, 128, 513960, 718, 18275085845, 520441319915, 110, 110, 0, ""},
	{"BM.Standard.E3.128", 128, 2048, 256, 2057640, 1358, 51260434678, 2106121770762, 110, 110, 0, ""},
	{"BM.Standard.E4.128", 128, 2048, 256, 2057640, 1358, 51260434678, 2106121770762, 110, 110, 0, ""},
	{"BM.Standard.E5.192", 192, 2304, 384, 2314920, 1998, 56757992817, 2370401845903, 110, 110, 0, ""},
	{"BM.Standard.E6.256", 256, 3072, 512, 3086760, 2638, 73250667234, 3163242071326, 110, 110, 0, ""},
	{"BM.Standard1.36", 36, 256, 72, 256680, 438, 12777527706, 256161244774, 110, 110, 0, ""},
	{"BM.Standard2.52", 52, 768, 104, 771240, 598, 23772643984, 784721395056, 110, 110, 0, ""},
	{"BM.Standard3.64", 64, 1024, 128, 1028520, 718, 29270202123, 1049001470197, 110, 110, 0, ""},
	{"VM.DenseIO.E4.Flex", 8, 128, 16, 128040, 158, 10028748637, 124021207203, 110, 110, 0, ""},
	{"VM.DenseIO.E5.Flex", 8, 96, 16, 95880, 158, 8010114008, 92317637672, 110, 110, 0, ""},
	{"VM.DenseIO2.16", 16, 240, 32, 240600, 238, 12433930322, 239643740078, 110, 110, 0, ""},
	{"VM.GPU.A10.1", 15, 240, 30, 240600, 228, 12433930322, 239643740078, 110, 110, 1, "nvidia"},
	{"VM.GPU2.1", 12, 72, 24, 71760, 198, 6463925781, 68572172779, 110, 110, 1, "nvidia"},
	{"VM.GPU3.1", 6, 90, 12, 89850, 138, 7623566951, 86381271449, 110, 110, 1, "nvidia"},
	{"VM.Optimized3.Flex", 4, 32, 8, 31560, 118, 3886945403, 28996397957, 110, 110, 0, ""},
	{"VM.Standard.A1.Flex", 4, 32, 4, 31560, 98, 3886945403, 28996397957, 110, 93, 0, ""},
	{"VM.Standard.A2.Flex", 4, 32, 8, 31560, 118, 3886945403, 28996397957, 110, 93, 0, ""},
	{"VM.Standard.A4.Flex", 4, 32, 8, 31560, 118, 3886945403, 28996397957, 110, 93, 0, ""},
	{"VM.Standard.AMD.Generic", 4, 32, 8, 31560, 118, 3886945403, 28996397957, 110, 31, 0, ""},
	{"VM.Standard.Ampere.Generic", 4, 32, 4, 31560, 98, 3886945403, 28996397957, 110, 31, 0, ""},
	{"VM.Standard.B1.1", 1, 12, 2, 11460, 85, 2469606196, 9337359564, 110, 31, 0, ""},
	{"VM.Standard.E2.1", 1, 8, 2, 7440, 85, 2040109466, 5551580774, 110, 31, 0, ""},
	{"VM.Standard.E3.Flex", 4, 32, 8, 31560, 118, 3886945403, 28996397957, 110, 93, 0, ""},
	{"VM.Standard.E4.Flex", 4, 32, 8, 31560, 118, 3886945403, 28996397957, 110, 93, 0, ""},
	{"VM.Standard.E5.Flex", 4, 32, 8, 31560, 118, 3886945403, 28996397957, 110, 93, 0, ""},
	{"VM.Standard.E6.Flex", 4, 32, 8, 31560, 118, 3886945403, 28996397957, 110, 93, 0, ""},
	{"VM.Standard.E6.Ax.Flex", 4, 32, 8, 31560, 118, 3886945403, 28996397957, 110, 31, 0, ""},
	{"VM.Standard.Intel.Generic", 4, 32, 8, 31560, 118, 3886945403, 28996397957, 110, 31, 0, ""},
	{"VM.Standard.x86.Generic", 4, 32, 8, 31560, 118, 3886945403, 28996397957, 110, 31, 0, ""},
	{"VM.Standard1.1", 1, 7, 2, 6435, 85, 1932735284, 4605136076, 110, 31, 0, ""},
	{"VM.Standard2.1", 1, 15, 2, 14475, 85, 2791728743, 12176693657, 110, 31, 0, ""},
	{"VM.Standard3.Flex", 4, 32, 8, 31560, 118, 3886945403, 28996397957, 110, 93, 0, ""},
	{"VM.Standard4.Ax.Flex", 4, 32, 8, 31560, 118, 3886945403, 28996397957, 110, 31, 0, ""},
}

// Figures that OKE's documentation ("Best Practices": reserved resources of images since June 2024) and live nodes show. They are lower bounds
// of what a node keeps from pods, so that the table above may only be on their far side. The documentation's sample node (16 CPUs, 257197372 KiB
// of memory) is kept out: it reserves 21 GiB, twice what the documentation's own rule gives; such a node is learned when it registers.
type publishedBounds struct{}

// kubeMillis is OKE's table for as many cores as CPUs: 60, 70, 80, 85, 90 and 2.5 for each one above.
func (publishedBounds) kubeMillis(vcpus int64) int64 {
	first := []int64{0, 60, 70, 80, 85, 90}
	if vcpus < int64(len(first)) {
		return first[vcpus]
	}
	return 90 + int64(math.Floor(2.5*float64(vcpus-5)))
}

// kubeBytes is OKE's table of memory: 1 GiB at 4 and at 8 GiB, 2 at 16, 9 at 128, and 20 MiB for each GiB above; between the points the one below.
func (publishedBounds) kubeBytes(memoryGB float64) int64 {
	gib := int64(1) << 30
	switch {
	case memoryGB >= 128:
		return 9*gib + int64(memoryGB-128)*20<<20
	case memoryGB >= 16:
		return 2 * gib
	default:
		return gib
	}
}

// capacity is the tight bound of what hypervisor and kernel take on virtual machines: 570 MiB and 18 MiB a GB.
func (publishedBounds) capacityMiB(memoryGB float64) int64 {
	return int64(memoryGB*1024 - 570 - 18*memoryGB)
}

func TestEveryFamilyGivesWhatWasPublishedOrMeasuredAndNoMore(t *testing.T) {
	flannel, vcnNative := newEnv(t), newEnv(t, native)
	missing := map[string]bool{}
	for _, s := range flannel.shapes.snapshot.Shapes() {
		missing[s.Family] = true
	}
	for _, want := range familyTable {
		t.Run(want.shape, func(t *testing.T) {
			s, ok := flannel.shapes.snapshot.Shape(want.shape)
			require.True(t, ok)
			delete(missing, s.Family)
			size := instancetype.Size{ShapeName: want.shape, OCPUs: want.ocpus, MemoryGB: want.memoryGB}
			got, err := flannel.provider.Resources(size, nodeClass())
			require.NoError(t, err)
			gotNative, err := vcnNative.provider.Resources(size, nodeClass())
			require.NoError(t, err)
			allocatable := got.Allocatable()

			require.Equal(t, want.vcpus, got.Capacity.Cpu().Value(), "vCPUs")
			require.Equal(t, want.capacityMiB<<20, got.Capacity.Memory().Value(), "bytes of memory")
			require.Equal(t, want.kubeMillis, got.Overhead.KubeReserved.Cpu().MilliValue(), "millicores for Kubernetes")
			require.Equal(t, want.kubeBytes, got.Overhead.KubeReserved.Memory().Value(), "bytes for Kubernetes")
			require.EqualValues(t, 100, got.Overhead.SystemReserved.Cpu().MilliValue(), "millicores for the system")
			require.EqualValues(t, 100<<20, got.Overhead.SystemReserved.Memory().Value(), "bytes for the system")
			require.EqualValues(t, 100<<20, got.Overhead.EvictionThreshold.Memory().Value(), "bytes at which pods are evicted")
			require.Equal(t, want.vcpus*1000-want.kubeMillis-100, allocatable.Cpu().MilliValue(), "millicores for pods")
			require.Equal(t, want.allocatable, allocatable.Memory().Value(), "bytes for pods")
			require.Equal(t, want.flannelPods, got.Capacity.Pods().Value(), "pods with flannel")
			require.Equal(t, want.nativePods, gotNative.Capacity.Pods().Value(), "pods with VCN-native networking")
			for _, vendor := range []string{"nvidia", "amd"} {
				n := int64(0)
				if vendor == want.gpuVendor {
					n = want.gpus
				}
				require.Equal(t, n, got.Capacity.Name(corev1.ResourceName(vendor+".com/gpu"), "").Value(), "GPUs of %s", vendor)
			}

			bounds := publishedBounds{}
			require.LessOrEqual(t, want.capacityMiB, bounds.capacityMiB(want.memoryGB))
			require.GreaterOrEqual(t, want.kubeMillis, bounds.kubeMillis(want.vcpus))
			require.GreaterOrEqual(t, want.kubeBytes, bounds.kubeBytes(want.memoryGB))
			require.Equal(t, want.capacityMiB<<20-want.kubeBytes-200<<20, want.allocatable, "the table adds up")
		})
	}
	require.Empty(t, missing, "families without a row")
}

func TestTheDiskIsTheGrownBootVolumeOnEveryFamily(t *testing.T) {
	e := newEnv(t)
	for _, tc := range []struct{ bootVolumeGB, capacityGiB int64 }{{50, 38}, {100, 88}, {200, 188}, {1000, 988}, {32768, 32756}} {
		nc := nodeClass(func(nc *v1alpha1.OciNodeClass) {
			nc.Spec.BootConfig = &v1alpha1.BootConfig{BootVolumeSizeInGBs: &tc.bootVolumeGB}
		})
		for _, row := range familyTable {
			got, err := e.provider.Resources(instancetype.Size{ShapeName: row.shape, OCPUs: row.ocpus, MemoryGB: row.memoryGB}, nc)
			require.NoError(t, err)
			require.Equal(t, tc.capacityGiB<<30, got.Capacity.StorageEphemeral().Value(), "12 GiB are not in the root file system")
			allocatable := got.Allocatable()
			require.Equal(t, tc.capacityGiB<<30-(tc.capacityGiB<<30+9)/10, allocatable.StorageEphemeral().Value(), "a tenth stays free")
		}
	}
}

func TestTheDiskIsTheLocalDrivesWhereTheClassUsesThem(t *testing.T) {
	e := newEnv(t)
	raid := func(nc *v1alpha1.OciNodeClass) { nc.Spec.LocalNVMePolicy = v1alpha1.LocalNVMePolicyRAID0 }
	const gb = int64(1_000_000_000)
	for _, tc := range []struct {
		size           instancetype.Size
		capacity       int64
		drives, driveG int
	}{
		{instancetype.Size{ShapeName: "VM.DenseIO.E5.Flex", OCPUs: 8, MemoryGB: 96}, 6732 * gb, 1, 6800},
		{instancetype.Size{ShapeName: "VM.DenseIO.E5.Flex", OCPUs: 48, MemoryGB: 576}, 40392 * gb, 6, 6800},
		{instancetype.Size{ShapeName: "BM.DenseIO.E4.128", OCPUs: 128, MemoryGB: 2048}, 53856 * gb, 8, 6800},
		{instancetype.Size{ShapeName: "BM.GPU.A10.4", OCPUs: 64, MemoryGB: 1024}, 7603_200_000_000, 2, 3840},
		{instancetype.Size{ShapeName: "BM.Standard.E6.256", OCPUs: 256, MemoryGB: 3072}, 1900_800_000_000, 1, 1920},
	} {
		got, err := e.provider.Resources(tc.size, nodeClass(raid))
		require.NoError(t, err)
		require.Equal(t, tc.capacity, got.Capacity.StorageEphemeral().Value(), "%s: a hundredth is the file system's", tc.size.ShapeName)
		raw := int64(tc.drives*tc.driveG) * gb
		_, real, err := kubelet.Resources(kubelet.Hardware{
			VCPUs: 2 * int(tc.size.OCPUs), MemoryGB: tc.size.MemoryGB, PodDiskBytes: raw - int64(tc.drives)<<27 - 2<<30, RootGrown: true, BootVolumeSizeGB: 50,
		}, kubelet.Config{}, 110)
		require.NoError(t, err)
		allocatable := got.Allocatable()
		require.Equal(t, tc.capacity-(tc.capacity+9)/10, allocatable.StorageEphemeral().Value(), "a tenth stays free")
		require.LessOrEqual(t, allocatable.StorageEphemeral().Value(), real.StorageEphemeral().Value(), "never more than a node has")

		got, err = e.provider.Resources(tc.size, nodeClass())
		require.NoError(t, err)
		require.Equal(t, int64(38)<<30, got.Capacity.StorageEphemeral().Value(), "nothing is done with them unless the class says so")
	}
	got, err := e.provider.Resources(instancetype.Size{ShapeName: "VM.Standard.E5.Flex", OCPUs: 8, MemoryGB: 96}, nodeClass(raid))
	require.NoError(t, err)
	require.Equal(t, int64(38)<<30, got.Capacity.StorageEphemeral().Value(), "a shape without such drives has its boot volume")

	without, with := e.list(t, nodeClass(), family("VM.DenseIO.E5")), e.list(t, nodeClass(raid), family("VM.DenseIO.E5"))
	const name = "VM.DenseIO.E5.Flex.8o.96g"
	require.Equal(t, int64(38)<<30, find(t, without, name).Capacity.StorageEphemeral().Value())
	require.Equal(t, 6732*gb, find(t, with, name).Capacity.StorageEphemeral().Value(), "a list of another class is no answer for this one")
	require.InDelta(t, find(t, without, name).Offerings.Cheapest().Price, find(t, with, name).Offerings.Cheapest().Price, 1e-9, "the drives are paid for either way")
}

func TestBlockVolumesOfTheClassTakeFromTheAttachmentsOfEveryType(t *testing.T) {
	e := newEnv(t)
	for _, n := range []int{0, 1, 5, 32, 40} {
		nc := nodeClass(func(nc *v1alpha1.OciNodeClass) {
			for range n {
				nc.Spec.BlockDevices = append(nc.Spec.BlockDevices, v1alpha1.BlockDevice{SizeInGBs: 50})
			}
		})
		for _, it := range e.list(t, nc, family("VM.Standard.E5", "BM.Standard.E4", "VM.GPU.A10")) {
			require.Equal(t, map[string]int{"blockvolume.csi.oraclecloud.com": max(32-n, 0)}, it.VolumeAttachmentLimits, it.Name)
		}
	}
}
