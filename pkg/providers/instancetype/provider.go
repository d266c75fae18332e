package instancetype

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"

	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/cloudprovider"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/capacity"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/instancetype/resources"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/learned"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/network"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/pricing"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/shape"
)

// ErrNotLoaded says that the region's shapes have not been read yet. It goes away by itself; callers try again.
var ErrNotLoaded = errors.New("the region's shapes are not loaded yet")

// Provider serves instance types from memory.
type Provider interface {
	// List gives the instance types for a NodePool and its node class, also those that cannot be had now, ordered by shape and size.
	// Types and slice are shared with every other caller: read them, filter into a new slice, never change or sort them in place (core
	// v1.15 keeps to that). The error is ErrNotLoaded until shapes are known.
	List(ctx context.Context, nodeClass *v1alpha1.OciNodeClass, nodePool *karpv1.NodePool) ([]*cloudprovider.InstanceType, error)
	// Size tells OCI's own numbers for an instance type's name, also for one that is not listed any more.
	Size(typeName string) (Size, bool)
	// Resources predicts what a node of a size has, less what nodes of the class were seen to lack. It fails when the shape is not known, or
	// with ErrNotLoaded.
	Resources(size Size, nodeClass *v1alpha1.OciNodeClass) (resources.Resources, error)
	// Fitter finds the sizes at which a claim's node is launched. nodePool is the claim's, nil when it is not known.
	Fitter(nodeClaim *karpv1.NodeClaim, nodeClass *v1alpha1.OciNodeClass, nodePool *karpv1.NodePool) *Fitter
}

// InUse tells which instance types nodes have now. Their types are listed even when the grid would leave them out: core replaces nodes
// whose type has vanished.
type InUse interface {
	// TypeNames are the values of node.kubernetes.io/instance-type among the NodePool's NodeClaims, in a stable order.
	TypeNames(nodePoolName string) []string
	// Generation grows whenever an answer of TypeNames may have changed.
	Generation() uint64
}

// Settings of a DefaultProvider.
type Settings struct {
	// Region is the value of topology.kubernetes.io/region as OKE's cloud controller writes it (oci.RegionLabel).
	Region string
	// Pods says how many pods fit on a node.
	Pods resources.PodLimits
	// Sizing holds for node classes that do not say; Fit when empty.
	Sizing v1alpha1.FlexSizing
}

// Dependencies of a DefaultProvider. InUse, Learned, Reservations and Addresses may be nil.
type Dependencies struct {
	Shapes      shape.Provider
	Prices      pricing.Provider
	Unavailable *capacity.Unavailable
	InUse       InUse
	// Learned makes predictions smaller by what real nodes lacked.
	Learned *learned.Store
	// Reservations tells what is left in capacity reservations; without it none is offered.
	Reservations Reservations
	// Addresses tells which subnets have no address left; nil: none.
	Addresses *network.Addresses
}

// DefaultProvider builds instance types on demand and keeps them until a source moves.
type DefaultProvider struct {
	settings Settings
	deps     Dependencies

	// current is what readers use; it is replaced as a whole.
	current atomic.Pointer[edition]
	// building serialises the making of a new edition; only memory is touched under it.
	building sync.Mutex
}

var _ Provider = (*DefaultProvider)(nil)

// generations are the states of all sources.
type generations struct{ shapes, prices, unavailable, inUse, learned, reservations, addresses uint64 }

// edition is what was built from one state of the sources. It never changes after it was published.
type edition struct {
	generations
	snapshot *shape.Snapshot
	catalogs map[variant]*catalog
	// lists by the fingerprint of what was asked.
	lists map[uint64]builtList
	// types that the lists of this edition share, by what they depend on and name.
	types map[params]builtTypes
}

// builtTypes are types by their names. Once published it never changes.
type builtTypes map[string]builtType

// builtList is an answer and the choice it was made from, which outlives changes of what is available.
type builtList struct {
	cells []*cell
	types []*cloudprovider.InstanceType
}

// builtType is an instance type and the states it was built from.
type builtType struct {
	it                       *cloudprovider.InstanceType
	shape                    *shape.Shape
	prices, shapeUnavailable uint64
	reservations             uint64 // 0 where the type has no reserved offerings
	reservedOnly             bool
	lacking                  learned.Shortfall
}

