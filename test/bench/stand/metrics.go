package stand

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// Metric sums the series of a counter, gauge or histogram (its count) of the controller that have these labels; a missing one is 0.
func (s *Stand) Metric(ctx context.Context, name string, labels map[string]string) (float64, error) {
	body, err := get(ctx, s.MetricsURL())
	if err != nil {
		return 0, err
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(string(body)))
	if err != nil {
		return 0, fmt.Errorf("reading the controller's metrics: %w", err)
	}
	sum := 0.0
	for _, m := range families[name].GetMetric() {
		if has(m, labels) {
			sum += m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	return sum, nil
}

func has(m *dto.Metric, labels map[string]string) bool {
	found := 0
	for _, l := range m.GetLabel() {
		if want, asked := labels[l.GetName()]; asked {
			if l.GetValue() != want {
				return false
			}
			found++
		}
	}
	return found == len(labels)
}

// HeapProfile writes the controller's heap profile, as go tool pprof reads it; the controller must run with --enable-profiling.
func (s *Stand) HeapProfile(ctx context.Context, path string) error {
	body, err := get(ctx, strings.TrimSuffix(s.MetricsURL(), "/metrics")+"/debug/pprof/heap")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, body, 0o644)
}

func get(ctx context.Context, url string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("reading %s: %s", url, response.Status)
	}
	return io.ReadAll(response.Body)
}
