package v1alpha1_test

import (
	"strings"
	"testing"
	"time"

	"github.com/samber/lo"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
)

func spec(s v1alpha1.OciNodeClassSpec) *v1alpha1.OciNodeClass { return &v1alpha1.OciNodeClass{Spec: s} }

func TestTheHashNamesTheConcernThatChanged(t *testing.T) {
	tests := map[string]struct {
		spec    v1alpha1.OciNodeClassSpec
		concern v1alpha1.Concern
	}{
		"a larger boot volume":           {v1alpha1.OciNodeClassSpec{BootConfig: &v1alpha1.BootConfig{BootVolumeSizeInGBs: lo.ToPtr(int64(100))}}, v1alpha1.ConcernBootVolume},
		"a faster boot volume":           {v1alpha1.OciNodeClassSpec{BootConfig: &v1alpha1.BootConfig{BootVolumeVpusPerGB: lo.ToPtr(int64(20))}}, v1alpha1.ConcernBootVolume},
		"a key for the boot volume":      {v1alpha1.OciNodeClassSpec{BootConfig: &v1alpha1.BootConfig{KMSKeyID: "ocid1.key.a"}}, v1alpha1.ConcernBootVolume},
		"encryption in transit":          {v1alpha1.OciNodeClassSpec{BootConfig: &v1alpha1.BootConfig{IsPVEncryptionInTransitEnabled: lo.ToPtr(true)}}, v1alpha1.ConcernBootVolume},
		"a block device":                 {v1alpha1.OciNodeClassSpec{BlockDevices: []v1alpha1.BlockDevice{{SizeInGBs: 50}}}, v1alpha1.ConcernBlockDevices},
		"pods on local drives":           {v1alpha1.OciNodeClassSpec{LocalNVMePolicy: v1alpha1.LocalNVMePolicyRAID0}, v1alpha1.ConcernLocalNVMe},
		"a public address":               {v1alpha1.OciNodeClassSpec{PrimaryVNIC: &v1alpha1.PrimaryVNIC{AssignPublicIP: lo.ToPtr(true)}}, v1alpha1.ConcernNetwork},
		"no public address, said so":     {v1alpha1.OciNodeClassSpec{PrimaryVNIC: &v1alpha1.PrimaryVNIC{AssignPublicIP: lo.ToPtr(false)}}, v1alpha1.ConcernNetwork},
		"addresses of the VCN for pods":  {v1alpha1.OciNodeClassSpec{PodNetworking: &v1alpha1.PodNetworking{Type: v1alpha1.PodNetworkingVCNNative}}, v1alpha1.ConcernPodNetworking},
		"more addresses for pods":        {v1alpha1.OciNodeClassSpec{PodNetworking: &v1alpha1.PodNetworking{IPCount: lo.ToPtr(int32(64))}}, v1alpha1.ConcernPodNetworking},
		"a launch option":                {v1alpha1.OciNodeClassSpec{LaunchOptions: &v1alpha1.LaunchOptions{NetworkType: "VFIO"}}, v1alpha1.ConcernLaunchOptions},
		"secure boot":                    {v1alpha1.OciNodeClassSpec{PlatformConfig: &v1alpha1.PlatformConfig{IsSecureBootEnabled: lo.ToPtr(true)}}, v1alpha1.ConcernPlatform},
		"one thread on each core":        {v1alpha1.OciNodeClassSpec{PlatformConfig: &v1alpha1.PlatformConfig{IsSymmetricMultiThreadingEnabled: lo.ToPtr(false)}}, v1alpha1.ConcernPlatform},
		"the old metadata service":       {v1alpha1.OciNodeClassSpec{InstanceOptions: &v1alpha1.InstanceOptions{AreLegacyIMDSEndpointsDisabled: lo.ToPtr(false)}}, v1alpha1.ConcernInstanceOptions},
		"a plugin":                       {v1alpha1.OciNodeClassSpec{AgentList: []string{"Bastion"}}, v1alpha1.ConcernInstanceOptions},
		"another recovery":               {v1alpha1.OciNodeClassSpec{AvailabilityConfig: &v1alpha1.AvailabilityConfig{RecoveryAction: "STOP_INSTANCE"}}, v1alpha1.ConcernInstanceOptions},
		"another image family":           {v1alpha1.OciNodeClassSpec{ImageFamily: "Ubuntu2204"}, v1alpha1.ConcernBootstrap},
		"metadata":                       {v1alpha1.OciNodeClassSpec{MetaData: v1alpha1.Metadata{"a": "b"}}, v1alpha1.ConcernBootstrap},
		"a script":                       {v1alpha1.OciNodeClassSpec{PostInstallScript: lo.ToPtr("true")}, v1alpha1.ConcernBootstrap},
		"an ssh key":                     {v1alpha1.OciNodeClassSpec{SSHAuthorizedKeys: []string{"ssh-rsa AAAA"}}, v1alpha1.ConcernBootstrap},
		"a setting of the kubelet":       {v1alpha1.OciNodeClassSpec{Kubelet: &v1alpha1.KubeletConfiguration{MaxPods: lo.ToPtr(int32(50))}}, v1alpha1.ConcernKubelet},
		"a map of the kubelet":           {v1alpha1.OciNodeClassSpec{Kubelet: &v1alpha1.KubeletConfiguration{KubeReserved: v1alpha1.ReservedResources{"cpu": "1"}}}, v1alpha1.ConcernKubelet},
		"a taint for preemptible nodes":  {v1alpha1.OciNodeClassSpec{Preemptible: &v1alpha1.Preemptible{Taint: v1alpha1.PreemptibleTaintOKE}}, v1alpha1.ConcernPreemptible},
		"a freeform tag":                 {v1alpha1.OciNodeClassSpec{FreeFormTags: v1alpha1.FreeFormTags{"a": "b"}}, v1alpha1.ConcernTags},
		"a freeform tag by the old name": {v1alpha1.OciNodeClassSpec{Tags: v1alpha1.FreeFormTags{"a": "b"}}, v1alpha1.ConcernTags},
		"a defined tag":                  {v1alpha1.OciNodeClassSpec{DefinedTags: v1alpha1.DefinedTags{"a": {"b": "c"}}}, v1alpha1.ConcernTags},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			before, after := spec(v1alpha1.OciNodeClassSpec{}).Hash(), spec(test.spec).Hash()
			require.Equal(t, []v1alpha1.Concern{test.concern}, v1alpha1.ChangedConcerns(before, after))
			require.Equal(t, []v1alpha1.Concern{test.concern}, v1alpha1.ChangedConcerns(after, before))
			require.Equal(t, after, spec(test.spec).DeepCopy().Hash())
		})
	}
}

