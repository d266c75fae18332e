package virtualnode

import (
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/utils/clock"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/controllers/state"
	"sigs.k8s.io/karpenter/pkg/metrics"
)

// nodeSeries are the series of one node. Nothing in it changes once it is published.
type nodeSeries struct {
	labels  []*dto.LabelPair // sorted by name; every series of the node has them, most with a resource type besides
	created time.Time
	values  []nodeValue
}

// nodeValue is what a node has of a resource.
type nodeValue struct {
	gauge    int            // its place in nodeGauges
	resource *dto.LabelPair // the label of the resource's type, one for all nodes
	value    float64
}

// nodeCollector answers scrapes with the series of nodes. A gauge of the client library would keep all labels of each series: some forty, for
// some twenty-five series of each node. Here the series of a node share them, and a series is made when it is scraped.
type nodeCollector struct {
	clock    clock.PassiveClock
	gauges   []*prometheus.Desc // in the order of nodeGauges
	lifetime *prometheus.Desc
	names    []labelSource // sorted by name
	// place is where among the labels that of a resource's type comes.
	place int
	nodes atomic.Pointer[map[string]*nodeSeries] // by name; what is published does not change
}

// labelSource says where the value of a label of series comes from.
type labelSource struct {
	name string
	of   func(*state.StateNode) string
}

func newNodeCollector(clk clock.PassiveClock) *nodeCollector {
	c := &nodeCollector{clock: clk, names: []labelSource{
		{metricNodeName, func(n *state.StateNode) string { return n.Node.Name }},
		{metricNodePhase, func(n *state.StateNode) string { return string(n.Node.Status.Phase) }},
		{metricManaged, func(n *state.StateNode) string { return strconv.FormatBool(n.Managed()) }},
	}}
	for label := range karpv1.WellKnownLabels {
		if _, short, prefixed := strings.Cut(label, "/"); prefixed && !strings.Contains(short, "/") {
			c.names = append(c.names, labelSource{metricName(short), func(n *state.StateNode) string { return n.Node.Labels[label] }})
		}
	}
	slices.SortFunc(c.names, func(a, b labelSource) int { return strings.Compare(a.name, b.name) })
	c.place, _ = slices.BinarySearchFunc(c.names, metrics.ResourceTypeLabel, func(a labelSource, name string) int { return strings.Compare(a.name, name) })
	c.nodes.Store(&map[string]*nodeSeries{})
	return c
}

// Describe implements prometheus.Collector.
func (c *nodeCollector) Describe(to chan<- *prometheus.Desc) {
	for _, d := range c.gauges {
		to <- d
	}
	to <- c.lifetime
}

// Collect implements prometheus.Collector.
func (c *nodeCollector) Collect(to chan<- prometheus.Metric) {
	for _, node := range *c.nodes.Load() {
		for _, v := range node.values {
			to <- nodeMetric{desc: c.gauges[v.gauge], labels: node.labels, resource: v.resource, place: c.place, value: v.value}
		}
		to <- nodeMetric{desc: c.lifetime, labels: node.labels, value: c.clock.Since(node.created).Seconds()}
	}
}

// labels are those of a node's series that core gives them: before's own, when nothing in them has changed.
func (c *nodeCollector) labels(n *state.StateNode, before *nodeSeries) []*dto.LabelPair {
	if before != nil && c.same(n, before.labels) {
		return before.labels
	}
	pairs := make([]*dto.LabelPair, 0, len(c.names))
	for i := range c.names {
		value := c.names[i].of(n)
		pairs = append(pairs, &dto.LabelPair{Name: &c.names[i].name, Value: &value})
	}
	return pairs
}

func (c *nodeCollector) same(n *state.StateNode, labels []*dto.LabelPair) bool {
	for i := range c.names {
		if labels[i].GetValue() != c.names[i].of(n) {
			return false
		}
	}
	return true
}

// nodeMetric is one series as it is scraped.
type nodeMetric struct {
	desc     *prometheus.Desc
	labels   []*dto.LabelPair
	resource *dto.LabelPair // nil in a series of no resource
	place    int
	value    float64
}

// Desc implements prometheus.Metric.
func (m nodeMetric) Desc() *prometheus.Desc { return m.desc }

// Write implements prometheus.Metric.
func (m nodeMetric) Write(to *dto.Metric) error {
	to.Gauge, to.Label = &dto.Gauge{Value: &m.value}, m.labels
	if m.resource != nil {
		to.Label = make([]*dto.LabelPair, 0, len(m.labels)+1)
		to.Label = append(append(append(to.Label, m.labels[:m.place]...), m.resource), m.labels[m.place:]...)
	}
	return nil
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
