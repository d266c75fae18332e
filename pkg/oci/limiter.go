package oci

import (
	"context"
	"sync"
	"time"

	"golang.org/x/time/rate"
	"k8s.io/utils/clock"
)

// service is one of OCI's API services; each has limits of its own.
type service string

const (
	serviceCompute         service = "compute"
	serviceNetwork         service = "network"
	serviceIdentity        service = "identity"
	serviceContainerEngine service = "containerengine"
	serviceWorkRequests    service = "workrequests"
	servicePlacementGroups service = "clusterplacementgroups"
	serviceKeyManagement   service = "keymanagement"
)

// Rates are requests per second and burst for one class of calls.
type Rates struct {
	PerSecond float64
	Burst     int
}

// defaultRates: OCI publishes no numbers. Its own cloud controller uses 20 requests a second with a burst of 5 for reads and
// for writes (oci-cloud-controller-manager, rate limiter defaults); launches have a stricter limiter of their own in the
// service, so writes get half of that.
var (
	defaultReadRates  = Rates{PerSecond: 20, Burst: 20}
	defaultWriteRates = Rates{PerSecond: 10, Burst: 10}
)

// defaultPause is how long calls of a class stand still after a 429 that does not say.
const defaultPause = 2 * time.Second

type limiterKey struct {
	service service
	write   bool
}

// limiter holds one token bucket for each service and for reads and writes apart, so that a storm of one kind leaves the others
// alone. A 429 pauses its class.
type limiter struct {
	clock   clock.Clock
	mu      sync.Mutex
	buckets map[limiterKey]*bucket
}

type bucket struct {
	tokens      *rate.Limiter
	pausedUntil time.Time
}

func newLimiter(clk clock.Clock) *limiter {
	return &limiter{clock: clk, buckets: map[limiterKey]*bucket{}}
}

// wait blocks until a call may go out, or ctx ends.
func (l *limiter) wait(ctx context.Context, op operation) error {
	start := l.clock.Now()
	defer func() {
		limiterWait.Observe(l.clock.Since(start).Seconds(), map[string]string{labelService: string(op.service)})
	}()
	tokens, pause := l.reserve(op)
	if pause > 0 {
		timer := l.clock.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-timer.C():
		}
	}
	return tokens.Wait(ctx)
}

func (l *limiter) reserve(op operation) (*rate.Limiter, time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.bucket(op)
	return b.tokens, b.pausedUntil.Sub(l.clock.Now())
}

// throttled notes a 429: the class pauses for as long as the service asked.
func (l *limiter) throttled(op operation, retryAfter time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if retryAfter == 0 {
		retryAfter = defaultPause
	}
	b := l.bucket(op)
	if until := l.clock.Now().Add(retryAfter); until.After(b.pausedUntil) {
		b.pausedUntil = until
	}
}

// bucket finds or makes the bucket of an operation; mu is held.
func (l *limiter) bucket(op operation) *bucket {
	key := limiterKey{service: op.service, write: op.write}
	if b, ok := l.buckets[key]; ok {
		return b
	}
	rates := defaultReadRates
	if op.write {
		rates = defaultWriteRates
	}
	b := &bucket{tokens: rate.NewLimiter(rate.Limit(rates.PerSecond), rates.Burst)}
	l.buckets[key] = b
	return b
}
