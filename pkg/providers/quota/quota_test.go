package quota_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/go-logr/logr/funcr"
	"github.com/oracle/oci-go-sdk/v65/core"
	"github.com/stretchr/testify/require"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/karpenter-oke/karpenter-oke/pkg/oci"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/capacity"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/inventory"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/quota"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/shape"
	"github.com/karpenter-oke/karpenter-oke/test/ocisim"
	"github.com/karpenter-oke/karpenter-oke/test/ocitest"
)

// suite is the provider on a simulated region, over HTTP and with a clock of its own.
type suite struct {
	*quota.Provider
	t           *testing.T
	ctx         context.Context
	lines       int // of the log
	region      *ocitest.Region
	clock       *clocktesting.FakeClock
	inventory   *inventory.DefaultProvider
	unavailable *capacity.Unavailable
}

func newSuite(t *testing.T, options ocisim.Options) *suite {
	t.Helper()
	s := &suite{t: t, region: ocitest.Start(t, options), clock: clocktesting.NewFakeClock(time.Now())}
	s.ctx = log.IntoContext(t.Context(), funcr.New(func(string, string) { s.lines++ }, funcr.Options{}))
	shapes, err := shape.NewProvider(s.region.Client, s.region.World.CompartmentID)
	require.NoError(t, err)
	require.NoError(t, shapes.Refresh(t.Context()))
	s.unavailable = capacity.NewUnavailable(s.clock).WithShapes(shapes)
	s.inventory = inventory.NewProvider(s.region.Client, inventory.OneCompartment(s.region.World.CompartmentID), s.region.World.ClusterID, s.clock)
	tenancy, err := s.region.Client.Tenancy()
	require.NoError(t, err)
	s.Provider = quota.New(quota.Dependencies{
		API: tenancy, Shapes: shapes, Inventory: s.inventory, Unavailable: s.unavailable, Clock: s.clock, CompartmentID: s.region.World.CompartmentID,
	})
	s.region.Journal().Reset()
	return s
}

func (s *suite) limit(name, zone string, value int64) {
	s.t.Helper()
	require.NoError(s.t, s.region.SetLimit(name, domain(zone), value))
}

func domain(zone string) string {
	if zone == "" {
		return ""
	}
	return "Uocm:" + zone
}

// pass lets time go by with a Refresh every minute, as the controller does it.
func (s *suite) pass(d time.Duration) {
	for range int(d / quota.Interval) {
		s.clock.Step(quota.Interval)
		s.Refresh(s.ctx)
	}
}

func (s *suite) calls(operation string) int { return s.region.Journal().Counts()[operation] }

func (s *suite) launched(n int, shapeName, zone string, ocpus, memoryGB float64) {
	for i := range n {
		s.inventory.NoteLaunched(inventory.Instance{
			ID: fmt.Sprintf("%s-%s-%d", shapeName, zone, i), Shape: shapeName, OCPUs: ocpus, MemoryGB: memoryGB,
			AvailabilityDomain: domain(zone), State: core.InstanceLifecycleStateRunning,
		})
	}
}

func e5(ocpus, memoryGB float64, zone string) capacity.Offering {
	return capacity.Offering{Shape: "VM.Standard.E5.Flex", OCPUs: ocpus, MemoryGB: memoryGB, Zone: zone, CapacityType: "on-demand"}
}

func (s *suite) gone(says string, offerings ...capacity.Offering) {
	s.t.Helper()
	for _, o := range offerings {
		reason, gone := s.unavailable.IsUnavailable(o)
		require.True(s.t, gone, "%s: %v", says, o)
		require.Equal(s.t, capacity.ReasonLimitReached, reason)
	}
}

func (s *suite) left(says string, offerings ...capacity.Offering) {
	s.t.Helper()
	for _, o := range offerings {
		reason, gone := s.unavailable.IsUnavailable(o)
		require.False(s.t, gone, "%s: %v is %s", says, o, reason)
	}
}

