package interruption

import (
	opmetrics "github.com/awslabs/operatorpkg/metrics"
	"github.com/prometheus/client_golang/prometheus"
	crmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"
)

const (
	metricsNamespace = "karpenter_oke"
	metricsSubsystem = "interruption"

	labelKind    = "kind"
	labelOutcome = "outcome"
	labelSource  = "source"
)

// outcome is what became of a message; a metric label, so the set is closed.
type outcome string

const (
	outcomeHandled   outcome = "handled"
	outcomeRepeated  outcome = "repeated"  // the NodeClaim is being deleted, or the maintenance was known
	outcomeIgnored   outcome = "ignored"   // says nothing that needs anything done
	outcomeForeign   outcome = "foreign"   // about a compartment without instances of this cluster, or not the instance's own
	outcomeUnknown   outcome = "unknown"   // about an instance of no NodeClaim, such as one that is gone
	outcomeRefuted   outcome = "refuted"   // a preemption of an instance that is not preemptible
	outcomeOutdated  outcome = "outdated"  // a preemption that should have happened long ago, of an instance that runs
	outcomeMalformed outcome = "malformed" // not an event, or without what an event must have
	outcomeFailed    outcome = "failed"    // given up after many tries
)

// source is how an interruption was found out; a metric label, so the set is closed.
type source string

const (
	sourceStream source = "stream"
	sourceList   source = "list"
)

var (
	kindLabel    = opmetrics.Label{Name: labelKind, Help: "What it is about: preemption, maintenance, other or malformed."}
	outcomeLabel = opmetrics.Label{Name: labelOutcome, Help: "What became of it: handled, repeated, ignored, foreign, unknown, refuted, outdated, malformed or failed."}
	sourceLabel  = opmetrics.Label{Name: labelSource, Help: "How it was found out: stream, or list for the lists of instances and of maintenance."}

	messagesTotal = opmetrics.NewPrometheusCounter(crmetrics.Registry, prometheus.CounterOpts{
		Namespace: metricsNamespace, Subsystem: metricsSubsystem, Name: "messages_total",
		Help: "Messages of the stream of interruptions, by what they are about and what became of them.",
	}, []opmetrics.Label{kindLabel, outcomeLabel}, opmetrics.Alpha)
	actionsTotal = opmetrics.NewPrometheusCounter(crmetrics.Registry, prometheus.CounterOpts{
		Namespace: metricsNamespace, Subsystem: metricsSubsystem, Name: "nodeclaims_deleted_total",
		Help: "NodeClaims that were deleted because their instances are taken away or worked on, by how that was found out.",
	}, []opmetrics.Label{kindLabel, sourceLabel}, opmetrics.Alpha)
	reactionSeconds = opmetrics.NewPrometheusHistogram(crmetrics.Registry, prometheus.HistogramOpts{
		Namespace: metricsNamespace, Subsystem: metricsSubsystem, Name: "reaction_seconds",
		Help:    "Time from the publication of an interruption in the stream to the deletion of its NodeClaim.",
		Buckets: []float64{0.1, 0.25, 0.5, 1, 1.5, 2, 3, 5, 10, 20, 30, 60, 120, 300},
	}, []opmetrics.Label{kindLabel}, opmetrics.Alpha)
	lagSeconds = opmetrics.NewPrometheusGauge(crmetrics.Registry, prometheus.GaugeOpts{
		Namespace: metricsNamespace, Subsystem: metricsSubsystem, Name: "stream_lag_seconds",
		Help: "How long the oldest message of the last read had waited in the stream of interruptions; 0 when there was none.",
	}, nil, opmetrics.Alpha)
	streamHealthy = opmetrics.NewPrometheusGauge(crmetrics.Registry, prometheus.GaugeOpts{
		Namespace: metricsNamespace, Subsystem: metricsSubsystem, Name: "stream_healthy",
		Help: "1 while the stream of interruptions can be read, 0 while it can not; absent without a stream and on replicas that do not lead.",
	}, nil, opmetrics.Alpha)
	maintenancePending = opmetrics.NewPrometheusGauge(crmetrics.Registry, prometheus.GaugeOpts{
		Namespace: metricsNamespace, Subsystem: metricsSubsystem, Name: "maintenance_nodeclaims",
		Help: "NodeClaims whose instances Oracle has announced maintenance for.",
	}, nil, opmetrics.Alpha)
)

func countMessage(k kind, o outcome) {
	messagesTotal.Inc(map[string]string{labelKind: string(k), labelOutcome: string(o)})
}
