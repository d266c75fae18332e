package oci

import (
	"time"

	opmetrics "github.com/awslabs/operatorpkg/metrics"
	"github.com/prometheus/client_golang/prometheus"
	crmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"
)

const (
	metricsNamespace = "karpenter_oke"
	metricsSubsystem = "oci"
	labelService     = "service"
	labelOperation   = "operation"
	labelCode        = "code"
)

var (
	serviceLabel   = opmetrics.Label{Name: labelService, Help: "OCI service: compute, network, identity, containerengine, workrequests, clusterplacementgroups or keymanagement."}
	operationLabel = opmetrics.Label{Name: labelOperation, Help: "OCI API operation, such as LaunchInstance."}
	codeLabel      = opmetrics.Label{Name: labelCode, Help: "HTTP status, or none when there was no answer."}
)

var (
	requestsTotal = opmetrics.NewPrometheusCounter(crmetrics.Registry, prometheus.CounterOpts{
		Namespace: metricsNamespace, Subsystem: metricsSubsystem, Name: "requests_total",
		Help: "Requests sent to OCI, retries included, by service, operation and HTTP status (none: no answer).",
	}, []opmetrics.Label{serviceLabel, operationLabel, codeLabel}, opmetrics.Alpha)
	requestDuration = opmetrics.NewPrometheusHistogram(crmetrics.Registry, prometheus.HistogramOpts{
		Namespace: metricsNamespace, Subsystem: metricsSubsystem, Name: "request_duration_seconds",
		Help:    "Duration of one request to OCI in seconds, without the wait for the limiter.",
		Buckets: []float64{0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30},
	}, []opmetrics.Label{serviceLabel, operationLabel}, opmetrics.Alpha)
	limiterWait = opmetrics.NewPrometheusHistogram(crmetrics.Registry, prometheus.HistogramOpts{
		Namespace: metricsNamespace, Subsystem: metricsSubsystem, Name: "limiter_wait_seconds",
		Help:    "Time that a request waited for the controller's own rate limiter, in seconds.",
		Buckets: []float64{0.001, 0.01, 0.1, 0.5, 1, 5, 10, 60},
	}, []opmetrics.Label{serviceLabel}, opmetrics.Alpha)
)

func observe(op operation, took time.Duration, code string) {
	requestsTotal.Inc(map[string]string{labelService: string(op.service), labelOperation: op.name, labelCode: code})
	requestDuration.Observe(took.Seconds(), map[string]string{labelService: string(op.service), labelOperation: op.name})
}
