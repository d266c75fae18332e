package play

import (
	"sync"
	"time"

	"k8s.io/utils/clock"
)

// jumpingClock tells a time that can be set forward and back, as when a server's clock is corrected. Timers run as ever.
type jumpingClock struct {
	clock.WithTicker

	mu     sync.Mutex
	offset time.Duration
}

func (c *jumpingClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.WithTicker.Now().Add(c.offset)
}

func (c *jumpingClock) Since(t time.Time) time.Duration { return c.Now().Sub(t) }

func (c *jumpingClock) jump(by time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.offset += by
}
