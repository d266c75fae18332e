package maintenance_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	testclock "k8s.io/utils/clock/testing"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/maintenance"
)

func TestANodeIsReplacedFromADayAndDeletedFromAnHourBeforeItsMaintenance(t *testing.T) {
	start := time.Date(2026, 11, 15, 12, 0, 0, 0, time.UTC)
	claim := &karpv1.NodeClaim{}
	claim.Annotations = map[string]string{v1alpha1.AnnotationMaintenanceDue: start.Format(time.RFC3339)}
	for _, tc := range []struct {
		says              string
		before            time.Duration
		replaced, deleted bool
	}{
		{"three weeks ahead nothing happens", 21 * 24 * time.Hour, false, false},
		{"a second before the day nothing happens", 24*time.Hour + time.Second, false, false},
		{"a day ahead it is replaced as budgets allow", 24 * time.Hour, true, false},
		{"a second before the hour it may still wait", time.Hour + time.Second, true, false},
		{"an hour ahead it is deleted", time.Hour, true, true},
		{"and afterwards, when nobody saw it in time", -time.Minute, true, true},
	} {
		t.Run(tc.says, func(t *testing.T) {
			p := maintenance.Policy{
				Clock: testclock.NewFakePassiveClock(start.Add(-tc.before)), ReplaceBefore: maintenance.DefaultReplaceBefore, DeleteBefore: maintenance.DefaultDeleteBefore,
			}
			require.Equal(t, tc.replaced, p.ReplaceNow(claim))
			require.Equal(t, tc.deleted, p.DeleteNow(start))
			p.DeleteBefore = 0
			require.False(t, p.DeleteNow(start), "0 leaves the node to the maintenance")
		})
	}
}

func TestADateThatIsNoneIsNoMaintenance(t *testing.T) {
	p := maintenance.Policy{Clock: testclock.NewFakePassiveClock(time.Now()), ReplaceBefore: maintenance.DefaultReplaceBefore}
	for says, annotations := range map[string]map[string]string{
		"no annotation": nil, "an empty one": {v1alpha1.AnnotationMaintenanceDue: ""}, "a word": {v1alpha1.AnnotationMaintenanceDue: "tomorrow"},
	} {
		t.Run(says, func(t *testing.T) {
			claim := &karpv1.NodeClaim{}
			claim.Annotations = annotations
			_, due := maintenance.StartOf(claim)
			require.False(t, due)
			require.False(t, p.ReplaceNow(claim))
		})
	}
}
