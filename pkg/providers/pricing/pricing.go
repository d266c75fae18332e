package pricing

import (
	"path"
	"sync"
	"sync/atomic"

	"github.com/samber/lo"

	"github.com/karpenter-oke/karpenter-oke/pkg/providers/pricing/pricelist"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/shape"
)

const (
	// hoursPerMonth is how OCI's price list turns a monthly price into an hourly one.
	hoursPerMonth = 744
	// spotShare is the price of preemptible capacity as a share of on-demand: half, in every region (documentation of preemptible
	// instances). It covers the compute parts; storage is billed in full.
	spotShare = 0.5
	// reservedShare is the price of an instance in a capacity reservation as a share of on-demand. The reservation is paid for whether it is
	// used or not (85 % of the price while unused), so using it costs next to nothing more. The share keeps the order among reserved
	// offerings, and the dearest shape of the list (112 $/h) still costs less than the smallest share of an OCPU bought on demand.
	reservedShare = 1e-7
	gbPerTB       = 1000

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
	// Reserved is the same for an instance that fills a place in a capacity reservation: near zero, so that it is bought before anything
	// else, and in the order of the on-demand prices.
	Reserved(s *shape.Shape, ocpus, memoryGB float64) (perHour float64, known bool)
	// BootVolume is the price of a boot volume, which on-demand and preemptible instances pay alike.
	BootVolume(sizeGB, vpusPerGB int64) float64
	// BlockStorage is the price of any number of boot and block volumes by the two sums that they are billed by: their GB, and their GB
	// times their VPUs a GB.
	BlockStorage(sizeGB, vpuGB int64) float64
	// Generation grows whenever prices changed.
	Generation() uint64
}

// DefaultProvider prices shapes from an edition of the public price list.
type DefaultProvider struct {
	settings   Settings
	current    atomic.Pointer[book]
	generation atomic.Uint64
	// updating serialises Update; readers never take it.
	updating sync.Mutex
	// embedded are the prices in US dollars that the provider began with, which tell the rate of another currency.
	embedded map[string]float64
}

var _ Provider = (*DefaultProvider)(nil)

// NewProvider starts from the embedded price list. With a currency other than US dollars the embedded list does not apply: then the
// prices are relative ones in US dollars until the first Update.
func NewProvider(settings Settings) (*DefaultProvider, error) {
	if settings.Currency == "" {
		settings.Currency = DefaultCurrency
	}
	if err := settings.Validate(); err != nil {
		return nil, err
	}
	parts, err := parseProducts(pricelist.Products(), DefaultCurrency)
	if err != nil {
		return nil, err
	}
	rows, err := parseShapeParts(pricelist.ShapeParts())
	if err != nil {
		return nil, err
	}
	parts = lo.PickByKeys(parts, neededParts(rows))
	p := &DefaultProvider{settings: settings, embedded: parts}
	p.current.Store(&book{parts: parts, currency: DefaultCurrency, rate: 1, rows: rows})
	p.generation.Store(1)
	return p, nil
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

// Reserved implements Provider.
func (p *DefaultProvider) Reserved(s *shape.Shape, ocpus, memoryGB float64) (float64, bool) {
	price, known := p.OnDemand(s, ocpus, memoryGB, BaselineFull)
	return price * reservedShare, known
}

// Currency is what the prices are in now: US dollars until the first Update in another currency.
func (p *DefaultProvider) Currency() string { return p.current.Load().currency }

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
