package pricing_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"path"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/karpenter-oke/karpenter-oke/pkg/providers/pricing"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/pricing/pricelist"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/shape"
)

// listed is a product of the price list as this test reads it, apart from the provider.
type listed struct {
	name, unit string
	last       float64 // of the tiers
}

func listPrices(t *testing.T) map[string]listed {
	t.Helper()
	var list struct {
		Items []struct {
			PartNumber, DisplayName, MetricName string
			CurrencyCodeLocalizations           []struct {
				Prices []struct{ Value, RangeMin float64 }
			}
		}
	}
	require.NoError(t, json.Unmarshal(pricelist.Products(), &list))
	out := map[string]listed{}
	for _, item := range list.Items {
		l, from := listed{name: item.DisplayName, unit: item.MetricName}, -1.0
		for _, p := range item.CurrencyCodeLocalizations[0].Prices {
			if p.RangeMin > from {
				from, l.last = p.RangeMin, p.Value
			}
		}
		out[item.PartNumber] = l
	}
	return out
}

// families are what each row of the table must be about: words of the products' names, and the shape that stands for the row.
var families = map[string]struct {
	words []string
	shape string
}{
	"VM.Standard.E2.1.Micro": {[]string{"E2 Micro"}, "VM.Standard.E2.1.Micro"},
	"*.Standard.E2.*":        {[]string{"Standard", "E2"}, "BM.Standard.E2.64"},
	"*.Standard.E3.*":        {[]string{"Standard", "E3"}, "BM.Standard.E3.128"},
	"*.Standard.E4.*":        {[]string{"Standard", "E4"}, "VM.Standard.E4.Flex"},
	"*.Standard.E5.*":        {[]string{"Standard", "E5"}, "VM.Standard.E5.Flex"},
	"*.Standard.E6.Ax.*":     {nil, "VM.Standard.E6.Ax.Flex"},
	"*.Standard.E6.*":        {[]string{"Standard", "E6"}, "VM.Standard.E6.Flex"},
	"*.Standard.A1.*":        {[]string{"Standard", "A1"}, "VM.Standard.A1.Flex"},
	"*.Standard.A2.*":        {[]string{"Standard", "A2"}, "VM.Standard.A2.Flex"},
	"*.Standard.A4.Ax.*":     {nil, "VM.Standard.A4.Ax.Flex"},
	"*.Standard.A4.*":        {[]string{"Standard", "A4"}, "VM.Standard.A4.Flex"},
	"*.Standard4.Ax.*":       {nil, "VM.Standard4.Ax.Flex"},
	"*.Standard3.*":          {[]string{"Standard", "X9"}, "VM.Standard3.Flex"},
	"*.Optimized3.*":         {[]string{"Optimized", "X9"}, "VM.Optimized3.Flex"},
	"VM.Standard2.*":         {[]string{"Virtual Machine Standard", "X7"}, "VM.Standard2.4"},
	"BM.Standard2.*":         {[]string{"Bare Metal Standard", "X7"}, "BM.Standard2.52"},
	"VM.Standard1.*":         {[]string{"Virtual Machine Standard", "X5"}, "VM.Standard1.4"},
	"BM.Standard1.*":         {[]string{"Bare Metal Standard", "X5"}, "BM.Standard1.36"},
	"VM.Standard.B1.*":       {[]string{"Virtual Machine Standard", "B1"}, "VM.Standard.B1.4"},
	"BM.Standard.B1.*":       {[]string{"Bare Metal Standard", "B1"}, "BM.Standard.B1.44"},
	"*.Standard.*.Generic":   {nil, "VM.Standard.x86.Generic"},
	"*.DenseIO.E4.*":         {[]string{"Dense I/O", "E4"}, "VM.DenseIO.E4.Flex"},
	"*.DenseIO.E5.*":         {[]string{"Dense I/O", "E5"}, "VM.DenseIO.E5.Flex"},
	"VM.DenseIO2.*":          {[]string{"Virtual Machine Dense I/O", "X7"}, "VM.DenseIO2.8"},
	"BM.DenseIO2.*":          {[]string{"Bare Metal Dense I/O", "X7"}, "BM.DenseIO2.52"},
	"VM.DenseIO1.*":          {[]string{"Virtual Machine Dense I/O"}, "VM.DenseIO1.4"},
	"BM.HPC2.36":             {[]string{"HPC", "X7"}, "BM.HPC2.36"},
	"BM.HPC.E5.144":          {[]string{"HPC", "E5"}, "BM.HPC.E5.144"},
	"VM.GPU2.*":              {[]string{"Virtual Machine GPU", "X7"}, "VM.GPU2.1"},
	"BM.GPU2.*":              {[]string{"Bare Metal GPU", "X7"}, "BM.GPU2.2"},
	"*.GPU3.*":               {[]string{"GPU", "V2"}, "VM.GPU3.4"},
	"BM.GPU4.8":              {[]string{"GPU", "E3"}, "BM.GPU4.8"},
	"BM.GPU.A100-v2.8":       {[]string{"GPU", "A100 - v2"}, "BM.GPU.A100-v2.8"},
	"*.GPU.A10.*":            {[]string{"GPU", "A10"}, "VM.GPU.A10.2"},
	"BM.GPU.L40S.4":          {[]string{"GPU", "L40S"}, "BM.GPU.L40S.4"},
	"BM.GPU.H100.8":          {[]string{"GPU", "H100"}, "BM.GPU.H100.8"},
	"BM.GPU.H200.8":          {[]string{"GPU", "H200"}, "BM.GPU.H200.8"},
	"BM.GPU.B200.8":          {[]string{"GPU", "B200"}, "BM.GPU.B200.8"},
	"BM.GPU.GB200.4":         {[]string{"GPU", "GB200"}, "BM.GPU.GB200.4"},
	"BM.GPU.MI300X.8":        {[]string{"GPU", "MI300X"}, "BM.GPU.MI300X.8"},
	"BM.GPU.MI355X.8":        {nil, "BM.GPU.MI355X.8"},
	"BM.GPU.GB300.4":         {nil, "BM.GPU.GB300.4"},
}

