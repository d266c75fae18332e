package instance

import (
	opmetrics "github.com/awslabs/operatorpkg/metrics"
	"github.com/prometheus/client_golang/prometheus"
	crmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/karpenter-oke/karpenter-oke/pkg/providers/instancetype"
)

const (
	metricsNamespace = "karpenter_oke"
	metricsSubsystem = "instance"

	labelShape   = "shape"
	labelOutcome = "outcome"
)

var (
	shapeLabel = opmetrics.Label{Name: labelShape, Help: "OCI's shape, such as VM.Standard.E5.Flex."}

	fits = opmetrics.NewPrometheusCounter(crmetrics.Registry, prometheus.CounterOpts{
		Namespace: metricsNamespace, Subsystem: metricsSubsystem, Name: "fits_total",
		Help: "Launches by what became of their size: Fitted when it was shrunk to what the pods need, else why it is the instance type's.",
	}, []opmetrics.Label{{Name: labelOutcome, Help: "Fitted, Full, Off, NoRequests, FixedShape, NamedType or SizeRequirements."}}, opmetrics.Alpha)
	savedOCPUs = opmetrics.NewPrometheusCounter(crmetrics.Registry, prometheus.CounterOpts{
		Namespace: metricsNamespace, Subsystem: metricsSubsystem, Name: "fit_saved_ocpus_total",
		Help: "OCPUs that launched instances have less than their instance types.",
	}, []opmetrics.Label{shapeLabel}, opmetrics.Alpha)
	savedMemoryGB = opmetrics.NewPrometheusCounter(crmetrics.Registry, prometheus.CounterOpts{
		Namespace: metricsNamespace, Subsystem: metricsSubsystem, Name: "fit_saved_memory_gb_total",
		Help: "Memory in GB that launched instances have less than their instance types.",
	}, []opmetrics.Label{shapeLabel}, opmetrics.Alpha)
)

// reportFit counts the size of an instance that was launched.
func reportFit(fit *instancetype.Fit) {
	fits.Inc(map[string]string{labelOutcome: string(fit.Outcome)})
	if fit.Outcome == instancetype.Fitted {
		shape := map[string]string{labelShape: fit.Size.ShapeName}
		savedOCPUs.Add(fit.Cell.OCPUs-fit.Size.OCPUs, shape)
		savedMemoryGB.Add(fit.Cell.MemoryGB-fit.Size.MemoryGB, shape)
	}
}
