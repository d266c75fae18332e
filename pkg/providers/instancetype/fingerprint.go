package instancetype

import (
	"encoding/binary"
	"hash/maphash"

	corev1 "k8s.io/api/core/v1"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
)

var seed = maphash.MakeSeed()

// fingerprintRoom is the buffer on the stack; what is asked for with more text than this costs an allocation.
const fingerprintRoom = 2048

// fingerprint is a hash of everything in a node class and a NodePool that a list depends on. Hashing content instead of resource versions
// lets node classes that differ only in other fields share one list, and never serves a stale one. Whatever newSelector,
// paramsOf and variantOf read must be hashed here. So must what decides which learned figures hold; the figures themselves have a
// generation.
func (p *DefaultProvider) fingerprint(nodeClass *v1alpha1.OciNodeClass, nodePool *karpv1.NodePool) uint64 {
	var room [fingerprintRoom]byte
	b := room[:0]
	b = p.deps.Learned.AppendScope(appendClass(b, nodeClass), nodeClass)
	if nodePool == nil {
		return maphash.Bytes(seed, b)
	}
	b = appendText(b, nodePool.Name)
	var labels uint64 // a sum, because maps have no order
	for key, value := range nodePool.Spec.Template.Labels {
		labels += maphash.Comparable(seed, [2]string{key, value})
	}
	b = appendInt(b, int64(labels))
	requirements := nodePool.Spec.Template.Spec.Requirements
	b = appendInt(b, int64(len(requirements)))
	for i := range requirements {
		b = appendRequirement(b, requirements[i].Key, requirements[i].Operator, requirements[i].Values)
	}
	if limit, ok := nodePool.Spec.Limits[corev1.ResourceCPU]; ok {
		b = appendInt(append(b, 'c'), limit.MilliValue())
	}
	if limit, ok := nodePool.Spec.Limits[corev1.ResourceMemory]; ok {
		b = appendInt(append(b, 'm'), limit.Value())
	}
	return maphash.Bytes(seed, b)
}

func appendRequirement(b []byte, key string, operator corev1.NodeSelectorOperator, values []string) []byte {
	b = appendText(appendText(b, key), string(operator))
	b = appendInt(b, int64(len(values)))
	for _, value := range values {
		b = appendText(b, value)
	}
	return b
}

// appendText writes the length first, so that neighbouring texts cannot run into each other.
func appendText(b []byte, text string) []byte { return append(appendInt(b, int64(len(text))), text...) }

func appendInt(b []byte, n int64) []byte {
	return binary.LittleEndian.AppendUint64(b, uint64(n)) //nolint:gosec // only told apart, never read as a number
}
