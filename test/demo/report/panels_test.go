package report

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/karpenter-oke/karpenter-oke/test/environment/record"
)

// What the report shows is also a panel of the chart's dashboards, with the queries that the report prints.
func TestEachPlotIsAPanelOfADashboard(t *testing.T) {
	files, err := filepath.Glob("../../../charts/karpenter-oke/dashboards/*.json")
	require.NoError(t, err)
	shipped := map[string]map[string][]string{} // dashboard, panel, queries
	for _, file := range files {
		data, err := os.ReadFile(file)
		require.NoError(t, err)
		var d struct {
			Title  string
			Panels []struct {
				Title   string
				Targets []struct{ Expr string }
			}
		}
		require.NoError(t, json.Unmarshal(data, &d))
		shipped[d.Title] = map[string][]string{}
		for _, p := range d.Panels {
			for _, target := range p.Targets {
				shipped[d.Title][p.Title] = append(shipped[d.Title][p.Title], target.Expr)
			}
		}
	}
	drawn := plots(&record.Recording{})
	require.Len(t, panels, len(drawn))
	for _, p := range drawn {
		require.NotEmpty(t, p.Panel.Queries, p.Title)
		require.Equal(t, p.Panel.Queries, shipped[p.Panel.Dashboard][p.Title], "panel %s of dashboard %s", p.Title, p.Panel.Dashboard)
	}
}
