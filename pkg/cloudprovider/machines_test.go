package cloudprovider_test

import (
	"testing"

	"github.com/oracle/oci-go-sdk/v65/core"
	"github.com/samber/lo"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/pkg/cloudprovider"
	"github.com/karpenter-oke/karpenter-oke/test/ocisim"
)

// launchType launches an instance type by name, and reads the instance back as OCI describes it.
func (s *suite) launchType(name, capacityType string) (*karpv1.NodeClaim, core.Instance) {
	s.t.Helper()
	s.nodePool.Spec.Template.Spec.Requirements = []karpv1.NodeSelectorRequirementWithMinValues{in(corev1.LabelInstanceTypeStable, name)}
	require.NoError(s.t, s.kube.Update(s.t.Context(), s.nodePool))
	claim := s.claim("one", in(corev1.LabelInstanceTypeStable, name), in(karpv1.CapacityTypeLabelKey, capacityType))
	created, err := s.Create(s.t.Context(), claim)
	require.NoError(s.t, err)
	claim.Status, claim.Annotations, claim.Labels = created.Status, created.Annotations, created.Labels
	instance, err := s.region.Client.GetInstance(s.t.Context(), created.Status.ProviderID)
	require.NoError(s.t, err)
	return claim, instance
}

func TestALaunchPrefersLiveMigrationWhereThereIsAny(t *testing.T) {
	for says, tc := range map[string]struct {
		name, capacityType string
		want               *bool
	}{
		"a virtual machine":     {"VM.Standard.E5.Flex.4o.32g", karpv1.CapacityTypeOnDemand, lo.ToPtr(true)},
		"bare metal":            {"BM.Standard.E5.192", karpv1.CapacityTypeOnDemand, nil},
		"a preemptible machine": {"VM.Standard.E5.Flex.4o.32g", karpv1.CapacityTypeSpot, nil},
		"a machine with more memory than a socket has": {"VM.Standard.E4.Flex.114o.1760g", karpv1.CapacityTypeOnDemand, nil},
	} {
		t.Run(says, func(t *testing.T) {
			s := newSuite(t, ocisim.Options{})
			s.edit(func(spec *v1alpha1.OciNodeClassSpec) {
				spec.AvailabilityConfig = &v1alpha1.AvailabilityConfig{IsLiveMigrationPreferred: lo.ToPtr(true)}
				spec.Flex = &v1alpha1.Flex{ExtendedMemory: lo.ToPtr(true)}
			})
			_, instance := s.launchType(tc.name, tc.capacityType)
			require.Equal(t, tc.want, instance.AvailabilityConfig.IsLiveMigrationPreferred)
		})
	}
}

func TestANodeOfADualStackClusterHasAnAddressOfBothFamilies(t *testing.T) {
	both := []string{"IPv4", "IPv6"}
	for says, tc := range map[string]struct {
		families  []string
		asked     *bool
		addresses int
	}{
		"the cluster's families say so": {families: both, addresses: 2},
		"the class says no":             {families: both, asked: lo.ToPtr(false), addresses: 1},
		"an IPv4 cluster":               {addresses: 1},
	} {
		t.Run(says, func(t *testing.T) {
			s := newSuite(t, ocisim.Options{IPFamilies: tc.families})
			s.edit(func(spec *v1alpha1.OciNodeClassSpec) {
				spec.PrimaryVNIC = &v1alpha1.PrimaryVNIC{AssignIPv6IP: tc.asked}
			})
			claim, _ := s.launch("one")
			require.Len(t, s.region.Addresses(claim.Status.ProviderID), tc.addresses)
		})
	}
}

func TestANodeWithExtendedMemoryDriftsWhenItIsNotAllowedAnyMore(t *testing.T) {
	s := newSuite(t, ocisim.Options{})
	s.edit(func(spec *v1alpha1.OciNodeClassSpec) { spec.Flex = &v1alpha1.Flex{ExtendedMemory: lo.ToPtr(true)} })
	claim, instance := s.launchType("VM.Standard.E5.Flex.94o.2098g", karpv1.CapacityTypeOnDemand)
	require.EqualValues(t, 2098, *instance.ShapeConfig.MemoryInGBs)
	require.Equal(t, "true", claim.Labels[v1alpha1.LabelInstanceExtendedMemory])
	got, err := s.IsDrifted(t.Context(), claim)
	require.NoError(t, err)
	require.Empty(t, got)
	s.edit(func(spec *v1alpha1.OciNodeClassSpec) { spec.Flex = nil })
	got, err = s.IsDrifted(t.Context(), claim)
	require.NoError(t, err)
	require.Equal(t, cloudprovider.DriftReasonFlex, got)
}
