package interruption

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"

	"github.com/karpenter-oke/karpenter-oke/pkg/providers/capacity"
	"github.com/karpenter-oke/karpenter-oke/test/ocisim"
)

// polls looks at the list every two seconds for so long, and tells how many lists were taken.
func (w *world) polls(d time.Duration) int {
	w.t.Helper()
	before := w.Journal().Counts()["ListInstances"]
	for range int(d / lookInterval) {
		w.pass(lookInterval)
		_, err := w.poll.Reconcile(w.t.Context())
		require.NoError(w.t, err)
	}
	return w.Journal().Counts()["ListInstances"] - before
}

func TestWithoutAStreamAPreemptionIsFoundWhenItHappens(t *testing.T) {
	w := newWorld(t, ocisim.Options{TerminationDelay: time.Minute, PreemptionNotice: 2 * time.Minute}, 0)
	w.restart("")
	id := w.node("spot", preemptible)
	other := w.node("on-demand")
	require.NoError(t, w.PreemptInstance(id))
	w.polls(2*time.Minute - lookInterval)
	require.False(t, w.deleted("spot"), "nothing shows before")
	require.NoError(t, w.TerminateInstance(other))
	w.polls(16*time.Second + 2*lookInterval)
	require.True(t, w.deleted("spot"))
	require.False(t, w.deleted("on-demand"), "that one is core's")
	require.True(t, w.tainted("spot"))
	require.NotEmpty(t, w.deadline("spot"))
	require.Equal(t, capacity.ReasonPreempted, w.spotReason())
	require.Contains(t, w.told("Preempted")[0], "is TERMINATING and OCI has taken it back")
	told := len(w.told("Preempted"))
	w.polls(time.Minute)
	require.Len(t, w.told("Preempted"), told)
}

func TestPollingCostsListsOnlyWhileNoStreamAnnouncesPreemptions(t *testing.T) {
	w := newWorld(t, ocisim.Options{StreamPartitions: 1}, 0)
	require.Zero(t, w.polls(time.Minute), "no preemptible nodes, no lists")
	w.node("on-demand")
	require.Zero(t, w.polls(time.Minute))
	w.node("spot", preemptible)
	require.InDelta(t, 240, w.polls(time.Hour), 20, "about every 15 seconds, in an hour")
	w.turn()
	require.Zero(t, w.polls(time.Minute), "the stream is read")
	require.NoError(t, w.DeleteStream(w.World.StreamID))
	w.turn()
	require.Positive(t, w.polls(time.Minute), "the stream is gone")
	w.restart("")
	w.poll.every = 0
	require.Zero(t, w.polls(time.Minute), "switched off")
}

func TestALaunchThatHasNotRegisteredIsNotThePollsBusiness(t *testing.T) {
	w := newWorld(t, ocisim.Options{TerminationDelay: time.Hour}, 0)
	w.restart("")
	id := w.node("young", preemptible)
	claim := w.claim("young")
	claim.StatusConditions().SetUnknown(karpv1.ConditionTypeRegistered)
	require.NoError(t, w.kube.Status().Update(t.Context(), claim))
	require.NoError(t, w.TerminateInstance(id))
	w.polls(time.Minute)
	require.False(t, w.deleted("young"))
}
