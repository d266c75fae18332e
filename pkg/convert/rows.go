package convert

// Row says what becomes of one field of the source's node class.
type Row struct {
	// Path is the field; [] stands for every element of a list.
	Path string
	// Target is the field of OciNodeClass that takes the value; empty when there is none. "NodePool: ..." is a field of the
	// NodePools that refer to the class.
	Target string
	// Note says what is different or what to do instead; empty when name and place are all that changes.
	Note string
	// Warn is true when every use of the field is reported, with the note. Other fields are reported where a value demands it.
	Warn bool
}

// Rows is the whole API of the source: one row for each field.
var Rows = rows()

// What notes say more than once.
const (
	noteOneOfMany  = "terms of several secondary VNICs are joined: pods get the addresses of one VNIC"
	noteNoPodVNIC  = "OKE makes the pods' VNIC, and only its subnets, groups and number of addresses can be chosen; remove it"
	noteVNICName   = "a VNIC is named after its instance; remove it"
	noteAttributes = "no Zero Trust Packet Routing attributes are set on VNICs; set them in OCI, or use network security groups"
	noteIPv6Prefix = "OCI takes the address from the subnet's own IPv6 prefix; with several prefixes use a subnet that has only the one"
)

func rows() []Row {
	var out []Row
	for _, part := range [][]Row{imageRows(), networkRows(), placementRows(), instanceRows(), kubeletRows()} {
		out = append(out, part...)
	}
	return out
}

func imageRows() []Row {
	const image = "spec.volumeConfig.bootVolumeConfig.imageConfig."
	const boot = "spec.volumeConfig.bootVolumeConfig."
	return []Row{
		{Path: image + "imageType", Target: "spec.imageFamily", Note: "OKEImage: OracleOKELinux, or Ubuntu by osFilter or user_data; Custom: Custom"},
		{Path: image + "imageId", Target: "spec.imageSelector[].id"},
		{Path: image + "imageFilter.osFilter", Target: "spec.imageSelector[].osFamily", Note: "with imagePolicy.soak 0s, since Oracle's provider takes a new image at once; remove the line for a day's soak"},
		{Path: image + "imageFilter.osVersionFilter", Target: "spec.imageSelector[].osVersion"},
		{Path: image + "imageFilter.compartmentId", Target: "spec.imageSelector[].compartmentId"},
		{Path: image + "imageFilter.freeformTags", Target: "spec.imageSelector[].freeFormTags"},
		{Path: image + "imageFilter.definedTags", Target: "spec.imageSelector[].definedTags"},
		{Path: boot + "sizeInGBs", Target: "spec.bootConfig.bootVolumeSizeInGBs", Note: "at least 50, OCI's own minimum"},
		{Path: boot + "vpusPerGB", Target: "spec.bootConfig.bootVolumeVpusPerGB", Note: "rounded up to a step of 10, as OCI has them"},
		{Path: boot + "kmsKeyConfig.kmsKeyId", Target: "spec.bootConfig.kmsKeyId"},
		{Path: boot + "pvEncryptionInTransit", Target: "spec.bootConfig.isPvEncryptionInTransitEnabled"},
	}
}

func networkRows() []Row {
	const primary = "spec.networkConfig.primaryVnicConfig."
	const secondary = "spec.networkConfig.secondaryVnicConfigs[]."
	out := filterRows(primary+"subnetConfig.subnet", "spec.subnetSelector", "")
	out = append(out, filterRows(primary+"networkSecurityGroupConfigs[].networkSecurityGroup", "spec.securityGroupSelector", "")...)
	out = append(out,
		Row{Path: primary + "assignPublicIp", Target: "spec.primaryVnic.assignPublicIp"},
		Row{Path: primary + "assignIpV6Ip", Target: "spec.primaryVnic.assignIpv6Ip"},
		Row{Path: primary + "skipSourceDestCheck", Target: "spec.primaryVnic.skipSourceDestCheck"},
		Row{Path: primary + "vnicDisplayname", Note: noteVNICName, Warn: true},
		Row{Path: primary + "ipv6AddressIpv6SubnetCidrPairDetails[].ipv6SubnetCidr", Note: noteIPv6Prefix, Warn: true},
		Row{Path: primary + "securityAttributes", Note: noteAttributes, Warn: true},
	)
	out = append(out, filterRows(secondary+"subnetConfig.subnet", "spec.podNetworking.podSubnetSelector", noteOneOfMany)...)
	out = append(out, filterRows(secondary+"networkSecurityGroupConfigs[].networkSecurityGroup", "spec.podNetworking.podSecurityGroupSelector", noteOneOfMany)...)
	out = append(out, Row{Path: secondary + "ipCount", Target: "spec.podNetworking.ipCount", Note: "of several secondary VNICs the sum; a power of two"})
	for _, field := range []string{"applicationResource", "nicIndex", "assignPublicIp", "assignIpV6Ip", "skipSourceDestCheck", "vnicDisplayname", "securityAttributes", "ipv6AddressIpv6SubnetCidrPairDetails[].ipv6SubnetCidr"} {
		out = append(out, Row{Path: secondary + field, Note: noteNoPodVNIC, Warn: true})
	}
	return out
}

