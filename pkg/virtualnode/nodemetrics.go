package virtualnode

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/awslabs/operatorpkg/controller"
	"github.com/awslabs/operatorpkg/reconciler"
	"github.com/awslabs/operatorpkg/singleton"
	corev1 "k8s.io/api/core/v1"
	controllerruntime "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	metricsnode "sigs.k8s.io/karpenter/pkg/controllers/metrics/node"
	"sigs.k8s.io/karpenter/pkg/controllers/state"
	"sigs.k8s.io/karpenter/pkg/metrics"
	"sigs.k8s.io/karpenter/pkg/utils/resources"
)

// ErrNoNodeMetrics means that core's controllers do not hold exactly one controller of node metrics.
var ErrNoNodeMetrics = errors.New("core's controllers do not hold exactly one metrics/node.Controller")

// nodeMetrics stands in for core's controller of node metrics and corrects the one figure that virtual nodes distort: the cluster's
// utilization, whose denominator would hold the made-up room of virtual nodes.
type nodeMetrics struct {
	core interface {
		Name() string
		Reconcile(ctx context.Context) (reconciler.Result, error)
	}
	filter  *Filter
	cluster *state.Cluster
}

// WrapNodeMetrics returns core's controllers with the one of node metrics swapped, so that karpenter_cluster_utilization_percent speaks
// of nodes that are machines. It returns ErrNoNodeMetrics when there is not exactly one to swap.
func WrapNodeMetrics(cs []controller.Controller, f *Filter, cluster *state.Cluster) ([]controller.Controller, error) {
	swapped := 0
	out := slices.Clone(cs)
	for i, c := range out {
		if core, ok := c.(*metricsnode.Controller); ok {
			out[i] = &nodeMetrics{core: core, filter: f, cluster: cluster}
			swapped++
		}
	}
	if swapped != 1 {
		return nil, fmt.Errorf("%w: found %d", ErrNoNodeMetrics, swapped)
	}
	return out, nil
}

// Name is that of the controller it stands in for.
func (c *nodeMetrics) Name() string { return c.core.Name() }

func (c *nodeMetrics) Register(_ context.Context, m manager.Manager) error {
	return controllerruntime.NewControllerManagedBy(m).
		Named(c.Name()).
		WatchesRawSource(singleton.Source()).
		Complete(singleton.AsReconciler(c))
}

// Reconcile lets core set its metrics and then sets the utilization again without virtual nodes.
func (c *nodeMetrics) Reconcile(ctx context.Context) (reconciler.Result, error) {
	result, err := c.core.Reconcile(ctx)
	if err != nil {
		return result, err
	}
	allocatable, requested := corev1.ResourceList{}, corev1.ResourceList{}
	seen := corev1.ResourceList{}
	for _, n := range c.cluster.DeepCopyNodes() {
		if n.Node == nil {
			continue
		}
		resources.MergeInto(seen, n.Allocatable())
		if !c.filter.config.IsVirtual(n.Node) {
			resources.MergeInto(allocatable, n.Allocatable())
			resources.MergeInto(requested, n.PodRequests())
		}
	}
	for name := range seen {
		total, used := allocatable[name], requested[name]
		percent := 0.0
		if !total.IsZero() {
			percent = 100 * used.AsApproximateFloat64() / total.AsApproximateFloat64()
		}
		metricsnode.ClusterUtilization.Set(percent, map[string]string{metrics.ResourceTypeLabel: metricName(name)})
	}
	return result, nil
}

// metricName is how core writes a resource in its metrics' labels.
func metricName(name corev1.ResourceName) string {
	return strings.ReplaceAll(strings.ToLower(string(name)), "-", "_")
}
