package cloudprovider_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/samber/lo"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	corecloudprovider "sigs.k8s.io/karpenter/pkg/cloudprovider"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/test/ocisim"
)

// reserve makes a reservation of VM.Standard.E5.Flex with 4 OCPUs and 32 GB that the class selects.
func (s *suite) reserve(count int64, faultDomain string) (id string) {
	s.t.Helper()
	id, err := s.region.SetReservation(ocisim.ReservationSpec{
		Name: "r", AvailabilityDomain: s.region.World.ADs[1], FaultDomain: faultDomain, Shape: "VM.Standard.E5.Flex", OCPUs: 4, MemoryGB: 32, Count: count,
	})
	require.NoError(s.t, err)
	s.selectReservations(id)
	return id
}

func (s *suite) selectReservations(ids ...string) {
	s.t.Helper()
	s.nodeClass.Spec.Placement = &v1alpha1.Placement{
		CapacityReservationSelector: lo.Map(ids, func(id string, _ int) v1alpha1.PlacementSelectorTerm { return v1alpha1.PlacementSelectorTerm{ID: id} }),
	}
	s.nodeClass.Generation++
	require.NoError(s.t, s.kube.Update(s.t.Context(), s.nodeClass))
	s.resolve()
	require.NoError(s.t, s.reservations.Refresh(s.t.Context()))
}

func capacityTypes(of ...string) karpv1.NodeSelectorRequirementWithMinValues {
	return karpv1.NodeSelectorRequirementWithMinValues{Key: karpv1.CapacityTypeLabelKey, Operator: corev1.NodeSelectorOpIn, Values: of}
}

func (s *suite) inReservation(id string) int {
	return lo.CountBy(s.region.Instances(), func(i ocisim.Instance) bool { return i.ReservationID == id && i.State != "TERMINATED" })
}

func TestALaunchDrawsOnAReservationFirst(t *testing.T) {
	s := newSuite(t, ocisim.Options{})
	id := s.reserve(1, "FAULT-DOMAIN-3")
	created, err := s.Create(t.Context(), s.claim("one", capacityTypes("reserved", "on-demand")))
	require.NoError(t, err)
	require.Equal(t, 1, s.inReservation(id))
	i := s.region.Instances()[0]
	require.Equal(t, []any{4.0, 32.0, "FAULT-DOMAIN-3", s.region.World.ADs[1]}, []any{i.OCPUs, i.MemoryGB, i.FD, i.AD}, "the reservation's own size, although the claim needs less")
	require.Equal(t, "reserved", created.Labels[karpv1.CapacityTypeLabelKey])
	require.Equal(t, v1alpha1.ReservationLabel(id), created.Labels[v1alpha1.LabelCapacityReservationID])
	r := &s.nodeClass.Status.CapacityReservations[0]
	require.Equal(t, r.Slot(&r.Shapes[0]), created.Labels[v1alpha1.LabelCapacityReservationSlot], "core finds the place that the node holds by this label")
	require.Equal(t, "FAULT-DOMAIN-3", created.Labels[v1alpha1.LabelFaultDomain])
	require.Equal(t, "VM.Standard.E5.Flex.4o.32g", created.Labels[corev1.LabelInstanceTypeStable])
	require.EqualValues(t, 8, created.Status.Capacity.Cpu().Value())

	next, err := s.Create(t.Context(), s.claim("two", capacityTypes("reserved", "on-demand")))
	require.NoError(t, err)
	require.Equal(t, "on-demand", next.Labels[karpv1.CapacityTypeLabelKey], "the reservation is full and the NodePool allows another way")
	require.NotContains(t, next.Labels, v1alpha1.LabelCapacityReservationID)
	_, err = s.Create(t.Context(), s.claim("three", capacityTypes("reserved")))
	require.True(t, corecloudprovider.IsInsufficientCapacityError(err), "%v: the NodePool allows no other way", err)
	require.Len(t, s.region.Instances(), 2)
}

func TestLaunchesAtTheSameTimeNeverOversubscribeAReservation(t *testing.T) {
	s := newSuite(t, ocisim.Options{})
	id := s.reserve(3, "")
	var claims []*karpv1.NodeClaim
	for n := range 8 {
		claims = append(claims, s.claim(fmt.Sprint("claim-", n), capacityTypes("reserved", "on-demand")))
	}
	before := s.region.Journal().Counts()["LaunchInstance"]
	var all sync.WaitGroup
	errs := make([]error, len(claims))
	for n, claim := range claims {
		all.Go(func() { _, errs[n] = s.Create(t.Context(), claim) })
	}
	all.Wait()
	for _, err := range errs {
		require.NoError(t, err)
	}
	require.Equal(t, 3, s.inReservation(id))
	require.Len(t, s.region.Instances(), 8)
	require.Equal(t, 8, s.region.Journal().Counts()["LaunchInstance"]-before, "no launch was refused for want of a place")
}

