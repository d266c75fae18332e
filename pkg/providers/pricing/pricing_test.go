package pricing_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/karpenter-oke/karpenter-oke/pkg/providers/pricing"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/shape"
	"github.com/karpenter-oke/karpenter-oke/test/ocisim/data"
)

func catalog(t *testing.T) map[string]*shape.Shape {
	t.Helper()
	records, err := data.Shapes()
	require.NoError(t, err)
	out := map[string]*shape.Shape{}
	for _, record := range records {
		if s, ok := shape.FromRecord(record, nil); ok {
			out[s.Name] = s
		}
	}
	return out
}

func provider(t *testing.T, settings pricing.Settings) *pricing.DefaultProvider {
	t.Helper()
	p, err := pricing.NewProvider(settings)
	require.NoError(t, err)
	return p
}

// Expected figures are computed by hand from the public list prices.
func TestEveryFamilyHasItsListPrice(t *testing.T) {
	shapes := catalog(t)
	p := provider(t, pricing.Settings{})
	for _, tc := range []struct {
		shape           string
		ocpus, memoryGB float64
		perHour         float64
		because         string
	}{
		{"VM.Standard.E3.Flex", 2, 16, 0.074, "2 x 0.025 + 16 x 0.0015"},
		{"VM.Standard.E4.Flex", 2, 16, 0.074, "2 x 0.025 + 16 x 0.0015"},
		{"VM.Standard.E5.Flex", 2, 16, 0.092, "2 x 0.03 + 16 x 0.002"},
		{"VM.Standard.E6.Flex", 2, 16, 0.092, "2 x 0.03 + 16 x 0.002"},
		{"VM.Standard.A1.Flex", 4, 24, 0.076, "4 x 0.01 + 24 x 0.0015, not the free tier"},
		{"VM.Standard.A2.Flex", 2, 16, 0.06, "2 x 0.014 + 16 x 0.002"},
		{"VM.Standard.A4.Flex", 2, 16, 0.0708, "2 x 0.0138 + 16 x 0.0027"},
		{"VM.Standard3.Flex", 2, 16, 0.104, "2 x 0.04 + 16 x 0.0015"},
		{"VM.Optimized3.Flex", 2, 16, 0.132, "2 x 0.054 + 16 x 0.0015"},
		{"VM.Standard2.4", 4, 60, 0.2552, "4 x 0.0638, memory included"},
		{"VM.Standard1.4", 4, 28, 0.2552, "4 x 0.0638, memory included"},
		{"VM.Standard.B1.4", 4, 48, 0.2552, "4 x 0.0638, memory included"},
		{"VM.Standard.E2.4", 4, 32, 0.12, "4 x 0.03, memory included"},
		{"BM.Standard.E4.128", 128, 2048, 6.272, "128 x 0.025 + 2048 x 0.0015"},
		{"BM.Standard.A1.160", 160, 1024, 3.136, "160 x 0.01 + 1024 x 0.0015"},
		{"VM.DenseIO.E4.Flex", 8, 128, 0.80816, "8 x 0.025 + 128 x 0.0015 + 6.8 TB x 0.0612"},
		{"VM.DenseIO.E5.Flex", 16, 192, 1.69632, "16 x 0.03 + 192 x 0.002 + 13.6 TB x 0.0612"},
		{"BM.DenseIO.E4.128", 128, 2048, 9.60128, "128 x 0.025 + 2048 x 0.0015 + 54.4 TB x 0.0612"},
		{"VM.DenseIO2.8", 8, 120, 1.02, "8 x 0.1275, memory and NVMe included"},
		{"BM.HPC2.36", 36, 384, 2.7, "36 x 0.075"},
		{"BM.HPC.E5.144", 144, 768, 6.336, "144 x 0.044"},
		{"VM.GPU2.1", 12, 72, 1.275, "1 GPU, OCPUs and memory included"},
		{"VM.GPU3.4", 24, 360, 11.8, "4 x 2.95"},
		{"BM.GPU4.8", 64, 2048, 24.4, "8 x 3.05"},
		{"VM.GPU.A10.2", 30, 480, 4, "2 x 2"},
		{"BM.GPU.A100-v2.8", 128, 2048, 32, "8 x 4"},
		{"BM.GPU.L40S.4", 112, 1024, 14, "4 x 3.5"},
		{"BM.GPU.H100.8", 112, 2048, 80, "8 x 10, never times the OCPUs"},
		{"BM.GPU.H200.8", 112, 3072, 80, "8 x 10"},
		{"BM.GPU.B200.8", 128, 4096, 112, "8 x 14"},
		{"BM.GPU.GB200.4", 144, 960, 64, "4 x 16"},
		{"BM.GPU.MI300X.8", 112, 2048, 48, "8 x 6"},
		{"BM.GPU.MI355X.8", 128, 3072, 68.8, "8 x 8.6, a figure without a part number"},
	} {
		s := shapes[tc.shape]
		require.NotNil(t, s, tc.shape)
		price, known := p.OnDemand(s, tc.ocpus, tc.memoryGB, pricing.BaselineFull)
		require.True(t, known, tc.shape)
		require.InDelta(t, tc.perHour, price, 1e-9, "%s: %s", tc.shape, tc.because)
		spot, _ := p.Spot(s, tc.ocpus, tc.memoryGB)
		require.InDelta(t, tc.perHour/2, spot, 1e-9, "preemptible %s is half", tc.shape)
	}
}

