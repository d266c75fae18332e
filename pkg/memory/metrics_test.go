package memory

import (
	"testing"

	"github.com/awslabs/operatorpkg/controller"
	opmetrics "github.com/awslabs/operatorpkg/metrics"
	"github.com/awslabs/operatorpkg/status"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/record"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	crmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	metricspod "sigs.k8s.io/karpenter/pkg/controllers/metrics/pod"
)

func TestCoresConditionsAreCountedInLittle(t *testing.T) {
	claim := &karpv1.NodeClaim{ObjectMeta: metav1.ObjectMeta{Name: "c"}}
	claim.StatusConditions().SetTrue(karpv1.ConditionTypeLaunched)
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n"}, Status: corev1.NodeStatus{Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue, Reason: "r"}}}}
	kube := fake.NewClientBuilder().WithObjects(claim, node).Build()
	recorder := record.NewFakeRecorder(100)
	claims := status.NewController[*karpv1.NodeClaim](kube, recorder, status.EmitDeprecatedMetrics)
	nodes := status.NewGenericObjectController[*corev1.Node](kube, recorder)
	gauges := []*opmetrics.GaugeMetric{
		&metricspod.PodState, &status.ConditionCount, &status.ConditionCurrentStatusSeconds,
		&claims.ConditionCount, &claims.ConditionCurrentStatusSeconds, &nodes.ConditionCount, &nodes.ConditionCurrentStatusSeconds,
	}
	before := make([]opmetrics.GaugeMetric, len(gauges))
	for i, g := range gauges {
		before[i] = *g
	}
	t.Cleanup(func() {
		for i, g := range gauges {
			crmetrics.Registry.Unregister((*g).(prometheus.Collector))
			crmetrics.Registry.MustRegister(before[i].(prometheus.Collector))
			*g = before[i]
		}
	})

	require.NoError(t, ReplaceGauges(crmetrics.Registry, []controller.Controller{claims, nodes}))

	for _, g := range gauges {
		require.IsType(t, &Gauge{}, *g)
	}
	_, err := claims.Reconcile(t.Context(), reconcile.Request{NamespacedName: client.ObjectKeyFromObject(claim)})
	require.NoError(t, err)
	_, err = nodes.Reconcile(t.Context(), reconcile.Request{NamespacedName: client.ObjectKeyFromObject(node)})
	require.NoError(t, err)
	for name, want := range map[string]int{
		"operator_nodeclaim_status_condition_count": len(claim.GetConditions()), "operator_status_condition_count": len(claim.GetConditions()),
		"operator_nodeclaim_status_condition_current_status_seconds": len(claim.GetConditions()), "operator_node_status_condition_count": 1,
	} {
		require.Equal(t, want, countSeries(t, crmetrics.Registry, name), name)
	}
}
