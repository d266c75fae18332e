package instancetype

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/cloudprovider"
	"sigs.k8s.io/karpenter/pkg/scheduling"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/pkg/oci"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/capacity"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/shape"
)

// Reservations knows how many instances may still be launched into capacity reservations.
type Reservations interface {
	// Available is how many may be launched into a slot; open is false once the reservation has ended.
	Available(r *v1alpha1.CapacityReservation, s *v1alpha1.ReservedShape) (free int, open bool)
	// Generation grows whenever an answer of Available may have changed.
	Generation() uint64
}

// marginalShare is the part of the on-demand price that a node in a capacity reservation adds to the bill: OCI charges 85 % of the price
// for what is reserved and not used, and the whole price for what is used (documentation of capacity reservations). Consolidation
// therefore weighs what would really be saved.
const marginalShare = 0.15

// slot is a shape, size and fault domain of a reservation that a node class selects.
type slot struct {
	reservation *v1alpha1.CapacityReservation
	reserved    *v1alpha1.ReservedShape
	name, zone  string
}

// slotsOf are the slots of a node class by the names of their instance types. An instance draws on a slot only when shape and size are the
// slot's own, so there is one type for each.
func slotsOf(nodeClass *v1alpha1.OciNodeClass, snapshot *shape.Snapshot) map[string][]slot {
	var slots map[string][]slot
	for i := range nodeClass.Status.CapacityReservations {
		r := &nodeClass.Status.CapacityReservations[i]
		for j := range r.Shapes {
			reserved := &r.Shapes[j]
			name, ok := reservedType(reserved, snapshot)
			if !ok {
				continue // the region does not list the shape, or not at this size
			}
			if slots == nil {
				slots = map[string][]slot{}
			}
			slots[name] = append(slots[name], slot{reservation: r, reserved: reserved, name: r.Slot(reserved), zone: oci.Zone(r.AvailabilityDomain)})
		}
	}
	return slots
}

// reservedType is the name of the instance type that a slot is for.
func reservedType(reserved *v1alpha1.ReservedShape, snapshot *shape.Snapshot) (string, bool) {
	name := reserved.Shape
	if s, ok := snapshot.Shape(name); ok && s.Flexible {
		if reserved.OCPUs == nil || reserved.Memory == nil {
			return "", false
		}
		name = typeName(name, reserved.OCPUs.AsApproximateFloat64(), reserved.Memory.AsApproximateFloat64()/bytesPerGB)
	}
	_, _, ok := parseTypeName(name, snapshot)
	return name, ok
}

// slotsKey tells node classes with different slots apart; counts are not part of it.
func slotsKey(slots map[string][]slot) string {
	var names []string
	for _, list := range slots {
		for _, s := range list {
			names = append(names, s.name)
		}
	}
	slices.Sort(names)
	return strings.Join(names, separator)
}

// reservationLabels are the labels that only reserved offerings have.
var reservationLabels = [...]string{v1alpha1.LabelCapacityReservationID, v1alpha1.LabelCapacityReservationSlot}

func (s *slot) label(key string) string {
	if key == v1alpha1.LabelCapacityReservationID {
		return s.reservation.Label()
	}
	return s.name
}

// meetsReservations says whether a cell, in one of its slots or without one, can be part of what the requirements say of reservations.
func (s *selector) meetsReservations(c *cell) bool {
	for _, key := range reservationLabels {
		requirement, asked := s.requirements[key]
		if !asked {
			continue
		}
		if op := requirement.Operator(); op == corev1.NodeSelectorOpDoesNotExist || op == corev1.NodeSelectorOpNotIn {
			continue
		}
		if !slices.ContainsFunc(s.slots[c.name], func(o slot) bool { return requirement.Has(o.label(key)) }) {
			return false
		}
	}
	return true
}

// takesReserved says whether the requirements allow capacity of type reserved.
func (s *selector) takesReserved() bool {
	requirement, asked := s.requirements[karpv1.CapacityTypeLabelKey]
	return !asked || requirement.Has(karpv1.CapacityTypeReserved)
}

