package oci

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

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
	serviceBlockStorage    service = "blockstorage"
)

// verbClass is a kind of calls that shares a limit within a service.
type verbClass string

const (
	verbRead   verbClass = "read"
	verbWrite  verbClass = "write"
	verbLaunch verbClass = "launch" // LaunchInstance has a limiter of its own in the service
)

// RateLimits are the most requests a second that the controller sends to one OCI service, by what they do. A second's worth may
// go out at once. 0 means the default.
type RateLimits struct {
	Reads    float64
	Writes   float64 // terminations and updates
	Launches float64
}

// DefaultRateLimits stand in for numbers that OCI does not publish. Its own cloud controller uses 20 requests a second for reads and for writes
// (oci-cloud-controller-manager, rate limiter defaults); launches have a stricter limiter of their own in the service, so what
// changes something gets half of that. A 429 lowers the rates, see pace.
func DefaultRateLimits() RateLimits { return RateLimits{Reads: 20, Writes: 10, Launches: 10} }

// mostRate is far beyond what OCI serves to one tenancy.
const mostRate = 10_000

// Validate names the flag of a rate that is none.
func (r RateLimits) Validate() error {
	var errs []error
	for _, limit := range []struct {
		flag  string
		value float64
	}{{"reads", r.Reads}, {"writes", r.Writes}, {"launches", r.Launches}} {
		if math.IsNaN(limit.value) || limit.value < 0 || limit.value > mostRate {
			errs = append(errs, fmt.Errorf("--oci-rate-limit-%s %v is not within 0 (the default) and %d requests a second", limit.flag, limit.value, mostRate))
		}
	}
	return errors.Join(errs...)
}

func (r RateLimits) of(class verbClass) float64 {
	value, standard := r.Reads, DefaultRateLimits().Reads
	switch class {
	case verbWrite:
		value, standard = r.Writes, DefaultRateLimits().Writes
	case verbLaunch:
		value, standard = r.Launches, DefaultRateLimits().Launches
	case verbRead:
	}
	if value <= 0 {
		return standard
	}
	return value
}

// defaultPause is how long calls of a class stand still after a 429 that does not say.
const defaultPause = 2 * time.Second

type limiterKey struct {
	service service
	class   verbClass
}

// limiter holds one bucket for each service and class of calls, so that a storm of one kind leaves the others alone.
type limiter struct {
	clock   clock.Clock
	limits  RateLimits
	mu      sync.Mutex // guards the map only
	buckets map[limiterKey]*bucket
}

func newLimiter(clk clock.Clock, limits RateLimits) *limiter {
	return &limiter{clock: clk, limits: limits, buckets: map[limiterKey]*bucket{}}
}

// acquire waits until the call may go out and gives what has to be released after it.
func (l *limiter) acquire(ctx context.Context, op operation) (*bucket, error) {
	b, start := l.bucket(op), l.clock.Now()
	err := b.acquire(ctx, FlowOf(ctx))
	observeWait(op, l.clock.Since(start), b.rate())
	return b, err
}

// throttled notes a 429 to a call that was sent at a time. retryAfter is 0 when OCI did not say how long to wait.
func (l *limiter) throttled(op operation, sent time.Time, retryAfter time.Duration) {
	if retryAfter <= 0 {
		retryAfter = defaultPause
	}
	b := l.bucket(op)
	b.throttled(sent, retryAfter)
	observeThrottled(op, b.rate())
}

// bucket finds or makes the bucket of an operation.
func (l *limiter) bucket(op operation) *bucket {
	key := limiterKey{service: op.service, class: op.class()}
	l.mu.Lock()
	defer l.mu.Unlock()
	b, ok := l.buckets[key]
	if !ok {
		b = newBucket(l.clock, l.limits.of(key.class))
		l.buckets[key] = b
	}
	return b
}
