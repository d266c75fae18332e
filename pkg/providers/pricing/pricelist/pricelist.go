// Package pricelist carries a snapshot of Oracle's public list prices, so that a price is known before (and without) a call to the price API.
package pricelist

import _ "embed"

var (
	//go:embed price-list.json
	products []byte
	//go:embed shape-prices.csv
	shapeParts []byte
)

// Products returns the snapshot of the public price list in the form the price API answers with: {"items": [{partNumber, displayName, metricName,
// serviceCategory, currencyCodeLocalizations}]}, prices in US dollars per unit of metricName. The caller owns the returned bytes.
func Products() []byte { return clone(products) }

// ShapeParts returns the CSV table (with a header line) that says which part numbers price the OCPUs, the memory, the GPUs and the local NVMe of a
// shape. Rows are ordered: the first row whose shape_pattern (a shell glob) matches a shape's name is the one that counts. The caller owns the returned bytes.
func ShapeParts() []byte { return clone(shapeParts) }

func clone(b []byte) []byte { return append([]byte(nil), b...) }
