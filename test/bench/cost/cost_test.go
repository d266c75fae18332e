package cost

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/karpenter-oke/karpenter-oke/test/bench/world"
)

// A part of one trace shows that the harness works and that no configuration is cheaper than configuring by hand; all traces are played by
// `make bench-cost`.
func TestOurNodesCostLessThanSizesByHandAndNeverLessThanTheBound(t *testing.T) {
	trace := Traces()[1].Part(250)
	require.Equal(t, 250, trace.Pods())
	o, err := Run(t.Context(), Pools()[0], trace)
	require.NoError(t, err)
	t.Logf("%+v", o)
	require.Positive(t, o.Bounds.Requests)
	require.Greater(t, o.Bounds.Nodes, o.Bounds.Requests, "reservations, DaemonSets and disks cost something")
	for says, ours := range map[string]Played{"fitted": o.Fit, "grid": o.Grid} {
		require.Greater(t, ours.PricePerHour, o.Bounds.Nodes, says)
		require.Empty(t, ours.Unplaced, says)
	}
	require.Less(t, o.Manual.Ratio(), 1.0)
	require.Less(t, o.Powers.Ratio(), 1.0)
	require.Positive(t, o.Manual.Ratio())
	require.Positive(t, o.Powers.Ratio())
}

func TestTracesAreTheSameInEveryRun(t *testing.T) {
	require.Equal(t, Traces(), Traces())
	for _, trace := range Traces() {
		require.GreaterOrEqual(t, trace.Pods(), 100, trace.Name)
		for _, wave := range trace.Waves {
			for _, r := range wave {
				require.Positive(t, r.CPUMillis)
				require.Positive(t, r.MemoryMiB)
			}
		}
	}
}

func TestPodsThatNoSizeByHandHoldsAreLeftOutOnBothSides(t *testing.T) {
	small, large := world.Requests{CPUMillis: 1000, MemoryMiB: 1024}, world.Requests{CPUMillis: 30000, MemoryMiB: 8192}
	trace := Trace{Name: "two", Waves: [][]world.Requests{{small, large}, {large}}}
	require.Equal(t, Trace{Name: "two", Waves: [][]world.Requests{{small}}}, trace.without([][2]int{{0, 1}, {1, 0}}))
	o, err := against(t.Context(), Pools()[1], trace, Manual, Played{PricePerHour: 100})
	require.NoError(t, err)
	require.Equal(t, 2, o.Unplaced)
	require.Less(t, o.Ours, 1.0, "a node for the small pod alone")
	require.Positive(t, o.Ours)
}

func TestTheBoundIsTheCheapestMixOfOffers(t *testing.T) {
	compute, memory, both := offer{2, 2, 10}, offer{1, 8, 10}, offer{2, 8, 14}
	for says, tc := range map[string]struct {
		offers     []offer
		vcpus, gb  float64
		wanted     float64
		difference float64
	}{
		"one offer, CPU is short":            {[]offer{compute}, 4, 1, 20, 1e-6},
		"one offer, memory is short":         {[]offer{compute}, 1, 4, 20, 1e-6},
		"two that fill what the other lacks": {[]offer{compute, memory}, 3, 10, 20, 1e-3},
		"a better one for both":              {[]offer{compute, memory, both}, 2, 8, 14, 1e-3},
	} {
		require.InDelta(t, tc.wanted, worth(tc.offers, tc.vcpus, tc.gb).of(tc.vcpus, tc.gb), tc.difference, says)
	}
}
