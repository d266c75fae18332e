package refresh

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"k8s.io/utils/clock"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/karpenter-oke/karpenter-oke/pkg/oci"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/shape"
	"github.com/karpenter-oke/karpenter-oke/test/ocisim"
	"github.com/karpenter-oke/karpenter-oke/test/ocitest"
)

// instant is a clock on which every wait is over at once and counts in full.
type instant struct {
	*clocktesting.FakeClock
	waits []time.Duration
}

func newInstant() *instant { return &instant{FakeClock: clocktesting.NewFakeClock(time.Unix(1000, 0))} }

func (c *instant) NewTimer(d time.Duration) clock.Timer {
	c.waits = append(c.waits, d)
	timer := c.FakeClock.NewTimer(d)
	c.Step(d)
	return timer
}

// lived is a clock on which time passes as it does, for faults that the client keeps away from by the clock of its own.
type lived struct {
	clock.RealClock
	waits []time.Duration
}

func (c *lived) NewTimer(d time.Duration) clock.Timer {
	c.waits = append(c.waits, d)
	return c.RealClock.NewTimer(d)
}

func (c *instant) waited() []time.Duration { return c.waits }
func (c *lived) waited() []time.Duration   { return c.waits }

// recorder is a clock that tells what was waited for.
type recorder interface {
	clock.Clock
	waited() []time.Duration
}

func failing(class oci.Class, retryAfter time.Duration) error {
	return fmt.Errorf("reading: %w", &oci.Error{Operation: "GetCluster", Class: class, Message: "x", RetryAfter: retryAfter})
}

func TestTheFirstReadIsTriedAgainWhileItMayWork(t *testing.T) {
	for _, tc := range []struct {
		says  string
		errs  []error // of the tries; the ones after them are good
		tries int
		want  error
	}{
		{"good at once", nil, 1, nil},
		{"no network for a while", []error{failing(oci.ClassTransient, 0), failing(oci.ClassTransient, 0)}, 3, nil},
		{"throttled", []error{failing(oci.ClassThrottled, 0)}, 2, nil},
		{"one of several failed", []error{errors.Join(nil, failing(oci.ClassTransient, 0))}, 2, nil},
		{"a wrong OCID", []error{failing(oci.ClassNotFound, 0)}, 1, failing(oci.ClassNotFound, 0)},
		{"wrong credentials", []error{failing(oci.ClassNotAuthorized, 0)}, 1, failing(oci.ClassNotAuthorized, 0)},
		{"rights that turn out to be missing", []error{failing(oci.ClassTransient, 0), failing(oci.ClassNotAuthorized, 0)}, 2, failing(oci.ClassNotAuthorized, 0)},
		{"an error that is not OCI's", []error{errors.New("no endpoint")}, 1, errors.New("no endpoint")},
	} {
		t.Run(tc.says, func(t *testing.T) {
			tries := 0
			err := First(t.Context(), newInstant(), time.Minute, "x", func(context.Context) error {
				tries++
				if tries <= len(tc.errs) {
					return tc.errs[tries-1]
				}
				return nil
			})
			require.Equal(t, tc.tries, tries)
			if tc.want == nil {
				require.NoError(t, err)
			} else {
				require.EqualError(t, err, tc.want.Error())
			}
		})
	}
}

func TestTheFirstReadGivesUpWithTheLastError(t *testing.T) {
	clk := newInstant()
	err := First(t.Context(), clk, time.Minute, "x", func(context.Context) error { return failing(oci.ClassTransient, 0) })
	require.Equal(t, oci.ClassTransient, oci.ClassOf(err), "the caller still sees what went wrong")
	require.ErrorContains(t, err, "giving up after")
	total := time.Duration(0)
	for i, wait := range clk.waits {
		least := min(firstWait<<i, longestWait)
		require.GreaterOrEqual(t, wait, least)
		require.LessOrEqual(t, wait, least+least/4)
		total += wait
	}
	require.LessOrEqual(t, total, time.Minute)
	require.Greater(t, total, 30*time.Second)

	err = First(t.Context(), newInstant(), 0, "x", func(context.Context) error { return failing(oci.ClassTransient, 0) })
	require.ErrorContains(t, err, "giving up after 1 tries", "no time means one try")
}

func TestTheFirstReadWaitsAsLongAsOCIAsksFor(t *testing.T) {
	clk, tries := newInstant(), 0
	require.NoError(t, First(t.Context(), clk, time.Minute, "x", func(context.Context) error {
		if tries++; tries == 1 {
			return failing(oci.ClassThrottled, 40*time.Second)
		}
		return nil
	}))
	require.Len(t, clk.waits, 1)
	require.GreaterOrEqual(t, clk.waits[0], 40*time.Second)
}

func TestACancelledStartEndsTheFirstRead(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	err := First(ctx, clocktesting.NewFakeClock(time.Unix(1000, 0)), time.Minute, "x", func(context.Context) error {
		cancel()
		return failing(oci.ClassTransient, 0)
	})
	require.Equal(t, oci.ClassTransient, oci.ClassOf(err))
}

func TestTheFirstReadOfShapesOutlastsFaultsOfARegion(t *testing.T) {
	for says, fault := range map[string]ocisim.Fault{
		// Every call is repeated a few times by the client itself, so each fault lasts longer than one call's patience.
		"server errors":      {Operation: "ListShapes", Kind: ocisim.ErrorAnswer, Times: 13, Status: 500, Code: "InternalServerError", Message: "x"},
		"throttling":         {Operation: "ListShapes", Kind: ocisim.TooManyRequests, Times: 1, Delay: 11 * time.Second},
		"one domain is away": {Operation: "ListShapes", Kind: ocisim.ErrorAnswer, Times: 5, Status: 503, Code: "ServiceUnavailable", Message: "x", Match: ocisim.Match{AvailabilityDomain: "PHX-AD-2"}},
		"no domains":         {Operation: "ListAvailabilityDomains", Kind: ocisim.ErrorAnswer, Times: 5, Status: 500, Code: "InternalServerError", Message: "x"},
	} {
		t.Run(says, func(t *testing.T) {
			t.Parallel()
			region := ocitest.Start(t, ocisim.Options{PageSize: 7})
			region.Fail(fault)
			shapes, err := shape.NewProvider(region.Client, region.World.CompartmentID)
			require.NoError(t, err)
			clk := recorder(newInstant())
			if fault.Kind == ocisim.TooManyRequests {
				clk = &lived{}
			}
			require.NoError(t, First(t.Context(), clk, 10*time.Minute, "shapes", shapes.Refresh))
			require.NotEmpty(t, clk.waited())
			require.Len(t, shapes.Snapshot().Zones(), 3)
			require.Equal(t, fault.Times, region.Faults().List()[0].Hits)
		})
	}
	region := ocitest.Start(t, ocisim.Options{})
	wrong, err := shape.NewProvider(region.Client, "ocid1.compartment.oc1..nobodys")
	require.NoError(t, err)
	clk := newInstant()
	require.Equal(t, oci.ClassNotFound, oci.ClassOf(First(t.Context(), clk, time.Minute, "shapes", wrong.Refresh)))
	require.Empty(t, clk.waits)
}
