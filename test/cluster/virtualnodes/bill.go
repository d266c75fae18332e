package virtualnodes

import (
	"math"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
)

// Size is what a pod is billed for, in whole units.
type Size struct {
	OCPUs    int
	MemoryGB int // GiB in fact
}

// Bill is one pod's time on a container instance. Ended pods keep billing until they are deleted.
type Bill struct {
	Size
	UID             types.UID
	Namespace, Name string
	Node            string
	From            time.Time
	Until           time.Time // zero while the pod exists
}

// Defaults and additions of Oracle's rule for pods on virtual nodes.
const (
	defaultOCPUs  = 0.125
	defaultMemory = 0.5  // GB
	extraMemory   = 0.25 // GB for kube-proxy and the runtime
	gibibyte      = 1 << 30
)

// BilledSize applies Oracle's rule: the sum over containers, a limit beats a request, 0.125 OCPU and 0.5 GB for a container that names
// none, 0.25 GB more for the pod, then both rounded up to whole units. vcpusPerOCPU is 2 for E3 and E4 pods and 1 for A1.
func BilledSize(pod *corev1.Pod, vcpusPerOCPU int) Size {
	var ocpus, memory float64
	for _, c := range pod.Spec.Containers {
		if q, ok := either(c.Resources, corev1.ResourceCPU); ok {
			ocpus += q / float64(vcpusPerOCPU)
		} else {
			ocpus += defaultOCPUs
		}
		if q, ok := either(c.Resources, corev1.ResourceMemory); ok {
			memory += q / gibibyte
		} else {
			memory += defaultMemory
		}
	}
	return Size{OCPUs: int(math.Ceil(max(ocpus, defaultOCPUs))), MemoryGB: int(math.Ceil(max(memory, defaultMemory) + extraMemory))}
}

func either(r corev1.ResourceRequirements, name corev1.ResourceName) (float64, bool) {
	for _, list := range []corev1.ResourceList{r.Limits, r.Requests} {
		if q, ok := list[name]; ok && !q.IsZero() {
			return q.AsApproximateFloat64(), true
		}
	}
	return 0, false
}
