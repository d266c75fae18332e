package learned

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"k8s.io/utils/clock"
)

// maxEntries bounds what is remembered: at 250 bytes an entry, half of what an object of the API server holds. The longest unseen go first.
const maxEntries = 2000

// refreshStep is how far the time at which a figure was seen may lag before it is worth being stored again.
const refreshStep = 24 * time.Hour

// Store holds the figures. It is safe for concurrent use, and reading takes no lock. A nil Store knows nothing.
type Store struct {
	clock clock.PassiveClock
	ttl   time.Duration

	published atomic.Pointer[snapshot]
	// nextExpiry is when the first figure expires, in Unix nanoseconds; math.MaxInt64 for never.
	nextExpiry atomic.Int64
	// revision grows with every change that is worth being stored.
	revision atomic.Uint64

	mu      sync.Mutex
	entries map[key]*Entry
}

// snapshot is what readers use; it never changes.
type snapshot struct {
	generation uint64
	// images are those of which some node lacks something.
	images map[string]*imageFigures
}

type imageFigures struct {
	shapes map[string][]Observation
	// classes are those that have figures of their own.
	classes map[string]bool
}

// NewStore makes an empty store whose figures hold for ttl after they were last seen.
func NewStore(c clock.PassiveClock, ttl time.Duration) *Store {
	s := &Store{clock: c, ttl: ttl, entries: map[key]*Entry{}}
	s.published.Store(&snapshot{})
	s.nextExpiry.Store(math.MaxInt64)
	return s
}

// Observe takes up what a node showed, also that it lacks nothing, and says whether predictions may change by it.
func (s *Store) Observe(o Observation) bool {
	o.Shortfall = o.tidy()
	now := s.clock.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	e, known := s.entries[o.key()]
	if !known {
		s.entries[o.key()] = &Entry{Observation: o, Seen: now}
		s.bound()
		return s.publish(true)
	}
	switch stale := now.Sub(e.lastSeen()) >= refreshStep; {
	case !e.covers(o.Shortfall):
		// What was seen of the old worst stays true for as long as the new one, which is larger, holds.
		e.Shortfall, e.Seen = e.max(o.Shortfall), now
		return s.publish(true)
	case e.Shortfall == o.Shortfall:
		e.Seen = now
		s.publish(stale)
	default:
		worse := !e.Later.covers(o.Shortfall)
		e.Later, e.LaterSeen = e.Later.max(o.Shortfall), now
		s.publish(stale || worse)
	}
	return false
}

// bound drops the entries that were not seen for the longest time; the lock is held.
func (s *Store) bound() {
	for len(s.entries) > maxEntries {
		oldest := slices.MinFunc(slices.Collect(maps.Values(s.entries)), func(a, b *Entry) int { return a.lastSeen().Compare(b.lastSeen()) })
		delete(s.entries, oldest.key())
	}
}

// publish makes a new snapshot if the figures differ from the published ones, and says whether they do; the lock is held. store says
// that the change is worth being stored in any case.
func (s *Store) publish(store bool) bool {
	next := &snapshot{images: map[string]*imageFigures{}}
	first := int64(math.MaxInt64)
	for _, e := range s.entries {
		first = min(first, e.Seen.Add(s.ttl).UnixNano())
		if !e.Zero() && next.images[e.Image] == nil {
			next.images[e.Image] = &imageFigures{shapes: map[string][]Observation{}, classes: map[string]bool{}}
		}
	}
	s.nextExpiry.Store(first)
	for _, e := range s.entries {
		figures := next.images[e.Image]
		if figures == nil {
			continue
		}
		figures.shapes[e.Shape] = append(figures.shapes[e.Shape], e.Observation)
		if e.Rest != (Amounts{}) {
			figures.classes[e.Class] = true
		}
	}
	for _, figures := range next.images {
		for _, list := range figures.shapes {
			slices.SortFunc(list, compare)
		}
	}
	old := s.published.Load()
	changed := !maps.EqualFunc(old.images, next.images, func(a, b *imageFigures) bool {
		return maps.EqualFunc(a.shapes, b.shapes, slices.Equal[[]Observation])
	})
	if changed {
		next.generation = old.generation + 1
		s.published.Store(next)
	}
	if changed || store && len(next.images) > 0 {
		s.revision.Add(1)
	}
	return changed
}

func compare(a, b Observation) int {
	return cmp.Or(cmp.Compare(a.Image, b.Image), cmp.Compare(a.Shape, b.Shape), cmp.Compare(a.OCPUs, b.OCPUs), cmp.Compare(a.MemoryGB, b.MemoryGB),
		cmp.Compare(a.Class, b.Class))
}

// current is the snapshot of now. The common case costs two atomic reads and the clock.
func (s *Store) current() *snapshot {
	if now := s.clock.Now(); now.UnixNano() >= s.nextExpiry.Load() {
		s.expire(now)
	}
	return s.published.Load()
}

func (s *Store) expire(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	over := func(seen time.Time) bool { return now.Sub(seen) >= s.ttl }
	for k, e := range s.entries {
		switch {
		case !over(e.Seen):
		case e.LaterSeen.IsZero() || over(e.LaterSeen):
			delete(s.entries, k)
		default:
			e.Shortfall, e.Seen, e.Later, e.LaterSeen = e.Later, e.LaterSeen, Shortfall{}, time.Time{}
		}
	}
	s.publish(true)
}

// Generation grows whenever a prediction may have changed, also because a figure expired.
func (s *Store) Generation() uint64 {
	if s == nil {
		return 0
	}
	return s.current().generation
}

// Revision grows whenever Entries has changed enough to be stored.
func (s *Store) Revision() uint64 {
	s.current()
	return s.revision.Load()
}

// Entries lists what is worth being stored, in a stable order: all of the images of which some node lacks something.
func (s *Store) Entries() []Entry {
	known := s.current().images
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Entry
	for _, e := range s.entries {
		if known[e.Image] != nil {
			out = append(out, *e)
		}
	}
	slices.SortFunc(out, func(a, b Entry) int { return compare(a.Observation, b.Observation) })
	return out
}

// Restore takes up entries that were stored. What was seen since in this process stays when it is worse; entries that make no sense are
// left out, and their number is returned.
func (s *Store) Restore(entries []Entry) (refused int) {
	now := s.clock.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range entries {
		if !e.valid() {
			refused++
			continue
		}
		if e.Seen.After(now) {
			e.Seen = now // a clock was wrong; a figure must not hold for ever
		}
		if e.LaterSeen.After(now) {
			e.LaterSeen = now
		}
		have, ok := s.entries[e.key()]
		if ok && have.covers(e.Shortfall) {
			continue
		}
		if ok { // the stored one is worse; what this process saw is what has been seen later
			e.Later, e.LaterSeen = e.Later.max(have.Shortfall), have.lastSeen()
		}
		s.entries[e.key()] = &e
	}
	s.bound()
	s.publish(false)
	return refused
}
