//go:build e2e

package prometheus_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"
)

// calm are the series of a cluster that does well. Every fault below happens on top of it, and only its own alert may fire.
var calm = []series{
	{`karpenter_build_info{version="v1"}`, "1x200"},
	{`karpenter_oke_fleet_cost_per_hour{currency="USD"}`, "1.5x200"},
	{`karpenter_oke_inventory_age_seconds`, "5x200"},
	{`karpenter_oke_oci_requests_total{service="compute",operation="ListInstances",code="200"}`, "0+10x200"},
	{`karpenter_oke_oci_limiter_wait_seconds_bucket{service="compute",verb="read",le="0.1"}`, "0+10x200"},
	{`karpenter_oke_oci_limiter_wait_seconds_bucket{service="compute",verb="read",le="60"}`, "0+10x200"},
	{`karpenter_oke_oci_limiter_wait_seconds_bucket{service="compute",verb="read",le="+Inf"}`, "0+10x200"},
	{`karpenter_oke_instance_launches_total{shape="E5",zone="AD-1",capacity_type="on-demand"}`, "3x200"},
	{`karpenter_oke_virtual_node_nodes{state="usable",arch="amd64"}`, "2x200"},
	{`karpenter_oke_virtual_node_skipped_pods{reason="scheduler"}`, "1x200"},
	{`karpenter_oke_virtual_node_rule_errors_total{rule="own"}`, "0x200"},
	{`karpenter_oke_layer_pending_pods{layer="managed"}`, "0x200"},
	{`karpenter_oke_pricing_last_refresh_timestamp_seconds`, "0+60x200"},
	{`karpenter_oke_breaker_held_pods{reason="probation"}`, "1x200"},
	{`karpenter_oke_interruption_stream_healthy`, "1x200"},
	{`operator_ocinodeclass_status_condition_count{name="general",type="Ready",status="True",reason="Ready"}`, "1x200"},
	{`controller_runtime_reconcile_errors_total{controller="metrics.fleet"}`, "2x200"},
}

type series struct{ Series, Values string }

// fault is what makes one alert fire: series that are added to the calm ones, or stand in for them.
type fault struct {
	alert  string
	series []series
	gone   string        // prefix of calm series that are missing
	quiet  time.Duration // the alert does not fire yet
	fires  time.Duration // the alert fires
	labels string        // of the alert, besides severity; "" for none
}

const failures = `karpenter_oke_instance_launch_failures_total{class="%s",shape="E5",zone="AD-%d",capacity_type="on-demand"}`

