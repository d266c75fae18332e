package v1alpha1

import (
	"github.com/awslabs/operatorpkg/status"
	corev1 "k8s.io/api/core/v1"
)

// Condition types of an OciNodeClass. Ready is true when all the others are.
const (
	ConditionTypeImageReady          = "ImageReady"
	ConditionTypeSubnetsReady        = "SubnetsReady"
	ConditionTypeSecurityGroupsReady = "SecurityGroupsReady"
)

// OciNodeClassStatus is what the selectors of the spec were resolved to.
type OciNodeClassStatus struct {
	// images are the images that nodes use, one for each architecture and GPU build.
	// +optional
	Images []Image `json:"images,omitempty"`
	// subnets are the subnets that nodes are placed in.
	// +optional
	Subnets []Subnet `json:"subnets,omitempty"`
	// securityGroups are the network security groups that nodes join.
	// +optional
	SecurityGroups []SecurityGroup `json:"securityGroups,omitempty"`
	// conditions say what is ready and, where something is not, what to do.
	// +optional
	Conditions []status.Condition `json:"conditions,omitempty"`
}

// Image is an image that a selector term resolved to.
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
}

// SecurityGroup is a network security group that a selector term resolved to.
type SecurityGroup struct {
	// id is the OCID of the network security group.
	ID string `json:"id"`
	// name is its display name.
	// +optional
	Name string `json:"name,omitempty"`
}

// StatusConditions gives access to the conditions; Ready is the root that follows the others.
func (in *OciNodeClass) StatusConditions(opts ...status.ForOption) status.ConditionSet {
	return status.NewReadyConditions(
		ConditionTypeImageReady,
		ConditionTypeSubnetsReady,
		ConditionTypeSecurityGroupsReady,
	).For(in, opts...)
}

// GetConditions implements operatorpkg's status.Object.
func (in *OciNodeClass) GetConditions() []status.Condition { return in.Status.Conditions }

// SetConditions implements operatorpkg's status.Object.
func (in *OciNodeClass) SetConditions(conditions []status.Condition) {
	in.Status.Conditions = conditions
}
