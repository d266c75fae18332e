// Package capacity remembers what OCI would not give: offerings that ran out of host capacity or into a service limit. Launches teach it,
// instance types read it, and entries expire by themselves.
package capacity

import (
	"cmp"
	"context"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/karpenter-oke/karpenter-oke/pkg/providers/shape"
)

// Reason is why an offering is unavailable. The set is closed: it is a metric label.
type Reason string

// Reasons.
const (
	ReasonOutOfHostCapacity Reason = "OutOfHostCapacity"
	ReasonLimitExceeded     Reason = "LimitExceeded"
	ReasonQuotaExceeded     Reason = "QuotaExceeded"
	ReasonShapeNotFound     Reason = "ShapeNotFound"
	// ReasonLimitReached is found out before a launch: what is left of a service limit is less than the offering takes.
	ReasonLimitReached Reason = "LimitReached"
	// ReasonEndedEarly: an accepted launch failed before its node registered, and what OCI says, if anything, does not speak of capacity.
	ReasonEndedEarly Reason = "EndedEarly"
	// ReasonPreempted: OCI takes a preemptible instance of the shape back, so it wants the hosts of its domain for others.
	ReasonPreempted Reason = "Preempted"
)

// Offering names a launch: a size of a shape in a zone, bought in one way. In a mark, an empty field means all: a zero size every size and
// baseline, an empty Zone every zone (regional limits), an empty CapacityType every capacity type (service limits count preemptible
// instances too), an empty FaultDomain the whole zone.
type Offering struct {
	Shape    string
	OCPUs    float64
	MemoryGB float64
	// Baseline is OCI's name of a burstable utilisation, such as BASELINE_1_8; empty for whole OCPUs.
	Baseline     string
	Zone         string
	CapacityType string
	// FaultDomain is the one that a launch names; empty when OCI chooses.
	FaultDomain string
	// Reservation is the slot of the capacity reservation that a launch draws on (v1alpha1.LabelCapacityReservationSlot); empty for none.
	Reservation string
}

// Entry is one mark that still holds.
type Entry struct {
	Offering
	Reason Reason
	// Limit is the service limit or quota that the mark is for, where the reason is one; it may be unknown.
	Limit string
	// Above says that the marked size itself can be had and only larger ones can not: it is all that a limit leaves.
	Above bool
	Until time.Time

	source string // who replaces the mark; empty when it was learned and only time ends it
}

// blocks says whether the mark covers the offering.
func (e *Entry) blocks(o Offering) bool {
	return (e.Zone == "" || e.Zone == o.Zone) &&
		(e.CapacityType == "" || e.CapacityType == o.CapacityType) &&
		// What is out in one fault domain says nothing of a launch for which OCI chooses among all.
		(e.FaultDomain == "" || e.FaultDomain == o.FaultDomain) &&
		// A reservation has hosts of its own, and was counted against limits when it was made.
		(e.Reason == ReasonShapeNotFound || e.Reservation == o.Reservation) &&
		// Baselines say nothing of each other: OCI reports their capacity apart, and to be wrong costs a launch that fails, whereas a mark
		// too many keeps pods waiting. Memory is the same with every baseline.
		(e.OCPUs == 0 || e.Baseline == o.Baseline) && e.reaches(o)
}

// reaches says whether the offering's size is at or above the marked one in both OCPUs and memory. A size that is smaller in either may
// still fit on a host.
func (e *Entry) reaches(o Offering) bool {
	if e.Above {
		return (e.OCPUs > 0 && o.OCPUs > e.OCPUs) || (e.MemoryGB > 0 && o.MemoryGB > e.MemoryGB)
	}
	return o.OCPUs >= e.OCPUs && o.MemoryGB >= e.MemoryGB
}

// same says whether two marks differ in nothing but their end.
func (e *Entry) same(other Entry) bool {
	other.Until = e.Until
	return *e == other
}

// Unavailable is a set of marks with expiry. It is safe for concurrent use; reading takes no exclusive lock unless a mark has expired.
type Unavailable struct {
	clock  clock.PassiveClock
	shapes shape.Provider // nil when not known

	generation atomic.Uint64
	// nextExpiry is the earliest Until in nanoseconds since began, math.MaxInt64 when there are no marks. A wall clock that is set back does not
	// prolong marks then, since times of one process are compared by its monotonic clock.
	nextExpiry atomic.Int64
	began      time.Time

	mu      sync.RWMutex
	marks   map[string][]Entry // by shape
	changed map[string]uint64  // shape -> generation of its last change
}

// NewUnavailable makes an empty set.
func NewUnavailable(c clock.PassiveClock) *Unavailable {
	u := &Unavailable{clock: c, began: c.Now(), marks: map[string][]Entry{}, changed: map[string]uint64{}}
	u.nextExpiry.Store(math.MaxInt64)
	return u
}

// WithShapes tells which shapes share a service limit, so that a limit that one of them met is marked for all. It is called before the
// set is used.
func (u *Unavailable) WithShapes(shapes shape.Provider) *Unavailable {
	u.shapes = shapes
	return u
}

