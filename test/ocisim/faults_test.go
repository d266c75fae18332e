package ocisim_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/core"
	"github.com/oracle/oci-go-sdk/v65/identity"
	"github.com/oracle/oci-go-sdk/v65/workrequests"
	"github.com/samber/lo"
	"github.com/stretchr/testify/require"

	"github.com/karpenter-oke/karpenter-oke/test/ocisim"
)

func (r *region) fault(f ocisim.Fault) string {
	r.t.Helper()
	id, err := r.Faults().Add(f)
	require.NoError(r.t, err)
	return id
}

func TestFaultsThatRefuseALaunch(t *testing.T) {
	cases := map[string]struct {
		fault         ocisim.Fault
		status        int
		code, message string
	}{
		"out of host capacity": {ocisim.Fault{Kind: ocisim.OutOfHostCapacity}, 500, "InternalError", "Out of host capacity."},
		"a message of one's own": {ocisim.Fault{Kind: ocisim.OutOfHostCapacity, Message: "Out of capacity for shape VM.Standard.E5.Flex in availability domain AD-1."},
			500, "InternalError", "Out of capacity for shape"},
		"a service limit":          {ocisim.Fault{Kind: ocisim.LimitExceeded}, 400, "LimitExceeded", "standard-e5-core-count, standard-e5-memory-count"},
		"a compartment quota":      {ocisim.Fault{Kind: ocisim.QuotaExceeded}, 400, "QuotaExceeded", "standard-e5-core-count"},
		"too many requests":        {ocisim.Fault{Kind: ocisim.TooManyRequests, Delay: 7 * time.Second}, 429, "TooManyRequests", "Too many requests"},
		"no such shape in this AD": {ocisim.Fault{Kind: ocisim.ShapeNotFound, Match: ocisim.Match{AvailabilityDomain: "PHX-AD-1"}}, 404, "NotAuthorizedOrNotFound", "shape VM.Standard.E5.Flex not found"},
		"any error":                {ocisim.Fault{Kind: ocisim.ErrorAnswer, Status: 503, Code: "ServiceUnavailable", Message: "come back"}, 503, "ServiceUnavailable", "come back"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			r := newRegion(t, ocisim.Options{})
			c.fault.Times = 1
			id := r.fault(c.fault)
			_, err := r.launch()
			requireError(t, err, c.status, c.code, c.message)
			require.Empty(t, r.Instances())
			require.Equal(t, 1, r.Faults().List()[0].Hits)
			_, err = r.launch()
			require.NoError(t, err, "the fault is used up")
			require.True(t, r.Faults().Remove(id))
			require.False(t, r.Faults().Remove(id))
		})
	}
}

func TestThrottlingCarriesRetryAfter(t *testing.T) {
	r := newRegion(t, ocisim.Options{})
	r.fault(ocisim.Fault{Kind: ocisim.TooManyRequests, Operation: "List*", Delay: 6100 * time.Millisecond})
	answer, err := r.compute.ListShapes(ctx, core.ListShapesRequest{CompartmentId: &r.world.CompartmentID})
	requireError(t, err, 429, "TooManyRequests", "")
	require.Equal(t, "7", answer.RawResponse.Header.Get("Retry-After"))
	_, err = r.launch()
	require.NoError(t, err, "the fault is about lists")
}

func TestAFaultMeetsOnlyWhatItMatches(t *testing.T) {
	cases := map[string]struct {
		match ocisim.Match
		hit   bool
	}{
		"everything":                 {ocisim.Match{}, true},
		"the shape":                  {ocisim.Match{Shape: "VM.Standard.E5.*"}, true},
		"another shape":              {ocisim.Match{Shape: "VM.Standard.E4.*"}, false},
		"the AD by its full name":    {ocisim.Match{AvailabilityDomain: "Uocm:PHX-AD-1"}, true},
		"the AD by its short name":   {ocisim.Match{AvailabilityDomain: "PHX-AD-1"}, true},
		"another AD":                 {ocisim.Match{AvailabilityDomain: "PHX-AD-2"}, false},
		"on-demand":                  {ocisim.Match{CapacityType: "on-demand"}, true},
		"spot":                       {ocisim.Match{CapacityType: "spot"}, false},
		"a fault domain not asked":   {ocisim.Match{FaultDomain: "FAULT-DOMAIN-1"}, false},
		"at least two OCPUs":         {ocisim.Match{MinOCPUs: 2}, true},
		"at least three OCPUs":       {ocisim.Match{MinOCPUs: 3}, false},
		"the name":                   {ocisim.Match{DisplayName: "node-*"}, true},
		"shape matches, AD does not": {ocisim.Match{Shape: "VM.*", AvailabilityDomain: "PHX-AD-3"}, false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			r := newRegion(t, ocisim.Options{})
			r.fault(ocisim.Fault{Kind: ocisim.OutOfHostCapacity, Match: c.match})
			_, err := r.launch()
			require.Equal(t, c.hit, err != nil)
		})
	}
}

