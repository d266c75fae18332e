package plan_test

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/karpenter-oke/karpenter-oke/test/chaos/plan"
)

func TestAPlanDependsOnItsSeedAlone(t *testing.T) {
	first := plan.New(7, 5*time.Minute)
	require.Equal(t, first, plan.New(7, 5*time.Minute))
	require.NotEqual(t, first.Steps, plan.New(8, 5*time.Minute).Steps)
	var a, b bytes.Buffer
	first.Print(&a)
	plan.New(7, 5*time.Minute).Print(&b)
	require.Equal(t, a.String(), b.String())
}

func TestALongPlanReachesEveryKindEveryPointAndEveryOperation(t *testing.T) {
	p := plan.New(1, 20*time.Minute)
	require.Equal(t, 2, p.Controllers)
	kinds, points, operations := map[plan.Kind]int{}, map[plan.Point]int{}, map[string]int{}
	for _, s := range p.Steps {
		kinds[s.Kind]++
		points[s.Point]++
		operations[s.Operation]++
	}
	for _, k := range []plan.Kind{
		plan.Scale, plan.Kill, plan.KillAt, plan.KillLeader, plan.APIServer, plan.DeleteOne, plan.CutBefore, plan.CutAfter, plan.Broken,
		plan.Throttled, plan.Slow, plan.NoCapacity, plan.LateNo, plan.Limit, plan.SlowBoot, plan.ListLag, plan.ClockJump, plan.Terminated,
		plan.Preempted, plan.Wave, plan.BadNews,
	} {
		require.Positive(t, kinds[k], k)
	}
	waves := map[plan.Point]int{}
	for _, s := range p.Steps {
		if s.Kind == plan.Wave {
			waves[s.Point]++
		}
	}
	require.Len(t, waves, 3, "waves alone, with a kill on the way and with one before they are committed: %v", waves)
	for _, point := range plan.Points {
		require.Positive(t, points[point], point)
	}
	for _, operation := range plan.Operations {
		require.Positive(t, operations[operation], operation)
	}
}

func TestStepsAreInOrderAndNobodyIsKilledAtTheEnd(t *testing.T) {
	kills := []plan.Kind{plan.Kill, plan.KillAt, plan.KillLeader, plan.DeleteOne, plan.APIServer}
	for seed := range uint64(50) {
		p := plan.New(seed, 5*time.Minute)
		require.True(t, slices.IsSortedFunc(p.Steps, func(a, b plan.Step) int { return int(a.At - b.At) }))
		require.Less(t, p.Steps[len(p.Steps)-1].At, p.Duration)
		for _, s := range p.Steps {
			if s.At > 4*time.Minute {
				require.False(t, s.Kind == plan.Wave && s.Point != "", "seed %d: %s", seed, s)
				require.NotContains(t, kills, s.Kind, "seed %d: the last process is to live through faults", seed)
			}
		}
		require.Len(t, p.Final, plan.Workloads)
		require.NotContains(t, p.Final, 0)
	}
}

func TestAShortPlanHasNothingThatTakesLong(t *testing.T) {
	for seed := range uint64(50) {
		p := plan.New(seed, 30*time.Second)
		require.Equal(t, 1, p.Controllers)
		for _, s := range p.Steps {
			require.LessOrEqual(t, s.Delay, 3*time.Second, "%s", s)
			require.NotContains(t, []plan.Kind{plan.APIServer, plan.DeleteOne, plan.KillLeader, plan.Limit, plan.Wave}, s.Kind)
		}
	}
}
