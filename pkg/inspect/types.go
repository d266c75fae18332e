package inspect

import (
	"cmp"
	"context"
	"math"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/karpenter/pkg/cloudprovider"
	"sigs.k8s.io/karpenter/pkg/scheduling"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/instancetype"
)

// Types lists what a NodePool could launch: the types and offerings that its requirements allow, cheapest first. A NodePool that
// does not exist is an *unknownName.
func (i *Inspector) Types(ctx context.Context, nodePoolName string) (*Types, error) {
	nodePool, err := i.nodePool(ctx, nodePoolName)
	if err != nil {
		return nil, err
	}
	out := &Types{NodePool: nodePool.Name, Currency: i.Prices.Currency(), Types: []Type{}}
	if ref := nodePool.Spec.Template.Spec.NodeClassRef; ref != nil {
		out.NodeClass = ref.Name
	}
	if out.Notes, err = i.unready(ctx, nodePool); err != nil || out.NodeClass == "" {
		return out, err
	}
	daemons, err := i.daemons(ctx)
	if err != nil {
		return nil, err
	}
	list, err := i.listTypes(ctx, nodePool)
	if err != nil {
		return nil, err
	}
	c := newCandidate(nodePool, list, daemons)
	out.Daemons = c.everywhere()
	for _, it := range list {
		if it.Requirements.Intersects(c.template.Requirements) != nil {
			continue
		}
		if t := i.typeOf(it, c.template.Requirements); len(t.Offerings) > 0 {
			t.Daemons = c.overhead(it)
			out.Types = append(out.Types, t)
		}
	}
	slices.SortStableFunc(out.Types, func(a, b Type) int {
		return cmp.Or(cmp.Compare(a.cheapest(), b.cheapest()), strings.Compare(a.Name, b.Name))
	})
	return out, nil
}

// typeOf puts a type into the form of the answer, with the offerings that the requirements allow.
func (i *Inspector) typeOf(it *cloudprovider.InstanceType, requirements scheduling.Requirements) Type {
	size, known := i.Sizes.Size(it.Name)
	if !known { // its shape has left the region; what labels say is all there is
		size = instancetype.Size{ShapeName: label(it, v1alpha1.LabelInstanceShapeName)}
	}
	t := Type{
		Name: it.Name, Shape: size.ShapeName, Arch: label(it, corev1.LabelArchStable), OCPUs: size.OCPUs, MemoryGB: size.MemoryGB,
		VCPUs: number(label(it, v1alpha1.LabelInstanceCPU)), Baseline: number(label(it, v1alpha1.LabelBaselineOCPUUtilization)),
		GPUs: number(label(it, v1alpha1.LabelInstanceGPU)), GPU: label(it, v1alpha1.LabelInstanceGPUName),
		Capacity: it.Capacity, Allocatable: it.Allocatable(), Offerings: []Offering{},
	}
	for _, o := range it.Offerings {
		if !requirements.IsCompatible(o.Requirements, scheduling.AllowUndefinedWellKnownLabels) {
			continue
		}
		offering := Offering{Zone: o.Zone(), CapacityType: o.CapacityType(), Price: o.Price, Available: o.Launchable()}
		if !offering.Available {
			offering.Reason, offering.Until = i.reasonOf(size, offering.Zone, offering.CapacityType)
		}
		t.Offerings = append(t.Offerings, offering)
	}
	slices.SortStableFunc(t.Offerings, func(a, b Offering) int {
		return cmp.Or(strings.Compare(a.CapacityType, b.CapacityType), strings.Compare(a.Zone, b.Zone))
	})
	return t
}

// cheapest is the lowest price of an offering that can be had; of all offerings when none can.
func (t *Type) cheapest() float64 {
	best, whole := math.MaxFloat64, math.MaxFloat64
	for _, o := range t.Offerings {
		whole = min(whole, o.Price)
		if o.Available {
			best = min(best, o.Price)
		}
	}
	if best == math.MaxFloat64 {
		return whole
	}
	return best
}

// label is the one value that an instance type has for a label; empty when the type does not have it.
func label(it *cloudprovider.InstanceType, key string) string {
	r := it.Requirements.Get(key)
	if r.Operator() != corev1.NodeSelectorOpIn || r.Len() != 1 {
		return ""
	}
	return r.Any()
}

// number reads a label of digits; others are 0.
func number(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil {
		return 0
	}
	return n
}
