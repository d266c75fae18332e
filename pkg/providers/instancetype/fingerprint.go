package instancetype

import (
	"hash/maphash"

	corev1 "k8s.io/api/core/v1"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
)

var seed = maphash.MakeSeed()

// fingerprint is a hash of everything in a node class and a NodePool that a list depends on. Hashing content instead of resource versions
// lets node classes that differ only in other fields share one list, and never serves a stale one. Whatever newSelector and paramsOf
// read must be hashed here.
func fingerprint(nodeClass *v1alpha1.OciNodeClass, nodePool *karpv1.NodePool) uint64 {
	var h maphash.Hash
	h.SetSeed(seed)
	writeInt(&h, nodeClass.BootVolumeSizeInGBs())
	writeInt(&h, nodeClass.BootVolumeVpusPerGB())
	for i := range nodeClass.Status.Subnets {
		writeText(&h, nodeClass.Status.Subnets[i].AvailabilityDomain)
	}
	writeText(&h, "images")
	for i := range nodeClass.Status.Images {
		for j := range nodeClass.Status.Images[i].Requirements {
			r := &nodeClass.Status.Images[i].Requirements[j]
			writeRequirement(&h, r.Key, r.Operator, r.Values)
		}
		writeText(&h, "image")
	}
	if nodePool == nil {
		return h.Sum64()
	}
	writeText(&h, nodePool.Name)
	var labels uint64 // a sum, because maps have no order
	for key, value := range nodePool.Spec.Template.Labels {
		labels += maphash.Comparable(seed, [2]string{key, value})
	}
	writeInt(&h, int64(labels))
	for i := range nodePool.Spec.Template.Spec.Requirements {
		r := &nodePool.Spec.Template.Spec.Requirements[i]
		writeRequirement(&h, r.Key, r.Operator, r.Values)
	}
	if limit, ok := nodePool.Spec.Limits[corev1.ResourceCPU]; ok {
		writeText(&h, "cpu")
		writeInt(&h, limit.MilliValue())
	}
	if limit, ok := nodePool.Spec.Limits[corev1.ResourceMemory]; ok {
		writeText(&h, "memory")
		writeInt(&h, limit.Value())
	}
	return h.Sum64()
}

func writeRequirement(h *maphash.Hash, key string, operator corev1.NodeSelectorOperator, values []string) {
	writeText(h, key)
	writeText(h, string(operator))
	writeInt(h, int64(len(values)))
	for _, value := range values {
		writeText(h, value)
	}
}

// writeText writes the length first, so that neighbouring texts cannot run into each other.
func writeText(h *maphash.Hash, text string) {
	writeInt(h, int64(len(text)))
	_, _ = h.WriteString(text) // never fails
}

func writeInt(h *maphash.Hash, n int64) {
	for shift := 0; shift < 64; shift += 8 {
		_ = h.WriteByte(byte(n >> shift)) // never fails
	}
}
