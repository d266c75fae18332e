package virtualnode

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/awslabs/operatorpkg/controller"
	opmetrics "github.com/awslabs/operatorpkg/metrics"
	"github.com/awslabs/operatorpkg/reconciler"
	"github.com/awslabs/operatorpkg/singleton"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/samber/lo"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"
	controllerruntime "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	crmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"
	metricsnode "sigs.k8s.io/karpenter/pkg/controllers/metrics/node"
	"sigs.k8s.io/karpenter/pkg/controllers/state"
	"sigs.k8s.io/karpenter/pkg/metrics"
	"sigs.k8s.io/karpenter/pkg/utils/resources"

	"github.com/karpenter-oke/karpenter-oke/pkg/memory"
)

// ErrNoNodeMetrics means that core's controllers do not hold exactly one controller of node metrics.
var ErrNoNodeMetrics = errors.New("core's controllers do not hold exactly one metrics/node.Controller")

// nodeMetricsInterval is core's.
const nodeMetricsInterval = 5 * time.Second

// The names of core's labels of node metrics that are no labels of nodes.
const (
	metricNodeName  = "node_name"
	metricNodePhase = "phase"
	metricManaged   = "managed"
)

// nodeMetrics stands in for core's controller of node metrics and gives the same series, with two differences. The cluster's utilization
// speaks of nodes that are machines: core's denominator holds the made-up room of virtual nodes. And little is kept of each series, where
// core keeps all its labels twice and builds them anew every five seconds, which is most of the controller's memory on a large cluster.
type nodeMetrics struct {
	name      string
	filter    *Filter
	cluster   *state.Cluster
	collector *nodeCollector
	types     map[corev1.ResourceName]*dto.LabelPair // labels of resources' types
}

// nodeGauge is one of core's metrics of a node's resources.
type nodeGauge struct {
	metric func() opmetrics.GaugeMetric // core makes it when its controllers are made
	of     func(*state.StateNode) corev1.ResourceList
}

var nodeGauges = []nodeGauge{
	{func() opmetrics.GaugeMetric { return metricsnode.SystemOverhead }, func(n *state.StateNode) corev1.ResourceList {
		return resources.Subtract(n.Node.Status.Capacity, n.Node.Status.Allocatable)
	}},
	{func() opmetrics.GaugeMetric { return metricsnode.TotalPodRequests }, (*state.StateNode).PodRequests},
	{func() opmetrics.GaugeMetric { return metricsnode.TotalPodLimits }, (*state.StateNode).PodLimits},
	{func() opmetrics.GaugeMetric { return metricsnode.TotalDaemonRequests }, (*state.StateNode).DaemonSetRequests},
	{func() opmetrics.GaugeMetric { return metricsnode.TotalDaemonLimits }, (*state.StateNode).DaemonSetLimits},
	{func() opmetrics.GaugeMetric { return metricsnode.Allocatable }, func(n *state.StateNode) corev1.ResourceList { return n.Node.Status.Allocatable }},
}

// WrapNodeMetrics returns core's controllers with the one of node metrics swapped, whose metrics are taken over in controller-runtime's
// registry. It returns ErrNoNodeMetrics when there is not exactly one to swap.
func WrapNodeMetrics(cs []controller.Controller, f *Filter, cluster *state.Cluster) ([]controller.Controller, error) {
	cores := lo.FilterMap(cs, func(c controller.Controller, _ int) (*metricsnode.Controller, bool) {
		core, is := c.(*metricsnode.Controller)
		return core, is
	})
	if len(cores) != 1 {
		return nil, fmt.Errorf("%w: found %d", ErrNoNodeMetrics, len(cores))
	}
	c := &nodeMetrics{
		name: cores[0].Name(), filter: f, cluster: cluster, collector: newNodeCollector(f.clock), types: map[corev1.ResourceName]*dto.LabelPair{},
	}
	out := slices.Clone(cs)
	out[slices.Index(cs, controller.Controller(cores[0]))] = c
	return out, c.collector.takeOver(crmetrics.Registry)
}

// IsNodeMetrics tells whether a controller is the one that WrapNodeMetrics puts in the place of core's.
func IsNodeMetrics(c controller.Controller) bool {
	_, is := c.(*nodeMetrics)
	return is
}

// takeOver registers the collector in the place of core's gauges.
func (c *nodeCollector) takeOver(registry prometheus.Registerer) error {
	c.gauges = nil
	for _, g := range nodeGauges {
		desc, err := memory.Unregister(registry, g.metric())
		if err != nil {
			return err
		}
		c.gauges = append(c.gauges, desc)
	}
	var err error
	if c.lifetime, err = memory.Unregister(registry, metricsnode.Lifetime); err != nil {
		return err
	}
	if err := registry.Register(c); err != nil {
		return fmt.Errorf("registering the metrics of nodes: %w", err)
	}
	return nil
}

// Name is that of the controller it stands in for.
func (c *nodeMetrics) Name() string { return c.name }

func (c *nodeMetrics) Register(_ context.Context, m manager.Manager) error {
	return controllerruntime.NewControllerManagedBy(m).
		Named(c.Name()).
		WatchesRawSource(singleton.Source()).
		Complete(singleton.AsReconciler(c))
}

// Reconcile reads the series of every node. It reads core's state in place, since a copy of the whole cluster every few seconds is slow and
// large.
func (c *nodeMetrics) Reconcile(context.Context) (reconciler.Result, error) {
	use := newUtilization()
	before := *c.collector.nodes.Load()
	now := make(map[string]*nodeSeries, len(before))
	for n := range c.cluster.Nodes() {
		if n.Node != nil {
			use.add(n, c.filter.config.IsVirtual(n.Node))
			now[n.Node.Name] = c.read(n, before[n.Node.Name])
		}
	}
	c.collector.nodes.Store(&now)
	use.set()
	return reconciler.Result{RequeueAfter: nodeMetricsInterval}, nil
}

// read takes a node's figures. before is what was read the last time; nil when nothing was.
func (c *nodeMetrics) read(n *state.StateNode, before *nodeSeries) *nodeSeries {
	s := &nodeSeries{labels: c.collector.labels(n, before), created: n.Node.CreationTimestamp.Time}
	if before != nil {
		s.values = make([]nodeValue, 0, len(before.values))
	}
	for i, gauge := range nodeGauges {
		for name, quantity := range gauge.of(n) {
			s.values = append(s.values, nodeValue{i, c.typeLabel(name), metricValue(name, quantity)})
		}
	}
	return s
}

func (c *nodeMetrics) typeLabel(name corev1.ResourceName) *dto.LabelPair {
	label, is := c.types[name]
	if !is {
		label = &dto.LabelPair{Name: ptr.To(metrics.ResourceTypeLabel), Value: ptr.To(metricName(name))}
		c.types[name] = label
	}
	return label
}
