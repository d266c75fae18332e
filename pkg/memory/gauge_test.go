package memory

import (
	"fmt"
	"math/rand/v2"
	"testing"

	opmetrics "github.com/awslabs/operatorpkg/metrics"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
)

// podLabels are not sorted by name.
var podLabels = []opmetrics.Label{{Name: "name"}, {Name: "phase"}, {Name: "namespace"}, {Name: "node"}}

// twoGauges are a gauge of the client library and one in whose place ours has come, each in a registry of its own.
func twoGauges(t testing.TB) (theirs, ours opmetrics.GaugeMetric, cores, registry *prometheus.Registry) {
	t.Helper()
	cores, registry = prometheus.NewPedanticRegistry(), prometheus.NewPedanticRegistry()
	o := prometheus.GaugeOpts{Namespace: "karpenter", Subsystem: "pods", Name: "state", Help: "What pods are."}
	theirs = opmetrics.NewPrometheusGauge(cores, o, podLabels, opmetrics.Beta)
	ours = opmetrics.NewPrometheusGauge(registry, o, podLabels, opmetrics.Beta)
	require.NoError(t, Replace(registry, &ours, "name"))
	require.IsType(t, &Gauge{}, ours)
	return theirs, ours, cores, registry
}

// requireEqualPages scrapes both and compares what comes.
func requireEqualPages(t *testing.T, want, got prometheus.Gatherer, after string) {
	t.Helper()
	wanted, err := want.Gather()
	require.NoError(t, err)
	has, err := got.Gather()
	require.NoError(t, err)
	require.Equal(t, fmt.Sprint(wanted), fmt.Sprint(has), after)
}

// countSeries counts the series of a metric.
func countSeries(t *testing.T, registry prometheus.Gatherer, name string) int {
	t.Helper()
	families, err := registry.Gather()
	require.NoError(t, err)
	for _, f := range families {
		if f.GetName() == name {
			return len(f.GetMetric())
		}
	}
	return 0
}

func TestAGaugeGivesTheSeriesOfTheClientLibrary(t *testing.T) {
	theirs, ours, cores, registry := twoGauges(t)
	require.Equal(t, theirs.Labels(), ours.Labels())
	require.Equal(t, theirs.Stage(), ours.Stage())
	random := rand.New(rand.NewPCG(6, 6))
	values := map[string][]string{"name": {"a", "b", "c", ""}, "phase": {"Pending", "Running"}, "namespace": {"x", "y"}, "node": {"", "n1", "n2"}}
	some := func(chance float64) map[string]string {
		out := map[string]string{}
		for _, l := range podLabels {
			if of := values[l.Name]; random.Float64() < chance {
				out[l.Name] = of[random.IntN(len(of))]
			}
		}
		return out
	}
	most := 0
	for step := range 3000 {
		what, labels := "", map[string]string(nil)
		switch n := random.IntN(100); {
		case n < 70:
			what, labels = "set", some(1)
			theirs.Set(float64(step), labels)
			ours.Set(float64(step), labels)
		case n < 85:
			what, labels = "delete", some(0.97)
			theirs.Delete(labels)
			ours.Delete(labels)
		case n < 99:
			what, labels = "delete those with", some(0.6)
			if random.IntN(10) == 0 {
				labels["unknown"] = ""
			}
			theirs.DeletePartialMatch(labels)
			ours.DeletePartialMatch(labels)
		default:
			what = "reset"
			theirs.Reset()
			ours.Reset()
		}
		requireEqualPages(t, cores, registry, fmt.Sprintf("step %d: %s %v", step, what, labels))
		most = max(most, countSeries(t, registry, "karpenter_pods_state"))
	}
	require.Greater(t, most, 10, "the test must have had series to compare")
	ours.Reset()
	requireNothingHeld(t, ours.(*Gauge))
}

func TestLabelsOfSeriesThatAreGoneAreForgotten(t *testing.T) {
	_, ours, _, _ := twoGauges(t)
	for i := range 100 {
		labels := map[string]string{"name": fmt.Sprint(i), "phase": "Running", "namespace": "x", "node": fmt.Sprint(i / 10)}
		ours.Set(1, labels)
		ours.Set(1, map[string]string{"name": fmt.Sprint(i), "phase": "Pending", "namespace": "x"})
		ours.DeletePartialMatch(map[string]string{"name": fmt.Sprint(i), "phase": "Pending"})
		if i >= 50 {
			ours.Delete(labels)
		}
	}
	require.Len(t, ours.(*Gauge).pairs[0], 50)
	require.Len(t, ours.(*Gauge).series, 50)
	ours.DeletePartialMatch(map[string]string{"namespace": "x"})
	requireNothingHeld(t, ours.(*Gauge))
}

func requireNothingHeld(t *testing.T, g *Gauge) {
	t.Helper()
	require.Empty(t, g.series)
	for i, of := range g.pairs {
		require.Empty(t, of, g.names[i])
	}
}

func TestAGaugeWithoutTheLabelIsNotReplaced(t *testing.T) {
	registry := prometheus.NewPedanticRegistry()
	gauge := opmetrics.NewPrometheusGauge(registry, prometheus.GaugeOpts{Name: "nodes", Help: "Nodes."}, []opmetrics.Label{{Name: "zone"}}, opmetrics.Beta)
	require.ErrorContains(t, Replace(registry, &gauge, "name"), `no label "name"`)
}
