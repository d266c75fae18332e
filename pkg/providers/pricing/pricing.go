package pricing

import (
	"fmt"
	"maps"
	"path"
	"sync"
	"sync/atomic"

	"github.com/karpenter-oke/karpenter-oke/pkg/providers/pricing/pricelist"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/shape"
)

const (
	// hoursPerMonth is how OCI's price list turns a monthly price into an hourly one.
	hoursPerMonth = 744
	// spotShare is the price of preemptible capacity as a share of on-demand: half, in every region (documentation of preemptible
	// instances). It covers the compute parts; storage is billed in full.
	spotShare = 0.5
	gbPerTB   = 1000

	// DefaultCurrency is what the embedded price list is in.
	DefaultCurrency = "USD"
)

// Storage parts of the price list with the prices of the embedded snapshot, per GB and month and per VPU, GB and month.
var (
	partBlockVolume     = part{"B91961", 0.0255}
	partBlockVolumeVPUs = part{"B91962", 0.0017}
)

// Baseline is the share of a burstable instance's OCPUs that is billed and always there.
type Baseline string

// Baselines as OCI names them; the empty string means BaselineFull.
const (
	BaselineFull   Baseline = "BASELINE_1_1"
	BaselineHalf   Baseline = "BASELINE_1_2"
	BaselineEighth Baseline = "BASELINE_1_8"
)

// Share is the part of an OCPU that is billed.
func (b Baseline) Share() float64 {
	switch b {
	case BaselineHalf:
		return 0.5
	case BaselineEighth:
		return 0.125
	default:
		return 1
	}
}

// Provider tells prices in the settings' currency per hour. It answers from memory.
type Provider interface {
	// OnDemand is the price of the compute parts of an instance. known is false when the shape has no price of its own and the nearest
	// family's was taken; the price is above 0 all the same.
	OnDemand(s *shape.Shape, ocpus, memoryGB float64, baseline Baseline) (perHour float64, known bool)
	// Spot is the same for preemptible capacity.
	Spot(s *shape.Shape, ocpus, memoryGB float64) (perHour float64, known bool)
	// BootVolume is the price of a boot volume, which on-demand and preemptible instances pay alike.
	BootVolume(sizeGB, vpusPerGB int64) float64
	// BlockStorage is the price of any number of boot and block volumes by the two sums that they are billed by: their GB, and their GB
	// times their VPUs a GB.
	BlockStorage(sizeGB, vpuGB int64) float64
	// Generation grows whenever prices changed.
	Generation() uint64
}

// Discount lowers the price of the shapes that match, for a contract's rates.
type Discount struct {
	// Match is a shell glob over shape names.
	Match string
	// Factor multiplies the list price; 0.8 is 20 % off. It must lie in (0, 1].
	Factor float64
}

// Settings of a DefaultProvider. The zero value is list prices in US dollars.
type Settings struct {
	Currency string
	// Discounts apply to on-demand and preemptible compute; the first that matches counts.
	Discounts []Discount
}

// Validate says what is wrong with the settings.
func (s Settings) Validate() error {
	for _, d := range s.Discounts {
		if _, err := path.Match(d.Match, ""); err != nil || d.Match == "" {
			return fmt.Errorf("price discount: %q is not a shell glob over shape names", d.Match)
		}
		if !(d.Factor > 0 && d.Factor <= 1) {
			return fmt.Errorf("price discount %q: factor %v is not above 0 and at most 1", d.Match, d.Factor)
		}
	}
	return nil
}

// DefaultProvider prices shapes from an edition of the public price list.
type DefaultProvider struct {
	settings   Settings
	current    atomic.Pointer[book]
	generation atomic.Uint64
	// updating serialises Update; readers never take it.
	updating sync.Mutex
}

var _ Provider = (*DefaultProvider)(nil)

