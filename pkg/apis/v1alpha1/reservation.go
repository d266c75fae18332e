package v1alpha1

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"
)

// slotLength is how many hexadecimal digits name a slot: 64 bits tell all reservations of a tenancy apart.
const slotLength = 16

// Label is the value of LabelCapacityReservationID on nodes that use the reservation: the last part of its OCID.
func (r *CapacityReservation) Label() string { return ReservationLabel(r.ID) }

// ReservationLabel is the last part of an OCID of a capacity reservation, as far as a label can hold it.
func ReservationLabel(ocid string) string {
	const most = 63
	tail := ocid[strings.LastIndexByte(ocid, '.')+1:]
	return tail[max(0, len(tail)-most):]
}

// Slot is the value of LabelCapacityReservationSlot for one of the reservation's shapes. A reservation counts each shape, size and
// fault domain by itself, so each has a name of its own; it does not change with the counts.
func (r *CapacityReservation) Slot(s *ReservedShape) string {
	parts := []string{r.ID, s.Shape, "", "", s.FaultDomain}
	if s.OCPUs != nil {
		parts[2] = s.OCPUs.String()
	}
	if s.Memory != nil {
		parts[3] = s.Memory.String()
	}
	sum := sha256.Sum256([]byte(strings.Join(parts, "\n")))
	return hex.EncodeToString(sum[:])[:slotLength]
}

// SameSlot says whether two entries reserve the same shape, size and fault domain.
func (s ReservedShape) SameSlot(other ReservedShape) bool {
	equal := func(a, b *resource.Quantity) bool { return a == b || (a != nil && b != nil && a.Equal(*b)) }
	return s.Shape == other.Shape && s.FaultDomain == other.FaultDomain && equal(s.OCPUs, other.OCPUs) && equal(s.Memory, other.Memory)
}

// ReservedSlot finds a slot among the reservations that the class resolved to.
func (in *OciNodeClass) ReservedSlot(slot string) (*CapacityReservation, *ReservedShape, bool) {
	for i := range in.Status.CapacityReservations {
		r := &in.Status.CapacityReservations[i]
		for j := range r.Shapes {
			if r.Slot(&r.Shapes[j]) == slot {
				return r, &r.Shapes[j], true
			}
		}
	}
	return nil, nil, false
}
