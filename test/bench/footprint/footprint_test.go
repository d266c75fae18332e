package footprint

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/karpenter-oke/karpenter-oke/test/bench/stand"
)

func TestAWindowStandsForAnHour(t *testing.T) {
	seldom := 4 + 2 + 2 + 6 + (1+3)/6.0 + 1/12.0
	require.InDelta(t, seldom, hourly(stand.Calls{}, time.Minute), 1e-9, "what is read once an hour counts although the window has none of it")
	require.InDelta(t, seldom+60+30, hourly(stand.Calls{"ListInstances": 10, "ListImages": 5, "ListLimitValues": 2, "ListShapes": 3}, 10*time.Minute), 1e-9,
		"and no more often when the window has it")
}

func TestTheBeginningOfTheLeadIsInTheLog(t *testing.T) {
	log := `not json
{"level":"INFO","time":"2026-11-22T05:05:40.000Z","message":"Starting Controller","controller":"refresh.shapes"}
{"level":"INFO","time":"2026-11-22T05:05:42.500Z","message":"Starting Controller","controller":"provisioner"}
{"level":"INFO","time":"2026-11-22T05:05:43.000Z","message":"Starting workers","controller":"provisioner"}
`
	leads, err := leadsSince(strings.NewReader(log))
	require.NoError(t, err)
	require.Equal(t, time.Date(2026, 11, 22, 5, 5, 42, 500_000_000, time.UTC), leads.UTC())
	_, err = leadsSince(strings.NewReader("nothing"))
	require.ErrorIs(t, err, errNeverLed)
}

func TestMemoryThatDoublesWithTheNodesIsLinear(t *testing.T) {
	require.InDelta(t, 1, steepness(fleetsOf(0, 100, 100, 150, 500, 200, 1000, 300)), 1e-9)
	require.InDelta(t, 1.5, steepness(fleetsOf(0, 100, 500, 200, 1000, 350)), 1e-9)
}

// fleetsOf makes samples of numbers of nodes, each followed by its memory.
func fleetsOf(pairs ...int) (out []sample) {
	for i := 0; i < len(pairs); i += 2 {
		out = append(out, sample{nodes: pairs[i], mib: float64(pairs[i+1])})
	}
	return out
}
