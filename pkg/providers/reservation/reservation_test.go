package reservation_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/oracle/oci-go-sdk/v65/core"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/samber/lo"
	"github.com/stretchr/testify/require"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/pkg/oci"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/placement"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/reservation"
	"github.com/karpenter-oke/karpenter-oke/test/ocisim"
	"github.com/karpenter-oke/karpenter-oke/test/ocitest"
)

// suite is a provider on a reservation of five VM.Standard.E5.Flex, whose counts a test sets.
type suite struct {
	*reservation.DefaultProvider
	t        *testing.T
	clock    *clocktesting.FakePassiveClock
	selected []string
	raw      core.ComputeCapacityReservation
	err      error
	reads    int
}

func newSuite(t *testing.T) *suite {
	t.Helper()
	s := &suite{t: t, clock: clocktesting.NewFakePassiveClock(time.Unix(10_000, 0)), selected: []string{"ocid1.capacityreservation.oc1.phx.r"}}
	s.raw = core.ComputeCapacityReservation{LifecycleState: core.ComputeCapacityReservationLifecycleStateActive, DisplayName: lo.ToPtr("r"), Id: &s.selected[0],
		AvailabilityDomain: lo.ToPtr("Uocm:PHX-AD-1"), InstanceReservationConfigs: []core.InstanceReservationConfig{
			{InstanceShape: lo.ToPtr("BM.Standard.E5.192"), ReservedCount: lo.ToPtr(int64(5)), UsedCount: lo.ToPtr(int64(0))},
			{InstanceShape: lo.ToPtr("BM.Standard.E5.192"), FaultDomain: lo.ToPtr("FAULT-DOMAIN-2"), ReservedCount: lo.ToPtr(int64(1)), UsedCount: lo.ToPtr(int64(0))},
		}}
	s.DefaultProvider = reservation.NewProvider(s, s, s.clock)
	return s
}

// GetComputeCapacityReservation implements reservation.API.
func (s *suite) GetComputeCapacityReservation(context.Context, string) (core.ComputeCapacityReservation, error) {
	s.reads++
	return s.raw, s.err
}

// Reservations implements reservation.Selected.
func (s *suite) Reservations(context.Context) ([]string, error) { return s.selected, nil }

// status is the reservation as a class's status has it.
func (s *suite) status() *v1alpha1.CapacityReservation {
	return &v1alpha1.CapacityReservation{ZonalResource: v1alpha1.ZonalResource{ID: "ocid1.capacityreservation.oc1.phx.r"}, Shapes: placement.ReservedShapes(s.raw.InstanceReservationConfigs)}
}

func (s *suite) used(n int64) { s.raw.InstanceReservationConfigs[0].UsedCount = &n }

func (s *suite) refresh(after time.Duration) {
	s.t.Helper()
	s.clock.SetTime(s.clock.Now().Add(after))
	require.NoError(s.t, s.Refresh(s.t.Context()))
}

func (s *suite) requireFree(want int, why string) {
	s.t.Helper()
	r := s.status()
	free, open := s.Available(r, &r.Shapes[0])
	require.True(s.t, open)
	require.Equal(s.t, want, free, why)
}

func (s *suite) take() func(reservation.Outcome) {
	s.t.Helper()
	r := s.status()
	done, ok := s.Take(r, &r.Shapes[0])
	require.True(s.t, ok)
	return done
}

func TestALaunchCountsFromItsBeginningUntilOCICountsIt(t *testing.T) {
	s := newSuite(t)
	s.requireFree(5, "before the first read the class's status holds")
	s.refresh(0)
	before := s.Generation()
	done := s.take()
	s.requireFree(4, "under way")
	require.Greater(t, s.Generation(), before, "lists of instance types are made anew")
	done(reservation.Launched)
	s.requireFree(4, "launched")
	s.refresh(29 * time.Second)
	require.Equal(t, 1, s.reads, "what is read now may count it twice, so nothing is read")
	s.used(1)
	s.refresh(time.Second)
	require.Equal(t, 2, s.reads)
	s.requireFree(4, "OCI counts it")
}

func TestALaunchThatOCIDoesNotCountYetCountsTwiceAndNeverNot(t *testing.T) {
	s := newSuite(t)
	s.refresh(0)
	s.clock.SetTime(s.clock.Now().Add(5*time.Minute - time.Second))
	s.take()(reservation.Launched)
	s.Freed(s.selected[0]) // something else asks for a read
	s.used(1)
	s.refresh(30 * time.Second)
	require.Equal(t, 2, s.reads)
	s.take()(reservation.Launched)
	s.used(2)
	s.Freed(s.selected[0])
	r := s.status()
	for range 3 { // whenever it is read
		free, _ := s.Available(r, &r.Shapes[0])
		require.LessOrEqual(t, free, 3, "two instances use it")
		s.refresh(15 * time.Second)
	}
	s.requireFree(3, "in the end the count is right")
}

