package refresh

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestAFailureIsRetriedSoonerThanTheInterval(t *testing.T) {
	var fail error
	c := NewController(Task{Name: "x", Every: Fixed(time.Minute), Do: func(context.Context) error { return fail }})
	wait := func() time.Duration {
		result, err := c.Reconcile(t.Context())
		require.NoError(t, err)
		return result.RequeueAfter
	}
	within := func(least time.Duration) {
		t.Helper()
		got := wait()
		require.GreaterOrEqual(t, got, least)
		require.LessOrEqual(t, got, least+least/10)
	}
	require.Equal(t, time.Minute, wait())
	fail = errors.New("no answer")
	for _, want := range []time.Duration{5 * time.Second, 10 * time.Second, 20 * time.Second, 40 * time.Second, time.Minute, time.Minute} {
		within(want)
	}
	fail = nil
	require.Equal(t, time.Minute, wait())
	fail = errors.New("no answer")
	within(5 * time.Second) // a good read forgets the failures
}

func TestWhatIsReadRarelyIsTriedAgainWithinMinutes(t *testing.T) {
	fail := errors.New("no answer")
	c := NewController(Task{Name: "x", Every: Fixed(12 * time.Hour), Spread: true, Do: func(context.Context) error { return fail }})
	for range 30 {
		result, err := c.Reconcile(t.Context())
		require.NoError(t, err)
		require.LessOrEqual(t, result.RequeueAfter, retryMost+retryMost/spread)
	}
	fail = nil
	waits := map[time.Duration]bool{}
	for range 20 {
		result, err := c.Reconcile(t.Context())
		require.NoError(t, err)
		require.GreaterOrEqual(t, result.RequeueAfter, 12*time.Hour)
		require.LessOrEqual(t, result.RequeueAfter, 12*time.Hour+72*time.Minute)
		waits[result.RequeueAfter] = true
	}
	require.Greater(t, len(waits), 1, "replicas do not stay in step")
}

func TestWhatWasJustReadIsNotReadAgain(t *testing.T) {
	reads := 0
	c := NewController(Task{Name: "x", Every: Fixed(time.Minute), AlreadyRead: true, Do: func(context.Context) error { reads++; return nil }})
	for want := range 3 {
		_, err := c.Reconcile(t.Context())
		require.NoError(t, err)
		require.Equal(t, want, reads)
	}
}
