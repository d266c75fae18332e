package instancetype_test

import (
	"testing"

	"github.com/samber/lo"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/cloudprovider"
	"sigs.k8s.io/karpenter/pkg/scheduling"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/capacity"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/instancetype"
)

// reservations is an instancetype.Reservations that a test sets: what is free by fault domain.
type reservations struct {
	free       map[string]int
	closed     bool
	generation uint64
}

func (r *reservations) Available(_ *v1alpha1.CapacityReservation, s *v1alpha1.ReservedShape) (int, bool) {
	return r.free[s.FaultDomain], !r.closed
}
func (r *reservations) Generation() uint64 { return r.generation }

func reservedEnv(t *testing.T) (*env, *reservations) {
	e := newEnv(t)
	r := &reservations{free: map[string]int{"": 3, "FAULT-DOMAIN-2": 1}}
	e.provider = instancetype.NewProvider(instancetype.Dependencies{Shapes: e.shapes, Prices: e.prices, Unavailable: e.unavailable, InUse: e.inUse, Reservations: r},
		instancetype.Settings{Region: "phx"})
	return e, r
}

// reserving adds a reservation in PHX-AD-2 of the given shapes.
func reserving(shapes ...v1alpha1.ReservedShape) func(*v1alpha1.OciNodeClass) {
	return func(nc *v1alpha1.OciNodeClass) {
		nc.Status.CapacityReservations = append(nc.Status.CapacityReservations, v1alpha1.CapacityReservation{
			ZonalResource: v1alpha1.ZonalResource{ID: "ocid1.capacityreservation.oc1.phx.abc", Name: "r", AvailabilityDomain: "Uocm:PHX-AD-2"}, Shapes: shapes,
		})
	}
}

func reservedE5(ocpus, memory string) v1alpha1.ReservedShape {
	return v1alpha1.ReservedShape{Shape: "VM.Standard.E5.Flex", OCPUs: lo.ToPtr(resource.MustParse(ocpus)), Memory: lo.ToPtr(resource.MustParse(memory)), Reserved: 3}
}

func reservedOf(it *cloudprovider.InstanceType) []*cloudprovider.Offering {
	return lo.Filter(it.Offerings, func(o *cloudprovider.Offering, _ int) bool { return o.CapacityType() == karpv1.CapacityTypeReserved })
}

func TestAReservationIsOfferedInItsZoneAtItsSizeAlone(t *testing.T) {
	e, _ := reservedEnv(t)
	nc := nodeClass(reserving(reservedE5("2", "16Gi")))
	all := e.list(t, nc, nodePool())
	require.Equal(t, []string{"VM.Standard.E5.Flex.2o.16g"}, names(lo.Filter(all, func(it *cloudprovider.InstanceType, _ int) bool { return len(reservedOf(it)) > 0 })))
	it := find(t, all, "VM.Standard.E5.Flex.2o.16g")
	offerings := reservedOf(it)
	require.Len(t, offerings, 1)
	o := offerings[0]
	require.Equal(t, "PHX-AD-2", o.Zone())
	require.True(t, o.Available)
	require.Equal(t, 3, o.ReservationCapacity)
	require.Equal(t, nc.Status.CapacityReservations[0].Slot(&nc.Status.CapacityReservations[0].Shapes[0]), o.ReservationID(), "core counts the slot")
	require.Equal(t, "abc", o.Requirements.Get(v1alpha1.LabelCapacityReservationID).Any())
	onDemand := lo.Filter(it.Offerings, func(o *cloudprovider.Offering, _ int) bool { return o.CapacityType() == karpv1.CapacityTypeOnDemand })[0]
	require.Less(t, o.Price, onDemand.Price/4, "what is paid for already costs little more when it is used")
	require.Positive(t, o.Price)
	require.ElementsMatch(t, []string{"on-demand", "spot", "reserved"}, it.Requirements.Get(karpv1.CapacityTypeLabelKey).Values())
	for _, other := range it.Offerings {
		if other.CapacityType() != karpv1.CapacityTypeReserved {
			require.Equal(t, corev1.NodeSelectorOpDoesNotExist, other.Requirements.Get(v1alpha1.LabelCapacityReservationID).Operator())
			require.Equal(t, corev1.NodeSelectorOpDoesNotExist, other.Requirements.Get(v1alpha1.LabelCapacityReservationSlot).Operator())
		}
	}
}

func TestAReservedSizeOffTheGridIsOfferedFromTheReservationOnly(t *testing.T) {
	e, _ := reservedEnv(t)
	bare := v1alpha1.ReservedShape{Shape: "BM.Standard.E5.192", Reserved: 3}
	all := e.list(t, nodeClass(reserving(reservedE5("7", "33Gi"), bare)), nodePool())
	for _, name := range []string{"VM.Standard.E5.Flex.7o.33g", "BM.Standard.E5.192"} {
		it := find(t, all, name)
		require.Equal(t, []string{karpv1.CapacityTypeReserved}, lo.Uniq(lo.Map(it.Offerings.Available(), func(o *cloudprovider.Offering, _ int) string { return o.CapacityType() })), name)
		labels := scheduling.NewLabelRequirements(map[string]string{karpv1.CapacityTypeLabelKey: "on-demand", corev1.LabelTopologyZone: "PHX-AD-2"})
		require.True(t, it.Offerings.HasCompatible(labels), "a node whose reservation ended does not drift for want of an offering")
	}
	onDemandOnly := e.list(t, nodeClass(reserving(reservedE5("7", "33Gi"))), nodePool(require1(karpv1.CapacityTypeLabelKey, corev1.NodeSelectorOpIn, "on-demand")))
	require.NotContains(t, names(onDemandOnly), "VM.Standard.E5.Flex.7o.33g")
}

