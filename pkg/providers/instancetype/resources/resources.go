// Package resources predicts what a node of a certain size gives to pods.
//
// Every figure errs on the small side: a prediction that is too large makes core buy nodes on which the pods it bought them for do not
// fit, again and again; one that is too small wastes a little. OKE's image decides the real reservations (no kubelet flags are passed for
// them), so the reservations here are upper bounds of what was published and measured. All sizes are bytes.
package resources

import (
	"math"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"sigs.k8s.io/karpenter/pkg/cloudprovider"
)

const (
	mib = int64(1) << 20
	gib = int64(1) << 30

	// vmOverheadFixed and vmOverheadPerGB bound the memory that firmware, hypervisor and kernel take before the kubelet counts it.
	// Measured MemTotal: 8 GB -> 7657 MiB, 12 GB -> 619 MiB lost, 50 GB -> 1374, 128 GB -> 2780 (A1); 32 GB -> 30.89 GiB (E5). All lie
	// under 570 MiB + 18 MiB a GB; the bound is a little above. Bare metal has no hypervisor but the same page tables of the kernel
	// (64 bytes for each 4 KiB page are 16 MiB a GiB), so it has the same bound.
	vmOverheadFixed = 600 * mib
	vmOverheadPerGB = 19 * mib

	// System reservation of OKE images since June 2024 (documentation of OKE, "Best Practices").
	systemReservedCPUMillis = 100
	systemReservedMemory    = 100 * mib
	// evictionMemory and evictionNodeFSPercent are the kubelet's defaults: memory.available<100Mi, nodefs.available<10%.
	evictionMemory        = 100 * mib
	evictionNodeFSPercent = 10

	// diskOutsideRoot is the part of a boot volume that is not the root file system after it was grown. OKE images have 1 GiB /boot,
	// 0.1 GiB EFI and a 10 GiB volume for /var/oled; an ungrown 46.6 GB volume shows 37177616 KiB, which is 11.1 GiB less.
	diskOutsideRoot = 12 * gib

	// localGB is what makers of drives, and so ListShapes, call a GB. localFileSystemPercent is kept from what a file system on them is
	// expected to hold: the array's and XFS's own structures are less (128 MiB a drive, and a journal of 2 GiB at most).
	localGB                = int64(1_000_000_000)
	localFileSystemPercent = 1

	// VolumeDriver is the CSI driver of block volumes, VolumesPerNode what it reports for every node (oci-cloud-controller-manager).
	VolumeDriver   = "blockvolume.csi.oraclecloud.com"
	VolumesPerNode = 32

	// ResourceNVIDIAGPU and ResourceAMDGPU are the resources of the makers' device plugins.
	ResourceNVIDIAGPU = corev1.ResourceName("nvidia.com/gpu")
	ResourceAMDGPU    = corev1.ResourceName("amd.com/gpu")
)

// Machine is what the prediction needs to know of a node.
type Machine struct {
	VCPUs        int
	MemoryGB     float64 // what OCI calls GB: 2^30 bytes
	BootVolumeGB int64
	// LocalNVMeGB is the size of local drives, in 10^9 bytes, where they hold what pods write; 0 where the boot volume does.
	LocalNVMeGB     float64
	VNICs           int
	GPUs            int
	GPUManufacturer string // amd, or anything else for NVIDIA
}

// Resources is the prediction for a node.
type Resources struct {
	Capacity corev1.ResourceList
	Overhead *cloudprovider.InstanceTypeOverhead
}

// figures are the numbers of a prediction, in millicores and bytes.
type figures struct {
	memory, disk           int64
	kube, system, eviction amounts
}

// amounts are what is kept from pods.
type amounts struct{ cpuMillis, memory, disk int64 }

func figuresOf(m Machine, k Kubelet) figures {
	f := figures{memory: MemoryCapacity(m.MemoryGB), disk: DiskCapacity(m)}
	f.kube = amounts{
		cpuMillis: k.KubeReserved.CPUMillis.or(KubeReservedCPUMillis(m.VCPUs)),
		memory:    k.KubeReserved.Memory.or(KubeReservedMemory(m.MemoryGB)),
		disk:      k.KubeReserved.Disk.or(0),
	}
	f.system = amounts{
		cpuMillis: k.SystemReserved.CPUMillis.or(systemReservedCPUMillis),
		memory:    k.SystemReserved.Memory.or(systemReservedMemory),
		disk:      k.SystemReserved.Disk.or(0),
	}
	f.eviction = amounts{
		memory: k.EvictionMemory.of(f.memory, evictionMemory),
		disk:   k.EvictionDisk.of(f.disk, ceilPercent(f.disk, evictionNodeFSPercent)),
	}
	return f
}

// Remaining is what a prediction leaves for pods: millicores, and bytes of memory and of disk. Below 0 where the reservations do not even
// fit; a kubelet does not start then.
func Remaining(m Machine, k Kubelet) (cpuMillis, memory, disk int64) {
	f := figuresOf(m, k)
	return int64(m.VCPUs)*1000 - f.kube.cpuMillis - f.system.cpuMillis,
		f.memory - f.kube.memory - f.system.memory - f.eviction.memory,
		f.disk - f.kube.disk - f.system.disk - f.eviction.disk
}

