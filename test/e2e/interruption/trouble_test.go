//go:build e2e

package interruption_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/samber/lo"
	"github.com/stretchr/testify/require"
	"k8s.io/utils/clock"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"

	"github.com/karpenter-oke/karpenter-oke/test/environment"
	"github.com/karpenter-oke/karpenter-oke/test/live"
	"github.com/karpenter-oke/karpenter-oke/test/ocisim"
)

// ahead is how far the cloud's clock is from the cluster's: OCI refuses requests from five minutes on.
const ahead = 4 * time.Minute

// fast is a clock that is ahead.
type fast struct{ clock.RealClock }

func (fast) Now() time.Time                    { return time.Now().Add(ahead) }
func (c fast) Since(t time.Time) time.Duration { return c.Now().Sub(t) }

// TestTroubleWithTheStream preempts on a cluster whose clock and whose rights are not what they should be.
func TestTroubleWithTheStream(t *testing.T) {
	s := &spec{live.Start(t, environment.Options{
		Name: "e2e-interruption-trouble", FixedNodes: live.None(), VirtualNodes: live.None(), InterruptionStream: true,
		// The notice is long, so that the list of instances tells nothing while the stream can not be read.
		OCISim: ocisim.Options{Clock: fast{}, StreamPartitions: 2, TerminationDelay: time.Minute, PreemptionNotice: time.Hour},
	})}
	for _, step := range []struct {
		says string
		do   func(*spec)
	}{
		{"a cloud whose clock is minutes ahead changes no deadline", clockIsAhead},
		{"rights that are taken away and given back lose no message", rightsComeBack},
	} {
		if !t.Run(step.says, func(t *testing.T) { step.do(&spec{&live.Spec{T: t, Environment: s.Environment}}) }) {
			return
		}
	}
}

func clockIsAhead(s *spec) {
	claim := s.add(pool{Name: "clock", Shape: "VM.Standard.E5.Flex", CapacityTypes: "spot, on-demand"})
	published := time.Now()
	require.NoError(s.T, s.Simulator().PreemptInstance(claim.Status.ProviderID))
	var deadline time.Time
	s.Eventually("the NodeClaim to be deleted with a deadline", func() string {
		now, there := s.current(claim)
		require.True(s.T, there, "its instance needs a while to end")
		text := now.Annotations[karpv1.NodeClaimTerminationTimestampAnnotationKey]
		if now.DeletionTimestamp.IsZero() || text == "" {
			return fmt.Sprintf("deleted at %v, annotations %v", now.DeletionTimestamp, now.Annotations)
		}
		var err error
		deadline, err = time.Parse(time.RFC3339, text)
		require.NoError(s.T, err)
		return ""
	})
	require.WithinDuration(s.T, published.Add(110*time.Second), deadline, time.Minute, "ten seconds before the notice is over, by the cluster's clock")
	s.runsOn("clock", claim.Name)
}

func rightsComeBack(s *spec) {
	claim := s.add(pool{Name: "rights", Shape: "VM.Standard.E4.Flex", CapacityTypes: "spot, on-demand"})
	handled := s.messages("preemption", "handled")
	before := handled()
	fault, err := s.Simulator().Faults().Add(ocisim.Fault{
		Operation: "GetMessages", Kind: ocisim.ErrorAnswer, Status: http.StatusNotFound, Code: "NotAuthorizedOrNotFound", Message: "Authorization failed or requested resource not found.",
	})
	require.NoError(s.T, err)
	s.Eventually("the class to say that the stream can not be read", func() string { return s.stream("rights", "False", "StreamNotFoundOrNotAllowed") })
	s.EventuallyMetric(`karpenter_oke_interruption_stream_healthy`, func(v float64) bool { return v == 0 })
	require.Contains(s.T, s.EventuallyEvent("InterruptionStreamUnreadable", "OciNodeClass", "rights"), "use stream-pull")
	require.NoError(s.T, s.Simulator().PreemptInstance(claim.Status.ProviderID))
	now, there := s.current(claim)
	require.True(s.T, there && now.DeletionTimestamp.IsZero(), "nobody can know yet")
	require.True(s.T, s.Simulator().Faults().Remove(fault))
	s.Eventually("the class to say that the stream is read again", func() string { return s.stream("rights", "True", "Readable") })
	s.Eventually("the message to be handled", func() string {
		return lo.Ternary(handled() == before+1, "", fmt.Sprintf("%v messages were handled", handled()))
	})
	s.runsOn("rights", claim.Name)
}
