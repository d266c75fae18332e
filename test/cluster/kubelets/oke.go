package kubelets

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/karpenter-oke/karpenter-oke/test/cluster/kubelets/machine"
)

// Labels, taints and annotations that OKE's node image and cloud controller set.
const (
	labelSelfManaged   = "oci.oraclecloud.com/node.info.byon"
	labelDisplayName   = "displayName"
	labelPreemptible   = "oci.oraclecloud.com/oke-is-preemptible"
	labelFaultDomain   = "oci.oraclecloud.com/fault-domain"
	annotationCompart  = "oci.oraclecloud.com/compartment-id"
	annotationNodePool = "oci.oraclecloud.com/node-pool-id"
	taintUninitialized = "node.cloudprovider.kubernetes.io/uninitialized"

	resourceNvidia = "nvidia.com/gpu"
	resourceAMD    = "amd.com/gpu"

	// metadataNodePool marks an instance of a managed node pool in this simulation (ManagedMetadata sets it).
	metadataNodePool = "oke-pool-id"
)

func arch(inst Instance) string {
	if inst.Arm() {
		return "arm64"
	}
	return "amd64"
}

// gpuResource is the device plugin's resource; the maker is read from the shape's name.
func gpuResource(inst Instance) string {
	if strings.Contains(inst.Shape, ".MI") {
		return resourceAMD
	}
	return resourceNvidia
}

// preemptible tells whether the node image marks the node as preemptible: as the metadata key says, and without it as the
// instance is.
func preemptible(inst Instance) bool {
	switch inst.Metadata["oke-is-preemptible"] {
	case "true":
		return true
	case "false":
		return false
	}
	return inst.Preemptible
}

func osImage(inst Instance) string {
	if inst.Image == machine.ImageUbuntu {
		return "Ubuntu 24.04 LTS"
	}
	return "Oracle Linux Server 8.10"
}

// ownLabels are the labels a kubelet on an OKE image sets without being told.
func ownLabels(inst Instance) map[string]string {
	labels := map[string]string{
		corev1.LabelHostname: inst.PrivateIP, corev1.LabelArchStable: arch(inst), corev1.LabelOSStable: "linux",
		"beta.kubernetes.io/arch": arch(inst), "beta.kubernetes.io/os": "linux",
		KeptLabel: "true",
	}
	if inst.Metadata[metadataNodePool] == "" {
		labels[labelSelfManaged] = "true"
	}
	if len(validation.IsValidLabelValue(inst.DisplayName)) == 0 {
		labels[labelDisplayName] = inst.DisplayName
	}
	if preemptible(inst) {
		labels[labelPreemptible] = "true"
	}
	return labels
}

// mergeTaints adds taints that are not there yet: a Node has one of a key and an effect.
func mergeTaints(taints, more []corev1.Taint) []corev1.Taint {
	out := slices.Clone(taints)
	for _, t := range more {
		if !slices.ContainsFunc(out, func(o corev1.Taint) bool { return o.MatchTaint(&t) }) {
			out = append(out, t)
		}
	}
	return out
}

// ownTaints are the taints OKE sets without being told.
func ownTaints(inst Instance) []corev1.Taint {
	taints := []corev1.Taint{{Key: taintUninitialized, Value: "true", Effect: corev1.TaintEffectNoSchedule}}
	if preemptible(inst) {
		taints = append(taints, corev1.Taint{Key: labelPreemptible, Value: "present", Effect: corev1.TaintEffectNoSchedule})
	}
	if inst.GPUs > 0 {
		taints = append(taints, corev1.Taint{Key: gpuResource(inst), Value: "present", Effect: corev1.TaintEffectNoSchedule})
	}
	return taints
}
