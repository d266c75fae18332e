package interruption

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/capacity"
	"github.com/karpenter-oke/karpenter-oke/test/ocisim"
)

func TestAnAnnouncedPreemptionTakesTheNodeDown(t *testing.T) {
	w := newWorld(t, ocisim.Options{StreamPartitions: 2}, 0)
	id := w.node("spot", preemptible)
	w.node("other", preemptible)
	w.turn()
	require.NoError(t, w.PreemptInstance(id)) // at 12:00:01
	w.turn()
	require.True(t, w.deleted("spot"))
	require.False(t, w.deleted("other"))
	require.Equal(t, "2026-11-01T12:01:51Z", w.deadline("spot"), "pods end ten seconds before the two minutes are over")
	require.True(t, w.tainted("spot"))
	require.False(t, w.tainted("other"))
	require.Equal(t, capacity.ReasonPreempted, w.spotReason(), "of any size")
	require.Zero(t, w.waiting(), "committed")
	require.Equal(t, map[string]float64{"preemption handled": 1}, w.counts())
	require.Len(t, w.told("Preempted"), 2, "of the NodeClaim and of the node")
	require.Contains(t, w.told("Preempted")[0], "takes the preemptible instance back in about 119 s")
	require.Equal(t, idleInterval, w.turn(), "a stream without news is read once a second")
}

func TestWhatIsNoNewsOfOursIsPassedAndCounted(t *testing.T) {
	type event = ocisim.Event
	for _, tc := range []struct {
		says string
		say  func(w *world, spot, onDemand string)
		want string
	}{
		{"no JSON", func(w *world, _, _ string) { w.raw("{") }, "malformed malformed"},
		{"bytes", func(w *world, _, _ string) { w.raw("\x00\xff\xfe") }, "malformed malformed"},
		{"an empty object", func(w *world, _, _ string) { w.raw("{}") }, "malformed malformed"},
		{"a list", func(w *world, _, _ string) { w.raw("[1]") }, "malformed malformed"},
		{"members of other types", func(w *world, _, _ string) { w.raw(`{"eventType":7,"data":"x"}`) }, "malformed malformed"},
		{"no instance", func(w *world, spot, _ string) { w.say(spot, func(e *event) { e.Data.ResourceID = "" }) }, "malformed malformed"},
		{"another resource", func(w *world, spot, _ string) {
			w.say(spot, func(e *event) { e.Data.ResourceID = "ocid1.volume.oc1.phx.a" })
		}, "malformed malformed"},
		{"a maintenance without a date", func(w *world, spot, _ string) {
			w.say(spot, func(e *event) {
				e.EventType = ocisim.EventMaintenance
				e.Data.AdditionalDetails = map[string]any{"instanceId": spot, "lifecycleState": "SCHEDULED"}
			})
		}, "malformed malformed"},
		{"an event of another type", func(w *world, spot, _ string) {
			w.say(spot, func(e *event) { e.EventType = "com.oraclecloud.computeapi.terminateinstance.begin" })
		}, "other ignored"},
		{"another compartment", func(w *world, spot, _ string) {
			w.say(spot, func(e *event) { e.Data.CompartmentID = "ocid1.compartment.oc1..other" })
		}, "preemption foreign"},
		{"an instance that is gone", func(w *world, spot, _ string) {
			w.say(spot, func(e *event) { e.Data.ResourceID = "ocid1.instance.oc1.phx.gone" })
		}, "preemption unknown"},
		{"an instance that is not preemptible", func(w *world, _, onDemand string) { w.say(onDemand, func(*event) {}) }, "preemption refuted"},
	} {
		t.Run(tc.says, func(t *testing.T) {
			w := newWorld(t, ocisim.Options{StreamPartitions: 1}, 0)
			spot, onDemand := w.node("spot", preemptible), w.node("on-demand")
			w.turn()
			tc.say(w, spot, onDemand)
			w.turn()
			require.Equal(t, map[string]float64{tc.want: 1}, w.counts())
			require.False(t, w.deleted("spot"))
			require.False(t, w.deleted("on-demand"))
			require.Empty(t, w.spotReason())
			require.Zero(t, w.waiting(), "it does not come again")
			w.say(spot, func(*event) {})
			w.turn()
			require.True(t, w.deleted("spot"), "it does not block what comes after it")
		})
	}
}

