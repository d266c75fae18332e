package network

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/pkg/oci"
	"github.com/karpenter-oke/karpenter-oke/test/ocisim"
	"github.com/karpenter-oke/karpenter-oke/test/ocitest"
)

func TestSubnets(t *testing.T) {
	r := ocitest.Start(t, ocisim.Options{PageSize: 1})
	p := NewProvider(r.Client, r.World.CompartmentID)
	subnet, err := r.Client.GetSubnet(t.Context(), r.World.NodeSubnetIDs[0])
	require.NoError(t, err)
	name := oci.Value(subnet.DisplayName)
	byID, byName := v1alpha1.SubnetSelectorTerm{ID: r.World.NodeSubnetIDs[0]}, v1alpha1.SubnetSelectorTerm{Name: name}
	want := []v1alpha1.Subnet{{ID: r.World.NodeSubnetIDs[0], Name: name}}
	for description, terms := range map[string][]v1alpha1.SubnetSelectorTerm{
		"by id": {byID}, "by name, which is on a later page": {byName}, "twice the same": {byName, byID},
	} {
		t.Run(description, func(t *testing.T) {
			got, err := p.Subnets(t.Context(), terms, r.World.VCNID)
			require.NoError(t, err)
			require.Equal(t, want, got)
		})
	}
	for message, term := range map[string]v1alpha1.SubnetSelectorTerm{
		`no available subnet is named "nope" in VCN ` + r.World.VCNID:                           {Name: "nope"},
		"the subnet ocid1.subnet.oc1.phx.none does not exist or the controller may not read it": {ID: "ocid1.subnet.oc1.phx.none"},
	} {
		_, err := p.Subnets(t.Context(), []v1alpha1.SubnetSelectorTerm{byID, term}, r.World.VCNID)
		var unresolved *UnresolvedError
		require.ErrorAs(t, err, &unresolved)
		require.EqualError(t, err, message)
	}
}

func TestSecurityGroups(t *testing.T) {
	r := ocitest.Start(t, ocisim.Options{PageSize: 1})
	p := NewProvider(r.Client, r.World.CompartmentID)
	got, err := p.SecurityGroups(t.Context(), nil, r.World.VCNID)
	require.NoError(t, err)
	require.Empty(t, got, "no selector, no group")
	require.Zero(t, r.Journal().Counts()["ListNetworkSecurityGroups"])

	group, err := r.Client.GetNetworkSecurityGroup(t.Context(), r.World.NSGIDs[1])
	require.NoError(t, err)
	got, err = p.SecurityGroups(t.Context(), []v1alpha1.SecurityGroupSelectorTerm{{Name: oci.Value(group.DisplayName)}}, r.World.VCNID)
	require.NoError(t, err)
	require.Equal(t, []v1alpha1.SecurityGroup{{ID: r.World.NSGIDs[1], Name: oci.Value(group.DisplayName)}}, got)
}

func TestAnErrorOfOCIIsNotAnAnswer(t *testing.T) {
	r := ocitest.Start(t, ocisim.Options{})
	p := NewProvider(r.Client, r.World.CompartmentID)
	r.Fail(ocisim.Fault{Operation: "*Subnet*", Kind: ocisim.ErrorAnswer, Status: 401, Code: "NotAuthenticated", Message: "x"})
	for _, term := range []v1alpha1.SubnetSelectorTerm{{Name: "x"}, {ID: r.World.NodeSubnetIDs[0]}} {
		_, err := p.Subnets(t.Context(), []v1alpha1.SubnetSelectorTerm{term}, r.World.VCNID)
		require.Equal(t, oci.ClassNotAuthorized, oci.ClassOf(err), fmt.Sprint(term))
	}
}
