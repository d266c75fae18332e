package nodeclass_test

var networkRules = map[string]rule{
	"Flannel has no addresses of the VCN for pods": {
		says:    "with Flannel pods have no addresses of the VCN; remove podSubnetSelector, podSecurityGroupSelector and ipCount, or set type to VCNNative",
		accepts: []string{"podNetworking: {type: Flannel}", "podNetworking: {podSubnetSelector: [{name: pods}]}", "podNetworking: {type: VCNNative, podSubnetSelector: [{name: pods}], podSecurityGroupSelector: [{name: pods}], ipCount: 16}", "podNetworking: {type: auto, ipCount: 16}"},
		rejects: []string{"podNetworking: {type: Flannel, podSubnetSelector: [{name: pods}]}", "podNetworking: {type: Flannel, podSecurityGroupSelector: []}", "podNetworking: {type: Flannel, ipCount: 1}"},
	},
	"pod networking is of a known type": {
		says:    "Unsupported value",
		accepts: []string{"podNetworking: {}", "podNetworking: {type: auto}"},
		rejects: []string{"podNetworking: {type: Auto}", "podNetworking: {type: Calico}", "podNetworking: {type: ''}"},
	},
	"a pod VNIC's addresses are a power of two": {
		says:    "Unsupported value",
		accepts: []string{"podNetworking: {ipCount: 1}", "podNetworking: {ipCount: 256}"},
		rejects: []string{"podNetworking: {ipCount: 0}", "podNetworking: {ipCount: 31}", "podNetworking: {ipCount: 512}"},
	},
	"pod networking is said in one place": {
		says:    "say in one place how pods get addresses: remove oke-native-pod-networking, oke-max-pods, pod-subnets and pod-nsgids from metaData, or remove podNetworking",
		accepts: []string{"metaData: {oke-native-pod-networking: 'true', oke-max-pods: '31', pod-subnets: a, pod-nsgids: b}", "{metaData: {other: value}, podNetworking: {type: VCNNative}}"},
		rejects: []string{"{metaData: {oke-native-pod-networking: 'true'}, podNetworking: {}}", "{metaData: {oke-max-pods: '31'}, podNetworking: {}}", "{metaData: {pod-subnets: a}, podNetworking: {}}", "{metaData: {pod-nsgids: a}, podNetworking: {}}"},
	},
}