func TestSkipLetsTheFirstRequestsPass(t *testing.T) {
	r := newRegion(t, ocisim.Options{})
	r.fault(ocisim.Fault{Kind: ocisim.OutOfHostCapacity, Skip: 2, Times: 1})
	var refused []bool
	for range 4 {
		_, err := r.launch()
		refused = append(refused, err != nil)
	}
	require.Equal(t, []bool{false, false, true, false}, refused)
}

func TestALaunchCanFailLate(t *testing.T) {
	r := newRegion(t, ocisim.Options{})
	r.fault(ocisim.Fault{Kind: ocisim.OutOfHostCapacityLater, Times: 1})
	launched, err := r.launch()
	require.NoError(t, err)
	r.clock.Step(time.Second)
	work := r.workRequest(*launched.OpcWorkRequestId)
	require.Equal(t, workrequests.WorkRequestStatusFailed, work.Status)
	require.Equal(t, *launched.Id, *work.Resources[0].Identifier)
	failures, err := r.work.ListWorkRequestErrors(ctx, workrequests.ListWorkRequestErrorsRequest{WorkRequestId: launched.OpcWorkRequestId})
	require.NoError(t, err)
	require.Len(t, failures.Items, 1)
	require.Equal(t, "Out of host capacity.", *failures.Items[0].Message)
	require.Equal(t, core.InstanceLifecycleStateTerminating, r.get(*launched.Id).LifecycleState)
	r.run()
	require.Equal(t, core.InstanceLifecycleStateTerminated, r.get(*launched.Id).LifecycleState)
	require.True(t, r.Instances()[0].Running.IsZero(), "it never ran")
	found, err := r.work.ListWorkRequests(ctx, workrequests.ListWorkRequestsRequest{CompartmentId: &r.world.CompartmentID, ResourceId: launched.Id})
	require.NoError(t, err)
	require.Equal(t, []string{"TerminateInstance SUCCEEDED", "LaunchInstance FAILED"}, lo.Map(found.Items, func(w workrequests.WorkRequestSummary, _ int) string {
		return *w.OperationType + " " + string(w.Status)
	}))
}

func TestProvisioningCanBeSlowOrStuck(t *testing.T) {
	r := newRegion(t, ocisim.Options{})
	r.fault(ocisim.Fault{Kind: ocisim.SlowProvisioning, Delay: time.Minute, Match: ocisim.Match{DisplayName: "slow"}})
	r.fault(ocisim.Fault{Kind: ocisim.StuckProvisioning, Match: ocisim.Match{DisplayName: "stuck"}})
	named := func(name string) core.Instance {
		return r.mustLaunch(func(d *core.LaunchInstanceDetails) { d.DisplayName = &name })
	}
	slow, stuck := named("slow"), named("stuck")
	r.clock.Step(time.Minute)
	require.Equal(t, core.InstanceLifecycleStateProvisioning, r.get(*slow.Id).LifecycleState)
	r.run()
	require.Equal(t, core.InstanceLifecycleStateRunning, r.get(*slow.Id).LifecycleState)
	r.clock.Step(time.Hour)
	require.Equal(t, core.InstanceLifecycleStateProvisioning, r.get(*stuck.Id).LifecycleState)
	require.NoError(t, r.TerminateInstance(*stuck.Id))
	r.run()
	require.Equal(t, core.InstanceLifecycleStateTerminated, r.get(*stuck.Id).LifecycleState)
}

func TestANewInstanceMayBeAbsentFromListsForAWhile(t *testing.T) {
	r := newRegion(t, ocisim.Options{ListLag: 3 * time.Second})
	r.fault(ocisim.Fault{Kind: ocisim.ListLag, Delay: time.Minute, Match: ocisim.Match{Shape: "VM.Standard.E4.*"}})
	i := r.mustLaunch()
	later := r.mustLaunch(shaped("VM.Standard.E4.Flex", 1, 8))
	require.Empty(t, r.list())
	require.Equal(t, *i.Id, *r.get(*i.Id).Id, "GetInstance knows it at once")
	r.clock.Step(3 * time.Second)
	require.Len(t, r.list(), 1)
	r.clock.Step(57 * time.Second)
	require.Len(t, r.list(), 2)
	require.NotEqual(t, *i.Id, *later.Id)
}

