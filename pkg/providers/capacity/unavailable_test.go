package capacity_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/karpenter-oke/karpenter-oke/pkg/providers/capacity"
)

var marked = capacity.Offering{Shape: "VM.Standard.E5.Flex", OCPUs: 4, MemoryGB: 32, Zone: "PHX-AD-1", CapacityType: "on-demand"}

func with(change func(*capacity.Offering)) capacity.Offering {
	o := marked
	change(&o)
	return o
}

func TestAMarkBlocksItsSizeAndAbove(t *testing.T) {
	u := capacity.NewUnavailable(clocktesting.NewFakePassiveClock(time.Unix(1000, 0)))
	u.MarkUnavailable(t.Context(), capacity.ReasonOutOfHostCapacity, marked, time.Minute)
	for says, tc := range map[string]struct {
		change  func(*capacity.Offering)
		blocked bool
	}{
		"the same":                       {func(*capacity.Offering) {}, true},
		"more of both":                   {func(o *capacity.Offering) { o.OCPUs, o.MemoryGB = 8, 64 }, true},
		"more memory":                    {func(o *capacity.Offering) { o.MemoryGB = 33 }, true},
		"fewer OCPUs":                    {func(o *capacity.Offering) { o.OCPUs = 3 }, false},
		"more OCPUs but less memory":     {func(o *capacity.Offering) { o.OCPUs, o.MemoryGB = 8, 31 }, false},
		"another zone":                   {func(o *capacity.Offering) { o.Zone = "PHX-AD-2" }, false},
		"another capacity type":          {func(o *capacity.Offering) { o.CapacityType = "spot" }, false},
		"the same as a burstable one":    {func(o *capacity.Offering) { o.Baseline = "BASELINE_1_8" }, false},
		"another shape of the same size": {func(o *capacity.Offering) { o.Shape = "VM.Standard.E4.Flex" }, false},
	} {
		reason, blocked := u.IsUnavailable(with(tc.change))
		require.Equal(t, tc.blocked, blocked, says)
		if blocked {
			require.Equal(t, capacity.ReasonOutOfHostCapacity, reason)
		}
	}
}

func TestEmptyFieldsOfAMarkMeanAll(t *testing.T) {
	u := capacity.NewUnavailable(clocktesting.NewFakePassiveClock(time.Unix(1000, 0)))
	u.MarkUnavailable(t.Context(), capacity.ReasonLimitExceeded, capacity.Offering{Shape: marked.Shape}, time.Minute)
	for _, o := range []capacity.Offering{
		marked, with(func(o *capacity.Offering) { o.Zone, o.CapacityType, o.OCPUs = "x", "spot", 1 }), with(func(o *capacity.Offering) { o.Baseline = "BASELINE_1_2" }),
	} {
		_, blocked := u.IsUnavailable(o)
		require.True(t, blocked)
	}
}

func TestAMarkOfABurstableSizeSaysNothingOfOtherBaselines(t *testing.T) {
	u := capacity.NewUnavailable(clocktesting.NewFakePassiveClock(time.Unix(1000, 0)))
	u.MarkUnavailable(t.Context(), capacity.ReasonOutOfHostCapacity, with(func(o *capacity.Offering) { o.Baseline = "BASELINE_1_8" }), time.Minute)
	for _, tc := range []struct {
		baseline string
		ocpus    float64
		blocked  bool
	}{{"BASELINE_1_8", 4, true}, {"BASELINE_1_8", 8, true}, {"BASELINE_1_8", 2, false}, {"BASELINE_1_2", 4, false}, {"", 4, false}} {
		_, blocked := u.IsUnavailable(with(func(o *capacity.Offering) { o.Baseline, o.OCPUs = tc.baseline, tc.ocpus }))
		require.Equal(t, tc.blocked, blocked, "%v", tc)
	}
}

func TestEveryReasonMovesTheOneGenerationNumber(t *testing.T) {
	u := capacity.NewUnavailable(clocktesting.NewFakePassiveClock(time.Unix(1000, 0)))
	last := u.Generation()
	for i, reason := range []capacity.Reason{capacity.ReasonOutOfHostCapacity, capacity.ReasonLimitExceeded, capacity.ReasonQuotaExceeded, capacity.ReasonShapeNotFound} {
		u.MarkUnavailable(t.Context(), reason, with(func(o *capacity.Offering) { o.OCPUs = float64(i + 1) }), time.Minute)
		require.Greater(t, u.Generation(), last, reason)
		last = u.Generation()
		require.Equal(t, last, u.ShapeGeneration(marked.Shape))
	}
}

func TestMarksExpireByTheClockAndMoveTheGeneration(t *testing.T) {
	clock := clocktesting.NewFakePassiveClock(time.Unix(1000, 0))
	u := capacity.NewUnavailable(clock)
	require.Zero(t, u.Generation())
	u.MarkUnavailable(t.Context(), capacity.ReasonOutOfHostCapacity, marked, time.Minute)
	other := with(func(o *capacity.Offering) { o.Shape = "VM.Standard.E4.Flex" })
	u.MarkUnavailable(t.Context(), capacity.ReasonOutOfHostCapacity, other, time.Hour)
	generation, otherGeneration := u.Generation(), u.ShapeGeneration(other.Shape)

	clock.SetTime(time.Unix(1059, 0))
	require.Equal(t, generation, u.Generation())
	clock.SetTime(time.Unix(1060, 0))
	require.Greater(t, u.Generation(), generation)
	_, blocked := u.IsUnavailable(marked)
	require.False(t, blocked)
	_, blocked = u.IsUnavailable(other)
	require.True(t, blocked)
	require.Equal(t, otherGeneration, u.ShapeGeneration(other.Shape), "only what changed counts as changed")
	require.Len(t, u.Entries(), 1)
}

func TestMarkingAgainProlongsAndNeverShortens(t *testing.T) {
	clock := clocktesting.NewFakePassiveClock(time.Unix(1000, 0))
	u := capacity.NewUnavailable(clock)
	u.MarkUnavailable(t.Context(), capacity.ReasonOutOfHostCapacity, marked, time.Hour)
	generation := u.Generation()
	u.MarkUnavailable(t.Context(), capacity.ReasonOutOfHostCapacity, marked, time.Minute)
	require.Equal(t, generation, u.Generation(), "nothing became more or less available")
	clock.SetTime(time.Unix(1000+3599, 0))
	_, blocked := u.IsUnavailable(marked)
	require.True(t, blocked)
	require.Len(t, u.Entries(), 1)
}

func TestMarksWithoutATimeOrAShapeAreIgnored(t *testing.T) {
	u := capacity.NewUnavailable(clocktesting.NewFakePassiveClock(time.Unix(1000, 0)))
	u.MarkUnavailable(t.Context(), capacity.ReasonQuotaExceeded, marked, 0)
	u.MarkUnavailable(t.Context(), capacity.ReasonQuotaExceeded, capacity.Offering{Zone: "PHX-AD-1"}, time.Minute)
	require.Empty(t, u.Entries())
	require.Zero(t, u.Generation())
}
