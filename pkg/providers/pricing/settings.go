package pricing

import (
	"fmt"
	"path"
	"regexp"
	"strconv"
	"strings"
)

// Discount lowers the price of the shapes that match, for a contract's rates.
type Discount struct {
	// Match is a shell glob over shape names.
	Match string
	// Factor multiplies the list price; 0.8 is 20 % off. It must lie in (0, 1].
	Factor float64
}

// Settings of a DefaultProvider. The zero value is list prices in US dollars.
type Settings struct {
	// Currency is the ISO 4217 code of a currency that the price list has.
	Currency string
	// Discounts apply to on-demand, preemptible and reserved compute; the first that matches counts.
	Discounts []Discount
}

var currencyCode = regexp.MustCompile(`^[A-Z]{3}$`)

// Validate says what is wrong with the settings.
func (s Settings) Validate() error {
	if s.Currency != "" && !currencyCode.MatchString(s.Currency) {
		return fmt.Errorf("currency %q is not a code of three capital letters, such as USD", s.Currency)
	}
	for _, d := range s.Discounts {
		if _, err := path.Match(d.Match, ""); err != nil || d.Match == "" {
			return fmt.Errorf("price discount: %q is not a shell glob over shape names", d.Match)
		}
		if !(d.Factor > 0 && d.Factor <= 1) {
			return fmt.Errorf("price discount %q: factor %v is not above 0 and at most 1 (0.8 is 20 %% off)", d.Match, d.Factor)
		}
	}
	return nil
}

// ParseDiscounts reads discounts as a setting gives them: glob=factor, separated by commas, such as
// VM.Standard.E5*=0.8,*=0.9. An empty text is no discounts.
func ParseDiscounts(text string) ([]Discount, error) {
	if strings.TrimSpace(text) == "" {
		return nil, nil
	}
	var discounts []Discount
	for item := range strings.SplitSeq(text, ",") {
		match, number, ok := strings.Cut(item, "=")
		if !ok {
			return nil, fmt.Errorf("price discount %q is not of the form glob=factor, such as VM.Standard.E5*=0.8", strings.TrimSpace(item))
		}
		d := Discount{Match: strings.TrimSpace(match)}
		var err error
		if d.Factor, err = strconv.ParseFloat(strings.TrimSpace(number), 64); err != nil {
			return nil, fmt.Errorf("price discount %q: factor %q is not a number", d.Match, strings.TrimSpace(number))
		}
		discounts = append(discounts, d)
	}
	return discounts, Settings{Discounts: discounts}.Validate()
}
