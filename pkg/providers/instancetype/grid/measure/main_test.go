package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTheGeneratedOrderIsWhatIsMeasured(t *testing.T) {
	order, _ := rank(demands(), defaultCount)
	out := filepath.Join(t.TempDir(), "points.go")
	require.NoError(t, write(out, order))
	want, err := os.ReadFile(out)
	require.NoError(t, err)
	have, err := os.ReadFile("../points_generated.go")
	require.NoError(t, err)
	require.Equal(t, string(want), string(have), "run go generate in package grid")
}

func TestEachPointLowersTheExcessAndTheFirstLowerItMost(t *testing.T) {
	_, excess := rank(demands(), 40)
	for i := 2; i < len(excess); i++ {
		require.LessOrEqual(t, excess[i], excess[i-1])
		require.LessOrEqual(t, excess[i-1]-excess[i], excess[i-2]-excess[i-1]+1e-3, "point %d", i)
	}
	require.Less(t, excess[39], 1.2)
}
