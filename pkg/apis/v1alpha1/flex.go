package v1alpha1

import (
	"k8s.io/apimachinery/pkg/api/resource"
)

// FlexSizing says how the size of an instance with a flexible shape is found.
type FlexSizing string

const (
	// FlexSizingGrid launches one of the sizes that are offered as instance types.
	FlexSizingGrid FlexSizing = "Grid"
	// FlexSizingFit shrinks the chosen instance type at launch to what the pods need; its name and labels stay.
	FlexSizingFit FlexSizing = "Fit"
)

// Flex bounds the sizes of instances with flexible shapes; what a shape itself allows is a bound too.
type Flex struct {
	// sizing is Grid: nodes have one of the offered sizes; or Fit: the chosen size is shrunk at launch to what the pods
	// need. Left out: the controller's setting --flex-sizing, which is Fit.
	// +kubebuilder:validation:Enum=Grid;Fit
	// +optional
	Sizing FlexSizing `json:"sizing,omitempty"`
	// ocpus bounds the number of OCPUs.
	// +optional
	OCPUs *OCPURange `json:"ocpus,omitempty"`
	// memoryPerOcpu bounds the memory for each OCPU.
	// +optional
	MemoryPerOCPU *MemoryRange `json:"memoryPerOcpu,omitempty"`
	// baselines are the shares of an OCPU that instances are sure to have: BASELINE_1_1, the default, for whole OCPUs;
	// BASELINE_1_2 (half) and BASELINE_1_8 (an eighth) for burstable instances, which cost as much less.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=3
	// +listType=set
	// +optional
	Baselines []Baseline `json:"baselines,omitempty"`
	// extendedMemory offers sizes beyond what one processor socket has as well, up to 2 TB on some shapes, to NodePools that name the shapes
	// or families they want. Such instances are neither preemptible nor burstable nor on dedicated VM hosts, and are not live-migrated.
	// False when left out.
	// +optional
	ExtendedMemory *bool `json:"extendedMemory,omitempty"`
}

// Baseline is the share of an OCPU that an instance is sure to have, in OCI's spelling.
// +kubebuilder:validation:Enum=BASELINE_1_1;BASELINE_1_2;BASELINE_1_8
type Baseline string

// Baselines of flexible shapes.
const (
	BaselineWhole  Baseline = "BASELINE_1_1"
	BaselineHalf   Baseline = "BASELINE_1_2"
	BaselineEighth Baseline = "BASELINE_1_8"
)

// OCPURange is a range of OCPUs, both ends included.
// +kubebuilder:validation:XValidation:rule="!has(self.min) || !has(self.max) || self.min <= self.max",message="'min' must not be more than 'max'"
type OCPURange struct {
	// min is the least number of OCPUs.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1024
	// +optional
	Min *int64 `json:"min,omitempty"`
	// max is the greatest number of OCPUs.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1024
	// +optional
	Max *int64 `json:"max,omitempty"`
}

// MemoryRange is a range of memory, both ends included.
// +kubebuilder:validation:XValidation:rule="!has(self.min) || !has(self.max) || quantity(string(self.min)).compareTo(quantity(string(self.max))) <= 0",message="'min' must not be more than 'max'"
type MemoryRange struct {
	// min is the least memory, such as 2Gi.
	// +kubebuilder:validation:XValidation:rule="!quantity(string(self)).isLessThan(quantity('1Gi'))",message="give at least 1Gi, and write the unit: 4Gi, not 4"
	// +optional
	Min *resource.Quantity `json:"min,omitempty"`
	// max is the greatest memory, such as 16Gi.
	// +kubebuilder:validation:XValidation:rule="!quantity(string(self)).isLessThan(quantity('1Gi'))",message="give at least 1Gi, and write the unit: 16Gi, not 16"
	// +optional
	Max *resource.Quantity `json:"max,omitempty"`
}

// PreemptibleTaint says which taint preemptible nodes carry besides the NodePool's own.
type PreemptibleTaint string

const (
	// PreemptibleTaintNone adds none.
	PreemptibleTaintNone PreemptibleTaint = "None"
	// PreemptibleTaintOKE keeps the taint that OKE's boot program adds.
	PreemptibleTaintOKE PreemptibleTaint = "OKE"
)

// Preemptible configures instances of capacity type spot.
type Preemptible struct {
	// preserveBootVolume keeps the boot volume, and its cost, after OCI takes the instance back; false when left out.
	// +optional
	PreserveBootVolume *bool `json:"preserveBootVolume,omitempty"`
	// taint is None, the default: preemptible nodes have the NodePool's taints and no others, so pods need no toleration. OKE:
	// they also have OKE's oci.oraclecloud.com/oke-is-preemptible=present:NoSchedule; list it in the NodePool's taints too, or
	// nodes are launched for pods that do not tolerate it.
	// +kubebuilder:validation:Enum=None;OKE
	// +optional
	Taint PreemptibleTaint `json:"taint,omitempty"`
}

// FlexSizing is how sizes are found for the class; fallback holds where the class does not say.
func (in *OciNodeClass) FlexSizing(fallback FlexSizing) FlexSizing {
	if in.Spec.Flex == nil || in.Spec.Flex.Sizing == "" {
		return fallback
	}
	return in.Spec.Flex.Sizing
}

// ExtendedMemory is true when sizes beyond one processor socket are offered. OCI has no such instances on dedicated VM hosts.
func (in *OciNodeClass) ExtendedMemory() bool {
	onHosts := in.Spec.Placement != nil && len(in.Spec.Placement.DedicatedVMHostSelector) > 0
	return in.Spec.Flex != nil && isTrue(in.Spec.Flex.ExtendedMemory) && !onHosts
}

// FlexBaselines are the baselines that the class allows, with the default filled in.
func (in *OciNodeClass) FlexBaselines() []Baseline {
	if in.Spec.Flex == nil || len(in.Spec.Flex.Baselines) == 0 {
		return []Baseline{BaselineWhole}
	}
	return in.Spec.Flex.Baselines
}

// PreserveBootVolumeOnPreemption is true when the boot volume of a preempted instance is kept.
func (in *OciNodeClass) PreserveBootVolumeOnPreemption() bool {
	return in.Spec.Preemptible != nil && isTrue(in.Spec.Preemptible.PreserveBootVolume)
}

// PreemptibleTaint is the taint of preemptible nodes, with the default filled in.
func (in *OciNodeClass) PreemptibleTaint() PreemptibleTaint {
	if in.Spec.Preemptible == nil || in.Spec.Preemptible.Taint == "" {
		return PreemptibleTaintNone
	}
	return in.Spec.Preemptible.Taint
}
