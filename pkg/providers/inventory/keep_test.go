package inventory_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/karpenter-oke/karpenter-oke/pkg/providers/inventory"
	"github.com/karpenter-oke/karpenter-oke/test/ocisim"
)

func TestTheKeptListIsTakenOnlyWhenNobodyElseHadItTaken(t *testing.T) {
	r := newRegion(t, ocisim.Options{})
	require.NoError(t, r.inv.Keep(t.Context()))
	require.Equal(t, 1, r.lists(), "the first one is always due")
	require.Equal(t, inventory.IdleInterval, r.inv.Due())

	r.clock.Step(40 * time.Second)
	_, err := r.inv.Fresh(t.Context(), 30*time.Second)
	require.NoError(t, err)
	require.Equal(t, 2, r.lists(), "somebody wanted it newer")
	r.clock.Step(20 * time.Second)
	require.NoError(t, r.inv.Keep(t.Context()))
	require.Equal(t, 2, r.lists())
	require.Equal(t, 40*time.Second, r.inv.Due(), "counted from the list that somebody else had taken")

	r.clock.Step(r.inv.Due())
	require.NoError(t, r.inv.Keep(t.Context()))
	require.Equal(t, 3, r.lists())
	require.Equal(t, time.Second, dueAfter(r, time.Hour), "a list that is overdue is due at once, and never in a loop without a pause")
}

func dueAfter(r *region, d time.Duration) time.Duration {
	r.clock.Step(d)
	return r.inv.Due()
}

func TestAListOfManyPagesIsTakenLessOftenSoThatTheCallsAnHourStayFew(t *testing.T) {
	for _, tc := range []struct {
		instances, pageSize int
		want                time.Duration
	}{
		{1, 1, time.Minute},
		{5, 5, time.Minute},
		{2, 1, 2 * time.Minute},
		{10, 1, 2 * time.Minute},
		{15, 1, 3 * time.Minute},
		{30, 1, 4 * time.Minute},
	} {
		t.Run(fmt.Sprintf("%d instances, %d on a page", tc.instances, tc.pageSize), func(t *testing.T) {
			r := newRegion(t, ocisim.Options{PageSize: tc.pageSize, ProvisioningDelay: -1})
			for i := range tc.instances {
				r.mine(fmt.Sprint("n", i))
			}
			require.NoError(t, r.inv.Refresh(t.Context()))
			require.Equal(t, tc.want, r.inv.NextInterval())
			require.Less(t, r.inv.NextInterval(), inventory.StaleAge, "who can do with any list that is not old never has one taken")
			if pages := tc.instances / tc.pageSize; pages <= 20 {
				require.LessOrEqual(t, float64(pages)*float64(time.Hour/tc.want), 300.0, "calls an hour")
			}
		})
	}
}
