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
	labelVerb        = "verb"
	labelClass       = "class"
)

var (
	serviceLabel   = opmetrics.Label{Name: labelService, Help: "OCI service: compute, network, identity, containerengine, workrequests, clusterplacementgroups, keymanagement, limits, streaming or proxymux (the exchange of tokens of workload identity)."}
	operationLabel = opmetrics.Label{Name: labelOperation, Help: "OCI API operation, such as LaunchInstance."}
	codeLabel      = opmetrics.Label{Name: labelCode, Help: "HTTP status, or none when there was no answer."}
	verbLabel      = opmetrics.Label{Name: labelVerb, Help: "What shares a limit within a service: read, write or launch."}
	classLabel     = opmetrics.Label{Name: labelClass, Help: "Class of the error: Throttled, Transient, or NotAuthorized for a session that was fetched anew."}
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
	}, []opmetrics.Label{serviceLabel, verbLabel}, opmetrics.Alpha)
	limiterRate = opmetrics.NewPrometheusGauge(crmetrics.Registry, prometheus.GaugeOpts{
		Namespace: metricsNamespace, Subsystem: metricsSubsystem, Name: "limiter_rate",
		Help: "Requests a second that the controller allowed itself at the last request: its limit, or less after OCI answered 429.",
	}, []opmetrics.Label{serviceLabel, verbLabel}, opmetrics.Alpha)
	throttledTotal = opmetrics.NewPrometheusCounter(crmetrics.Registry, prometheus.CounterOpts{
		Namespace: metricsNamespace, Subsystem: metricsSubsystem, Name: "throttled_total",
		Help: "Requests that OCI refused because there were too many (429).",
	}, []opmetrics.Label{serviceLabel, verbLabel}, opmetrics.Alpha)
	retriesTotal = opmetrics.NewPrometheusCounter(crmetrics.Registry, prometheus.CounterOpts{
		Namespace: metricsNamespace, Subsystem: metricsSubsystem, Name: "retries_total",
		Help: "Requests that were sent again after an error, by the class of the error.",
	}, []opmetrics.Label{serviceLabel, verbLabel, classLabel}, opmetrics.Alpha)
)

func observe(op operation, took time.Duration, code string) {
	requestsTotal.Inc(map[string]string{labelService: string(op.service), labelOperation: op.name, labelCode: code})
	requestDuration.Observe(took.Seconds(), map[string]string{labelService: string(op.service), labelOperation: op.name})
}

// verbLabels are the labels of a service's class of calls.
func verbLabels(op operation) map[string]string {
	return map[string]string{labelService: string(op.service), labelVerb: string(op.class())}
}

func observeWait(op operation, waited time.Duration, rate float64) {
	labels := verbLabels(op)
	limiterWait.Observe(waited.Seconds(), labels)
	limiterRate.Set(rate, labels)
}

func observeThrottled(op operation, rate float64) {
	labels := verbLabels(op)
	throttledTotal.Inc(labels)
	limiterRate.Set(rate, labels)
}

func observeRetry(op operation, err error) {
	labels := verbLabels(op)
	labels[labelClass] = string(ClassOf(err))
	retriesTotal.Inc(labels)
}
