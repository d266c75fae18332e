package feed

import (
	opmetrics "github.com/awslabs/operatorpkg/metrics"
	"github.com/prometheus/client_golang/prometheus"
	crmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"
)

const (
	namespace    = "karpenter_oke"
	subsystem    = "pricing"
	labelOutcome = "outcome"

	outcomeChanged   = "changed"
	outcomeUnchanged = "unchanged"
	outcomeFailed    = "failed"
)

var (
	lastSuccess = opmetrics.NewPrometheusGauge(crmetrics.Registry, prometheus.GaugeOpts{
		Namespace: namespace, Subsystem: subsystem, Name: "last_refresh_timestamp_seconds",
		Help: "When the price list was last read well, in seconds since 1970; 0 while the prices that the controller came with are used. Its age is time() minus this.",
	}, nil, opmetrics.Alpha)
	generation = opmetrics.NewPrometheusGauge(crmetrics.Registry, prometheus.GaugeOpts{
		Namespace: namespace, Subsystem: subsystem, Name: "generation",
		Help: "Edition of the prices in use; 1 is the one that the controller came with.",
	}, nil, opmetrics.Alpha)
	keptParts = opmetrics.NewPrometheusGauge(crmetrics.Registry, prometheus.GaugeOpts{
		Namespace: namespace, Subsystem: subsystem, Name: "kept_parts",
		Help: "Parts that keep an old price because the price list lacks them or has a price beyond belief; the log names them.",
	}, nil, opmetrics.Alpha)
	reads = opmetrics.NewPrometheusCounter(crmetrics.Registry, prometheus.CounterOpts{
		Namespace: namespace, Subsystem: subsystem, Name: "refreshes_total",
		Help: "Reads of the price list by outcome. After a failed one the old prices stay.",
	}, []opmetrics.Label{{Name: labelOutcome, Help: "changed, unchanged or failed."}}, opmetrics.Alpha)
)
