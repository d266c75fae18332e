package grid_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/karpenter-oke/karpenter-oke/pkg/providers/instancetype/grid"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/shape"
	"github.com/karpenter-oke/karpenter-oke/test/ocisim/data"
)

func flexible(t *testing.T) []*shape.Shape {
	t.Helper()
	records, err := data.Shapes()
	require.NoError(t, err)
	var out []*shape.Shape
	for _, record := range records {
		if s, ok := shape.FromRecord(record, nil); ok && s.Flexible {
			out = append(out, s)
		}
	}
	require.GreaterOrEqual(t, len(out), 17)
	return out
}

func TestEverySizeCanBeLaunchedAndStandsOnce(t *testing.T) {
	for _, s := range flexible(t) {
		seen := map[[2]float64]bool{}
		for _, size := range grid.Sizes(s) {
			require.True(t, s.Offers(size.OCPUs, size.MemoryGB), "%s %v/%v", s.Name, size.OCPUs, size.MemoryGB)
			require.Equal(t, float64(int(size.OCPUs)), size.OCPUs, "whole OCPUs")
			require.False(t, seen[[2]float64{size.OCPUs, size.MemoryGB}])
			seen[[2]float64{size.OCPUs, size.MemoryGB}] = true
		}
		require.NotEmpty(t, seen, s.Name)
	}
}

func TestRanksGrowSoThatACoarseGridIsPartOfEveryFinerOne(t *testing.T) {
	for _, s := range flexible(t) {
		last := -1
		for _, size := range grid.Sizes(s) {
			if len(s.Sizes) > 0 {
				require.Zero(t, size.Rank, "documented sizes are always offered")
				continue
			}
			require.Greater(t, size.Rank, last)
			require.Less(t, size.Rank, grid.Len())
			last = size.Rank
		}
	}
}

func TestEvenTheCoarsestGridServesSmallAndLargePods(t *testing.T) {
	const coarsest = 6
	for _, s := range flexible(t) {
		if len(s.Sizes) > 0 {
			continue
		}
		var smallest, largest float64 = 1e9, 0
		for _, size := range grid.Sizes(s) {
			if size.Rank < coarsest {
				smallest, largest = min(smallest, float64(s.VCPUs(size.OCPUs))), max(largest, float64(s.VCPUs(size.OCPUs)))
			}
		}
		require.LessOrEqual(t, smallest, 4.0, s.Name)
		require.GreaterOrEqual(t, largest, min(32, 0.5*float64(s.VCPUs(s.OCPURange.Max))), s.Name)
	}
}

func TestAShapeWithoutACPURatioHasNoSizes(t *testing.T) {
	require.Empty(t, grid.Sizes(&shape.Shape{Name: "VM.X.Flex", Flexible: true}))
}
