package speed

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/karpenter-oke/karpenter-oke/test/bench/results"
)

const output = `goos: linux
pkg: example.com/x
BenchmarkListWarm-2      	 1000	       900 ns/op	       0 B/op	       0 allocs/op
BenchmarkListWarm-2      	 1000	       700 ns/op	       0 B/op	       0 allocs/op
BenchmarkDecide/burst-cordoned-2 	 1000	       250.5 ns/op	       0 allocs/op
BenchmarkRebuildByCatalogue/half-2 	 10	 4000000 cpu-ns/op	 5000000 ns/op	 60.00 shapes
PASS
`

func TestTheLeastDisturbedRunCounts(t *testing.T) {
	m := measured{}
	require.NoError(t, m.read(strings.NewReader(output), "x"))
	require.InDelta(t, 700, m["ListWarm"]["ns/op"], 1e-6)
	require.InDelta(t, 250.5, m["Decide/burst-cordoned"]["ns/op"], 1e-6)
	require.InDelta(t, 4e6, m["RebuildByCatalogue/half"]["cpu-ns/op"], 1e-6)
	require.InDelta(t, 60, m["RebuildByCatalogue/half"]["shapes"], 1e-6)
}

func TestAFigureThatWasNotTakenIsAnError(t *testing.T) {
	m := measured{}
	require.NoError(t, m.read(strings.NewReader(output), "x"))
	err := m.addTo(&results.Figures{})
	require.ErrorContains(t, err, "RebuildByCatalogue/whole cpu-ns/op")
	require.ErrorContains(t, err, "PendingList/wrapped")
	require.NotContains(t, err.Error(), "ListWarm ns/op")
}