// Columns of the table of shape parts: part number, then price.
const (
	columnOCPU   = 1
	columnMemory = 3
	columnGPU    = 5
	columnNVMe   = 7
)

func tableRows(t *testing.T) [][]string {
	t.Helper()
	rows, err := csv.NewReader(bytes.NewReader(pricelist.ShapeParts())).ReadAll()
	require.NoError(t, err)
	return rows[1:]
}

func TestEveryFamilysPartsAreTheProductsOfThatFamilyAtTheListsPrices(t *testing.T) {
	prices := listPrices(t)
	rows := tableRows(t)
	require.Len(t, rows, len(families))
	units := map[int]string{columnOCPU: "OCPU Per Hour", columnMemory: "Gigabyte Per Hour", columnGPU: "GPU Per Hour", columnNVMe: "NVMe Terabyte Per Hour"}
	for _, row := range rows {
		family, ok := families[row[0]]
		require.True(t, ok, "row %s is not tested", row[0])
		for column, unit := range units {
			if row[column] == "" {
				continue
			}
			product := prices[row[column]]
			require.Equal(t, unit, product.unit, "%s: %s", row[0], product.name)
			for _, word := range family.words {
				require.Contains(t, product.name, word, row[0])
			}
			if beside, err := strconv.ParseFloat(row[column+1], 64); err == nil {
				require.InDelta(t, product.last, beside, 0, "%s: the price beside part %s", row[0], row[column])
			}
		}
	}
}

