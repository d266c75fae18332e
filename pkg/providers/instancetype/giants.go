package instancetype

import "slices"

// withoutGiants leaves out what is larger than the cheap flexible shapes can be.
//
// Core puts pods onto a new node as long as any type still holds them all, whatever that type costs. A burst of pods therefore fills the
// largest type of the NodePool. Where that is a bare-metal machine, all of it is paid for; where it is of a dear shape, all pods pay the
// dear price (measured in designs/0004-instance-types.md). So whatever is on a node must still fit the cheap shapes: a type is offered when
// every flexible shape of the first tier has a size with at least its vCPUs and its memory. Every one, because which of them is the
// cheapest depends on how much memory the pods want to a vCPU. A shape that ends below what is offered whatever the limits are does not
// count. Where the requirements leave no flexible shape, nothing is left out.
func withoutGiants(fixed, sizable []family) (smallFixed, smallSizable []family) {
	var largest [][]*cell
	for i, f := range sizable {
		sizes := maximal(f.cells)
		if shareOf(i, sizable).tier == tiers[0] && slices.ContainsFunc(sizes, isLarge) {
			largest = append(largest, sizes)
		}
	}
	if len(largest) == 0 {
		return fixed, sizable
	}
	giant := func(c *cell) bool {
		return slices.ContainsFunc(largest, func(sizes []*cell) bool {
			return !slices.ContainsFunc(sizes, func(size *cell) bool { return size.holds(c) })
		})
	}
	small := func(families []family) []family {
		out := make([]family, 0, len(families))
		for _, f := range families {
			f.cells = slices.DeleteFunc(slices.Clone(f.cells), giant)
			if len(f.cells) > 0 {
				out = append(out, f)
			}
		}
		return out
	}
	return small(fixed), small(sizable)
}

func isLarge(c *cell) bool {
	return c.vcpus >= alwaysOfferedVCPUs && c.memoryGB >= alwaysOfferedMemoryGB
}

// holds says whether a cell has at least another's vCPUs and memory.
func (c *cell) holds(other *cell) bool { return c.vcpus >= other.vcpus && c.memoryGB >= other.memoryGB }

// maximal are the cells of one family that no other cell of it holds.
func maximal(cells []*cell) (out []*cell) {
	for _, c := range cells {
		if !slices.ContainsFunc(cells, func(other *cell) bool { return other != c && other.holds(c) }) {
			out = append(out, c)
		}
	}
	return out
}
