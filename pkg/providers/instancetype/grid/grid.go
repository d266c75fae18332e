// Package grid chooses the sizes at which a flexible shape is offered.
//
// A flexible shape can have thousands of sizes and core's scheduler slows down with the number of types, so only some are offered. They
// stand in one list in order of usefulness: the first n points of the list are the best n points, for every n. A caller that can afford few
// points takes a short beginning, one that can afford many takes a long one, and every point of the short grid is in the long one. The
// order is measured (see the measure command and designs/0004-instance-types.md), not chosen by hand.
package grid

import (
	"math"
	"slices"

	"github.com/karpenter-oke/karpenter-oke/pkg/providers/shape"
)

//go:generate go run ./measure -out points_generated.go

// Point is a size in Kubernetes' terms, so that one list serves processors with one and with two vCPUs an OCPU.
type Point struct {
	VCPUs    int
	MemoryGB int
}

// Size is a point on a certain shape, in OCI's terms.
type Size struct {
	OCPUs    float64
	MemoryGB float64
	// Rank is the point's place in the order of usefulness; 0 is the most useful.
	Rank int
}

// Len is how many points the list has.
func Len() int { return len(points) }

// Sizes are the points that a flexible shape can have, most useful first. A shape with documented sizes has all of those, at rank 0.
func Sizes(s *shape.Shape) []Size {
	if len(s.Sizes) > 0 {
		sizes := make([]Size, 0, len(s.Sizes))
		for _, f := range s.Sizes {
			sizes = append(sizes, Size{OCPUs: f.OCPUs, MemoryGB: f.MemoryGB})
		}
		return sizes
	}
	if s.VCPUsPerOCPU <= 0 {
		return nil
	}
	sizes := make([]Size, 0, len(points))
	for rank, p := range points {
		if p.VCPUs%s.VCPUsPerOCPU != 0 {
			continue // OCPUs are whole: fractions would make type names collide and cannot be billed
		}
		ocpus, memoryGB := float64(p.VCPUs/s.VCPUsPerOCPU), float64(p.MemoryGB)
		if s.Offers(ocpus, memoryGB) && !s.IsExtended(ocpus, memoryGB) {
			sizes = append(sizes, Size{OCPUs: ocpus, MemoryGB: memoryGB, Rank: rank})
		}
	}
	return sizes
}

// extendedSteps are the memory sizes of extended-memory instances: that many steps from what one socket has to the most.
const extendedSteps = 3

// Extended are the sizes of a flexible shape beyond one processor socket, none for most shapes. They are few: at each of some amounts of memory
// the least OCPUs that go with it, and at the greatest all of them; a size that is fitted at launch is cut to measure. All have rank 0, since who
// asks for them means them.
func Extended(s *shape.Shape) []Size {
	x := s.Extended
	if x == nil {
		return nil
	}
	var sizes []Size
	add := func(ocpus, memoryGB float64) {
		size := Size{OCPUs: ocpus, MemoryGB: memoryGB}
		if s.IsExtended(ocpus, memoryGB) && s.Offers(ocpus, memoryGB) && !slices.Contains(sizes, size) {
			sizes = append(sizes, size)
		}
	}
	for step := 1; step <= extendedSteps; step++ {
		memoryGB := math.Floor(s.MemoryRange.Max + (x.MaxMemoryGB-s.MemoryRange.Max)*float64(step)/extendedSteps)
		add(max(x.OCPURange.Min, math.Ceil(memoryGB/s.MemoryPerOCPU.Max)), memoryGB)
		add(s.OCPURange.Max, memoryGB)
	}
	add(x.OCPURange.Max, s.MemoryRange.Max)
	add(x.OCPURange.Max, x.MaxMemoryGB)
	return sizes
}
