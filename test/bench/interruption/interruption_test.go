package interruption

import (
	"testing"

	"github.com/samber/lo"
	"github.com/stretchr/testify/require"
)

func TestTheP99IsTheValueThatOneInAHundredExceeds(t *testing.T) {
	values := lo.Times(200, func(n int) float64 { return float64(n + 1) })
	require.InDelta(t, 198, quantile(values, 0.99), 0)
	require.InDelta(t, 100, quantile(values, 0.5), 0)
	require.InDelta(t, 7, quantile([]float64{7}, 0.99), 0)
}
