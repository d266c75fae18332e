package cloudprovider_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/oracle/oci-go-sdk/v65/core"
	"github.com/samber/lo"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	clocktesting "k8s.io/utils/clock/testing"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	corecloudprovider "sigs.k8s.io/karpenter/pkg/cloudprovider"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/capacity"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/instance"
	"github.com/karpenter-oke/karpenter-oke/test/ocisim"
)

const e5 = "VM.Standard.E5.Flex"

// oneSize leaves a claim one instance type, and so one size.
var oneSize = in(corev1.LabelInstanceTypeStable, "VM.Standard.E5.Flex.2o.16g")

// answer is a fault that answers every launch in the same way.
func answer(status int, code, message string) ocisim.Fault {
	return ocisim.Fault{Operation: "LaunchInstance", Kind: ocisim.ErrorAnswer, Status: status, Code: code, Message: message}
}

// entriesOf are the marks of one shape, without times.
func entriesOf(s *suite, shape string) []capacity.Offering {
	var out []capacity.Offering
	for _, e := range s.unavailable.Entries() {
		if e.Shape == shape {
			out = append(out, e.Offering)
		}
	}
	return out
}

func TestErrorsOfALaunchThatSpeakOfCapacity(t *testing.T) {
	zones := []string{"PHX-AD-1", "PHX-AD-2", "PHX-AD-3"}
	inEachZone := func(o capacity.Offering) []capacity.Offering {
		return lo.Map(zones, func(zone string, _ int) capacity.Offering {
			o.Zone = zone
			return o
		})
	}
	fitted := capacity.Offering{Shape: e5, OCPUs: 2, CapacityType: karpv1.CapacityTypeOnDemand}
	for says, tc := range map[string]struct {
		fault    ocisim.Fault
		reason   capacity.Reason
		ttl      time.Duration
		want     []capacity.Offering // memory of a fitted size is filled in
		launches int
	}{
		"500 out of host capacity marks the size, the zone and the capacity type": {
			fault: answer(500, "InternalError", "Out of host capacity."), reason: capacity.ReasonOutOfHostCapacity, ttl: 3 * time.Minute,
			want: inEachZone(fitted), launches: 3,
		},
		"500 out of capacity for a shape does the same": {
			fault:  answer(500, "InternalError", "Out of capacity for shape VM.Standard.E5.Flex in availability domain Uocm:PHX-AD-1. Create the instance in another one."),
			reason: capacity.ReasonOutOfHostCapacity, ttl: 3 * time.Minute, want: inEachZone(fitted), launches: 3,
		},
		"so does the code OutOfHostCapacity, whatever the status": {
			fault: answer(400, "OutOfHostCapacity", "no host"), reason: capacity.ReasonOutOfHostCapacity, ttl: 3 * time.Minute,
			want: inEachZone(fitted), launches: 3,
		},
		"400 LimitExceeded marks what the named limits count, of every capacity type": {
			fault:  answer(400, "LimitExceeded", "The following service limits were exceeded: standard-e5-core-count. Request a service limit increase from the service limits page in the console. "),
			reason: capacity.ReasonLimitExceeded, ttl: 10 * time.Minute, want: inEachZone(capacity.Offering{Shape: e5, OCPUs: 2}), launches: 3,
		},
		"400 LimitExceeded of a regional limit marks every zone at once": {
			fault:  answer(400, "LimitExceeded", "The following service limits were exceeded: standard-e5-core-regional-count."),
			reason: capacity.ReasonLimitExceeded, ttl: 10 * time.Minute, want: []capacity.Offering{{Shape: e5, OCPUs: 2}}, launches: 1,
		},
		"400 QuotaExceeded is a limit of the compartment": {
			fault:  answer(400, "QuotaExceeded", "The following compartment quotas were exceeded: standard-e5-core-count."),
			reason: capacity.ReasonQuotaExceeded, ttl: 10 * time.Minute, want: inEachZone(capacity.Offering{Shape: e5, OCPUs: 2}), launches: 3,
		},
		"404 that names the shape says that the zone does not have it": {
			fault: ocisim.Fault{Kind: ocisim.ShapeNotFound}, reason: capacity.ReasonShapeNotFound, ttl: time.Hour,
			want: inEachZone(capacity.Offering{Shape: e5}), launches: 3,
		},
	} {
		t.Run(says, func(t *testing.T) {
			s := newSuite(t, ocisim.Options{})
			claim := s.claim("one", oneSize)
			s.region.Fail(tc.fault)
			generation, began := s.unavailable.Generation(), time.Now()
			_, err := s.Create(t.Context(), claim)
			require.True(t, corecloudprovider.IsInsufficientCapacityError(err), "%v", err)
			require.Equal(t, tc.launches, s.calls("LaunchInstance"), "one try a place, and none repeated")
			require.Greater(t, s.unavailable.Generation(), generation)

			entries := lo.Filter(s.unavailable.Entries(), func(e capacity.Entry, _ int) bool { return e.Shape == e5 })
			for _, e := range entries {
				require.Equal(t, tc.reason, e.Reason)
				require.WithinRange(t, e.Until, began.Add(tc.ttl), time.Now().Add(tc.ttl*6/5), "the time of its class, with jitter")
			}
			got := entriesOf(s, e5)
			if tc.reason == capacity.ReasonOutOfHostCapacity {
				for i := range got {
					require.Positive(t, got[i].MemoryGB)
					got[i].MemoryGB = 0
				}
			}
			require.ElementsMatch(t, tc.want, got)
		})
	}
}