// reserveRequirements adds to a type's requirements what its reserved offerings have.
func (b *builder) reserveRequirements(out scheduling.Requirements, slots []slot) {
	if len(slots) == 0 {
		return
	}
	for _, key := range reservationLabels {
		values := make([]string, 0, len(slots))
		for i := range slots {
			values = append(values, slots[i].label(key))
		}
		out[key] = scheduling.NewRequirement(key, corev1.NodeSelectorOpIn, values...)
	}
	types := append(out[karpv1.CapacityTypeLabelKey].Values(), karpv1.CapacityTypeReserved)
	out[karpv1.CapacityTypeLabelKey] = scheduling.NewRequirement(karpv1.CapacityTypeLabelKey, corev1.NodeSelectorOpIn, types...)
}

// reservedOfferings are the offerings of a cell's slots. A slot that is full is offered with no capacity: core tells that from one that
// can not be had at all, and waits for it or falls back as the NodePool says.
func (b *builder) reservedOfferings(c *cell, onDemand float64) (out []*cloudprovider.Offering) {
	for i := range b.slots[c.name] {
		s := &b.slots[c.name][i]
		free, open := b.reservations.Available(s.reservation, s.reserved)
		launch := capacity.Offering{
			Shape: c.shape.Name, OCPUs: c.ocpus, MemoryGB: c.memoryGB, Zone: s.zone, CapacityType: karpv1.CapacityTypeReserved, Reservation: s.name,
		}
		faultDomains := b.faultDomains
		if s.reserved.FaultDomain != "" {
			faultDomains = []string{s.reserved.FaultDomain}
			open = open && slices.Contains(b.faultDomains, s.reserved.FaultDomain)
		}
		_, gone := b.unavailable.IsUnavailableIn(launch, faultDomains)
		out = append(out, &cloudprovider.Offering{
			Requirements: b.slotRequirements(s), Price: onDemand*marginalShare + b.storage,
			Available: open && !gone && c.shape.InZone(s.zone) && b.served[s.zone], ReservationCapacity: free,
		})
	}
	return out
}

func (b *builder) slotRequirements(s *slot) scheduling.Requirements {
	requirements := scheduling.NewRequirements(
		scheduling.NewRequirement(corev1.LabelTopologyZone, corev1.NodeSelectorOpIn, s.zone),
		scheduling.NewRequirement(karpv1.CapacityTypeLabelKey, corev1.NodeSelectorOpIn, karpv1.CapacityTypeReserved),
	)
	for _, key := range reservationLabels {
		requirements.Add(scheduling.NewRequirement(key, corev1.NodeSelectorOpIn, s.label(key)))
	}
	if s.reserved.FaultDomain != "" {
		requirements.Add(scheduling.NewRequirement(v1alpha1.LabelFaultDomain, corev1.NodeSelectorOpIn, s.reserved.FaultDomain))
	}
	return requirements
}

// addReserved adds the types of slots that are not chosen yet. They are offered from their reservations only: the grid leaves such sizes
// out for a reason, and one that is paid for is worth having all the same.
func (s *selector) addReserved(chosen []*cell, all *catalog, snapshot *shape.Snapshot) []*cell {
	if len(s.slots) == 0 || !s.takesReserved() {
		return chosen
	}
	have := make(map[string]bool, len(chosen))
	for _, c := range chosen {
		have[c.name] = true
	}
	for name := range s.slots {
		size, sh, ok := parseTypeName(name, snapshot)
		if have[name] || !ok || all.shapes[sh.Name] == nil {
			continue
		}
		c := newCell(all.shapes[sh.Name], size.OCPUs, size.MemoryGB, baseline(size.Baseline), len(s.slots))
		c.reservedOnly = true
		if c.meets(s.requirements) && s.meetsReservations(c) && s.hasImage(c) && s.bounds.allow(c.shape) && s.bounds.contain(c) && s.bounds.roomFor(c) {
			chosen = append(chosen, c)
		}
	}
	return chosen
}
