package nodeclass_test

var placementRules = map[string]rule{
	"a dedicated host takes no reservation": {
		says:    "OCI does not launch into a capacity reservation on a dedicated VM host; remove dedicatedVmHostSelector or capacityReservationSelector",
		accepts: []string{"placement: {dedicatedVmHostSelector: [{name: a}]}", "placement: {capacityReservationSelector: [{name: a}], computeClusterSelector: [{name: b}], clusterPlacementGroupSelector: [{name: c}]}"},
		rejects: []string{"placement: {dedicatedVmHostSelector: [{name: a}], capacityReservationSelector: [{name: a}]}"},
	},
	"a dedicated host is in no compute cluster": {
		says:    "a compute cluster takes bare metal and a dedicated VM host takes virtual machines; remove dedicatedVmHostSelector or computeClusterSelector",
		accepts: []string{"placement: {computeClusterSelector: [{name: a}]}"},
		rejects: []string{"placement: {dedicatedVmHostSelector: [{name: a}], computeClusterSelector: [{name: a}]}"},
	},
	"a dedicated host takes no burstable instance": {
		says:    "OCI runs no burstable instances on a dedicated VM host; remove BASELINE_1_2 and BASELINE_1_8 from flex.baselines, or remove placement.dedicatedVmHostSelector",
		accepts: []string{"{placement: {dedicatedVmHostSelector: [{name: a}]}, flex: {baselines: [BASELINE_1_1]}}", "{placement: {dedicatedVmHostSelector: [{name: a}]}, flex: {sizing: Fit}}", "{placement: {faultDomains: [FAULT-DOMAIN-1]}, flex: {baselines: [BASELINE_1_8]}}"},
		rejects: []string{"{placement: {dedicatedVmHostSelector: [{name: a}]}, flex: {baselines: [BASELINE_1_1, BASELINE_1_2]}}"},
	},
	"a dedicated host has no extended memory": {
		says:    "instances with extended memory are not launched on dedicated VM hosts; remove flex.extendedMemory or placement.dedicatedVmHostSelector",
		accepts: []string{"{placement: {dedicatedVmHostSelector: [{name: a}]}, flex: {extendedMemory: false}}", "{placement: {computeClusterSelector: [{name: a}]}, flex: {extendedMemory: true}}"},
		rejects: []string{"{placement: {dedicatedVmHostSelector: [{name: a}]}, flex: {extendedMemory: true}}"},
	},
	"fault domains are OCI's three, each once": {
		says:    "",
		accepts: []string{"placement: {faultDomains: [FAULT-DOMAIN-1, FAULT-DOMAIN-2, FAULT-DOMAIN-3]}", "placement: {}"},
		rejects: []string{"placement: {faultDomains: []}", "placement: {faultDomains: [FAULT-DOMAIN-4]}", "placement: {faultDomains: [FAULT-DOMAIN-1, FAULT-DOMAIN-1]}", "placement: {faultDomains: [FAULT-DOMAIN-1, FAULT-DOMAIN-2, FAULT-DOMAIN-3, FAULT-DOMAIN-3]}"},
	},
	"baselines are OCI's three, each once": {
		says:    "",
		accepts: []string{"flex: {baselines: [BASELINE_1_1, BASELINE_1_2, BASELINE_1_8]}", "flex: {}"},
		rejects: []string{"flex: {baselines: []}", "flex: {baselines: [BASELINE_1_4]}", "flex: {baselines: [BASELINE_1_1, BASELINE_1_1]}", "flex: {baselines: [BASELINE_1_1, BASELINE_1_2, BASELINE_1_8, BASELINE_1_8]}"},
	},
	"sizes come from the grid or are fitted": {
		says:    "Unsupported value",
		accepts: []string{"flex: {sizing: Grid}", "flex: {sizing: Fit}"},
		rejects: []string{"flex: {sizing: fit}", "flex: {sizing: ''}"},
	},
	"OCPUs are 1 to 1024": {
		says:    "in body should be",
		accepts: []string{"flex: {ocpus: {min: 1}}", "flex: {ocpus: {max: 1024}}"},
		rejects: []string{"flex: {ocpus: {min: 0}}", "flex: {ocpus: {min: 1025}}", "flex: {ocpus: {max: 0}}", "flex: {ocpus: {max: 1025}}"},
	},
	"a range begins before it ends": {
		says:    "'min' must not be more than 'max'",
		accepts: []string{"flex: {ocpus: {min: 4, max: 4}}", "flex: {memoryPerOcpu: {min: 1536Mi, max: 2Gi}}", "flex: {memoryPerOcpu: {min: 4Gi, max: 4096Mi}}", "flex: {memoryPerOcpu: {min: 1073741824}}"},
		rejects: []string{"flex: {ocpus: {min: 8, max: 4}}", "flex: {memoryPerOcpu: {min: 8Gi, max: 4Gi}}", "flex: {memoryPerOcpu: {min: 3Gi, max: 2000Mi}}"},
	},
	"the least memory is a quantity with a unit": {
		says:    "give at least 1Gi, and write the unit: 4Gi, not 4",
		accepts: []string{"flex: {memoryPerOcpu: {min: 1Gi}}"},
		rejects: []string{"flex: {memoryPerOcpu: {min: 4}}", "flex: {memoryPerOcpu: {min: '4'}}", "flex: {memoryPerOcpu: {min: -4Gi}}", "flex: {memoryPerOcpu: {min: 1023Mi}}"},
	},
	"the greatest memory is a quantity with a unit": {
		says:    "give at least 1Gi, and write the unit: 16Gi, not 16",
		accepts: []string{"flex: {memoryPerOcpu: {max: 16Gi}}"},
		rejects: []string{"flex: {memoryPerOcpu: {max: 16}}", "flex: {memoryPerOcpu: {max: 512Mi}}"},
	},
	"memory is a quantity": {
		says:    "",
		accepts: []string{"flex: {memoryPerOcpu: {min: 2G}}"},
		rejects: []string{"flex: {memoryPerOcpu: {min: much}}", "flex: {memoryPerOcpu: {max: 4 Gi}}", "flex: {memoryPerOcpu: {max: ''}}"},
	},
	"preemptible nodes have OKE's taint or none": {
		says:    "Unsupported value",
		accepts: []string{"preemptible: {taint: None, preserveBootVolume: true}", "preemptible: {taint: OKE}", "preemptible: {}"},
		rejects: []string{"preemptible: {taint: NoSchedule}"},
	},
}
