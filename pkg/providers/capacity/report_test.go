package capacity_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/oracle/oci-go-sdk/v65/core"
	"github.com/stretchr/testify/require"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/karpenter-oke/karpenter-oke/pkg/oci"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/capacity"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/shape"
)

// reporter answers capacity reports: short is what it has no hosts for.
type reporter struct {
	asked [][]core.CreateCapacityReportShapeAvailabilityDetails
	short map[string]bool
	err   error
}

func (r *reporter) CapacityReport(_ context.Context, _ string, shapes []core.CreateCapacityReportShapeAvailabilityDetails) ([]core.CapacityReportShapeAvailability, error) {
	r.asked = append(r.asked, shapes)
	var answers []core.CapacityReportShapeAvailability
	for _, s := range shapes {
		status := core.CapacityReportShapeAvailabilityAvailabilityStatusAvailable
		if r.short[*s.InstanceShape] {
			status = core.CapacityReportShapeAvailabilityAvailabilityStatusOutOfHostCapacity
		}
		answers = append(answers, core.CapacityReportShapeAvailability{InstanceShape: s.InstanceShape, InstanceShapeConfig: s.InstanceShapeConfig, AvailabilityStatus: status})
	}
	return answers, r.err
}

var sold = fixedShapes{shape.NewSnapshot(1, []shape.AvailabilityDomain{{Zone: "PHX-AD-1", Name: "Uocm:PHX-AD-1"}}, []*shape.Shape{
	{Name: "VM.Standard.E5.Flex", Flexible: true}, {Name: "BM.Standard.E5.192"},
})}

func TestReportsAreBelievedForAShortTimeAndAskedForRarely(t *testing.T) {
	clock := clocktesting.NewFakePassiveClock(time.Unix(1000, 0))
	api := &reporter{short: map[string]bool{"VM.Standard.E5.Flex": true}}
	reports := capacity.NewReports(api, sold, clock)
	fixed := capacity.Offering{Shape: "BM.Standard.E5.192", OCPUs: 192, MemoryGB: 2304, Zone: "PHX-AD-1", CapacityType: "on-demand"}
	require.False(t, reports.Any())
	reports.Ask(t.Context(), "PHX-AD-1", []capacity.Offering{marked, fixed})
	require.True(t, reports.Short(marked))
	require.False(t, reports.Short(fixed))
	require.False(t, reports.Short(with(func(o *capacity.Offering) { o.OCPUs = 2 })), "not asked for")
	require.False(t, reports.Short(with(func(o *capacity.Offering) { o.Reservation = "r1" })), "reservations have hosts of their own")
	require.NotNil(t, api.asked[0][0].InstanceShapeConfig)
	require.Nil(t, api.asked[0][1].InstanceShapeConfig, "a fixed shape has no size")

	reports.Ask(t.Context(), "PHX-AD-1", []capacity.Offering{marked})
	require.Len(t, api.asked, 1, "not again in the same round")
	clock.SetTime(time.Unix(1119, 0))
	require.True(t, reports.Short(marked))
	clock.SetTime(time.Unix(1120, 0))
	require.False(t, reports.Short(marked))
	api.short = nil
	reports.Ask(t.Context(), "PHX-AD-1", []capacity.Offering{marked})
	require.Len(t, api.asked, 2)
	require.False(t, reports.Any())
}

func TestReportsThatAreRefusedOrFailAreLeftAloneForAWhile(t *testing.T) {
	for says, tc := range map[string]struct {
		err  error
		left time.Duration
	}{
		"refused": {&oci.Error{Class: oci.ClassNotFound, Status: 404}, 6 * time.Hour},
		"failed":  {&oci.Error{Class: oci.ClassTransient, Status: 503}, 5 * time.Minute},
		"else":    {errors.New("x"), 5 * time.Minute},
	} {
		t.Run(says, func(t *testing.T) {
			clock := clocktesting.NewFakePassiveClock(time.Unix(1000, 0))
			api := &reporter{short: map[string]bool{"VM.Standard.E5.Flex": true}, err: tc.err}
			reports := capacity.NewReports(api, sold, clock)
			ask := func() int {
				reports.Ask(t.Context(), "PHX-AD-1", []capacity.Offering{marked})
				return len(api.asked)
			}
			require.Equal(t, 1, ask())
			require.False(t, reports.Short(marked))
			clock.SetTime(time.Unix(1000, 0).Add(tc.left - time.Second))
			require.Equal(t, 1, ask())
			clock.SetTime(time.Unix(1000, 0).Add(tc.left))
			require.Equal(t, 2, ask())
		})
	}
}

func TestNoReportsAtAllKnowNothing(t *testing.T) {
	var none *capacity.Reports
	none.Ask(t.Context(), "PHX-AD-1", []capacity.Offering{marked})
	require.False(t, none.Any())
	require.False(t, none.Short(marked))
}
