package network

import (
	"math"
	"slices"
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
	nextExpiry atomic.Int64 // of the exhausted ones, nanoseconds since began by the monotonic clock; math.MaxInt64 for none
	began      time.Time

	mu        sync.Mutex
	launches  map[string][]*taken  // by subnet; under way or accepted of late
	exhausted map[string]time.Time // until when
}

// taken is what one launch takes of a subnet.
type taken struct {
	at        time.Time
	addresses int64
}

// NewAddresses makes an empty memory.
func NewAddresses(clk clock.PassiveClock) *Addresses {
	a := &Addresses{clock: clk, began: clk.Now(), launches: map[string][]*taken{}, exhausted: map[string]time.Time{}}
	a.nextExpiry.Store(math.MaxInt64)
	return a
}

// Begin counts the addresses that a launch takes of a subnet. end is called once, when OCI has answered: accepted says that the instance took
// them, or will.
func (a *Addresses) Begin(subnetID string, addresses int64) (end func(accepted bool)) {
	if a == nil {
		return func(bool) {}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.count(map[string]int64{subnetID: addresses})
}

// BeginPods counts the addresses that the pod VNICs of one launch take in advance, so many of each, in the subnets that have most. false
// when one of them would find too few, as far as is known; then nothing is counted and each subnet without the addresses of a single VNIC is
// remembered as exhausted. A subnet of which nothing is known always has enough. end is that of Begin.
func (a *Addresses) BeginPods(subnets []v1alpha1.Subnet, vnics int, each int64) (end func(accepted bool), enough bool) {
	if a == nil || len(subnets) == 0 || vnics <= 0 {
		return func(bool) {}, true
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	free := make([]int64, len(subnets))
	for i, s := range subnets {
		if free[i] = math.MaxInt64 / 2; s.AvailableIPAddresses != nil {
			free[i] = a.free(s)
		}
	}
	takes := map[string]int64{}
	for range vnics {
		best := slices.Index(free, slices.Max(free))
		if free[best] < each {
			a.exhaustBelow(subnets, each)
			return func(bool) {}, false
		}
		free[best] -= each
		takes[subnets[best].ID] += each
	}
	return a.count(takes), true
}

// count notes what a launch takes; mu is held.
func (a *Addresses) count(takes map[string]int64) (end func(accepted bool)) {
	at := a.clock.Now()
	counted := map[string]*taken{}
	for id, n := range takes {
		counted[id] = &taken{at: at, addresses: n}
		a.launches[id] = append(a.recent(id), counted[id])
	}
	return func(accepted bool) {
		if accepted {
			return
		}
		a.mu.Lock()
		defer a.mu.Unlock()
		for id, t := range counted {
			a.launches[id] = slices.DeleteFunc(a.launches[id], func(other *taken) bool { return other == t })
		}
	}
}

// recent are the launches that count still; mu is held.
func (a *Addresses) recent(subnetID string) []*taken {
	list := a.launches[subnetID]
	for len(list) > 0 && a.clock.Since(list[0].at) >= countedFor {
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
	return a.free(subnet), true
}

// free is Free of a subnet whose status says; mu is held.
func (a *Addresses) free(subnet v1alpha1.Subnet) int64 {
	left := *subnet.AvailableIPAddresses
	for _, t := range a.recent(subnet.ID) {
		left -= t.addresses
	}
	return max(left, 0)
}

// exhaustBelow remembers the subnets with fewer addresses; mu is held.
func (a *Addresses) exhaustBelow(subnets []v1alpha1.Subnet, least int64) {
	for _, s := range subnets {
		if s.AvailableIPAddresses != nil && a.free(s) < least {
			a.exhaust(s.ID)
		}
	}
}

// Exhaust remembers that a subnet had no address for a launch.
func (a *Addresses) Exhaust(subnetID string) {
	if a == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.exhaust(subnetID)
}

// exhaust is Exhaust; mu is held.
func (a *Addresses) exhaust(subnetID string) {
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
	if now.Sub(a.began) < time.Duration(a.nextExpiry.Load()) {
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
		next = min(next, int64(until.Sub(a.began)))
	}
	a.nextExpiry.Store(next)
}
