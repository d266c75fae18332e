package v1alpha1

// Placement narrows where in an availability domain nodes run, and on whose capacity.
// +kubebuilder:validation:XValidation:rule="!has(self.dedicatedVmHostSelector) || !has(self.capacityReservationSelector)",message="OCI does not launch into a capacity reservation on a dedicated VM host; remove dedicatedVmHostSelector or capacityReservationSelector"
// +kubebuilder:validation:XValidation:rule="!has(self.dedicatedVmHostSelector) || !has(self.computeClusterSelector)",message="a compute cluster takes bare metal and a dedicated VM host takes virtual machines; remove dedicatedVmHostSelector or computeClusterSelector"
type Placement struct {
	// faultDomains are the fault domains that nodes may run in. Left out: OCI chooses.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=3
	// +listType=set
	// +optional
	FaultDomains []FaultDomain `json:"faultDomains,omitempty"`
	// capacityReservationSelector is a list of terms; what they select is offered as capacity of type reserved. A node uses a
	// reservation whose availability domain, shape and size are its own.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=30
	// +kubebuilder:validation:XValidation:rule="self.all(t, !has(t.id) || t.id.startsWith('ocid1.capacityreservation.'))",message="give the OCID of a capacity reservation; it begins with ocid1.capacityreservation."
	// +optional
	CapacityReservationSelector []PlacementSelectorTerm `json:"capacityReservationSelector,omitempty"`
	// computeClusterSelector is a list of terms that select compute clusters, one in an availability domain; nodes with RDMA
	// networking (bare metal) are launched into them.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=10
	// +kubebuilder:validation:XValidation:rule="self.all(t, !has(t.id) || t.id.startsWith('ocid1.computecluster.'))",message="give the OCID of a compute cluster; it begins with ocid1.computecluster."
	// +optional
	ComputeClusterSelector []PlacementSelectorTerm `json:"computeClusterSelector,omitempty"`
	// clusterPlacementGroupSelector is a list of terms that select cluster placement groups, one in an availability domain;
	// nodes are launched near the group's other members.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=10
	// +kubebuilder:validation:XValidation:rule="self.all(t, !has(t.id) || t.id.startsWith('ocid1.clusterplacementgroup.'))",message="give the OCID of a cluster placement group; it begins with ocid1.clusterplacementgroup."
	// +optional
	ClusterPlacementGroupSelector []PlacementSelectorTerm `json:"clusterPlacementGroupSelector,omitempty"`
	// dedicatedVmHostSelector is a list of terms that select dedicated VM hosts; nodes are launched on them and nowhere else.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=30
	// +kubebuilder:validation:XValidation:rule="self.all(t, !has(t.id) || t.id.startsWith('ocid1.dedicatedvmhost.'))",message="give the OCID of a dedicated VM host; it begins with ocid1.dedicatedvmhost."
	// +optional
	DedicatedVMHostSelector []PlacementSelectorTerm `json:"dedicatedVmHostSelector,omitempty"`
}

// PlacementSelectorTerm selects capacity reservations, compute clusters, cluster placement groups or dedicated VM hosts: one
// by its id, or all that meet every other condition of the term.
// +kubebuilder:validation:XValidation:rule="has(self.id) || has(self.name) || has(self.freeFormTags) || has(self.definedTags)",message="a selector term needs 'id', 'name', 'freeFormTags' or 'definedTags'"
// +kubebuilder:validation:XValidation:rule="!has(self.id) || !(has(self.name) || has(self.freeFormTags) || has(self.definedTags))",message="'id' selects one by itself; remove it or the other conditions of the term"
type PlacementSelectorTerm struct {
	// id is the OCID.
	// +optional
	ID PlacementID `json:"id,omitempty"`
	// name is the display name.
	// +optional
	Name DisplayName `json:"name,omitempty"`
	// freeFormTags selects what has all these freeform tags; the value "*" stands for any value.
	// +optional
	FreeFormTags TagSelector `json:"freeFormTags,omitempty"`
	// definedTags selects what has all these defined tags: namespace, then key, then value; the value "*" stands for any
	// value.
	// +optional
	DefinedTags DefinedTagSelector `json:"definedTags,omitempty"`
	// compartmentId is where names and tags are looked up. Left out: the compartment that instances are launched in.
	// +optional
	CompartmentID CompartmentID `json:"compartmentId,omitempty"`
}