func TestFaultDomainsOfAReservationAreSlotsOfTheirOwn(t *testing.T) {
	e, _ := reservedEnv(t)
	second := reservedE5("2", "16Gi")
	second.FaultDomain = "FAULT-DOMAIN-2"
	offerings := reservedOf(find(t, e.list(t, nodeClass(reserving(reservedE5("2", "16Gi"), second)), nodePool()), "VM.Standard.E5.Flex.2o.16g"))
	require.Len(t, offerings, 2)
	require.NotEqual(t, offerings[0].ReservationID(), offerings[1].ReservationID())
	require.Equal(t, []int{3, 1}, []int{offerings[0].ReservationCapacity, offerings[1].ReservationCapacity})
	require.Equal(t, "FAULT-DOMAIN-2", offerings[1].Requirements.Get(v1alpha1.LabelFaultDomain).Any())

	narrowed := nodeClass(reserving(reservedE5("2", "16Gi"), second), withPlacement(v1alpha1.Placement{FaultDomains: []string{"FAULT-DOMAIN-1"}}))
	offerings = reservedOf(find(t, e.list(t, narrowed, nodePool()), "VM.Standard.E5.Flex.2o.16g"))
	require.Equal(t, []bool{true, false}, []bool{offerings[0].Available, offerings[1].Available}, "the class rules the second out")
}

func TestCountsReachTheListWithoutAChangeOfTheClass(t *testing.T) {
	e, r := reservedEnv(t)
	nc := nodeClass(reserving(reservedE5("2", "16Gi")))
	before := e.list(t, nc, nodePool())
	r.free[""] = 0
	nc.Status.CapacityReservations[0].Shapes[0].Used = 3
	require.Equal(t, before, e.list(t, nc, nodePool()), "the status alone moves nothing")
	r.generation++
	after := e.list(t, nc, nodePool())
	full := reservedOf(find(t, after, "VM.Standard.E5.Flex.2o.16g"))[0]
	require.True(t, full.Available, "a full reservation is not a broken one")
	require.False(t, full.Launchable())
	require.Same(t, find(t, before, "VM.Standard.E5.Flex.4o.32g"), find(t, after, "VM.Standard.E5.Flex.4o.32g"), "other types are taken over")
	r.closed = true
	r.generation++
	require.False(t, reservedOf(find(t, e.list(t, nc, nodePool()), "VM.Standard.E5.Flex.2o.16g"))[0].Available, "an ended one is")
}

func TestARefusedReservationIsMarkedByItself(t *testing.T) {
	e, _ := reservedEnv(t)
	nc := nodeClass(reserving(reservedE5("2", "16Gi")))
	slot := nc.Status.CapacityReservations[0].Slot(&nc.Status.CapacityReservations[0].Shapes[0])
	e.unavailable.MarkUnavailable(t.Context(), capacity.ReasonOutOfHostCapacity,
		capacity.Offering{Shape: "VM.Standard.E5.Flex", OCPUs: 2, MemoryGB: 16, Zone: "PHX-AD-2", CapacityType: "reserved", Reservation: slot}, 1e9)
	for _, o := range find(t, e.list(t, nc, nodePool()), "VM.Standard.E5.Flex.2o.16g").Offerings {
		require.Equal(t, o.CapacityType() != karpv1.CapacityTypeReserved, o.Available, o.CapacityType())
	}
}

func TestANodePoolCanAskForOneReservation(t *testing.T) {
	e, _ := reservedEnv(t)
	nc := nodeClass(reserving(reservedE5("2", "16Gi")))
	require.Equal(t, []string{"VM.Standard.E5.Flex.2o.16g"}, names(e.list(t, nc, nodePool(require1(v1alpha1.LabelCapacityReservationID, corev1.NodeSelectorOpIn, "abc")))))
	require.Empty(t, e.list(t, nc, nodePool(require1(v1alpha1.LabelCapacityReservationID, corev1.NodeSelectorOpIn, "other"))))
	require.NotEmpty(t, e.list(t, nc, nodePool(require1(v1alpha1.LabelCapacityReservationID, corev1.NodeSelectorOpDoesNotExist))))
}

func TestAReservedLaunchIsNotFitted(t *testing.T) {
	e, _ := reservedEnv(t)
	nc := nodeClass(reserving(reservedE5("8", "64Gi")))
	it := find(t, e.list(t, nc, nodePool()), "VM.Standard.E5.Flex.8o.64g")
	claim := &karpv1.NodeClaim{}
	claim.Spec.Resources.Requests = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("1"), corev1.ResourceMemory: resource.MustParse("1Gi")}
	fitter := e.provider.Fitter(claim, nc, nodePool())
	fit, ok := fitter.FitIn(it.Name, reservedOf(it)[0])
	require.True(t, ok)
	require.Equal(t, instancetype.FitReserved, fit.Outcome)
	require.Equal(t, fit.Cell, fit.Size, "a reservation takes its own size only")
	require.Equal(t, it.Capacity, fit.Resources.Capacity)
	fit, ok = fitter.FitIn(it.Name, it.Offerings[0])
	require.True(t, ok)
	require.Equal(t, instancetype.Fitted, fit.Outcome, "on-demand it is smaller")
}

func TestAShapeThatTheRegionDoesNotHaveReservesNothing(t *testing.T) {
	e, _ := reservedEnv(t)
	unknown, tooLarge := v1alpha1.ReservedShape{Shape: "VM.Standard.E9.Flex", Reserved: 1}, reservedE5("4000", "16Gi")
	for _, it := range e.list(t, nodeClass(reserving(unknown, tooLarge, v1alpha1.ReservedShape{Shape: "VM.Standard.E5.Flex"})), nodePool()) {
		require.Empty(t, reservedOf(it))
	}
}
