package nodeclass_test

const (
	resources  = "resources that can be reserved are cpu, memory, ephemeral-storage and pid"
	amounts    = "give each resource as a quantity that is not negative, such as 100m or 512Mi"
	signals    = "eviction signals are memory.available, nodefs.available, nodefs.inodesFree, imagefs.available, imagefs.inodesFree and pid.available"
	thresholds = "give each threshold as a percentage such as 5% or a quantity such as 500Mi"
)

var kubeletRules = map[string]rule{
	"only known resources are reserved": {
		says:    resources,
		accepts: []string{"kubelet: {systemReserved: {cpu: 100m, memory: 1Gi, ephemeral-storage: 1Gi, pid: '1000'}}", "kubelet: {kubeReserved: {}}"},
		rejects: []string{"kubelet: {systemReserved: {gpu: '1'}}", "kubelet: {kubeReserved: {cpu: '1', nvidia.com/gpu: '1'}}"},
	},
	"reserved amounts are quantities": {
		says:    amounts,
		accepts: []string{"kubelet: {systemReserved: {cpu: '0', memory: '1e3'}}", "kubelet: {kubeReserved: {cpu: '0.5', memory: 1.5Gi}}"},
		rejects: []string{"kubelet: {systemReserved: {cpu: -100m}}", "kubelet: {systemReserved: {memory: 1 Gi}}", "kubelet: {kubeReserved: {memory: lots}}", "kubelet: {kubeReserved: {memory: 10%}}", "kubelet: {kubeReserved: {cpu: \"1'\"}}"},
	},
	"eviction signals are the kubelet's": {
		says:    signals,
		accepts: []string{"kubelet: {evictionHard: {memory.available: 5%, nodefs.available: 5%, nodefs.inodesFree: 5%, imagefs.available: 5%, imagefs.inodesFree: 5%, pid.available: 5%}}"},
		rejects: []string{"kubelet: {evictionHard: {memory: 5%}}", "kubelet: {evictionSoft: {containerfs.available: 5%}, evictionSoftGracePeriod: {containerfs.available: 1m}}"},
	},
	"eviction thresholds are percentages or quantities": {
		says:    thresholds,
		accepts: []string{"kubelet: {evictionHard: {memory.available: 500Mi, nodefs.available: 7.5%, pid.available: '1000', imagefs.available: 100%}}", "kubelet: {evictionSoft: {memory.available: 0%}, evictionSoftGracePeriod: {memory.available: 1m}}"},
		rejects: []string{"kubelet: {evictionHard: {memory.available: 101%}}", "kubelet: {evictionHard: {memory.available: -5%}}", "kubelet: {evictionHard: {memory.available: -5Mi}}", "kubelet: {evictionHard: {memory.available: '5 %'}}", "kubelet: {evictionSoft: {memory.available: half}, evictionSoftGracePeriod: {memory.available: 1m}}"},
	},
	"a soft threshold has its grace period": {
		says:    "every signal of evictionSoft needs its entry in evictionSoftGracePeriod",
		accepts: []string{"kubelet: {evictionSoft: {memory.available: 5%}, evictionSoftGracePeriod: {memory.available: 1m}}"},
		rejects: []string{"kubelet: {evictionSoft: {memory.available: 5%}}", "kubelet: {evictionSoft: {memory.available: 5%, nodefs.available: 5%}, evictionSoftGracePeriod: {memory.available: 1m}}"},
	},
	"a grace period has its soft threshold": {
		says:    "every signal of evictionSoftGracePeriod needs its entry in evictionSoft",
		accepts: []string{"kubelet: {evictionSoft: {}, evictionSoftGracePeriod: {}}"},
		rejects: []string{"kubelet: {evictionSoftGracePeriod: {memory.available: 1m}}", "kubelet: {evictionSoft: {memory.available: 5%}, evictionSoftGracePeriod: {memory.available: 1m, nodefs.available: 1m}}"},
	},
	"a grace period is a positive duration": {
		says:    "give each grace period as a positive duration, such as 1m30s",
		accepts: []string{"kubelet: {evictionSoft: {memory.available: 5%}, evictionSoftGracePeriod: {memory.available: 1m30s}}", "kubelet: {evictionSoft: {memory.available: 5%}, evictionSoftGracePeriod: {memory.available: 0.5h}}"},
		rejects: []string{
			"kubelet: {evictionSoft: {memory.available: 5%}, evictionSoftGracePeriod: {memory.available: 0s}}", "kubelet: {evictionSoft: {memory.available: 5%}, evictionSoftGracePeriod: {memory.available: '90'}}",
			"kubelet: {evictionSoft: {memory.available: 5%}, evictionSoftGracePeriod: {memory.available: soon}}", "kubelet: {evictionSoft: {memory.available: 5%}, evictionSoftGracePeriod: {memory.available: 99999999999h}}",
		},
	},
	"image garbage collection begins above where it ends": {
		says:    "imageGCHighThresholdPercent (85 when left out) must be greater than imageGCLowThresholdPercent (80 when left out)",
		accepts: []string{"kubelet: {imageGCHighThresholdPercent: 50, imageGCLowThresholdPercent: 49}", "kubelet: {imageGCHighThresholdPercent: 81}", "kubelet: {imageGCLowThresholdPercent: 84}"},
		rejects: []string{"kubelet: {imageGCHighThresholdPercent: 50, imageGCLowThresholdPercent: 50}", "kubelet: {imageGCHighThresholdPercent: 40, imageGCLowThresholdPercent: 50}", "kubelet: {imageGCHighThresholdPercent: 80}", "kubelet: {imageGCLowThresholdPercent: 85}"},
	},
	"the kubelet's numbers are in their ranges": {
		says:    "in body should be",
		accepts: []string{"kubelet: {maxPods: 1, podsPerCore: 0, evictionMaxPodGracePeriod: 0, imageGCHighThresholdPercent: 100, imageGCLowThresholdPercent: 0}", "kubelet: {maxPods: 256, podsPerCore: 256}"},
		rejects: []string{
			"kubelet: {maxPods: 0}", "kubelet: {maxPods: 257}", "kubelet: {podsPerCore: -1}", "kubelet: {podsPerCore: 257}", "kubelet: {evictionMaxPodGracePeriod: -1}",
			"kubelet: {imageGCHighThresholdPercent: 101}", "kubelet: {imageGCHighThresholdPercent: -1}", "kubelet: {imageGCLowThresholdPercent: -1}", "kubelet: {imageGCLowThresholdPercent: 101}",
		},
	},
	"a DNS server is an address": {
		says:    "give an IPv4 or IPv6 address, such as 10.96.5.5",
		accepts: []string{"kubelet: {clusterDNS: [10.96.5.5, 'fd00::5']}", "kubelet: {clusterDNS: []}"},
		rejects: []string{"kubelet: {clusterDNS: [kube-dns]}", "kubelet: {clusterDNS: ['10.96.5.5:53']}", "kubelet: {clusterDNS: ['']}", "kubelet: {clusterDNS: [10.96.5.0/24]}"},
	},
	"DNS servers are at most 3": {
		says:    "",
		accepts: []string{"kubelet: {clusterDNS: [10.0.0.1, 10.0.0.2, 10.0.0.3]}"},
		rejects: []string{"kubelet: {clusterDNS: [10.0.0.1, 10.0.0.2, 10.0.0.3, 10.0.0.4]}", "kubelet: {clusterDNS: [" + long(46) + "]}"},
	},
	"an argument is one flag": {
		says:    "write a kubelet argument as --flag or --flag=value, without spaces, quotes and other characters that a shell reads",
		accepts: []string{"kubelet: {extraArgs: [--v=4, '--feature-gates=A=true,B=false', --serialize-image-pulls, '--eviction-minimum-reclaim=memory.available=10%']}"},
		rejects: []string{"kubelet: {extraArgs: ['']}", "kubelet: {extraArgs: [v=4]}", "kubelet: {extraArgs: ['--v 4']}", `kubelet: {extraArgs: ["--v=4 --max-pods=9"]}`, "kubelet: {extraArgs: ['--v=$(reboot)']}", `kubelet: {extraArgs: ["--v='4'"]}`, `kubelet: {extraArgs: ["--v=4\n"]}`, "kubelet: {extraArgs: ['--V=4']}"},
	},
	"arguments by which a node registers are not given": {
		says:    "the controller and OKE set how a node registers; use the NodePool's labels and taints, and remove this argument",
		accepts: []string{"kubelet: {extraArgs: [--node-status-update-frequency=10s]}"},
		rejects: []string{"kubelet: {extraArgs: [--v=4, --node-labels=a=b]}", "kubelet: {extraArgs: [--register-with-taints]}", "kubelet: {extraArgs: [--hostname-override=a]}", "kubelet: {extraArgs: [--config=/tmp/x]}"},
	},
	"arguments with a field are given by it": {
		says:    "this argument has a field of its own in 'kubelet', which also counts in the size of nodes; use the field",
		accepts: []string{"kubelet: {extraArgs: [--max-open-files=1000000]}"},
		rejects: []string{"kubelet: {extraArgs: [--max-pods=10]}", "kubelet: {extraArgs: ['--kube-reserved=cpu=1']}", "kubelet: {extraArgs: ['--eviction-hard=memory.available=5%']}", "kubelet: {extraArgs: [--cpu-cfs-quota=false]}"},
	},
	"arguments are at most 30, each of at most 512 characters": {
		says:    "",
		accepts: []string{"kubelet: {extraArgs: [" + items(30, "--a%d=1") + "]}"},
		rejects: []string{"kubelet: {extraArgs: [" + items(31, "--a%d=1") + "]}", "kubelet: {extraArgs: [--a=" + long(512) + "]}"},
	},
	"the kubelet's maps are small": {
		says:    "",
		accepts: []string{"kubelet: {systemReserved: {cpu: " + `"0000000000000000000000000000001m"` + "}}"},
		rejects: []string{
			"kubelet: {systemReserved: {" + entries(5) + "}}", "kubelet: {systemReserved: {k: ''}}", "kubelet: {systemReserved: {k: " + long(33) + "}}",
			"kubelet: {kubeReserved: {" + entries(5) + "}}", "kubelet: {kubeReserved: {k: ''}}", "kubelet: {kubeReserved: {k: " + long(33) + "}}",
			"kubelet: {evictionHard: {" + entries(7) + "}}", "kubelet: {evictionHard: {k: ''}}", "kubelet: {evictionHard: {k: " + long(33) + "}}",
			"kubelet: {evictionSoft: {" + entries(7) + "}}", "kubelet: {evictionSoft: {k: ''}}", "kubelet: {evictionSoft: {k: " + long(33) + "}}",
			"kubelet: {evictionSoftGracePeriod: {" + items(7, "k%d: 1m") + "}}",
		},
	},
}
