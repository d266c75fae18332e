package cost

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestTmp(t *testing.T) {
	for _, pool := range Pools() {
		for _, tr := range Traces() {
			at := time.Now()
			o, err := Run(t.Context(), pool, tr)
			require.NoError(t, err)
			t.Logf("%-16s %-14s bound %.3f nodes-bound +%.1f | fit %.3f n%d +%.1f (+%.1f) grid %.3f +%.1f | manual %d %.3f powers %d %.3f  %s", pool.Name, tr.Name, o.Bounds.Requests, Above(o.Bounds.Nodes, o.Bounds.Requests),
				o.Fit.PricePerHour, o.Fit.Nodes, Above(o.Fit.PricePerHour, o.Bounds.Requests), Above(o.Fit.PricePerHour, o.Bounds.Nodes), o.Grid.PricePerHour, Above(o.Grid.PricePerHour, o.Bounds.Requests),
				o.Manual.Unplaced, o.Manual.Ratio(), o.Powers.Unplaced, o.Powers.Ratio(), time.Since(at))
		}
	}
}
