package cloudprovider_test

import (
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/oracle/oci-go-sdk/v65/core"
	"github.com/samber/lo"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/pkg/oci"
	"github.com/karpenter-oke/karpenter-oke/test/ocisim"
)

// edit changes the class as a user would, and lets the status follow.
func (s *suite) edit(change func(*v1alpha1.OciNodeClassSpec)) {
	s.t.Helper()
	change(&s.nodeClass.Spec)
	s.nodeClass.Generation++
	require.NoError(s.t, s.kube.Update(s.t.Context(), s.nodeClass))
	s.restart()
}

// launch creates a NodeClaim and reads the instance back as OCI describes it.
func (s *suite) launch(name string) (*karpv1.NodeClaim, core.Instance) {
	s.t.Helper()
	claim := s.claim(name)
	created, err := s.Create(s.t.Context(), claim)
	require.NoError(s.t, err)
	claim.Status, claim.Annotations, claim.Labels = created.Status, created.Annotations, created.Labels
	instance, err := s.region.Client.GetInstance(s.t.Context(), created.Status.ProviderID)
	require.NoError(s.t, err)
	return claim, instance
}

func TestEveryOptionOfTheInstanceReachesOCI(t *testing.T) {
	s := newSuite(t, ocisim.Options{})
	s.edit(func(spec *v1alpha1.OciNodeClassSpec) {
		spec.BootConfig.IsPVEncryptionInTransitEnabled = lo.ToPtr(true)
		spec.LaunchOptions = &v1alpha1.LaunchOptions{Firmware: "UEFI_64", NetworkType: "PARAVIRTUALIZED", IsConsistentVolumeNamingEnabled: lo.ToPtr(true)}
		spec.PlatformConfig = &v1alpha1.PlatformConfig{IsSecureBootEnabled: lo.ToPtr(true), IsTrustedPlatformModuleEnabled: lo.ToPtr(true), IsMeasuredBootEnabled: lo.ToPtr(true)}
		spec.InstanceOptions = &v1alpha1.InstanceOptions{AreLegacyIMDSEndpointsDisabled: lo.ToPtr(false)}
		spec.AvailabilityConfig = &v1alpha1.AvailabilityConfig{IsLiveMigrationPreferred: lo.ToPtr(true), RecoveryAction: "STOP_INSTANCE"}
		spec.AgentList, spec.DisabledAgentList = []string{"Bastion"}, []string{"OS Management Service Agent"}
		spec.Placement = &v1alpha1.Placement{FaultDomains: []string{"FAULT-DOMAIN-2"}}
		spec.DefinedTags = v1alpha1.DefinedTags{"cost": {"center": "42"}}
	})
	claim, instance := s.launch("one")
	require.True(t, *instance.LaunchOptions.IsPvEncryptionInTransitEnabled)
	require.Equal(t, core.LaunchOptionsFirmwareUefi64, instance.LaunchOptions.Firmware)
	require.False(t, *instance.InstanceOptions.AreLegacyImdsEndpointsDisabled)
	require.Equal(t, core.InstanceAvailabilityConfigRecoveryActionStopInstance, instance.AvailabilityConfig.RecoveryAction)
	require.Equal(t, "FAULT-DOMAIN-2", oci.Value(instance.FaultDomain))
	require.Equal(t, "FAULT-DOMAIN-2", claim.Labels[v1alpha1.LabelFaultDomain])
	require.Equal(t, map[string]map[string]interface{}{"cost": {"center": "42"}}, instance.DefinedTags)
	platform, ok := instance.PlatformConfig.(core.AmdVmPlatformConfig)
	require.True(t, ok, "%T", instance.PlatformConfig)
	require.True(t, *platform.IsSecureBootEnabled)
	plugins := lo.Map(instance.AgentConfig.PluginsConfig, func(p core.InstanceAgentPluginConfigDetails, _ int) string {
		return fmt.Sprint(oci.Value(p.Name), " ", p.DesiredState)
	})
	require.Equal(t, []string{"Bastion ENABLED", "OS Management Service Agent DISABLED"}, plugins)
}

