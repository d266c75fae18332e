package virtualnode

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/awslabs/operatorpkg/controller"
	opmetrics "github.com/awslabs/operatorpkg/metrics"
	"github.com/awslabs/operatorpkg/reconciler"
	"github.com/awslabs/operatorpkg/singleton"
	corev1 "k8s.io/api/core/v1"
	controllerruntime "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	metricsnode "sigs.k8s.io/karpenter/pkg/controllers/metrics/node"
	"sigs.k8s.io/karpenter/pkg/controllers/state"
	"sigs.k8s.io/karpenter/pkg/utils/resources"
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

// nodeMetrics stands in for core's controller of node metrics and sets the same series, with two differences. The cluster's utilization
// speaks of nodes that are machines: core's denominator holds the made-up room of virtual nodes. And nothing but the series is kept from one
// round to the next: core keeps, and builds anew every five seconds, a map of some forty labels for each of some twenty series of each node,
// which is most of the controller's memory on a large cluster.
type nodeMetrics struct {
	name    string
	filter  *Filter
	cluster *state.Cluster
	// wellKnown are the labels of nodes by the names that metrics give them.
	wellKnown map[string]string
	known     map[string]*nodeSeries // by node
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

// WrapNodeMetrics returns core's controllers with the one of node metrics swapped. It returns ErrNoNodeMetrics when there is not exactly one
// to swap.
func WrapNodeMetrics(cs []controller.Controller, f *Filter, cluster *state.Cluster) ([]controller.Controller, error) {
	swapped := 0
	out := slices.Clone(cs)
	for i, c := range out {
		if core, ok := c.(*metricsnode.Controller); ok {
			out[i] = newNodeMetrics(core.Name(), f, cluster)
			swapped++
		}
	}
	if swapped != 1 {
		return nil, fmt.Errorf("%w: found %d", ErrNoNodeMetrics, swapped)
	}
	return out, nil
}

func newNodeMetrics(name string, f *Filter, cluster *state.Cluster) *nodeMetrics {
	c := &nodeMetrics{name: name, filter: f, cluster: cluster, wellKnown: map[string]string{}, known: map[string]*nodeSeries{}}
	for label := range karpv1.WellKnownLabels {
		if _, short, prefixed := strings.Cut(label, "/"); prefixed && !strings.Contains(short, "/") {
			c.wellKnown[label] = metricName(short)
		}
	}
	return c
}

// Name is that of the controller it stands in for.
func (c *nodeMetrics) Name() string { return c.name }

func (c *nodeMetrics) Register(_ context.Context, m manager.Manager) error {
	return controllerruntime.NewControllerManagedBy(m).
		Named(c.Name()).
		WatchesRawSource(singleton.Source()).
		Complete(singleton.AsReconciler(c))
}

// Reconcile sets the series of every node, and removes those of nodes that are gone. It reads core's state in place, since a copy of the
// whole cluster every few seconds is slow and large, and writes the series when it has let go of it.
func (c *nodeMetrics) Reconcile(context.Context) (reconciler.Result, error) {
	use := newUtilization()
	now := map[string]*nodeSeries{}
	for n := range c.cluster.Nodes() {
		if n.Node != nil {
			use.add(n, c.filter.config.IsVirtual(n.Node))
			now[n.Node.Name] = c.read(n)
		}
	}
	for name, series := range c.known {
		if now[name] == nil || !maps.Equal(series.labels, now[name].labels) {
			series.forget()
			delete(c.known, name)
		}
	}
	for name, series := range now {
		series.write(c.known[name])
		metricsnode.Lifetime.Set(c.filter.clock.Since(series.created).Seconds(), series.labels)
	}
	c.known = now
	use.set()
	return reconciler.Result{RequeueAfter: nodeMetricsInterval}, nil
}
