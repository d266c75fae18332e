package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// OciNodeClassSpec says what the nodes of a NodePool look like in Oracle Cloud: image, network, boot volume, tags.
type OciNodeClassSpec struct {
	// vcnId narrows subnets and network security groups that are selected by name to one VCN.
	// When it is left out, the VCN of the cluster is used.
	// +kubebuilder:validation:Pattern=`^ocid1\.vcn\..+$`
	// +optional
	VCNID string `json:"vcnId,omitempty"`
	// imageFamily says how a node of this image joins the cluster. OracleOKELinux: OKE's Oracle Linux images, started
	// with oke-install.sh. Any other value is read as OracleOKELinux.
	// +kubebuilder:default=OracleOKELinux
	// +kubebuilder:validation:MaxLength=63
	// +optional
	ImageFamily string `json:"imageFamily,omitempty"`
	// imageSelector is a list of terms; an image that matches any term is a candidate. For every architecture and GPU
	// build the newest candidate is used.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=30
	ImageSelector []ImageSelectorTerm `json:"imageSelector"`
	// subnetSelector is a list of terms; nodes are spread over the matching subnets.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=30
	SubnetSelector []SubnetSelectorTerm `json:"subnetSelector"`
	// securityGroupSelector is a list of terms; the node's VNIC joins every matching network security group (at most 5,
	// OCI's limit for a VNIC). Left out or empty: no network security group.
	// +kubebuilder:validation:MaxItems=30
	// +optional
	SecurityGroupSelector []SecurityGroupSelectorTerm `json:"securityGroupSelector,omitempty"`
	// bootConfig sizes the boot volume.
	// +optional
	BootConfig *BootConfig `json:"bootConfig,omitempty"`
	// freeFormTags are added to every instance. OCI allows 10 freeform tags on a resource and the controller needs 5 for
	// ownership, so at most 5 fit here; use definedTags for more.
	// +kubebuilder:validation:MaxProperties=5
	// +kubebuilder:validation:XValidation:rule="self.all(k, size(k) > 0 && size(k) <= 100 && size(self[k]) <= 256)",message="a freeform tag has a key of 1 to 100 and a value of at most 256 characters"
	// +kubebuilder:validation:XValidation:rule="self.all(k, !k.startsWith('karpenter-oke-'))",message="freeform tag keys that start with 'karpenter-oke-' belong to the controller"
	// +optional
	FreeFormTags map[string]string `json:"freeFormTags,omitempty"`
	// definedTags are added to every instance: namespace, then key, then value. The namespaces and keys must exist.
	// +kubebuilder:validation:MaxProperties=64
	// +kubebuilder:validation:XValidation:rule="self.all(n, !n.contains('.') && !n.contains(' '))",message="a tag namespace has no dots and no spaces"
	// +optional
	DefinedTags map[string]map[string]string `json:"definedTags,omitempty"`
}

// ImageSelectorTerm selects images by exactly one of: id; name; osFamily with osVersion.
// +kubebuilder:validation:XValidation:rule="[has(self.id), has(self.name), has(self.osFamily)].filter(x, x).size() == 1",message="an image selector term has exactly one of 'id', 'name' and 'osFamily'"
// +kubebuilder:validation:XValidation:rule="has(self.osFamily) == has(self.osVersion)",message="'osFamily' and 'osVersion' go together"
// +kubebuilder:validation:XValidation:rule="!has(self.kubernetesVersion) || has(self.osFamily)",message="'kubernetesVersion' needs 'osFamily'"
// +kubebuilder:validation:XValidation:rule="!has(self.compartmentId) || !has(self.id)",message="'compartmentId' is of no use with 'id'"
type ImageSelectorTerm struct {
	// id is the OCID of an image.
	// +kubebuilder:validation:Pattern=`^ocid1\.image\..+$`
	// +optional
	ID string `json:"id,omitempty"`
	// name is the display name of an image.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	// +optional
	Name string `json:"name,omitempty"`
	// osFamily is the operating system of OKE's own images.
	// +kubebuilder:validation:Enum={"Oracle Linux"}
	// +optional
	OSFamily string `json:"osFamily,omitempty"`
	// osVersion is the version of the operating system; "8" also matches 8.10.
	// +kubebuilder:validation:Pattern=`^[0-9]+(\.[0-9]+)?$`
	// +optional
	OSVersion string `json:"osVersion,omitempty"`
	// kubernetesVersion is "auto", the default, for the newest version that the control plane can serve, or one version
	// such as v1.34.1.
	// +kubebuilder:validation:Pattern=`^(auto|v[0-9]+\.[0-9]+\.[0-9]+)$`
	// +optional
	KubernetesVersion string `json:"kubernetesVersion,omitempty"`
	// compartmentId is where a name or an operating system is looked up. Left out: the compartment of OKE's own images
	// for osFamily, the controller's compartment for name.
	// +kubebuilder:validation:Pattern=`^ocid1\.(compartment|tenancy)\..+$`
	// +optional
	CompartmentID string `json:"compartmentId,omitempty"`
}

