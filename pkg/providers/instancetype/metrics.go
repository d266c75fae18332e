package instancetype

import (
	opmetrics "github.com/awslabs/operatorpkg/metrics"
	"github.com/prometheus/client_golang/prometheus"
	crmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"
)

const labelShape = "shape"

var guessedPrice = opmetrics.NewPrometheusGauge(crmetrics.Registry, prometheus.GaugeOpts{
	Namespace: "karpenter_oke", Subsystem: "pricing", Name: "shape_price_guessed",
	Help: "1 for each shape that the price list does not have, so that the price of its nearest family is used.",
}, []opmetrics.Label{{Name: labelShape, Help: "OCI's shape, such as VM.Standard.E5.Flex."}}, opmetrics.Alpha)

// reportGuessedPrices sets the metric for the shapes of a catalogue. A shape that got a price loses its series.
func reportGuessedPrices(catalog *catalog) {
	for i := range catalog.families {
		f := &catalog.families[i]
		labels := map[string]string{labelShape: f.shape.Name}
		if f.knownPrice {
			guessedPrice.Delete(labels)
		} else {
			guessedPrice.Set(1, labels)
		}
	}
}
