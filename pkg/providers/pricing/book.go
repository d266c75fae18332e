package pricing

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"strconv"
	"sync"
)

// row says which parts price a shape; the first row whose pattern matches the shape's name counts.
type row struct {
	pattern string
	ocpu    part
	memory  part
	gpu     part
	nvme    part // per TB
}

// part is a part number with the price that stands beside it in the table, used when the price list does not have the part.
type part struct {
	number   string
	fallback float64
}

// priced says whether the row gives an instance a price at all. A row of zeros is a free tier, which must not look free to the
// scheduler, so it counts as unpriced.
func (r *row) priced(b *book) bool { return b.price(r.ocpu) > 0 || b.price(r.gpu) > 0 }

// book is one immutable edition of the prices.
type book struct {
	parts    map[string]float64 // part number -> price per unit
	currency string             // of parts
	// rate is how much of the currency a US dollar is, for figures that are known in US dollars only.
	rate float64
	rows []row
	// matched remembers match's answers (*row by shape name): prices are asked for every size of a shape.
	matched sync.Map
}

// price is the price of a part per its unit, 0 when nothing is known.
func (b *book) price(p part) float64 {
	if price, ok := b.parts[p.number]; ok && p.number != "" {
		return price
	}
	return p.fallback * b.rate
}

// match finds the row of a shape, nil when there is none.
func (b *book) match(shapeName string) *row {
	if known, ok := b.matched.Load(shapeName); ok {
		return known.(*row)
	}
	var found *row
	for i := range b.rows {
		if ok, _ := path.Match(b.rows[i].pattern, shapeName); ok {
			found = &b.rows[i]
			break
		}
	}
	b.matched.Store(shapeName, found)
	return found
}

// shapePartColumns is how many columns the table of shapes has: pattern, four pairs of part number and price, note.
const shapePartColumns = 10

// parseShapeParts reads the table that says which parts price a shape.
func parseShapeParts(table []byte) ([]row, error) {
	records, err := csv.NewReader(bytes.NewReader(table)).ReadAll()
	if err != nil {
		return nil, fmt.Errorf("reading the table of shape prices: %w", err)
	}
	if len(records) < 2 {
		return nil, errors.New("reading the table of shape prices: it has no rows")
	}
	rows := make([]row, 0, len(records)-1)
	for line, record := range records[1:] {
		if len(record) != shapePartColumns {
			return nil, fmt.Errorf("reading the table of shape prices: row %d has %d columns, not %d", line+2, len(record), shapePartColumns)
		}
		if _, err := path.Match(record[0], ""); err != nil {
			return nil, fmt.Errorf("reading the table of shape prices: row %d: %q is not a shell glob: %w", line+2, record[0], err)
		}
		r := row{pattern: record[0]}
		for i, p := range []*part{&r.ocpu, &r.memory, &r.gpu, &r.nvme} {
			p.number = record[1+2*i]
			if text := record[2+2*i]; text != "" {
				if p.fallback, err = strconv.ParseFloat(text, 64); err != nil {
					return nil, fmt.Errorf("reading the table of shape prices: row %d: %w", line+2, err)
				}
			}
		}
		rows = append(rows, r)
	}
	return rows, nil
}

// product is one item of the price list, in the form the price API answers with.
type product struct {
	PartNumber string `json:"partNumber"`
	Prices     []struct {
		Currency string `json:"currencyCode"`
		Prices   []struct {
			Model    string  `json:"model"`
			Value    float64 `json:"value"`
			RangeMin float64 `json:"rangeMin"`
		} `json:"prices"`
	} `json:"currencyCodeLocalizations"`
}

// parseProducts reads a price list. Of a tiered price the tier that begins last counts: the free allowance ends, and a price of 0 would
// make the shape look free.
func parseProducts(list []byte, currency string) (map[string]float64, error) {
	var answer struct {
		Items []product `json:"items"`
	}
	if err := json.Unmarshal(list, &answer); err != nil {
		return nil, fmt.Errorf("reading the price list: %w", err)
	}
	parts := make(map[string]float64, len(answer.Items))
	for _, item := range answer.Items {
		for _, local := range item.Prices {
			if local.Currency != currency {
				continue
			}
			begins := -1.0
			for _, p := range local.Prices {
				if p.Model == "PAY_AS_YOU_GO" && p.RangeMin > begins && p.Value >= 0 {
					begins = p.RangeMin
					parts[item.PartNumber] = p.Value
				}
			}
		}
	}
	if len(parts) == 0 {
		return nil, fmt.Errorf("reading the price list: no pay-as-you-go prices in %s among %d products", currency, len(answer.Items))
	}
	return parts, nil
}
