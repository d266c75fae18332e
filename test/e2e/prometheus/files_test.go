//go:build e2e

// Package prometheus_test shows with the real Prometheus that every query of the chart's dashboards and alerts returns data when the
// running controller has something to tell, and that each alert fires for the fault that it is for. `make prometheus` installs it.
package prometheus_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"

	"github.com/karpenter-oke/karpenter-oke/test/cluster/binaries"
)

const chart = "../../../charts/karpenter-oke"

type (
	rule struct {
		Alert       string            `json:"alert"`
		Expr        string            `json:"expr"`
		For         string            `json:"for,omitempty"`
		Labels      map[string]string `json:"labels"`
		Annotations map[string]string `json:"annotations"`
	}
	ruleGroup struct {
		Name  string `json:"name"`
		Rules []rule `json:"rules"`
	}
	ruleGroups struct {
		Groups []ruleGroup `json:"groups"`
	}
)

func rulesFile(t *testing.T) string {
	t.Helper()
	path, err := filepath.Abs(chart + "/files/alerts.yaml")
	require.NoError(t, err)
	return path
}

func readRules(t *testing.T) []rule {
	t.Helper()
	data, err := os.ReadFile(rulesFile(t))
	require.NoError(t, err)
	var groups ruleGroups
	require.NoError(t, yaml.UnmarshalStrict(data, &groups))
	var out []rule
	for _, g := range groups.Groups {
		out = append(out, g.Rules...)
	}
	require.NotEmpty(t, out)
	return out
}

// program is a program of Prometheus in bin/.
func program(t *testing.T, name string) string {
	t.Helper()
	bin, err := binaries.Find()
	require.NoError(t, err)
	path := filepath.Join(bin, name)
	require.FileExists(t, path, "run `make prometheus`")
	return path
}

// query is one target of a panel.
type query struct{ Dashboard, Panel, Expr string }

// readDashboards gives all queries of all dashboards, with Grafana's variables filled in.
func readDashboards(t *testing.T) []query {
	t.Helper()
	files, err := filepath.Glob(chart + "/dashboards/*.json")
	require.NoError(t, err)
	require.Len(t, files, 4)
	var out []query
	for _, file := range files {
		data, err := os.ReadFile(file)
		require.NoError(t, err)
		var d struct {
			Title  string `json:"title"`
			Panels []struct {
				Title   string `json:"title"`
				Targets []struct {
					Expr string `json:"expr"`
				} `json:"targets"`
			} `json:"panels"`
		}
		require.NoError(t, json.Unmarshal(data, &d))
		for _, p := range d.Panels {
			for _, target := range p.Targets {
				out = append(out, query{d.Title, p.Title, target.Expr})
			}
		}
	}
	return out
}
