package instance

import (
	"cmp"

	opmetrics "github.com/awslabs/operatorpkg/metrics"
	"github.com/prometheus/client_golang/prometheus"
	crmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/karpenter-oke/karpenter-oke/pkg/oci"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/capacity"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/instancetype"
)

const (
	metricsNamespace = "karpenter_oke"
	metricsSubsystem = "instance"

	labelShape        = "shape"
	labelOutcome      = "outcome"
	labelZone         = "zone"
	labelCapacityType = "capacity_type"
	labelClass        = "class"

	// classNone is the class of an error that is none of OCI's.
	classNone = "None"
)

var (
	shapeLabel = opmetrics.Label{Name: labelShape, Help: "OCI's shape, such as VM.Standard.E5.Flex."}

	offeringLabels = []opmetrics.Label{
		shapeLabel, {Name: labelZone, Help: "Availability domain without its prefix, such as PHX-AD-1."},
		{Name: labelCapacityType, Help: "on-demand, spot (preemptible) or reserved."},
	}

	launches = opmetrics.NewPrometheusCounter(crmetrics.Registry, prometheus.CounterOpts{
		Namespace: metricsNamespace, Subsystem: metricsSubsystem, Name: "launches_total",
		Help: "Launches that OCI accepted.",
	}, offeringLabels, opmetrics.Alpha)
	launchFailures = opmetrics.NewPrometheusCounter(crmetrics.Registry, prometheus.CounterOpts{
		Namespace: metricsNamespace, Subsystem: metricsSubsystem, Name: "launch_failures_total",
		Help: "Launches that OCI refused or did not answer, by the class of the error. One NodeClaim may try several offerings.",
	}, append([]opmetrics.Label{{
		Name: labelClass,
		Help: "Capacity, Limit, Addresses, Throttled, NotFound, NotAuthorized, Config, Conflict or Transient as OCI's answer was classed; None for an error of another kind.",
	}}, offeringLabels...), opmetrics.Alpha)
	lateFailures = opmetrics.NewPrometheusCounter(crmetrics.Registry, prometheus.CounterOpts{
		Namespace: metricsNamespace, Subsystem: metricsSubsystem, Name: "late_launch_failures_total",
		Help: "Instances that ended before their nodes registered, after OCI had accepted the launch, by the class of the cause (None: OCI does not say).",
	}, append([]opmetrics.Label{{Name: labelClass, Help: "As of launch_failures_total."}}, offeringLabels...), opmetrics.Alpha)
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

// reportLaunch counts what became of one launch.
func reportLaunch(o capacity.Offering, err error) {
	if err == nil {
		launches.Inc(offeringValues(o))
		return
	}
	launchFailures.Inc(withClass(o, err))
}

// ReportLateFailure counts a launch that OCI accepted and that came to nothing; cause is nil where OCI does not say why.
func ReportLateFailure(o capacity.Offering, cause error) { lateFailures.Inc(withClass(o, cause)) }

func withClass(o capacity.Offering, err error) map[string]string {
	labels := offeringValues(o)
	labels[labelClass] = cmp.Or(string(oci.ClassOf(err)), classNone)
	return labels
}

func offeringValues(o capacity.Offering) map[string]string {
	return map[string]string{labelShape: o.Shape, labelZone: o.Zone, labelCapacityType: o.CapacityType}
}
