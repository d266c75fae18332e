package footprint

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/karpenter-oke/karpenter-oke/test/bench/stand"
)

func TestAWindowStandsForAnHour(t *testing.T) {
	seldom := 2 + 6 + (1+3)/6.0 + 1/12.0
	require.InDelta(t, seldom, hourly(stand.Calls{}, time.Minute), 1e-9, "what is read once an hour counts although the window has none of it")
	require.InDelta(t, seldom+60+30, hourly(stand.Calls{"ListInstances": 10, "ListImages": 5, "ListLimitValues": 2, "ListShapes": 3}, 10*time.Minute), 1e-9,
		"and no more often when the window has it")
}

func TestMemoryThatDoublesWithTheNodesIsLinear(t *testing.T) {
	resident := map[int]float64{0: 100, 500: 200, 1000: 350}
	require.InDelta(t, 0.2, growth(resident, 0, 500), 1e-9)
	require.InDelta(t, 0.3, growth(resident, 500, 1000), 1e-9)
	require.Equal(t, map[int]int{0: 100, 500: 200, 1000: 350}, rounded(resident))
}
