package v1alpha1

// The types of this file are plain strings that carry their own validation, so that a rule is written once and every field that
// holds such a value has it. They are aliases: to Go code a SubnetID is a string.
//
// An OCID is ocid1.<type>.<realm>.<region, may be empty>.<unique part> (OCI documentation, "Resource Identifiers").

// VCNID is the OCID of a virtual cloud network.
// +kubebuilder:validation:MaxLength=255
// +kubebuilder:validation:XValidation:rule="self.matches('^ocid1[.]vcn[.][a-z0-9]+[.][a-z0-9-]*([.][A-Za-z0-9_-]+)+$')",message="give the OCID of a VCN; it begins with ocid1.vcn."
type VCNID = string

// SubnetID is the OCID of a subnet.
// +kubebuilder:validation:MaxLength=255
// +kubebuilder:validation:XValidation:rule="self.matches('^ocid1[.]subnet[.][a-z0-9]+[.][a-z0-9-]*([.][A-Za-z0-9_-]+)+$')",message="give the OCID of a subnet; it begins with ocid1.subnet."
type SubnetID = string

// SecurityGroupID is the OCID of a network security group.
// +kubebuilder:validation:MaxLength=255
// +kubebuilder:validation:XValidation:rule="self.matches('^ocid1[.]networksecuritygroup[.][a-z0-9]+[.][a-z0-9-]*([.][A-Za-z0-9_-]+)+$')",message="give the OCID of a network security group; it begins with ocid1.networksecuritygroup."
type SecurityGroupID = string

// ImageID is the OCID of an image.
// +kubebuilder:validation:MaxLength=255
// +kubebuilder:validation:XValidation:rule="self.matches('^ocid1[.]image[.][a-z0-9]+[.][a-z0-9-]*([.][A-Za-z0-9_-]+)+$')",message="give the OCID of an image; it begins with ocid1.image."
type ImageID = string

// CompartmentID is the OCID of a compartment, or of the tenancy, which is the root compartment. The oldest tenancies have
// OCIDs that begin with ocidv1:tenancy.
// +kubebuilder:validation:MaxLength=255
// +kubebuilder:validation:XValidation:rule="self.matches('^ocid1[.](compartment|tenancy)[.][a-z0-9]+[.][a-z0-9-]*([.][A-Za-z0-9_-]+)+$') || self.matches('^ocidv1:tenancy(:[A-Za-z0-9_-]+)+$')",message="give the OCID of a compartment or of the tenancy; it begins with ocid1.compartment. or ocid1.tenancy."
type CompartmentID = string

// KMSKeyID is the OCID of a master encryption key in OCI Vault.
// +kubebuilder:validation:MaxLength=255
// +kubebuilder:validation:XValidation:rule="self.matches('^ocid1[.]key[.][a-z0-9]+[.][a-z0-9-]*([.][A-Za-z0-9_-]+)+$')",message="give the OCID of a vault key; it begins with ocid1.key."
type KMSKeyID = string

// PlacementID is the OCID of something that a launch can be placed in or on; which kind it must be is up to the field.
// +kubebuilder:validation:MaxLength=255
// +kubebuilder:validation:XValidation:rule="self.matches('^ocid1[.](capacityreservation|computecluster|clusterplacementgroup|dedicatedvmhost)[.][a-z0-9]+[.][a-z0-9-]*([.][A-Za-z0-9_-]+)+$')",message="give the OCID of a capacity reservation, compute cluster, cluster placement group or dedicated VM host"
type PlacementID = string

// DisplayName is the name of something in OCI, as its console shows it. It need not be unique there.
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=255
type DisplayName = string

// MetadataValue is the value of an instance metadata key.
// +kubebuilder:validation:MaxLength=32000
type MetadataValue = string

// Script is text that an instance runs at boot.
// +kubebuilder:validation:MaxLength=65536
type Script = string

// SSHKey is one public key in the format of an authorized_keys file.
// +kubebuilder:validation:MaxLength=4096
// +kubebuilder:validation:XValidation:rule="self.matches('^(ssh-rsa|ssh-ed25519|ecdsa-sha2-nistp(256|384|521)|sk-ssh-ed25519@openssh[.]com|sk-ecdsa-sha2-nistp256@openssh[.]com) [A-Za-z0-9+/]+={0,3}( [^\\n\\r]*)?$')",message="give one public key as in an authorized_keys file, such as 'ssh-ed25519 AAAA... name'"
type SSHKey = string

// PluginName is the name of a plugin of Oracle Cloud Agent, as OCI spells it, such as Bastion.
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=255
type PluginName = string

// FaultDomain is a fault domain of an availability domain.
// +kubebuilder:validation:Enum=FAULT-DOMAIN-1;FAULT-DOMAIN-2;FAULT-DOMAIN-3
type FaultDomain = string

// IPAddress is an IPv4 or IPv6 address.
// +kubebuilder:validation:MaxLength=45
// +kubebuilder:validation:XValidation:rule="isIP(self)",message="give an IPv4 or IPv6 address, such as 10.96.5.5"
type IPAddress = string

// ResourceAmount is a quantity such as 100m or 512Mi, or in eviction thresholds a percentage.
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=32
type ResourceAmount = string

// KubeletArgument is one command line argument of the kubelet.
// +kubebuilder:validation:MaxLength=512
// +kubebuilder:validation:XValidation:rule="self.matches('^--[a-z][a-z0-9-]*(=[A-Za-z0-9_.,:;/@%+=~<>-]*)?$')",message="write a kubelet argument as --flag or --flag=value, without spaces, quotes and other characters that a shell reads"
type KubeletArgument = string
