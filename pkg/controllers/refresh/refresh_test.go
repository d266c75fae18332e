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
	require.Equal(t, time.Minute, wait())
	fail = errors.New("no answer")
	for _, want := range []time.Duration{5 * time.Second, 10 * time.Second, 20 * time.Second, 40 * time.Second, time.Minute, time.Minute} {
		require.Equal(t, want, wait())
	}
	fail = nil
	require.Equal(t, time.Minute, wait())
	fail = errors.New("no answer")
	require.Equal(t, 5*time.Second, wait(), "a good read forgets the failures")
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
