package convert

// The types of this file are the spec of the source's node class, as far as its values are needed here. Names in JSON are the
// source's. Fields that are only ever reported (rows without a target) are here too, so that a test can hold the table against
// the types.

type sourceSpec struct {
	ShapeConfigs                 []sourceShapeConfig           `json:"shapeConfigs"`
	NodeCompartmentID            string                        `json:"nodeCompartmentId"`
	VolumeConfig                 sourceVolumeConfig            `json:"volumeConfig"`
	NetworkConfig                sourceNetworkConfig           `json:"networkConfig"`
	CapacityReservationConfigs   []sourceCapacityReservation   `json:"capacityReservationConfigs"`
	ClusterPlacementGroupConfigs []sourceClusterPlacementGroup `json:"clusterPlacementGroupConfigs"`
	ComputeClusterConfig         *sourceComputeCluster         `json:"computeClusterConfig"`
	Metadata                     map[string]string             `json:"metadata"`
	FreeformTags                 map[string]string             `json:"freeformTags"`
	DefinedTags                  map[string]map[string]string  `json:"definedTags"`
	KubeletConfig                *sourceKubelet                `json:"kubeletConfig"`
	PreBootstrapInitScript       string                        `json:"preBootstrapInitScript"`
	PostBootstrapInitScript      string                        `json:"postBootstrapInitScript"`
	SSHAuthorizedKeys            []string                      `json:"sshAuthorizedKeys"`
	LaunchOptions                *sourceLaunchOptions          `json:"launchOptions"`
	AgentList                    []string                      `json:"agentList"`
}

type sourceShapeConfig struct {
	Ocpus                   *float64 `json:"ocpus"`
	MemoryInGbs             *float64 `json:"memoryInGbs"`
	BaselineOcpuUtilization string   `json:"baselineOcpuUtilization"`
}

type sourceVolumeConfig struct {
	BootVolumeConfig struct {
		ImageConfig           sourceImageConfig `json:"imageConfig"`
		SizeInGBs             *int64            `json:"sizeInGBs"`
		VpusPerGB             *int64            `json:"vpusPerGB"`
		PvEncryptionInTransit *bool             `json:"pvEncryptionInTransit"`
		KmsKeyConfig          struct {
			KmsKeyID string `json:"kmsKeyId"`
		} `json:"kmsKeyConfig"`
	} `json:"bootVolumeConfig"`
}

type sourceImageConfig struct {
	ImageType   string             `json:"imageType"`
	ImageID     string             `json:"imageId"`
	ImageFilter *sourceImageFilter `json:"imageFilter"`
}

type sourceImageFilter struct {
	OsFilter        string                       `json:"osFilter"`
	OsVersionFilter string                       `json:"osVersionFilter"`
	CompartmentID   string                       `json:"compartmentId"`
	FreeformTags    map[string]string            `json:"freeformTags"`
	DefinedTags     map[string]map[string]string `json:"definedTags"`
}

type sourceFilter struct {
	CompartmentID string                       `json:"compartmentId"`
	DisplayName   string                       `json:"displayName"`
	FreeformTags  map[string]string            `json:"freeformTags"`
	DefinedTags   map[string]map[string]string `json:"definedTags"`
}

type sourceNetworkConfig struct {
	PrimaryVnicConfig    sourceVnic            `json:"primaryVnicConfig"`
	SecondaryVnicConfigs []sourceSecondaryVnic `json:"secondaryVnicConfigs"`
}

type sourceVnic struct {
	SubnetConfig                         sourceSubnet                 `json:"subnetConfig"`
	NetworkSecurityGroupConfigs          []sourceSecurityGroup        `json:"networkSecurityGroupConfigs"`
	AssignIPV6IP                         *bool                        `json:"assignIpV6Ip"`
	AssignPublicIP                       *bool                        `json:"assignPublicIp"`
	SkipSourceDestCheck                  *bool                        `json:"skipSourceDestCheck"`
	VnicDisplayname                      string                       `json:"vnicDisplayname"`
	SecurityAttributes                   map[string]map[string]string `json:"securityAttributes"`
	Ipv6AddressIpv6SubnetCidrPairDetails []struct {
		Ipv6SubnetCidr string `json:"ipv6SubnetCidr"`
	} `json:"ipv6AddressIpv6SubnetCidrPairDetails"`
}

type sourceSecondaryVnic struct {
	sourceVnic
	ApplicationResource string `json:"applicationResource"`
	IPCount             *int32 `json:"ipCount"`
	NicIndex            *int32 `json:"nicIndex"`
}

type sourceSubnet struct {
	SubnetID     string        `json:"subnetId"`
	SubnetFilter *sourceFilter `json:"subnetFilter"`
}

type sourceSecurityGroup struct {
	NetworkSecurityGroupID     string        `json:"networkSecurityGroupId"`
	NetworkSecurityGroupFilter *sourceFilter `json:"networkSecurityGroupFilter"`
}

type sourceCapacityReservation struct {
	CapacityReservationID     string        `json:"capacityReservationId"`
	CapacityReservationFilter *sourceFilter `json:"capacityReservationFilter"`
}

type sourceClusterPlacementGroup struct {
	ClusterPlacementGroupID     string        `json:"clusterPlacementGroupId"`
	ClusterPlacementGroupFilter *sourceFilter `json:"clusterPlacementGroupFilter"`
}

type sourceComputeCluster struct {
	ComputeClusterID     string        `json:"computeClusterId"`
	ComputeClusterFilter *sourceFilter `json:"computeClusterFilter"`
}

type sourceLaunchOptions struct {
	BootVolumeType                string `json:"bootVolumeType"`
	RemoteDataVolumeType          string `json:"remoteDataVolumeType"`
	Firmware                      string `json:"firmware"`
	NetworkType                   string `json:"networkType"`
	ConsistentVolumeNamingEnabled *bool  `json:"consistentVolumeNamingEnabled"`
}

type sourceKubelet struct {
	ClusterDNS                  []string          `json:"clusterDNS"`
	ExtraArgs                   string            `json:"extraArgs"`
	NodeLabels                  map[string]string `json:"nodeLabels"`
	MaxPods                     *int32            `json:"maxPods"`
	PodsPerCore                 *int32            `json:"podsPerCore"`
	SystemReserved              map[string]string `json:"systemReserved"`
	KubeReserved                map[string]string `json:"kubeReserved"`
	EvictionHard                map[string]string `json:"evictionHard"`
	EvictionSoft                map[string]string `json:"evictionSoft"`
	EvictionSoftGracePeriod     map[string]string `json:"evictionSoftGracePeriod"`
	EvictionMaxPodGracePeriod   *int32            `json:"evictionMaxPodGracePeriod"`
	ImageGCHighThresholdPercent *int32            `json:"imageGCHighThresholdPercent"`
	ImageGCLowThresholdPercent  *int32            `json:"imageGCLowThresholdPercent"`
}
