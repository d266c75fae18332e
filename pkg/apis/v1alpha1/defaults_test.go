package v1alpha1_test

import (
	"testing"
	"time"

	"github.com/samber/lo"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
)

func TestWhatIsLeftOutHasItsDefault(t *testing.T) {
	for name, class := range map[string]*v1alpha1.OciNodeClass{
		"no blocks": spec(v1alpha1.OciNodeClassSpec{}),
		"empty blocks": spec(v1alpha1.OciNodeClassSpec{
			ImagePolicy: &v1alpha1.ImagePolicy{}, BootConfig: &v1alpha1.BootConfig{}, PodNetworking: &v1alpha1.PodNetworking{}, Flex: &v1alpha1.Flex{},
			Preemptible: &v1alpha1.Preemptible{}, InstanceOptions: &v1alpha1.InstanceOptions{},
		}),
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, v1alpha1.ImageFamilyOracleOKELinux, class.ImageFamily())
			require.Equal(t, v1alpha1.ImageAdoptionAutomatic, class.ImageAdoption())
			require.Equal(t, 24*time.Hour, class.ImageSoak())
			require.EqualValues(t, 50, class.BootVolumeSizeInGBs())
			require.EqualValues(t, 10, class.BootVolumeVpusPerGB())
			require.Empty(t, class.BootVolumeKMSKeyID())
			require.False(t, class.BootVolumeEncryptionInTransit())
			require.Empty(t, class.KMSKeyIDs())
			require.Equal(t, v1alpha1.PodNetworkingAuto, class.PodNetworkingType())
			require.Equal(t, []v1alpha1.Baseline{v1alpha1.BaselineWhole}, class.FlexBaselines())
			require.False(t, class.PreserveBootVolumeOnPreemption())
			require.Equal(t, v1alpha1.PreemptibleTaintNone, class.PreemptibleTaint())
			require.True(t, class.LegacyIMDSDisabled())
			require.Equal(t, "controller's", class.CompartmentIDOr("controller's"))
		})
	}
	device := v1alpha1.BlockDevice{SizeInGBs: 50}
	require.EqualValues(t, 10, device.VolumeVpusPerGB())
	require.Empty(t, device.MountFileSystem(), "a volume without a mount path has no file system")
	device.MountPath = "/data"
	require.Equal(t, v1alpha1.FileSystemXFS, device.MountFileSystem())
}

func TestWhatIsWrittenHolds(t *testing.T) {
	class := spec(v1alpha1.OciNodeClassSpec{
		CompartmentID:   "own",
		ImagePolicy:     &v1alpha1.ImagePolicy{Adopt: v1alpha1.ImageAdoptionPinned, Soak: &metav1.Duration{}},
		BootConfig:      &v1alpha1.BootConfig{BootVolumeSizeInGBs: lo.ToPtr(int64(100)), BootVolumeVpusPerGB: lo.ToPtr(int64(20)), KMSKeyID: "b", IsPVEncryptionInTransitEnabled: lo.ToPtr(true)},
		BlockDevices:    []v1alpha1.BlockDevice{{KMSKeyID: "b"}, {KMSKeyID: "a", VpusPerGB: lo.ToPtr(int64(0)), MountPath: "/a", FileSystem: v1alpha1.FileSystemExt4}, {}},
		PodNetworking:   &v1alpha1.PodNetworking{Type: v1alpha1.PodNetworkingFlannel},
		Flex:            &v1alpha1.Flex{Baselines: []v1alpha1.Baseline{v1alpha1.BaselineEighth}},
		Preemptible:     &v1alpha1.Preemptible{PreserveBootVolume: lo.ToPtr(true), Taint: v1alpha1.PreemptibleTaintOKE},
		InstanceOptions: &v1alpha1.InstanceOptions{AreLegacyIMDSEndpointsDisabled: lo.ToPtr(false)},
	})
	require.Equal(t, v1alpha1.ImageAdoptionPinned, class.ImageAdoption())
	require.Zero(t, class.ImageSoak())
	require.EqualValues(t, 100, class.BootVolumeSizeInGBs())
	require.EqualValues(t, 20, class.BootVolumeVpusPerGB())
	require.Equal(t, "b", class.BootVolumeKMSKeyID())
	require.True(t, class.BootVolumeEncryptionInTransit())
	require.Equal(t, []string{"a", "b"}, class.KMSKeyIDs())
	require.Zero(t, class.Spec.BlockDevices[1].VolumeVpusPerGB())
	require.Equal(t, v1alpha1.FileSystemExt4, class.Spec.BlockDevices[1].MountFileSystem())
	require.Equal(t, v1alpha1.PodNetworkingFlannel, class.PodNetworkingType())
	require.Equal(t, []v1alpha1.Baseline{v1alpha1.BaselineEighth}, class.FlexBaselines())
	require.True(t, class.PreserveBootVolumeOnPreemption())
	require.Equal(t, v1alpha1.PreemptibleTaintOKE, class.PreemptibleTaint())
	require.False(t, class.LegacyIMDSDisabled())
	require.Equal(t, "own", class.CompartmentIDOr("controller's"))
}