func TestBlockVolumesComeWithTheInstanceAndGoWithIt(t *testing.T) {
	s := newSuite(t, ocisim.Options{})
	s.edit(func(spec *v1alpha1.OciNodeClassSpec) {
		spec.BlockDevices = []v1alpha1.BlockDevice{{SizeInGBs: 200, VpusPerGB: lo.ToPtr(int64(20))}, {SizeInGBs: 50}}
	})
	claim, instance := s.launch("one")
	attachments := s.volumes(oci.Value(instance.Id))
	require.Len(t, attachments, 2)
	require.ElementsMatch(t, []string{"/dev/oracleoci/oraclevdb", "/dev/oracleoci/oraclevdc"}, lo.Map(attachments, func(a core.VolumeAttachment, _ int) string { return oci.Value(a.GetDevice()) }))
	require.NoError(t, s.Delete(t.Context(), claim))
	require.Empty(t, s.volumes(oci.Value(instance.Id)), "OCI's default would leak them")
}

func TestAClassThatUsesEveryTagStillOwnsItsInstances(t *testing.T) {
	s := newSuite(t, ocisim.Options{})
	s.edit(func(spec *v1alpha1.OciNodeClassSpec) {
		spec.FreeFormTags = v1alpha1.FreeFormTags{}
		for i := range 10 {
			spec.FreeFormTags[fmt.Sprint("tag-", i)] = "x"
		}
	})
	claim, instance := s.launch("one")
	require.Len(t, instance.FreeformTags, 10)
	s.restart()
	found, err := s.Get(t.Context(), claim.Status.ProviderID)
	require.NoError(t, err)
	require.Equal(t, "one", found.Name)
	require.Equal(t, "burst", found.Labels[karpv1.NodePoolLabelKey])
	require.NoError(t, s.Delete(t.Context(), claim))
}

