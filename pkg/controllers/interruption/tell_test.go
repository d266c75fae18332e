package interruption

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/zapr"
	"github.com/samber/lo"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	testclock "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/operator/logging"
	coreoptions "sigs.k8s.io/karpenter/pkg/operator/options"

	"github.com/karpenter-oke/karpenter-oke/test/ocisim"
)

// TestTheLogNamesEachOfManyInterruptedNodeClaims logs as many as may wait at once through the sampling that core's logger has.
func TestTheLogNamesEachOfManyInterruptedNodeClaims(t *testing.T) {
	sampling := logging.DefaultZapConfig(coreoptions.ToContext(t.Context(), &coreoptions.Options{}), "controller").Sampling
	require.NotNil(t, sampling, "core does not sample any more: lines may name one NodeClaim each again")
	watched, lines := observer.New(zapcore.InfoLevel)
	logger := zapr.NewLogger(zap.New(zapcore.NewSamplerWithOptions(watched, time.Minute, sampling.Initial, sampling.Thereafter)))
	downs := lo.Times(mostPending, func(n int) takedown {
		claim := &karpv1.NodeClaim{}
		claim.Name, claim.Status.NodeName, claim.Status.ProviderID = fmt.Sprint("claim-", n), fmt.Sprint("node-", n), fmt.Sprint("ocid1.instance.", n)
		return takedown{kind: kindPreemption, source: sourceStream, claim: claim, deadline: noon, deleted: n%10 != 0}
	})
	logTakedowns(log.IntoContext(t.Context(), logger), downs)
	named := map[string]interrupted{}
	for _, line := range lines.All() {
		fields := line.ContextMap()
		some, ok := fields["interrupted"].([]interrupted)
		require.True(t, ok, "%T", fields["interrupted"])
		require.EqualValues(t, len(some), fields["count"])
		for _, one := range some {
			require.NotContains(t, named, one.NodeClaim)
			named[one.NodeClaim] = one
		}
	}
	require.Len(t, named, mostPending*9/10, "those that were being deleted before are not named")
	require.Equal(t, interrupted{
		NodeClaim: "claim-1999", Node: "node-1999", Instance: "ocid1.instance.1999", Kind: kindPreemption, Source: sourceStream, Deadline: "2026-11-01T12:00:00Z",
	}, named["claim-1999"])
}

func TestAnEventIsWrittenOfTheNodeClaimAndOfItsNode(t *testing.T) {
	w := newWorld(t, ocisim.Options{StreamPartitions: 1}, 0)
	id := w.node("spot", preemptible)
	w.turn()
	require.NoError(t, w.PreemptInstance(id))
	w.turns(2)
	written := &corev1.EventList{}
	require.NoError(t, w.kube.List(t.Context(), written, client.InNamespace("default")))
	about := lo.Map(written.Items, func(e corev1.Event, _ int) corev1.ObjectReference { return e.InvolvedObject })
	require.ElementsMatch(t, []corev1.ObjectReference{
		{APIVersion: "karpenter.sh/v1", Kind: "NodeClaim", Name: "spot", UID: "uid-spot"}, {APIVersion: "v1", Kind: "Node", Name: "node-spot", UID: "node-spot"},
	}, about)
	for _, e := range written.Items {
		require.Equal(t, []any{"Warning", "Preempted", "karpenter", int32(1)}, []any{e.Type, e.Reason, e.Source.Component, e.Count})
		require.Empty(t, validation.IsDNS1123Subdomain(e.Name), e.Name)
	}
	require.Empty(t, w.recorder.Events(), "none waits in a queue that may overflow")
}

func TestAnEventThatCanNotBeWrittenIsLeftToTheRecorderAndHoldsUpNothing(t *testing.T) {
	w := newWorld(t, ocisim.Options{StreamPartitions: 1}, 0)
	id := w.node("spot", preemptible)
	w.turn()
	w.untold = errors.New("events is forbidden: exceeded quota")
	require.NoError(t, w.PreemptInstance(id))
	w.turns(2)
	require.Equal(t, map[string]float64{"preemption handled": 1}, w.counts())
	require.Zero(t, w.waiting())
	require.Len(t, w.recorder.Events(), 2)
}

func TestAProcessThatTakesOverTellsWhatTheOneBeforeHadNoTimeFor(t *testing.T) {
	w := newWorld(t, ocisim.Options{StreamPartitions: 1}, 0)
	id := w.node("spot", preemptible)
	w.turn()
	require.NoError(t, w.kube.Delete(t.Context(), w.claim("spot"))) // and dies
	w.say(id, func(*ocisim.Event) {})
	w.restart(w.World.StreamID)
	w.turns(2)
	require.Equal(t, map[string]float64{"preemption repeated": 1}, w.counts())
	require.Len(t, w.told("Preempted"), 2)
	require.NotEmpty(t, w.deadline("spot"))
}

func TestNamesOfEventsFitWhateverTheNodeIsCalled(t *testing.T) {
	for _, name := range []string{"10.0.16.2", strings.Repeat("a", 229) + ".b", strings.Repeat("long-", 50) + "x"} {
		t.Run(name, func(t *testing.T) {
			e := (&taker{clock: testclock.NewFakePassiveClock(noon)}).event(corev1.ObjectReference{Kind: "Node", Name: name}, "uid", "Preempted", "x")
			require.Empty(t, validation.IsDNS1123Subdomain(e.Name), e.Name)
			other := (&taker{clock: testclock.NewFakePassiveClock(noon)}).event(corev1.ObjectReference{Kind: "Node", Name: name}, "uid of the next node of that name", "Preempted", "x")
			require.NotEqual(t, e.Name, other.Name)
		})
	}
}