// SubnetSelectorTerm selects subnets by id or by name.
// +kubebuilder:validation:XValidation:rule="has(self.id) != has(self.name)",message="a subnet selector term has exactly one of 'id' and 'name'"
type SubnetSelectorTerm struct {
	// id is the OCID of a subnet.
	// +kubebuilder:validation:Pattern=`^ocid1\.subnet\..+$`
	// +optional
	ID string `json:"id,omitempty"`
	// name is the display name of a subnet in the VCN.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	// +optional
	Name string `json:"name,omitempty"`
}

// SecurityGroupSelectorTerm selects network security groups by id or by name.
// +kubebuilder:validation:XValidation:rule="has(self.id) != has(self.name)",message="a security group selector term has exactly one of 'id' and 'name'"
type SecurityGroupSelectorTerm struct {
	// id is the OCID of a network security group.
	// +kubebuilder:validation:Pattern=`^ocid1\.networksecuritygroup\..+$`
	// +optional
	ID string `json:"id,omitempty"`
	// name is the display name of a network security group in the VCN.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	// +optional
	Name string `json:"name,omitempty"`
}

// DefaultBootVolumeSizeInGBs and DefaultBootVolumeVpusPerGB are what OCI gives when a launch names no boot volume
// (Block Volume documentation: 50 GB minimum and default for Linux images, 10 VPU per GB is "Balanced").
const (
	DefaultBootVolumeSizeInGBs int64 = 50
	DefaultBootVolumeVpusPerGB int64 = 10
)

// BootConfig sizes the boot volume of a node; it also holds the container images and the pods' ephemeral storage.
type BootConfig struct {
	// bootVolumeSizeInGBs is the size in GB; 50 when left out.
	// +kubebuilder:validation:Minimum=50
	// +kubebuilder:validation:Maximum=32768
	// +optional
	BootVolumeSizeInGBs *int64 `json:"bootVolumeSizeInGBs,omitempty"`
	// bootVolumeVpusPerGB is the performance in volume performance units per GB: 10 (Balanced, the default), 20 (Higher
	// Performance), 30 to 120 in steps of 10 (Ultra High Performance).
	// +kubebuilder:validation:Minimum=10
	// +kubebuilder:validation:Maximum=120
	// +kubebuilder:validation:MultipleOf=10
	// +optional
	BootVolumeVpusPerGB *int64 `json:"bootVolumeVpusPerGB,omitempty"`
}

// OciNodeClass describes the Oracle Cloud side of the nodes that NodePools ask for.
// +kubebuilder:object:root=true
// +kubebuilder:resource:path=ocinodeclasses,scope=Cluster,categories=karpenter,shortName={ocinc,ocincs}
// +kubebuilder:printcolumn:name="Ready",type="string",JSONPath=".status.conditions[?(@.type==\"Ready\")].status",description=""
// +kubebuilder:printcolumn:name="Image",type="string",JSONPath=".status.images[0].name",description=""
// +kubebuilder:printcolumn:name="Subnets",type="string",JSONPath=".status.subnets[*].name",description=""
// +kubebuilder:printcolumn:name="Age",type="date",JSONPath=".metadata.creationTimestamp",description=""
// +kubebuilder:subresource:status
type OciNodeClass struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   OciNodeClassSpec   `json:"spec,omitempty"`
	Status OciNodeClassStatus `json:"status,omitempty"`
}

// OciNodeClassList is a list of OciNodeClasses.
// +kubebuilder:object:root=true
type OciNodeClassList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []OciNodeClass `json:"items"`
}

// BootVolumeSizeInGBs is the size of the boot volume, with the default filled in.
func (in *OciNodeClass) BootVolumeSizeInGBs() int64 {
	if in.Spec.BootConfig == nil || in.Spec.BootConfig.BootVolumeSizeInGBs == nil {
		return DefaultBootVolumeSizeInGBs
	}
	return *in.Spec.BootConfig.BootVolumeSizeInGBs
}

// BootVolumeVpusPerGB is the performance of the boot volume, with the default filled in.
func (in *OciNodeClass) BootVolumeVpusPerGB() int64 {
	if in.Spec.BootConfig == nil || in.Spec.BootConfig.BootVolumeVpusPerGB == nil {
		return DefaultBootVolumeVpusPerGB
	}
	return *in.Spec.BootConfig.BootVolumeVpusPerGB
}
