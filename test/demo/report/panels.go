package report

// panel is where a plot is seen on a running cluster: a panel of the same title in a dashboard of the chart.
type panel struct {
	Dashboard string
	Queries   []string
}

const (
	dashboardLayers = "karpenter-oke: overview by layer"
	dashboardAPI    = "karpenter-oke: OCI API and errors"
)

// panels are those of the plots, by title. The recording has more than Prometheus knows, such as what the simulator runs, so the plots are
// drawn from it and not from these queries.
var panels = map[string]panel{
	"Pods running": {dashboardLayers, []string{`sum by (layer) (karpenter_oke_layer_pods)`}},
	"Pods waiting": {dashboardLayers, []string{`sum by (layer) (karpenter_oke_layer_pending_pods)`}},
	"Nodes":        {dashboardLayers, []string{`sum by (layer) (karpenter_oke_layer_nodes{state="ready"})`}},
	"NodeClaims and instances": {dashboardLayers, []string{
		`count(operator_nodeclaim_status_condition_count{type="Launched"}) or vector(0)`, `sum(karpenter_oke_nodeclass_instances)`,
	}},
	"Cost":      {dashboardLayers, []string{`sum by (layer) (karpenter_oke_layer_cost_per_hour)`}},
	"OCI calls": {dashboardAPI, []string{`sum(karpenter_oke_oci_requests_total)`, `sum(karpenter_oke_oci_requests_total{code!~"2.."}) or vector(0)`}},
}