func TestNoShapeOfTheCatalogueIsFreeOrBeyondReach(t *testing.T) {
	p := provider(t, pricing.Settings{})
	for name, s := range catalog(t) {
		price, _ := p.OnDemand(s, max(s.OCPUs, 1), max(s.MemoryGB, 1), pricing.BaselineFull)
		require.Greater(t, price, 0.0, name)
		require.Less(t, price, 200.0, name)
	}
}

func TestAShapeWithoutAPriceHasItsNearestFamilys(t *testing.T) {
	shapes := catalog(t)
	p := provider(t, pricing.Settings{})
	for _, tc := range []struct {
		shape           string
		ocpus, memoryGB float64
		perHour         float64
		because         string
	}{
		{"VM.Standard.E6.Ax.Flex", 2, 16, 0.092, "E6"},
		{"BM.GPU.GB300.4", 144, 960, 64, "GB200"},
		{"VM.Standard.Ampere.Generic", 2, 12, 0.06, "the dearest Ampere family at this size: A4 with 2 x 0.0138 + 12 x 0.0027, or A2 with 0.052"},
		{"VM.Standard.E2.1.Micro", 1, 1, 0.03, "its price of 0 does not count; E2"},
	} {
		price, known := p.OnDemand(shapes[tc.shape], tc.ocpus, tc.memoryGB, pricing.BaselineFull)
		require.False(t, known, tc.shape)
		require.InDelta(t, tc.perHour, price, 1e-9, "%s: %s", tc.shape, tc.because)
	}
	unheardOf := &shape.Shape{Name: "ZZ.Nothing.9", OCPUs: 1, MemoryGB: 8}
	price, known := p.OnDemand(unheardOf, 1, 8, pricing.BaselineFull)
	require.False(t, known)
	require.Greater(t, price, 0.0)
}

func TestBurstableBillsABaselineOfTheOCPUs(t *testing.T) {
	p := provider(t, pricing.Settings{})
	e4 := catalog(t)["VM.Standard.E4.Flex"]
	half, _ := p.OnDemand(e4, 2, 16, pricing.BaselineHalf)
	eighth, _ := p.OnDemand(e4, 2, 16, pricing.BaselineEighth)
	require.InDelta(t, 0.049, half, 1e-9)
	require.InDelta(t, 0.03025, eighth, 1e-9)
}

func TestABootVolumeIsBilledByGBAndByPerformance(t *testing.T) {
	p := provider(t, pricing.Settings{})
	require.InDelta(t, 2.125/744, p.BootVolume(50, 10), 1e-9, "50 GB x (0.0255 + 10 x 0.0017) a month of 744 hours")
	require.InDelta(t, 200*(0.0255+120*0.0017)/744, p.BootVolume(200, 120), 1e-9)
}

func TestVolumesTogetherAreBilledByTheirSums(t *testing.T) {
	p := provider(t, pricing.Settings{})
	require.InDelta(t, p.BootVolume(50, 10)+p.BootVolume(100, 20)+1000*0.0255/744, p.BlockStorage(50+100+1000, 50*10+100*20+1000*0), 1e-9)
	require.Zero(t, p.BlockStorage(0, 0))
}

func TestDiscountsMultiplyTheListPrice(t *testing.T) {
	p := provider(t, pricing.Settings{Discounts: []pricing.Discount{{Match: "*.E4.*", Factor: 0.8}, {Match: "*", Factor: 0.9}}})
	shapes := catalog(t)
	e4, _ := p.OnDemand(shapes["VM.Standard.E4.Flex"], 2, 16, pricing.BaselineFull)
	e5, _ := p.OnDemand(shapes["VM.Standard.E5.Flex"], 2, 16, pricing.BaselineFull)
	require.InDelta(t, 0.074*0.8, e4, 1e-9)
	require.InDelta(t, 0.092*0.9, e5, 1e-9)
	for _, bad := range []pricing.Discount{{Match: "*", Factor: 0}, {Match: "*", Factor: 1.1}, {Match: "[", Factor: 0.5}, {Factor: 0.5}} {
		_, err := pricing.NewProvider(pricing.Settings{Discounts: []pricing.Discount{bad}})
		require.Error(t, err)
	}
}
