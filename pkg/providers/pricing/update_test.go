package pricing_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/karpenter-oke/karpenter-oke/pkg/providers/pricing"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/pricing/pricelist"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/shape"
)

// edited is the embedded list after change was called for each item, which is dropped when change says so.
func edited(t *testing.T, change func(part string, price map[string]any) (drop bool)) []byte {
	t.Helper()
	var list struct {
		Items []map[string]any `json:"items"`
	}
	require.NoError(t, json.Unmarshal(pricelist.Products(), &list))
	kept := list.Items[:0]
	for _, item := range list.Items {
		dropped := false
		for _, local := range item["currencyCodeLocalizations"].([]any) {
			for _, price := range local.(map[string]any)["prices"].([]any) {
				dropped = change(item["partNumber"].(string), price.(map[string]any)) || dropped
			}
		}
		if !dropped {
			kept = append(kept, item)
		}
	}
	list.Items = kept
	out, err := json.Marshal(list)
	require.NoError(t, err)
	return out
}

func repriced(t *testing.T, prices map[string]float64) []byte {
	t.Helper()
	return edited(t, func(part string, price map[string]any) bool {
		if value, ok := prices[part]; ok {
			price["value"] = value
		}
		return false
	})
}

func without(t *testing.T, parts ...string) []byte {
	t.Helper()
	return edited(t, func(part string, _ map[string]any) bool {
		for _, p := range parts {
			if p == part {
				return true
			}
		}
		return false
	})
}

func e4Price(t *testing.T, p *pricing.DefaultProvider) float64 {
	t.Helper()
	price, known := p.OnDemand(catalog(t)["VM.Standard.E4.Flex"], 2, 16, pricing.BaselineFull)
	require.True(t, known)
	return price
}

func TestANewPriceListTakesEffect(t *testing.T) {
	p := provider(t, pricing.Settings{})
	generation := p.Generation()
	same, err := p.Update(pricelist.Products())
	require.NoError(t, err)
	require.Equal(t, pricing.Update{}, same)
	require.Equal(t, generation, p.Generation(), "the same prices are no news")

	update, err := p.Update(repriced(t, map[string]float64{"B93113": 0.05}))
	require.NoError(t, err)
	require.Equal(t, pricing.Update{Changes: []pricing.Change{{Part: "B93113", From: 0.025, To: 0.05}}}, update)
	require.Greater(t, p.Generation(), generation)
	require.InDelta(t, 0.124, e4Price(t, p), 1e-9)

	update, err = p.Update(repriced(t, map[string]float64{"B93113": 0.05, "B108004": 3})) // an hour of a Mac
	require.NoError(t, err)
	require.Equal(t, pricing.Update{}, update, "parts that price neither shapes nor volumes are no news")
}

func TestAListThatIsNotWholeChangesNothing(t *testing.T) {
	p := provider(t, pricing.Settings{})
	generation := p.Generation()
	list := pricelist.Products()
	for says, list := range map[string][]byte{
		"nothing":             nil,
		"no JSON":             []byte("<html>503</html>"),
		"an empty list":       []byte(`{"items":[]}`),
		"another currency":    []byte(strings.ReplaceAll(string(list), `"USD"`, `"EUR"`)),
		"half a list":         list[:len(list)/2],
		"many parts missing":  without(t, "B93113", "B93114", "B97384", "B97385", "B91961", "B91962"),
		"everything for free": edited(t, func(_ string, price map[string]any) bool { price["value"] = 0.0; return false }),
		"prices by the month": edited(t, func(_ string, price map[string]any) bool {
			price["value"] = price["value"].(float64) * 744
			return false
		}),
		"prices by the second": edited(t, func(_ string, price map[string]any) bool {
			price["value"] = price["value"].(float64) / 3600
			return false
		}),
	} {
		_, err := p.Update(list)
		require.Error(t, err, says)
		require.Equal(t, generation, p.Generation(), says)
		require.InDelta(t, 0.074, e4Price(t, p), 1e-9, says)
	}
}

