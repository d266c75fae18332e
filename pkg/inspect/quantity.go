package inspect

import (
	"strconv"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

const bytesPerGiB = 1 << 30

// Quantity writes a quantity for people: cores with at most two decimals, memory and storage in Gi with at most two, others as they are.
func Quantity(name corev1.ResourceName, q resource.Quantity) string {
	switch name {
	case corev1.ResourceCPU:
		return short(float64(q.MilliValue()) / 1000)
	case corev1.ResourceMemory, corev1.ResourceEphemeralStorage:
		return short(float64(q.Value())/bytesPerGiB) + "Gi"
	}
	return q.String()
}

// short cuts to two decimals rather than rounding: what is there must not look larger than it is.
func short(value float64) string {
	return strconv.FormatFloat(float64(int64(value*100+1e-6))/100, 'f', -1, 64)
}
