package main

// boards are all dashboards, in the order in which a person goes from the whole to the parts.
var boards = []board{overview, capacity, ociAPI, controllers}

// one is a panel's only query.
func one(expr, legend string) []target { return []target{{expr, legend}} }

var overview = board{
	file: "overview", title: "karpenter-oke: overview by layer",
	about: "What fixed nodes, Karpenter's nodes and virtual nodes hold, what waits, and what it costs.",
	rows: []row{
		{"Now", []panel{
			{title: "Cost per hour", kind: stat, unit: money, width: 4, targets: one(`sum by (currency) (karpenter_oke_fleet_cost_per_hour)`, "{{currency}}")},
			{title: "Nodes ready", kind: stat, width: 4, targets: one(`sum(karpenter_oke_layer_nodes{state="ready"})`, "")},
			{title: "Nodes not ready", kind: stat, width: 4, targets: one(`sum(karpenter_oke_layer_nodes{state="not_ready"})`, "")},
			{title: "Pods waiting for managed nodes", kind: stat, width: 4, targets: one(`sum(karpenter_oke_layer_pending_pods{layer="managed"})`, "")},
			{title: "Pods waiting for virtual nodes", kind: stat, width: 4, targets: one(`sum(karpenter_oke_layer_pending_pods{layer="virtual"})`, "")},
			{title: "Virtual nodes usable", kind: stat, width: 4, targets: one(`sum(karpenter_oke_virtual_node_nodes{state="usable"})`, "")},
		}},
		{"Layers", []panel{
			{title: "Pods running", about: "By the layer of the node they run on.", targets: one(`sum by (layer) (karpenter_oke_layer_pods)`, "{{layer}}")},
			{title: "Pods waiting", about: "By what is to take them.", targets: one(`sum by (layer) (karpenter_oke_layer_pending_pods)`, "{{layer}}")},
			{title: "Nodes", kind: stacked, about: "Ready nodes.", targets: one(`sum by (layer) (karpenter_oke_layer_nodes{state="ready"})`, "{{layer}}")},
			{title: "NodeClaims and instances", about: "What Karpenter has asked for, and what OCI runs for it.", targets: []target{
				{`count(operator_nodeclaim_status_condition_count{type="Launched"}) or vector(0)`, "NodeClaims"},
				{`sum(karpenter_oke_nodeclass_instances)`, "instances"},
			}},
			{title: "Cost", kind: stacked, unit: money, about: "Per hour at list price.", targets: one(`sum by (layer) (karpenter_oke_layer_cost_per_hour)`, "{{layer}}")},
			{title: "CPU asked for", kind: stacked, about: "Cores that pods request.", targets: one(`sum by (layer) (karpenter_oke_layer_requested{resource_type="cpu"})`, "{{layer}}")},
			{title: "CPU in use", unit: "percentunit", about: "Share of allocatable CPU that pods request; virtual nodes have no such share.",
				targets: one(`sum by (layer) (karpenter_oke_layer_requested{resource_type="cpu"}) / sum by (layer) (karpenter_oke_layer_allocatable{resource_type="cpu"})`, "{{layer}}")},
			{title: "Memory in use", unit: "percentunit",
				targets: one(`sum by (layer) (karpenter_oke_layer_requested{resource_type="memory"}) / sum by (layer) (karpenter_oke_layer_allocatable{resource_type="memory"})`, "{{layer}}")},
			{title: "Time until pods run", unit: "s", about: "From a pod's creation until it runs.", targets: []target{
				{`max(karpenter_pods_startup_duration_seconds{quantile="0.5"})`, "half of them"}, {`max(karpenter_pods_startup_duration_seconds{quantile="0.99"})`, "99 of 100"},
			}},
		}},
		{"Virtual nodes", []panel{
			{title: "Virtual nodes by state", kind: stacked, targets: one(`sum by (state) (karpenter_oke_virtual_node_nodes)`, "{{state}}")},
			{title: "Skipped pods by what they wait for", kind: stacked, targets: one(`sum by (reason) (karpenter_oke_virtual_node_skipped_pods)`, "{{reason}}")},
			{title: "Longest wait of a skipped pod", unit: "s", targets: one(`max(karpenter_oke_virtual_node_oldest_skipped_pod_age_seconds)`, "")},
			{title: "Decisions", about: "By layer and by the rule that decided.", targets: one(`sum by (layer, rule) (rate(karpenter_oke_virtual_node_decisions_total[$__rate_interval]))`, "{{layer}}: {{rule}}")},
			{title: "Overflow", about: "Pods that Karpenter took over from virtual nodes.", targets: one(`sum by (reason) (rate(karpenter_oke_virtual_node_overflow_total[$__rate_interval]))`, "{{reason}}")},
			{title: "Pods held back", about: "Pods that did not run on nodes bought for them, and how often buying for one backed off.", targets: []target{
				{`sum by (reason) (karpenter_oke_breaker_held_pods)`, "{{reason}}"}, {`sum(karpenter_oke_breaker_trips_total) or vector(0)`, "backed off, in all"},
			}},
		}},
	},
}