func TestOfferingsBeyondALimitAreHidden(t *testing.T) {
	s := newSuite(t, ocisim.Options{})
	s.limit("standard-e5-core-count", "PHX-AD-1", 4)
	s.limit("standard-e5-memory-count", "PHX-AD-2", 32)
	s.limit("gpu-a10-count", "", 1)
	s.limit("standard-a1-core-regional-count", "", 8)
	s.Refresh(s.ctx)
	s.left("what the limits leave", e5(4, 64, "PHX-AD-1"), e5(16, 32, "PHX-AD-2"), e5(16, 256, "PHX-AD-3"))
	spot := e5(5, 8, "PHX-AD-1")
	spot.CapacityType = "spot"
	s.gone("more OCPUs than are left, however they are bought", e5(5, 8, "PHX-AD-1"), spot)
	s.gone("more memory than is left", e5(1, 33, "PHX-AD-2"))
	s.gone("a fixed shape that counts against the same limit", capacity.Offering{Shape: "BM.Standard.E5.192", OCPUs: 192, MemoryGB: 2304, Zone: "PHX-AD-1"})
	s.left("as many GPUs as are left", capacity.Offering{Shape: "VM.GPU.A10.1", OCPUs: 15, MemoryGB: 240, Zone: "PHX-AD-1"})
	s.gone("more GPUs than are left", capacity.Offering{Shape: "VM.GPU.A10.2", OCPUs: 30, MemoryGB: 480, Zone: "PHX-AD-1"})
	for _, zone := range []string{"PHX-AD-1", "PHX-AD-2", "PHX-AD-3"} {
		s.left("within a limit of the region", capacity.Offering{Shape: "VM.Standard.A1.Flex", OCPUs: 8, MemoryGB: 8, Zone: zone})
		s.gone("beyond a limit of the region", capacity.Offering{Shape: "VM.Standard.A1.Flex", OCPUs: 9, MemoryGB: 9, Zone: zone})
	}
	burstable := e5(6, 8, "PHX-AD-1")
	burstable.Baseline = "BASELINE_1_8"
	s.left("it is not known how OCI counts burstable OCPUs", burstable)
}

func TestALimitOfZeroHidesTheShape(t *testing.T) {
	s := newSuite(t, ocisim.Options{})
	s.limit("standard-e5-core-count", "", 0)
	s.Refresh(s.ctx)
	burstable := e5(1, 8, "PHX-AD-1")
	burstable.Baseline = "BASELINE_1_8"
	s.gone("nothing is left", e5(1, 1, "PHX-AD-1"), e5(0.5, 1, "PHX-AD-2"), burstable)
	s.limit("standard-e5-core-count", "", 10)
	s.pass(time.Hour)
	s.left("the limit was raised", e5(1, 1, "PHX-AD-1"), burstable)
}

func TestOwnNodesCountWithoutACall(t *testing.T) {
	s := newSuite(t, ocisim.Options{})
	s.limit("standard-e5-core-count", "PHX-AD-1", 8)
	s.Refresh(s.ctx)
	s.left("before", e5(8, 16, "PHX-AD-1"))
	s.launched(3, "VM.Standard.E5.Flex", "PHX-AD-1", 2, 16)
	generation := s.unavailable.Generation()
	s.region.Journal().Reset()
	s.pass(quota.Interval)
	require.Greater(t, s.unavailable.Generation(), generation)
	s.left("two OCPUs are left", e5(2, 64, "PHX-AD-1"), e5(8, 16, "PHX-AD-2"))
	s.gone("three are not", e5(3, 1, "PHX-AD-1"))
	s.inventory.NoteTerminating("VM.Standard.E5.Flex-PHX-AD-1-0")
	require.Empty(t, s.region.Journal().Counts())
}

func TestWhatIsNotKnownHidesNothing(t *testing.T) {
	for says, fault := range map[string]ocisim.Fault{
		"no right":             {Operation: "ListLimitValues", Kind: ocisim.ErrorAnswer, Status: 404, Code: "NotAuthorizedOrNotFound", Message: "Authorization failed or requested resource not found."},
		"not allowed":          {Operation: "ListLimitValues", Kind: ocisim.ErrorAnswer, Status: 403, Code: "NotAuthorized", Message: "no"},
		"a service that fails": {Operation: "ListLimitValues", Kind: ocisim.ErrorAnswer, Status: 400, Code: "InvalidParameter", Message: "x"},
	} {
		t.Run(says, func(t *testing.T) {
			s := newSuite(t, ocisim.Options{})
			s.limit("standard-e5-core-count", "", 0)
			s.region.Fail(fault)
			s.pass(5 * time.Hour)
			s.left("nothing is known", e5(64, 512, "PHX-AD-1"))
			require.Empty(t, s.unavailable.Entries())
			require.Equal(t, 1, s.lines, "one line, not one an attempt")
			require.LessOrEqual(t, s.calls("ListLimitValues"), 30, "and few calls")
			require.Zero(t, s.calls("GetResourceAvailability"))

			s.region.Faults().Clear()
			s.pass(90 * time.Minute)
			s.gone("the right was given", e5(1, 1, "PHX-AD-1"))
			require.Equal(t, 2, s.lines)
		})
	}
}

