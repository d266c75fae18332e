package operator

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/karpenter-oke/karpenter-oke/pkg/controllers/refresh"
	"github.com/karpenter-oke/karpenter-oke/test/ocisim"
	"github.com/karpenter-oke/karpenter-oke/test/ocitest"
)

func TestALoopThatStandsStillWithoutWaitingForOCIIsWedged(t *testing.T) {
	clk := clocktesting.NewFakeClock(time.Unix(1000, 0))
	l := &loops{clock: clk}
	task := l.watch(refresh.Task{Name: "refresh.x", Every: refresh.Fixed(time.Minute), Do: func(context.Context) error {
		clk.Step(wedgedAfter)
		require.NoError(t, l.alive(nil))
		clk.Step(time.Second)
		require.ErrorContains(t, l.alive(nil), "refresh.x has stood still for 10m1s without waiting for OCI")
		return nil
	}})
	require.NoError(t, task.Do(t.Context()))
	require.NoError(t, l.alive(nil), "it went on")
}

func TestALoopThatDoesNotBeginIsWedged(t *testing.T) {
	clk := clocktesting.NewFakeClock(time.Unix(1000, 0))
	l := &loops{clock: clk}
	task := l.watch(refresh.Task{Name: "refresh.x", Every: refresh.Fixed(time.Hour), Do: func(context.Context) error { return nil }})
	clk.Step(time.Hour + time.Minute)
	require.NoError(t, l.alive(nil), "a bit late is not wedged")
	require.NoError(t, task.Do(t.Context()))
	clk.Step(66*time.Minute + lateAfter)
	require.NoError(t, l.alive(nil))
	clk.Step(time.Second)
	require.ErrorContains(t, l.alive(nil), "refresh.x should have begun 1s ago")
}

func TestALoopOfTheLeaderBeginsWithTheElection(t *testing.T) {
	clk := clocktesting.NewFakeClock(time.Unix(1000, 0))
	leads := false
	l := &loops{clock: clk, leads: func() bool { return leads }}
	l.watch(refresh.Task{Name: "refresh.x", Every: refresh.Fixed(time.Minute), LeaderOnly: true, Do: func(context.Context) error { return nil }})
	for range 3 {
		clk.Step(24 * time.Hour)
		require.NoError(t, l.alive(nil), "a replica that does not lead is well")
	}
	leads = true
	clk.Step(lateAfter)
	require.NoError(t, l.alive(nil))
	clk.Step(time.Second)
	require.ErrorContains(t, l.alive(nil), "refresh.x should have begun 1s ago")
}

func TestALoopThatWaitsForASlowCloudIsAlive(t *testing.T) {
	region := ocitest.Start(t, ocisim.Options{})
	region.Fail(ocisim.Fault{Operation: "GetCluster", Kind: ocisim.Latency, Delay: time.Hour})
	clk := clocktesting.NewFakeClock(time.Now())
	l := &loops{clock: clk}
	task := l.watch(refresh.Task{Name: "refresh.x", Every: refresh.Fixed(time.Minute), Do: func(ctx context.Context) error {
		_, err := region.Client.GetCluster(ctx, region.World.ClusterID)
		return err
	}})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- task.Do(ctx) }()
	require.Eventually(t, l.all[0].waits.Pending, 30*time.Second, time.Millisecond)
	clk.Step(wedgedAfter * 3)
	require.NoError(t, l.alive(nil), "the cloud is slow, the loop is not wedged")
	cancel()
	require.Error(t, <-done)
}

func TestReadyMeansThatWhatDecisionsNeedIsKnown(t *testing.T) {
	require.NoError(t, known(true, "the shapes"))
	require.EqualError(t, known(false, "the shapes"), "the shapes could not be read from OCI yet")
}
