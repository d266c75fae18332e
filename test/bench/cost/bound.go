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
	// Requests is the bound on what pods ask for: the same vCPUs and GB at the cheapest unit prices, as if machines could be had in any
	// fraction, lost nothing and needed no disk.
	Requests float64
	// Nodes is the bound on nodes: the cheapest mix of whole machines, cut as finely as one likes, whose allocatable less DaemonSets is what
	// the pods ask for, boot volumes included. What lies between the two, every provider's nodes pay.
	Nodes float64
}

// offer is what a machine gives to pods, and its price.
type offer struct{ vcpus, gb, price float64 }

// boundsOf computes the bounds for pods that ask for so much in total, on the shapes that the World's NodePool may use.
func boundsOf(ctx context.Context, w *world.World, vcpus, gb float64) (Bounds, error) {
	usable, err := Shapes(ctx, w)
	if err != nil {
		return Bounds{}, err
	}
	var ideal, real []offer
	for _, s := range usable {
		ideal = append(ideal, idealOffers(w, s)...)
		real = append(real, realOffers(w, s)...)
	}
	return Bounds{Requests: cheapest(ideal, vcpus, gb), Nodes: cheapest(real, vcpus, gb)}, nil
}

// Shapes are the flexible shapes among the types that the NodePool is offered. Fixed shapes are no cheaper and come in few sizes.
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
		if ok && s.Flexible && len(s.Sizes) == 0 && !slices.Contains(out, s) {
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

// idealOffers are one OCPU with the least and with the most memory. Prices are linear, so these two stand for all sizes.
func idealOffers(w *world.World, s *shape.Shape) []offer {
	least, most := ratios(s)
	out := make([]offer, 0, 2)
	for _, gb := range []float64{least, most} {
		price, _ := w.Prices.OnDemand(s, 1, gb, pricing.BaselineFull)
		out = append(out, offer{float64(s.VCPUsPerOCPU), gb, price})
	}
	return out
}

// realOffers are all sizes of whole OCPUs and GB.
func realOffers(w *world.World, s *shape.Shape) []offer {
	daemons, _ := world.DaemonRequests()
	least, most := ratios(s)
	disk := w.BootVolumePerHour()
	var out []offer
	for ocpus := math.Ceil(s.OCPURange.Min); ocpus <= s.OCPURange.Max; ocpus++ {
		none, _ := w.Prices.OnDemand(s, ocpus, 0, pricing.BaselineFull)
		perGB, _ := w.Prices.OnDemand(s, ocpus, 1, pricing.BaselineFull)
		perGB -= none
		for gb := math.Ceil(max(least*ocpus, s.MemoryRange.Min)); gb <= min(most*ocpus, s.MemoryRange.Max); gb++ {
			cpuMillis, bytes, _ := resources.Remaining(resources.Machine{VCPUs: s.VCPUs(ocpus), MemoryGB: gb, BootVolumeGB: 50}, resources.Kubelet{})
			o := offer{
				float64(cpuMillis-daemons.CPUMillis) / 1000, float64(bytes-daemons.MemoryMiB<<20) / (1 << 30), none + gb*perGB + disk,
			}
			if o.vcpus > 0 && o.gb > 0 {
				out = append(out, o)
			}
		}
	}
	return out
}

// cheapest is the price of the cheapest mix of offers, any fraction of each, that gives so many vCPUs and GB. By duality it is the largest
// value that unit prices can give to what is wanted while no offer gives more value than it costs. Along the angle between the two unit
// prices that value rises and then falls, so a golden-section search finds the top; every angle's value is a bound, the top the best one.
func cheapest(offers []offer, vcpus, gb float64) float64 {
	value := func(angle float64) float64 {
		perVCPU, perGB := math.Cos(angle), math.Sin(angle)
		scale := math.Inf(1)
		for _, o := range offers {
			scale = min(scale, o.price/(perVCPU*o.vcpus+perGB*o.gb))
		}
		return scale * (perVCPU*vcpus + perGB*gb)
	}
	const golden = 0.6180339887498949
	low, high := 0.0, math.Pi/2
	a, b := high-golden*(high-low), low+golden*(high-low)
	va, vb := value(a), value(b)
	for range 40 { // 1e-8 of the angle
		if va < vb {
			low, a, va = a, b, vb
			b = low + golden*(high-low)
			vb = value(b)
		} else {
			high, b, vb = b, a, va
			a = high - golden*(high-low)
			va = value(a)
		}
	}
	return max(va, vb)
}
