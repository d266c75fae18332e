package inspect

import (
	"math"

	corev1 "k8s.io/api/core/v1"
)

// What Oracle adds and assumes for a pod on a virtual node (Oracle: Resources Provisioned by Virtual Nodes).
const (
	unnamedOCPUs    = 0.125 // of a container that names neither limit nor request
	unnamedMemoryGB = 0.5
	leastOCPUs      = 0.125
	leastMemoryGB   = 0.5
	ownMemoryGB     = 0.25 // for kube-proxy and the container runtime
)

// virtualPodSize is what a pod on a virtual node is billed for: the sum over its containers, a limit before a request, and then whole
// OCPUs and whole GB.
func virtualPodSize(p *corev1.Pod, vcpusPerOCPU int) (ocpus, memoryGB float64) {
	for k := range p.Spec.Containers {
		r := &p.Spec.Containers[k].Resources
		if q := named(r, corev1.ResourceCPU); q > 0 {
			ocpus += q / float64(max(vcpusPerOCPU, 1))
		} else {
			ocpus += unnamedOCPUs
		}
		if q := named(r, corev1.ResourceMemory); q > 0 {
			memoryGB += q / bytesPerGiB
		} else {
			memoryGB += unnamedMemoryGB
		}
	}
	return math.Ceil(max(ocpus, leastOCPUs)), math.Ceil(max(memoryGB, leastMemoryGB) + ownMemoryGB)
}

// named is the limit of a container, else its request, else 0.
func named(r *corev1.ResourceRequirements, name corev1.ResourceName) float64 {
	if q, ok := r.Limits[name]; ok && !q.IsZero() {
		return q.AsApproximateFloat64()
	}
	q := r.Requests[name]
	return q.AsApproximateFloat64()
}
