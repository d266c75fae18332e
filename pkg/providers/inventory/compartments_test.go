package inventory_test

import (
	"context"
	"testing"
	"time"

	"github.com/oracle/oci-go-sdk/v65/core"
	"github.com/samber/lo"
	"github.com/stretchr/testify/require"

	"github.com/karpenter-oke/karpenter-oke/pkg/oci"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/inventory"
	"github.com/karpenter-oke/karpenter-oke/test/ocisim"
)

// places are compartments that a test gives.
type places []inventory.Compartment

// Compartments implements inventory.Compartments.
func (p places) Compartments(context.Context) ([]inventory.Compartment, error) { return p, nil }

// inTwo is an inventory of the controller's own compartment and another one, with an instance in each.
func inTwo(t *testing.T, second inventory.Compartment) (r *region, own, other string) {
	t.Helper()
	r = newRegion(t, ocisim.Options{})
	second.ID = r.AddCompartment("other")
	own = r.mine("own")
	launched, _ := r.Launch("other", owner("other").Tags(r.World.ClusterID), func(d *core.LaunchInstanceDetails) { d.CompartmentId = &second.ID })
	r.inv = inventory.NewProvider(r.Client, places{{ID: r.World.CompartmentID, Essential: true, Occupied: true}, second}, r.World.ClusterID, r.clock)
	return r, own, oci.Value(launched.Id)
}

func ids(s inventory.Snapshot) []string {
	return lo.Map(s.All(), func(i inventory.Instance, _ int) string { return i.ID })
}

// refuse has OCI refuse every list of a compartment.
func (r *region) refuse(compartment string, status int, code string) {
	r.Fail(ocisim.Fault{Operation: "ListInstances", Match: ocisim.Match{CompartmentID: compartment}, Kind: ocisim.ErrorAnswer, Status: status, Code: code, Message: "no"})
}

func TestAWrongCompartmentOfAClassHidesNothingOfTheOthers(t *testing.T) {
	r := newRegion(t, ocisim.Options{})
	own := r.mine("own")
	r.inv = inventory.NewProvider(r.Client, places{{ID: r.World.CompartmentID, Essential: true}, {ID: "ocid1.compartment.oc1..wrong"}}, r.World.ClusterID, r.clock)
	s, err := r.inv.Fresh(t.Context(), 0)
	require.NoError(t, err, "OCI answers 404 for it")
	require.Equal(t, []string{own}, ids(s))
	require.Empty(t, s.Unread(), "nothing was launched there")
}

func TestInstancesOfACompartmentThatIsRefusedStayAsTheyWereLastSeen(t *testing.T) {
	for _, answer := range []struct {
		status int
		code   string
	}{{404, "NotAuthorizedOrNotFound"}, {403, "NotAuthorized"}, {400, "InvalidParameter"}} {
		t.Run(answer.code, func(t *testing.T) {
			r, own, other := inTwo(t, inventory.Compartment{Occupied: true})
			require.NoError(t, r.inv.Refresh(t.Context()))
			seen, _ := r.inv.Current().Get(other)
			r.refuse(seen.CompartmentID, answer.status, answer.code)
			second := r.mine("second")
			r.clock.Step(time.Minute)
			s, err := r.inv.Fresh(t.Context(), 0)
			require.NoError(t, err)
			require.ElementsMatch(t, []string{own, second, other}, ids(s), "what is new elsewhere is seen")
			require.Equal(t, []string{seen.CompartmentID}, s.Unread())
			kept, _ := s.Get(other)
			require.Equal(t, seen, kept)

			r.Faults().Clear()
			require.NoError(t, r.TerminateInstance(other))
			require.NoError(t, r.inv.Refresh(t.Context()))
			require.Empty(t, r.inv.Current().Unread())
			gone, known := r.inv.Current().Get(other)
			require.True(t, !known || gone.Ending(), "the truth is back")
		})
	}
}

func TestACompartmentThatOCIFailsToListIsAnError(t *testing.T) {
	r, own, other := inTwo(t, inventory.Compartment{Occupied: true})
	require.NoError(t, r.inv.Refresh(t.Context()))
	seen, _ := r.inv.Current().Get(other)
	r.refuse(seen.CompartmentID, 500, "InternalError")
	_, err := r.inv.Fresh(t.Context(), -1)
	require.Equal(t, oci.ClassTransient, oci.ClassOf(err), "it says nothing about rights, so it is no news")
	require.ElementsMatch(t, []string{own, other}, ids(r.inv.Current()))
}

func TestTheControllersOwnCompartmentIsNeverGivenUp(t *testing.T) {
	r, _, _ := inTwo(t, inventory.Compartment{Occupied: true})
	r.refuse(r.World.CompartmentID, 404, "NotAuthorizedOrNotFound")
	_, err := r.inv.Fresh(t.Context(), 0)
	require.Equal(t, oci.ClassNotFound, oci.ClassOf(err))
	require.True(t, r.inv.Current().Taken.IsZero())
}

func TestAnInstanceThatEndedBeforeAnyListShowedItStaysEnding(t *testing.T) {
	r := newRegion(t, ocisim.Options{ListLag: time.Hour})
	id := r.mine("young")
	r.inv.NoteLaunched(inventory.Instance{ID: id, State: core.InstanceLifecycleStateProvisioning})
	r.inv.NoteTerminating(id)
	for range 3 {
		r.clock.Step(inventory.BusyInterval)
		require.NoError(t, r.inv.Refresh(t.Context()))
		found, known := r.inv.Current().Get(id)
		require.True(t, known)
		require.True(t, found.Ending(), "a list that does not show the instance does not make it alive again")
	}
}

func TestOfTwoInstancesOfOneNodeClaimEverybodyGetsTheOlder(t *testing.T) {
	r := newRegion(t, ocisim.Options{})
	first := r.mine("one")
	tags := owner("one").Tags(r.World.ClusterID)
	for range 4 {
		r.launch("double", tags)
	}
	require.NoError(t, r.inv.Refresh(t.Context()))
	oldest, _ := r.inv.Current().Get(first)
	for range 50 {
		found, ok := r.inv.Current().ByNodeClaim("uid-one")
		require.True(t, ok)
		require.False(t, found.Created.After(oldest.Created))
		again, _ := r.inv.Current().ByNodeClaim("uid-one")
		require.Equal(t, found.ID, again.ID)
	}
}
