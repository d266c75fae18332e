package network

import (
	"fmt"
	"testing"

	"github.com/oracle/oci-go-sdk/v65/core"
	"github.com/samber/lo"
	"github.com/stretchr/testify/require"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/pkg/oci"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/selection"
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
	want := []v1alpha1.Subnet{{ID: r.World.NodeSubnetIDs[0], Name: name, AvailableIPAddresses: lo.ToPtr(int64(4093))}}
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
		`no subnet that is AVAILABLE is named "nope" in VCN ` + r.World.VCNID + `, compartment ` + r.World.CompartmentID: {Name: "nope"},
		"the subnet ocid1.subnet.oc1.phx.none does not exist or the controller may not read it":                          {ID: "ocid1.subnet.oc1.phx.none"},
	} {
		_, err := p.Subnets(t.Context(), []v1alpha1.SubnetSelectorTerm{byID, term}, r.World.VCNID)
		var unresolved *selection.UnresolvedError
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

func TestSubnetsByTagsAndCompartment(t *testing.T) {
	r := ocitest.Start(t, ocisim.Options{PageSize: 1})
	other := r.AddCompartment("network")
	p := NewProvider(r.Client, r.World.CompartmentID)
	add := func(spec ocisim.SubnetSpec) string {
		id, err := r.AddSubnet(spec)
		require.NoError(t, err)
		return id
	}
	tagged := add(ocisim.SubnetSpec{Name: "a", CIDR: "10.0.200.0/29", CompartmentID: other, AvailabilityDomain: r.World.ADs[0],
		FreeformTags: map[string]string{"use": "nodes", "team": "x"}, DefinedTags: map[string]map[string]any{"ops": {"tier": "1", "ha": true}}})
	add(ocisim.SubnetSpec{Name: "b", CIDR: "10.0.200.8/29", CompartmentID: other, FreeformTags: map[string]string{"use": "pods"}})
	for name, term := range map[string]v1alpha1.SubnetSelectorTerm{
		"a freeform tag":              {FreeFormTags: v1alpha1.TagSelector{"use": "nodes"}},
		"any value of a freeform tag": {FreeFormTags: v1alpha1.TagSelector{"team": "*"}},
		"a defined tag":               {DefinedTags: v1alpha1.DefinedTagSelector{"ops": {"tier": "1"}}},
		"a defined tag of a boolean":  {DefinedTags: v1alpha1.DefinedTagSelector{"ops": {"ha": "true"}}},
		"a name and a tag":            {Name: "a", FreeFormTags: v1alpha1.TagSelector{"use": "*"}},
	} {
		t.Run(name, func(t *testing.T) {
			term.CompartmentID = other
			got, err := p.Subnets(t.Context(), []v1alpha1.SubnetSelectorTerm{term}, r.World.VCNID)
			require.NoError(t, err)
			require.Equal(t, []v1alpha1.Subnet{{ID: tagged, Name: "a", AvailabilityDomain: r.World.ADs[0], AvailableIPAddresses: lo.ToPtr(int64(5))}}, got)
		})
	}
	_, err := p.Subnets(t.Context(), []v1alpha1.SubnetSelectorTerm{{FreeFormTags: v1alpha1.TagSelector{"use": "nodes"}}}, r.World.VCNID)
	require.ErrorContains(t, err, "is tagged use=nodes", "another compartment is not looked at")
	got, err := p.Subnets(t.Context(), []v1alpha1.SubnetSelectorTerm{{FreeFormTags: v1alpha1.TagSelector{"use": "*"}, CompartmentID: other}}, r.World.VCNID)
	require.NoError(t, err)
	require.Len(t, got, 2, "a term selects all that match")
}

func TestFreeAddressesThatMayNotBeReadAreUnknown(t *testing.T) {
	r := ocitest.Start(t, ocisim.Options{})
	p := NewProvider(r.Client, r.World.CompartmentID)
	r.Fail(ocisim.Fault{Operation: "GetSubnetCidrUtilization", Kind: ocisim.ErrorAnswer, Status: 404, Code: "NotAuthorizedOrNotFound", Message: "x"})
	terms := []v1alpha1.SubnetSelectorTerm{{ID: r.World.NodeSubnetIDs[0]}, {ID: r.World.NodeSubnetIDs[1]}}
	got, err := p.Subnets(t.Context(), terms, r.World.VCNID)
	require.NoError(t, err)
	require.Len(t, got, 2)
	require.Nil(t, got[0].AvailableIPAddresses)
	require.Equal(t, 1, r.Journal().Counts()["GetSubnetCidrUtilization"], "a right that is missing is not tried on every subnet")
}

func TestFreeInReadsWhatItCan(t *testing.T) {
	block := func(cidr string, used float32) core.IpInventoryCidrUtilizationSummary {
		return core.IpInventoryCidrUtilizationSummary{Cidr: &cidr, Utilization: &used}
	}
	for name, tc := range map[string]struct {
		blocks []core.IpInventoryCidrUtilizationSummary
		free   int64
		ok     bool
	}{
		"nothing":                        {nil, 0, false},
		"an IPv6 block":                  {[]core.IpInventoryCidrUtilizationSummary{block("2603:c020::/64", 1)}, 0, false},
		"no block at all":                {[]core.IpInventoryCidrUtilizationSummary{block("x", 1)}, 0, false},
		"two blocks":                     {[]core.IpInventoryCidrUtilizationSummary{block("10.0.0.0/24", 0), block("10.0.1.0/24", 50)}, 253 + 127, true},
		"a full block":                   {[]core.IpInventoryCidrUtilizationSummary{block("10.0.0.0/24", 100)}, 0, true},
		"more than full":                 {[]core.IpInventoryCidrUtilizationSummary{block("10.0.0.0/24", 140)}, 0, true},
		"a block with no usable address": {[]core.IpInventoryCidrUtilizationSummary{block("10.0.0.0/32", 0)}, 0, true},
		"no utilization":                 {[]core.IpInventoryCidrUtilizationSummary{{Cidr: lo.ToPtr("10.0.0.0/24")}}, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			free, ok := freeIn(tc.blocks)
			require.Equal(t, tc.ok, ok)
			require.Equal(t, tc.free, free)
		})
	}
}

func TestAVNICJoinsNoMoreThanFiveGroups(t *testing.T) {
	r := ocitest.Start(t, ocisim.Options{PageSize: 2})
	p := NewProvider(r.Client, r.World.CompartmentID)
	for i := range 6 {
		_, err := r.AddSecurityGroup(ocisim.Labelled{Name: fmt.Sprint("g", i), FreeformTags: map[string]string{"many": "yes"}})
		require.NoError(t, err)
	}
	_, err := p.SecurityGroups(t.Context(), []v1alpha1.SecurityGroupSelectorTerm{{FreeFormTags: v1alpha1.TagSelector{"many": "yes"}}}, r.World.VCNID)
	require.EqualError(t, err, "6 network security groups match and a VNIC can join 5; select fewer")
}
