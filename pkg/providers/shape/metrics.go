package shape

import (
	opmetrics "github.com/awslabs/operatorpkg/metrics"
	"github.com/prometheus/client_golang/prometheus"
	crmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"
)

const (
	namespace  = "karpenter_oke"
	subsystem  = "shape"
	labelShape = "shape"
)

var (
	doubtful = opmetrics.NewPrometheusGauge(crmetrics.Registry, prometheus.GaugeOpts{
		Namespace: namespace, Subsystem: subsystem, Name: "doubtful",
		Help: "1 for each shape of the region of which something had to be guessed; the log says what, and --shape-overrides corrects it.",
	}, []opmetrics.Label{{Name: labelShape, Help: "OCI's shape, such as VM.Standard.E5.Flex."}}, opmetrics.Alpha)
	known = opmetrics.NewPrometheusGauge(crmetrics.Registry, prometheus.GaugeOpts{
		Namespace: namespace, Subsystem: subsystem, Name: "known",
		Help: "Number of shapes that the region lists or has listed since the controller started.",
	}, nil, opmetrics.Alpha)
)

// report sets the metrics for a snapshot. A shape that is no longer in doubt loses its series.
func report(next *Snapshot) {
	known.Set(float64(len(next.Shapes())), nil)
	for _, s := range next.Shapes() {
		labels := map[string]string{labelShape: s.Name}
		if len(s.Warnings) > 0 {
			doubtful.Set(1, labels)
		} else {
			doubtful.Delete(labels)
		}
	}
}
