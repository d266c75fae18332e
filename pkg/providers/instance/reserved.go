package instance

import (
	"cmp"

	"github.com/oracle/oci-go-sdk/v65/core"
	corev1 "k8s.io/api/core/v1"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/cloudprovider"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/pkg/oci"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/inventory"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/reservation"
)

func reserved(candidate Candidate) bool {
	return candidate.Offering != nil && candidate.Offering.CapacityType() == karpv1.CapacityTypeReserved
}

// take counts a launch into its capacity reservation before OCI is asked, so that launches at the same time never share one place. done
// takes the outcome and must be called; ok is false when the reservation has no place left. Candidates of other capacity types need none.
func (p *DefaultProvider) take(r request, candidate Candidate) (done func(error), ok bool) {
	if !reserved(candidate) {
		return func(error) {}, true
	}
	from, slot, found := r.nodeClass.ReservedSlot(candidate.Offering.ReservationID())
	if !found || p.reservations == nil {
		return nil, false
	}
	landed, ok := p.reservations.Take(from, slot)
	if !ok {
		return nil, false
	}
	return func(err error) { landed(outcomeOf(err)) }, true
}

// outcomeOf says what a launch's error means for the reservation: without an answer the instance may be there.
func outcomeOf(err error) reservation.Outcome {
	if err == nil {
		return reservation.Launched
	}
	switch oci.ClassOf(err) {
	case oci.ClassTransient:
		return reservation.Launched
	case oci.ClassCapacity:
		return reservation.Full
	default:
		return reservation.Failed
	}
}

// placeInReservation makes the instance draw on the candidate's reservation.
func placeInReservation(details *core.LaunchInstanceDetails, nodeClass *v1alpha1.OciNodeClass, candidate Candidate) {
	if !reserved(candidate) {
		return
	}
	if from, _, found := nodeClass.ReservedSlot(candidate.Offering.ReservationID()); found {
		details.CapacityReservationId = &from.ID
	}
}

// boundFaultDomain is the fault domain that an offering is bound to; empty for most.
func boundFaultDomain(offering *cloudprovider.Offering) string {
	if requirement, ok := offering.Requirements[v1alpha1.LabelFaultDomain]; ok && requirement.Operator() == corev1.NodeSelectorOpIn && requirement.Len() == 1 {
		return requirement.Any()
	}
	return ""
}

// drawsOn says whether an instance uses the reservation of a reserved offering.
func drawsOn(found inventory.Instance, offering *cloudprovider.Offering) bool {
	return found.CapacityReservationID != "" &&
		offering.Requirements.Get(v1alpha1.LabelCapacityReservationID).Has(v1alpha1.ReservationLabel(found.CapacityReservationID)) &&
		cmp.Or(boundFaultDomain(offering), found.FaultDomain) == found.FaultDomain
}

// asBought gives an instance the capacity type that it was launched as. OCI puts instances that name no reservation into the tenancy's
// default one where there is room; for the NodePool that asked for on-demand capacity they are on-demand.
func asBought(found inventory.Instance, candidate Candidate) inventory.Instance {
	if candidate.Offering != nil {
		found.CapacityType = candidate.Offering.CapacityType()
	}
	return found
}
