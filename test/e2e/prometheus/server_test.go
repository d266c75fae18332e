//go:build e2e

package prometheus_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"

	"github.com/karpenter-oke/karpenter-oke/test/cluster/process"
	"github.com/karpenter-oke/karpenter-oke/test/live"
)

// server is a running Prometheus.
type server struct{ url string }

// configuration scrapes one controller every second.
const configuration = `
global: {scrape_interval: 1s, evaluation_interval: 1s}
rule_files: [rules.yaml]
scrape_configs:
  - job_name: karpenter-oke
    static_configs: [{targets: ["%s"]}]
`

// hasten shortens what makes alerts slow: they fire at once, and look back a minute where they look back ten. Thresholds and all else
// stay as they ship.
func hasten(rules []rule) []rule {
	out := make([]rule, len(rules))
	for k, r := range rules {
		r.For = "0s"
		r.Expr = strings.ReplaceAll(r.Expr, "[10m]", "[1m]")
		out[k] = r
	}
	return out
}

// startPrometheus watches the controller of a spec until the test ends.
func startPrometheus(s *live.Spec) *server {
	s.Helper()
	target, err := url.Parse(s.MetricsURL())
	require.NoError(s.T, err)
	dir := filepath.Join(s.Dir(), "prometheus")
	require.NoError(s.T, os.RemoveAll(dir)) // samples of an earlier run that failed would count as this one's
	require.NoError(s.T, os.MkdirAll(dir, 0o755))
	rules, err := yaml.Marshal(ruleGroups{Groups: []ruleGroup{{Name: "karpenter-oke", Rules: hasten(readRules(s.T))}}})
	require.NoError(s.T, err)
	for name, data := range map[string]string{"prometheus.yaml": fmt.Sprintf(configuration, target.Host), "rules.yaml": string(rules)} {
		require.NoError(s.T, os.WriteFile(filepath.Join(dir, name), []byte(data), 0o600))
	}
	listen := freeAddress(s.T)
	child, err := process.Start(process.Spec{
		Name: "prometheus", Path: program(s.T, "prometheus"), LogFile: filepath.Join(dir, "prometheus.log"),
		Args: []string{"--config.file=" + filepath.Join(dir, "prometheus.yaml"), "--storage.tsdb.path=" + filepath.Join(dir, "data"), "--web.listen-address=" + listen},
	})
	require.NoError(s.T, err)
	s.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(s.Context()), time.Minute)
		defer cancel()
		require.NoError(s.T, child.Stop(ctx))
	})
	p := &server{"http://" + listen}
	s.Eventually("Prometheus to read the controller's metrics", func() string {
		if err := child.Exited(); err != nil {
			require.NoError(s.T, err)
		}
		found, err := p.ask(s.Context(), "karpenter_build_info")
		if err != nil {
			return err.Error()
		}
		return missing(len(found) == 1, "no sample yet")
	})
	return p
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { require.NoError(t, l.Close()) }()
	return l.Addr().String()
}

func missing(ok bool, what string) string {
	if ok {
		return ""
	}
	return what
}

// sample is one series of an answer with its value.
type sample struct {
	Metric map[string]string  `json:"metric"`
	Value  [2]json.RawMessage `json:"value"`
}

// ask evaluates a query now.
func (p *server) ask(ctx context.Context, expr string) ([]sample, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url+"/api/v1/query?query="+url.QueryEscape(expr), nil)
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	var answer struct {
		Status, Error string
		Data          struct {
			ResultType string
			Result     []sample
		}
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return nil, fmt.Errorf("%s: %w: %s", expr, err, body)
	}
	if answer.Status != "success" || answer.Data.ResultType != "vector" {
		return nil, errors.New(expr + ": " + answer.Error + answer.Data.ResultType)
	}
	return answer.Data.Result, nil
}

// hasData says whether a query gives a number now.
func (p *server) hasData(ctx context.Context, expr string) (bool, error) {
	found, err := p.ask(ctx, expr)
	for _, s := range found {
		if string(s.Value[1]) != `"NaN"` {
			return true, err
		}
	}
	return false, err
}

// fires says whether an alert fires now.
func (p *server) fires(ctx context.Context, alert string) (bool, error) {
	return p.hasData(ctx, fmt.Sprintf(`ALERTS{alertname=%q, alertstate="firing"}`, alert))
}
