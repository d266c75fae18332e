package oci

import (
	"context"
	"fmt"
	"math"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"k8s.io/utils/clock"
	clocktesting "k8s.io/utils/clock/testing"
)

// patience is how long a test waits for goroutines on a busy machine.
const patience = 30 * time.Second

func TestPace(t *testing.T) {
	start := time.Unix(1000, 0)
	p := pace{ceiling: 10}
	require.InDelta(t, 10, p.at(start), 0)
	p.cut(start, start.Add(2*time.Second)) // the service asked for two seconds
	for _, tc := range []struct {
		says  string
		after time.Duration
		want  float64
	}{
		{"half at once", 0, 5},
		{"still half when the pause ends", 2 * time.Second, 5},
		{"on the way back", 2*time.Second + climb/2, 7},
		{"most of it", 2*time.Second + climb, 9},
		{"then one in a hundred a second", 2*time.Second + climb + 5*time.Second, 9.45},
		{"never more than the setting", time.Hour, 10},
	} {
		require.InDelta(t, tc.want, p.at(start.Add(tc.after)), 1e-9, tc.says)
	}
	for range 20 {
		p.cut(start, start)
	}
	require.InDelta(t, leastRate, p.at(start), 0, "any number of 429s leaves a little")
	slow := pace{ceiling: 0.1}
	slow.cut(start, start)
	require.InDelta(t, 0.1, slow.at(start), 0, "a setting below the least is kept")
}

// drive runs a client's bucket against a service that lets a rate through, with a burst of one second, in steps of 10 ms.
func drive(t *testing.T, ceiling, allowed float64, length time.Duration) (served, refused int) {
	t.Helper()
	clk := clocktesting.NewFakeClock(time.Unix(1000, 0))
	client, service := newBucket(clk, ceiling), newBucket(clk, allowed)
	for range length / (10 * time.Millisecond) {
		for client.take(clk.Now()) {
			if service.take(clk.Now()) {
				service.inFlight--
				served++
			} else {
				refused++
				client.throttled(clk.Now(), time.Second)
			}
			client.release()
		}
		clk.Step(10 * time.Millisecond)
	}
	return served, refused
}

func TestTheRateSettlesNearWhatTheServiceAllows(t *testing.T) {
	for _, tc := range []struct{ ceiling, allowed, refused float64 }{
		{10, 20, 0}, {10, 10, 0}, {10, 7, 0.02}, {10, 5, 0.02}, {20, 5, 0.02},
		{10, 2, 0.05}, // far below the setting, finding out costs more
	} {
		t.Run(fmt.Sprintf("the setting is %v and the service allows %v a second", tc.ceiling, tc.allowed), func(t *testing.T) {
			const length = 5 * time.Minute
			served, refused := drive(t, tc.ceiling, tc.allowed, length)
			most := min(tc.ceiling, tc.allowed) * length.Seconds()
			t.Logf("served %d of %.0f possible, refused %d", served, most, refused)
			require.Greater(t, float64(served), 0.85*most)
			require.LessOrEqual(t, float64(refused), tc.refused*float64(served), "the part of the calls that is answered 429")
		})
	}
}

func TestFlowsTakeTurns(t *testing.T) {
	q := fairQueue{}
	for _, flow := range []string{"big", "big", "big", "big", "small", "other", "small"} {
		q.push(&waiter{flow: flow})
	}
	gone := &waiter{flow: "gone"}
	q.push(gone)
	q.remove(gone)
	q.remove(gone) // a second time does nothing
	var order []string
	for !q.empty() {
		require.Equal(t, q.next().flow, q.turns[0])
		order = append(order, q.pop().flow)
	}
	require.Equal(t, []string{"big", "small", "other", "big", "small", "big", "big"}, order)
	require.Empty(t, q.flows)
}

// queued is how many calls wait.
func queued(b *bucket) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := 0
	for _, waiting := range b.queue.flows {
		n += len(waiting)
	}
	return n
}

// crowd starts calls that wait, and tells in which order they were let go.
type crowd struct {
	t    *testing.T
	b    *bucket
	mu   sync.Mutex
	gone []string
	errs []error
	wg   sync.WaitGroup
}

func newCrowd(t *testing.T, b *bucket) *crowd {
	c := &crowd{t: t, b: b}
	t.Cleanup(c.wg.Wait)
	return c
}