func TestEveryFamilyIsPricedByItsParts(t *testing.T) {
	prices, shapes := listPrices(t), catalog(t)
	p := provider(t, pricing.Settings{})
	for _, row := range tableRows(t) {
		s, ok := shapes[families[row[0]].shape]
		if !ok { // no record of it is public
			s = &shape.Shape{Name: families[row[0]].shape, OCPUs: 4, MemoryGB: 60, CPUManufacturer: "intel", Flexible: strings.HasSuffix(families[row[0]].shape, ".Flex")}
		}
		matches, err := path.Match(row[0], s.Name)
		require.NoError(t, err)
		require.True(t, matches, "%s stands for %s", s.Name, row[0])
		unit := func(column int) float64 {
			if row[column] != "" {
				return prices[row[column]].last
			}
			beside, _ := strconv.ParseFloat(row[column+1], 64)
			return beside
		}
		for _, size := range sizesOf(s) {
			want := unit(columnOCPU)*size.OCPUs + unit(columnMemory)*size.MemoryGB + unit(columnNVMe)*s.LocalNVMe(size.OCPUs)/1000
			if gpu := unit(columnGPU); gpu > 0 {
				want = gpu * float64(s.GPUs)
			}
			price, known := p.OnDemand(s, size.OCPUs, size.MemoryGB, pricing.BaselineFull)
			require.Greater(t, price, 0.0, s.Name)
			require.Equal(t, want > 0, known, "%s: a price that is not in the list is a guess, and one of 0 too", s.Name)
			if known {
				require.InDelta(t, want, price, 1e-9, "%s %v", s.Name, size)
			}
			spot, _ := p.Spot(s, size.OCPUs, size.MemoryGB)
			require.InDelta(t, price/2, spot, 1e-12, "preemptible %s", s.Name)
			for baseline, share := range map[pricing.Baseline]float64{pricing.BaselineHalf: 0.5, pricing.BaselineEighth: 0.125} {
				if burstable, _ := p.OnDemand(s, size.OCPUs, size.MemoryGB, baseline); known && unit(columnGPU) == 0 {
					require.InDelta(t, want-(1-share)*unit(columnOCPU)*size.OCPUs, burstable, 1e-9, "%s %s", s.Name, baseline)
				}
			}
		}
	}
}

// sizesOf are sizes of a shape from small to large.
func sizesOf(s *shape.Shape) []shape.FlexSize {
	switch {
	case !s.Flexible:
		return []shape.FlexSize{{OCPUs: s.OCPUs, MemoryGB: s.MemoryGB}}
	case len(s.Sizes) > 0:
		return s.Sizes
	default:
		return []shape.FlexSize{{OCPUs: 1, MemoryGB: 1}, {OCPUs: 1, MemoryGB: 6}, {OCPUs: 2, MemoryGB: 6}, {OCPUs: 2, MemoryGB: 16}, {OCPUs: 16, MemoryGB: 16}, {OCPUs: 16, MemoryGB: 256}}
	}
}

func TestALargerSizeNeverCostsLess(t *testing.T) {
	p := provider(t, pricing.Settings{Discounts: []pricing.Discount{{Match: "*.E4.*", Factor: 0.7}}})
	for name, s := range catalog(t) {
		last := pricesOf(p, s, shape.FlexSize{})
		for _, size := range sizesOf(s) {
			now := pricesOf(p, s, size)
			for i := range now {
				require.Greater(t, now[i], last[i]*(1+1e-9), "%s %v (%d)", name, size, i)
			}
			last = now
		}
	}
}

// pricesOf are a size's prices in every way it could be bought; zeros for the zero size.
func pricesOf(p pricing.Provider, s *shape.Shape, size shape.FlexSize) []float64 {
	out := make([]float64, 5)
	if size.OCPUs == 0 {
		return out
	}
	for i, baseline := range []pricing.Baseline{pricing.BaselineFull, pricing.BaselineHalf, pricing.BaselineEighth} {
		out[i], _ = p.OnDemand(s, size.OCPUs, size.MemoryGB, baseline)
	}
	out[3], _ = p.Spot(s, size.OCPUs, size.MemoryGB)
	out[4], _ = p.Reserved(s, size.OCPUs, size.MemoryGB)
	return out
}

func TestReservedCapacityIsUsedFirstAndInTheOrderOfItsPrices(t *testing.T) {
	p, shapes := provider(t, pricing.Settings{}), catalog(t)
	cheapest, dearest := 1e9, 0.0
	for _, s := range shapes {
		for _, size := range sizesOf(s) {
			prices := pricesOf(p, s, size)
			cheapest = min(cheapest, prices[0], prices[1], prices[2], prices[3])
			dearest = max(dearest, prices[4])
		}
	}
	require.Positive(t, dearest)
	require.Less(t, dearest, cheapest, "the dearest reserved instance comes before the cheapest other")

	order := []string{"VM.Standard.A1.Flex", "VM.Standard.E4.Flex", "VM.Standard.E5.Flex", "VM.Optimized3.Flex"}
	last, volume := 0.0, p.BootVolume(50, 10)
	for _, name := range order {
		price, known := p.Reserved(shapes[name], 4, 32)
		require.True(t, known)
		require.Greater(t, price+volume, last, "%s: the order shows beside the price of a volume", name)
		last = price + volume
	}
	guessed, known := p.Reserved(shapes["VM.Standard.E6.Ax.Flex"], 4, 32)
	require.False(t, known)
	require.Positive(t, guessed)
}
