package cloudprovider_test

import (
	"testing"

	"github.com/samber/lo"
	"github.com/stretchr/testify/require"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	corecloudprovider "sigs.k8s.io/karpenter/pkg/cloudprovider"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/test/ocisim"
)

func TestAClassWhoseSubnetsAreFullAsksOnceAndLetsOthersLaunch(t *testing.T) {
	s := newSuite(t, ocisim.Options{})
	id, err := s.region.AddSubnet(ocisim.SubnetSpec{Name: "tiny", CIDR: "10.0.250.0/30"})
	require.NoError(t, err)
	s.nodeClass.Spec.SubnetSelector = []v1alpha1.SubnetSelectorTerm{{ID: id}}
	require.NoError(t, s.kube.Update(t.Context(), s.nodeClass))
	s.resolve()
	_, err = s.Create(t.Context(), s.claim("one"))
	require.NoError(t, err)

	_, err = s.Create(t.Context(), s.claim("two"))
	require.True(t, corecloudprovider.IsInsufficientCapacityError(err), "%v", err)
	require.ErrorContains(t, err, "private IP")
	asked := s.region.Journal().Counts()["LaunchInstance"]
	types, err := s.GetInstanceTypes(t.Context(), s.nodePool)
	require.NoError(t, err)
	for _, it := range types {
		require.Empty(t, it.Offerings.Available(), "core turns to other NodePools")
	}
	_, err = s.Create(t.Context(), s.claim("three"))
	require.True(t, corecloudprovider.IsInsufficientCapacityError(err), "%v", err)
	require.Equal(t, asked, s.region.Journal().Counts()["LaunchInstance"], "OCI is not asked again before some time has passed")
}

// withPodSubnets gives pods subnets of their own, by their sizes, and 32 addresses of them to each VNIC.
func withPodSubnets(t *testing.T, cidrs ...string) *suite {
	t.Helper()
	s := newSuite(t, ocisim.Options{})
	s.nodeClass.Spec.PodNetworking = &v1alpha1.PodNetworking{IPCount: lo.ToPtr(int32(32))}
	for _, cidr := range cidrs {
		id, err := s.region.AddSubnet(ocisim.SubnetSpec{Name: "pods-" + cidr, CIDR: cidr})
		require.NoError(t, err)
		s.nodeClass.Spec.PodNetworking.PodSubnetSelector = append(s.nodeClass.Spec.PodNetworking.PodSubnetSelector, v1alpha1.SubnetSelectorTerm{ID: id})
	}
	s.nodeClass.Spec.Kubelet = &v1alpha1.KubeletConfiguration{MaxPods: lo.ToPtr(int32(60))} // two VNICs with 64 addresses
	require.NoError(t, s.kube.Update(t.Context(), s.nodeClass))
	s.resolve()
	return s
}

func TestLaunchesInFlightCountInPodSubnets(t *testing.T) {
	s := withPodSubnets(t, "10.0.240.0/26", "10.0.241.0/25") // 61 and 125 addresses
	require.Len(t, s.nodeClass.Status.PodSubnets, 2)
	require.True(t, s.nodeClass.StatusConditions().Root().IsTrue(), "%v", s.nodeClass.Status.Conditions)
	large := karpv1.NodeSelectorRequirementWithMinValues{Key: v1alpha1.LabelInstanceMaxVNICs, Operator: karpv1.NodeSelectorOpGte, Values: []string{"4"}}
	for _, name := range []string{"one", "two"} {
		_, err := s.Create(t.Context(), s.claim(name, large))
		require.NoError(t, err)
	}
	asked := s.calls("LaunchInstance")
	_, err := s.Create(t.Context(), s.claim("three", large)) // 29 and 29 are left
	require.True(t, corecloudprovider.IsInsufficientCapacityError(err), "%v", err)
	require.ErrorContains(t, err, "the pod subnets of OciNodeClass burst have not the 64 addresses left")
	require.Equal(t, asked, s.calls("LaunchInstance"), "no node is bought that could not start a pod")
	offered, err := s.GetInstanceTypes(t.Context(), s.nodePool)
	require.NoError(t, err)
	for _, it := range offered {
		require.Empty(t, it.Offerings.Available(), "core turns to other NodePools")
	}
}

func TestAClassWhosePodSubnetsAreTooSmallIsNotReady(t *testing.T) {
	s := withPodSubnets(t, "10.0.240.0/28") // 13 addresses
	condition := s.nodeClass.StatusConditions().Get(v1alpha1.ConditionTypeSubnetsReady)
	require.True(t, condition.IsFalse())
	require.Contains(t, condition.Message, "the 32 addresses of podNetworking.ipCount, which a node's VNIC takes in advance, are not free in any of pods-10.0.240.0/28")
	require.False(t, s.nodeClass.StatusConditions().Root().IsTrue())
}