func (w *world) raw(value string) {
	w.t.Helper()
	require.NoError(w.t, w.Publish(w.World.StreamID, []byte(value)))
}

func TestAnInstanceOfOursNamedFromAnotherCompartmentOfOursIsLeftAlone(t *testing.T) {
	w := newWorld(t, ocisim.Options{StreamPartitions: 1}, 0)
	id := w.node("spot", preemptible)
	claim := w.claim("spot")
	claim.Annotations[v1alpha1.AnnotationCompartmentID] = "ocid1.compartment.oc1..second"
	require.NoError(t, w.kube.Update(t.Context(), claim))
	w.turn()
	w.say(id, func(*ocisim.Event) {})
	w.turn()
	require.Equal(t, map[string]float64{"preemption foreign": 1}, w.counts())
	require.False(t, w.deleted("spot"))
}

func TestMessagesThatComeAgainDoNothingTwice(t *testing.T) {
	w := newWorld(t, ocisim.Options{StreamPartitions: 2}, 0)
	id := w.node("spot", preemptible)
	w.turn()
	for range 3 {
		w.say(id, func(*ocisim.Event) {})
	}
	w.turns(3)
	require.Equal(t, map[string]float64{"preemption handled": 1, "preemption repeated": 2}, w.counts())
	deadline := w.deadline("spot")
	w.pass(30 * time.Second)
	w.say(id, func(*ocisim.Event) {}) // as news of later
	w.turns(2)
	require.Equal(t, deadline, w.deadline("spot"), "a deadline is never put off")
	w.reader.Rewind()
	w.restart(w.World.StreamID)
	w.turns(2)
	require.Len(t, w.told("Preempted"), 2)
}

func TestAMessageIsNotLostWhenTheProcessDiesBeforeTheCommit(t *testing.T) {
	w := newWorld(t, ocisim.Options{StreamPartitions: 1}, 0)
	id := w.node("spot", preemptible)
	w.turn()
	w.say(id, func(*ocisim.Event) {})
	messages, err := w.reader.Read(t.Context())
	require.NoError(t, err)
	require.Len(t, messages, 1, "read, and then the process dies")
	w.restart(w.World.StreamID)
	w.turn()
	require.True(t, w.deleted("spot"))
}

func TestOneThatCanNotBeHandledIsTriedAgainAndHoldsUpNoOther(t *testing.T) {
	w := newWorld(t, ocisim.Options{StreamPartitions: 1}, 0)
	stuck, fine := w.node("stuck", preemptible), w.node("fine", preemptible)
	w.turn()
	w.refuse["stuck"] = errors.New("the API server is away")
	w.say(stuck, func(*ocisim.Event) {})
	w.turn()
	require.Equal(t, 1, w.waiting(), "not committed")
	w.say(fine, func(*ocisim.Event) {})
	w.turn()
	require.True(t, w.deleted("fine"), "later messages are read meanwhile")
	require.Equal(t, 2, w.waiting())
	delete(w.refuse, "stuck")
	w.turn()
	require.True(t, w.deleted("stuck"))
	require.Equal(t, "2026-11-01T12:01:51Z", w.deadline("stuck"), "the time that was lost is not given back")
	require.Zero(t, w.waiting())
	require.Equal(t, map[string]float64{"preemption handled": 2}, w.counts())
}

func TestOneThatCanNeverBeHandledIsGivenUp(t *testing.T) {
	w := newWorld(t, ocisim.Options{StreamPartitions: 1}, 0)
	id := w.node("stuck", preemptible)
	w.turn()
	w.refuse["stuck"] = errors.New("refused by a policy")
	w.say(id, func(*ocisim.Event) {})
	w.turns(tries - 1)
	require.Equal(t, 1, w.waiting())
	w.turn()
	require.Zero(t, w.waiting())
	require.Equal(t, map[string]float64{"preemption failed": 1}, w.counts())
	require.Greater(t, tries*idleInterval, preemptionNotice)
}