var faults = []fault{
	{alert: "KarpenterOkeAbsent", gone: "karpenter_", quiet: 9 * time.Minute, fires: 11 * time.Minute},
	{alert: "KarpenterOkeNoLeader", gone: "karpenter_oke_fleet", quiet: 9 * time.Minute, fires: 11 * time.Minute},
	{alert: "KarpenterOkeInventoryStale", gone: "karpenter_oke_inventory", series: []series{{"karpenter_oke_inventory_age_seconds", "0+60x200"}}, quiet: 14 * time.Minute, fires: 17 * time.Minute},
	{alert: "KarpenterOkeOciRequestsFail", series: []series{
		{`karpenter_oke_oci_requests_total{service="compute",operation="ListInstances",code="503"}`, "0+5x200"},
	}, quiet: 14 * time.Minute, fires: 17 * time.Minute, labels: `operation="ListInstances",service="compute"`},
	{alert: "KarpenterOkeRightMissing", series: []series{{`karpenter_oke_oci_right_missing{right="limits"}`, "0x200"}, {`karpenter_oke_oci_right_missing{right="work-requests"}`, "1x200"}},
		quiet: 14 * time.Minute, fires: 16 * time.Minute, labels: `right="work-requests"`},
	{alert: "KarpenterOkeOciThrottled", series: []series{{`karpenter_oke_oci_throttled_total{service="compute",verb="launch"}`, "0+6x200"}},
		quiet: 17 * time.Minute, fires: 24 * time.Minute, labels: `service="compute",verb="launch"`},
	{alert: "KarpenterOkeOciRequestsWait", series: []series{
		{`karpenter_oke_oci_limiter_wait_seconds_bucket{service="compute",verb="launch",le="0.1"}`, "0x200"},
		{`karpenter_oke_oci_limiter_wait_seconds_bucket{service="compute",verb="launch",le="60"}`, "0+10x200"},
		{`karpenter_oke_oci_limiter_wait_seconds_bucket{service="compute",verb="launch",le="+Inf"}`, "0+10x200"},
	}, quiet: 14 * time.Minute, fires: 17 * time.Minute, labels: `service="compute",verb="launch"`},
	// The series begin with the failures, as they do in a controller.
	{alert: "KarpenterOkeLaunchesFail", series: []series{{fmt.Sprintf(failures, "NotAuthorized", 1), "_x20 1+1x20"}},
		quiet: 22 * time.Minute, fires: 29 * time.Minute, labels: `class="NotAuthorized"`},
	{alert: "KarpenterOkeNoCapacity", gone: "karpenter_oke_layer", series: []series{
		{fmt.Sprintf(failures, "Capacity", 1), "_x20 1x40"}, {fmt.Sprintf(failures, "Capacity", 2), "_x22 1x40"}, {`karpenter_oke_layer_pending_pods{layer="managed"}`, "_x20 4x40"},
	}, quiet: 29 * time.Minute, fires: 32 * time.Minute, labels: `class="Capacity"`},
	{alert: "KarpenterOkeLaunchesFailLate", series: []series{{`karpenter_oke_instance_late_launch_failures_total{class="None",shape="E5",zone="AD-1",capacity_type="spot"}`, "_x20 1+1x20"}},
		quiet: 22 * time.Minute, fires: 29 * time.Minute, labels: `class="None"`},
	{alert: "KarpenterOkeNodesDoNotRegister", series: []series{
		{`operator_nodeclaim_status_condition_current_status_seconds{name="a",type="Registered",status="Unknown",reason="x"}`, "0+60x200"},
	}, quiet: 14 * time.Minute, fires: 17 * time.Minute},
	{alert: "KarpenterOkeTerminationStuck", series: []series{{`operator_nodeclaim_termination_current_time_seconds{name="a"}`, "0+60x200"}}, quiet: 69 * time.Minute, fires: 72 * time.Minute},
	{alert: "KarpenterOkeOrphansLeft", series: []series{{`karpenter_oke_orphans_left`, "1x200"}}, quiet: 29 * time.Minute, fires: 31 * time.Minute},
	{alert: "KarpenterOkeInterruptionStreamDown", gone: "karpenter_oke_interruption_stream_healthy", series: []series{{`karpenter_oke_interruption_stream_healthy`, "0x200"}},
		quiet: 9 * time.Minute, fires: 11 * time.Minute},
	{alert: "KarpenterOkeInterruptionsLate", series: []series{{`karpenter_oke_interruption_stream_lag_seconds`, "90x200"}}, quiet: 4 * time.Minute, fires: 6 * time.Minute},
	{alert: "KarpenterOkePodsPending", gone: "karpenter_oke_layer", series: []series{{`karpenter_oke_layer_pending_pods{layer="managed"}`, "1x200"}}, quiet: 29 * time.Minute, fires: 31 * time.Minute},
	{alert: "KarpenterOkePodsHeld", series: []series{{`karpenter_oke_breaker_held_pods{reason="backoff"}`, "2x200"}}, quiet: 14 * time.Minute, fires: 16 * time.Minute},
	{alert: "KarpenterOkePodsWaitForVirtualNodes", series: []series{{`karpenter_oke_virtual_node_oldest_skipped_pod_age_seconds`, "0+60x200"}}, quiet: 19 * time.Minute, fires: 22 * time.Minute},
	{alert: "KarpenterOkeNoVirtualNodeUsable", gone: "karpenter_oke_virtual_node_nodes", series: []series{{`karpenter_oke_virtual_node_nodes{state="usable",arch="amd64"}`, "0x200"}}, quiet: 9 * time.Minute, fires: 11 * time.Minute},
	{alert: "KarpenterOkeRuleErrors", gone: "karpenter_oke_virtual_node_rule", series: []series{{`karpenter_oke_virtual_node_rule_errors_total{rule="own"}`, "0x10 3x190"}},
		quiet: 9 * time.Minute, fires: 13 * time.Minute, labels: `rule="own"`},
	{alert: "KarpenterOkeNodeClassNotReady", gone: "operator_ocinodeclass", series: []series{
		{`operator_ocinodeclass_status_condition_count{name="general",type="Ready",status="False",reason="SubnetsNotFound"}`, "1x200"},
	}, quiet: 9 * time.Minute, fires: 11 * time.Minute, labels: `name="general",reason="SubnetsNotFound"`},
	{alert: "KarpenterOkeNodePoolNearLimit", series: []series{
		{`karpenter_nodepools_usage{nodepool="general",resource_type="cpu"}`, "62x200"}, {`karpenter_nodepools_limit{nodepool="general",resource_type="cpu"}`, "64x200"},
		{`karpenter_nodepools_usage{nodepool="general",resource_type="nodes"}`, "5x200"}, {`karpenter_nodepools_limit{nodepool="general",resource_type="nodes"}`, "0x200"},
	}, quiet: 14 * time.Minute, fires: 16 * time.Minute, labels: `nodepool="general",resource_type="cpu"`},
	{alert: "KarpenterOkePricesOld", gone: "karpenter_oke_pricing", series: []series{{`karpenter_oke_pricing_refreshes_total{outcome="failed"}`, "6x200"}}, quiet: 59 * time.Minute, fires: 61 * time.Minute},
	{alert: "KarpenterOkePriceGuessed", series: []series{
		{`karpenter_oke_pricing_shape_price_guessed{shape="VM.Standard.E9.Flex"}`, "1x200"}, {`karpenter_oke_pricing_shape_price_guessed{shape="BM.Unused"}`, "1x200"},
		{`karpenter_oke_offerings_lowest_price_per_hour{shape="VM.Standard.E9.Flex",zone="AD-1",capacity_type="on-demand"}`, "0.1x200"},
	},
		quiet: 59 * time.Minute, fires: 61 * time.Minute, labels: `shape="VM.Standard.E9.Flex"`},
	{alert: "KarpenterOkeStateUnsynced", series: []series{{`karpenter_cluster_state_unsynced_time_seconds`, "0+60x200"}}, quiet: 9 * time.Minute, fires: 12 * time.Minute},
	{alert: "KarpenterOkeReconcileErrors", gone: "controller_runtime", series: []series{{`controller_runtime_reconcile_errors_total{controller="provisioner"}`, "0+20x200"}},
		quiet: 14 * time.Minute, fires: 24 * time.Minute, labels: `controller="provisioner"`},
}

