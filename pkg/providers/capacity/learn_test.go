package capacity_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/karpenter-oke/karpenter-oke/pkg/oci"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/capacity"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/shape"
)

// fixedShapes is a catalogue that does not change.
type fixedShapes struct{ snapshot *shape.Snapshot }

func (s fixedShapes) Snapshot() *shape.Snapshot { return s.snapshot }

var catalogue = fixedShapes{shape.NewSnapshot(1, nil, []*shape.Shape{
	{Name: "VM.Standard.A1.Flex", QuotaNames: []string{"standard-a1-core-count", "standard-a1-core-regional-count", "standard-a1-memory-count"}},
	{Name: "BM.Standard.A1.160", QuotaNames: []string{"standard-a1-core-count", "standard-a1-core-regional-count", "standard-a1-memory-count"}},
	{Name: "VM.GPU.A10.1", GPUs: 1, QuotaNames: []string{"gpu-a10-count"}},
	{Name: "VM.GPU.A10.2", GPUs: 2, QuotaNames: []string{"gpu-a10-count"}},
	{Name: "BM.GPU.A10.4", GPUs: 4, QuotaNames: []string{"gpu-a10-count"}},
})}

func TestWhatAnAcceptedLaunchThatFailedLaterTeaches(t *testing.T) {
	a1 := capacity.Offering{Shape: "VM.Standard.A1.Flex", OCPUs: 4, MemoryGB: 24, Zone: "PHX-AD-1", CapacityType: "on-demand"}
	on := func(change func(*capacity.Offering)) capacity.Offering {
		o := a1
		change(&o)
		return o
	}
	gpu := func(name string) capacity.Offering {
		return capacity.Offering{Shape: name, OCPUs: 15, MemoryGB: 240, Zone: "PHX-AD-1", CapacityType: "on-demand"}
	}
	for says, tc := range map[string]struct {
		refused       capacity.Offering
		code, message string
		gone, left    []capacity.Offering
	}{
		"out of host capacity": {
			refused: a1, code: "InternalError", message: "Out of host capacity.",
			gone: []capacity.Offering{a1},
			left: []capacity.Offering{on(func(o *capacity.Offering) { o.CapacityType = "spot" }), on(func(o *capacity.Offering) { o.Reservation = "ocid1.capacityreservation.x" })},
		},
		"out of host capacity in a reservation": {
			refused: on(func(o *capacity.Offering) { o.CapacityType, o.Reservation = "reserved", "r1" }), code: "InternalError", message: "Out of host capacity.",
			gone: []capacity.Offering{on(func(o *capacity.Offering) { o.CapacityType, o.Reservation = "reserved", "r1" })},
			left: []capacity.Offering{a1, on(func(o *capacity.Offering) { o.CapacityType, o.Reservation = "reserved", "r2" })},
		},
		"a limit of OCPUs says nothing of memory": {
			refused: a1, code: "LimitExceeded", message: "The following service limits were exceeded: standard-a1-core-count.",
			gone: []capacity.Offering{
				on(func(o *capacity.Offering) { o.MemoryGB = 4 }), on(func(o *capacity.Offering) { o.CapacityType = "spot" }),
				on(func(o *capacity.Offering) { o.FaultDomain = "FAULT-DOMAIN-2" }), on(func(o *capacity.Offering) { o.Shape, o.OCPUs = "BM.Standard.A1.160", 160 }),
			},
			left: []capacity.Offering{
				on(func(o *capacity.Offering) { o.OCPUs, o.MemoryGB = 3, 64 }), on(func(o *capacity.Offering) { o.Zone = "PHX-AD-2" }),
				on(func(o *capacity.Offering) { o.Reservation = "r1" }), gpu("VM.GPU.A10.1"),
			},
		},
		"a limit of memory says nothing of OCPUs, and holds for every baseline": {
			refused: a1, code: "QuotaExceeded", message: "quota standard-a1-memory-count exceeded",
			gone: []capacity.Offering{on(func(o *capacity.Offering) { o.OCPUs = 1 }), on(func(o *capacity.Offering) { o.Baseline = "BASELINE_1_8" })},
			left: []capacity.Offering{on(func(o *capacity.Offering) { o.MemoryGB = 23 })},
		},
		"a regional limit holds in every zone": {
			refused: a1, code: "LimitExceeded", message: "The following service limits were exceeded: standard-a1-core-regional-count.",
			gone: []capacity.Offering{a1, on(func(o *capacity.Offering) { o.Zone = "PHX-AD-3" })},
		},
		"a limit of GPUs leaves the shapes with fewer": {
			refused: gpu("VM.GPU.A10.2"), code: "LimitExceeded", message: "The following service limits were exceeded: gpu-a10-count.",
			gone: []capacity.Offering{gpu("VM.GPU.A10.2"), gpu("BM.GPU.A10.4")},
			left: []capacity.Offering{gpu("VM.GPU.A10.1")},
		},
		"a limit of storage holds for every shape of the zone": {
			refused: a1, code: "LimitExceeded", message: "The following service limits were exceeded: total-storage-gb.",
			gone: []capacity.Offering{a1, gpu("VM.GPU.A10.1"), on(func(o *capacity.Offering) { o.OCPUs = 1 })},
			left: []capacity.Offering{on(func(o *capacity.Offering) { o.Zone = "PHX-AD-2" })},
		},
		"a limit that is not named holds for the refused size": {
			refused: a1, code: "LimitExceeded", message: "You have reached a limit",
			gone: []capacity.Offering{a1, on(func(o *capacity.Offering) { o.CapacityType = "spot" })},
			left: []capacity.Offering{on(func(o *capacity.Offering) { o.OCPUs = 1 })},
		},
		"too many requests say nothing":      {refused: a1, code: "TooManyRequests", message: "Too many requests", left: []capacity.Offering{a1}},
		"an unknown failure says nothing":    {refused: a1, code: "InternalError", message: "Internal server error", left: []capacity.Offering{a1}},
		"neither does a mistake in a launch": {refused: a1, code: "InvalidParameter", message: "x", left: []capacity.Offering{a1}},
	} {
		t.Run(says, func(t *testing.T) {
			u := capacity.NewUnavailable(clocktesting.NewFakePassiveClock(time.Unix(1000, 0))).WithShapes(catalogue)
			u.Learn(t.Context(), tc.refused, oci.NewAsyncError("LaunchInstance", tc.code, tc.message))
			for _, o := range tc.gone {
				_, gone := u.IsUnavailable(o)
				require.True(t, gone, "%v must be gone", o)
			}
			for _, o := range tc.left {
				_, gone := u.IsUnavailable(o)
				require.False(t, gone, "%v must be left", o)
			}
		})
	}
}

