package oci

import (
	"context"
	"fmt"
	"sync"
	"time"

	"k8s.io/utils/clock"
)

const (
	// mostInFlight bounds the calls of one class that are under way at once. A launch takes some seconds, so 10 a second need this
	// many; a service that hangs holds no more than this.
	mostInFlight = 64
	// burstTime is how much unused rate is kept: a second's worth of calls may go out at once.
	burstTime = time.Second
	// nearly makes up for tokens being fractions: less than this misses a whole one.
	nearly = 1 - 1e-6
	// soonest is the shortest wait that is slept, so that rounding never makes a waiter spin.
	soonest = time.Millisecond
)

// bucket admits the calls of one class: a token bucket whose rate follows what the service bears, a bound on calls under way, and
// a fair queue. The waiters run it: one of them watches the clock for all, so it needs no goroutine, and its lock is held for
// memory work only.
type bucket struct {
	clock clock.Clock

	mu          sync.Mutex
	pace        pace
	tokens      float64
	filled      time.Time // when tokens was last brought up to date
	pausedUntil time.Time
	inFlight    int
	queue       fairQueue
	watch       *waiter // who watches the clock; nil when nobody waits
}

func newBucket(clk clock.Clock, rate float64) *bucket {
	b := &bucket{clock: clk, pace: pace{ceiling: rate}, filled: clk.Now()}
	b.tokens = b.burst(rate)
	return b
}

// burst is the most tokens that are kept at a rate.
func (b *bucket) burst(rate float64) float64 { return max(1, rate*burstTime.Seconds()) }

// acquire waits until a call of the flow may go out, or ctx ends; then the error is ctx's. A pause that is too long to be slept
// through is an errPaused at once, so that no worker is held. After nil, release must follow.
func (b *bucket) acquire(ctx context.Context, flow string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	b.mu.Lock()
	now := b.clock.Now()
	if b.queue.empty() && b.take(now) {
		b.mu.Unlock()
		return nil
	}
	if left := b.pausedUntil.Sub(now); left > 0 && tooLong(ctx, now, left) {
		b.mu.Unlock()
		return errPaused{left: left}
	}
	w := &waiter{flow: flow, granted: make(chan struct{}), duty: make(chan struct{}, 1)}
	b.queue.push(w)
	if b.watch == nil {
		b.watch = w
	}
	b.mu.Unlock()
	for {
		timer := b.timer(w)
		var due <-chan time.Time
		if timer != nil {
			due = timer.C()
		}
		granted, late := false, false
		select {
		case <-w.granted:
			granted = true
		case <-ctx.Done():
			late = true
		case <-w.duty: // to look at the clock again
		case <-due:
			b.dispatch()
		}
		if timer != nil {
			timer.Stop()
		}
		if granted {
			return w.refused
		}
		if late {
			b.leave(w)
			return ctx.Err()
		}
	}
}

// errPaused says that a class stands still, because OCI asked for it, for longer than a call is held.
type errPaused struct{ left time.Duration }

// Error implements error.
func (e errPaused) Error() string {
	return fmt.Sprintf("OCI asked for no such requests for a while; %s are left", e.left.Round(time.Second))
}

// tooLong says whether a wait is not worth beginning: longer than maxRetryAfter, or than ctx lives.
func tooLong(ctx context.Context, now time.Time, wait time.Duration) bool {
	deadline, has := ctx.Deadline()
	return wait > maxRetryAfter || has && now.Add(wait).After(deadline)
}

// timer fires when the next call may go out. Only the waiter on watch has one; nil also when a call has to end first.
func (b *bucket) timer(w *waiter) clock.Timer {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.watch != w || b.inFlight >= mostInFlight {
		return nil
	}
	now := b.clock.Now()
	b.fill(now)
	wait := max(b.pausedUntil.Sub(now), 0)
	if missing := nearly - b.tokens; missing > 0 {
		wait += time.Duration(missing / b.pace.at(now.Add(wait)) * float64(time.Second))
	}
	return b.clock.NewTimer(max(wait, soonest))
}

// dispatch lets everyone go out who may, in turn, and sees to it that one of the others watches the clock.
func (b *bucket) dispatch() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.serve()
}

// serve is dispatch with mu held.
func (b *bucket) serve() {
	now := b.clock.Now()
	for !b.queue.empty() && b.take(now) {
		w := b.queue.pop()
		if b.watch == w {
			b.watch = nil
		}
		close(w.granted)
	}
	if b.queue.empty() {
		return
	}
	if b.watch == nil {
		b.watch = b.queue.next()
	}
	b.callWatch()
}

// callWatch has the one on watch look at the clock again: what it waits for may have changed. mu is held.
func (b *bucket) callWatch() {
	select {
	case b.watch.duty <- struct{}{}:
	default:
	}
}

// take uses a token if one is there; mu is held.
func (b *bucket) take(now time.Time) bool {
	b.fill(now)
	if b.inFlight >= mostInFlight || b.tokens < nearly || now.Before(b.pausedUntil) {
		return false
	}
	b.tokens--
	b.inFlight++
	return true
}

// fill adds the tokens that came since the last time; none come during a pause. mu is held.
func (b *bucket) fill(now time.Time) {
	from := b.filled
	if from.Before(b.pausedUntil) {
		from = b.pausedUntil
	}
	if passed := now.Sub(from); passed > 0 {
		rate := b.pace.at(now)
		b.tokens = min(b.tokens+rate*passed.Seconds(), b.burst(rate))
		b.filled = now
	}
}

// leave takes a waiter out that gave up. One that was let go at the same moment gives its place back.
func (b *bucket) leave(w *waiter) {
	b.mu.Lock()
	defer b.mu.Unlock()
	select {
	case <-w.granted:
		if w.refused == nil {
			b.inFlight--
			b.tokens++
		}
	default:
		b.queue.remove(w)
	}
	if b.watch == w {
		b.watch = nil
	}
	b.serve()
}

// release says that a call has ended.
func (b *bucket) release() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.inFlight--
	// Others wait for a token or for the end of a pause, which the one on watch sees to, unless calls under way were in the way.
	if b.inFlight == mostInFlight-1 && !b.queue.empty() {
		b.serve()
	}
}

// throttled notes a 429 to a call that was sent at a time. The class pauses as long as the service asked and goes on at half the
// rate. Calls that were under way already when the rate was halved say nothing about the new rate, so they only lengthen the pause.
func (b *bucket) throttled(sent time.Time, pause time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.clock.Now()
	until := now.Add(pause)
	if !sent.Before(b.pace.from) {
		b.fill(now)
		b.tokens = 0
		b.pace.cut(now, until)
	}
	if until.After(b.pausedUntil) {
		b.pausedUntil, b.pace.from = until, until
	}
	if pause <= maxRetryAfter {
		return
	}
	for !b.queue.empty() { // nobody sleeps through it
		w := b.queue.pop()
		w.refused = errPaused{left: pause}
		close(w.granted)
	}
	b.watch = nil
}

// rate is how many calls a second may go out now.
func (b *bucket) rate() float64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.pace.at(b.clock.Now())
}