// maxLists bounds the lists of an edition, against NodePools that are edited without end while no source moves.
const maxLists = 512

// NewProvider makes a provider; nothing is built before the first List.
func NewProvider(deps Dependencies, settings Settings) *DefaultProvider {
	settings.Sizing = cmp.Or(settings.Sizing, v1alpha1.FlexSizingFit)
	return &DefaultProvider{deps: deps, settings: settings}
}

// List implements Provider.
func (p *DefaultProvider) List(_ context.Context, nodeClass *v1alpha1.OciNodeClass, nodePool *karpv1.NodePool) ([]*cloudprovider.InstanceType, error) {
	if nodeClass == nil {
		return nil, errors.New("listing instance types: no OciNodeClass given")
	}
	snapshot := p.deps.Shapes.Snapshot()
	if snapshot == nil {
		return nil, fmt.Errorf("listing instance types: %w", ErrNotLoaded)
	}
	key := p.fingerprint(nodeClass, nodePool)
	now := p.generations(snapshot)
	if e := p.current.Load(); e != nil && e.generations == now {
		if list, ok := e.lists[key]; ok {
			return list.types, nil
		}
	}
	return p.build(key, nodeClass, nodePool), nil
}

func (p *DefaultProvider) generations(snapshot *shape.Snapshot) generations {
	g := generations{shapes: snapshot.Generation(), prices: p.deps.Prices.Generation(), unavailable: p.deps.Unavailable.Generation(),
		learned: p.deps.Learned.Generation(), addresses: p.deps.Addresses.Generation()}
	if p.deps.InUse != nil {
		g.inUse = p.deps.InUse.Generation()
	}
	if p.deps.Reservations != nil {
		g.reservations = p.deps.Reservations.Generation()
	}
	return g
}

// build makes one list and publishes an edition that has it. The generations are read before the sources: should one move meanwhile, the
// list carries the old number and is built again by the next reader.
func (p *DefaultProvider) build(key uint64, nodeClass *v1alpha1.OciNodeClass, nodePool *karpv1.NodePool) []*cloudprovider.InstanceType {
	p.building.Lock()
	defer p.building.Unlock()
	snapshot := p.deps.Shapes.Snapshot()
	now := p.generations(snapshot)
	old := p.current.Load()
	next := &edition{generations: now, snapshot: snapshot, catalogs: map[variant]*catalog{}, lists: map[uint64]builtList{}, types: map[params]builtTypes{}}
	var reusable map[params]builtTypes
	var cells []*cell
	switch {
	case old == nil:
	case old.generations == now:
		if list, ok := old.lists[key]; ok {
			return list.types // another caller was faster
		}
		next.catalogs, reusable = maps.Clone(old.catalogs), old.types
		if len(old.lists) < maxLists {
			next.lists, next.types = maps.Clone(old.lists), maps.Clone(old.types)
		}
	default:
		reusable = old.types
		if old.shapes == now.shapes && old.prices == now.prices {
			next.catalogs = maps.Clone(old.catalogs)
			if old.inUse == now.inUse {
				cells = old.lists[key].cells
			}
		}
	}
	if cells == nil {
		cells = p.choose(next, nodeClass, nodePool)
	}
	list := builtList{cells: cells, types: p.types(next, reusable, cells, nodeClass)}
	next.lists[key] = list
	p.current.Store(next)
	return list.types
}

// choose picks the cells of a list.
func (p *DefaultProvider) choose(next *edition, nodeClass *v1alpha1.OciNodeClass, nodePool *karpv1.NodePool) []*cell {
	var inUse []string
	if p.deps.InUse != nil && nodePool != nil {
		inUse = p.deps.InUse.TypeNames(nodePool.Name)
	}
	v := variantOf(nodeClass)
	all, ok := next.catalogs[v]
	if !ok {
		all = newCatalog(next.snapshot, p.deps.Prices, v)
		reportGuessedPrices(all)
		next.catalogs[v] = all
	}
	s := newSelector(nodePool, nodeClass, inUse)
	s.slots = p.slotsOf(nodeClass, next.snapshot)
	return s.choose(all, next.snapshot)
}

