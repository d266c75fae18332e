package v1alpha1

// SubnetSelectorTerm selects subnets: one by its id, or all in the VCN that meet every other condition of the term.
// +kubebuilder:validation:XValidation:rule="has(self.id) || has(self.name) || has(self.freeFormTags) || has(self.definedTags)",message="a subnet selector term needs 'id', 'name', 'freeFormTags' or 'definedTags'"
// +kubebuilder:validation:XValidation:rule="!has(self.id) || !(has(self.name) || has(self.freeFormTags) || has(self.definedTags))",message="'id' selects one subnet by itself; remove it or the other conditions of the term"
type SubnetSelectorTerm struct {
	// id is the OCID of a subnet.
	// +optional
	ID SubnetID `json:"id,omitempty"`
	// name is the display name of a subnet in the VCN.
	// +optional
	Name DisplayName `json:"name,omitempty"`
	// freeFormTags selects subnets that have all these freeform tags; the value "*" stands for any value.
	// +optional
	FreeFormTags TagSelector `json:"freeFormTags,omitempty"`
	// definedTags selects subnets that have all these defined tags: namespace, then key, then value; the value "*" stands
	// for any value.
	// +optional
	DefinedTags DefinedTagSelector `json:"definedTags,omitempty"`
	// compartmentId is where names and tags are looked up. Left out: the controller's network compartment.
	// +optional
	CompartmentID CompartmentID `json:"compartmentId,omitempty"`
}

// SecurityGroupSelectorTerm selects network security groups: one by its id, or all in the VCN that meet every other
// condition of the term.
// +kubebuilder:validation:XValidation:rule="has(self.id) || has(self.name) || has(self.freeFormTags) || has(self.definedTags)",message="a security group selector term needs 'id', 'name', 'freeFormTags' or 'definedTags'"
// +kubebuilder:validation:XValidation:rule="!has(self.id) || !(has(self.name) || has(self.freeFormTags) || has(self.definedTags))",message="'id' selects one network security group by itself; remove it or the other conditions of the term"
type SecurityGroupSelectorTerm struct {
	// id is the OCID of a network security group.
	// +optional
	ID SecurityGroupID `json:"id,omitempty"`
	// name is the display name of a network security group in the VCN.
	// +optional
	Name DisplayName `json:"name,omitempty"`
	// freeFormTags selects groups that have all these freeform tags; the value "*" stands for any value.
	// +optional
	FreeFormTags TagSelector `json:"freeFormTags,omitempty"`
	// definedTags selects groups that have all these defined tags: namespace, then key, then value; the value "*" stands
	// for any value.
	// +optional
	DefinedTags DefinedTagSelector `json:"definedTags,omitempty"`
	// compartmentId is where names and tags are looked up. Left out: the controller's network compartment.
	// +optional
	CompartmentID CompartmentID `json:"compartmentId,omitempty"`
}

// PrimaryVNIC are the switches of the VNIC that a node is launched with. Field names are OCI's (CreateVnicDetails).
type PrimaryVNIC struct {
	// assignPublicIp gives the node a public IPv4 address. Left out: as the subnet does by default. A subnet that prohibits
	// public addresses refuses the launch.
	// +optional
	AssignPublicIP *bool `json:"assignPublicIp,omitempty"`
	// assignIpv6Ip gives the node an IPv6 address; subnets without an IPv6 prefix are not used then. Left out: an address if the
	// cluster's IP families include IPv6.
	// +optional
	AssignIPv6IP *bool `json:"assignIpv6Ip,omitempty"`
	// skipSourceDestCheck lets the VNIC forward packets that are not addressed to it; false when left out.
	// +optional
	SkipSourceDestCheck *bool `json:"skipSourceDestCheck,omitempty"`
}

// PodNetworkingType is how pods get their addresses.
type PodNetworkingType string

const (
	// PodNetworkingAuto follows the cluster's own pod networking.
	PodNetworkingAuto PodNetworkingType = "auto"
	// PodNetworkingFlannel is OKE's overlay network.
	PodNetworkingFlannel PodNetworkingType = "Flannel"
	// PodNetworkingVCNNative gives pods addresses of the VCN, on secondary VNICs.
	PodNetworkingVCNNative PodNetworkingType = "VCNNative"
)

// PodNetworking says where pods get their addresses.
// +kubebuilder:validation:XValidation:rule="!has(self.type) || self.type != 'Flannel' || !(has(self.podSubnetSelector) || has(self.podSecurityGroupSelector) || has(self.ipCount))",message="with Flannel pods have no addresses of the VCN; remove podSubnetSelector, podSecurityGroupSelector and ipCount, or set type to VCNNative"
type PodNetworking struct {
	// type is auto, the default, for what the cluster uses; Flannel or VCNNative to insist on one.
	// +kubebuilder:validation:Enum=auto;Flannel;VCNNative
	// +optional
	Type PodNetworkingType `json:"type,omitempty"`
	// podSubnetSelector is a list of terms that select the subnets of pods (VCNNative only). Left out: the node's subnet.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=30
	// +optional
	PodSubnetSelector []SubnetSelectorTerm `json:"podSubnetSelector,omitempty"`
	// podSecurityGroupSelector is a list of terms that select the network security groups of pods (VCNNative only). Left
	// out: the node's. An empty list: none.
	// +kubebuilder:validation:MaxItems=30
	// +optional
	PodSecurityGroupSelector *[]SecurityGroupSelectorTerm `json:"podSecurityGroupSelector,omitempty"`
	// ipCount is how many addresses of the pod subnet a node's pod VNIC takes in advance (VCNNative only): a power of two,
	// at most 256. Counts above 16 need OKE's CNI add-on 3.2.0 or newer. Left out: what OKE's CNI takes.
	// +kubebuilder:validation:Enum=1;2;4;8;16;32;64;128;256
	// +optional
	IPCount *int32 `json:"ipCount,omitempty"`
}

// PodNetworkingType is the pod networking that the class asks for, with the default filled in.
func (in *OciNodeClass) PodNetworkingType() PodNetworkingType {
	if in.Spec.PodNetworking == nil || in.Spec.PodNetworking.Type == "" {
		return PodNetworkingAuto
	}
	return in.Spec.PodNetworking.Type
}
