package kubelets

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"
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

func preemptible(inst Instance) bool {
	return inst.Preemptible || inst.Metadata["oke-is-preemptible"] == "true"
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