func TestLimitNamesAreFoundInMessages(t *testing.T) {
	for message, want := range map[string][]string{
		"The following service limits were exceeded: standard-a1-memory-count, standard-a1-core-count. Request a service limit increase": {"standard-a1-memory-count", "standard-a1-core-count"},
		"exceeded: standard-a1-core-regional-count, standard-a1-core-regional-count":                                                     {"standard-a1-core-regional-count"},
		"exceeded: total-free-storage-gb-regional.":                                                                                      {"total-free-storage-gb-regional"},
		"Exceeded: GPU-A10-Count": {"gpu-a10-count"},
		"you can count on it":     nil,
		"":                        nil,
	} {
		require.ElementsMatch(t, want, capacity.LimitNames(message), message)
	}
}

func TestALaunchThatMayGoToSeveralFaultDomainsIsGoneWithTheLastOfThem(t *testing.T) {
	u := capacity.NewUnavailable(clocktesting.NewFakePassiveClock(time.Unix(1000, 0)))
	allowed := []string{"FAULT-DOMAIN-1", "FAULT-DOMAIN-2"}
	u.MarkUnavailable(t.Context(), capacity.ReasonOutOfHostCapacity, with(func(o *capacity.Offering) { o.FaultDomain = "FAULT-DOMAIN-1" }), time.Minute)
	_, gone := u.IsUnavailableIn(marked, allowed)
	require.False(t, gone)
	u.MarkUnavailable(t.Context(), capacity.ReasonOutOfHostCapacity, with(func(o *capacity.Offering) { o.FaultDomain = "FAULT-DOMAIN-2" }), time.Minute)
	reason, gone := u.IsUnavailableIn(marked, allowed)
	require.True(t, gone)
	require.Equal(t, capacity.ReasonOutOfHostCapacity, reason)
	_, gone = u.IsUnavailableIn(marked, append(allowed, "FAULT-DOMAIN-3"))
	require.False(t, gone)
	_, gone = u.IsUnavailable(marked)
	require.False(t, gone, "OCI may choose the third")
}

func TestMarksOfASourceAreReplacedTogetherAndEndByThemselves(t *testing.T) {
	clock := clocktesting.NewFakePassiveClock(time.Unix(1000, 0))
	u := capacity.NewUnavailable(clock)
	u.MarkUnavailable(t.Context(), capacity.ReasonOutOfHostCapacity, marked, time.Hour)
	above := []capacity.Entry{{Offering: capacity.Offering{Shape: marked.Shape, OCPUs: 2, Zone: marked.Zone}, Reason: capacity.ReasonLimitExceeded, Above: true, Limit: "x"}}
	u.Replace("limits", above, time.Unix(2000, 0))
	generation := u.Generation()
	atTwo, aboveTwo := with(func(o *capacity.Offering) { o.OCPUs, o.MemoryGB = 2, 64 }), with(func(o *capacity.Offering) { o.OCPUs, o.MemoryGB = 2.5, 1 })
	_, gone := u.IsUnavailable(atTwo)
	require.False(t, gone, "what the limit leaves can be had")
	reason, gone := u.IsUnavailable(aboveTwo)
	require.True(t, gone)
	require.Equal(t, capacity.ReasonLimitExceeded, reason)

	u.Replace("limits", above, time.Unix(3000, 0))
	require.Equal(t, generation, u.Generation(), "nothing became more or less available")
	clock.SetTime(time.Unix(2500, 0))
	_, gone = u.IsUnavailable(aboveTwo)
	require.True(t, gone, "prolonged")
	clock.SetTime(time.Unix(3000, 0))
	require.Greater(t, u.Generation(), generation, "the end of a mark is a change")
	_, gone = u.IsUnavailable(aboveTwo)
	require.False(t, gone)

	u.Replace("limits", above, time.Unix(9000, 0))
	generation = u.Generation()
	u.Replace("limits", nil, time.Unix(9000, 0))
	require.Greater(t, u.Generation(), generation)
	require.Len(t, u.Entries(), 1, "what was learned stays")
}