func (p *DefaultProvider) slotsOf(nodeClass *v1alpha1.OciNodeClass, snapshot *shape.Snapshot) map[string][]slot {
	if p.deps.Reservations == nil {
		return nil
	}
	return slotsOf(nodeClass, snapshot)
}

// types makes the types of cells, taking over what was built before and has not changed.
func (p *DefaultProvider) types(next *edition, reusable map[params]builtTypes, cells []*cell, nodeClass *v1alpha1.OciNodeClass) []*cloudprovider.InstanceType {
	prm := paramsOf(withAddresses(nodeClass, p.deps.Addresses), p.settings.Pods)
	view := p.deps.Learned.View(nodeClass)
	slots := p.slotsOf(nodeClass, next.snapshot)
	prm.slots = slotsKey(slots)
	b := newBuilder(prm, next.snapshot.Zones(), p.settings, p.deps, slots)
	list := make([]*cloudprovider.InstanceType, 0, len(cells)) // exact, so that who appends gets a copy
	before, built := reusable[prm], make(builtTypes, len(cells))
	if prm.learned = string(p.deps.Learned.AppendScope(nil, nodeClass)); prm.learned != "" {
		// The first figure for an image parts node classes that shared their types; most of those are still right.
		if own, ok := reusable[prm]; ok {
			before = own
		}
	}
	maps.Copy(built, next.types[prm])
	for _, c := range cells {
		want := builtType{
			shape: c.shape, prices: next.prices, shapeUnavailable: p.deps.Unavailable.ShapeGeneration(c.shape.Name), lacking: view.Shortfall(c.learnedSize()),
			reservedOnly: c.reservedOnly,
		}
		if len(slots[c.name]) > 0 {
			want.reservations = next.reservations
		}
		have, ok := before[c.name]
		switch {
		case !ok || have.shape != want.shape || have.lacking != want.lacking:
			want.it = b.build(c, want.lacking)
		case have.prices != want.prices || have.shapeUnavailable != want.shapeUnavailable || have.reservations != want.reservations || have.reservedOnly != want.reservedOnly:
			want.it = b.withOfferings(c, have.it)
		default:
			want.it = have.it
		}
		built[c.name] = want
		list = append(list, want.it)
	}
	next.types[prm] = built
	return list
}

// Size implements Provider.
func (p *DefaultProvider) Size(typeName string) (Size, bool) {
	snapshot := p.deps.Shapes.Snapshot()
	if snapshot == nil {
		return Size{}, false
	}
	size, _, ok := parseTypeName(typeName, snapshot)
	return size, ok
}

// Resources implements Provider.
func (p *DefaultProvider) Resources(size Size, nodeClass *v1alpha1.OciNodeClass) (resources.Resources, error) {
	model, err := p.Model(size, nodeClass)
	if err != nil || nodeClass == nil {
		return model, err
	}
	lacking := p.deps.Learned.View(nodeClass).Shortfall(learned.Size{Shape: size.ShapeName, OCPUs: size.OCPUs, MemoryGB: size.MemoryGB})
	return less(model, lacking), nil
}

// Model predicts what a node of a size has by the model alone: what real nodes are compared with. It fails like Resources.
func (p *DefaultProvider) Model(size Size, nodeClass *v1alpha1.OciNodeClass) (resources.Resources, error) {
	snapshot := p.deps.Shapes.Snapshot()
	if snapshot == nil {
		return resources.Resources{}, fmt.Errorf("predicting the resources of %s: %w", size.ShapeName, ErrNotLoaded)
	}
	s, ok := snapshot.Shape(size.ShapeName)
	if !ok {
		return resources.Resources{}, fmt.Errorf("predicting the resources of %s: the region has no such shape", size.ShapeName)
	}
	if nodeClass == nil {
		nodeClass = &v1alpha1.OciNodeClass{}
	}
	prm := paramsOf(nodeClass, p.settings.Pods)
	if prm.threads == singleThread {
		s = s.WithoutMultithreading()
	}
	c := newCell(s, size.OCPUs, size.MemoryGB, baseline(size.Baseline), 0)
	return resources.Predict(c.machine(prm.disks), prm.pods, prm.kubelet), nil
}
