package metrics

import (
	"context"
	"errors"
	"fmt"
	"math"

	"sigs.k8s.io/karpenter/pkg/cloudprovider"
	"sigs.k8s.io/karpenter/pkg/scheduling"

	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/capacity"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/instancetype"
)

// place is where and how a shape is bought; sizes are summed up, of which there are hundreds.
type place struct{ shape, zone, capacityType string }

func (p place) labels() map[string]string {
	return map[string]string{labelShape: p.shape, labelZone: p.zone, labelCapacityType: p.capacityType}
}

// offered is what NodePools are offered in a place.
type offered struct {
	available map[string]bool // names of instance types
	lowest    float64
}

// offerings sums up over all NodePools what each of them allows. A NodePool that can not be listed is left out, and reported.
func (c *Controller) offerings(ctx context.Context) (map[string]series, error) {
	pools := &karpv1.NodePoolList{}
	if err := c.Kube.List(ctx, pools); err != nil {
		return nil, fmt.Errorf("listing NodePools: %w", err)
	}
	var errs []error
	places := map[place]*offered{}
	for k := range pools.Items {
		types, err := c.InstanceTypes.GetInstanceTypes(ctx, &pools.Items[k])
		switch {
		case cloudprovider.IsNodeClassNotReadyError(err), cloudprovider.IsUnevaluatedNodePoolError(err), errors.Is(err, instancetype.ErrNotLoaded):
		case err != nil:
			errs = append(errs, fmt.Errorf("NodePool %s: %w", pools.Items[k].Name, err))
		default:
			add(places, &pools.Items[k], types)
		}
	}
	out := map[string]series{}
	for p, o := range places {
		out[p.shape] = append(out[p.shape], series{
			{GaugeMetric: offeringsAvailable, Value: float64(len(o.available)), Labels: p.labels()},
			{GaugeMetric: offeringsPrice, Value: o.lowest, Labels: p.labels()},
		}...)
	}
	for of, marks := range count(c.Marks.Entries()) {
		labels := of.place.labels()
		labels[labelReason] = string(of.reason)
		out[of.place.shape] = append(out[of.place.shape], series{{GaugeMetric: offeringsUnavailable, Value: float64(marks), Labels: labels}}...)
	}
	return out, errors.Join(errs...)
}

// add takes the offerings that a NodePool's requirements allow.
func add(places map[place]*offered, pool *karpv1.NodePool, types []*cloudprovider.InstanceType) {
	allowed := scheduling.NewNodeSelectorRequirementsWithMinValues(pool.Spec.Template.Spec.Requirements...)
	for _, it := range types {
		if it.Requirements.Intersects(allowed) != nil {
			continue
		}
		for _, o := range it.Offerings {
			if !allowed.IsCompatible(o.Requirements, scheduling.AllowUndefinedWellKnownLabels) {
				continue
			}
			at := place{shape: it.Requirements.Get(v1alpha1.LabelInstanceShapeName).Any(), zone: o.Zone(), capacityType: o.CapacityType()}
			sum := places[at]
			if sum == nil {
				sum = &offered{available: map[string]bool{}, lowest: math.Inf(1)}
				places[at] = sum
			}
			sum.lowest = min(sum.lowest, o.Price)
			if o.Launchable() {
				sum.available[it.Name] = true
			}
		}
	}
}

type marked struct {
	place  place
	reason capacity.Reason
}

func count(entries []capacity.Entry) map[marked]int {
	out := map[marked]int{}
	for k := range entries {
		e := &entries[k]
		out[marked{place{shape: e.Shape, zone: e.Zone, capacityType: e.CapacityType}, e.Reason}]++
	}
	return out
}
