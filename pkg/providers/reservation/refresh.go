package reservation

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/oracle/oci-go-sdk/v65/core"
	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/pkg/oci"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/placement"
)

const (
	// Interval is how often Refresh looks whether a reservation is due; that alone asks OCI nothing.
	Interval = 5 * time.Second
	// idle is how often a reservation is read of which nothing is known to have changed: others launch into it too.
	idle = 5 * time.Minute
	// settle is how long a launch counts beside OCI's own count, which follows launches with some delay. No figure is published.
	settle = 30 * time.Second
	// soon is how long after the end of an instance, or a refusal, OCI is asked.
	soon = 10 * time.Second
	// patience bounds for how long new launches may put a read off.
	patience = 10 * time.Minute
)

// API is the part of the OCI client that this package calls.
type API interface {
	GetComputeCapacityReservation(ctx context.Context, id string) (core.ComputeCapacityReservation, error)
}

// Selected tells which capacity reservations node classes select: their OCIDs.
type Selected interface {
	Reservations(ctx context.Context) ([]string, error)
}

// Refresh reads the reservations that are due, one call each. One that can not be read keeps its counts and does not hold up the others.
func (p *DefaultProvider) Refresh(ctx context.Context) error {
	ids, err := p.selected.Reservations(ctx)
	if err != nil {
		return fmt.Errorf("finding the capacity reservations that OciNodeClasses select: %w", err)
	}
	p.forgetOthers(ids)
	var errs []error
	for _, id := range ids {
		if !p.isDue(id) {
			continue
		}
		began := p.clock.Now()
		raw, err := p.api.GetComputeCapacityReservation(ctx, id)
		switch {
		case err == nil:
			p.observe(ctx, id, began, raw)
		case oci.ClassOf(err) == oci.ClassNotFound:
			// Gone, or the right to read it is: either way nothing more is launched into it. Nodes that use it are left alone.
			p.observe(ctx, id, began, core.ComputeCapacityReservation{LifecycleState: core.ComputeCapacityReservationLifecycleStateDeleted})
		default:
			errs = append(errs, fmt.Errorf("reading capacity reservation %s: %w", id, err))
		}
	}
	return errors.Join(errs...)
}

func (p *DefaultProvider) forgetOthers(selected []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for id := range p.reservations {
		if !slices.Contains(selected, id) {
			delete(p.reservations, id)
			p.generation.Add(1)
		}
	}
}

func (p *DefaultProvider) isDue(id string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	known := p.reservations[id]
	switch now := p.clock.Now(); {
	case known == nil || known.began.IsZero():
		return true
	case !known.due.IsZero():
		return !now.Before(known.due)
	default:
		return now.Sub(known.began) >= idle
	}
}

// observe takes over what OCI says about a reservation. Launches that ended less than settle before the read began still count.
func (p *DefaultProvider) observe(ctx context.Context, id string, began time.Time, raw core.ComputeCapacityReservation) {
	p.mu.Lock()
	defer p.mu.Unlock()
	before := p.reservations[id]
	if before == nil {
		before = &record{}
	}
	after := &record{name: oci.Value(raw.DisplayName), began: began, ended: !placement.ReservationOpen(raw.LifecycleState), counts: map[string]*count{}}
	if after.name == "" {
		after.name = before.name
	}
	read := v1alpha1.CapacityReservation{ZonalResource: v1alpha1.ZonalResource{ID: id}, Shapes: placement.ReservedShapes(raw.InstanceReservationConfigs)}
	for i := range read.Shapes {
		s := &read.Shapes[i]
		after.counts[read.Slot(s)] = &count{reserved: s.Reserved, used: s.Used}
	}
	for slot, old := range before.counts {
		c := after.counts[slot]
		if c == nil {
			continue
		}
		c.underway = old.underway
		for _, at := range old.landed {
			if began.Sub(at) < settle {
				c.landed = append(c.landed, at)
				after.expect(at.Add(settle))
			}
		}
	}
	p.reservations[id] = after
	if !before.same(after) {
		p.generation.Add(1)
	}
	if before.ended != after.ended || before.began.IsZero() {
		log.FromContext(ctx).Info("read capacity reservation", "reservation", klog.KRef("", after.name), "id", id, "ended", after.ended, "slots", len(after.counts))
	}
}

// same says whether launches see no difference.
func (r *record) same(other *record) bool {
	return r.ended == other.ended && r.began.IsZero() == other.began.IsZero() && maps.EqualFunc(r.counts, other.counts, func(a, b *count) bool {
		return a.reserved == b.reserved && a.free() == b.free()
	})
}