// The shapes of promtool's test files.
type (
	ruleTests struct {
		RuleFiles []string   `json:"rule_files"`
		Tests     []ruleTest `json:"tests"`
	}
	ruleTest struct {
		Name     string           `json:"name"`
		Interval string           `json:"interval"`
		Input    []map[string]any `json:"input_series"`
		Expr     []exprTest       `json:"promql_expr_test"`
	}
	exprTest struct {
		Expr    string           `json:"expr"`
		At      string           `json:"eval_time"`
		Samples []map[string]any `json:"exp_samples"`
	}
)

// firing names the alerts that fire, whatever their number.
const firing = `count without (alertstate, severity) (ALERTS{alertstate="firing"})`

func (f fault) test() ruleTest {
	out := ruleTest{Name: f.alert, Interval: "1m"}
	for _, s := range calm {
		if f.gone == "" || !strings.HasPrefix(s.Series, f.gone) {
			out.Input = append(out.Input, map[string]any{"series": s.Series, "values": s.Values})
		}
	}
	for _, s := range f.series {
		out.Input = append(out.Input, map[string]any{"series": s.Series, "values": s.Values})
	}
	labels := `alertname="` + f.alert + `"`
	if f.labels != "" {
		labels += "," + f.labels
	}
	out.Expr = []exprTest{
		{Expr: firing, At: f.quiet.String(), Samples: []map[string]any{}},
		{Expr: firing, At: f.fires.String(), Samples: []map[string]any{{"labels": "{" + labels + "}", "value": 1}}},
	}
	return out
}

// Each alert fires after its fault has lasted as long as it must, no sooner, and no other alert fires with it; a calm cluster has none.
func TestEachAlertFiresForItsFaultAlone(t *testing.T) {
	rules := rulesFile(t)
	tests := ruleTests{RuleFiles: []string{rules}, Tests: []ruleTest{fault{alert: "none", quiet: time.Hour}.test()}}
	tests.Tests[0].Expr = tests.Tests[0].Expr[:1]
	tested := map[string]bool{}
	for _, f := range faults {
		tests.Tests = append(tests.Tests, f.test())
		tested[f.alert] = true
	}
	for _, r := range readRules(t) {
		require.True(t, tested[r.Alert], "alert %s has no test", r.Alert)
	}
	data, err := yaml.Marshal(tests)
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "alerts_test.yaml")
	require.NoError(t, os.WriteFile(path, data, 0o600))
	promtool(t, "check", "rules", rules)
	promtool(t, "test", "rules", path)
}

func promtool(t *testing.T, args ...string) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), program(t, "promtool"), args...).CombinedOutput()
	require.NoError(t, err, "%s", out)
}