func placementRows() []Row {
	out := filterRows("spec.capacityReservationConfigs[].capacityReservation", "spec.placement.capacityReservationSelector", "")
	out = append(out, filterRows("spec.clusterPlacementGroupConfigs[].clusterPlacementGroup", "spec.placement.clusterPlacementGroupSelector", "")...)
	out = append(out, filterRows("spec.computeClusterConfig.computeCluster", "spec.placement.computeClusterSelector", "")...)
	return append(out,
		Row{Path: "spec.shapeConfigs[].ocpus", Target: "spec.flex.ocpus", Note: "a range from the least to the greatest; sizes between are offered too"},
		Row{Path: "spec.shapeConfigs[].memoryInGbs", Target: "spec.flex.memoryPerOcpu", Note: "a range of memory for each OCPU"},
		Row{Path: "spec.shapeConfigs[].baselineOcpuUtilization", Target: "spec.flex.baselines", Note: "every size is offered with every baseline"},
	)
}

func instanceRows() []Row {
	const launch = "spec.launchOptions."
	return []Row{
		{Path: "spec.nodeCompartmentId", Target: "spec.compartmentId"},
		{Path: "spec.metadata", Target: "spec.metaData", Note: "user_data becomes userData with imageFamily Custom, or imageFamily Ubuntu when all it does is `oke bootstrap`; ssh_authorized_keys becomes sshAuthorizedKeys; keys that the controller sets are left out"},
		{Path: "spec.freeformTags", Target: "spec.freeFormTags", Note: "at most 10, OCI's limit"},
		{Path: "spec.definedTags", Target: "spec.definedTags"},
		{Path: "spec.sshAuthorizedKeys", Target: "spec.sshAuthorizedKeys"},
		{Path: "spec.agentList", Target: "spec.agentList"},
		{Path: "spec.preBootstrapInitScript", Target: "spec.preInstallScript", Note: "decoded from base64; runs in a process of its own, and if it ends with a status other than 0 the node does not join"},
		{Path: "spec.postBootstrapInitScript", Target: "spec.postInstallScript", Note: "decoded from base64; runs in a process of its own"},
		{Path: launch + "bootVolumeType", Target: launch + "bootVolumeType"},
		{Path: launch + "remoteDataVolumeType", Target: launch + "remoteDataVolumeType"},
		{Path: launch + "firmware", Target: launch + "firmware"},
		{Path: launch + "networkType", Target: launch + "networkType"},
		{Path: launch + "consistentVolumeNamingEnabled", Target: launch + "isConsistentVolumeNamingEnabled"},
	}
}

func kubeletRows() []Row {
	const from, to = "spec.kubeletConfig.", "spec.kubelet."
	out := []Row{
		{Path: from + "extraArgs", Target: to + "extraArgs", Note: "a list of single arguments; those that have a field of their own go there, --node-labels to the NodePools"},
		{Path: from + "nodeLabels", Target: "NodePool: spec.template.metadata.labels", Note: "Karpenter then knows the labels when it places pods; the NodePools have to be in the input"},
		{Path: from + "maxPods", Target: to + "maxPods", Note: "at most 256"},
	}
	for _, same := range []string{
		"clusterDNS", "podsPerCore", "systemReserved", "kubeReserved", "evictionHard", "evictionSoft", "evictionSoftGracePeriod",
		"evictionMaxPodGracePeriod", "imageGCHighThresholdPercent", "imageGCLowThresholdPercent",
	} {
		out = append(out, Row{Path: from + same, Target: to + same})
	}
	return out
}

// filterRows are the rows of something that is named by its id or found by a filter.
func filterRows(from, to, note string) []Row {
	return []Row{
		{Path: from + "Id", Target: to + "[].id", Note: note},
		{Path: from + "Filter.displayName", Target: to + "[].name", Note: note},
		{Path: from + "Filter.freeformTags", Target: to + "[].freeFormTags", Note: note},
		{Path: from + "Filter.definedTags", Target: to + "[].definedTags", Note: note},
		{Path: from + "Filter.compartmentId", Target: to + "[].compartmentId", Note: note},
	}
}
