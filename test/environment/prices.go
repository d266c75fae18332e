package environment

import (
	"fmt"

	"github.com/karpenter-oke/karpenter-oke/pkg/providers/pricing"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/shape"
	"github.com/karpenter-oke/karpenter-oke/test/ocisim"
	"github.com/karpenter-oke/karpenter-oke/test/ocisim/data"
)

// virtualPodShape is the compute shape at whose prices virtual pods are billed (facts of Oracle's price list: Pod.Standard.E4.Flex
// uses the parts of E4).
const virtualPodShape = "VM.Standard.E4.Flex"

// virtualNodeHour is the price of a virtual node itself in US dollars per hour (part B96109).
const virtualNodeHour = 0.015

// billed is what virtual nodes are charged for: whole OCPUs and GB of their pods, as OKE rounds them.
type billed struct {
	Nodes    int
	OCPUs    float64
	MemoryGB float64
}

// prices computes list prices in US dollars per hour.
type prices struct {
	list    pricing.Provider
	shapes  map[string]*shape.Shape
	charges func() billed
}

func newPrices(charges func() billed) (*prices, error) {
	list, err := pricing.NewProvider(pricing.Settings{})
	if err != nil {
		return nil, fmt.Errorf("reading the price list: %w", err)
	}
	records, err := data.Shapes()
	if err != nil {
		return nil, fmt.Errorf("reading the shapes: %w", err)
	}
	p := &prices{list: list, shapes: map[string]*shape.Shape{}, charges: charges}
	for _, r := range records {
		if s, ok := shape.FromRecord(r, nil); ok {
			p.shapes[s.Name] = s
		}
	}
	return p, nil
}

// compute is what an instance costs now without its volumes; it is paid for until the instance terminates.
func (p *prices) compute(i *ocisim.Instance) float64 {
	s, known := p.shapes[i.Shape]
	if !known || i.State == "TERMINATED" || i.State == "TERMINATING" {
		return 0
	}
	perHour, _ := p.list.OnDemand(s, i.OCPUs, i.MemoryGB, pricing.Baseline(i.Baseline))
	if i.Preemptible {
		perHour, _ = p.list.Spot(s, i.OCPUs, i.MemoryGB)
	}
	return perHour
}

// volume is what a boot or block volume costs; it is paid for until it is gone, whatever becomes of its instance.
func (p *prices) volume(v ocisim.Volume) float64 {
	return p.list.BlockStorage(v.SizeGB, v.SizeGB*v.VPUsPerGB)
}

// virtual is what the virtual nodes and their pods cost now.
func (p *prices) virtual() float64 {
	b := p.charges()
	total := virtualNodeHour * float64(b.Nodes)
	if s, known := p.shapes[virtualPodShape]; known && b.OCPUs > 0 {
		compute, _ := p.list.OnDemand(s, b.OCPUs, b.MemoryGB, pricing.BaselineFull)
		total += compute
	}
	return total
}
