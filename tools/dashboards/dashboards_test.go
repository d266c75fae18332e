package main

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"

	"github.com/karpenter-oke/karpenter-oke/tools/generated"
)

// metricName finds names of metrics in a query: words of our and core's families that no parenthesis follows.
var metricName = regexp.MustCompile(`\b(?:karpenter|operator|controller_runtime|client_go)_[a-z0-9_]+`)

// perKind are the families that exist once for each kind.
var perKind = regexp.MustCompile(`^operator_(?:nodeclaim|nodepool|ocinodeclass|node)_(status_condition|termination)_`)

// documented are the names of the reference page, with those that a histogram or summary is read by.
func documented(t *testing.T) map[string]bool {
	t.Helper()
	page, err := os.ReadFile("../../docs/reference/metrics.md")
	require.NoError(t, err)
	names := map[string]bool{}
	for _, found := range regexp.MustCompile("(?m)^### `([a-z0-9_]+)`\n\n(\\w+)").FindAllStringSubmatch(string(page), -1) {
		names[found[1]] = true
		if found[2] == "Histogram" || found[2] == "Summary" {
			for _, suffix := range []string{"_bucket", "_sum", "_count"} {
				names[found[1]+suffix] = true
			}
		}
	}
	require.NotEmpty(t, names)
	return names
}

func requireDocumented(t *testing.T, names map[string]bool, where, expr string) {
	t.Helper()
	for _, name := range metricName.FindAllString(expr, -1) {
		require.True(t, names[perKind.ReplaceAllString(name, "operator_${1}_")], "%s asks for %s, which the controller does not serve", where, name)
	}
}

func TestDashboardsAskForMetricsThatExist(t *testing.T) {
	names := documented(t)
	for _, b := range boards {
		for _, r := range b.rows {
			for _, p := range r.panels {
				require.NotEmpty(t, p.targets, "%s: %s", b.file, p.title)
				for _, q := range p.targets {
					requireDocumented(t, names, b.file+": "+p.title, q.expr)
				}
			}
		}
	}
}

// A metric that nobody looks at is found by those who read the source only.
func TestEveryMetricOfThisProjectIsOnADashboard(t *testing.T) {
	shown := &strings.Builder{}
	for _, b := range boards {
		for _, r := range b.rows {
			for _, p := range r.panels {
				for _, q := range p.targets {
					shown.WriteString(q.expr + "\n")
				}
			}
		}
	}
	names := metricName.FindAllString(shown.String(), -1)
	for name := range documented(t) {
		if strings.HasPrefix(name, "karpenter_oke_") && !regexp.MustCompile(`_(bucket|sum|count)$`).MatchString(name) {
			require.True(t, slices.Contains(names, name) || slices.Contains(names, name+"_bucket"), "no dashboard shows %s", name)
		}
	}
}

func TestAlertsAskForMetricsThatExistAndLinkToTheirRunbooks(t *testing.T) {
	data, err := os.ReadFile("../../charts/karpenter-oke/files/alerts.yaml")
	require.NoError(t, err)
	var file struct {
		Groups []struct {
			Rules []struct {
				Alert, Expr string
				Labels      map[string]string
				Annotations map[string]string
			}
		}
	}
	require.NoError(t, yaml.Unmarshal(data, &file))
	names := documented(t)
	pages := map[string]bool{}
	for _, g := range file.Groups {
		for _, r := range g.Rules {
			requireDocumented(t, names, r.Alert, r.Expr)
			require.Contains(t, []string{"critical", "warning", "info"}, r.Labels["severity"], r.Alert)
			require.NotEmpty(t, r.Annotations["summary"], r.Alert)
			link := r.Annotations["runbook_url"]
			require.Equal(t, "https://github.com/karpenter-oke/karpenter-oke/blob/main/docs/runbooks/"+r.Alert+".md", link)
			page, err := os.ReadFile("../../docs/runbooks/" + r.Alert + ".md")
			require.NoError(t, err)
			for _, part := range []string{"# " + r.Alert + "\n", "## Likely causes", "## Look at", "## What to do"} {
				require.Contains(t, string(page), part, "the runbook of %s", r.Alert)
			}
			requireDocumented(t, names, "the runbook of "+r.Alert, strings.ReplaceAll(string(page), "kubectl karpenter_oke", "")) // the plugin
			pages[r.Alert+".md"] = true
		}
	}
	files, err := os.ReadDir("../../docs/runbooks")
	require.NoError(t, err)
	for _, f := range files {
		require.True(t, pages[f.Name()] || f.Name() == "README.md", "the runbook %s is of no alert", f.Name())
	}
}

// Panels must not lie upon one another, nor reach beyond the width.
func TestPanelsHavePlacesOfTheirOwn(t *testing.T) {
	for _, b := range boards {
		taken := map[[2]int]string{}
		panels, ok := b.model()["panels"].([]object)
		require.True(t, ok)
		for _, p := range panels {
			at, ok := p["gridPos"].(object)
			require.True(t, ok)
			x, y, w, h := at["x"].(int), at["y"].(int), at["w"].(int), at["h"].(int)
			require.LessOrEqual(t, x+w, columns, p["title"])
			for dx := range w {
				for dy := range h {
					cell := [2]int{x + dx, y + dy}
					require.Empty(t, taken[cell], "%s: %s", b.file, p["title"])
					taken[cell], _ = p["title"].(string)
				}
			}
		}
	}
}

func TestFilesAreWhatTheTablesGive(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, generated.Run("dashboards", []string{"--out", dir}, sources))
	require.NoError(t, generated.Run("dashboards", []string{"--out", dir, "--check"}, sources))
	require.NoError(t, generated.Run("dashboards", []string{"--out", "../../charts/karpenter-oke/dashboards", "--check"}, sources))
	path := dir + "/overview.json"
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, []byte(strings.Replace(string(data), "Pods", "Cats", 1)), 0o600))
	require.ErrorContains(t, generated.Run("dashboards", []string{"--out", dir, "--check"}, sources), "make generate")
}
