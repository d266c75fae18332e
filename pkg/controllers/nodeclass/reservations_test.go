package nodeclass

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/test/ocisim"
)

func (s *suite) reserve(name, domain, faultDomain string) string {
	s.t.Helper()
	id, err := s.region.SetReservation(ocisim.ReservationSpec{
		Name: name, AvailabilityDomain: domain, FaultDomain: faultDomain, Shape: "VM.Standard.E5.Flex", OCPUs: 2, MemoryGB: 16, Count: 2,
	})
	require.NoError(s.t, err)
	return id
}

func reservationsNamed(names ...string) (terms []v1alpha1.PlacementSelectorTerm) {
	for _, name := range names {
		terms = append(terms, v1alpha1.PlacementSelectorTerm{Name: name})
	}
	return terms
}

func (s *suite) requireReservationProblem(parts ...string) {
	s.t.Helper()
	condition := s.condition(v1alpha1.ConditionTypeCapacityReservationsReady)
	require.True(s.t, condition.IsFalse(), "%v", condition)
	for _, part := range parts {
		require.Contains(s.t, condition.Message, part)
	}
	require.True(s.t, s.class.StatusConditions().Root().IsTrue(), "other capacity is launched all the same")
}

func TestAReservationThatEndsTakesNoOtherWithIt(t *testing.T) {
	s := newSuite(t)
	first, second := s.reserve("first", s.region.World.ADs[0], ""), s.reserve("second", s.region.World.ADs[1], "")
	s.change(func(spec *v1alpha1.OciNodeClassSpec) {
		spec.Placement = &v1alpha1.Placement{CapacityReservationSelector: reservationsNamed("first", "second")}
	})
	require.True(t, s.condition(v1alpha1.ConditionTypeCapacityReservationsReady).IsTrue())
	require.Len(t, s.class.Status.CapacityReservations, 2)

	require.NoError(t, s.region.EndReservation(first))
	s.reconcile()
	s.requireReservationProblem(`no capacity reservation that is ACTIVE is named "first"`, "nodes of other capacity types are launched all the same")
	require.Len(t, s.class.Status.CapacityReservations, 1)
	require.Equal(t, second, s.class.Status.CapacityReservations[0].ID)

	s.change(func(spec *v1alpha1.OciNodeClassSpec) { spec.Placement = nil })
	require.Nil(t, s.condition(v1alpha1.ConditionTypeCapacityReservationsReady), "a class without reservations has no such condition")
	require.Empty(t, s.class.Status.CapacityReservations)
}

func TestAReservationThatNoNodeCanReachIsTold(t *testing.T) {
	s := newSuite(t)
	w := s.region.World
	s.reserve("elsewhere", w.ADs[1], "")
	subnet, err := s.region.AddSubnet(ocisim.SubnetSpec{Name: "only-ad-1", CIDR: "10.0.240.0/24", AvailabilityDomain: w.ADs[0]})
	require.NoError(t, err)
	s.change(func(spec *v1alpha1.OciNodeClassSpec) {
		spec.SubnetSelector = []v1alpha1.SubnetSelectorTerm{{ID: subnet}}
		spec.Placement = &v1alpha1.Placement{CapacityReservationSelector: reservationsNamed("elsewhere")}
	})
	s.requireReservationProblem(`"elsewhere" is in `+w.ADs[1], "where subnetSelector finds no subnet")

	s.reserve("third", w.ADs[0], "FAULT-DOMAIN-3")
	s.change(func(spec *v1alpha1.OciNodeClassSpec) {
		spec.Placement = &v1alpha1.Placement{CapacityReservationSelector: reservationsNamed("third"), FaultDomains: []string{"FAULT-DOMAIN-1"}}
	})
	s.requireReservationProblem(`"third" is in fault domains other than FAULT-DOMAIN-1`)
}
