package resources

import (
	"math"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
)

// Eviction signals that make a node's allocatable smaller; the kubelet takes no other into account, and none of evictionSoft.
const (
	SignalMemory = "memory.available"
	SignalNodeFS = "nodefs.available"
)

// mostAmount bounds what is read of a quantity, so that sums stay far from an overflow; no machine has as many bytes or millicores.
const (
	mostAmount = int64(1) << 50
	millis     = 1000 // millicores of a CPU
)

// Kubelet are the reservations and thresholds that a node class gives the kubelet in place of OKE's. The zero value gives none. It is
// comparable, so that it can be part of a key.
type Kubelet struct {
	KubeReserved, SystemReserved Reserved
	EvictionMemory, EvictionDisk Threshold
}

// Reserved are reservations by resource.
type Reserved struct {
	CPUMillis, Memory, Disk Amount
}

// Amount is a number that may be given or not, in millicores or bytes.
type Amount struct {
	Given bool
	Value int64
}

func (a Amount) or(defaultValue int64) int64 {
	if a.Given {
		return a.Value
	}
	return defaultValue
}

// Threshold is an eviction threshold that may be given or not: bytes, or with Percent above 0 a share of the capacity.
type Threshold struct {
	Given   bool
	Bytes   int64
	Percent float64
}

// of is the threshold in bytes for a capacity. The kubelet cuts a share to whole bytes; here it is rounded up.
func (t Threshold) of(capacity, defaultBytes int64) int64 {
	switch {
	case !t.Given:
		return defaultBytes
	case t.Percent > 0:
		return int64(math.Ceil(float64(capacity) * t.Percent / 100))
	default:
		return t.Bytes
	}
}

// KubeletOf reads a node class's kubelet block. Resources and signals that it does not name keep OKE's values: the kubelet itself would
// reserve nothing for them, which leaves pods more than predicted. A text that is not a quantity counts as not given; the API server
// refuses it.
func KubeletOf(c *v1alpha1.KubeletConfiguration) Kubelet {
	if c == nil {
		return Kubelet{}
	}
	return Kubelet{
		KubeReserved: reservedOf(c.KubeReserved), SystemReserved: reservedOf(c.SystemReserved),
		EvictionMemory: thresholdOf(c.EvictionHard[SignalMemory]), EvictionDisk: thresholdOf(c.EvictionHard[SignalNodeFS]),
	}
}

func reservedOf(r v1alpha1.ReservedResources) Reserved {
	return Reserved{
		CPUMillis: amountOf(r[string(corev1.ResourceCPU)], resource.Milli),
		Memory:    amountOf(r[string(corev1.ResourceMemory)], 0),
		Disk:      amountOf(r[string(corev1.ResourceEphemeralStorage)], 0),
	}
}

// amountOf reads a quantity in units of 10 to the scale, rounded up.
func amountOf(text string, scale resource.Scale) Amount {
	q, err := resource.ParseQuantity(text)
	if err != nil || q.Sign() < 0 {
		return Amount{}
	}
	if whole := q.AsApproximateFloat64(); whole > float64(mostAmount/millis) {
		return Amount{Given: true, Value: int64(min(whole, float64(mostAmount)))} // the integer arithmetic of quantities overflows silently
	}
	return Amount{Given: true, Value: q.ScaledValue(scale)}
}

func thresholdOf(text string) Threshold {
	if share, ok := strings.CutSuffix(text, "%"); ok {
		percent, err := strconv.ParseFloat(share, 64)
		if err != nil || !(percent >= 0 && percent <= 100) {
			return Threshold{}
		}
		return Threshold{Given: true, Percent: percent}
	}
	a := amountOf(text, 0)
	return Threshold{Given: a.Given, Bytes: a.Value}
}
