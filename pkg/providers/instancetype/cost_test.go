package instancetype_test

import (
	"math"
	"testing"

	"github.com/samber/lo"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/cloudprovider"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/pricing"
)

// want is a node that a scheduler needs: vCPUs and GB.
type want struct{ vcpus, gb float64 }

// wants are nodes from 2 to 64 vCPUs with 1 to 16 GB a vCPU, most of them around 4: a sequence other than the one that ordered the grid
// (golden-ratio steps instead of radical inverses).
func wants() []want {
	out := make([]want, 0, 2000)
	const phi1, phi2 = 0.7548776662466927, 0.5698402909980532
	for i := 1; i <= cap(out); i++ {
		u, v := math.Mod(float64(i)*phi1, 1), math.Mod(float64(i)*phi2, 1)
		vcpus := 2 * math.Pow(32, u)
		out = append(out, want{vcpus, vcpus * 4 * math.Pow(2, min(max(math.Sqrt2*math.Erfinv(2*v-1), -2), 2))})
	}
	return out
}

// meanExcess is the mean price of the cheapest type that holds each want, above the bound of the same vCPUs and GB at the cheapest unit
// prices of the families given, without any rounding.
func meanExcess(t *testing.T, e *env, types []*cloudprovider.InstanceType, families ...string) float64 {
	t.Helper()
	type offer struct{ vcpus, gb, price float64 }
	offers := lo.Map(types, func(it *cloudprovider.InstanceType, _ int) offer {
		size, _ := e.provider.Size(it.Name)
		s, _ := e.shapes.snapshot.Shape(size.ShapeName)
		price, _ := e.prices.OnDemand(s, size.OCPUs, size.MemoryGB, pricing.BaselineFull)
		return offer{float64(it.Capacity.Cpu().Value()), size.MemoryGB, price}
	})
	total := 0.0
	for _, w := range wants() {
		bound := math.Inf(1)
		for _, name := range families {
			s, ok := e.shapes.snapshot.Shape(name)
			require.True(t, ok)
			price, _ := e.prices.OnDemand(s, w.vcpus/float64(s.VCPUsPerOCPU), w.gb, pricing.BaselineFull)
			bound = min(bound, price)
		}
		cheapest := math.Inf(1)
		for _, o := range offers {
			if o.vcpus >= w.vcpus && o.gb >= w.gb {
				cheapest = min(cheapest, o.price)
			}
		}
		if math.IsInf(cheapest, 1) {
			cheapest = 2 * bound // no type holds it: the node is split
		}
		total += cheapest/bound - 1
	}
	return total / float64(len(wants()))
}

// The sizes offered without any configuration must cost little more than made-to-measure ones, and less than what people configure by
// hand. Whole OCPUs and GB alone cost 11 % here.
func TestTheGridCostsLittleAboveMadeToMeasure(t *testing.T) {
	e := newEnv(t)
	amd := []string{"VM.Standard.E3.Flex", "VM.Standard.E4.Flex"}
	for _, tc := range []struct {
		says string
		np   *karpv1.NodePool
		max  float64
		by   []string
	}{
		{"no requirements", nodePool(), 0.28, append([]string{"VM.Standard.A1.Flex", "VM.Standard.A2.Flex", "VM.Standard.A4.Flex"}, amd...)},
		{"one architecture", nodePool(require1(corev1.LabelArchStable, corev1.NodeSelectorOpIn, "amd64")), 0.22, amd},
		{"one family", nodePool(require1(v1alpha1.LabelInstanceFamily, corev1.NodeSelectorOpIn, "VM.Standard.E5")), 0.16, []string{"VM.Standard.E5.Flex"}},
	} {
		excess := meanExcess(t, e, e.list(t, nodeClass(), tc.np), tc.by...)
		t.Logf("%-17s %5.1f %%", tc.says, 100*excess)
		require.Less(t, excess, tc.max, tc.says)
	}
	named := func(values ...string) []*cloudprovider.InstanceType {
		return e.list(t, nodeClass(), nodePool(require1(corev1.LabelInstanceTypeStable, corev1.NodeSelectorOpIn, values...)))
	}
	manual := named("VM.Standard.E5.Flex.2o.8g", "VM.Standard.E5.Flex.4o.16g")
	var powers []string
	for _, size := range []string{"1o.4g", "1o.8g", "1o.16g", "2o.8g", "2o.16g", "2o.32g", "4o.16g", "4o.32g", "4o.64g", "8o.32g", "8o.64g", "8o.128g", "16o.64g", "16o.128g", "16o.256g", "32o.128g", "32o.256g", "32o.512g"} {
		powers = append(powers, "VM.Standard.E5.Flex."+size)
	}
	ours := meanExcess(t, e, e.list(t, nodeClass(), nodePool(require1(v1alpha1.LabelInstanceFamily, corev1.NodeSelectorOpIn, "VM.Standard.E5"))), "VM.Standard.E5.Flex")
	byHand, byPowers := meanExcess(t, e, manual, "VM.Standard.E5.Flex"), meanExcess(t, e, named(powers...), "VM.Standard.E5.Flex")
	t.Logf("E5: ours %.1f %%, two sizes by hand %.1f %%, powers of two %.1f %%", 100*ours, 100*byHand, 100*byPowers)
	require.Less(t, ours, byHand)
	require.Less(t, ours, byPowers)
}
