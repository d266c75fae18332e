package main

var ociAPI = board{
	file: "oci-api", title: "karpenter-oke: OCI API and errors",
	about: "How the controller talks to Oracle Cloud: calls, answers, waits, and the age of what it knows.",
	rows: []row{
		{"Calls", []panel{
			{title: "OCI calls per second", about: "By operation.", targets: one(`sum by (operation) (rate(karpenter_oke_oci_requests_total[$__rate_interval]))`, "{{operation}}")},
			{title: "Answers that are errors", about: "Per second, by operation and HTTP status.", targets: one(`sum by (operation, code) (rate(karpenter_oke_oci_requests_total{code!~"2.."}[$__rate_interval]))`, "{{operation}} {{code}}")},
			{title: "Share of failed calls", unit: "percentunit", about: "Refused, throttled, failed or without an answer.",
				targets: one(`sum by (service) (rate(karpenter_oke_oci_requests_total{code=~"401|403|429|5..|none"}[$__rate_interval])) / sum by (service) (rate(karpenter_oke_oci_requests_total[$__rate_interval]))`, "{{service}}")},
			{title: "OCI calls", width: 12, about: "In all, since the controller's start.", targets: []target{
				{`sum(karpenter_oke_oci_requests_total)`, "calls"}, {`sum(karpenter_oke_oci_requests_total{code!~"2.."}) or vector(0)`, "answered with an error"},
			}},
			{title: "Time of an answer", width: 12, unit: "s", about: "95 of 100 answers come sooner.",
				targets: one(`histogram_quantile(0.95, sum by (operation, le) (rate(karpenter_oke_oci_request_duration_seconds_bucket[$__rate_interval])))`, "{{operation}}")},
		}},
		{"Limits", []panel{
			{title: "Refused as too many (429)", targets: one(`sum by (service, verb) (rate(karpenter_oke_oci_throttled_total[$__rate_interval]))`, "{{service}} {{verb}}")},
			{title: "Allowed by the controller itself", unit: "reqps", about: "Its limit; less after OCI answered 429.", targets: one(`min by (service, verb) (karpenter_oke_oci_limiter_rate)`, "{{service}} {{verb}}")},
			{title: "Wait for the controller's own limit", unit: "s", about: "95 of 100 calls wait less.",
				targets: one(`histogram_quantile(0.95, sum by (service, verb, le) (rate(karpenter_oke_oci_limiter_wait_seconds_bucket[$__rate_interval])))`, "{{service}} {{verb}}")},
			{title: "Calls sent again", about: "By the class of the error.", targets: one(`sum by (service, class) (rate(karpenter_oke_oci_retries_total[$__rate_interval]))`, "{{service}} {{class}}")},
			{title: "Failed launches", about: "Per second, by class.", targets: one(`sum by (class) (rate(karpenter_oke_instance_launch_failures_total[$__rate_interval]))`, "{{class}}")},
			{title: "Instances without a NodeClaim", about: "Left over; the controller ends them once they are old enough.", targets: []target{
				{`max(karpenter_oke_orphans_left)`, "left"}, {`sum(karpenter_oke_orphans_terminated_total) or vector(0)`, "ended in all"},
			}},
		}},
		{"Interruptions", []panel{
			{title: "Messages of the stream", about: "In all, by what became of them. Only with a stream.", targets: one(`sum by (kind, outcome) (karpenter_oke_interruption_messages_total)`, "{{kind}} {{outcome}}")},
			{title: "NodeClaims taken down ahead", about: "In all, by how the interruption was found out.", targets: one(`sum by (kind, source) (karpenter_oke_interruption_nodeclaims_deleted_total)`, "{{kind}} by {{source}}")},
			{title: "Delay of the stream", unit: "s", about: "How long messages waited, and the time until the NodeClaim was deleted (95 of 100 since the start).", targets: []target{
				{`max(karpenter_oke_interruption_stream_lag_seconds)`, "oldest message"},
				{`histogram_quantile(0.95, sum by (le) (karpenter_oke_interruption_reaction_seconds_bucket))`, "until the NodeClaim was deleted"},
			}},
			{title: "Stream can be read", width: 12, targets: one(`max(karpenter_oke_interruption_stream_healthy)`, "")},
			{title: "NodeClaims with announced maintenance", width: 12, targets: one(`max(karpenter_oke_interruption_maintenance_nodeclaims)`, "")},
		}},
		{"What the controller knows", []panel{
			{title: "Age of the list of instances", unit: "s", targets: one(`max(karpenter_oke_inventory_age_seconds)`, "")},
			{title: "Compartments that OCI refuses to list", about: "While there are any, no missing instance is believed to be gone; the log names them.", targets: one(`max(karpenter_oke_inventory_unread_compartments)`, "")},
			{title: "Reads of the price list", targets: one(`sum by (outcome) (karpenter_oke_pricing_refreshes_total)`, "{{outcome}}")},
			{title: "Prices", about: "Edition in use, 1 is the one that the controller came with; parts that keep an old price because the price list is not to be believed.", targets: []target{
				{`max(karpenter_oke_pricing_generation)`, "edition"}, {`max(karpenter_oke_pricing_kept_parts)`, "parts kept"},
			}},
			{title: "Rights that OCI refuses", about: "1 while a right is missing; the runbook of KarpenterOkeRightMissing has the statements.",
				targets: one(`max by (right) (karpenter_oke_oci_right_missing)`, "{{right}}")},
			{title: "Age of the prices", unit: "s", targets: one(`time() - max(karpenter_oke_pricing_last_refresh_timestamp_seconds > 0)`, "")},
			{title: "Shapes", targets: []target{
				{`max(karpenter_oke_shape_known)`, "known"}, {`count(max by (shape) (karpenter_oke_shape_doubtful > 0)) or vector(0)`, "doubtful"},
				{`count(max by (shape) (karpenter_oke_pricing_shape_price_guessed > 0)) or vector(0)`, "with a guessed price"},
			}},
		}},
	},
}

