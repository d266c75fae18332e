package ocisim

import (
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/samber/lo"

	"github.com/karpenter-oke/karpenter-oke/pkg/providers/pricing/pricelist"
)

func priceOperations() []operation {
	return []operation{{name: "ListProducts", method: http.MethodGet, path: "/pls/apex/cetools/api/v1/products/", handle: listProducts, unsigned: true}}
}

// listProducts is the public price list: no signature, all products in one answer, narrowed by partNumber. Only US dollars are known.
func listProducts(_ *Simulator, c *call) (*reply, error) {
	if currency := c.query.Get("currencyCode"); currency != "" && currency != "USD" {
		return nil, invalid("currencyCode %q is not known to this simulator", currency)
	}
	part := c.query.Get("partNumber")
	if part == "" {
		return &reply{status: http.StatusOK, raw: pricelist.Products()}, nil
	}
	var products struct {
		Items []map[string]any `json:"items"`
	}
	if err := json.Unmarshal(pricelist.Products(), &products); err != nil {
		return nil, fmt.Errorf("decoding the embedded price list: %w", err)
	}
	products.Items = lo.Filter(products.Items, func(item map[string]any, _ int) bool { return item["partNumber"] == part })
	return ok(products), nil
}
