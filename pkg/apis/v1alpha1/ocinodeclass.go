package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// OciNodeClassSpec says what the nodes of a NodePool look like in Oracle Cloud: image, network, volumes, placement, options of
// the instance, and how it becomes a node.
// +kubebuilder:validation:XValidation:rule="!has(self.tags) || self.tags.filter(k, !has(self.freeFormTags) || !(k in self.freeFormTags)).size() + (has(self.freeFormTags) ? self.freeFormTags.size() : 0) <= 10",message="OCI allows 10 freeform tags on a resource; remove some from 'tags' and 'freeFormTags', or use definedTags"
// +kubebuilder:validation:XValidation:rule="!has(self.metaData) || !has(self.sshAuthorizedKeys) || !('ssh_authorized_keys' in self.metaData)",message="give ssh keys in one place: remove ssh_authorized_keys from metaData, or remove sshAuthorizedKeys"
// +kubebuilder:validation:XValidation:rule="!has(self.metaData) || !has(self.podNetworking) || !['oke-native-pod-networking', 'oke-max-pods', 'pod-subnets', 'pod-nsgids'].exists(k, k in self.metaData)",message="say in one place how pods get addresses: remove oke-native-pod-networking, oke-max-pods, pod-subnets and pod-nsgids from metaData, or remove podNetworking"
// +kubebuilder:validation:XValidation:rule="!has(self.agentList) || !has(self.disabledAgentList) || !self.agentList.exists(p, p in self.disabledAgentList)",message="a plugin is in both agentList and disabledAgentList; remove it from one of them"
// +kubebuilder:validation:XValidation:rule="!has(self.placement) || !has(self.placement.dedicatedVmHostSelector) || !has(self.flex) || !has(self.flex.extendedMemory) || !self.flex.extendedMemory",message="instances with extended memory are not launched on dedicated VM hosts; remove flex.extendedMemory or placement.dedicatedVmHostSelector"
// +kubebuilder:validation:XValidation:rule="!has(self.placement) || !has(self.placement.dedicatedVmHostSelector) || !has(self.flex) || !has(self.flex.baselines) || self.flex.baselines.all(b, b == 'BASELINE_1_1')",message="OCI runs no burstable instances on a dedicated VM host; remove BASELINE_1_2 and BASELINE_1_8 from flex.baselines, or remove placement.dedicatedVmHostSelector"
// +kubebuilder:validation:XValidation:rule="!has(self.localNvmePolicy) || !has(self.imageFamily) || self.imageFamily.lowerAscii() != 'custom'",message="an image of the family Custom runs userData alone; remove localNvmePolicy and use the local drives in userData"
// +kubebuilder:validation:XValidation:rule="!has(self.localNvmePolicy) || !has(self.blockDevices) || !self.blockDevices.exists(d, has(d.mountPath) && ['/var/lib/kubelet', '/var/lib/containers', '/var/lib/containerd', '/var/log/pods'].exists(p, d.mountPath == p || p.startsWith(d.mountPath + '/')))",message="localNvmePolicy keeps /var/lib/kubelet, /var/lib/containers, /var/lib/containerd and /var/log/pods on the local drives; give the block device another mountPath, or remove localNvmePolicy"
type OciNodeClassSpec struct {
	// compartmentId is where instances are launched. Left out: the controller's compartment.
	// +optional
	CompartmentID CompartmentID `json:"compartmentId,omitempty"`
	// vcnId narrows subnets and network security groups that are selected by name or tags to one VCN. Left out: the VCN of
	// the cluster.
	// +optional
	VCNID VCNID `json:"vcnId,omitempty"`

	// imageFamily says how a node of this image joins the cluster. OracleOKELinux: OKE's Oracle Linux images, started with
	// oke-install.sh. Ubuntu, and any name that begins so, such as Ubuntu2204: Ubuntu images with OKE's packages, started with
	// "oke bootstrap". Custom: the image joins by itself from the instance's metadata, or by userData. Any other value is read
	// as OracleOKELinux.
	// +kubebuilder:default=OracleOKELinux
	// +kubebuilder:validation:MaxLength=63
	// +optional
	ImageFamily string `json:"imageFamily,omitempty"`
	// imageSelector is a list of terms; an image that matches any term is a candidate. For every architecture and GPU
	// build the newest candidate is used.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=30
	ImageSelector []ImageSelectorTerm `json:"imageSelector"`
	// imagePolicy controls when a newly published image is taken up.
	// +optional
	ImagePolicy *ImagePolicy `json:"imagePolicy,omitempty"`

	// subnetSelector is a list of terms; nodes are spread over the matching subnets.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=30
	SubnetSelector []SubnetSelectorTerm `json:"subnetSelector"`
	// securityGroupSelector is a list of terms; the node's VNIC joins every matching network security group (at most 5,
	// OCI's limit for a VNIC). Left out or empty: no network security group.
	// +kubebuilder:validation:MaxItems=30
	// +optional
	SecurityGroupSelector []SecurityGroupSelectorTerm `json:"securityGroupSelector,omitempty"`
	// primaryVnic are the switches of the node's VNIC: public address, IPv6 address, forwarding.
	// +optional
	PrimaryVNIC *PrimaryVNIC `json:"primaryVnic,omitempty"`
	// podNetworking says where pods get their addresses.
	// +optional
	PodNetworking *PodNetworking `json:"podNetworking,omitempty"`

	// bootConfig sizes and protects the boot volume.
	// +optional
	BootConfig *BootConfig `json:"bootConfig,omitempty"`
	// blockDevices are block volumes that every node gets besides its boot volume. OCI attaches at most 32 volumes to an
	// instance, and PersistentVolumes count too.
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:XValidation:rule="self.all(a, !has(a.mountPath) || self.exists_one(b, has(b.mountPath) && b.mountPath == a.mountPath))",message="two block devices have the same mountPath; give each its own"
	// +optional
	BlockDevices []BlockDevice `json:"blockDevices,omitempty"`
	// localNvmePolicy is RAID0 to keep what pods write on the shape's local NVMe drives: striped into one where there are several,
	// they hold container images, writable layers, emptyDir volumes and logs in place of the boot volume, and the ephemeral-storage of
	// such nodes is theirs. Left out: the drives are there and nothing is done with them. It concerns shapes with such drives (DenseIO,
	// many with GPUs) and no others. What the drives hold is gone with the node.
	// +kubebuilder:validation:Enum=RAID0
	// +optional
	LocalNVMePolicy LocalNVMePolicy `json:"localNvmePolicy,omitempty"`

	// placement narrows where nodes run, and on whose capacity.
	// +optional
	Placement *Placement `json:"placement,omitempty"`
	// flex bounds the sizes of instances with flexible shapes.
	// +optional
	Flex *Flex `json:"flex,omitempty"`
	// preemptible configures instances of capacity type spot.
	// +optional
	Preemptible *Preemptible `json:"preemptible,omitempty"`

	// launchOptions tunes how instances see their devices.
	// +optional
	LaunchOptions *LaunchOptions `json:"launchOptions,omitempty"`
	// platformConfig are the options of the processor and firmware.
	// +optional
	PlatformConfig *PlatformConfig `json:"platformConfig,omitempty"`
	// instanceOptions are options of the instance's metadata service.
	// +optional
	InstanceOptions *InstanceOptions `json:"instanceOptions,omitempty"`
	// availabilityConfig says what OCI does with a virtual machine when its host needs maintenance or fails.
	// +optional
	AvailabilityConfig *AvailabilityConfig `json:"availabilityConfig,omitempty"`
	// agentList are plugins of Oracle Cloud Agent to turn on, such as Bastion; the others keep their defaults.
	// +kubebuilder:validation:MaxItems=30
	// +optional
	AgentList []PluginName `json:"agentList,omitempty"`
	// disabledAgentList are plugins of Oracle Cloud Agent to turn off.
	// +kubebuilder:validation:MaxItems=30
	// +optional
	DisabledAgentList []PluginName `json:"disabledAgentList,omitempty"`

	// metaData are keys of the instance's metadata. They win over what the controller would write under the same key, such as
	// oke-native-pod-networking. The keys user_data (use userData), apiserver_host, cluster_ca_cert, kubelet-extra-args (use
	// kubelet), oke-initial-node-labels (use the NodePool's labels), oke-is-preemptible (use preemptible) and those that begin
	// with karpenter-oke- are the controller's: a node could not join, or would join without its labels and taints. With all
	// other metadata they may have 32,000 bytes, OCI's limit.
	// +optional
	MetaData Metadata `json:"metaData,omitempty"`
	// sshAuthorizedKeys are public keys that may log in to nodes as the image's default user.
	// +kubebuilder:validation:MaxItems=20
	// +optional
	SSHAuthorizedKeys []SSHKey `json:"sshAuthorizedKeys,omitempty"`
	// preInstallScript is a shell script that runs before the node joins.
	// +optional
	PreInstallScript *Script `json:"preInstallScript,omitempty"`
	// postInstallScript is a shell script that runs after the kubelet was started.
	// +optional
	PostInstallScript *Script `json:"postInstallScript,omitempty"`
	// userData is a shell script, or a MIME document of several parts as cloud-init reads it; its parts run before the node
	// joins. With imageFamily Custom it is all that the instance runs.
	// +optional
	UserData *Script `json:"userData,omitempty"`
	// kubelet are settings of the kubelet.
	// +optional
	Kubelet *KubeletConfiguration `json:"kubelet,omitempty"`

	// tags is the former name of freeFormTags; where both have a key, freeFormTags wins.
	//
	// Deprecated: use freeFormTags.
	// +optional
	Tags FreeFormTags `json:"tags,omitempty"`
	// freeFormTags are added to every instance and its VNIC. OCI allows 10 freeform tags on a resource; where there is no room
	// left for all of the controller's own, the less important ones are left out.
	// +optional
	FreeFormTags FreeFormTags `json:"freeFormTags,omitempty"`
	// definedTags are added to every instance: namespace, then key, then value. The namespaces and keys must exist.
	// +optional
	DefinedTags DefinedTags `json:"definedTags,omitempty"`
}

