package network

import (
	"math"
	"sync"
	"sync/atomic"
	"time"

	"k8s.io/utils/clock"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
)

const (
	// countedFor is how long a launch counts beside the figure of free addresses in a class's status, which is read anew every ten minutes
	// or so: long enough that the figure is sure to have it.
	countedFor = 12 * time.Minute
	// exhaustedFor is how long a subnet is left alone that had no address for a launch. Addresses come free when nodes go.
	exhaustedFor = 3 * time.Minute
)

// Addresses remembers what launches take of the addresses of subnets, and which subnets had none left. It is safe for concurrent use; a
// nil one remembers nothing.
type Addresses struct {
	clock clock.PassiveClock

	generation atomic.Uint64
	nextExpiry atomic.Int64 // of the exhausted ones, Unix nanoseconds; math.MaxInt64 for none

	mu        sync.Mutex
	launches  map[string][]time.Time // by subnet; under way or accepted of late
	exhausted map[string]time.Time   // until when
}

// NewAddresses makes an empty memory.
func NewAddresses(clk clock.PassiveClock) *Addresses {
	a := &Addresses{clock: clk, launches: map[string][]time.Time{}, exhausted: map[string]time.Time{}}
	a.nextExpiry.Store(math.MaxInt64)
	return a
}

// Begin counts a launch into a subnet. end is called once, when OCI has answered: accepted says that the instance took an address.
func (a *Addresses) Begin(subnetID string) (end func(accepted bool)) {
	if a == nil {
		return func(bool) {}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	at := a.clock.Now()
	a.launches[subnetID] = append(a.recent(subnetID), at)
	return func(accepted bool) {
		if accepted {
			return
		}
		a.mu.Lock()
		defer a.mu.Unlock()
		for i, other := range a.launches[subnetID] {
			if other.Equal(at) {
				a.launches[subnetID] = append(a.launches[subnetID][:i:i], a.launches[subnetID][i+1:]...)
				return
			}
		}
	}
}

// recent are the launches that count still; mu is held.
func (a *Addresses) recent(subnetID string) []time.Time {
	list := a.launches[subnetID]
	for len(list) > 0 && a.clock.Since(list[0]) >= countedFor {
		list = list[1:]
	}
	return list
}

// Free is how many addresses a subnet has at least, as its class's status says, less those of launches that the figure may not have; false
// when the status does not say. It errs on the small side.
func (a *Addresses) Free(subnet v1alpha1.Subnet) (int64, bool) {
	if subnet.AvailableIPAddresses == nil {
		return 0, false
	}
	if a == nil {
		return max(*subnet.AvailableIPAddresses, 0), true
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return max(*subnet.AvailableIPAddresses-int64(len(a.recent(subnet.ID))), 0), true
}

// Exhaust remembers that a subnet had no address for a launch.
func (a *Addresses) Exhaust(subnetID string) {
	if a == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	_, already := a.exhausted[subnetID]
	a.exhausted[subnetID] = a.clock.Now().Add(exhaustedFor)
	a.schedule()
	if !already {
		a.generation.Add(1)
	}
}

// Exhausted says whether a subnet had no address a moment ago.
func (a *Addresses) Exhausted(subnetID string) bool {
	if a == nil {
		return false
	}
	a.expire()
	a.mu.Lock()
	defer a.mu.Unlock()
	_, marked := a.exhausted[subnetID]
	return marked
}

// Generation grows whenever an answer of Exhausted has changed.
func (a *Addresses) Generation() uint64 {
	if a == nil {
		return 0
	}
	a.expire()
	return a.generation.Load()
}

// expire drops what is over; mostly it costs one atomic read and the clock.
func (a *Addresses) expire() {
	now := a.clock.Now()
	if now.UnixNano() < a.nextExpiry.Load() {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for id, until := range a.exhausted {
		if !now.Before(until) {
			delete(a.exhausted, id)
			a.generation.Add(1)
		}
	}
	a.schedule()
}

// schedule sets nextExpiry; mu is held.
func (a *Addresses) schedule() {
	next := int64(math.MaxInt64)
	for _, until := range a.exhausted {
		next = min(next, until.UnixNano())
	}
	a.nextExpiry.Store(next)
}
