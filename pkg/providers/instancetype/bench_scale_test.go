package instancetype_test

import (
	"fmt"
	"syscall"
	"testing"

	"github.com/samber/lo"
	"github.com/stretchr/testify/require"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/instancetype"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/shape"
)

// cpuTime reports what a benchmark used of the processors, which says more than the clock on a machine that others use too. Call the
// result at the end.
func cpuTime(b *testing.B) (report func()) {
	used := func() int64 {
		var u syscall.Rusage
		require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
		return u.Utime.Nano() + u.Stime.Nano()
	}
	before := used()
	return func() { b.ReportMetric(float64(used()-before)/float64(b.N), "cpu-ns/op") }
}

// BenchmarkRebuildByCatalogue makes everything anew from half of the catalogue and from all of it: cost must be linear.
func BenchmarkRebuildByCatalogue(b *testing.B) {
	for _, part := range []struct {
		name string
		keep func(*shape.Shape) bool
	}{
		{"half", func() func(*shape.Shape) bool {
			n := 0
			return func(*shape.Shape) bool { n++; return n%2 == 0 }
		}()},
		{"whole", func(*shape.Shape) bool { return true }},
	} {
		b.Run(part.name, func(b *testing.B) {
			e := newEnv(b)
			e.shapes.snapshot = snapshot(b, 2, func(s *shape.Shape) *shape.Shape {
				if !part.keep(s) {
					return nil
				}
				return s
			})
			nc, np := nodeClass(), nodePool()
			b.ReportAllocs()
			report := cpuTime(b)
			for b.Loop() {
				e.provider = instancetype.NewProvider(instancetype.Dependencies{Shapes: e.shapes, Prices: e.prices, Unavailable: e.unavailable}, instancetype.Settings{Region: "phx"})
				e.list(b, nc, np)
			}
			report()
			b.ReportMetric(float64(len(e.shapes.snapshot.Shapes())), "shapes")
		})
	}
}

// BenchmarkNodeClasses lists for as many NodeClasses as there are distinct parameters, and for 50 that share them: the second must cost
// no more than the first.
func BenchmarkNodeClasses(b *testing.B) {
	for _, n := range []int{2, 50} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			e := newEnv(b)
			np := nodePool()
			classes := lo.Times(n, func(i int) *v1alpha1.OciNodeClass {
				return nodeClass(func(nc *v1alpha1.OciNodeClass) {
					nc.Name = fmt.Sprint("class-", i)
					nc.Spec.BootConfig = &v1alpha1.BootConfig{BootVolumeSizeInGBs: lo.ToPtr(int64(50 + i%2))}
				})
			})
			b.ReportAllocs()
			report := cpuTime(b)
			for b.Loop() {
				e.provider = instancetype.NewProvider(instancetype.Dependencies{Shapes: e.shapes, Prices: e.prices, Unavailable: e.unavailable}, instancetype.Settings{Region: "phx"})
				for _, nc := range classes {
					e.list(b, nc, np)
				}
			}
			report()
		})
	}
}
