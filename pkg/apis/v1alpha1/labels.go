package v1alpha1

import (
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/cloudprovider"
)

// Labels of nodes and instance types. Each is defined on every instance type, with DoesNotExist where it does not apply.
// Numeric labels are integers, so that NodePools may use Gt and Lt.
const (
	// LabelInstanceShapeName is OCI's shape, such as VM.Standard.E5.Flex.
	LabelInstanceShapeName = Group + "/instance-shape-name"
	// LabelInstanceCPU is the number of vCPUs as the kubelet counts them.
	LabelInstanceCPU = Group + "/instance-cpu"
	// LabelInstanceOCPU is the number of OCPUs that OCI bills.
	LabelInstanceOCPU = Group + "/instance-ocpu"
	// LabelInstanceMemory is the memory in MiB that OCI bills, before any overhead.
	LabelInstanceMemory = Group + "/instance-memory"
	// LabelInstanceGPU is the number of GPUs.
	LabelInstanceGPU = Group + "/instance-gpu"
	// LabelInstanceGPUName is the GPU's model in lower case, such as a10 or h100.
	LabelInstanceGPUName = Group + "/instance-gpu-name"
	// LabelInstanceGPUManufacturer is nvidia or amd.
	LabelInstanceGPUManufacturer = Group + "/instance-gpu-manufacturer"
	// LabelInstanceGPUMemory is the memory of each GPU in GB.
	LabelInstanceGPUMemory = Group + "/instance-gpu-memory"
	// LabelInstanceGPUDescription is OCI's own description of the GPU, made a legal label value.
	LabelInstanceGPUDescription = Group + "/instance-gpu-description"
	// LabelInstanceNetworkBandwidth is the network bandwidth in Mbit/s, counted as 1024 to the Gbit/s.
	LabelInstanceNetworkBandwidth = Group + "/instance-network-bandwidth"
	// LabelInstanceMaxVNICs is how many VNICs can be attached.
	LabelInstanceMaxVNICs = Group + "/instance-max-vnics"
	// LabelIsFlexible is "true" on shapes whose OCPUs and memory are chosen at launch, else "false".
	LabelIsFlexible = Group + "/is-flexible"
	// LabelInstanceFamily is the shape without its size, such as VM.Standard.E5 or BM.GPU.H100.
	LabelInstanceFamily = Group + "/instance-family"
	// LabelInstanceGeneration is the processor generation as in the shape's name, such as E5, A1 or 3.
	LabelInstanceGeneration = Group + "/instance-generation"
	// LabelInstanceCategory is standard, denseio, optimized, gpu or hpc.
	LabelInstanceCategory = Group + "/instance-category"
	// LabelInstanceCPUManufacturer is amd, intel, ampere or nvidia.
	LabelInstanceCPUManufacturer = Group + "/instance-cpu-manufacturer"
	// LabelInstanceLocalNVMe is the size of local NVMe disks in GB.
	LabelInstanceLocalNVMe = Group + "/instance-local-nvme"
	// LabelInstanceHypervisor is vm for virtual machines and bm for bare metal.
	LabelInstanceHypervisor = Group + "/instance-hypervisor"
	// LabelInstanceRDMA is "true" on shapes with RDMA network ports, else "false".
	LabelInstanceRDMA = Group + "/instance-rdma"
	// LabelBaselineOCPUUtilization is the share of a burstable instance's OCPUs that is always there, in percent.
	LabelBaselineOCPUUtilization = Group + "/baseline-ocpu-utilization"
	// LabelInstanceExtendedMemory is "true" on sizes beyond what one processor socket has; other sizes have no such label.
	LabelInstanceExtendedMemory = Group + "/instance-extended-memory"
	// LabelFaultDomain is the fault domain in the availability domain, such as FAULT-DOMAIN-1.
	LabelFaultDomain = Group + "/fault-domain"
	// LabelCapacityReservationID is the last part of the OCID of the capacity reservation that a reserved offering uses.
	LabelCapacityReservationID = Group + "/capacity-reservation-id"
	// LabelCapacityReservationSlot is the shape, size and fault domain of the reservation that a reserved offering uses, as one short
	// name: a reservation holds several, and counts each by itself.
	LabelCapacityReservationSlot = Group + "/capacity-reservation-slot"
	// LabelNodeClass is put by Karpenter core on every NodeClaim and Node; its value is the OciNodeClass's name.
	LabelNodeClass = Group + "/ocinodeclass"
)

