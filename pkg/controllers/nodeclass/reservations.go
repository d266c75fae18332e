package nodeclass

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/samber/lo"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/cluster"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/selection"
)

func selectsReservations(nodeClass *v1alpha1.OciNodeClass) bool {
	return nodeClass.Spec.Placement != nil && len(nodeClass.Spec.Placement.CapacityReservationSelector) > 0
}

// forgetReservations removes what was resolved for a class that selects none any more.
func forgetReservations(nodeClass *v1alpha1.OciNodeClass) {
	nodeClass.Status.CapacityReservations = nil
	// It fails for conditions that Ready waits for only, and this is none.
	_ = nodeClass.StatusConditions().Clear(v1alpha1.ConditionTypeCapacityReservationsReady)
}

// resolveReservations takes each term by itself: a reservation that has ended must not take the others with it.
func (c *StatusController) resolveReservations(ctx context.Context, nodeClass *v1alpha1.OciNodeClass, _ *cluster.Cluster) (string, error) {
	var found []v1alpha1.CapacityReservation
	var problems []string
	for _, term := range nodeClass.Spec.Placement.CapacityReservationSelector {
		some, err := c.Placement.CapacityReservations(ctx, []v1alpha1.PlacementSelectorTerm{term}, nodeClass.CompartmentIDOr(c.CompartmentID))
		var unresolved *selection.UnresolvedError
		switch {
		case errors.As(err, &unresolved):
			problems = append(problems, unresolved.Message)
		case err != nil:
			return "", err // what was found before stays good
		}
		found = append(found, some...)
	}
	found = lo.UniqBy(found, func(r v1alpha1.CapacityReservation) string { return r.ID })
	slices.SortFunc(found, func(a, b v1alpha1.CapacityReservation) int { return cmp.Compare(a.ID, b.ID) })
	nodeClass.Status.CapacityReservations = orNil(found)
	problems = append(problems, outOfReach(nodeClass, found)...)
	if len(problems) > 0 {
		return "", selection.Unresolved("%s; nodes of other capacity types are launched all the same", strings.Join(problems, "; "))
	}
	return "", nil
}

// outOfReach finds the reservations that no node of the class can use, whatever the NodePool says: they lie where the class has no subnet,
// or in fault domains that it rules out.
func outOfReach(nodeClass *v1alpha1.OciNodeClass, found []v1alpha1.CapacityReservation) (problems []string) {
	domains := lo.Map(nodeClass.Status.Subnets, func(s v1alpha1.Subnet, _ int) string { return s.AvailabilityDomain })
	everywhere := len(domains) == 0 || slices.Contains(domains, "")
	for i := range found {
		r := &found[i]
		if !everywhere && !slices.Contains(domains, r.AvailabilityDomain) {
			problems = append(problems, fmt.Sprintf("the capacity reservation %q is in %s, where subnetSelector finds no subnet; add a subnet there or select another reservation",
				r.Name, r.AvailabilityDomain))
			continue
		}
		allowed := nodeClass.Spec.Placement.FaultDomains
		if len(allowed) > 0 && len(r.Shapes) > 0 && lo.EveryBy(r.Shapes, func(s v1alpha1.ReservedShape) bool {
			return s.FaultDomain != "" && !slices.Contains(allowed, s.FaultDomain)
		}) {
			problems = append(problems, fmt.Sprintf("the capacity reservation %q is in fault domains other than %s; change placement.faultDomains or select another reservation",
				r.Name, strings.Join(allowed, " and ")))
		}
	}
	return problems
}
