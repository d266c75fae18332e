package interruption

import (
	"net/http"
	"testing"
	"time"

	"github.com/samber/lo"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	toolscache "k8s.io/client-go/tools/cache"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"

	"github.com/karpenter-oke/karpenter-oke/test/ocisim"
)

func TestTheP99IsTheValueThatOneInAHundredExceeds(t *testing.T) {
	values := lo.Times(200, func(n int) float64 { return float64(n + 1) })
	require.InDelta(t, 198, quantile(values, 0.99), 0)
	require.InDelta(t, 100, quantile(values, 0.5), 0)
	require.InDelta(t, 7, quantile([]float64{7}, 0.99), 0)
}

func TestTheEndOfADrainIsTheLastCommitThatWasAccepted(t *testing.T) {
	at := func(second int) time.Time { return time.Date(2026, 11, 1, 12, 0, second, 0, time.UTC) }
	require.True(t, lastCommit(nil).IsZero())
	require.Equal(t, at(2), lastCommit([]ocisim.Entry{
		{Operation: "ConsumerCommit", Status: http.StatusOK, Time: at(1)}, {Operation: "ConsumerCommit", Status: http.StatusOK, Time: at(2)},
		{Operation: "GetMessages", Status: http.StatusOK, Time: at(3)}, {Operation: "ConsumerCommit", Status: http.StatusInternalServerError, Time: at(4)},
	}))
}

func TestSightingsCountEachNodeClaimOnceAndFromTheFirstSignOn(t *testing.T) {
	claim := func(uid types.UID, deleted bool) *karpv1.NodeClaim {
		c := &karpv1.NodeClaim{}
		if c.UID = uid; deleted {
			c.DeletionTimestamp = &metav1.Time{Time: time.Unix(1, 0)}
		}
		return c
	}
	now := time.Unix(100, 0)
	s := newSightings([]karpv1.NodeClaim{*claim("a", false), *claim("b", false)})
	handler := s.handler(func() time.Time { now = now.Add(time.Second); return now })
	begin := now
	handler.OnAdd(claim("a", false), true)
	handler.OnAdd(claim("b", false), true)
	require.Equal(t, "0 of 2 are deleted, 0 were made", s.missing())
	handler.OnUpdate(nil, claim("a", true))                                       // 3 s
	handler.OnDelete(claim("a", true))                                            // 4 s, and no news
	handler.OnAdd(claim("c", false), false)                                       // 5 s
	handler.OnDelete(toolscache.DeletedFinalStateUnknown{Obj: claim("b", false)}) // 6 s: the watch had ended, and the list has it no more
	require.Equal(t, "2 of 2 are deleted, 1 were made", s.missing())
	handler.OnAdd(claim("d", false), false) // 7 s
	handler.OnUpdate(nil, claim("d", false))
	require.Empty(t, s.missing())
	require.Equal(t, []float64{2, 6}, s.took(map[types.UID]time.Time{"a": begin.Add(time.Second), "b": begin}))
	require.Equal(t, []float64{5, 7}, s.bought(begin))
}
