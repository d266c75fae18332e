package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/samber/lo"
	"github.com/stretchr/testify/require"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/karpenter-oke/karpenter-oke/pkg/providers/inventory"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/reservation"
)

func TestTheRegistryTellsNamesHelpAndLabels(t *testing.T) {
	registry := prometheus.NewRegistry()
	registry.MustRegister(
		prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "a", Name: "b_total", Help: `What "b" is.`}, []string{"one", "two"}),
		prometheus.NewGauge(prometheus.GaugeOpts{Name: "c", Help: "C.", ConstLabels: prometheus.Labels{"k": "v"}}),
		prometheus.NewGauge(prometheus.GaugeOpts{Name: "go_things", Help: "The runtime's."}),
	)
	got, err := describe(registry)
	require.NoError(t, err)
	require.ElementsMatch(t, []metric{
		{Name: "a_b_total", Help: `What "b" is.`, Labels: []label{{Name: "one"}, {Name: "two"}}}, {Name: "c", Help: "C."},
	}, got)
}

func TestWhatTheRegistryDoesNotSayComesFromTheDeclaration(t *testing.T) {
	declared := []metric{
		{Name: "karpenter_oke_x_total", Type: "counter", Labels: []label{{Name: "class", Help: "Of the error."}}},
		{Name: "karpenter_oke_late", Type: "gauge", Help: "Registered after the start."},
		{Name: "count", Type: "gauge", Help: "Conditions.", partial: true},
	}
	registered := []metric{
		{Name: "karpenter_oke_x_total", Help: "X.", Labels: []label{{Name: "class"}}},
		{Name: "operator_status_condition_count", Help: "Conditions."},
	}
	all, err := merge(declared, registered)
	require.NoError(t, err)
	require.Equal(t, []metric{
		{Name: "karpenter_oke_late", Type: "gauge", Help: "Registered after the start."},
		{Name: "karpenter_oke_x_total", Type: "counter", Help: "X.", Labels: []label{{Name: "class", Help: "Of the error."}}},
		{Name: "operator_status_condition_count", Type: "gauge", Help: "Conditions."},
	}, all)
}

func TestAMetricThatNothingExplainsIsAnError(t *testing.T) {
	for name, c := range map[string]struct {
		declared, registered []metric
		says                 string
	}{
		"no declaration":       {nil, []metric{{Name: "karpenter_oke_x", Help: "X."}}, "no declaration of karpenter_oke_x"},
		"no help":              {[]metric{{Name: "karpenter_oke_x", Type: "gauge"}}, nil, "karpenter_oke_x has no help"},
		"an unexplained label": {[]metric{{Name: "karpenter_oke_x", Type: "gauge", Help: "X.", Labels: []label{{Name: "l"}}}}, nil, "label l of karpenter_oke_x is not explained"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := merge(c.declared, c.registered)
			require.ErrorContains(t, err, c.says)
		})
	}
}

// The declarations of this module and of core are read, labels behind variables and functions included.
func TestDeclarationsAreReadFromTheSource(t *testing.T) {
	declared, err := load("../..", nil)
	require.NoError(t, err)
	found := map[string]metric{}
	for _, m := range declared {
		found[m.Name] = m
	}
	own := found["karpenter_oke_instance_launch_failures_total"]
	require.Equal(t, "counter", own.Type)
	require.Equal(t, []string{"class", "shape", "zone", "capacity_type"}, namesOf(own.Labels))
	require.NotEmpty(t, own.Labels[3].Help)
	require.Equal(t, "gauge", found["karpenter_oke_inventory_age_seconds"].Type, "a function, registered late")
	free := found["karpenter_oke_capacity_reservation_free"]
	require.Equal(t, "gauge", free.Type, "described by a collector, registered late")
	require.Equal(t, []string{"reservation", "slot"}, namesOf(free.Labels))
	require.NotEmpty(t, free.Labels[1].Help)
	require.Equal(t, "histogram", found["karpenter_cloudprovider_duration_seconds"].Type)
	require.Equal(t, []string{"controller", "method", "provider"}, namesOf(found["karpenter_cloudprovider_duration_seconds"].Labels), "labels of another package")
	require.True(t, found["karpenter_nodes_allocatable"].OpenLabels, "labels that are computed")
	require.Equal(t, "summary", found["karpenter_pods_startup_duration_seconds"].Type)
}

// A metric of this project that is made in a way which the reader does not understand would be missing on the page.
func TestAMetricThatCanNotBeReadIsAnError(t *testing.T) {
	file, err := filepath.Abs("../../pkg/providers/reservation/odd.go")
	require.NoError(t, err)
	_, err = load("../..", map[string][]byte{file: []byte(`package reservation

import "github.com/prometheus/client_golang/prometheus"

func options() prometheus.GaugeOpts { return prometheus.GaugeOpts{Name: "karpenter_oke_odd"} }

var (
	named     = prometheus.NewGauge(prometheus.GaugeOpts{Name: "karpenter_oke_" + string([]byte("x"))})
	elsewhere = prometheus.NewGauge(options())
	other     = prometheus.NewUntypedFunc(prometheus.UntypedOpts{Name: "karpenter_oke_untyped"}, func() float64 { return 0 })
	unsampled = prometheus.NewDesc("karpenter_oke_unsampled", "Nothing.", nil, nil)
)

func inPlace() *prometheus.Desc { return prometheus.NewDesc("karpenter_oke_in_place", "Nothing.", nil, nil) }
`)})
	require.Error(t, err)
	for _, line := range []string{"odd.go:8", "odd.go:9", "odd.go:10", "odd.go:11", "odd.go:14"} {
		require.ErrorContains(t, err, line+":")
	}
	require.NotContains(t, err.Error(), "/metrics.go", "what is there can be read")
}

// What the controller registers at its start, and what the operator registers with its providers, all of this project's stands on the page.
func TestThePageHasEveryRegisteredMetricOfThisProject(t *testing.T) {
	page, err := os.ReadFile("../../docs/reference/metrics.md")
	require.NoError(t, err)
	late := prometheus.NewRegistry()
	late.MustRegister(reservation.NewProvider(nil, nil, clock.RealClock{}).Metrics(), inventory.NewProvider(nil, nil, "", clock.RealClock{}).AgeMetric())
	for _, registry := range []any{metrics.Registry, late} {
		all, err := describe(registry)
		require.NoError(t, err)
		own := lo.Filter(all, func(m metric, _ int) bool { return strings.HasPrefix(m.Name, ownPrefix) })
		require.NotEmpty(t, own)
		for _, m := range own {
			require.Contains(t, string(page), "### `"+m.Name+"`\n", "run `make generate`")
		}
	}
}

func namesOf(labels []label) []string {
	var out []string
	for _, l := range labels {
		out = append(out, l.Name)
	}
	return out
}
