package cost

import (
	"testing"
	"github.com/stretchr/testify/require"
	"github.com/karpenter-oke/karpenter-oke/test/bench/world"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/pricing"
)

func TestTmpNodes(t *testing.T) {
	for _, pool := range Pools() {
		if pool.Name == "E5 only" { continue }
		for _, i := range []int{1,4} {
			_, w, err := Play(t.Context(), world.Options{Requirements: pool.Requirements}, Traces()[i])
			require.NoError(t, err)
			for _, n := range w.Nodes() {
				t.Logf("%s %-14s %s %.3f", pool.Name, Traces()[i].Name, n.InstanceType, n.PricePerHour)
			}
		}
	}
	w, _ := world.New(world.Options{})
	ss, _ := Shapes(t.Context(), w)
	for _, s := range ss {
		p, _ := w.Prices.OnDemand(s, 1, 0, pricing.BaselineFull)
		g, _ := w.Prices.OnDemand(s, 1, 1, pricing.BaselineFull)
		t.Log(s.Name, s.OCPURange, s.MemoryRange, s.MemoryPerOCPU, s.VCPUsPerOCPU, "per vcpu", p/float64(s.VCPUsPerOCPU), "gb", g-p)
	}
	its, _ := w.InstanceTypes(t.Context())
	for _, it := range its { sz, _ := w.Types.Size(it.Name); s,_ := w.Shapes.Snapshot().Shape(sz.ShapeName); if !s.Flexible { p,_ := w.Prices.OnDemand(s, s.OCPUs, s.MemoryGB, pricing.BaselineFull); t.Log(it.Name, it.Capacity.Cpu(), sz.MemoryGB, p) } }
}
