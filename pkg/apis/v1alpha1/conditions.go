package v1alpha1

import (
	"github.com/awslabs/operatorpkg/status"
)

// Condition types of an OciNodeClass, each owned by one part of the status controller. Ready is true when all that the
// controller sets are.
const (
	// ConditionTypeImageReady: imageSelector found an image that the control plane can serve. Owns status.images.
	ConditionTypeImageReady = "ImageReady"
	// ConditionTypeSubnetsReady: subnetSelector and podSubnetSelector found subnets that can be used. Owns status.subnets
	// and status.podSubnets.
	ConditionTypeSubnetsReady = "SubnetsReady"
	// ConditionTypeSecurityGroupsReady: securityGroupSelector and podSecurityGroupSelector found groups, and no more than a
	// VNIC can join. Owns status.securityGroups and status.podSecurityGroups.
	ConditionTypeSecurityGroupsReady = "SecurityGroupsReady"
	// ConditionTypeCompartmentReady: instances can be launched and listed in the compartment. Owns status.compartment.
	ConditionTypeCompartmentReady = "CompartmentReady"
	// ConditionTypeKMSKeysReady: the vault keys exist and are enabled. Owns status.kmsKeys.
	ConditionTypeKMSKeysReady = "KMSKeysReady"
	// ConditionTypePlacementReady: the compute clusters, cluster placement groups and dedicated VM hosts that placement selects
	// exist and are active. Owns status.computeClusters, clusterPlacementGroups and dedicatedVmHosts.
	ConditionTypePlacementReady = "PlacementReady"
	// ConditionTypeBootstrapReady: the metadata fits OCI's limit, and the class's pod networking is the cluster's. Owns
	// status.podNetworking.
	ConditionTypeBootstrapReady = "BootstrapReady"
	// ConditionTypeLaunchAuthorized: the last launch was not refused for want of a right. The message of False is the policy
	// statement that is missing.
	ConditionTypeLaunchAuthorized = "LaunchAuthorized"
	// ConditionTypeNodesRegister: the last instances became nodes. False stops launches for a while, and then allows one that tries;
	// the message says what the instances were seen to fail at. Owns status.heldImages.
	ConditionTypeNodesRegister = "NodesRegister"
	// ConditionTypeInterruptionStreamReadable: the stream that announces preemptions and maintenance can be read. Ready does not wait for
	// it: nodes are launched all the same. It is the same on every class, and absent when no stream is configured.
	ConditionTypeInterruptionStreamReadable = "InterruptionStreamReadable"
)

// Conditions that Ready does not wait for.
const (
	// ConditionTypeGPUImageReady: the class has an image for the machines of NodePools that ask for nothing but GPUs. Only classes that such
	// a NodePool uses have it, and Ready does not wait for it: other NodePools of the class need no such image. An image whose name does
	// not say what it is made for is believed to have drivers, and the message says so.
	ConditionTypeGPUImageReady = "GPUImageReady"
	// ConditionTypeCapacityReservationsReady: the capacity reservations that placement selects exist, are active, and lie where nodes
	// can be. Owns status.capacityReservations. Only classes that select some have it, and Ready does not wait for it: a reservation
	// that has ended must not keep nodes of other capacity types from being launched.
	ConditionTypeCapacityReservationsReady = "CapacityReservationsReady"
)

// ReadyConditionTypes are the conditions that Ready waits for: exactly those that the status controller sets. A part of the
// controller that begins to set a condition adds it here, since a condition that nobody sets would keep Ready from being true.
var ReadyConditionTypes = []string{
	ConditionTypeImageReady,
	ConditionTypeSubnetsReady,
	ConditionTypeSecurityGroupsReady,
	ConditionTypeCompartmentReady,
	ConditionTypeKMSKeysReady,
	ConditionTypePlacementReady,
	ConditionTypeBootstrapReady,
	ConditionTypeLaunchAuthorized,
	ConditionTypeNodesRegister,
}

// StatusConditions gives access to the conditions; Ready is the root that follows the others.
func (in *OciNodeClass) StatusConditions(opts ...status.ForOption) status.ConditionSet {
	return status.NewReadyConditions(ReadyConditionTypes...).For(in, opts...)
}

// GetConditions implements operatorpkg's status.Object.
func (in *OciNodeClass) GetConditions() []status.Condition { return in.Status.Conditions }

// SetConditions implements operatorpkg's status.Object.
func (in *OciNodeClass) SetConditions(conditions []status.Condition) {
	in.Status.Conditions = conditions
}