func TestDriftNamesWhatChanged(t *testing.T) {
	for reason, change := range map[string]func(*v1alpha1.OciNodeClass, *suite){
		"BootVolumeDrifted": func(c *v1alpha1.OciNodeClass, _ *suite) { c.Spec.BootConfig.BootVolumeSizeInGBs = lo.ToPtr(int64(300)) },
		"BlockDevicesDrifted": func(c *v1alpha1.OciNodeClass, _ *suite) {
			c.Spec.BlockDevices = []v1alpha1.BlockDevice{{SizeInGBs: 50}}
		},
		"LaunchOptionsDrifted": func(c *v1alpha1.OciNodeClass, _ *suite) {
			c.Spec.LaunchOptions = &v1alpha1.LaunchOptions{Firmware: "UEFI_64"}
		},
		"PlatformDrifted": func(c *v1alpha1.OciNodeClass, _ *suite) {
			c.Spec.PlatformConfig = &v1alpha1.PlatformConfig{IsSecureBootEnabled: lo.ToPtr(true)}
		},
		"KubeletDrifted": func(c *v1alpha1.OciNodeClass, _ *suite) {
			c.Spec.Kubelet = &v1alpha1.KubeletConfiguration{MaxPods: lo.ToPtr(int32(20))}
		},
		"BootstrapDrifted":       func(c *v1alpha1.OciNodeClass, _ *suite) { c.Spec.PreInstallScript = lo.ToPtr("echo hello") },
		"InstanceOptionsDrifted": func(c *v1alpha1.OciNodeClass, _ *suite) { c.Spec.AgentList = []string{"Bastion"} },
		"ImageDrifted": func(c *v1alpha1.OciNodeClass, _ *suite) {
			c.Status.Images = []v1alpha1.Image{{ID: "ocid1.image.oc1.phx.other"}}
		},
		"SubnetDrifted": func(c *v1alpha1.OciNodeClass, _ *suite) {
			c.Status.Subnets = []v1alpha1.Subnet{{ID: "ocid1.subnet.oc1.phx.other"}}
		},
		"CompartmentDrifted": func(c *v1alpha1.OciNodeClass, _ *suite) { c.Spec.CompartmentID = "ocid1.compartment.oc1..other" },
		"FaultDomainDrifted": func(c *v1alpha1.OciNodeClass, s *suite) {
			others := lo.Without([]string{"FAULT-DOMAIN-1", "FAULT-DOMAIN-2", "FAULT-DOMAIN-3"}, s.live()[0].FD)
			c.Spec.Placement = &v1alpha1.Placement{FaultDomains: others}
		},
		"PlacementDrifted": func(_ *v1alpha1.OciNodeClass, s *suite) {
			s.annotate = map[string]string{v1alpha1.AnnotationPlacementIDs: "ocid1.dedicatedvmhost.oc1.phx.gone"}
		},
		"MaintenanceDue": func(c *v1alpha1.OciNodeClass, s *suite) {
			s.annotate = map[string]string{v1alpha1.AnnotationMaintenanceDue: time.Now().Add(50 * time.Minute).Format(time.RFC3339)}
			c.Status.Images = []v1alpha1.Image{{ID: "ocid1.image.oc1.phx.other"}} // less urgent
		},
		"FlexDrifted": func(c *v1alpha1.OciNodeClass, _ *suite) {
			c.Spec.Flex = &v1alpha1.Flex{OCPUs: &v1alpha1.OCPURange{Min: lo.ToPtr(int64(32))}}
		},
		"": func(c *v1alpha1.OciNodeClass, s *suite) { // brought up to date on the instance, or of no concern to it
			s.annotate = map[string]string{v1alpha1.AnnotationMaintenanceDue: time.Now().Add(14 * 24 * time.Hour).Format(time.RFC3339)} // weeks away
			c.Spec.FreeFormTags = v1alpha1.FreeFormTags{"team": "web"}
			c.Spec.Preemptible = &v1alpha1.Preemptible{PreserveBootVolume: lo.ToPtr(true)}
			c.Spec.LocalNVMePolicy = v1alpha1.LocalNVMePolicyRAID0 // the node has no such drives
			c.Status.SecurityGroups = nil
			c.Spec.BootConfig.KMSKeyID = ""
			c.Labels = map[string]string{"a": "b"}
			c.Spec.Flex = &v1alpha1.Flex{OCPUs: &v1alpha1.OCPURange{Min: lo.ToPtr(int64(1)), Max: lo.ToPtr(int64(8))}, MemoryPerOCPU: &v1alpha1.MemoryRange{Min: lo.ToPtr(resource.MustParse("1Gi"))}}
		},
	} {
		t.Run("reason "+reason, func(t *testing.T) {
			s := newSuite(t, ocisim.Options{})
			claim, _ := s.launch("one")
			got, err := s.IsDrifted(t.Context(), claim)
			require.NoError(t, err)
			require.Empty(t, got, "a new node does not drift")
			change(s.nodeClass, s)
			status := s.nodeClass.Status.DeepCopy()
			require.NoError(t, s.kube.Update(t.Context(), s.nodeClass))
			s.nodeClass.Status = *status
			require.NoError(t, s.kube.Status().Update(t.Context(), s.nodeClass))
			maps.Copy(claim.Annotations, s.annotate)
			s.region.Journal().Reset()
			got, err = s.IsDrifted(t.Context(), claim)
			require.NoError(t, err)
			require.EqualValues(t, reason, got)
			require.Empty(t, s.region.Journal().Counts(), "drift is read from memory")
		})
	}
}

func TestAClassWithoutAStatusReplacesNothing(t *testing.T) {
	s := newSuite(t, ocisim.Options{})
	claim, _ := s.launch("one")
	s.nodeClass.Status = v1alpha1.OciNodeClassStatus{}
	require.NoError(t, s.kube.Status().Update(t.Context(), s.nodeClass))
	got, err := s.IsDrifted(t.Context(), claim)
	require.NoError(t, err)
	require.Empty(t, got)
	got, err = s.IsDrifted(t.Context(), &karpv1.NodeClaim{ObjectMeta: metav1.ObjectMeta{Name: "bare"}, Spec: claim.Spec})
	require.NoError(t, err)
	require.Empty(t, got)
}
