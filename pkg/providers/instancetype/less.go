package instancetype

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/karpenter-oke/karpenter-oke/pkg/providers/instancetype/resources"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/learned"
)

// less takes from a prediction, which it changes, what nodes were seen to lack: memory and pods from the capacity, the rest as if the kubelet
// reserved more. Nothing falls below 0.
func less(r resources.Resources, lacking learned.Shortfall) resources.Resources {
	if lacking.Zero() {
		return r
	}
	reduce(r.Capacity, corev1.ResourceMemory, lacking.Memory)
	reduce(r.Capacity, corev1.ResourcePods, lacking.Rest.Pods)
	reserved := r.Overhead.KubeReserved
	for name, more := range map[corev1.ResourceName]*resource.Quantity{
		corev1.ResourceMemory:           resource.NewQuantity(lacking.Rest.Memory, resource.BinarySI),
		corev1.ResourceCPU:              resource.NewMilliQuantity(lacking.Rest.CPUMillis, resource.DecimalSI),
		corev1.ResourceEphemeralStorage: resource.NewQuantity(lacking.Rest.Disk, resource.BinarySI),
	} {
		if more.IsZero() {
			continue
		}
		have := reserved[name]
		have.Add(*more)
		reserved[name] = have
	}
	return r
}

func reduce(list corev1.ResourceList, name corev1.ResourceName, by int64) {
	if by <= 0 {
		return
	}
	have := list[name]
	list[name] = *resource.NewQuantity(max(have.Value()-by, 0), have.Format)
}

// learnedSize is the cell as nodes of it are remembered.
func (c *cell) learnedSize() learned.Size {
	return learned.Size{Shape: c.shape.Name, OCPUs: c.ocpus, MemoryGB: c.memoryGB}
}

// Lacking is by how much a node with these resources is smaller than the model, which may be nothing. A resource of which the node says
// nothing, or 0, is not known yet and lacks nothing.
func Lacking(model resources.Resources, capacity, allocatable corev1.ResourceList) learned.Shortfall {
	var s learned.Shortfall
	if is := capacity.Memory(); !is.IsZero() {
		s.Memory = max(model.Capacity.Memory().Value()-is.Value(), 0)
	}
	left := model.Allocatable()
	missing := func(name corev1.ResourceName) resource.Quantity {
		is, ok := allocatable[name]
		if !ok || is.IsZero() {
			return resource.Quantity{}
		}
		lack := left[name].DeepCopy()
		lack.Sub(is)
		if lack.Sign() < 0 {
			return resource.Quantity{}
		}
		return lack
	}
	memory, cpu, disk, pods := missing(corev1.ResourceMemory), missing(corev1.ResourceCPU), missing(corev1.ResourceEphemeralStorage), missing(corev1.ResourcePods)
	s.Rest = learned.Amounts{Memory: max(memory.Value()-s.Memory, 0), CPUMillis: cpu.MilliValue(), Disk: disk.Value(), Pods: pods.Value()}
	return s
}
