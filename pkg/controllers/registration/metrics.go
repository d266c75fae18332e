package registration

import (
	"strings"

	opmetrics "github.com/awslabs/operatorpkg/metrics"
	"github.com/prometheus/client_golang/prometheus"
	crmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
)

const (
	metricsNamespace = "karpenter_oke"
	metricsSubsystem = "registration"
	labelNodeClass   = "nodeclass"
)

var classLabel = opmetrics.Label{Name: labelNodeClass, Help: "Name of the OciNodeClass."}

var (
	failuresCounter = opmetrics.NewPrometheusCounter(crmetrics.Registry, prometheus.CounterOpts{
		Namespace: metricsNamespace, Subsystem: metricsSubsystem, Name: "failures_total",
		Help: "NodeClaims that were given up because their instance had not become a node.",
	}, []opmetrics.Label{classLabel}, opmetrics.Alpha)
	stoppedGauge = opmetrics.NewPrometheusGauge(crmetrics.Registry, prometheus.GaugeOpts{
		Namespace: metricsNamespace, Subsystem: metricsSubsystem, Name: "stopped",
		Help: "1 while nothing, or one try at most, is launched from a class because its nodes do not register.",
	}, []opmetrics.Label{classLabel}, opmetrics.Alpha)
	heldGauge = opmetrics.NewPrometheusGauge(crmetrics.Registry, prometheus.GaugeOpts{
		Namespace: metricsNamespace, Subsystem: metricsSubsystem, Name: "held_images",
		Help: "Images that a class went back from because their nodes did not register.",
	}, []opmetrics.Label{classLabel}, opmetrics.Alpha)
)

func (h *Health) measure(nodeClass *v1alpha1.OciNodeClass, is state) {
	class := map[string]string{labelNodeClass: nodeClass.Name}
	stopped := 0.0
	if is != stateClosed {
		stopped = 1
	}
	stoppedGauge.Set(stopped, class)
	heldGauge.Set(float64(len(nodeClass.Status.HeldImages)), class)
}

// cut splits a message where its explanation begins.
func cut(message string) (head, why string, found bool) { return strings.Cut(message, whySeparator) }
