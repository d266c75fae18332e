package ocisim

import (
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/samber/lo"

	"github.com/karpenter-oke/karpenter-oke/pkg/providers/pricing/pricelist"
)

// PriceListPath is where the public price list is served, without a signature.
const PriceListPath = "/pls/apex/cetools/api/v1/products/"

func priceOperations() []operation {
	return []operation{{name: "ListProducts", method: http.MethodGet, path: PriceListPath, handle: listProducts, unsigned: true}}
}

// SetPrice changes the price of a part for everybody who asks from now on, in US dollars per its unit. It fails for a part that the list does not have.
func (s *Simulator) SetPrice(part string, dollars float64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list products
	if err := json.Unmarshal(s.state.priceList(), &list); err != nil {
		return fmt.Errorf("decoding the price list: %w", err)
	}
	item, found := lo.Find(list.Items, func(item map[string]any) bool { return item["partNumber"] == part })
	if !found {
		return fmt.Errorf("the price list has no part %s", part)
	}
	item["currencyCodeLocalizations"] = []any{map[string]any{
		"currencyCode": dollarCode, "prices": []any{map[string]any{"model": "PAY_AS_YOU_GO", "value": dollars}},
	}}
	raw, err := json.Marshal(list)
	if err != nil {
		return fmt.Errorf("encoding the price list: %w", err)
	}
	s.state.prices = raw
	return nil
}

const dollarCode = "USD"

// products is the form of the price list.
type products struct {
	Items []map[string]any `json:"items"`
}

// priceList is the list as it stands: the embedded one until a price was set.
func (st *state) priceList() []byte {
	if st.prices == nil {
		return pricelist.Products()
	}
	return st.prices
}

// listProducts is the public price list: no signature, all products in one answer, narrowed by partNumber. Only US dollars are known.
func listProducts(s *Simulator, c *call) (*reply, error) {
	if currency := c.query.Get("currencyCode"); currency != "" && currency != dollarCode {
		return nil, invalid("currencyCode %q is not known to this simulator", currency)
	}
	part := c.query.Get("partNumber")
	if part == "" {
		return &reply{status: http.StatusOK, raw: s.state.priceList()}, nil
	}
	var list products
	if err := json.Unmarshal(s.state.priceList(), &list); err != nil {
		return nil, fmt.Errorf("decoding the price list: %w", err)
	}
	list.Items = lo.Filter(list.Items, func(item map[string]any, _ int) bool { return item["partNumber"] == part })
	return ok(list), nil
}