func TestTheImageFamilyIsReadFreely(t *testing.T) {
	for written, family := range map[string]v1alpha1.ImageFamily{
		"": v1alpha1.ImageFamilyOracleOKELinux, "OracleOKELinux": v1alpha1.ImageFamilyOracleOKELinux, "SomethingElse": v1alpha1.ImageFamilyOracleOKELinux,
		"Ubuntu": v1alpha1.ImageFamilyUbuntu, "Ubuntu2204": v1alpha1.ImageFamilyUbuntu, "ubuntu-24.04": v1alpha1.ImageFamilyUbuntu,
		"Custom": v1alpha1.ImageFamilyCustom, "custom": v1alpha1.ImageFamilyCustom,
	} {
		require.Equal(t, family, spec(v1alpha1.OciNodeClassSpec{ImageFamily: written}).ImageFamily(), written)
	}
}

func TestACopyIsDeep(t *testing.T) {
	class := spec(v1alpha1.OciNodeClassSpec{
		SubnetSelector: []v1alpha1.SubnetSelectorTerm{{FreeFormTags: v1alpha1.TagSelector{"a": "b"}, DefinedTags: v1alpha1.DefinedTagSelector{"n": {"a": "b"}}}},
		MetaData:       v1alpha1.Metadata{"a": "b"}, Tags: v1alpha1.FreeFormTags{"a": "b"}, FreeFormTags: v1alpha1.FreeFormTags{"a": "b"},
		DefinedTags: v1alpha1.DefinedTags{"n": {"a": "b"}, "nil": nil},
		Kubelet:     &v1alpha1.KubeletConfiguration{SystemReserved: v1alpha1.ReservedResources{"cpu": "1"}, EvictionHard: v1alpha1.EvictionThresholds{"memory.available": "5%"}},
	})
	copied := class.DeepCopy()
	require.Equal(t, class, copied)
	copied.Spec.SubnetSelector[0].FreeFormTags["a"] = "c"
	copied.Spec.SubnetSelector[0].DefinedTags["n"]["a"] = "c"
	copied.Spec.MetaData["a"], copied.Spec.Tags["a"], copied.Spec.FreeFormTags["a"], copied.Spec.DefinedTags["n"]["a"] = "c", "c", "c", "c"
	copied.Spec.Kubelet.SystemReserved["cpu"], copied.Spec.Kubelet.EvictionHard["memory.available"] = "2", "6%"
	require.Equal(t, "b", class.Spec.SubnetSelector[0].FreeFormTags["a"])
	require.Equal(t, "b", class.Spec.SubnetSelector[0].DefinedTags["n"]["a"])
	require.Equal(t, []string{"b", "b", "b", "b"}, []string{class.Spec.MetaData["a"], class.Spec.Tags["a"], class.Spec.FreeFormTags["a"], class.Spec.DefinedTags["n"]["a"]})
	require.Equal(t, "1", class.Spec.Kubelet.SystemReserved["cpu"])
	require.Equal(t, "5%", class.Spec.Kubelet.EvictionHard["memory.available"])
	require.Nil(t, spec(v1alpha1.OciNodeClassSpec{}).DeepCopy().Spec.DefinedTags)
}

func TestReadyFollowsTheConditionsThatAreSet(t *testing.T) {
	class := spec(v1alpha1.OciNodeClassSpec{})
	for _, condition := range v1alpha1.ReadyConditionTypes {
		require.False(t, class.StatusConditions().Root().IsTrue())
		class.StatusConditions().SetTrue(condition)
	}
	require.True(t, class.StatusConditions().Root().IsTrue())
	class.StatusConditions().SetFalse(v1alpha1.ConditionTypeImageReady, "NothingSelected", "no image matches")
	require.False(t, class.StatusConditions().Root().IsTrue())
}
