package pricing

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/samber/lo"
)

const (
	// mostChange is by how much one edition of the price list may differ from the one before in the price of a part. List prices change by a few
	// percent in years; a figure beyond this is another unit or a broken answer, and would have the whole fleet replaced.
	mostChange = 10
	// mostKept is the share of the needed parts, 1 of so many, that a list may be wrong about: Oracle drops a part when it sells a family no
	// longer. With more of them the list is not whole.
	mostKept = 10
)

// Change is a part whose price differs from the edition before. From is 0 for a part that was not there, To for one that has gone.
type Change struct {
	Part     string
	From, To float64
}

// Update is what became of a price list.
type Update struct {
	// Changes are the parts that cost something else than before, in the order of their numbers.
	Changes []Change
	// Kept says for each part that prices a shape or a volume and kept its old price why the list's was not taken over.
	Kept []string
}

// Update takes over a newer price list (the body of the price API's answer). A part that the list lacks, or gives for nothing, or has at a price
// beyond belief, keeps its old price. When too many parts do, or the list can not be read or is in another currency, all old prices stay and the
// error says why.
func (p *DefaultProvider) Update(list []byte) (Update, error) {
	parts, err := parseProducts(list, p.settings.Currency)
	if err != nil {
		return Update{}, err
	}
	p.updating.Lock()
	defer p.updating.Unlock()
	old := p.current.Load()
	needed := neededParts(old.rows)
	parts = lo.PickByKeys(parts, needed) // what is billed for databases is no news here
	rate := p.rateOf(parts, needed)
	scale := 1.0
	if old.currency != p.settings.Currency {
		scale = rate
	}
	kept := keep(old, parts, needed, scale)
	if len(kept)*mostKept > len(needed) {
		return Update{}, fmt.Errorf("the new price list is wrong about %d of %d parts, so the old prices stay: %s", len(kept), len(needed), kept[0])
	}
	if old.currency == p.settings.Currency && maps.Equal(old.parts, parts) {
		return Update{Kept: kept}, nil
	}
	p.current.Store(&book{parts: parts, currency: p.settings.Currency, rate: rate, rows: old.rows})
	p.generation.Add(1)
	return Update{Changes: changesOf(old.parts, parts), Kept: kept}, nil
}

// neededParts are the part numbers that price shapes and volumes, each once and in order.
func neededParts(rows []row) []string {
	needed := []string{partBlockVolume.number, partBlockVolumeVPUs.number}
	for i := range rows {
		for _, part := range []part{rows[i].ocpu, rows[i].memory, rows[i].gpu, rows[i].nvme} {
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

// keep writes the old prices over what is missing or not to be believed in the new ones, and says why for each. scale turns the old prices into
// the new currency.
func keep(old *book, parts map[string]float64, needed []string, scale float64) (why []string) {
	for _, number := range needed {
		was, had := old.parts[number]
		if was *= scale; !had {
			continue
		}
		now, has := parts[number]
		switch {
		case !has:
			why = append(why, fmt.Sprintf("part %s is missing", number))
		case was > 0 && now <= 0:
			why = append(why, fmt.Sprintf("part %s is free", number))
		case was > 0 && (now > was*mostChange || now < was/mostChange):
			why = append(why, fmt.Sprintf("part %s costs %v and not %v", number, now, was))
		default:
			continue
		}
		parts[number] = was
	}
	return why
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