func TestAPartThatIsMissingOrBeyondBeliefKeepsItsPriceAndTheOthersChange(t *testing.T) {
	for says, tc := range map[string]struct {
		value float64
		drop  bool
		why   string
	}{
		"missing":         {0, true, "part B88317 is missing"},
		"free":            {0, false, "part B88317 is free"},
		"of another unit": {47.5, false, "part B88317 costs 47.5 and not 0.0638"},
		"nearly nothing":  {0.0001, false, "part B88317 costs 0.0001 and not 0.0638"},
	} {
		t.Run(says, func(t *testing.T) {
			p := provider(t, pricing.Settings{})
			list := edited(t, func(part string, price map[string]any) bool {
				switch part {
				case "B88317":
					price["value"] = tc.value
					return tc.drop
				case "B93113":
					price["value"] = 0.026
				}
				return false
			})
			update, err := p.Update(list)
			require.NoError(t, err)
			require.Equal(t, []string{tc.why}, update.Kept)
			require.Equal(t, []pricing.Change{{Part: "B93113", From: 0.025, To: 0.026}}, update.Changes, "the part that is kept has not changed")
			x5 := catalog(t)["VM.Standard1.4"]
			price, known := p.OnDemand(x5, 4, 28, pricing.BaselineFull)
			require.True(t, known)
			require.InDelta(t, 4*0.0638, price, 1e-9)

			again, err := p.Update(list)
			require.NoError(t, err)
			require.Empty(t, again.Changes)
			require.Equal(t, []string{tc.why}, again.Kept)
		})
	}
}

func TestTheVolumesPartsAreNeededToo(t *testing.T) {
	p := provider(t, pricing.Settings{})
	update, err := p.Update(without(t, "B91961"))
	require.NoError(t, err)
	require.Equal(t, []string{"part B91961 is missing"}, update.Kept)
	require.InDelta(t, 2.125/744, p.BootVolume(50, 10), 1e-9)
}

// inEuros is the embedded list at 0.9 euros a dollar.
func inEuros(t *testing.T) []byte {
	t.Helper()
	list := edited(t, func(_ string, price map[string]any) bool {
		price["value"] = price["value"].(float64) * 0.9
		return false
	})
	return []byte(strings.ReplaceAll(string(list), `"USD"`, `"EUR"`))
}

func TestAnotherCurrencyAppliesToEveryPriceFromTheFirstListOn(t *testing.T) {
	p := provider(t, pricing.Settings{Currency: "EUR"})
	require.Equal(t, "USD", p.Currency(), "until the first list prices are relative ones in dollars")
	_, err := p.Update(pricelist.Products())
	require.ErrorContains(t, err, "no pay-as-you-go prices in EUR")
	_, err = p.Update(inEuros(t))
	require.NoError(t, err)
	require.Equal(t, "EUR", p.Currency())
	require.InDelta(t, 0.074*0.9, e4Price(t, p), 1e-9)
	require.InDelta(t, 0.9*2.125/744, p.BootVolume(50, 10), 1e-9)

	withoutPart, known := p.OnDemand(catalog(t)["BM.GPU.MI355X.8"], 128, 3072, pricing.BaselineFull)
	require.True(t, known)
	require.InDelta(t, 68.8*0.9, withoutPart, 1e-9, "a figure that is known in dollars only is converted at the list's own rate")
	gpuless, _ := p.OnDemand(&shape.Shape{Name: "ZZ.Nothing.9", OCPUs: 1, MemoryGB: 8}, 1, 8, pricing.BaselineFull)
	inDollars, _ := provider(t, pricing.Settings{}).OnDemand(&shape.Shape{Name: "ZZ.Nothing.9", OCPUs: 1, MemoryGB: 8}, 1, 8, pricing.BaselineFull)
	require.InDelta(t, inDollars*0.9, gpuless, 1e-9)

	generation := p.Generation()
	_, err = p.Update(inEuros(t))
	require.NoError(t, err)
	require.Equal(t, generation, p.Generation())
}