func TestAReservationThatOthersFilledIsLeftAloneForAWhile(t *testing.T) {
	s := newSuite(t, ocisim.Options{})
	id := s.reserve(2, "")
	_, err := s.region.SetReservation(ocisim.ReservationSpec{ID: id, Count: 0})
	require.NoError(t, err)
	created, err := s.Create(t.Context(), s.claim("one", capacityTypes("reserved", "on-demand")))
	require.NoError(t, err)
	require.Equal(t, "on-demand", created.Labels[karpv1.CapacityTypeLabelKey])
	types, err := s.GetInstanceTypes(t.Context(), s.nodePool)
	require.NoError(t, err)
	for _, it := range types {
		for _, o := range it.Offerings {
			require.Equal(t, o.CapacityType() != karpv1.CapacityTypeReserved, o.Launchable(), "%s %s", it.Name, o.CapacityType())
		}
	}
}

func TestAReservationThatWasDeletedLeadsToAnotherOffering(t *testing.T) {
	s := newSuite(t, ocisim.Options{})
	id := s.reserve(2, "")
	require.NoError(t, s.region.EndReservation(id))
	created, err := s.Create(t.Context(), s.claim("one", capacityTypes("reserved", "on-demand")))
	require.NoError(t, err)
	require.Equal(t, "on-demand", created.Labels[karpv1.CapacityTypeLabelKey])

	s.resolve()
	condition := s.nodeClass.StatusConditions().Get(v1alpha1.ConditionTypeCapacityReservationsReady)
	require.True(t, condition.IsFalse())
	require.Contains(t, condition.Message, "is DELETED; select one that is ACTIVE")
	require.True(t, s.nodeClass.StatusConditions().Root().IsTrue(), "other capacity is launched all the same")
}

func TestAnAdoptedInstanceKeepsItsReservation(t *testing.T) {
	s := newSuite(t, ocisim.Options{})
	id := s.reserve(2, "")
	claim := s.claim("one", capacityTypes("reserved"))
	first, err := s.Create(t.Context(), claim)
	require.NoError(t, err)
	s.restart()
	require.NoError(t, s.reservations.Refresh(t.Context()))
	again, err := s.Create(t.Context(), claim)
	require.NoError(t, err)
	require.Equal(t, first.Status.ProviderID, again.Status.ProviderID)
	require.Equal(t, first.Labels, again.Labels)
	require.Equal(t, 1, s.inReservation(id))
}

func TestTheEndOfAReservedInstanceFreesItsPlace(t *testing.T) {
	s := newSuite(t, ocisim.Options{})
	id := s.reserve(1, "")
	created, err := s.Create(t.Context(), s.claim("one", capacityTypes("reserved")))
	require.NoError(t, err)
	require.NoError(t, s.Delete(t.Context(), created))
	require.Eventually(t, func() bool { return corecloudprovider.IsNodeClaimNotFoundError(s.Delete(t.Context(), created)) }, time.Minute, 20*time.Millisecond)
	s.restart()
	require.NoError(t, s.reservations.Refresh(t.Context()))
	_, err = s.Create(t.Context(), s.claim("two", capacityTypes("reserved")))
	require.NoError(t, err)
	require.Equal(t, 1, s.inReservation(id))
}

func TestTheShapesOfOneReservationAreCountedApart(t *testing.T) {
	s := newSuite(t, ocisim.Options{})
	id := s.reserve(1, "")
	_, err := s.region.SetReservation(ocisim.ReservationSpec{ID: id, Shape: "VM.Standard.E5.Flex", OCPUs: 2, MemoryGB: 24, Count: 1})
	require.NoError(t, err)
	s.restart()
	require.NoError(t, s.reservations.Refresh(t.Context()))
	for n := range 2 {
		_, err := s.Create(t.Context(), s.claim(fmt.Sprint("claim-", n), capacityTypes("reserved")))
		require.NoError(t, err)
	}
	require.Equal(t, 2, s.inReservation(id))
	require.ElementsMatch(t, []float64{4, 2}, lo.Map(s.region.Instances(), func(i ocisim.Instance, _ int) float64 { return i.OCPUs }))
	stored := &v1alpha1.OciNodeClass{}
	require.NoError(t, s.kube.Get(t.Context(), client.ObjectKeyFromObject(s.nodeClass), stored))
	require.Len(t, stored.Status.CapacityReservations[0].Shapes, 2)
}