func (c *crowd) add(ctx context.Context, flow string, n int) {
	c.t.Helper()
	already := queued(c.b)
	for range n {
		c.wg.Go(func() {
			err := c.b.acquire(ctx, flow)
			c.mu.Lock()
			defer c.mu.Unlock()
			if err != nil {
				c.errs = append(c.errs, err)
				return
			}
			c.gone = append(c.gone, flow)
		})
	}
	c.until(func() bool { return queued(c.b) == already+n })
}

func (c *crowd) until(done func() bool) {
	c.t.Helper()
	require.Eventually(c.t, done, patience, time.Millisecond)
}

func (c *crowd) went() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]string(nil), c.gone...)
}

// step lets time pass until as many calls as given have gone in all.
func (c *crowd) step(clk *clocktesting.FakeClock, total int) {
	c.t.Helper()
	c.until(func() bool {
		if len(c.went()) >= total {
			return true
		}
		if clk.HasWaiters() {
			clk.Step(10 * time.Millisecond)
		}
		return false
	})
}

// drained is a bucket on a clock of its own whose burst has been used.
func drained(t *testing.T, rate float64) (*bucket, *clocktesting.FakeClock) {
	t.Helper()
	clk := clocktesting.NewFakeClock(time.Unix(1000, 0))
	b := newBucket(clk, rate)
	for range int(rate) {
		require.NoError(t, b.acquire(t.Context(), ""))
		b.release()
	}
	return b, clk
}

func TestANodePoolWithHundredsOfLaunchesDoesNotStarveAnother(t *testing.T) {
	b, clk := drained(t, 10)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	c := newCrowd(t, b)
	c.add(ctx, "big", 500)
	c.add(ctx, "small", 1)
	c.step(clk, 2)
	require.Contains(t, c.went()[:2], "small", "the one node is among the first two of 501")
	c.step(clk, 20)
	cancel()
	c.wg.Wait()
	require.Len(t, c.errs, 501-len(c.went()))
	require.Zero(t, queued(b))
	require.Nil(t, b.watch, "nobody watches a clock for an empty queue")
}

func TestCallsUnderWayAreBounded(t *testing.T) {
	clk := clocktesting.NewFakeClock(time.Unix(1000, 0))
	b := newBucket(clk, 10*mostInFlight)
	for range mostInFlight {
		require.NoError(t, b.acquire(t.Context(), ""))
	}
	c := newCrowd(t, b)
	c.add(t.Context(), "", 2)
	clk.Step(time.Hour)
	require.Equal(t, 2, queued(b))
	b.release()
	c.until(func() bool { return len(c.went()) == 1 && queued(b) == 1 })
	b.release()
	c.until(func() bool { return len(c.went()) == 2 })
}

func TestAWaiterThatGivesUpHandsItsWatchOn(t *testing.T) {
	b, clk := drained(t, 1)
	first, cancel := context.WithCancel(t.Context())
	c := newCrowd(t, b)
	c.add(first, "", 1)
	c.add(t.Context(), "", 1)
	cancel()
	c.until(func() bool { return queued(b) == 1 })
	c.step(clk, 1)
	require.Len(t, c.errs, 1)
	require.ErrorIs(t, c.errs[0], context.Canceled)
}

func TestManyAnswersOf429ToOneBurstHalveTheRateOnce(t *testing.T) {
	clk := clocktesting.NewFakeClock(time.Unix(1000, 0))
	b := newBucket(clk, 16)
	sent := clk.Now()
	clk.Step(time.Second)
	for range 30 {
		b.throttled(sent, 2*time.Second)
	}
	require.InDelta(t, 8, b.rate(), 1e-9)
	require.False(t, b.take(clk.Now()), "nothing goes out during the pause")
	clk.Step(2 * time.Second)
	require.False(t, b.take(clk.Now()), "nor a burst after it")
	clk.Step(125 * time.Millisecond)
	require.True(t, b.take(clk.Now()))
	b.throttled(clk.Now(), 2*time.Second)
	require.InDelta(t, 4, b.rate(), 0.3, "a 429 at the new rate halves it again")
}

func TestAPauseThatIsTooLongIsNotSleptThrough(t *testing.T) {
	b, clk := drained(t, 1)
	c := newCrowd(t, b)
	c.add(t.Context(), "", 3)
	b.throttled(clk.Now(), time.Minute)
	c.until(func() bool { return queued(b) == 0 })
	c.wg.Wait()
	require.Len(t, c.errs, 3, "calls that wait already are let go")
	var paused errPaused
	require.ErrorAs(t, b.acquire(t.Context(), ""), &paused, "and later ones do not begin to")
	require.Equal(t, time.Minute, paused.left)
	require.Zero(t, b.inFlight)
	clk.Step(time.Minute + 2*time.Second)
	require.NoError(t, b.acquire(t.Context(), ""))
}

