package stream_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/samber/lo"
	"github.com/stretchr/testify/require"
	testclock "k8s.io/utils/clock/testing"

	"github.com/karpenter-oke/karpenter-oke/pkg/oci"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/stream"
	"github.com/karpenter-oke/karpenter-oke/test/ocisim"
	"github.com/karpenter-oke/karpenter-oke/test/ocitest"
)

// source is a region's stream with its reader, on a clock that the test moves.
type source struct {
	*ocitest.Region
	t      *testing.T
	clock  *testclock.FakeClock
	reader *stream.Reader
}

func newSource(t *testing.T, o ocisim.Options) *source {
	t.Helper()
	s := &source{t: t, clock: testclock.NewFakeClock(time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC))}
	o.Clock = s.clock
	s.Region = ocitest.Start(t, o)
	s.restart()
	return s
}

// restart is another process of the same cluster.
func (s *source) restart() {
	s.reader = stream.NewReader(s.Client, s.clock, s.World.StreamID, s.World.ClusterID)
}

func (s *source) publish(values ...string) {
	s.t.Helper()
	require.NoError(s.t, s.Publish(s.World.StreamID, lo.Map(values, func(v string, _ int) []byte { return []byte(v) })...))
}

// read reads as long as something comes.
func (s *source) read() []string {
	s.t.Helper()
	all := []string{}
	for {
		s.clock.Step(time.Second)
		got, err := s.reader.Read(s.t.Context())
		require.NoError(s.t, err)
		if len(got) == 0 {
			return all
		}
		all = append(all, lo.Map(got, func(m stream.Message, _ int) string { return string(m.Value) })...)
	}
}

func TestMessagesOfAllPartitionsAreReadAndComeAgainUntilTheyAreCommitted(t *testing.T) {
	s := newSource(t, ocisim.Options{StreamPartitions: 3})
	require.Empty(t, s.read())
	s.publish("a", "b", "c", "d")
	require.ElementsMatch(t, []string{"a", "b", "c", "d"}, s.read())
	s.restart()
	require.ElementsMatch(t, []string{"a", "b", "c", "d"}, s.read(), "a process that dies before it commits loses nothing")
	require.NoError(t, s.reader.Commit(t.Context()))
	s.publish("e")
	require.Equal(t, []string{"e"}, s.read())
	s.restart()
	require.Equal(t, []string{"e"}, s.read())
	s.reader.Rewind()
	require.Equal(t, []string{"e"}, s.read())
}

func TestAProcessThatTakesOverReadsAtOnce(t *testing.T) {
	s := newSource(t, ocisim.Options{StreamPartitions: 2})
	require.Empty(t, s.read())
	s.restart() // no time has passed: the reservations of the process before hold
	s.publish("a", "b")
	require.Len(t, s.read(), 2)
}

func TestANewGroupBeginsShortlyBeforeItsStart(t *testing.T) {
	s := newSource(t, ocisim.Options{StreamPartitions: 1})
	s.publish("yesterday")
	s.clock.Step(time.Hour)
	s.publish("just before")
	s.clock.Step(time.Minute)
	require.Equal(t, []string{"just before"}, s.read())
	require.Equal(t, []string{s.reader.Group()}, s.Groups(s.World.StreamID))
	other := stream.NewReader(s.Client, s.clock, s.World.StreamID, "ocid1.cluster.oc1.phx.other")
	got, err := other.Read(t.Context())
	require.NoError(t, err)
	require.Len(t, got, 1, "another cluster has a group of its own")
}

func TestAnExpiredCursorIsMadeAnewWithoutLoss(t *testing.T) {
	s := newSource(t, ocisim.Options{StreamPartitions: 1})
	s.publish("a")
	require.Equal(t, []string{"a"}, s.read())
	s.publish("b")
	s.clock.Step(6 * time.Minute)
	require.Equal(t, []string{"a", "b"}, s.read(), "a was not committed")
	s.clock.Step(6 * time.Minute)
	require.Error(t, s.reader.Commit(t.Context()), "a commit can not be made anew")
	require.Equal(t, []string{"a", "b"}, s.read())
	require.NoError(t, s.reader.Commit(t.Context()))
	s.clock.Step(6 * time.Minute)
	require.Empty(t, s.read())
}

