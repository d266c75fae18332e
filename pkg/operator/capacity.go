package operator

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
)

// ipFamilies are the cluster's; nil before it was read.
func (o *Operator) ipFamilies() []string {
	if current := o.Cluster.Get(); current != nil {
		return current.IPFamilies
	}
	return nil
}

// selectedReservations are the capacity reservations that node classes resolve to.
type selectedReservations struct{ kube client.Reader }

// Reservations implements reservation.Selected.
func (s selectedReservations) Reservations(ctx context.Context) ([]string, error) {
	classes := &v1alpha1.OciNodeClassList{}
	if err := s.kube.List(ctx, classes); err != nil {
		return nil, fmt.Errorf("listing OciNodeClasses: %w", err)
	}
	ids := map[string]struct{}{}
	for i := range classes.Items {
		for _, r := range classes.Items[i].Status.CapacityReservations {
			ids[r.ID] = struct{}{}
		}
	}
	return slices.Sorted(maps.Keys(ids)), nil
}
