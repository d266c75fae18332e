package virtualnode

import (
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metricsnode "sigs.k8s.io/karpenter/pkg/controllers/metrics/node"
	"sigs.k8s.io/karpenter/pkg/controllers/state"
	"sigs.k8s.io/karpenter/pkg/metrics"
	"sigs.k8s.io/karpenter/pkg/utils/resources"
)

// nodeSeries are the series of one node.
type nodeSeries struct {
	labels  map[string]string // without a resource type
	created time.Time
	values  map[seriesKey]float64
}

type seriesKey struct {
	gauge    int // its place in nodeGauges
	resource corev1.ResourceName
}

// read takes a node's figures.
func (c *nodeMetrics) read(n *state.StateNode) *nodeSeries {
	s := &nodeSeries{labels: c.labels(n), created: n.Node.CreationTimestamp.Time, values: map[seriesKey]float64{}}
	for i, gauge := range nodeGauges {
		for name, quantity := range gauge.of(n) {
			s.values[seriesKey{i, name}] = metricValue(name, quantity)
		}
	}
	return s
}

// labels are those of a node's series that core gives them.
func (c *nodeMetrics) labels(n *state.StateNode) map[string]string {
	labels := make(map[string]string, len(c.wellKnown)+4)
	labels[metricNodeName], labels[metricNodePhase], labels[metricManaged] = n.Node.Name, string(n.Node.Status.Phase), strconv.FormatBool(n.Managed())
	for label, name := range c.wellKnown {
		labels[name] = n.Node.Labels[label]
	}
	return labels
}

// with lends the labels with a resource type to do, which must not keep them.
func (s *nodeSeries) with(name corev1.ResourceName, do func(labels map[string]string)) {
	s.labels[metrics.ResourceTypeLabel] = metricName(name)
	do(s.labels)
	delete(s.labels, metrics.ResourceTypeLabel)
}

// write sets what differs from what was set before for the same labels, and removes what is not there any more. before is nil when nothing was.
func (s *nodeSeries) write(before *nodeSeries) {
	for key, value := range s.values {
		if before != nil {
			if old, set := before.values[key]; set && old == value {
				continue
			}
		}
		s.with(key.resource, func(labels map[string]string) { nodeGauges[key.gauge].metric().Set(value, labels) })
	}
	if before == nil {
		return
	}
	for key := range before.values {
		if _, still := s.values[key]; !still {
			s.with(key.resource, nodeGauges[key.gauge].metric().Delete)
		}
	}
}

// forget removes every series of the node.
func (s *nodeSeries) forget() {
	for key := range s.values {
		s.with(key.resource, nodeGauges[key.gauge].metric().Delete)
	}
	metricsnode.Lifetime.Delete(s.labels)
}

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

// metricName is how core writes a resource, or the name of a label, in its metrics' labels.
func metricName[T ~string](name T) string {
	return strings.ReplaceAll(strings.ToLower(string(name)), "-", "_")
}

// metricValue is a quantity as core's metrics have it: cores, or bytes and pieces.
func metricValue(name corev1.ResourceName, quantity resource.Quantity) float64 {
	if name == corev1.ResourceCPU {
		return float64(quantity.MilliValue()) / 1000
	}
	return float64(quantity.Value())
}
