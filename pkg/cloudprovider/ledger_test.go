package cloudprovider_test

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/samber/lo"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	corecloudprovider "sigs.k8s.io/karpenter/pkg/cloudprovider"
	"sigs.k8s.io/karpenter/pkg/test"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/capacity"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/instance"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/inventory"
	"github.com/karpenter-oke/karpenter-oke/test/ocisim"
)

// lagging is a suite whose lists show no instance during the test.
func lagging(t *testing.T) *suite { return newSuite(t, ocisim.Options{ListLag: time.Hour}) }

// tokens are the retry tokens of all launches that were sent.
func (s *suite) tokens() (out []string) {
	for _, e := range s.region.Journal().Entries(0) {
		if e.Operation == "LaunchInstance" {
			out = append(out, e.RetryToken)
		}
	}
	return out
}

// attempt is what a NodeClaim remembers of its last launch.
func (s *suite) attempt(claim *karpv1.NodeClaim) map[string]any {
	s.t.Helper()
	text, found := s.reread(claim).Annotations[v1alpha1.AnnotationLaunchAttempt]
	if !found {
		return nil
	}
	out := map[string]any{}
	require.NoError(s.t, json.Unmarshal([]byte(text), &out))
	return out
}

// remember rewrites what a NodeClaim remembers.
func (s *suite) remember(claim *karpv1.NodeClaim, text string) {
	s.t.Helper()
	stored := s.reread(claim)
	stored.Annotations[v1alpha1.AnnotationLaunchAttempt] = text
	require.NoError(s.t, s.kube.Update(s.t.Context(), stored))
}

func (s *suite) changeClass() {
	s.t.Helper()
	s.nodeClass.Spec.FreeFormTags = map[string]string{"team": "other"}
	require.NoError(s.t, s.kube.Update(s.t.Context(), s.nodeClass))
}

func reasonOf(t *testing.T, err error) string {
	t.Helper()
	var failed *corecloudprovider.CreateError
	require.ErrorAs(t, err, &failed)
	return failed.ConditionReason
}

func TestALaunchIsRepeatedAfterAKillAlthoughTodaysChoiceWouldBeAnother(t *testing.T) {
	s := lagging(t)
	claim := s.claim("one")
	before, err := s.Create(t.Context(), claim) // killed before the answer was written down
	require.NoError(t, err)
	require.EqualValues(t, 1, s.attempt(claim)["attempt"])
	s.restart()
	// The next process knows that the zone is full, and would go elsewhere.
	s.unavailable.MarkUnavailable(t.Context(), capacity.ReasonOutOfHostCapacity, capacity.Offering{
		Shape: "VM.Standard.E5.Flex", Zone: before.Labels[corev1.LabelTopologyZone], CapacityType: karpv1.CapacityTypeOnDemand,
	}, time.Hour)
	other, err := s.Create(t.Context(), s.claim("two"))
	require.NoError(t, err)
	require.NotEqual(t, before.Labels[corev1.LabelTopologyZone], other.Labels[corev1.LabelTopologyZone])
	after, err := s.Create(t.Context(), s.reread(claim))
	require.NoError(t, err)
	require.Equal(t, before.Status.ProviderID, after.Status.ProviderID)
	require.Equal(t, before.Labels, after.Labels)
	require.Len(t, s.live(), 2, "one each")
	require.Equal(t, s.tokens()[0], s.tokens()[2])
}

func TestAKillBetweenTheRecordAndTheCallLaunchesOnce(t *testing.T) {
	s := lagging(t)
	claim := s.claim("one")
	s.claims = killed{s.kube}
	s.restart()
	_, err := s.Create(t.Context(), claim)
	require.Error(t, err)
	require.Empty(t, s.tokens(), "nothing was sent")
	recorded := s.attempt(claim)
	require.NotNil(t, recorded)
	s.claims = s.kube
	s.restart()
	after, err := s.Create(t.Context(), s.reread(claim))
	require.NoError(t, err)
	require.Equal(t, []string{recorded["token"].(string)}, s.tokens())
	require.Equal(t, recorded["instanceType"], after.Labels[corev1.LabelInstanceTypeStable])
	require.Len(t, s.live(), 1)
}

// killed writes, and does not live to see it.
type killed struct{ client.Client }

func (k killed) Patch(ctx context.Context, o client.Object, p client.Patch, opts ...client.PatchOption) error {
	return errors.Join(k.Client.Patch(ctx, o, p, opts...), errors.New("signal: killed"))
}