func TestDeadlinesComeFromTheMessagesOwnTimes(t *testing.T) {
	for _, tc := range []struct {
		says    string
		skew    time.Duration // of the process' clock
		waits   time.Duration // in the stream
		ago     time.Duration // the event was so long before its publication
		want    time.Duration // from the read to the deadline
		outcome string
	}{
		{"read at once", 0, 0, 0, 110 * time.Second, "preemption handled"},
		{"read late", 0, 60 * time.Second, 0, 50 * time.Second, "preemption handled"},
		{"delivered late", 0, 0, 30 * time.Second, 80 * time.Second, "preemption handled"},
		{"after its time", 0, 5 * time.Minute, 0, 0, "preemption handled"},
		{"long after its time", 0, 11 * time.Minute, 0, 0, "preemption outdated"},
		{"with a clock that is behind", -4 * time.Minute, 60 * time.Second, 0, 50 * time.Second, "preemption handled"},
		{"with a clock that is ahead", 4 * time.Minute, 60 * time.Second, 0, 50 * time.Second, "preemption handled"},
		{"of the future", 0, 0, -time.Hour, 110 * time.Second, "preemption handled"},
		{"of a past that can not be", 0, 0, 10 * time.Hour, 0, "preemption handled"},
		{"without a time", 0, 30 * time.Second, 1 << 62, 80 * time.Second, "preemption handled"},
	} {
		t.Run(tc.says, func(t *testing.T) {
			w := newWorld(t, ocisim.Options{StreamPartitions: 1}, tc.skew)
			id := w.node("spot", preemptible)
			w.turn()
			w.say(id, func(e *ocisim.Event) {
				if e.EventTime = w.clock.Now().Add(-tc.ago).Format(time.RFC3339); tc.ago == 1<<62 {
					e.EventTime = "yesterday"
				}
			})
			w.pass(tc.waits)
			_, err := w.stream.Reconcile(t.Context())
			require.NoError(t, err)
			require.Equal(t, map[string]float64{tc.outcome: 1}, w.counts())
			if strings.HasSuffix(tc.outcome, "outdated") {
				require.False(t, w.deleted("spot"))
				return
			}
			at, err := time.Parse(time.RFC3339, w.deadline("spot"))
			require.NoError(t, err)
			require.InDelta(t, tc.want.Seconds(), at.Sub(w.own.Now()).Seconds(), 1.01)
		})
	}
}

func TestAnOldMessageOfAnInstanceThatIsEndingStillCounts(t *testing.T) {
	w := newWorld(t, ocisim.Options{StreamPartitions: 1, TerminationDelay: time.Hour}, 0)
	id := w.node("spot", preemptible)
	w.turn()
	require.NoError(t, w.PreemptInstance(id))
	w.pass(15 * time.Minute)
	_, err := w.inv.Fresh(t.Context(), 0)
	require.NoError(t, err)
	w.turn()
	require.True(t, w.deleted("spot"))
}

func TestTheNodeClaimsOwnGraceIsNeverMadeLonger(t *testing.T) {
	w := newWorld(t, ocisim.Options{StreamPartitions: 1}, 0)
	brief, forever, early := w.node("brief", preemptible), w.node("forever", preemptible), w.node("early", preemptible)
	for name, change := range map[string]func(*karpv1.NodeClaim){
		"brief": func(c *karpv1.NodeClaim) {
			c.Spec.TerminationGracePeriod = &metav1.Duration{Duration: 20 * time.Second}
		},
		"forever": func(c *karpv1.NodeClaim) { c.Spec.TerminationGracePeriod = &metav1.Duration{Duration: time.Hour} },
		"early": func(c *karpv1.NodeClaim) {
			c.Annotations[karpv1.NodeClaimTerminationTimestampAnnotationKey] = "2026-11-01T12:00:09Z"
		},
	} {
		claim := w.claim(name)
		change(claim)
		require.NoError(t, w.kube.Update(t.Context(), claim))
	}
	w.turn()
	for _, id := range []string{brief, forever, early} {
		w.say(id, func(*ocisim.Event) {})
	}
	w.turn()
	require.Equal(t, "2026-11-01T12:00:22Z", w.deadline("brief"))
	require.Equal(t, "2026-11-01T12:01:51Z", w.deadline("forever"))
	require.Equal(t, "2026-11-01T12:00:09Z", w.deadline("early"))
}

