package charts_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func TestDashboardsAreConfigMapsThatGrafanaFinds(t *testing.T) {
	require.NotContains(t, kinds(render(t)), "ConfigMap", "off by default")
	found := 0
	for _, o := range render(t, "--set", "metrics.dashboards.enabled=true,metrics.dashboards.namespace=monitoring,metrics.dashboards.annotations.grafana_folder=Karpenter") {
		if o.GetKind() != "ConfigMap" {
			continue
		}
		found++
		require.Equal(t, "monitoring", o.GetNamespace())
		require.Equal(t, "1", o.GetLabels()["grafana_dashboard"])
		require.Equal(t, "Karpenter", o.GetAnnotations()["grafana_folder"])
		files, _, err := unstructured.NestedStringMap(o.Object, "data")
		require.NoError(t, err)
		require.Len(t, files, 1)
		for name, text := range files {
			require.True(t, strings.HasPrefix(name, "karpenter-oke-") && strings.HasSuffix(name, ".json"), name)
			var d struct {
				UID    string
				Panels []any
			}
			require.NoError(t, json.Unmarshal([]byte(text), &d))
			require.Equal(t, strings.TrimSuffix(name, ".json"), d.UID)
			require.NotEmpty(t, d.Panels)
		}
	}
	require.Equal(t, 4, found)
}

func TestAlertsLinkToTheRunbooksThatTheValuesName(t *testing.T) {
	for want, args := range map[string][]string{
		"https://github.com/karpenter-oke/karpenter-oke/blob/main/docs/runbooks/KarpenterOkeAbsent.md": nil,
		"https://wiki.example/oke/KarpenterOkeAbsent.md":                                               {"--set", "metrics.prometheusRule.runbooks=https://wiki.example/oke"},
	} {
		objects := render(t, append(args, "--set", "metrics.prometheusRule.enabled=true", "--api-versions", "monitoring.coreos.com/v1/PrometheusRule")...)
		groups, _, err := unstructured.NestedSlice(only(t, objects, "PrometheusRule", "karpenter-oke").Object, "spec", "groups")
		require.NoError(t, err)
		text, err := json.Marshal(groups)
		require.NoError(t, err)
		require.Contains(t, string(text), want)
	}
}