func TestLimitsThatCannotBeReadAnyMoreAreForgotten(t *testing.T) {
	s := newSuite(t, ocisim.Options{})
	s.limit("standard-e5-core-count", "", 0)
	s.Refresh(s.ctx)
	s.region.Fail(ocisim.Fault{Operation: "ListLimitValues", Kind: ocisim.ErrorAnswer, Status: 400, Code: "InvalidParameter", Message: "x"})
	s.pass(3 * time.Hour)
	s.gone("the last answer counts a while", e5(1, 1, "PHX-AD-1"))
	s.pass(2 * time.Hour)
	s.left("and not for ever", e5(1, 1, "PHX-AD-1"))
}

func TestMarksEndWhenNobodyRenewsThem(t *testing.T) {
	s := newSuite(t, ocisim.Options{})
	s.limit("standard-e5-core-count", "", 0)
	s.Refresh(s.ctx)
	generation := s.unavailable.Generation()
	s.clock.Step(10 * time.Minute)
	s.left("the loop stands still", e5(1, 1, "PHX-AD-1"))
	require.Greater(t, s.unavailable.Generation(), generation)
}

func TestEveryPageIsRead(t *testing.T) {
	s := newSuite(t, ocisim.Options{PageSize: 25})
	s.limit("standard-x86-generic-core-count", "", 0) // late in the alphabet
	s.limit("dense-io-e4-core-count", "", 0)
	s.Refresh(s.ctx)
	require.Greater(t, s.calls("ListLimitValues"), 2)
	s.gone("on the first page", capacity.Offering{Shape: "VM.DenseIO.E4.Flex", OCPUs: 8, MemoryGB: 128, Zone: "PHX-AD-1"})
	s.gone("on the last page", capacity.Offering{Shape: "VM.Standard.x86.Generic", OCPUs: 1, MemoryGB: 1, Zone: "PHX-AD-1"})
}

func TestARefusedLaunchLeadsToTheQuestionWhatIsLeft(t *testing.T) {
	s := newSuite(t, ocisim.Options{})
	s.Refresh(s.ctx)
	require.NoError(t, s.region.SetQuota("standard-e5-core-count", "Uocm:PHX-AD-1", 3))
	s.left("quotas stand in no list", e5(8, 16, "PHX-AD-1"))
	s.unavailable.MarkUnavailable(s.ctx, capacity.ReasonOutOfHostCapacity, e5(64, 16, "PHX-AD-1"), time.Hour)
	s.pass(quota.Interval)
	require.Zero(t, s.calls("GetResourceAvailability"), "a lack of hosts is no question of limits")

	s.unavailable.Learn(s.ctx, e5(8, 16, "PHX-AD-1"),
		oci.NewAsyncError("LaunchInstance", "QuotaExceeded", "The following compartment quotas were exceeded: standard-e5-core-count."))
	s.pass(quota.Interval)
	require.Equal(t, 1, s.calls("GetResourceAvailability"))
	s.gone("beyond the quota", e5(4, 16, "PHX-AD-1"))
	s.left("within it", e5(3, 16, "PHX-AD-1"), e5(8, 16, "PHX-AD-2"))
	s.pass(10 * time.Minute)
	require.Equal(t, 1, s.calls("GetResourceAvailability"), "the answer is good for a while")
}

func TestTheQuestionWhatIsLeftMayBeRefused(t *testing.T) {
	s := newSuite(t, ocisim.Options{})
	s.limit("standard-e5-core-count", "PHX-AD-1", 10)
	s.launched(1, "VM.Standard.E5.Flex", "PHX-AD-1", 2, 16)
	s.Refresh(s.ctx)
	s.region.Fail(ocisim.Fault{Operation: "GetResourceAvailability", Kind: ocisim.ErrorAnswer, Status: 404, Code: "NotAuthorizedOrNotFound", Message: "x"})
	lines := s.lines
	s.pass(5 * time.Hour)
	require.Equal(t, 1, s.calls("GetResourceAvailability"))
	require.Equal(t, lines+1, s.lines)
	s.gone("the list and the own nodes still count", e5(9, 16, "PHX-AD-1"))
}

func TestASteadyClusterCostsFewCalls(t *testing.T) {
	s := newSuite(t, ocisim.Options{PageSize: 1000})
	for _, zone := range []string{"PHX-AD-1", "PHX-AD-2", "PHX-AD-3"} {
		s.launched(20, "VM.Standard.E5.Flex", zone, 2, 16)
		s.launched(10, "VM.Standard.A1.Flex", zone, 2, 16)
		s.launched(4, "VM.Standard.E4.Flex", zone, 2, 16)
	}
	s.Refresh(s.ctx)
	s.region.Journal().Reset()
	s.pass(4 * time.Hour)
	total := 0
	for _, n := range s.region.Journal().Counts() {
		total += n
	}
	require.LessOrEqual(t, total, 4*7, "one list and six questions an hour: %v", s.region.Journal().Counts())
	require.Equal(t, 4, s.calls("ListLimitValues"))
}
