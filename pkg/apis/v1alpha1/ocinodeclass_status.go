package v1alpha1

import (
	"github.com/awslabs/operatorpkg/status"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// OciNodeClassStatus is what the spec was resolved to.
type OciNodeClassStatus struct {
	// images are the images that nodes use, one for each architecture and GPU build.
	// +optional
	Images []Image `json:"images,omitempty"`
	// heldImages are images that are not used, because their nodes did not register while those of another image do.
	// +optional
	HeldImages []HeldImage `json:"heldImages,omitempty"`
	// subnets are the subnets that nodes are placed in.
	// +optional
	Subnets []Subnet `json:"subnets,omitempty"`
	// securityGroups are the network security groups that nodes join.
	// +optional
	SecurityGroups []SecurityGroup `json:"securityGroups,omitempty"`
	// podNetworking is how pods on the nodes get their addresses: Flannel or VCNNative.
	// +optional
	PodNetworking PodNetworkingType `json:"podNetworking,omitempty"`
	// podSubnets are the subnets that pods get their addresses from, where they are not the node's.
	// +optional
	PodSubnets []Subnet `json:"podSubnets,omitempty"`
	// podSecurityGroups are the network security groups that pods join, where they are not the node's.
	// +optional
	PodSecurityGroups []SecurityGroup `json:"podSecurityGroups,omitempty"`
	// compartment is where instances are launched.
	// +optional
	Compartment *Compartment `json:"compartment,omitempty"`
	// kmsKeys are the vault keys that encrypt the volumes.
	// +optional
	KMSKeys []KMSKey `json:"kmsKeys,omitempty"`
	// capacityReservations are the reservations that nodes of capacity type reserved use.
	// +optional
	CapacityReservations []CapacityReservation `json:"capacityReservations,omitempty"`
	// computeClusters are the compute clusters that nodes are launched into.
	// +optional
	ComputeClusters []ZonalResource `json:"computeClusters,omitempty"`
	// clusterPlacementGroups are the groups that nodes are launched into.
	// +optional
	ClusterPlacementGroups []ZonalResource `json:"clusterPlacementGroups,omitempty"`
	// dedicatedVmHosts are the hosts that nodes are launched on.
	// +optional
	DedicatedVMHosts []DedicatedVMHost `json:"dedicatedVmHosts,omitempty"`
	// nodes is how many NodeClaims use the class.
	// +optional
	Nodes int32 `json:"nodes"`
	// conditions say what is ready and, where something is not, what to do.
	// +optional
	Conditions []status.Condition `json:"conditions,omitempty"`
}

// Image is an image that nodes use.
type Image struct {
	// id is the OCID of the image.
	ID string `json:"id"`
	// name is its display name.
	// +optional
	Name string `json:"name,omitempty"`
	// compartmentId is where the image lives; empty for Oracle's platform images.
	// +optional
	CompartmentID string `json:"compartmentId,omitempty"`
	// kubernetesVersion is the kubelet's version that the image carries, such as v1.34.1; empty when the image does not say.
	// +optional
	KubernetesVersion string `json:"kubernetesVersion,omitempty"`
	// requirements are what an instance type must meet to run the image: architecture, and a GPU manufacturer or none.
	// +optional
	Requirements []corev1.NodeSelectorRequirement `json:"requirements,omitempty"`
	// successor is a newer image for the same instance types that is not in use yet.
	// +optional
	Successor *ImageSuccessor `json:"successor,omitempty"`
}

// ImageSuccessor is a newer image that waits for its soak, or that imagePolicy Pinned keeps away.
type ImageSuccessor struct {
	// id is the OCID of the image.
	ID string `json:"id"`
	// name is its display name.
	// +optional
	Name string `json:"name,omitempty"`
	// kubernetesVersion is the kubelet's version that the image carries; empty when the image does not say.
	// +optional
	KubernetesVersion string `json:"kubernetesVersion,omitempty"`
	// adoptAfter is when the image replaces the one in use; empty with imagePolicy Pinned.
	// +optional
	AdoptAfter *metav1.Time `json:"adoptAfter,omitempty"`
}

// HeldImage is an image that the class went back from. A newer image takes its place in due course; the annotation
// karpenter.k8s.oracle/adopt-image of the class tries this one again.
type HeldImage struct {
	// id is the OCID of the image.
	ID string `json:"id"`
	// name is its display name.
	// +optional
	Name string `json:"name,omitempty"`
}

// Subnet is a subnet that a selector term resolved to.
type Subnet struct {
	// id is the OCID of the subnet.
	ID string `json:"id"`
	// name is its display name.
	// +optional
	Name string `json:"name,omitempty"`
	// availabilityDomain is the full name (such as Uocm:PHX-AD-1) of the only domain an AD-specific subnet serves; empty
	// for a regional subnet.
	// +optional
	AvailabilityDomain string `json:"availabilityDomain,omitempty"`
	// availableIpAddresses is how many IPv4 addresses were free when the class was last resolved; empty when that is not
	// known.
	// +optional
	AvailableIPAddresses *int64 `json:"availableIpAddresses,omitempty"`
	// ipv6 is true for a subnet with an IPv6 prefix.
	// +optional
	IPv6 bool `json:"ipv6,omitempty"`
}

// SecurityGroup is a network security group that a selector term resolved to.
type SecurityGroup struct {
	// id is the OCID of the network security group.
	ID string `json:"id"`
	// name is its display name.
	// +optional
	Name string `json:"name,omitempty"`
}

// Compartment is a compartment that was found.
type Compartment struct {
	// id is the OCID of the compartment.
	ID string `json:"id"`
	// name is its name.
	// +optional
	Name string `json:"name,omitempty"`
}

// KMSKey is a vault key that was found.
type KMSKey struct {
	// id is the OCID of the key.
	ID string `json:"id"`
	// name is its display name.
	// +optional
	Name string `json:"name,omitempty"`
}

// ZonalResource is something of one availability domain that a selector term resolved to.
type ZonalResource struct {
	// id is its OCID.
	ID string `json:"id"`
	// name is its display name.
	// +optional
	Name string `json:"name,omitempty"`
	// availabilityDomain is the full name of its availability domain, such as Uocm:PHX-AD-1.
	AvailabilityDomain string `json:"availabilityDomain"`
}

// DedicatedVMHost is a dedicated VM host that a selector term resolved to.
type DedicatedVMHost struct {
	ZonalResource `json:",inline"`
	// faultDomain is the fault domain of the host.
	// +optional
	FaultDomain string `json:"faultDomain,omitempty"`
	// remainingOcpus is how many OCPUs were free when the class was last resolved.
	// +optional
	RemainingOCPUs *resource.Quantity `json:"remainingOcpus,omitempty"`
	// remainingMemory is how much memory was free when the class was last resolved.
	// +optional
	RemainingMemory *resource.Quantity `json:"remainingMemory,omitempty"`
}

// CapacityReservation is a capacity reservation that a selector term resolved to.
type CapacityReservation struct {
	ZonalResource `json:",inline"`
	// shapes are what is reserved.
	// +optional
	Shapes []ReservedShape `json:"shapes,omitempty"`
}

// ReservedShape is a number of instances of one size in a capacity reservation. An instance uses it when its size is the same.
type ReservedShape struct {
	// shape is OCI's shape, such as VM.Standard.E5.Flex.
	Shape string `json:"shape"`
	// ocpus is the size in OCPUs of a flexible shape; empty for a fixed one.
	// +optional
	OCPUs *resource.Quantity `json:"ocpus,omitempty"`
	// memory is the memory of a flexible shape; empty for a fixed one.
	// +optional
	Memory *resource.Quantity `json:"memory,omitempty"`
	// faultDomain is the only fault domain that the capacity is in; empty when it is in any.
	// +optional
	FaultDomain string `json:"faultDomain,omitempty"`
	// reserved is how many instances are reserved.
	Reserved int64 `json:"reserved"`
	// used is how many of them ran when the class was last resolved.
	Used int64 `json:"used"`
}
