package cost

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/karpenter-oke/karpenter-oke/pkg/providers/instancetype/resources"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/pricing"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/shape"
	"github.com/karpenter-oke/karpenter-oke/test/bench/world"
)

// Bounds are prices in dollars an hour that no set of nodes can undercut.
type Bounds struct {
	// Requests is the bound on what pods ask for: every pod's vCPUs and GB at the unit prices of the shape on which it is cheapest, as if
	// machines could be had in any fraction, lost nothing and needed no disk.
	Requests float64
	// Nodes is the bound on nodes: the same at the unit prices that the best whole machines of the shape come to, when all of their
	// allocatable less DaemonSets is used and the boot volume is paid. What lies between the two, every provider's nodes pay.
	Nodes float64
}

// offer is what a machine gives to pods, and its price.
type offer struct{ vcpus, gb, price float64 }

// units are prices of a vCPU and of a GB.
type units struct{ perVCPU, perGB float64 }

func (u units) of(vcpus, gb float64) float64 { return u.perVCPU*vcpus + u.perGB*gb }

// boundsOf computes the bounds for the pods of a trace on the shapes that the World's NodePool may use.
func boundsOf(ctx context.Context, w *world.World, t Trace) (Bounds, error) {
	usable, err := Shapes(ctx, w)
	if err != nil {
		return Bounds{}, err
	}
	vcpus, gb := t.total()
	var ideal, real []units
	for _, s := range usable {
		ideal = append(ideal, listed(w, s))
		real = append(real, worth(machines(w, s), vcpus, gb))
	}
	b := Bounds{}
	for _, wave := range t.Waves {
		for _, r := range wave {
			vcpus, gb := float64(r.CPUMillis)/1000, float64(r.MemoryMiB)/1024
			b.Requests += leastOf(ideal, vcpus, gb)
			b.Nodes += leastOf(real, vcpus, gb)
		}
	}
	return b, nil
}

func leastOf(all []units, vcpus, gb float64) float64 {
	least := math.Inf(1)
	for _, u := range all {
		least = min(least, u.of(vcpus, gb))
	}
	return least
}

// Shapes are the flexible shapes among the types that the NodePool is offered, and whose price is known: a guess says nothing about what
// could be had. Fixed shapes are no cheaper and come in few sizes.
func Shapes(ctx context.Context, w *world.World) ([]*shape.Shape, error) {
	types, err := w.InstanceTypes(ctx)
	if err != nil {
		return nil, err
	}
	var out []*shape.Shape
	for _, it := range types {
		size, ok := w.Types.Size(it.Name)
		if !ok {
			return nil, fmt.Errorf("instance type %s has no size", it.Name)
		}
		s, ok := w.Shapes.Snapshot().Shape(size.ShapeName)
		if !ok || !s.Flexible || len(s.Sizes) > 0 || slices.Contains(out, s) {
			continue
		}
		if _, known := w.Prices.OnDemand(s, size.OCPUs, size.MemoryGB, pricing.BaselineFull); known {
			out = append(out, s)
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("the NodePool is offered no flexible shape")
	}
	return out, nil
}

// ratios are the least and the most GB an OCPU of a shape.
func ratios(s *shape.Shape) (least, most float64) {
	least, most = s.MemoryPerOCPU.Min, s.MemoryPerOCPU.Max
	if least <= 0 {
		least = 1
	}
	if most <= 0 {
		most = s.MemoryRange.Max / s.OCPURange.Min
	}
	return least, most
}

// listed are a shape's unit prices in the price list, which are linear.
func listed(w *world.World, s *shape.Shape) units {
	none, _ := w.Prices.OnDemand(s, 1, 0, pricing.BaselineFull)
	one, _ := w.Prices.OnDemand(s, 1, 1, pricing.BaselineFull)
	return units{none / float64(s.VCPUsPerOCPU), one - none}
}

// machines are all sizes of a shape in whole OCPUs and GB.
func machines(w *world.World, s *shape.Shape) []offer {
	daemons, _ := world.DaemonRequests()
	least, most := ratios(s)
	disk, price := w.BootVolumePerHour(), listed(w, s)
	var out []offer
	for ocpus := math.Ceil(s.OCPURange.Min); ocpus <= s.OCPURange.Max; ocpus++ {
		compute := price.of(float64(s.VCPUs(ocpus)), 0)
		for gb := math.Ceil(max(least*ocpus, s.MemoryRange.Min)); gb <= min(most*ocpus, s.MemoryRange.Max); gb++ {
			cpuMillis, bytes, _ := resources.Remaining(resources.Machine{VCPUs: s.VCPUs(ocpus), MemoryGB: gb, BootVolumeGB: 50}, resources.Kubelet{})
			o := offer{
				float64(cpuMillis-daemons.CPUMillis) / 1000, float64(bytes-daemons.MemoryMiB<<20) / (1 << 30), compute + gb*price.perGB + disk,
			}
			if o.vcpus > 0 && o.gb > 0 {
				out = append(out, o)
			}
		}
	}
	return out
}

// worth are the unit prices at which so many vCPUs and GB are worth the most while no offer gives more worth than it costs. By duality
// that worth is the price of the cheapest mix of the offers, any fraction of each, that gives them. Along the angle between the two unit
// prices it rises and then falls, so a golden-section search finds the top; every angle's worth is a bound, the top is the best one.
func worth(offers []offer, vcpus, gb float64) units {
	at := func(angle float64) units {
		u := units{math.Cos(angle), math.Sin(angle)}
		scale := math.Inf(1)
		for _, o := range offers {
			scale = min(scale, o.price/u.of(o.vcpus, o.gb))
		}
		return units{scale * u.perVCPU, scale * u.perGB}
	}
	const golden = 0.6180339887498949
	low, high := 0.0, math.Pi/2
	a, b := high-golden*(high-low), low+golden*(high-low)
	ua, ub := at(a), at(b)
	for range 40 { // 1e-8 of the angle
		if ua.of(vcpus, gb) < ub.of(vcpus, gb) {
			low, a, ua = a, b, ub
			b = low + golden*(high-low)
			ub = at(b)
		} else {
			high, b, ub = b, a, ua
			a = high - golden*(high-low)
			ua = at(a)
		}
	}
	return ua
}