func TestTheHashIsTheSameForEqualClasses(t *testing.T) {
	devices := func(d v1alpha1.BlockDevice) v1alpha1.OciNodeClassSpec {
		return v1alpha1.OciNodeClassSpec{BlockDevices: []v1alpha1.BlockDevice{d}}
	}
	tests := map[string]struct{ one, other v1alpha1.OciNodeClassSpec }{
		"defaults written down": {v1alpha1.OciNodeClassSpec{}, v1alpha1.OciNodeClassSpec{
			ImageFamily:     "OracleOKELinux",
			BootConfig:      &v1alpha1.BootConfig{BootVolumeSizeInGBs: lo.ToPtr(int64(50)), BootVolumeVpusPerGB: lo.ToPtr(int64(10)), IsPVEncryptionInTransitEnabled: lo.ToPtr(false)},
			PodNetworking:   &v1alpha1.PodNetworking{Type: v1alpha1.PodNetworkingAuto},
			PlatformConfig:  &v1alpha1.PlatformConfig{IsSecureBootEnabled: lo.ToPtr(false)},
			InstanceOptions: &v1alpha1.InstanceOptions{AreLegacyIMDSEndpointsDisabled: lo.ToPtr(true)},
			Preemptible:     &v1alpha1.Preemptible{Taint: v1alpha1.PreemptibleTaintNone, PreserveBootVolume: lo.ToPtr(false)},
		}},
		"empty blocks": {v1alpha1.OciNodeClassSpec{}, v1alpha1.OciNodeClassSpec{
			BootConfig: &v1alpha1.BootConfig{}, BlockDevices: []v1alpha1.BlockDevice{}, PrimaryVNIC: &v1alpha1.PrimaryVNIC{}, PodNetworking: &v1alpha1.PodNetworking{},
			LaunchOptions: &v1alpha1.LaunchOptions{}, PlatformConfig: &v1alpha1.PlatformConfig{}, InstanceOptions: &v1alpha1.InstanceOptions{},
			AvailabilityConfig: &v1alpha1.AvailabilityConfig{}, AgentList: []string{}, DisabledAgentList: []string{}, MetaData: v1alpha1.Metadata{},
			SSHAuthorizedKeys: []string{}, UserData: lo.ToPtr(""), Preemptible: &v1alpha1.Preemptible{}, Tags: v1alpha1.FreeFormTags{}, FreeFormTags: v1alpha1.FreeFormTags{}, DefinedTags: v1alpha1.DefinedTags{},
			Kubelet: &v1alpha1.KubeletConfiguration{ClusterDNS: []string{}, SystemReserved: v1alpha1.ReservedResources{}, EvictionSoftGracePeriod: map[string]metav1.Duration{}},
		}},
		"another order of what is a set": {
			v1alpha1.OciNodeClassSpec{AgentList: []string{"a", "b"}, SSHAuthorizedKeys: []string{"x", "y"}},
			v1alpha1.OciNodeClassSpec{AgentList: []string{"b", "a"}, SSHAuthorizedKeys: []string{"y", "x"}},
		},
		"a tag under its old name": {
			v1alpha1.OciNodeClassSpec{Tags: v1alpha1.FreeFormTags{"a": "old", "b": "c"}, FreeFormTags: v1alpha1.FreeFormTags{"a": "new"}},
			v1alpha1.OciNodeClassSpec{FreeFormTags: v1alpha1.FreeFormTags{"a": "new", "b": "c"}},
		},
		"defaults of a block device": {
			devices(v1alpha1.BlockDevice{SizeInGBs: 50, MountPath: "/a"}),
			devices(v1alpha1.BlockDevice{SizeInGBs: 50, MountPath: "/a", VpusPerGB: lo.ToPtr(int64(10)), FileSystem: v1alpha1.FileSystemXFS, IsPVEncryptionInTransitEnabled: lo.ToPtr(false)}),
		},
		"what is compared with the instance, or needs no new node": {v1alpha1.OciNodeClassSpec{}, v1alpha1.OciNodeClassSpec{
			CompartmentID: "c", VCNID: "v", ImagePolicy: &v1alpha1.ImagePolicy{Soak: &metav1.Duration{Duration: time.Hour}},
			ImageSelector: []v1alpha1.ImageSelectorTerm{{Name: "a"}}, SubnetSelector: []v1alpha1.SubnetSelectorTerm{{Name: "a"}}, SecurityGroupSelector: []v1alpha1.SecurityGroupSelectorTerm{{Name: "a"}},
			PodNetworking: &v1alpha1.PodNetworking{PodSubnetSelector: []v1alpha1.SubnetSelectorTerm{{Name: "a"}}},
			Placement:     &v1alpha1.Placement{FaultDomains: []string{"FAULT-DOMAIN-1"}},
			Flex:          &v1alpha1.Flex{MemoryPerOCPU: &v1alpha1.MemoryRange{Min: lo.ToPtr(resource.MustParse("2Gi"))}},
		}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, spec(test.one).Hash(), spec(test.other).Hash())
			require.Empty(t, v1alpha1.ChangedConcerns(spec(test.one).Hash(), spec(test.other).Hash()))
		})
	}
}

