package cloudprovider_test

import (
	"context"
	"testing"

	"github.com/oracle/oci-go-sdk/v65/core"
	"github.com/stretchr/testify/require"
	corecloudprovider "sigs.k8s.io/karpenter/pkg/cloudprovider"

	"github.com/karpenter-oke/karpenter-oke/pkg/oci"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/inventory"
	"github.com/karpenter-oke/karpenter-oke/test/ocisim"
)

// places are compartments that a test gives.
type places []inventory.Compartment

// Compartments implements inventory.Compartments.
func (p places) Compartments(context.Context) ([]inventory.Compartment, error) { return p, nil }

func TestLosingTheRightsToOneCompartmentHoldsUpItsOwnNodesOnly(t *testing.T) {
	s := newSuite(t, ocisim.Options{})
	elsewhere := s.region.AddCompartment("elsewhere")
	s.compartments = places{{ID: s.region.World.CompartmentID, Essential: true, Occupied: true}, {ID: elsewhere, Occupied: true}}
	own := s.created("own")
	owner := inventory.OwnerOf(s.claim("other"))
	launched, _ := s.region.Launch("other", owner.Tags(s.region.World.ClusterID), func(d *core.LaunchInstanceDetails) { d.CompartmentId = &elsewhere })
	other := s.claim("one-more")
	other.Status.ProviderID = oci.Value(launched.Id)
	for _, denied := range []ocisim.Fault{
		{Operation: "ListInstances", Match: ocisim.Match{CompartmentID: elsewhere}},
		{Operation: "GetInstance", Match: ocisim.Match{ResourceID: other.Status.ProviderID}},
		{Operation: "TerminateInstance", Match: ocisim.Match{ResourceID: other.Status.ProviderID}},
	} {
		denied.Kind, denied.Status, denied.Code, denied.Message = ocisim.ErrorAnswer, 404, "NotAuthorizedOrNotFound", "Authorization failed or requested resource not found."
		s.region.Fail(denied)
	}
	s.restart() // so that nothing of it is remembered

	_, err := s.Get(t.Context(), other.Status.ProviderID)
	require.Error(t, err)
	require.False(t, corecloudprovider.IsNodeClaimNotFoundError(err), "core would drop the Node without draining it")
	require.ErrorContains(t, err, elsewhere)
	err = s.Delete(t.Context(), other)
	require.False(t, corecloudprovider.IsNodeClaimNotFoundError(err), "core would drop the finalizer and leak the instance")
	require.Error(t, err)
	_, err = s.List(t.Context())
	require.ErrorContains(t, err, elsewhere, "core would collect what is missing")

	_, err = s.Get(t.Context(), own.Status.ProviderID)
	require.NoError(t, err)
	_, err = s.Create(t.Context(), s.claim("new"))
	require.NoError(t, err, "others are launched")
	require.NoError(t, s.Delete(t.Context(), own))
	require.NoError(t, s.inventory.Refresh(t.Context()))
	require.True(t, corecloudprovider.IsNodeClaimNotFoundError(s.Delete(t.Context(), own)), "and end")
}