func TestOfTwoProcessesThatBothBelieveToLeadOneLaunches(t *testing.T) {
	s := lagging(t)
	processes := []*struct {
		corecloudprovider.CloudProvider
	}{{s.CloudProvider}}
	s.restart()
	processes = append(processes, &struct {
		corecloudprovider.CloudProvider
	}{s.CloudProvider})
	claim := s.claim("one")
	var wg sync.WaitGroup
	errs := make([]error, len(processes))
	for i, p := range processes {
		wg.Go(func() { _, errs[i] = p.Create(t.Context(), claim.DeepCopy()) })
	}
	wg.Wait()
	failed := lo.Filter(errs, func(err error, _ int) bool { return err != nil })
	require.Len(t, failed, 1)
	require.Equal(t, "LaunchNotRecorded", reasonOf(t, failed[0]))
	require.Len(t, s.live(), 1)
	for _, p := range processes { // and when each sees what the other wrote, it repeats that
		_, err := p.Create(t.Context(), s.reread(claim))
		require.NoError(t, err)
	}
	require.Len(t, s.live(), 1)
	require.Len(t, lo.Uniq(s.tokens()), 1)
}

func TestALaunchThatCanNotBeRepeatedAsItWasIsLookedForInAListAfterAFewSeconds(t *testing.T) {
	for says, change := range map[string]func(s *suite, claim *karpv1.NodeClaim){
		"the class has changed":               func(s *suite, _ *karpv1.NodeClaim) { s.changeClass() },
		"the annotation was edited by hand":   func(s *suite, claim *karpv1.NodeClaim) { s.remember(claim, "x") },
		"the type is not offered any more":    func(s *suite, claim *karpv1.NodeClaim) { s.rewrite(claim, "instanceType", "VM.Standard.Gone") },
		"the class has lost the subnet":       func(s *suite, claim *karpv1.NodeClaim) { s.rewrite(claim, "subnet", "ocid1.subnet.gone") },
		"the launch was for another capacity": func(s *suite, claim *karpv1.NodeClaim) { s.rewrite(claim, "capacityType", "reserved") },
	} {
		t.Run(says, func(t *testing.T) {
			s := lagging(t)
			claim := s.claim("one")
			before, err := s.Create(t.Context(), claim)
			require.NoError(t, err)
			justNow := time.Now().Add(time.Hour) // however slow this machine is
			s.rewrite(claim, "at", justNow)
			claim.CreationTimestamp.Time = justNow
			change(s, claim)
			s.restart()
			_, err = s.Create(t.Context(), s.reread(claim))
			require.Equal(t, "EarlierLaunchUnknown", reasonOf(t, err))
			require.Len(t, s.live(), 1)
			require.Len(t, s.tokens(), 1)

			s.region.CatchUp()
			require.NoError(t, s.inventory.Refresh(t.Context()))
			after, err := s.Create(t.Context(), s.reread(claim))
			require.NoError(t, err)
			require.Equal(t, before.Status.ProviderID, after.Status.ProviderID)
			require.Len(t, s.tokens(), 1)
		})
	}
}

// long is a time after which a launch has settled, and after which lists may still not show it.
const long = 20 * time.Second

// Core plans nothing while a NodeClaim has no instance, so one whose launch nobody can follow up must not stay.
func TestANodeClaimWhoseLaunchCanNotBeRepeatedAndIsNotListedGivesWayAtOnce(t *testing.T) {
	late := &ocisim.Fault{Kind: ocisim.OutOfHostCapacityLater, Times: 1}
	cases := map[string]struct {
		lag   time.Duration // of lists
		fault *ocisim.Fault
	}{
		"the instance is there, and lists lag":            {lag: time.Hour},
		"the launch has failed late":                      {fault: late},
		"the launch has failed late, and lists lag":       {lag: time.Hour, fault: late},
		"somebody has ended the instance in the meantime": {},
	}
	for says, c := range cases {
		t.Run(says, func(t *testing.T) {
			s := newSuite(t, ocisim.Options{ListLag: c.lag, TerminationDelay: -1, LateFailureDelay: time.Millisecond})
			if c.fault != nil {
				s.region.Fail(*c.fault)
			}
			claim := s.claim("one")
			created, err := s.Create(t.Context(), claim) // killed before the answer was written down
			require.NoError(t, err)
			if c.lag == 0 {
				if c.fault == nil {
					require.NoError(t, s.region.TerminateInstance(created.Status.ProviderID))
				}
				require.Eventually(t, func() bool { return len(s.live()) == 0 }, time.Minute, 10*time.Millisecond)
			}
			s.rewrite(claim, "at", time.Now().Add(-long))
			s.changeClass()
			s.restart()
			_, err = s.Create(t.Context(), s.reread(claim))
			var givenUp *instance.GivenUpError
			require.ErrorAs(t, err, &givenUp)
			require.True(t, apierrors.IsNotFound(s.kube.Get(t.Context(), client.ObjectKeyFromObject(claim), &karpv1.NodeClaim{})))
			require.Equal(t, 1, s.deps.Recorder.(*test.EventRecorder).Calls("EarlierLaunchUnknown"))
			require.Len(t, s.tokens(), 1, "nothing more was launched for it")
			_, err = s.Create(t.Context(), s.claim("two"))
			require.NoError(t, err, "the one that takes its place")
			require.Len(t, s.tokens(), 2)
		})
	}
}

