package instancetype

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// HandBackHugePages is what a node's allocatable would be without its huge pages, which the kubelet takes from the memory. No field of a node
// class sets huge pages: they come from a script or an image, which nobody can read. Core learns of them from a NodeOverlay, which adds them to the
// capacity of types and takes them from the memory by itself; of such a node they must not be learned as memory that it lacks as well.
func HandBackHugePages(capacity, allocatable corev1.ResourceList) corev1.ResourceList {
	out := allocatable.DeepCopy()
	for name, quantity := range capacity {
		if !strings.HasPrefix(string(name), corev1.ResourceHugePagesPrefix) {
			continue
		}
		delete(out, name)
		if memory, ok := out[corev1.ResourceMemory]; ok {
			memory.Add(quantity)
			out[corev1.ResourceMemory] = memory
		}
	}
	return out
}
