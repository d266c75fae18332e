package shape

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/oracle/oci-go-sdk/v65/core"
	"github.com/oracle/oci-go-sdk/v65/identity"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/singleflight"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/karpenter-oke/karpenter-oke/pkg/oci"
)

// Lister is what this package needs from OCI. Answers are complete: paging is the implementation's matter.
type Lister interface {
	ListAvailabilityDomains(ctx context.Context, compartmentID string) ([]identity.AvailabilityDomain, error)
	ListShapes(ctx context.Context, compartmentID, availabilityDomain string) ([]core.Shape, error)
}

// Provider serves the region's shapes from memory.
type Provider interface {
	// Snapshot is the newest complete view; nil until the first Refresh has succeeded.
	Snapshot() *Snapshot
}

// maxParallelLists bounds concurrent ListShapes calls; no region has more than three availability domains.
const maxParallelLists = 3

// DefaultProvider reads shapes from OCI when told to (Refresh) and publishes snapshots.
type DefaultProvider struct {
	lister        Lister
	compartmentID string
	overrides     []Override

	current atomic.Pointer[Snapshot]
	// refreshing lets one Refresh run; who comes meanwhile gets its outcome.
	refreshing singleflight.Group
	// records holds the last good answer of each availability domain, by zone. Only the one Refresh that runs touches it.
	records map[string][]core.Shape
}

var _ Provider = (*DefaultProvider)(nil)

// NewProvider makes a provider that has no snapshot yet. It fails when an override is not valid.
func NewProvider(lister Lister, compartmentID string, overrides ...Override) (*DefaultProvider, error) {
	for _, o := range overrides {
		if err := o.Validate(); err != nil {
			return nil, err
		}
	}
	return &DefaultProvider{lister: lister, compartmentID: compartmentID, overrides: overrides, records: map[string][]core.Shape{}}, nil
}

// Snapshot implements Provider.
func (p *DefaultProvider) Snapshot() *Snapshot { return p.current.Load() }

// Refresh reads every availability domain's shapes and publishes a new snapshot when anything changed. The first snapshot needs an
// answer from every domain: a shape that is missing for want of an answer would make core replace the nodes that have it. Later a domain
// that fails keeps its last answer; the error is returned all the same, so that the caller tries again sooner.
func (p *DefaultProvider) Refresh(ctx context.Context) error {
	_, err, _ := p.refreshing.Do("", func() (any, error) { return nil, p.refresh(ctx) })
	return err
}

func (p *DefaultProvider) refresh(ctx context.Context) error {
	listed, err := p.lister.ListAvailabilityDomains(ctx, p.compartmentID)
	if err != nil {
		return fmt.Errorf("listing availability domains: %w", err)
	}
	var domains []AvailabilityDomain
	for _, d := range listed {
		if name := oci.Value(d.Name); name != "" {
			domains = append(domains, AvailabilityDomain{Zone: oci.Zone(name), Name: name})
		}
	}
	if len(domains) == 0 {
		return errors.New("listing availability domains: OCI answered with none")
	}
	failure := p.readDomains(ctx, domains)
	for _, d := range domains {
		if _, ok := p.records[d.Zone]; !ok {
			return failure
		}
	}
	p.publish(ctx, domains)
	return failure
}

// readDomains lists each domain's shapes into records and joins the errors of those that failed. An empty answer counts as a failure:
// every domain has shapes.
func (p *DefaultProvider) readDomains(ctx context.Context, domains []AvailabilityDomain) error {
	answers := make([][]core.Shape, len(domains))
	failures := make([]error, len(domains))
	var group errgroup.Group
	group.SetLimit(maxParallelLists)
	for i, d := range domains {
		group.Go(func() error {
			shapes, err := p.lister.ListShapes(ctx, p.compartmentID, d.Name)
			if err == nil && len(shapes) == 0 {
				err = errors.New("OCI answered with none")
			}
			if err != nil {
				failures[i] = fmt.Errorf("listing shapes of availability domain %s: %w", d.Name, err)
			}
			answers[i] = shapes
			return nil
		})
	}
	_ = group.Wait() // the functions above keep their errors in failures
	for i, d := range domains {
		if failures[i] == nil {
			p.records[d.Zone] = answers[i]
		}
	}
	return errors.Join(failures...)
}

// publish makes the records into a snapshot and swaps it in when it differs from the current one.
func (p *DefaultProvider) publish(ctx context.Context, domains []AvailabilityDomain) {
	old := p.current.Load()
	byName := map[string]*Shape{}
	for _, d := range domains {
		for _, record := range p.records[d.Zone] {
			s, ok := FromRecord(record, p.overrides)
			if !ok {
				continue
			}
			if known, ok := byName[s.Name]; ok {
				s = known
			}
			byName[s.Name] = s
			if !s.InZone(d.Zone) {
				s.Zones = append(s.Zones, d.Zone)
			}
		}
	}
	generation := uint64(1)
	if old != nil {
		generation = old.Generation() + 1
		keepVanished(byName, old)
	}
	for _, s := range byName {
		slices.Sort(s.Zones)
	}
	next := NewSnapshot(generation, domains, slices.Collect(maps.Values(byName)))
	if old != nil && slices.Equal(old.domains, next.domains) && reflect.DeepEqual(old.byName, next.byName) {
		return
	}
	p.current.Store(next)
	report(next)
	logChange(ctx, old, next)
}

// keepVanished keeps shapes that no domain lists any more, without zones: nodes may run on them, and core replaces a node whose type
// is gone.
func keepVanished(byName map[string]*Shape, old *Snapshot) {
	for _, s := range old.Shapes() {
		if _, ok := byName[s.Name]; !ok {
			kept := *s
			kept.Zones = nil
			byName[s.Name] = &kept
		}
	}
}

func logChange(ctx context.Context, old, next *Snapshot) {
	logger := log.FromContext(ctx)
	logger.Info("shapes changed", "shapes", len(next.Shapes()), "zones", strings.Join(next.Zones(), ","), "generation", next.Generation())
	for _, s := range next.Shapes() {
		if old != nil {
			if before, ok := old.Shape(s.Name); ok && slices.Equal(before.Warnings, s.Warnings) {
				continue
			}
		}
		for _, warning := range s.Warnings {
			logger.Info("shape needs a look; --shape-overrides can correct it", "shape", s.Name, "warning", warning)
		}
	}
}