func TestAWaitIsCountedAgainstTheDeadline(t *testing.T) {
	b := newBucket(clock.RealClock{}, 1)
	b.throttled(time.Now(), maxRetryAfter)
	ctx, cancel := context.WithTimeout(t.Context(), maxRetryAfter/2)
	defer cancel()
	var paused errPaused
	require.ErrorAs(t, b.acquire(ctx, ""), &paused, "the pause outlasts the caller, so it is told at once")
}

func TestClassesOfCallsDoNotShareABucket(t *testing.T) {
	l := newLimiter(clocktesting.NewFakeClock(time.Unix(1000, 0)), RateLimits{Launches: 3})
	launch := operation{service: serviceCompute, name: "LaunchInstance", launch: true}
	terminate := operation{service: serviceCompute, name: "TerminateInstance", write: true}
	list := operation{service: serviceCompute, name: "ListInstances"}
	l.throttled(launch, l.clock.Now(), time.Second)
	require.InDelta(t, 1.5, l.bucket(launch).rate(), 1e-9)
	require.InDelta(t, DefaultRateLimits().Writes, l.bucket(terminate).rate(), 0)
	require.InDelta(t, DefaultRateLimits().Reads, l.bucket(list).rate(), 0)
	require.NotSame(t, l.bucket(list), l.bucket(operation{service: serviceNetwork, name: "GetSubnet"}))
}

func TestRateLimitsAreChecked(t *testing.T) {
	require.NoError(t, RateLimits{}.Validate())
	require.NoError(t, DefaultRateLimits().Validate())
	require.ErrorContains(t, RateLimits{Reads: -1}.Validate(), "--oci-rate-limit-reads -1 is not within")
	require.ErrorContains(t, RateLimits{Writes: math.NaN()}.Validate(), "--oci-rate-limit-writes")
	require.ErrorContains(t, RateLimits{Launches: math.Inf(1)}.Validate(), "--oci-rate-limit-launches")
}

func TestBackoffByClass(t *testing.T) {
	for class, want := range map[Class]bool{
		ClassThrottled: true, ClassTransient: true, ClassCapacity: false, ClassLimit: false, ClassConfig: false, ClassConflict: false,
		ClassNotAuthorized: false, ClassNotFound: false, ClassAddresses: false,
	} {
		_, again := backoff(&Error{Class: class}, 1)
		require.Equal(t, want, again, class)
	}
	for attempt := 1; attempt < retries[ClassTransient].attempts; attempt++ {
		for range 100 {
			wait, again := backoff(&Error{Class: ClassTransient, RetryAfter: 3 * time.Second}, attempt)
			require.True(t, again)
			require.GreaterOrEqual(t, wait, 3*time.Second, "what OCI asks for is the least")
			require.Less(t, wait, 3*time.Second+retries[ClassTransient].first<<(attempt-1))
		}
	}
	_, again := backoff(&Error{Class: ClassTransient}, retries[ClassTransient].attempts)
	require.False(t, again)
	_, again = backoff(&Error{Class: ClassThrottled, RetryAfter: maxRetryAfter + time.Second}, 1)
	require.False(t, again)
}

func BenchmarkLimiter(b *testing.B) {
	op := operation{service: serviceCompute, name: "GetInstance"}
	b.Run("free", func(b *testing.B) {
		l := newLimiter(clock.RealClock{}, RateLimits{Reads: mostRate})
		l.bucket(op).pace.ceiling = math.MaxFloat32 // never empty: the overhead alone
		b.ReportAllocs()
		for b.Loop() {
			place, err := l.acquire(b.Context(), op)
			if err != nil {
				b.Fatal(err)
			}
			place.release()
		}
	})
	b.Run("parallel", func(b *testing.B) {
		l := newLimiter(clock.RealClock{}, RateLimits{Reads: mostRate})
		l.bucket(op).pace.ceiling = math.MaxFloat32
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				place, err := l.acquire(b.Context(), op)
				if err != nil {
					b.Error(err)
					return
				}
				place.release()
			}
		})
	})
	b.Run("queue of 500", func(b *testing.B) {
		q := fairQueue{}
		for i := range 500 {
			q.push(&waiter{flow: fmt.Sprint("pool-", i%10)})
		}
		b.ReportAllocs()
		for b.Loop() {
			q.push(q.pop())
		}
	})
}
