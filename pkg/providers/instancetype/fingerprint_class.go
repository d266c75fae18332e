package instancetype

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/instancetype/resources"
)

// appendClass adds what paramsOf, variantOf and newSelector read of a node class.
func appendClass(b []byte, nodeClass *v1alpha1.OciNodeClass) []byte {
	spec, status := &nodeClass.Spec, &nodeClass.Status
	b = appendInt(b, nodeClass.BootVolumeSizeInGBs())
	b = appendInt(b, nodeClass.BootVolumeVpusPerGB())
	b = appendText(b, string(spec.LocalNVMePolicy))
	b = appendInt(b, int64(len(spec.BlockDevices)))
	for i := range spec.BlockDevices {
		b = appendInt(appendInt(b, spec.BlockDevices[i].SizeInGBs), spec.BlockDevices[i].VolumeVpusPerGB())
	}
	b = appendFlex(b, spec.Flex)
	b = appendKubelet(b, spec.Kubelet)
	b = appendPlacement(b, spec.Placement)
	if p := spec.PlatformConfig; p != nil {
		b = appendSwitch(append(b, 'p'), p.IsSecureBootEnabled)
		b = appendSwitch(appendSwitch(b, p.IsMeasuredBootEnabled), p.IsTrustedPlatformModuleEnabled)
		b = appendSwitch(appendSwitch(b, p.IsMemoryEncryptionEnabled), p.IsSymmetricMultiThreadingEnabled)
	}
	if n := spec.PodNetworking; n != nil && n.IPCount != nil {
		b = appendInt(append(b, 'n'), int64(*n.IPCount))
	}
	b = appendText(appendText(b, spec.MetaData[metadataNativePods]), spec.MetaData[metadataMaxPods])
	b = appendText(b, string(status.PodNetworking))

	b = appendInt(b, int64(len(status.Subnets)))
	for i := range status.Subnets {
		// By its id it is known whether a subnet has addresses left.
		b = appendText(appendText(b, status.Subnets[i].AvailabilityDomain), status.Subnets[i].ID)
	}
	b = appendInt(b, int64(len(status.PodSubnets)))
	for i := range status.PodSubnets {
		b = appendText(b, status.PodSubnets[i].ID)
	}
	b = appendZonal(appendZonal(b, status.ComputeClusters), status.ClusterPlacementGroups)
	b = appendInt(b, int64(len(status.DedicatedVMHosts)))
	for i := range status.DedicatedVMHosts {
		b = appendText(b, status.DedicatedVMHosts[i].AvailabilityDomain)
	}
	b = appendReservations(b, status.CapacityReservations)
	b = appendInt(b, int64(len(status.Images)))
	for i := range status.Images {
		requirements := status.Images[i].Requirements
		b = appendInt(b, int64(len(requirements)))
		for j := range requirements {
			b = appendRequirement(b, requirements[j].Key, requirements[j].Operator, requirements[j].Values)
		}
	}
	return b
}

// appendReservations leaves the counts out: they come from memory, which has a generation. So a status that is written anew with other
// counts changes no list.
func appendReservations(b []byte, reservations []v1alpha1.CapacityReservation) []byte {
	b = appendInt(b, int64(len(reservations)))
	for i := range reservations {
		r := &reservations[i]
		b = appendInt(appendText(appendText(b, r.ID), r.AvailabilityDomain), int64(len(r.Shapes)))
		for j := range r.Shapes {
			s := &r.Shapes[j]
			b = appendText(appendText(b, s.Shape), s.FaultDomain)
			for _, q := range [...]*resource.Quantity{s.OCPUs, s.Memory} {
				if q == nil {
					b = append(b, '-')
				} else {
					b = appendInt(append(b, '='), q.MilliValue())
				}
			}
		}
	}
	return b
}

func appendFlex(b []byte, f *v1alpha1.Flex) []byte {
	if f == nil {
		return b
	}
	b = append(b, 'f')
	if o := f.OCPUs; o != nil {
		b = appendNumber(appendNumber(append(b, 'o'), o.Min), o.Max)
	}
	if m := f.MemoryPerOCPU; m != nil {
		b = append(b, 'm')
		if m.Min != nil {
			b = appendInt(append(b, '<'), m.Min.Value())
		}
		if m.Max != nil {
			b = appendInt(append(b, '>'), m.Max.Value())
		}
	}
	b = appendSwitch(b, f.ExtendedMemory)
	b = appendInt(b, int64(len(f.Baselines)))
	for _, share := range f.Baselines {
		b = appendText(b, string(share))
	}
	return b
}

func appendKubelet(b []byte, k *v1alpha1.KubeletConfiguration) []byte {
	if k == nil {
		return b
	}
	b = append(b, 'k')
	for _, n := range [...]*int32{k.MaxPods, k.PodsPerCore} {
		if n == nil {
			b = append(b, '-')
		} else {
			b = appendInt(append(b, '='), int64(*n))
		}
	}
	for _, reserved := range [...]v1alpha1.ReservedResources{k.KubeReserved, k.SystemReserved} {
		b = appendText(b, reserved[string(corev1.ResourceCPU)])
		b = appendText(b, reserved[string(corev1.ResourceMemory)])
		b = appendText(b, reserved[string(corev1.ResourceEphemeralStorage)])
	}
	b = appendText(b, k.EvictionHard[resources.SignalMemory])
	return appendText(b, k.EvictionHard[resources.SignalNodeFS])
}

func appendPlacement(b []byte, p *v1alpha1.Placement) []byte {
	if p == nil {
		return b
	}
	b = appendInt(append(b, 'l'), int64(len(p.FaultDomains)))
	for _, domain := range p.FaultDomains {
		b = appendText(b, domain)
	}
	return appendInt(appendInt(b, int64(len(p.DedicatedVMHostSelector))), int64(len(p.ComputeClusterSelector)))
}

func appendZonal(b []byte, objects []v1alpha1.ZonalResource) []byte {
	b = appendInt(b, int64(len(objects)))
	for i := range objects {
		b = appendText(b, objects[i].AvailabilityDomain)
	}
	return b
}

func appendSwitch(b []byte, on *bool) []byte {
	switch {
	case on == nil:
		return append(b, '-')
	case *on:
		return append(b, '1')
	default:
		return append(b, '0')
	}
}

func appendNumber(b []byte, n *int64) []byte {
	if n == nil {
		return append(b, '-')
	}
	return appendInt(append(b, '='), *n)
}
