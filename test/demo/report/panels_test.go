package report

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/karpenter-oke/karpenter-oke/test/environment/record"
)

// What the report shows is also a panel of the chart's dashboards, with the queries that the report prints, where the report says.
func TestEachPlotIsAPanelOfADashboard(t *testing.T) {
	files, err := filepath.Glob("../../../charts/karpenter-oke/dashboards/*.json")
	require.NoError(t, err)
	shipped := map[string]panel{} // by title, of the dashboard and of the panel
	var known []dashboard
	for _, file := range files {
		data, err := os.ReadFile(file)
		require.NoError(t, err)
		var d struct {
			Title, UID string
			Panels     []struct {
				ID      int
				Title   string
				Targets []struct{ Expr string }
			}
		}
		require.NoError(t, json.Unmarshal(data, &d))
		of := dashboard{d.Title, d.UID, filepath.Base(file)}
		known = append(known, of)
		for _, p := range d.Panels {
			is := panel{Dashboard: of, ID: p.ID}
			for _, target := range p.Targets {
				is.Queries = append(is.Queries, target.Expr)
			}
			if len(is.Queries) > 0 { // rows may have a panel's title
				shipped[d.Title+"/"+p.Title] = is
			}
		}
	}
	require.ElementsMatch(t, known, dashboards)
	drawn := plots(&record.Recording{})
	require.Len(t, panels, len(drawn))
	for _, p := range drawn {
		require.NotEmpty(t, p.Panel.Queries, p.Title)
		require.Equal(t, shipped[p.Panel.Dashboard.Title+"/"+p.Title], p.Panel)
	}
}

func TestTheReportLeadsToTheDashboardsWhereTheyAre(t *testing.T) {
	in := input()
	in.Charts = "../../charts"
	page, err := HTML(in)
	require.NoError(t, err)
	for _, d := range dashboards {
		require.Contains(t, string(page), `<a href="../../charts/karpenter-oke/dashboards/`+d.File+`">`)
	}
	require.Contains(t, string(page), "/d/karpenter-oke-overview?viewPanel=9")
	in.Charts = ""
	page, err = HTML(in)
	require.NoError(t, err)
	require.NotContains(t, string(page), "<a ", "a report without the repository beside it leads nowhere")
	require.Contains(t, string(page), dashboardLayers.Title)
}
