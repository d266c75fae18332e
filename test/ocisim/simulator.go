package ocisim

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"

	"k8s.io/utils/clock"
)

// Simulator is a simulated region. It is an http.Handler; all methods are safe for concurrent use.
type Simulator struct {
	options    Options
	clock      clock.Clock
	world      World
	journal    *Journal
	faults     *Faults
	throttle   throttle
	watchers   watchers
	keys       trustedKeys
	principal  instanceIdentity
	operations []operation
	handler    http.Handler
	wake       chan struct{} // tells Run that an earlier event has been planned

	mu    sync.Mutex // guards state; held for memory work only, never across I/O
	state *state
}

// New makes a simulated region without any I/O and without starting anything. Time passes with the clock: due changes are applied before every request and
// every question, and Run applies them also while nobody asks. It fails on options that cannot work.
func New(o Options) (*Simulator, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &Simulator{options: o, clock: o.Clock, world: newWorld(o), journal: newJournal(o.JournalSize), wake: make(chan struct{}, 1),
		watchers: watchers{list: map[*watcher]struct{}{}}, keys: newTrustedKeys()}
	if s.state, err = newState(o, s.world, s.clock.Now()); err != nil {
		return nil, err
	}
	if s.throttle, err = newThrottle(o.MostPerSecond); err != nil {
		return nil, err
	}
	s.operations = operations()
	for operation := range s.throttle {
		if !s.knowsOperation(operation) {
			return nil, fmt.Errorf("operation %s, whose requests are to be bounded, is not known", operation)
		}
	}
	s.faults = &Faults{known: s.knowsOperation}
	mux := s.routes()
	s.adminRoutes(mux)
	s.handler = mux
	return s, nil
}

// operations is the whole simulated API.
func operations() []operation {
	var all []operation
	for _, service := range [][]operation{
		instanceOperations(), consoleOperations(), shapeOperations(), imageOperations(), attachmentOperations(), volumeOperations(), capacityOperations(), reservationOperations(),
		maintenanceOperations(), workRequestOperations(), networkOperations(), vnicOperations(), identityOperations(), clusterOperations(),
		virtualNodeOperations(), limitOperations(), priceOperations(), placementOperations(), keyOperations(), ipInventoryOperations(), sessionOperations(), principalOperations(), streamOperations(),
	} {
		all = append(all, service...)
	}
	return all
}

func (s *Simulator) knowsOperation(glob string) bool {
	for _, op := range s.operations {
		if globMatches(glob, op.name) {
			return true
		}
	}
	return false
}

// ServeHTTP answers the OCI API and, under /_sim/, the admin endpoint.
func (s *Simulator) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// World returns the identifiers of the region's fixed resources.
func (s *Simulator) World() World { return s.world }

// Journal returns the record of all requests to the OCI API.
func (s *Simulator) Journal() *Journal { return s.journal }

// Faults returns the script of things that go wrong.
func (s *Simulator) Faults() *Faults { return s.faults }

// Run applies lifecycle changes when they are due, until ctx ends; then it returns ctx's error.
func (s *Simulator) Run(ctx context.Context) error {
	for {
		s.mu.Lock()
		now := s.clock.Now()
		s.advance(now)
		due, planned := s.state.schedule.due()
		s.mu.Unlock()

		var timer clock.Timer
		var fired <-chan time.Time
		if planned {
			timer = s.clock.NewTimer(due.Sub(now))
			fired = timer.C()
		}
		select {
		case <-ctx.Done():
		case <-s.wake:
		case <-fired:
		}
		if timer != nil {
			timer.Stop()
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

// advance applies everything that is due, each at its own time. The state must be locked.
func (s *Simulator) advance(now time.Time) {
	for {
		e, due := s.state.schedule.pop(now)
		if !due {
			return
		}
		e.do(e.at)
	}
}

// later plans a change. The state must be locked.
func (s *Simulator) later(at time.Time, do func(now time.Time)) {
	s.state.schedule.add(at, do)
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// wait lets simulated time pass for one request; false means the client gave up first.
func (s *Simulator) wait(ctx context.Context, d time.Duration) bool {
	timer := s.clock.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C():
		return true
	case <-ctx.Done():
		return false
	}
}

// newID makes the identifier of a new resource. The state must be locked.
func (s *Simulator) newID(kind string) string {
	s.state.serial++
	return ocid(kind, s.options, strconv.FormatInt(s.state.born.UnixNano(), 36)+"-"+strconv.Itoa(s.state.serial))
}
