package churn

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
)

// Some hours of a small cluster; `make bench-cost` plays days.
func TestHoursOfComingAndGoingLeaveNoPodBehindAndReproduce(t *testing.T) {
	days := Days{Hours: 4, Step: 20 * time.Minute, Services: 30, Swing: 0.5, Jobs: 6, JobLife: 30 * time.Minute, ConsolidateAfter: time.Minute, Seed: 3}
	fit, err := Run(t.Context(), days, v1alpha1.FlexSizingFit)
	require.NoError(t, err)
	grid, err := Run(t.Context(), days, v1alpha1.FlexSizingGrid)
	require.NoError(t, err)
	t.Logf("Fit %+v, Grid %+v", fit, grid)
	for says, o := range map[string]Outcome{"Fit": fit, "Grid": grid} {
		require.Zero(t, o.Unplaced, says)
		require.Positive(t, o.Bought, says)
		require.Positive(t, o.Disrupted.Nodes(), says)
		require.LessOrEqual(t, o.Disrupted.Nodes(), o.Bought, says)
	}
	require.InDelta(t, grid.Dollars, grid.DollarsCells, 1e-6, "what core believes of the grid is the bill")
	require.Less(t, fit.Dollars, fit.DollarsCells)
	again, err := Run(t.Context(), days, v1alpha1.FlexSizingFit)
	require.NoError(t, err)
	require.Equal(t, fit, again)
}