// NewProvider starts from the embedded price list. With a currency other than US dollars the embedded list does not apply: then the
// prices are relative ones in US dollars until the first Update.
func NewProvider(settings Settings) (*DefaultProvider, error) {
	if err := settings.Validate(); err != nil {
		return nil, err
	}
	if settings.Currency == "" {
		settings.Currency = DefaultCurrency
	}
	parts, err := parseProducts(pricelist.Products(), DefaultCurrency)
	if err != nil {
		return nil, err
	}
	rows, err := parseShapeParts(pricelist.ShapeParts())
	if err != nil {
		return nil, err
	}
	p := &DefaultProvider{settings: settings}
	p.current.Store(&book{parts: parts, rows: rows})
	p.generation.Store(1)
	return p, nil
}

// Update takes over a newer price list (the body of the price API's answer). On an error, or when the list lacks the parts of shapes
// that had a price (a truncated answer), the old prices stay. It returns whether anything changed.
func (p *DefaultProvider) Update(list []byte) (bool, error) {
	parts, err := parseProducts(list, p.settings.Currency)
	if err != nil {
		return false, err
	}
	p.updating.Lock()
	defer p.updating.Unlock()
	old := p.current.Load()
	for i := range old.rows {
		for _, part := range []part{old.rows[i].ocpu, old.rows[i].memory, old.rows[i].gpu, old.rows[i].nvme} {
			if _, had := old.parts[part.number]; !had {
				continue
			}
			if _, has := parts[part.number]; !has {
				return false, fmt.Errorf("the new price list lacks part %s of shapes %s; keeping the old prices", part.number, old.rows[i].pattern)
			}
		}
	}
	if maps.Equal(old.parts, parts) {
		return false, nil
	}
	p.current.Store(&book{parts: parts, rows: old.rows})
	p.generation.Add(1)
	return true, nil
}

// Generation implements Provider.
func (p *DefaultProvider) Generation() uint64 { return p.generation.Load() }

// OnDemand implements Provider.
func (p *DefaultProvider) OnDemand(s *shape.Shape, ocpus, memoryGB float64, baseline Baseline) (float64, bool) {
	b := p.current.Load()
	factor := p.discount(s.Name)
	if r := b.match(s.Name); r != nil && r.priced(b) {
		if price := b.instance(r, s, ocpus, memoryGB, baseline); price > 0 {
			return price * factor, true
		}
	}
	return b.nearest(s, ocpus, memoryGB, baseline) * factor, false
}

// Spot implements Provider.
func (p *DefaultProvider) Spot(s *shape.Shape, ocpus, memoryGB float64) (float64, bool) {
	price, known := p.OnDemand(s, ocpus, memoryGB, BaselineFull)
	return price * spotShare, known
}

// BootVolume implements Provider.
func (p *DefaultProvider) BootVolume(sizeGB, vpusPerGB int64) float64 {
	return p.BlockStorage(sizeGB, sizeGB*vpusPerGB)
}

// BlockStorage implements Provider.
func (p *DefaultProvider) BlockStorage(sizeGB, vpuGB int64) float64 {
	b := p.current.Load()
	return (float64(sizeGB)*b.price(partBlockVolume) + float64(vpuGB)*b.price(partBlockVolumeVPUs)) / hoursPerMonth
}

func (p *DefaultProvider) discount(shapeName string) float64 {
	for _, d := range p.settings.Discounts {
		if ok, _ := path.Match(d.Match, shapeName); ok {
			return d.Factor
		}
	}
	return 1
}

// instance is the price of an instance by the parts of a row. A GPU's price includes the OCPUs and the memory.
func (b *book) instance(r *row, s *shape.Shape, ocpus, memoryGB float64, baseline Baseline) float64 {
	nvme := b.price(r.nvme) * s.LocalNVMe(ocpus) / gbPerTB
	if gpu := b.price(r.gpu); gpu > 0 {
		return gpu*float64(s.GPUs) + nvme
	}
	return b.price(r.ocpu)*ocpus*baseline.Share() + b.price(r.memory)*memoryGB + nvme
}