// TestTheHashOfAReleasedVersionStays: when this fails, nodes of every cluster would be replaced on upgrade. Raise HashVersion with
// the change, or make the change in a way that leaves the hash as it is.
func TestTheHashOfAReleasedVersionStays(t *testing.T) {
	require.Equal(t, "v2", v1alpha1.HashVersion)
	require.Equal(t, "none", spec(v1alpha1.OciNodeClassSpec{}).Hash())
	class := spec(v1alpha1.OciNodeClassSpec{
		ImageFamily:        "Ubuntu",
		BootConfig:         &v1alpha1.BootConfig{BootVolumeSizeInGBs: lo.ToPtr(int64(100)), KMSKeyID: "ocid1.key.a"},
		BlockDevices:       []v1alpha1.BlockDevice{{SizeInGBs: 50, MountPath: "/data"}},
		PrimaryVNIC:        &v1alpha1.PrimaryVNIC{AssignIPv6IP: lo.ToPtr(true)},
		PodNetworking:      &v1alpha1.PodNetworking{IPCount: lo.ToPtr(int32(32))},
		LaunchOptions:      &v1alpha1.LaunchOptions{Firmware: "UEFI_64"},
		PlatformConfig:     &v1alpha1.PlatformConfig{IsSymmetricMultiThreadingEnabled: lo.ToPtr(false)},
		AvailabilityConfig: &v1alpha1.AvailabilityConfig{RecoveryAction: "STOP_INSTANCE"},
		Preemptible:        &v1alpha1.Preemptible{PreserveBootVolume: lo.ToPtr(true)},
		Kubelet:            &v1alpha1.KubeletConfiguration{EvictionSoftGracePeriod: map[string]metav1.Duration{"memory.available": {Duration: time.Minute}}},
		FreeFormTags:       v1alpha1.FreeFormTags{"team": "platform"},
	})
	require.Equal(t, strings.Join([]string{
		"BlockDevices=197a7691af948436", "BootVolume=55771aeb91955f34", "Bootstrap=1a1ca4d2fce2a954", "InstanceOptions=87468824d2940402",
		"Kubelet=ea82e3ff21589361", "LaunchOptions=de34f966d02d977e", "Network=ebcfb16b34dbb768", "Platform=b571c3c56a3edf68",
		"PodNetworking=4bde145f0c74bdaa", "Preemptible=e3834fd8bb4ce784", "Tags=ea5044f586c1583c",
	}, ","), class.Hash())
}

func TestChangedConcernsReadsAnything(t *testing.T) {
	require.Empty(t, v1alpha1.ChangedConcerns("", ""))
	require.Equal(t, []v1alpha1.Concern{"A", "C"}, v1alpha1.ChangedConcerns("A=1,B=2", "B=2,C=3"))
	require.Equal(t, []v1alpha1.Concern{"B"}, v1alpha1.ChangedConcerns("B=1", "B=2"))
	require.Empty(t, v1alpha1.ChangedConcerns("14695981039346656037", "no hash, at all"))
}
