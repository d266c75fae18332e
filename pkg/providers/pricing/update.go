package pricing

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
)

// mostChange is by how much one edition of the price list may differ from the one before in the price of a part. List prices change by a few
// percent in years; a figure beyond this is another unit or a broken answer, and would have the whole fleet replaced.
const mostChange = 10

// Change is a part whose price differs from the edition before. From is 0 for a part that was not there.
type Change struct {
	Part     string
	From, To float64
}

// Update takes over a newer price list (the body of the price API's answer) and returns what changed in it. The old prices stay, and an error
// says why, when the list can not be read, is in another currency, or lacks a part that prices a shape or a volume (a truncated answer), or when
// such a part became free or changed beyond belief.
func (p *DefaultProvider) Update(list []byte) ([]Change, error) {
	parts, err := parseProducts(list, p.settings.Currency)
	if err != nil {
		return nil, err
	}
	p.updating.Lock()
	defer p.updating.Unlock()
	old := p.current.Load()
	rate := p.rateOf(parts, old.neededParts())
	scale := 1.0
	if old.currency != p.settings.Currency {
		scale = rate
	}
	if err := plausible(old, parts, scale); err != nil {
		return nil, err
	}
	if old.currency == p.settings.Currency && maps.Equal(old.parts, parts) {
		return nil, nil
	}
	p.current.Store(&book{parts: parts, currency: p.settings.Currency, rate: rate, rows: old.rows})
	p.generation.Add(1)
	return changesOf(old.parts, parts), nil
}

// neededParts are the part numbers that price shapes and volumes, each once and in order.
func (b *book) neededParts() []string {
	needed := []string{partBlockVolume.number, partBlockVolumeVPUs.number}
	for i := range b.rows {
		for _, part := range []part{b.rows[i].ocpu, b.rows[i].memory, b.rows[i].gpu, b.rows[i].nvme} {
			if part.number != "" {
				needed = append(needed, part.number)
			}
		}
	}
	slices.Sort(needed)
	return slices.Compact(needed)
}

// rateOf is how much of the settings' currency a US dollar is, by the middle of what the needed parts cost in both: Oracle converts the whole
// list at one rate. It is 1 for US dollars, and when nothing can be compared.
func (p *DefaultProvider) rateOf(parts map[string]float64, needed []string) float64 {
	if p.settings.Currency == DefaultCurrency {
		return 1
	}
	var rates []float64
	for _, number := range needed {
		if dollars, local := p.embedded[number], parts[number]; dollars > 0 && local > 0 {
			rates = append(rates, local/dollars)
		}
	}
	if len(rates) == 0 {
		return 1
	}
	slices.Sort(rates)
	return rates[len(rates)/2]
}

// plausible refuses a list that would take a price away or change it beyond belief. scale turns the old prices into the new currency.
func plausible(old *book, parts map[string]float64, scale float64) error {
	for _, number := range old.neededParts() {
		was, had := old.parts[number]
		if !had {
			continue
		}
		now, has := parts[number]
		switch {
		case !has:
			return fmt.Errorf("the new price list lacks part %s; keeping the old prices", number)
		case was > 0 && now <= 0:
			return fmt.Errorf("the new price list gives part %s for nothing; keeping the old prices", number)
		case was > 0 && (now > was*scale*mostChange || now < was*scale/mostChange):
			return fmt.Errorf("the new price list has %v for part %s, which was %v; keeping the old prices", now, number, was*scale)
		}
	}
	return nil
}

// changesOf compares two editions part by part, in the order of the part numbers.
func changesOf(old, parts map[string]float64) []Change {
	var changes []Change
	for number, to := range parts {
		if from := old[number]; from != to {
			changes = append(changes, Change{Part: number, From: from, To: to})
		}
	}
	for number, from := range old {
		if _, has := parts[number]; !has {
			changes = append(changes, Change{Part: number, From: from})
		}
	}
	slices.SortFunc(changes, func(a, b Change) int { return cmp.Compare(a.Part, b.Part) })
	return changes
}
