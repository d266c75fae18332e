package cloudprovider_test

import (
	"testing"

	"github.com/stretchr/testify/require"
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