func TestAFailedLaunchGivesItsPlaceBackAndARefusedOneEmptiesTheSlot(t *testing.T) {
	s := newSuite(t)
	s.refresh(0)
	s.take()(reservation.Failed)
	s.requireFree(5, "the failure says nothing of the reservation")
	s.take()(reservation.Full)
	s.requireFree(0, "OCI has less than was counted")
	s.used(4)
	s.refresh(10 * time.Second)
	s.requireFree(1, "read soon after the refusal")
}

func TestConcurrentLaunchesNeverTakeMoreThanThereIs(t *testing.T) {
	s := newSuite(t)
	s.used(2)
	s.refresh(0)
	r := s.status()
	var taken atomic.Int64
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			if done, ok := s.Take(r, &r.Shapes[0]); ok {
				taken.Add(1)
				done(reservation.Launched)
			}
		})
	}
	all.Wait()
	require.EqualValues(t, 3, taken.Load())
	s.requireFree(0, "all are taken")
}

func TestFaultDomainsOfAReservationAreCountedApart(t *testing.T) {
	s := newSuite(t)
	s.refresh(0)
	r := s.status()
	require.NotEqual(t, r.Slot(&r.Shapes[0]), r.Slot(&r.Shapes[1]))
	_, ok := s.Take(r, &r.Shapes[1])
	require.True(t, ok)
	_, ok = s.Take(r, &r.Shapes[1])
	require.False(t, ok)
	s.requireFree(5, "the other slot is untouched")
}

func TestAReservationThatEndedIsClosed(t *testing.T) {
	for says, end := range map[string]func(*suite){
		"deleted": func(s *suite) { s.raw.LifecycleState = core.ComputeCapacityReservationLifecycleStateDeleted },
		"gone":    func(s *suite) { s.err = &oci.Error{Class: oci.ClassNotFound, Status: 404} },
	} {
		t.Run(says, func(t *testing.T) {
			s := newSuite(t)
			s.refresh(0)
			end(s)
			s.refresh(5 * time.Minute)
			r := s.status()
			_, open := s.Available(r, &r.Shapes[0])
			require.False(t, open)
			_, ok := s.Take(r, &r.Shapes[0])
			require.False(t, ok)
		})
	}
}

func TestAFailedReadKeepsTheCounts(t *testing.T) {
	s := newSuite(t)
	s.used(1)
	s.refresh(0)
	s.err = &oci.Error{Class: oci.ClassTransient}
	s.clock.SetTime(s.clock.Now().Add(5 * time.Minute))
	require.Error(t, s.Refresh(t.Context()))
	s.requireFree(4, "as before")
}

func TestAnIdleReservationCostsTwelveCallsAnHourAndNoneWhenNobodySelectsIt(t *testing.T) {
	s := newSuite(t)
	s.refresh(0)
	for range 3600 / 5 {
		s.refresh(reservation.Interval)
	}
	require.Equal(t, 13, s.reads)
	s.selected = nil
	for range 3600 / 5 {
		s.refresh(reservation.Interval)
	}
	require.Equal(t, 13, s.reads)
}

func TestTheSimulatedReservationIsReadOverHTTP(t *testing.T) {
	region := ocitest.Start(t, ocisim.Options{})
	id, err := region.SetReservation(ocisim.ReservationSpec{Name: "r", AvailabilityDomain: region.World.ADs[0], Shape: "VM.Standard.E5.Flex", OCPUs: 2, MemoryGB: 16, Count: 3})
	require.NoError(t, err)
	s := newSuite(t)
	s.selected = []string{id}
	p := reservation.NewProvider(region.Client, s, s.clock)
	require.NoError(t, p.Refresh(t.Context()))
	raw, err := region.Client.GetComputeCapacityReservation(t.Context(), id)
	require.NoError(t, err)
	r := &v1alpha1.CapacityReservation{ZonalResource: v1alpha1.ZonalResource{ID: id}, Shapes: placement.ReservedShapes(raw.InstanceReservationConfigs)}
	free, open := p.Available(r, &r.Shapes[0])
	require.True(t, open)
	require.Equal(t, 3, free)
}

func TestWhatIsLeftIsAMetricThatEndsWithTheReservation(t *testing.T) {
	s := newSuite(t)
	registry := prometheus.NewRegistry()
	registry.MustRegister(s.Metrics())
	series := func(name string) map[string]float64 {
		families, err := registry.Gather()
		require.NoError(t, err)
		out := map[string]float64{}
		for _, family := range families {
			for _, m := range family.GetMetric() {
				if family.GetName() == name {
					out[m.GetLabel()[0].GetValue()+" "+m.GetLabel()[1].GetValue()] = m.GetGauge().GetValue()
				}
			}
		}
		return out
	}
	s.used(2)
	s.refresh(0)
	r := s.status()
	first, second := "r "+r.Slot(&r.Shapes[0]), "r "+r.Slot(&r.Shapes[1])
	require.Equal(t, map[string]float64{first: 3, second: 1}, series("karpenter_oke_capacity_reservation_free"))
	require.Equal(t, map[string]float64{first: 5, second: 1}, series("karpenter_oke_capacity_reservation_reserved"))
	s.selected = nil
	s.refresh(reservation.Interval)
	require.Empty(t, series("karpenter_oke_capacity_reservation_free"))
}