// MarkUnavailable remembers for the given time that the offering cannot be had. A mark that is there already is prolonged, never
// shortened. A ttl of zero or less is ignored.
func (u *Unavailable) MarkUnavailable(ctx context.Context, reason Reason, o Offering, ttl time.Duration) {
	u.mark(ctx, Entry{Offering: o, Reason: reason}, ttl)
}

func (u *Unavailable) mark(ctx context.Context, entry Entry, ttl time.Duration) {
	if ttl <= 0 || entry.Shape == "" {
		return
	}
	entry.Until = u.clock.Now().Add(ttl)
	u.mu.Lock()
	defer u.mu.Unlock()
	marks := u.marks[entry.Shape]
	if i := slices.IndexFunc(marks, entry.same); i >= 0 {
		if marks[i].Until.Before(entry.Until) {
			marks[i].Until = entry.Until
		}
	} else {
		u.marks[entry.Shape] = append(marks, entry)
		u.touch(entry.Shape)
		log.FromContext(ctx).Info("offering is unavailable", "shape", entry.Shape, "ocpus", entry.OCPUs, "memoryGB", entry.MemoryGB,
			"baseline", entry.Baseline, "zone", entry.Zone, "faultDomain", entry.FaultDomain, "capacity-type", entry.CapacityType,
			"reason", entry.Reason, "limit", entry.Limit, "ttl", ttl.String())
	}
	u.scheduleExpiry()
}

// IsUnavailable says whether a mark covers the offering, and why.
func (u *Unavailable) IsUnavailable(o Offering) (Reason, bool) {
	u.expire()
	u.mu.RLock()
	defer u.mu.RUnlock()
	return u.reason(o)
}

// IsUnavailableIn is IsUnavailable for a launch that may go to any of several fault domains: also when each of them is marked.
func (u *Unavailable) IsUnavailableIn(o Offering, faultDomains []string) (Reason, bool) {
	u.expire()
	u.mu.RLock()
	defer u.mu.RUnlock()
	reason, gone := u.reason(o)
	if gone || len(faultDomains) == 0 || len(u.marks[o.Shape]) == 0 {
		return reason, gone
	}
	for _, o.FaultDomain = range faultDomains {
		if reason, gone = u.reason(o); !gone {
			return "", false
		}
	}
	return reason, true
}

// reason finds a mark that covers the offering; the lock is held.
func (u *Unavailable) reason(o Offering) (Reason, bool) {
	for i := range u.marks[o.Shape] {
		if e := &u.marks[o.Shape][i]; e.blocks(o) {
			return e.Reason, true
		}
	}
	return "", false
}

// Generation grows whenever a mark is added or expires. Reading it also drops what has expired.
func (u *Unavailable) Generation() uint64 {
	u.expire()
	return u.generation.Load()
}

// ShapeGeneration is the generation of the last change to the shape's marks, 0 when there was none: callers rebuild only what changed.
func (u *Unavailable) ShapeGeneration(shapeName string) uint64 {
	u.expire()
	u.mu.RLock()
	defer u.mu.RUnlock()
	return u.changed[shapeName]
}

// Entries lists the marks that hold now, in a stable order, for metrics and for people.
func (u *Unavailable) Entries() []Entry {
	u.expire()
	u.mu.RLock()
	defer u.mu.RUnlock()
	var entries []Entry
	for _, marks := range u.marks {
		entries = append(entries, marks...)
	}
	slices.SortFunc(entries, func(a, b Entry) int {
		return cmp.Or(cmp.Compare(a.Shape, b.Shape), cmp.Compare(a.Zone, b.Zone), cmp.Compare(a.CapacityType, b.CapacityType),
			cmp.Compare(a.OCPUs, b.OCPUs), cmp.Compare(a.MemoryGB, b.MemoryGB), cmp.Compare(a.Baseline, b.Baseline), cmp.Compare(a.FaultDomain, b.FaultDomain),
			cmp.Compare(a.Reservation, b.Reservation), cmp.Compare(a.Limit, b.Limit))
	})
	return entries
}

// Learned is Entries without the marks of sources: what failed launches have taught.
func (u *Unavailable) Learned() []Entry {
	return slices.DeleteFunc(u.Entries(), func(e Entry) bool { return e.source != "" })
}

// expire drops marks whose time is over. The common case costs one atomic read and the clock.
func (u *Unavailable) expire() {
	now := u.clock.Now()
	if now.Sub(u.began) < time.Duration(u.nextExpiry.Load()) {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	for shape, marks := range u.marks {
		kept := slices.DeleteFunc(slices.Clone(marks), func(e Entry) bool { return !now.Before(e.Until) })
		if len(kept) == len(marks) {
			continue
		}
		if u.marks[shape] = kept; len(kept) == 0 {
			delete(u.marks, shape)
		}
		u.touch(shape)
	}
	u.scheduleExpiry()
}

// touch records a change of a shape's marks; the lock is held.
func (u *Unavailable) touch(shapeName string) { u.changed[shapeName] = u.generation.Add(1) }

// scheduleExpiry sets nextExpiry; the lock is held.
func (u *Unavailable) scheduleExpiry() {
	next := int64(math.MaxInt64)
	for _, marks := range u.marks {
		for i := range marks {
			next = min(next, int64(marks[i].Until.Sub(u.began)))
		}
	}
	u.nextExpiry.Store(next)
}