// WellKnownLabels lists the labels above that instance types define.
var WellKnownLabels = []string{
	LabelInstanceShapeName,
	LabelInstanceCPU,
	LabelInstanceOCPU,
	LabelInstanceMemory,
	LabelInstanceGPU,
	LabelInstanceGPUName,
	LabelInstanceGPUManufacturer,
	LabelInstanceGPUMemory,
	LabelInstanceGPUDescription,
	LabelInstanceNetworkBandwidth,
	LabelInstanceMaxVNICs,
	LabelIsFlexible,
	LabelInstanceFamily,
	LabelInstanceGeneration,
	LabelInstanceCategory,
	LabelInstanceCPUManufacturer,
	LabelInstanceLocalNVMe,
	LabelInstanceHypervisor,
	LabelInstanceRDMA,
	LabelBaselineOCPUUtilization,
	LabelInstanceExtendedMemory,
	LabelCapacityReservationID,
	LabelCapacityReservationSlot,
}

// Annotations.
const (
	// AnnotationInstanceOCPUs and AnnotationInstanceMemoryGB on a NodeClaim and its Node give the size that was launched.
	AnnotationInstanceOCPUs    = Group + "/instance-ocpus"
	AnnotationInstanceMemoryGB = Group + "/instance-memory-gb"
	// AnnotationNodeClassHash and AnnotationNodeClassHashVersion record the node class that a NodeClaim was launched from.
	AnnotationNodeClassHash        = Group + "/ocinodeclass-hash"
	AnnotationNodeClassHashVersion = Group + "/ocinodeclass-hash-version"
	// AnnotationAdoptImage on an OciNodeClass names images, by OCID or name and separated by commas, that the class may use although nodes
	// of theirs did not register.
	AnnotationAdoptImage = Group + "/adopt-image"
)

// Annotations of a NodeClaim that record how its instance was launched, so that drift is found without a call.
const (
	// AnnotationLaunchAttempt is what OCI was last asked for, as JSON. It is written before OCI is asked, so that a process that takes over
	// repeats the same launch.
	AnnotationLaunchAttempt = Group + "/launch-attempt"
	// AnnotationCompartmentID is the compartment of the instance.
	AnnotationCompartmentID = Group + "/compartment-id"
	// AnnotationSubnetID is the subnet of the instance's VNIC.
	AnnotationSubnetID = Group + "/subnet-id"
	// AnnotationSecurityGroupIDs are the network security groups of the VNIC, comma-separated and in order.
	AnnotationSecurityGroupIDs = Group + "/security-group-ids"
	// AnnotationPlacementIDs are the compute cluster, cluster placement group or dedicated VM host of the instance.
	AnnotationPlacementIDs = Group + "/placement-ids"
	// AnnotationAppliedTags are the keys of the tags that the node class has put on the instance, as JSON.
	AnnotationAppliedTags = Group + "/applied-tags"
)

// AnnotationMaintenanceDue on a NodeClaim is when Oracle may begin to work on its instance, in RFC 3339; absent when nothing is announced.
const AnnotationMaintenanceDue = Group + "/maintenance-due"

// TerminationFinalizer keeps an OciNodeClass until no NodeClaim uses it.
const TerminationFinalizer = Group + "/termination"

// Freeform tags that mark an instance as ours; an instance without the cluster's tag is never touched. OCI allows 10 freeform
// tags on a resource, so name and UID share one tag ("name/uid"), and there are no more than MaxOwnFreeformTags of them.
const (
	TagPrefix       = "karpenter-oke-"
	TagClusterID    = TagPrefix + "cluster-id"
	TagNodePool     = TagPrefix + "nodepool"
	TagNodeClaim    = TagPrefix + "nodeclaim"
	TagNodeClass    = TagPrefix + "nodeclass"
	TagInstanceType = TagPrefix + "instance-type"

	MaxOwnFreeformTags = 5
)

func init() {
	karpv1.RestrictedLabelDomains.Insert(Group)
	karpv1.WellKnownLabels.Insert(WellKnownLabels...)
	karpv1.WellKnownLabels.Insert(LabelFaultDomain)
	// Core counts what is left of a reservation by this label.
	cloudprovider.ReservationIDLabel = LabelCapacityReservationSlot
	cloudprovider.ReservedCapacityLabels.Insert(LabelCapacityReservationID, LabelCapacityReservationSlot)
	// NodePools may say "preemptible", OCI's own word, for spot. Core reads it as spot wherever it reads requirements, so that is
	// what NodeClaims and nodes carry. A pod's selector must say spot: Kubernetes' scheduler knows no alias.
	karpv1.NormalizedLabelValues[karpv1.CapacityTypeLabelKey] = map[string]string{capacityTypePreemptible: karpv1.CapacityTypeSpot}
	karpv1.WellKnownValuesForRequirements[karpv1.CapacityTypeLabelKey].Insert(capacityTypePreemptible)
}

// capacityTypePreemptible is another name of spot in the requirements of NodePools.
const capacityTypePreemptible = "preemptible"