func TestALimitThatTwoShapesShareIsMarkedForBoth(t *testing.T) {
	s := newSuite(t, ocisim.Options{})
	claim := s.claim("one", oneSize)
	s.region.Fail(answer(400, "LimitExceeded", "The following service limits were exceeded: standard-e5-core-count, standard-e5-memory-count."))
	_, err := s.Create(t.Context(), claim)
	require.True(t, corecloudprovider.IsInsufficientCapacityError(err), "%v", err)
	require.Len(t, entriesOf(s, e5), 6, "OCPUs and memory, each in three zones")
	require.Len(t, entriesOf(s, "BM.Standard.E5.192"), 6)
	require.Empty(t, entriesOf(s, "VM.Standard.E4.Flex"))
}

func TestErrorsOfALaunchThatSayNothingOfCapacity(t *testing.T) {
	for says, tc := range map[string]struct {
		fault    ocisim.Fault
		reason   string
		repeated bool
	}{
		"429":                       {fault: ocisim.Fault{Operation: "LaunchInstance", Kind: ocisim.TooManyRequests, Delay: time.Hour}, reason: "OCIThrottled"},
		"429 in the tenancy's name": {fault: ocisim.Fault{Operation: "LaunchInstance", Kind: ocisim.TooManyRequests, Delay: time.Hour, Message: "Too many requests for the tenants"}, reason: "OCIThrottled"},
		"404 that names no shape":   {fault: answer(404, "NotAuthorizedOrNotFound", "Authorization failed or requested resource not found."), reason: "OCINotAuthorized"},
		"401 NotAuthenticated":      {fault: answer(401, "NotAuthenticated", "The required information to complete authentication was not provided."), reason: "OCINotAuthorized"},
		"403 NotAuthorized":         {fault: answer(403, "NotAuthorized", "no"), reason: "OCINotAuthorized"},
		"400 RelatedResourceNotAuthorizedOrNotFound": {fault: answer(400, "RelatedResourceNotAuthorizedOrNotFound", "image"), reason: "OCIRejectedLaunch"},
		"400 InvalidParameter":                       {fault: answer(400, "InvalidParameter", "image is not compatible with shape VM.Standard.E5.Flex"), reason: "OCIRejectedLaunch"},
		"400 CannotParseRequest":                     {fault: answer(400, "CannotParseRequest", "x"), reason: "OCIRejectedLaunch"},
		"409 IncorrectState":                         {fault: answer(409, "IncorrectState", "x"), reason: "OCIRejectedLaunch"},
		"409 InvalidatedRetryToken":                  {fault: answer(409, "InvalidatedRetryToken", "x"), reason: "OCIRejectedLaunch"},
		"412 NoEtagMatch":                            {fault: answer(412, "NoEtagMatch", "x"), reason: "OCIRejectedLaunch"},
		"an unknown 500 is the service's fault":      {fault: answer(500, "InternalError", "Internal server error"), reason: "OCIUnavailable", repeated: true},
		"503":                                        {fault: answer(503, "ServiceUnavailable", "x"), reason: "OCIUnavailable", repeated: true},
		"a cut connection":                           {fault: ocisim.Fault{Operation: "LaunchInstance", Kind: ocisim.CutBefore}, reason: "OCIUnavailable", repeated: true},
	} {
		t.Run(says, func(t *testing.T) {
			t.Parallel() // those that are repeated wait in between
			s := newSuite(t, ocisim.Options{})
			claim := s.claim("one")
			generation := s.unavailable.Generation()
			s.region.Fail(tc.fault)
			_, err := s.Create(t.Context(), claim)
			require.False(t, corecloudprovider.IsInsufficientCapacityError(err), "%v", err)
			var failed *corecloudprovider.CreateError
			require.True(t, errors.As(err, &failed), "%v", err)
			require.Equal(t, tc.reason, failed.ConditionReason)
			require.Empty(t, s.unavailable.Entries())
			require.Equal(t, generation, s.unavailable.Generation())
			require.Equal(t, tc.repeated, s.calls("LaunchInstance") > 1, "repeated only what may work as it is")
			require.Empty(t, s.live())
		})
	}
}