// Predict computes the resources of a machine.
func Predict(m Machine, limits PodLimits, k Kubelet) Resources {
	f := figuresOf(m, k)
	capacity := corev1.ResourceList{
		corev1.ResourceCPU:              *resource.NewQuantity(int64(m.VCPUs), resource.DecimalSI),
		corev1.ResourceMemory:           *resource.NewQuantity(f.memory, resource.BinarySI),
		corev1.ResourceEphemeralStorage: *resource.NewQuantity(f.disk, resource.BinarySI),
		corev1.ResourcePods:             *resource.NewQuantity(int64(Pods(m.VNICs, m.VCPUs, limits)), resource.DecimalSI),
	}
	if m.GPUs > 0 {
		name := ResourceNVIDIAGPU
		if m.GPUManufacturer == "amd" {
			name = ResourceAMDGPU
		}
		capacity[name] = *resource.NewQuantity(int64(m.GPUs), resource.DecimalSI)
	}
	return Resources{
		Capacity: capacity,
		Overhead: &cloudprovider.InstanceTypeOverhead{
			KubeReserved: f.kube.list(), SystemReserved: f.system.list(),
			EvictionThreshold: corev1.ResourceList{
				corev1.ResourceMemory:           *resource.NewQuantity(f.eviction.memory, resource.BinarySI),
				corev1.ResourceEphemeralStorage: *resource.NewQuantity(f.eviction.disk, resource.BinarySI),
			},
		},
	}
}

func (a amounts) list() corev1.ResourceList {
	list := corev1.ResourceList{
		corev1.ResourceCPU:    *resource.NewMilliQuantity(a.cpuMillis, resource.DecimalSI),
		corev1.ResourceMemory: *resource.NewQuantity(a.memory, resource.BinarySI),
	}
	if a.disk > 0 {
		list[corev1.ResourceEphemeralStorage] = *resource.NewQuantity(a.disk, resource.BinarySI)
	}
	return list
}

// DiskCapacity is a lower bound in bytes of the file system that holds what pods write; it is never below 0.
func DiskCapacity(m Machine) int64 {
	if m.LocalNVMeGB > 0 {
		raw := int64(m.LocalNVMeGB * float64(localGB))
		return raw - ceilPercent(raw, localFileSystemPercent)
	}
	return max(m.BootVolumeGB*gib-diskOutsideRoot, 0)
}

// MemoryCapacity is a lower bound of the memory in bytes that the kubelet finds on a node with so many GB; it is never below 0.
func MemoryCapacity(memoryGB float64) int64 {
	declared := int64(memoryGB * float64(gib))
	lost := vmOverheadFixed + int64(math.Ceil(memoryGB*float64(vmOverheadPerGB)))
	return max(declared-lost, 0)
}

// KubeReservedMemory is an upper bound in bytes of what OKE's images reserve for Kubernetes. OKE documents 1 GiB for 4 GiB of memory, 1
// for 8, 2 for 16, 9 for 128 and 20 MiB for each GiB above. Live nodes show a step function that follows the line 1 GiB up to 4 GiB, 20 %
// of the next 4, 10 % of the next 8, 6 % up to 128 and 2 % above; the line is read 1 GB further on, because a node that was seen with
// 39 GB reserved 4 GiB where the line gives 3.98.
func KubeReservedMemory(memoryGB float64) int64 {
	reserved := 1.0
	memoryGB++
	for _, step := range []struct{ from, to, share float64 }{{4, 8, 0.20}, {8, 16, 0.10}, {16, 128, 0.06}, {128, math.Inf(1), 0.02}} {
		if memoryGB > step.from {
			reserved += (min(memoryGB, step.to) - step.from) * step.share
		}
	}
	return int64(math.Ceil(reserved * float64(gib)))
}

// KubeReservedCPUMillis is an upper bound in millicores of what OKE's images reserve for Kubernetes. OKE documents 60, 70, 80, 85 and 90
// millicores for 1 to 5 cores and 2.5 for each core above; its own sample node with 16 CPUs reserves 157, which is the figure for 32
// cores, so a CPU is counted as two cores.
func KubeReservedCPUMillis(vcpus int) int64 {
	first := []int64{0, 60, 70, 80, 85, 90}
	cores := 2 * vcpus
	if cores < len(first) {
		return first[max(cores, 0)]
	}
	return first[len(first)-1] + int64(math.Ceil(2.5*float64(cores-len(first)+1)))
}

func ceilPercent(value, percent int64) int64 { return (value*percent + 99) / 100 }

// Allocatable is what the prediction leaves for pods.
func (r Resources) Allocatable() corev1.ResourceList {
	// The type does core's own arithmetic, so the two cannot differ.
	return (&cloudprovider.InstanceType{Capacity: r.Capacity, Overhead: r.Overhead}).Allocatable()
}

// AllocatableMemory is what Predict leaves of so many GB in bytes; below 0 when the reservations do not even fit.
func AllocatableMemory(memoryGB float64) int64 {
	return MemoryCapacity(memoryGB) - KubeReservedMemory(memoryGB) - systemReservedMemory - evictionMemory
}
