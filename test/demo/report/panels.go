package report

import "fmt"

// panel is where a plot is seen on a running cluster: a panel of the same title in a dashboard of the chart.
type panel struct {
	Dashboard dashboard
	ID        int // of the panel, within the dashboard
	Queries   []string
}

// dashboard is one of the chart's.
type dashboard struct{ Title, UID, File string }

// Path leads to a panel on any Grafana that has the dashboards.
func (p panel) Path() string { return fmt.Sprintf("/d/%s?viewPanel=%d", p.Dashboard.UID, p.ID) }

// dashboards are all that the chart brings.
var (
	dashboardLayers      = dashboard{"karpenter-oke: overview by layer", "karpenter-oke-overview", "overview.json"}
	dashboardCapacity    = dashboard{"karpenter-oke: capacity and cost", "karpenter-oke-capacity-and-cost", "capacity-and-cost.json"}
	dashboardAPI         = dashboard{"karpenter-oke: OCI API and errors", "karpenter-oke-oci-api", "oci-api.json"}
	dashboardControllers = dashboard{"karpenter-oke: controllers", "karpenter-oke-controllers", "controllers.json"}

	dashboards = []dashboard{dashboardLayers, dashboardCapacity, dashboardAPI, dashboardControllers}
)

// panels are those of the plots, by title. The recording has more than Prometheus knows, such as what the simulator runs, so the plots are
// drawn from it and not from these queries.
var panels = map[string]panel{
	"Pods running": {dashboardLayers, 9, []string{`sum by (layer) (karpenter_oke_layer_pods)`}},
	"Pods waiting": {dashboardLayers, 10, []string{`sum by (layer) (karpenter_oke_layer_pending_pods)`}},
	"Nodes":        {dashboardLayers, 11, []string{`sum by (layer) (karpenter_oke_layer_nodes{state="ready"})`}},
	"NodeClaims and instances": {dashboardLayers, 12, []string{
		`count(operator_nodeclaim_status_condition_count{type="Launched"}) or vector(0)`, `sum(karpenter_oke_nodeclass_instances)`,
	}},
	"Cost":      {dashboardLayers, 13, []string{`sum by (layer) (karpenter_oke_layer_cost_per_hour)`}},
	"OCI calls": {dashboardAPI, 5, []string{`sum(karpenter_oke_oci_requests_total)`, `sum(karpenter_oke_oci_requests_total{code!~"2.."}) or vector(0)`}},
}