func TestANodeClaimThatAnotherProcessHasJustWrittenToIsNotGivenUp(t *testing.T) {
	s := lagging(t)
	claim := s.claim("one")
	_, err := s.Create(t.Context(), claim)
	require.NoError(t, err)
	s.rewrite(claim, "at", time.Now().Add(-long))
	s.changeClass()
	s.restart()
	seen := s.reread(claim)
	s.rewrite(claim, "attempt", 2) // the cache does not show it yet
	_, err = s.Create(t.Context(), seen)
	require.True(t, apierrors.IsConflict(err), "%v", err)
	require.NoError(t, s.kube.Get(t.Context(), client.ObjectKeyFromObject(claim), &karpv1.NodeClaim{}))
	require.Zero(t, s.deps.Recorder.(*test.EventRecorder).Calls("EarlierLaunchUnknown"))
}

// rewrite changes one thing that a NodeClaim remembers.
func (s *suite) rewrite(claim *karpv1.NodeClaim, key string, value any) {
	s.t.Helper()
	e := s.attempt(claim)
	e[key] = value
	s.remember(claim, string(lo.Must(json.Marshal(e))))
}

func TestTheWaitForListsEnds(t *testing.T) {
	s := newSuite(t, ocisim.Options{})
	claim := s.claim("one")
	s.claims = killed{s.kube}
	s.restart()
	_, err := s.Create(t.Context(), claim)
	require.Error(t, err)
	s.rewrite(claim, "at", time.Now().Add(-inventory.ListLag).Add(-time.Second))
	s.changeClass()
	s.claims = s.kube
	s.restart()
	_, err = s.Create(t.Context(), s.reread(claim))
	require.NoError(t, err, "nothing was launched then, which a list has confirmed")
	require.EqualValues(t, 2, s.attempt(claim)["attempt"])
	require.Len(t, s.live(), 1)
	require.NotZero(t, s.calls("ListInstances"))
}

func TestALaunchThatWasRefusedIsNotWaitedFor(t *testing.T) {
	s := lagging(t)
	s.region.Fail(ocisim.Fault{Operation: "LaunchInstance", Kind: ocisim.ErrorAnswer, Status: 400, Code: "InvalidParameter", Message: "no", Times: 1})
	claim := s.claim("one")
	_, err := s.Create(t.Context(), claim)
	require.Equal(t, "OCIRejectedLaunch", reasonOf(t, err))
	require.Equal(t, true, s.attempt(claim)["answered"])
	s.changeClass() // a person mends it
	s.restart()
	_, err = s.Create(t.Context(), s.reread(claim))
	require.NoError(t, err)
	require.Len(t, s.live(), 1)
}

func TestAnInstanceThatEndedBeforeItWasRecordedIsLaunchedAnew(t *testing.T) {
	s := newSuite(t, ocisim.Options{})
	claim := s.claim("one")
	first, err := s.Create(t.Context(), claim)
	require.NoError(t, err)
	require.NoError(t, s.region.TerminateInstance(first.Status.ProviderID))
	require.Eventually(t, func() bool { return len(s.live()) == 0 }, time.Minute, 10*time.Millisecond)
	s.restart()
	require.Eventually(t, func() bool { // OCI does not take the token any more; the next attempt has its own
		_, err = s.Create(t.Context(), s.reread(claim))
		return err == nil
	}, time.Minute, 10*time.Millisecond)
	require.Len(t, s.live(), 1)
	require.Len(t, lo.Uniq(s.tokens()), 2)
}

func TestNothingIsLaunchedForANodeClaimThatIsBeingDeleted(t *testing.T) {
	s := newSuite(t, ocisim.Options{})
	claim := s.claim("one")
	claim.Finalizers = []string{karpv1.TerminationFinalizer}
	require.NoError(t, s.kube.Update(t.Context(), claim))
	seen := claim.DeepCopy()
	require.NoError(t, s.kube.Delete(t.Context(), claim))
	seen.ResourceVersion = s.reread(claim).ResourceVersion // the cache shows all but the deletion
	_, err := s.Create(t.Context(), seen)
	require.ErrorContains(t, err, "it is being deleted")
	require.Empty(t, s.tokens())
}

func TestEachTryOfOneCreateIsWrittenDown(t *testing.T) {
	s := newSuite(t, ocisim.Options{})
	s.region.Fail(ocisim.Fault{Kind: ocisim.OutOfHostCapacity, Times: 2})
	claim := s.claim("one")
	created, err := s.Create(t.Context(), claim)
	require.NoError(t, err)
	require.EqualValues(t, 3, s.attempt(claim)["attempt"])
	require.Equal(t, created.Labels[corev1.LabelTopologyZone], s.attempt(claim)["zone"])
	require.Len(t, lo.Uniq(s.tokens()), 3)
}
