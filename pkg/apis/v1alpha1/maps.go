package v1alpha1

import (
	"maps"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/bounded"
)

// The types of this file are maps of strings that carry their own validation. Go code reads and assigns them as the plain maps
// they are. Their values are aliases, which the generator of deep copies does not know, so the copies are written here.

// FreeFormTags are freeform tags.
// +kubebuilder:object:generate=false
// +kubebuilder:validation:MaxProperties=10
// +kubebuilder:validation:XValidation:rule="self.all(k, size(k) > 0 && size(k) <= 100)",message="the key of a freeform tag has 1 to 100 characters"
// +kubebuilder:validation:XValidation:rule="self.all(k, !k.startsWith('karpenter-oke-'))",message="freeform tags whose keys begin with karpenter-oke- mark the controller's instances; choose another key"
type FreeFormTags map[string]bounded.TagValue

// DefinedTags are defined tags: namespace, then key, then value.
// +kubebuilder:object:generate=false
// +kubebuilder:validation:MaxProperties=64
// +kubebuilder:validation:XValidation:rule="self.all(n, size(n) > 0 && size(n) <= 100 && !n.contains('.') && !n.contains(' '))",message="the name of a tag namespace has 1 to 100 characters and no dots or spaces"
// +kubebuilder:validation:XValidation:rule="self.all(n, self[n].all(k, size(k) > 0 && size(k) <= 100 && !k.contains('.') && !k.contains(' ')))",message="the key of a defined tag has 1 to 100 characters and no dots or spaces"
type DefinedTags map[string]bounded.TagKeys

// TagSelector are freeform tags to look for; the value "*" stands for any value.
// +kubebuilder:object:generate=false
// +kubebuilder:validation:MinProperties=1
// +kubebuilder:validation:MaxProperties=10
type TagSelector map[string]bounded.TagValue

// DefinedTagSelector are defined tags to look for: namespace, then key, then value; the value "*" stands for any value.
// +kubebuilder:validation:MinProperties=1
// +kubebuilder:validation:MaxProperties=10
type DefinedTagSelector map[string]TagSelector

// Metadata are keys of an instance's metadata.
// +kubebuilder:object:generate=false
// +kubebuilder:validation:MaxProperties=50
// +kubebuilder:validation:XValidation:rule="self.all(k, size(k) > 0 && size(k) <= 255)",message="a metadata key has 1 to 255 characters"
// +kubebuilder:validation:XValidation:rule="!['user_data', 'apiserver_host', 'cluster_ca_cert', 'kubelet-extra-args', 'oke-initial-node-labels', 'oke-is-preemptible'].exists(k, k in self) && !self.exists(k, k.startsWith('karpenter-oke-'))",message="the metadata keys user_data, apiserver_host, cluster_ca_cert, kubelet-extra-args, oke-initial-node-labels, oke-is-preemptible and those that begin with karpenter-oke- are set by the controller; use userData, kubelet, preemptible, or the NodePool's labels and taints"
type Metadata map[string]MetadataValue

// ReservedResources are amounts of resources that pods do not get.
// +kubebuilder:object:generate=false
// +kubebuilder:validation:MaxProperties=4
// +kubebuilder:validation:XValidation:rule="self.all(k, k in ['cpu', 'memory', 'ephemeral-storage', 'pid'])",message="resources that can be reserved are cpu, memory, ephemeral-storage and pid"
// +kubebuilder:validation:XValidation:rule="self.all(k, isQuantity(self[k]) && !quantity(self[k]).isLessThan(quantity('0')))",message="give each resource as a quantity that is not negative, such as 100m or 512Mi"
type ReservedResources map[string]ResourceAmount

// EvictionThresholds are eviction signals with their thresholds.
// +kubebuilder:object:generate=false
// +kubebuilder:validation:MaxProperties=6
// +kubebuilder:validation:XValidation:rule="self.all(k, k in ['memory.available', 'nodefs.available', 'nodefs.inodesFree', 'imagefs.available', 'imagefs.inodesFree', 'pid.available'])",message="eviction signals are memory.available, nodefs.available, nodefs.inodesFree, imagefs.available, imagefs.inodesFree and pid.available"
// +kubebuilder:validation:XValidation:rule="self.all(k, self[k].matches('^([0-9]{1,2}([.][0-9]+)?|100)%$') || (isQuantity(self[k]) && !quantity(self[k]).isLessThan(quantity('0'))))",message="give each threshold as a percentage such as 5% or a quantity such as 500Mi"
type EvictionThresholds map[string]ResourceAmount

// DeepCopy copies the tags.
func (in FreeFormTags) DeepCopy() FreeFormTags { return maps.Clone(in) }

// DeepCopy copies the tags; like generated copies it keeps nil apart from empty.
func (in DefinedTags) DeepCopy() DefinedTags {
	if in == nil {
		return nil
	}
	out := make(DefinedTags, len(in))
	for namespace, keys := range in {
		out[namespace] = maps.Clone(keys)
	}
	return out
}

// DeepCopy copies the selector.
func (in TagSelector) DeepCopy() TagSelector { return maps.Clone(in) }

// DeepCopy copies the metadata.
func (in Metadata) DeepCopy() Metadata { return maps.Clone(in) }

// DeepCopy copies the amounts.
func (in ReservedResources) DeepCopy() ReservedResources { return maps.Clone(in) }

// DeepCopy copies the thresholds.
func (in EvictionThresholds) DeepCopy() EvictionThresholds { return maps.Clone(in) }