// OciNodeClass describes the Oracle Cloud side of the nodes that NodePools ask for.
// +kubebuilder:object:root=true
// +kubebuilder:resource:path=ocinodeclasses,scope=Cluster,categories=karpenter,shortName={ocinc,ocincs}
// +kubebuilder:printcolumn:name="Ready",type="string",JSONPath=".status.conditions[?(@.type==\"Ready\")].status",description="Whether nodes can be launched"
// +kubebuilder:printcolumn:name="Image",type="string",JSONPath=".status.images[0].name",description="The first of the images in use"
// +kubebuilder:printcolumn:name="Subnets",type="string",JSONPath=".status.subnets[*].name",description="The subnets of nodes"
// +kubebuilder:printcolumn:name="Nodes",type="integer",JSONPath=".status.nodes",description="How many NodeClaims use the class"
// +kubebuilder:printcolumn:name="Age",type="date",JSONPath=".metadata.creationTimestamp",description=""
// +kubebuilder:subresource:status
type OciNodeClass struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// +required
	Spec OciNodeClassSpec `json:"spec"`
	// +optional
	Status OciNodeClassStatus `json:"status,omitempty"`
}

// OciNodeClassList is a list of OciNodeClasses.
// +kubebuilder:object:root=true
type OciNodeClassList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []OciNodeClass `json:"items"`
}
