package virtualnode

import (
	corev1 "k8s.io/api/core/v1"
	metricsnode "sigs.k8s.io/karpenter/pkg/controllers/metrics/node"
	"sigs.k8s.io/karpenter/pkg/controllers/state"
	"sigs.k8s.io/karpenter/pkg/metrics"
	"sigs.k8s.io/karpenter/pkg/utils/resources"
)

// utilization sums what pods request of what nodes have, virtual nodes left out.
type utilization struct{ seen, allocatable, requested corev1.ResourceList }

func newUtilization() *utilization {
	return &utilization{seen: corev1.ResourceList{}, allocatable: corev1.ResourceList{}, requested: corev1.ResourceList{}}
}

func (u *utilization) add(n *state.StateNode, virtual bool) {
	resources.MergeInto(u.seen, n.Allocatable())
	if !virtual {
		resources.MergeInto(u.allocatable, n.Allocatable())
		resources.MergeInto(u.requested, n.PodRequests())
	}
}

// set sets the utilization of every resource that any node has.
func (u *utilization) set() {
	for name := range u.seen {
		total, used := u.allocatable[name], u.requested[name]
		percent := 0.0
		if !total.IsZero() {
			percent = 100 * used.AsApproximateFloat64() / total.AsApproximateFloat64()
		}
		metricsnode.ClusterUtilization.Set(percent, map[string]string{metrics.ResourceTypeLabel: metricName(name)})
	}
}
