package breaker

import (
	opmetrics "github.com/awslabs/operatorpkg/metrics"
	"github.com/prometheus/client_golang/prometheus"
	crmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"
)

const (
	metricsNamespace = "karpenter_oke"
	metricsSubsystem = "breaker"
	labelReason      = "reason" // one of reasons
	labelNodePool    = "nodepool"
)

var (
	heldGauge = opmetrics.NewPrometheusGauge(crmetrics.Registry, prometheus.GaugeOpts{
		Namespace: metricsNamespace, Subsystem: metricsSubsystem, Name: "held_pods",
		Help: "Pending pods for which nothing is bought now because nodes that were bought for them did not take them.",
	}, []opmetrics.Label{{Name: labelReason, Help: "probation (a node is under way for a pod that an earlier one did not take) or backoff (too many were bought in vain)."}}, opmetrics.Alpha)
	tripsCounter = opmetrics.NewPrometheusCounter(crmetrics.Registry, prometheus.CounterOpts{
		Namespace: metricsNamespace, Subsystem: metricsSubsystem, Name: "trips_total",
		Help: "How often buying for a pod backed off, by the NodePool of the last node that was bought in vain.",
	}, []opmetrics.Label{{Name: labelNodePool, Help: "Name of the NodePool."}}, opmetrics.Alpha)
)