func TestAnInstanceThatWasLaunchedAMomentAgoIsFoundByItsTags(t *testing.T) {
	w := newWorld(t, ocisim.Options{StreamPartitions: 1}, 0)
	id := w.node("new", preemptible)
	claim := w.claim("new")
	claim.Status.ProviderID, claim.Status.NodeName = "", ""
	require.NoError(t, w.kube.Status().Update(t.Context(), claim))
	w.turn()
	w.say(id, func(*ocisim.Event) {})
	w.turn()
	require.True(t, w.deleted("new"))
}

func TestManyAtOnceAreAllHandled(t *testing.T) {
	w := newWorld(t, ocisim.Options{StreamPartitions: 4}, 0)
	const many = finishAtOnce + 6
	ids := []string{}
	for n := range many {
		ids = append(ids, w.node(fmt.Sprint("n", n), preemptible))
	}
	w.turn()
	for _, id := range ids {
		require.NoError(t, w.PreemptInstance(id))
	}
	w.turns(5)
	for n := range many {
		require.True(t, w.deleted(fmt.Sprint("n", n)))
		require.True(t, w.tainted(fmt.Sprint("n", n)))
		require.NotEmpty(t, w.deadline(fmt.Sprint("n", n)))
	}
	require.Equal(t, map[string]float64{"preemption handled": many}, w.counts())
}

func TestTheConditionSaysWhatIsWrongWithTheStreamAndHeals(t *testing.T) {
	w := newWorld(t, ocisim.Options{StreamPartitions: 1}, 0)
	require.NoError(t, w.kube.Create(t.Context(), &v1alpha1.OciNodeClass{ObjectMeta: metav1.ObjectMeta{Name: "class", UID: "uid-class"}}))
	require.Nil(t, w.look(), "nothing is said before the stream was read")
	w.turn()
	require.True(t, w.look().IsTrue())
	require.True(t, w.health.Readable())
	healthy, _ := gauge(t, "karpenter_oke_interruption_stream_healthy")
	require.InDelta(t, 1, healthy, 0)

	w.Fail(ocisim.Fault{Operation: "GetMessages", Kind: ocisim.ErrorAnswer, Status: http.StatusNotFound, Code: "NotAuthorizedOrNotFound", Message: "Authorization failed or requested resource not found"})
	w.turn()
	c := w.look()
	require.True(t, c.IsFalse())
	require.Equal(t, reasonNoStream, c.Reason)
	require.Contains(t, c.Message, "lacks the right to `read streams` and to `use stream-pull`")
	require.Contains(t, c.Message, w.World.StreamID)
	require.False(t, w.health.Readable())
	require.Len(t, w.told("InterruptionStreamUnreadable"), 1)
	healthy, _ = gauge(t, "karpenter_oke_interruption_stream_healthy")
	require.InDelta(t, 0, healthy, 0)
	text := c.Message
	w.turns(3)
	require.Equal(t, text, w.look().Message, "the same state has the same words")
	require.Len(t, w.told("InterruptionStreamUnreadable"), 1)
	w.Faults().Clear()
	w.turn()
	require.True(t, w.look().IsTrue())

	require.NoError(t, w.DeleteStream(w.World.StreamID))
	w.turn()
	require.Equal(t, reasonNoStream, w.look().Reason)

	w.restart("")
	require.Nil(t, w.look(), "without a stream there is no such condition")
	_, there := gauge(t, "karpenter_oke_interruption_stream_healthy")
	require.False(t, there)
}

func TestAServiceThatDoesNotAnswerIsGivenAMinute(t *testing.T) {
	w := newWorld(t, ocisim.Options{StreamPartitions: 1}, 0)
	require.NoError(t, w.kube.Create(t.Context(), &v1alpha1.OciNodeClass{ObjectMeta: metav1.ObjectMeta{Name: "class", UID: "uid-class"}}))
	w.turn()
	failing := &oci503{Reader: w.reader}
	w.stream.reader = failing
	waits := []time.Duration{}
	for range 4 {
		waits = append(waits, w.turn())
	}
	require.Equal(t, []time.Duration{time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second}, waits)
	require.True(t, w.look().IsTrue())
	w.pass(time.Minute)
	require.LessOrEqual(t, w.turn(), retryMost)
	require.Equal(t, reasonUnreachable, w.look().Reason)
	w.stream.reader = w.reader
	require.Equal(t, idleInterval, w.turn())
	require.True(t, w.look().IsTrue())
}
