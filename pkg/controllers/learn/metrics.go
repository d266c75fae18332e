package learn

import (
	opmetrics "github.com/awslabs/operatorpkg/metrics"
	"github.com/prometheus/client_golang/prometheus"
	crmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"
)

const (
	metricsNamespace = "karpenter_oke"
	metricsSubsystem = "learned_capacity"
	// labelShape is a shape that the region lists.
	labelShape = "shape"
)

var shapeLabel = opmetrics.Label{Name: labelShape, Help: "OCI's shape, such as VM.Standard.E5.Flex."}

var (
	smallerCounter = opmetrics.NewPrometheusCounter(crmetrics.Registry, prometheus.CounterOpts{
		Namespace: metricsNamespace, Subsystem: metricsSubsystem, Name: "corrections_total",
		Help: "Nodes that came up smaller than was known of their size until then, by shape.",
	}, []opmetrics.Label{shapeLabel}, opmetrics.Alpha)
	entriesGauge = opmetrics.NewPrometheusGauge(crmetrics.Registry, prometheus.GaugeOpts{
		Namespace: metricsNamespace, Subsystem: metricsSubsystem, Name: "entries",
		Help: "Sizes of which nodes are remembered because some node of their image was smaller than modelled.",
	}, nil, opmetrics.Alpha)
	shortfallGauge = opmetrics.NewPrometheusGauge(crmetrics.Registry, prometheus.GaugeOpts{
		Namespace: metricsNamespace, Subsystem: metricsSubsystem, Name: "memory_shortfall_bytes",
		Help: "The most memory that a node of the shape gives less than modelled.",
	}, []opmetrics.Label{shapeLabel}, opmetrics.Alpha)
)