func TestMemoryCanBeRewritten(t *testing.T) {
	r := newRegion(t, ocisim.Options{})
	r.fault(ocisim.Fault{Kind: ocisim.MemoryRewritten})
	require.Equal(t, float32(12), *r.mustLaunch().ShapeConfig.MemoryInGBs)
}

func TestACutConnectionBeforeOrAfterTheEffect(t *testing.T) {
	cases := map[string]struct {
		kind      ocisim.FaultKind
		instances int
	}{
		"before: nothing has happened":                              {ocisim.CutBefore, 0},
		"after: the instance exists and a retry gets that very one": {ocisim.CutAfter, 1},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			r := newRegion(t, ocisim.Options{})
			details := r.launchDetails()
			r.fault(ocisim.Fault{Kind: c.kind, Operation: "LaunchInstance", Times: 1})
			request := core.LaunchInstanceRequest{OpcRetryToken: lo.ToPtr("t"), LaunchInstanceDetails: details}
			_, err := r.compute.LaunchInstance(ctx, request)
			require.Error(t, err)
			_, isService := common.IsServiceError(err)
			require.False(t, isService, "a cut is no answer")
			require.Len(t, r.Instances(), c.instances)
			again, err := r.compute.LaunchInstance(ctx, request)
			require.NoError(t, err)
			require.Len(t, r.Instances(), 1)
			require.Equal(t, r.Instances()[0].ID, *again.Id)
			entry := lo.Must(lo.Find(r.Journal().Entries(0), func(e ocisim.Entry) bool { return e.Operation == "LaunchInstance" }))
			require.Zero(t, entry.Status)
			require.Equal(t, 1, r.Journal().Errors()["LaunchInstance"])
		})
	}
}

func TestLatencyHoldsTheAnswerBack(t *testing.T) {
	r := newRegion(t, ocisim.Options{})
	r.fault(ocisim.Fault{Kind: ocisim.Latency, Operation: "ListAvailabilityDomains", Delay: 5 * time.Second})
	answered := make(chan error, 1)
	go func() {
		_, err := r.who.ListAvailabilityDomains(ctx, identity.ListAvailabilityDomainsRequest{CompartmentId: &r.world.CompartmentID})
		answered <- err
	}()
	require.Eventually(t, r.clock.HasWaiters, 5*time.Second, time.Millisecond)
	require.Empty(t, answered)
	r.clock.Step(5 * time.Second)
	require.NoError(t, <-answered)

	// Plain HTTP here: the SDK's own retry loop races with the cancellation of its context.
	impatient, stop := context.WithTimeout(ctx, 50*time.Millisecond)
	defer stop()
	request, err := http.NewRequestWithContext(impatient, http.MethodGet, r.url+"/20160918/availabilityDomains", nil)
	require.NoError(t, err)
	response, err := http.DefaultClient.Do(request)
	if err == nil {
		_ = response.Body.Close()
	}
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

func TestAFaultThatCouldNeverActIsRefused(t *testing.T) {
	r := newRegion(t, ocisim.Options{})
	cases := map[string]struct {
		fault ocisim.Fault
		want  string
	}{
		"unknown kind":               {ocisim.Fault{Kind: "Earthquake"}, "Earthquake"},
		"unknown operation":          {ocisim.Fault{Kind: ocisim.TooManyRequests, Operation: "LaunchInstances"}, "LaunchInstances"},
		"late failure of a list":     {ocisim.Fault{Kind: ocisim.OutOfHostCapacityLater, Operation: "ListInstances"}, "LaunchInstance only"},
		"latency without delay":      {ocisim.Fault{Kind: ocisim.Latency}, "needs a delay"},
		"an error without a status":  {ocisim.Fault{Kind: ocisim.ErrorAnswer, Code: "X"}, "status"},
		"a pattern that is none":     {ocisim.Fault{Kind: ocisim.OutOfHostCapacity, Match: ocisim.Match{Shape: "[x"}}, "pattern"},
		"a negative number of times": {ocisim.Fault{Kind: ocisim.OutOfHostCapacity, Times: -1}, "negative"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := r.Faults().Add(c.fault)
			require.ErrorContains(t, err, c.want)
		})
	}
	require.Empty(t, r.Faults().List())
}
