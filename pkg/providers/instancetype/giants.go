package instancetype

import "slices"

// withoutGiants leaves out what is larger than every size of the cheap flexible shapes.
//
// Core puts pods onto a new node as long as any type still holds them all, whatever that type costs. A burst of pods therefore fills the
// largest type of the NodePool. Where that is a bare-metal machine, all of it is paid for; where it is of a dear shape, all pods pay the
// dear price (measured in designs/0004-instance-types.md). So the largest types must be cheap ones: a type is offered when some size of a
// flexible shape in the first tier has at least its vCPUs and its memory. Where the requirements leave no flexible shape, nothing is left
// out.
func withoutGiants(fixed, sizable []family) (smallFixed, smallSizable []family) {
	var largest []*cell
	for i, f := range sizable {
		if shareOf(i, sizable).tier == tiers[0] {
			largest = append(largest, maximal(f.cells)...)
		}
	}
	if len(largest) == 0 {
		return fixed, sizable
	}
	small := func(families []family) []family {
		out := make([]family, 0, len(families))
		for _, f := range families {
			f.cells = slices.DeleteFunc(slices.Clone(f.cells), func(c *cell) bool {
				return !slices.ContainsFunc(largest, func(l *cell) bool { return l.holds(c) })
			})
			if len(f.cells) > 0 {
				out = append(out, f)
			}
		}
		return out
	}
	return small(fixed), small(sizable)
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
