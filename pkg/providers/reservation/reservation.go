// Package reservation counts what is left in the capacity reservations that node classes select: as OCI said when it was last asked, less
// what this process has launched since.
package reservation

import (
	"sync"
	"sync/atomic"
	"time"

	"k8s.io/utils/clock"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
)

// Outcome is how a launch into a reservation ended.
type Outcome int

// Outcomes.
const (
	// Launched also stands for a launch that OCI did not answer: it may have happened.
	Launched Outcome = iota
	// Failed for a reason that says nothing of the reservation.
	Failed
	// Full: OCI refused it for want of capacity, so that less is left than was thought.
	Full
)

// Provider knows how many instances may still be launched into each slot: one shape, size and fault domain of a reservation.
type Provider interface {
	// Available is how many instances may be launched into a slot, never more than are free as far as is known here: a launch counts from
	// its beginning until OCI's own count is sure to have it, also where both do for a while. open is false once the reservation has
	// ended; nothing can be launched into it then. For a reservation that was not read yet the counts of the class's status hold.
	Available(r *v1alpha1.CapacityReservation, s *v1alpha1.ReservedShape) (free int, open bool)
	// Take counts one launch into a slot; false when nothing is left. Several callers never get the same place. done must be called once.
	Take(r *v1alpha1.CapacityReservation, s *v1alpha1.ReservedShape) (done func(Outcome), ok bool)
	// Freed says that an instance of a reservation is gone, so that OCI is asked for the count soon.
	Freed(reservationID string)
	// Generation grows whenever an answer of Available may have changed.
	Generation() uint64
}

// DefaultProvider counts in memory; Refresh asks OCI.
type DefaultProvider struct {
	api      API
	selected Selected
	clock    clock.PassiveClock

	generation atomic.Uint64

	mu           sync.Mutex // only memory is touched under it
	reservations map[string]*record
}

// record is one reservation.
type record struct {
	name   string
	began  time.Time // when the newest read began; zero before the first
	ended  bool
	due    time.Time // when OCI's count may have changed by itself; zero for not expected to
	counts map[string]*count
}

// count is one slot.
type count struct {
	reserved, used int64
	refused        bool // OCI had less than was counted; nothing is left until the next read
	underway       int
	landed         []time.Time // launches that the newest read may not show
}

var _ Provider = (*DefaultProvider)(nil)

// NewProvider makes a provider that knows of no reservation yet.
func NewProvider(api API, selected Selected, clk clock.PassiveClock) *DefaultProvider {
	return &DefaultProvider{api: api, selected: selected, clock: clk, reservations: map[string]*record{}}
}

// Generation implements Provider.
func (p *DefaultProvider) Generation() uint64 { return p.generation.Load() }

// Available implements Provider.
func (p *DefaultProvider) Available(r *v1alpha1.CapacityReservation, s *v1alpha1.ReservedShape) (free int, open bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	known := p.reservations[r.ID]
	if known == nil {
		return free64(s.Reserved - s.Used), true
	}
	if known.ended {
		return 0, false
	}
	c := known.counts[r.Slot(s)]
	if c == nil {
		if known.began.IsZero() {
			return free64(s.Reserved - s.Used), true
		}
		return 0, false // the reservation was changed and has no such slot any more
	}
	return c.free(), true
}

// free is what may be launched.
func (c *count) free() int {
	if c.refused {
		return 0
	}
	return free64(c.reserved - c.used - int64(c.underway) - int64(len(c.landed)))
}

func free64(n int64) int { return int(max(n, 0)) }

// Take implements Provider.
func (p *DefaultProvider) Take(r *v1alpha1.CapacityReservation, s *v1alpha1.ReservedShape) (done func(Outcome), ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	known := p.reservations[r.ID]
	if known == nil {
		known = &record{name: r.Name, counts: map[string]*count{}}
		p.reservations[r.ID] = known
	}
	slot := r.Slot(s)
	if known.counts[slot] == nil && known.began.IsZero() {
		known.counts[slot] = &count{reserved: s.Reserved, used: s.Used}
	}
	c := known.counts[slot]
	if c == nil || known.ended || c.free() == 0 {
		return nil, false
	}
	c.underway++
	p.generation.Add(1)
	return func(outcome Outcome) { p.landed(r.ID, slot, outcome) }, true
}

// landed ends the launch that Take began.
func (p *DefaultProvider) landed(id, slot string, outcome Outcome) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.generation.Add(1)
	known := p.reservations[id]
	if known == nil || known.counts[slot] == nil {
		return // the class selects it no more, or it was changed meanwhile
	}
	c, now := known.counts[slot], p.clock.Now()
	c.underway = max(c.underway-1, 0)
	switch outcome {
	case Launched:
		c.landed = append(c.landed, now)
		known.expect(now.Add(settle))
	case Full:
		c.refused = true
		known.expect(now.Add(soon))
	}
}

// Freed implements Provider.
func (p *DefaultProvider) Freed(reservationID string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if known := p.reservations[reservationID]; known != nil {
		known.expect(p.clock.Now().Add(soon))
	}
}

// expect sets when the reservation is to be read. A later launch moves the read on, so that a burst costs one, but never by more than
// patience since the first: what is read meanwhile counts a launch twice, and that would keep paid places empty.
func (r *record) expect(at time.Time) {
	if r.due.IsZero() {
		r.due = at
		return
	}
	if latest := r.began.Add(patience); at.After(r.due) && !at.After(latest) {
		r.due = at
	}
}