func TestTriesOfOneCreateAreBounded(t *testing.T) {
	s := newSuite(t, ocisim.Options{})
	s.nodePool.Spec.Template.Spec.Requirements = nil // every shape
	require.NoError(t, s.kube.Update(t.Context(), s.nodePool))
	claim := s.claim("one")
	s.region.Fail(answer(http.StatusInternalServerError, "InternalError", "Out of host capacity."))
	_, err := s.Create(t.Context(), claim)
	require.True(t, corecloudprovider.IsInsufficientCapacityError(err), "%v", err)
	require.Equal(t, 10, s.calls("LaunchInstance"))
	_, err = s.Create(t.Context(), s.claim("two"))
	require.True(t, corecloudprovider.IsInsufficientCapacityError(err), "%v", err)
	require.Equal(t, 20, s.calls("LaunchInstance"), "the next one begins where the first stopped")
	require.Len(t, lo.UniqBy(s.unavailable.Entries(), func(e capacity.Entry) capacity.Offering { return e.Offering }), 20)
}

func TestAFullFaultDomainIsMarkedByItselfWhenTheLaunchNamedIt(t *testing.T) {
	s := newSuite(t, ocisim.Options{})
	inFirst := in(v1alpha1.LabelFaultDomain, "FAULT-DOMAIN-1")
	s.region.Fail(ocisim.Fault{Kind: ocisim.OutOfHostCapacity, Match: ocisim.Match{FaultDomain: "FAULT-DOMAIN-1"}})
	_, err := s.Create(t.Context(), s.claim("one", inFirst, oneSize))
	require.True(t, corecloudprovider.IsInsufficientCapacityError(err), "%v", err)
	for _, e := range s.unavailable.Entries() {
		require.Equal(t, "FAULT-DOMAIN-1", e.FaultDomain)
	}
	require.Len(t, s.unavailable.Entries(), 3)

	s.region.Journal().Reset()
	other, err := s.Create(t.Context(), s.claim("two", in(v1alpha1.LabelFaultDomain, "FAULT-DOMAIN-1", "FAULT-DOMAIN-2"), oneSize))
	require.NoError(t, err)
	require.Equal(t, "FAULT-DOMAIN-2", other.Labels[v1alpha1.LabelFaultDomain])
	require.Equal(t, 1, s.calls("LaunchInstance"), "the full one is not asked again")
	_, err = s.Create(t.Context(), s.claim("three"))
	require.NoError(t, err, "a launch that names none may still go elsewhere in the zone")
}

// slowly lets time pass with each launch.
type slowly struct {
	instance.API
	clock *clocktesting.FakeClock
	takes time.Duration
}

func (s slowly) LaunchInstance(ctx context.Context, details core.LaunchInstanceDetails, token string) (core.Instance, string, error) {
	s.clock.Step(s.takes)
	return s.API.LaunchInstance(ctx, details, token)
}

func TestOneCreateBeginsNoTryAfterItsTime(t *testing.T) {
	s := newSuite(t, ocisim.Options{})
	clk := clocktesting.NewFakeClock(time.Now())
	s.clock, s.api = clk, func(api instance.API) instance.API { return slowly{API: api, clock: clk, takes: 14 * time.Second} }
	s.restart()
	s.region.Fail(ocisim.Fault{Kind: ocisim.OutOfHostCapacity})
	_, err := s.Create(t.Context(), s.claim("one"))
	require.True(t, corecloudprovider.IsInsufficientCapacityError(err), "%v", err)
	require.Equal(t, 3, s.calls("LaunchInstance"), "at 0, 14 and 28 seconds; the bound is 30")
}
