package oci

import (
	"context"
	"sync/atomic"
	"time"
)

// Waits tells whether someone waits for OCI, limits and retries included, and when the last wait ended. The zero value is ready.
type Waits struct {
	calls atomic.Int64
	ended atomic.Pointer[time.Time]
}

type waitsKey struct{}

// WithWaits has the calls of a context counted.
func WithWaits(ctx context.Context, w *Waits) context.Context {
	return context.WithValue(ctx, waitsKey{}, w)
}

// Pending is true while a call is under way.
func (w *Waits) Pending() bool { return w.calls.Load() > 0 }

// Ended is when the last call ended; zero when none did.
func (w *Waits) Ended() time.Time {
	if at := w.ended.Load(); at != nil {
		return *at
	}
	return time.Time{}
}

// Waiting says whether any call is under way, waits for limits and retries included.
func (c *Client) Waiting() bool { return c.calls.Load() > 0 }

// waiting counts a call until the returned function is called.
func (c *Client) waiting(ctx context.Context) func() {
	c.calls.Add(1)
	w, _ := ctx.Value(waitsKey{}).(*Waits)
	if w == nil {
		return func() { c.calls.Add(-1) }
	}
	w.calls.Add(1)
	return func() {
		c.calls.Add(-1)
		now := c.clock.Now()
		w.ended.Store(&now)
		w.calls.Add(-1)
	}
}