func TestACommitWithoutAnythingNewCostsNothing(t *testing.T) {
	s := newSource(t, ocisim.Options{})
	require.NoError(t, s.reader.Commit(t.Context()))
	require.Empty(t, s.read())
	require.NoError(t, s.reader.Commit(t.Context()))
	require.Zero(t, s.Journal().Counts()["ConsumerCommit"])
	s.publish("a")
	s.read()
	require.NoError(t, s.reader.Commit(t.Context()))
	require.NoError(t, s.reader.Commit(t.Context()))
	require.Equal(t, 1, s.Journal().Counts()["ConsumerCommit"])
}

func TestWhatIsWrongWithAStreamIsToldAndHealsByItself(t *testing.T) {
	for _, tc := range []struct {
		says  string
		fault ocisim.Fault
		want  oci.Class
	}{
		{"no right to read", ocisim.Fault{Operation: "GetMessages", Kind: ocisim.ErrorAnswer, Status: http.StatusNotFound, Code: "NotAuthorizedOrNotFound", Message: "Authorization failed or requested resource not found"}, oci.ClassNotFound},
		{"credentials that are not accepted", ocisim.Fault{Operation: "GetMessages", Kind: ocisim.ErrorAnswer, Status: http.StatusUnauthorized, Code: "NotAuthenticated", Message: "x"}, oci.ClassNotAuthorized},
		{"no right to look it up", ocisim.Fault{Operation: "GetStream", Kind: ocisim.ErrorAnswer, Status: http.StatusNotFound, Code: "NotAuthorizedOrNotFound", Message: "x"}, oci.ClassNotFound},
		{"no right to join", ocisim.Fault{Operation: "CreateGroupCursor", Kind: ocisim.ErrorAnswer, Status: http.StatusNotFound, Code: "NotAuthorizedOrNotFound", Message: "x"}, oci.ClassNotFound},
	} {
		t.Run(tc.says, func(t *testing.T) {
			s := newSource(t, ocisim.Options{StreamPartitions: 1})
			s.Fail(tc.fault)
			s.publish("a")
			for range 3 {
				_, err := s.reader.Read(t.Context())
				require.Equal(t, tc.want, oci.ClassOf(err), "%v", err)
				require.ErrorContains(t, err, s.World.StreamID)
			}
			s.Faults().Clear()
			require.Equal(t, []string{"a"}, s.read())
		})
	}
	s := newSource(t, ocisim.Options{})
	require.Empty(t, s.read())
	require.NoError(t, s.DeleteStream(s.World.StreamID))
	_, err := s.reader.Read(t.Context())
	require.Equal(t, oci.ClassNotFound, oci.ClassOf(err))
}

func TestTheTimeInTheStreamIsToldByTheServicesClock(t *testing.T) {
	for _, off := range []time.Duration{0, -3 * time.Minute, 3 * time.Minute} {
		t.Run(fmt.Sprint(off), func(t *testing.T) {
			s := newSource(t, ocisim.Options{StreamPartitions: 1})
			own := testclock.NewFakeClock(s.clock.Now().Add(off))
			reader := stream.NewReader(s.Client, own, s.World.StreamID, s.World.ClusterID)
			s.publish("a")
			s.clock.Step(40 * time.Second)
			own.Step(40 * time.Second)
			got, err := reader.Read(t.Context())
			require.NoError(t, err)
			require.Len(t, got, 1)
			require.InDelta(t, 40, got[0].Waited.Seconds(), 1)
			require.Equal(t, own.Now(), got[0].Received)
		})
	}
}

func TestReadsKeepToTheLimitOfTheStream(t *testing.T) {
	s := newSource(t, ocisim.Options{StreamPartitions: 2})
	require.Equal(t, 200*time.Millisecond, s.reader.Pace(), "before it is known how many partitions there are")
	for range 30 {
		_, err := s.reader.Read(t.Context())
		require.NoError(t, err)
		s.clock.Step(s.reader.Pace())
	}
	require.Equal(t, 100*time.Millisecond, s.reader.Pace())
	require.Zero(t, s.Journal().Errors()["GetMessages"], "none was refused as too many")
}