var controllers = board{
	file: "controllers", title: "karpenter-oke: controllers",
	about: "How the controller process itself does: loops, queues, the API server, memory.",
	rows: []row{
		{"Process", []panel{
			{title: "Version", kind: stat, width: 6, targets: one(`count by (version) (karpenter_build_info)`, "{{version}}")},
			{title: "Leads", kind: stat, width: 6, about: "Replicas that serve what only the leader does.", targets: one(`count(karpenter_oke_fleet_cost_per_hour)`, "")},
			{title: "In step with the API server", kind: stat, width: 6, targets: one(`min(karpenter_cluster_state_synced)`, "")},
			{title: "Nodes in its picture", kind: stat, width: 6, targets: one(`max(karpenter_cluster_state_node_count)`, "")},
			{title: "Memory", unit: "bytes", targets: one(`process_resident_memory_bytes and on (job, instance) karpenter_build_info`, "{{instance}}")},
			{title: "CPU", about: "Cores.", targets: one(`rate(process_cpu_seconds_total[$__rate_interval]) and on (job, instance) karpenter_build_info`, "{{instance}}")},
			{title: "Goroutines", targets: one(`go_goroutines and on (job, instance) karpenter_build_info`, "{{instance}}")},
		}},
		{"Loops", []panel{
			{title: "Runs", about: "Per second.", targets: one(`topk(12, sum by (controller) (rate(controller_runtime_reconcile_total[$__rate_interval]) and on (job, instance) karpenter_build_info))`, "{{controller}}")},
			{title: "Failures", about: "Per second.", targets: one(`sum by (controller) (rate(controller_runtime_reconcile_errors_total[$__rate_interval]) and on (job, instance) karpenter_build_info)`, "{{controller}}")},
			{title: "Time of a run", unit: "s", about: "99 of 100 are shorter; the longest twelve.",
				targets: one(`topk(12, histogram_quantile(0.99, sum by (controller, le) (rate(controller_runtime_reconcile_time_seconds_bucket[$__rate_interval]) and on (job, instance) karpenter_build_info)) > 0)`, "{{controller}}")},
			{title: "Work waiting", targets: one(`topk(12, sum by (name) (workqueue_depth and on (job, instance) karpenter_build_info))`, "{{name}}")},
			{title: "Scheduling", unit: "s", about: "Time of one round, 99 of 100 are shorter.",
				targets: one(`histogram_quantile(0.99, sum by (controller, le) (rate(karpenter_scheduler_scheduling_duration_seconds_bucket[$__rate_interval])))`, "{{controller}}")},
			{title: "Choosing what to disrupt", unit: "s", about: "Time of one look, 99 of 100 are shorter.",
				targets: one(`histogram_quantile(0.99, sum by (reason, consolidation_type, le) (rate(karpenter_voluntary_disruption_decision_evaluation_duration_seconds_bucket[$__rate_interval])))`, "{{reason}} {{consolidation_type}}")},
		}},
		{"Around it", []panel{
			{title: "Calls of core to the cloud provider", unit: "s", about: "Mean time, by method.",
				targets: one(`sum by (method) (rate(karpenter_cloudprovider_duration_seconds_sum[$__rate_interval])) / (sum by (method) (rate(karpenter_cloudprovider_duration_seconds_count[$__rate_interval])) > 0)`, "{{method}}")},
			{title: "Errors of the cloud provider", about: "In all.", targets: one(`sum by (method, error) (karpenter_cloudprovider_errors_total)`, "{{method}} {{error}}")},
			{title: "Requests to the API server", about: "Per second, by status.", targets: one(`sum by (code) (rate(client_go_request_total[$__rate_interval]) and on (job, instance) karpenter_build_info)`, "{{code}}")},
			{title: "Node classes that are not ready", about: "By condition.", targets: one(`sum by (name, type) (operator_ocinodeclass_status_condition_count{status!="True"})`, "{{name}} {{type}}")},
			{title: "Conditions of NodeClaims", kind: stacked, targets: one(`count by (type, status) (operator_nodeclaim_status_condition_count)`, "{{type}} {{status}}")},
			{title: "Rules that fail", about: "Of virtualNodeExtraRules, per second.", targets: one(`sum by (rule) (rate(karpenter_oke_virtual_node_rule_errors_total[$__rate_interval]))`, "{{rule}}")},
		}},
	},
}