var capacity = board{
	file: "capacity-and-cost", title: "karpenter-oke: capacity and cost",
	about: "What is launched, what can not be had, what it costs and what fitting saves.",
	rows: []row{
		{"Cost", []panel{
			{title: "Cost by NodePool", kind: stacked, unit: money, about: "Per hour, boot volumes included.", targets: one(`sum by (nodepool) (karpenter_oke_nodepool_cost_per_hour)`, "{{nodepool}}")},
			{title: "Saved by fitting", kind: stacked, unit: money, about: "What the nodes would cost more per hour at the full sizes of their types.", targets: one(`sum by (nodepool) (karpenter_oke_nodepool_fit_savings_per_hour)`, "{{nodepool}}")},
			{title: "Cost of a requested core", unit: money, about: "Per hour, by layer.",
				targets: one(`sum by (layer) (karpenter_oke_layer_cost_per_hour) / (sum by (layer) (karpenter_oke_layer_requested{resource_type="cpu"}) > 0)`, "{{layer}}")},
			{title: "OCPUs saved by fitting", about: "Since the controller's start.", targets: one(`sum by (shape) (karpenter_oke_instance_fit_saved_ocpus_total)`, "{{shape}}")},
			{title: "Memory saved by fitting", unit: "decgbytes", targets: one(`sum by (shape) (karpenter_oke_instance_fit_saved_memory_gb_total)`, "{{shape}}")},
			{title: "Nodes without a known price", targets: one(`sum by (layer) (karpenter_oke_layer_unpriced_nodes)`, "{{layer}}")},
		}},
		{"Launches", []panel{
			{title: "Launches", about: "Accepted by OCI, in all.", targets: one(`sum by (shape, capacity_type) (karpenter_oke_instance_launches_total)`, "{{shape}} {{capacity_type}}")},
			{title: "Failed launches by class", about: "In all.", targets: one(`sum by (class) (karpenter_oke_instance_launch_failures_total)`, "{{class}}")},
			{title: "Launches that failed late", about: "Accepted by OCI, ended before the node registered; in all.", targets: one(`sum by (class) (karpenter_oke_instance_late_launch_failures_total)`, "{{class}}")},
			{title: "Sizes of launches", about: "By what became of the size.", targets: one(`sum by (outcome) (karpenter_oke_instance_fits_total)`, "{{outcome}}")},
			{title: "Nodes made and removed", targets: []target{
				{`sum by (nodepool) (karpenter_nodes_created_total)`, "{{nodepool}} made"}, {`sum by (nodepool) (karpenter_nodes_terminated_total)`, "{{nodepool}} removed"},
			}},
			{title: "Disruptions", about: "Nodes that Karpenter removes or replaces, by reason.", targets: one(`sum by (reason, decision) (karpenter_voluntary_disruption_decisions_total)`, "{{reason}} {{decision}}")},
		}},
		{"What can be had", []panel{
			{title: "Instance types available", about: "By shape, in the zone that has least.", targets: one(`min by (shape, capacity_type) (karpenter_oke_offerings_available)`, "{{shape}} {{capacity_type}}")},
			{title: "Marked unavailable", kind: stacked, about: "Sizes of shapes that are not tried for a while, by reason.", targets: one(`sum by (reason, shape) (karpenter_oke_offerings_unavailable)`, "{{shape}} {{reason}}")},
			{title: "Cheapest type of a shape", unit: money, about: "Per hour.", targets: one(`min by (shape, capacity_type) (karpenter_oke_offerings_lowest_price_per_hour)`, "{{shape}} {{capacity_type}}")},
			{title: "NodePools and their limits", unit: "percentunit",
				targets: one(`max by (nodepool, resource_type) (karpenter_nodepools_usage) / max by (nodepool, resource_type) (karpenter_nodepools_limit > 0)`, "{{nodepool}} {{resource_type}}")},
			{title: "Cluster utilisation", unit: "percent", about: "Without virtual nodes.", targets: one(`max by (resource_type) (karpenter_cluster_utilization_percent{resource_type=~"cpu|memory"})`, "{{resource_type}}")},
			{title: "Smaller than modelled", unit: "bytes", about: "Memory that nodes of a shape give less than the model says; it is learned and used from then on.",
				targets: one(`max by (shape) (karpenter_oke_learned_capacity_memory_shortfall_bytes) or max(karpenter_oke_learned_capacity_entries)`, "{{shape}}")},
			{title: "Capacity reservations", width: 12, about: "Of the reservations that node classes select: what they hold, and what of it is free.", targets: []target{
				{`sum by (reservation) (max by (reservation, slot) (karpenter_oke_capacity_reservation_reserved))`, "{{reservation}}"},
				{`sum by (reservation) (max by (reservation, slot) (karpenter_oke_capacity_reservation_free))`, "{{reservation}} free"},
			}},
			{title: "Sizes corrected", width: 12, about: "Nodes that turned out smaller than was believed of their type, in all.",
				targets: one(`sum(karpenter_oke_learned_capacity_corrections_total) or vector(0)`, "")},
		}},
		{"Nodes that fail", []panel{
			{title: "Did not register", about: "NodeClaims given up because their instance did not become a node, in all.",
				targets: one(`sum by (nodeclass) (karpenter_oke_registration_failures_total) or on () vector(0)`, "{{nodeclass}}")},
			{title: "Classes that launch nothing", about: "1 while nothing, or one try at most, is launched from a class because its nodes do not register.",
				targets: one(`max by (nodeclass) (karpenter_oke_registration_stopped)`, "{{nodeclass}}")},
			{title: "Images gone back from", about: "Because their nodes did not register.", targets: one(`max by (nodeclass) (karpenter_oke_registration_held_images)`, "{{nodeclass}}")},
			{title: "Reboots", about: "Asked for to repair a node in place, by what OCI answered; in all.",
				targets: one(`sum by (kind, outcome) (karpenter_oke_instance_reboot_requests_total) or on () vector(0)`, "{{kind}} {{outcome}}")},
			{title: "Replaced by repair", about: "Nodes given up for a condition of theirs, in all.",
				targets: one(`sum by (condition) (karpenter_nodeclaims_unhealthy_disrupted_total) or on () vector(0)`, "{{condition}}")},
			{title: "Given up", about: "NodeClaims that were taken back, by why; in all.", targets: one(`sum by (reason) (karpenter_nodeclaims_disrupted_total) or on () vector(0)`, "{{reason}}")},
		}},
		{"Images", []panel{
			{title: "Instances by image", kind: stacked, width: 12, about: "other: to be replaced by drift.", targets: one(`sum by (nodeclass, image) (karpenter_oke_nodeclass_instances)`, "{{nodeclass}} {{image}}")},
			{title: "Images waiting to be adopted", width: 12, targets: one(`sum by (nodeclass) (karpenter_oke_nodeclass_images_waiting)`, "{{nodeclass}}")},
		}},
	},
}
