package memory

import (
	"math"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// settings are what a Pace has set.
type settings struct {
	percent int
	limit   int64
}

func testPace(live int64, given bool) (p *Pace, now *settings, later *func()) {
	now, later = &settings{percent: 100, limit: math.MaxInt64}, new(func())
	p = &Pace{
		given: given, live: func() int64 { return live },
		percent: func(n int) int { now.percent = n; return 0 },
		limit: func(n int64) int64 {
			before := now.limit
			if n >= 0 {
				now.limit = n
			}
			return before
		},
		after: func(_ time.Duration, f func()) { *later = f },
	}
	return p, now, later
}

func TestALeaderHurriesForAWhileWithinBounds(t *testing.T) {
	for name, c := range map[string]struct {
		live, limit, want int64
	}{
		"a small cluster":               {live: 30 << 20, limit: math.MaxInt64, want: 448 << 20},
		"a large cluster":               {live: 600 << 20, limit: math.MaxInt64, want: 1800 << 20},
		"a limit that is below is kept": {live: 600 << 20, limit: 900 << 20, want: 900 << 20},
	} {
		t.Run(name, func(t *testing.T) {
			p, now, later := testPace(c.live, false)
			now.limit = c.limit
			p.spare()
			require.Equal(t, settings{30, c.limit}, *now)
			require.NoError(t, p.Lead(t.Context()))
			require.Equal(t, settings{100, c.want}, *now)
			(*later)()
			require.Equal(t, settings{30, c.limit}, *now)
		})
	}
}

func TestTheEnvironmentHasTheLastWord(t *testing.T) {
	p, now, _ := testPace(1<<30, true)
	p.spare()
	require.NoError(t, p.Lead(t.Context()))
	require.Equal(t, settings{100, math.MaxInt64}, *now)
}

func TestTheLiveHeapIsKnown(t *testing.T) {
	runtime.GC()
	require.Positive(t, liveHeap())
}
