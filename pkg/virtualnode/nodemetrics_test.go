package virtualnode

import (
	"strings"
	"testing"

	"github.com/awslabs/operatorpkg/controller"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"sigs.k8s.io/controller-runtime/pkg/client"
	crmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	metricsnode "sigs.k8s.io/karpenter/pkg/controllers/metrics/node"
	"sigs.k8s.io/karpenter/pkg/controllers/state"
)

// coreNodeMetrics is core's controller of node metrics, which registers them each time that it is made, with a registry of its own.
func coreNodeMetrics(t *testing.T, cluster *state.Cluster) *metricsnode.Controller {
	t.Helper()
	global := crmetrics.Registry
	crmetrics.Registry = prometheus.NewPedanticRegistry()
	t.Cleanup(func() { crmetrics.Registry = global })
	return metricsnode.NewController(cluster)
}

// nodeSeriesIn are all series of nodes as they are scraped, but for the age that grows by itself.
func nodeSeriesIn(t *testing.T, registry prometheus.Gatherer) map[string]float64 {
	t.Helper()
	families, err := registry.Gather()
	require.NoError(t, err)
	out := map[string]float64{}
	for _, f := range families {
		if !strings.HasPrefix(f.GetName(), "karpenter_nodes_") || f.GetType() != dto.MetricType_GAUGE {
			continue
		}
		for _, m := range f.GetMetric() {
			key, node := f.GetName(), false
			for _, l := range m.GetLabel() {
				key += "," + l.GetName() + "=" + l.GetValue()
				node = node || l.GetName() == metricNodeName
			}
			if !node {
				continue
			}
			if out[key] = m.GetGauge().GetValue(); f.GetName() == "karpenter_nodes_current_lifetime_seconds" {
				out[key] = 0
			}
		}
	}
	return out
}

func TestNodesHaveTheSeriesThatCoreGivesThem(t *testing.T) {
	one, first := managedNode("managed-1", "general")
	two, second := managedNode("managed-2", "general")
	first.Status.Allocatable[corev1.ResourceName("nvidia.com/gpu")] = resource.MustParse("2")
	e := newCoreEnv(t, DefaultConfig(), vnode("virtual-1"), one, first, two, second,
		pendingPod("a", runningOn("managed-1")), pendingPod("b", runningOn("managed-1")), pendingPod("c", byKey, runningOn("virtual-1")))
	core := coreNodeMetrics(t, e.cluster)
	wrapped, err := WrapNodeMetrics([]controller.Controller{core}, e.filter, e.cluster)
	require.NoError(t, err)
	ours := wrapped[0].(*nodeMetrics)
	cores := prometheus.NewPedanticRegistry() // ours took them out of the other
	for _, g := range nodeGauges {
		cores.MustRegister(g.metric().(prometheus.Collector))
	}
	cores.MustRegister(metricsnode.Lifetime.(prometheus.Collector))
	same := func(what string) map[string]float64 {
		t.Helper()
		_, err = core.Reconcile(e.ctx)
		require.NoError(t, err)
		for range 2 {
			_, err := ours.Reconcile(e.ctx)
			require.NoError(t, err)
			require.Equal(t, nodeSeriesIn(t, cores), nodeSeriesIn(t, crmetrics.Registry), what)
		}
		return nodeSeriesIn(t, cores)
	}
	before := same("as they are")
	require.NotEmpty(t, before)

	node := &corev1.Node{}
	require.NoError(t, e.api.Get(e.ctx, client.ObjectKey{Name: "managed-1"}, node))
	node.Labels[karpv1.CapacityTypeLabelKey] = "spot"
	delete(node.Status.Allocatable, corev1.ResourceName("nvidia.com/gpu"))
	require.NoError(t, e.cluster.UpdateNode(e.ctx, node))
	e.cluster.DeletePod(client.ObjectKey{Namespace: "default", Name: "a"})
	changed := same("a label, a value and a resource changed")
	require.NotEqual(t, before, changed)
	require.Len(t, changed, len(before)-1, "the GPUs are gone and nothing else")

	e.cluster.DeleteNode("managed-2")
	require.Less(t, len(same("a node is gone")), len(changed))
}
