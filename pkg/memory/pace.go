package memory

import (
	"context"
	"math"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

const (
	// sparing makes the heap grow by a third, and not to twice its size, before garbage is collected: most of the controller's garbage are
	// copies of pods and nodes that live for a moment, and memory is what nodes for it are sized by.
	sparing = 30
	// hurried is Go's own setting. With the sparing one, collecting garbage takes more than half of what a new leader of a large cluster computes.
	hurried = 100
	// hurry is how long it lasts. A thousand nodes with ten thousand pods are looked through in half of that, on two busy cores.
	hurry = 30 * time.Second
	// hurriedLeast bounds what is taken in a hurry. A larger cluster may take hurriedTimes what the cache holds when the hurry begins: by its
	// end, core's state and metrics hold as much again.
	hurriedLeast = 448 << 20
	hurriedTimes = 3
)

// Pace is how eagerly garbage is collected. A GOGC in the environment has the last word, and a limit of memory that was set is never lifted.
type Pace struct {
	given bool
	// For tests.
	percent func(int) int
	limit   func(int64) int64
	live    func() int64
	after   func(time.Duration, func())
}

// Spare collects eagerly from now on. It is to be called before anything else.
func Spare() *Pace {
	p := &Pace{
		given: os.Getenv("GOGC") != "", percent: debug.SetGCPercent, limit: debug.SetMemoryLimit, live: liveHeap,
		after: func(d time.Duration, f func()) { time.AfterFunc(d, f) },
	}
	p.spare()
	return p
}

func (p *Pace) spare() {
	if !p.given {
		p.percent(sparing)
	}
}

// Lead is a manager's runnable for leaders: it collects less eagerly while much is to be done at once.
func (p *Pace) Lead(context.Context) error {
	if p.given {
		return nil
	}
	before := p.limit(-1) // asks
	p.limit(min(before, max(hurriedLeast, hurriedTimes*p.live())))
	p.percent(hurried)
	p.after(hurry, func() {
		p.spare()
		p.limit(before)
	})
	return nil
}

// liveHeap is what the last collection of garbage left, in bytes.
func liveHeap() int64 {
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	if sample[0].Value.Kind() != metrics.KindUint64 {
		return 0
	}
	return int64(min(sample[0].Value.Uint64(), math.MaxInt64))
}
