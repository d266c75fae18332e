package pricing

import (
	"strings"

	"github.com/karpenter-oke/karpenter-oke/pkg/providers/shape"
)

// lastResort prices a shape in US dollars per OCPU and GB when not even a relative has a price, which no shape of today needs. They are the highest
// unit prices of the list (DenseIO X7, A4 memory): a wrong price should rather keep karpenter from buying than make it buy.
const (
	lastResortPerOCPU = 0.1275
	lastResortPerGB   = 0.0027
	lastResortPerGPU  = 16
)

// nearest prices a shape that has no price by the row of its closest relative: a GPU shape by GPU rows, others by rows of the same
// processor maker where there are any, flexible shapes by rows that price memory apart, then by the longest common beginning of the names.
// Among equals the dearest counts.
func (b *book) nearest(s *shape.Shape, ocpus, memoryGB float64, baseline Baseline) float64 {
	best, bestScore := 0.0, -1
	name := withoutClass(s.Name)
	for i := range b.rows {
		r := &b.rows[i]
		isGPU := b.price(r.gpu) > 0
		if !r.priced(b) || isGPU != (s.GPUs > 0) {
			continue
		}
		if s.Flexible && !isGPU && b.price(r.memory) == 0 {
			continue // its price includes memory, which is right for fixed sizes only
		}
		score := commonPrefix(name, withoutClass(r.pattern))
		if !isGPU && s.CPUManufacturer != "" && makerOf(r.pattern) == s.CPUManufacturer {
			score += len(name) // outweighs any similarity of names
		}
		price := b.instance(r, s, ocpus, memoryGB, baseline)
		if score > bestScore || (score == bestScore && price > best) {
			best, bestScore = price, score
		}
	}
	switch {
	case best > 0:
		return best
	case s.GPUs > 0:
		return float64(s.GPUs) * lastResortPerGPU * b.rate
	default:
		return (max(ocpus, 1)*lastResortPerOCPU + memoryGB*lastResortPerGB) * b.rate
	}
}

// withoutClass cuts VM., BM. or *. off a shape's name or pattern, and the pattern's tail.
func withoutClass(name string) string {
	if _, rest, ok := strings.Cut(name, "."); ok {
		name = rest
	}
	return strings.TrimSuffix(name, "*")
}

func commonPrefix(a, b string) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

// makerOf tells the processor maker from the generation in a row's pattern: E is AMD's, A is Ampere's, a bare number or B is Intel's.
func makerOf(pattern string) string {
	model := withoutClass(pattern)
	_, generation, ok := strings.Cut(model, ".")
	switch {
	case !ok || generation == "" || generation[0] == 'B' || (generation[0] >= '0' && generation[0] <= '9'):
		return "intel"
	case generation[0] == 'E':
		return "amd"
	case generation[0] == 'A':
		return "ampere"
	default:
		return ""
	}
}
