package registration

import (
	"fmt"
	"testing"
	"time"

	"github.com/awslabs/operatorpkg/status"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/scheme"
	testclock "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/test"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
)

const (
	oldImage = "ocid1.image.oc1..old"
	newImage = "ocid1.image.oc1..new"
)

// world is one class, and NodeClaims as core makes and deletes them.
type world struct {
	t        *testing.T
	clock    *testclock.FakeClock
	recorder *test.EventRecorder
	kube     client.Client
	health   *Health
	claims   *ClaimsController
	class    *v1alpha1.OciNodeClass
	made     int
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, clock: testclock.NewFakeClock(time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)), recorder: test.NewEventRecorder()}
	w.class = &v1alpha1.OciNodeClass{ObjectMeta: metav1.ObjectMeta{Name: "class", UID: "class-uid", Generation: 1}}
	w.class.Status.Images = []v1alpha1.Image{{ID: newImage, Name: "new"}}
	w.kube = fake.NewClientBuilder().WithScheme(scheme.Scheme).WithObjects(w.class).WithStatusSubresource(w.class).Build()
	w.restart()
	return w
}

// restart is another process.
func (w *world) restart() {
	w.health = NewHealth(w.recorder, w.clock)
	w.claims = NewClaimsController(w.kube, w.health, w.clock)
}

// claim is a NodeClaim that was made now and whose instance runs.
func (w *world) claim(image string) *karpv1.NodeClaim {
	w.made++
	name := fmt.Sprintf("claim-%d", w.made)
	c := &karpv1.NodeClaim{ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID("uid-" + name), CreationTimestamp: metav1.NewTime(w.clock.Now())}}
	c.Spec.NodeClassRef = &karpv1.NodeClassReference{Group: v1alpha1.Group, Kind: "OciNodeClass", Name: "class"}
	c.Status.ProviderID, c.Status.ImageID = "instance-"+name, image
	c.StatusConditions(status.WithClock(w.clock)).SetUnknownWithReason(karpv1.ConditionTypeRegistered, "NodeNotFound", "Node not registered with cluster")
	return c
}

func (w *world) look(c *karpv1.NodeClaim) {
	w.t.Helper()
	_, err := w.claims.Reconcile(w.t.Context(), c)
	require.NoError(w.t, err)
}

func (w *world) registers(c *karpv1.NodeClaim) {
	w.t.Helper()
	c.StatusConditions(status.WithClock(w.clock)).SetTrue(karpv1.ConditionTypeRegistered)
	w.look(c)
}

// isDeleted is what core does with a NodeClaim; it is seen more than once while it goes.
func (w *world) isDeleted(c *karpv1.NodeClaim) {
	w.t.Helper()
	now := metav1.NewTime(w.clock.Now())
	c.DeletionTimestamp = &now
	w.look(c)
	w.look(c)
}

// fails lets core give NodeClaims up.
func (w *world) fail(claims ...*karpv1.NodeClaim) {
	w.t.Helper()
	w.clock.Step(givenUpAfter)
	for _, c := range claims {
		w.isDeleted(c)
	}
}

// apply sets the condition as the class's controller does.
func (w *world) apply() *status.Condition {
	w.health.Apply(w.class)
	return w.class.StatusConditions().Get(v1alpha1.ConditionTypeNodesRegister)
}

// stop makes a class that nothing is launched from.
func (w *world) stop() {
	w.t.Helper()
	w.fail(w.claim(newImage), w.claim(newImage), w.claim(newImage))
	require.True(w.t, w.apply().IsFalse())
}

func TestAClassWhoseNodesNeverRegisterIsNotLaunchedFrom(t *testing.T) {
	w := newWorld(t)
	first := w.claim(newImage)
	w.health.Explain(first.UID, "the subnet has no route")
	w.fail(first)
	w.fail(w.claim(newImage))
	require.True(t, w.apply().IsTrue(), "two may be bad luck")
	require.NoError(t, w.health.Admit(w.class, w.claim(newImage)))
	w.fail(w.claim(newImage))
	condition := w.apply()
	require.True(t, condition.IsFalse())
	require.Equal(t, reasonStopped, condition.Reason)
	require.Contains(t, condition.Message, "after 5m0s: the subnet has no route")
	require.ErrorContains(t, w.health.Admit(w.class, w.claim(newImage)), "do not register")
	require.Equal(t, 1, w.recorder.Calls(EventStopped))
	require.Len(t, w.health.changed, 1, "the condition is set without delay")
}

func TestOneNodeTriesWhetherTheOthersMayFollow(t *testing.T) {
	w := newWorld(t)
	w.stop()
	w.clock.Step(firstBackoff)
	require.Equal(t, reasonTryingAgain, w.apply().Reason)
	require.True(t, w.apply().IsTrue(), "core makes NodeClaims again")
	probe, other := w.claim(newImage), w.claim(newImage)
	require.NoError(t, w.health.Admit(w.class, probe))
	require.NoError(t, w.health.Admit(w.class, probe), "core asks again for the same one")
	require.ErrorContains(t, w.health.Admit(w.class, other), probe.Name)
	condition := w.apply()
	require.True(t, condition.IsFalse(), "the others wait")
	require.Equal(t, reasonTrying, condition.Reason)

	w.registers(probe)
	require.True(t, w.apply().IsTrue())
	require.NoError(t, w.health.Admit(w.class, other))
	require.Equal(t, 1, w.recorder.Calls(EventResumed))
	w.fail(w.claim(newImage))
	require.True(t, w.apply().IsTrue(), "it counts from the start again")
}

func TestEachTryThatFailsDoublesTheWait(t *testing.T) {
	w := newWorld(t)
	w.stop()
	for wait := firstBackoff; ; wait = min(2*wait, maxBackoff) {
		w.clock.Step(wait - time.Second)
		require.Error(t, w.health.Admit(w.class, w.claim(newImage)))
		w.clock.Step(time.Second)
		probe := w.claim(newImage)
		require.NoError(t, w.health.Admit(w.class, probe), "it heals by itself after %s", wait)
		w.fail(probe)
		if wait == maxBackoff {
			break
		}
	}
	require.Equal(t, maxBackoff, w.health.Apply(w.class), "no wait is longer")
}

func TestATryThatProvesNothingIsMadeAgain(t *testing.T) {
	for _, c := range []struct {
		name string
		end  func(*world, *karpv1.NodeClaim)
	}{
		{"nothing was launched", func(w *world, c *karpv1.NodeClaim) { w.health.Ended(w.class, c.UID) }},
		{"somebody deleted the NodeClaim", func(w *world, c *karpv1.NodeClaim) { w.clock.Step(time.Minute); w.isDeleted(c) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.stop()
			w.clock.Step(firstBackoff)
			probe := w.claim(newImage)
			require.NoError(t, w.health.Admit(w.class, probe))
			c.end(w, probe)
			require.NoError(t, w.health.Admit(w.class, w.claim(newImage)))
		})
	}
}

func TestAFewBadHostsStopNothing(t *testing.T) {
	w := newWorld(t)
	var bad []*karpv1.NodeClaim
	for range 10 {
		bad = append(bad, w.claim(newImage))
	}
	w.clock.Step(time.Second)
	good := w.claim(newImage)
	w.registers(good)
	w.fail(bad...)
	require.True(t, w.apply().IsTrue(), "a node that was made after them registered")
}

func TestNodesThatWereThereBeforeProveNothingAboutLaterOnes(t *testing.T) {
	w := newWorld(t)
	old := w.claim(newImage)
	w.registers(old)
	w.clock.Step(time.Hour)
	w.stop()
	w.look(old) // an update of a node that has long been there
	require.True(t, w.apply().IsFalse())
}

func TestAChangedSpecIsTriedAtOnce(t *testing.T) {
	w := newWorld(t)
	underWay := []*karpv1.NodeClaim{w.claim(newImage), w.claim(newImage), w.claim(newImage)}
	w.stop()
	w.class.Generation++
	require.True(t, w.apply().IsTrue())
	require.NoError(t, w.health.Admit(w.class, w.claim(newImage)))
	require.NoError(t, w.kube.Update(t.Context(), w.class))
	w.fail(underWay...)
	require.True(t, w.apply().IsTrue(), "launches of the spec before say nothing about this one")
}

func TestARestartKeepsAClassStopped(t *testing.T) {
	w := newWorld(t)
	old := w.claim(newImage)
	w.registers(old)
	w.clock.Step(time.Hour)
	w.stop()
	message := w.class.StatusConditions().Get(v1alpha1.ConditionTypeNodesRegister).Message
	for i := range w.class.Status.Conditions {
		w.class.Status.Conditions[i].LastTransitionTime = metav1.NewTime(w.clock.Now())
	}
	require.NoError(t, w.kube.Status().Update(t.Context(), w.class))
	w.restart()
	w.look(old) // a process that starts looks at every NodeClaim
	require.Equal(t, message, w.apply().Message)
	require.Error(t, w.health.Admit(w.class, w.claim(newImage)))
	w.clock.Step(firstBackoff)
	require.NoError(t, w.health.Admit(w.class, w.claim(newImage)))
}

func TestAnImageIsToBlameWhenNodesOfAnotherRegister(t *testing.T) {
	w := newWorld(t)
	w.registers(w.claim(oldImage))
	w.clock.Step(time.Hour)
	w.fail(w.claim(newImage))
	require.Empty(t, w.health.FailedImages(w.class), "one may be bad luck")
	w.fail(w.claim(newImage))
	require.Equal(t, []string{newImage}, w.health.FailedImages(w.class))
	require.Equal(t, 1, w.recorder.Calls(EventImageHeld))
	require.True(t, w.apply().IsTrue(), "the class is launched from, with the image before")

	w.health.Excuse(w.class, newImage)
	require.Empty(t, w.health.FailedImages(w.class))
}

func TestAnImageThatHasANodeIsNotBlamed(t *testing.T) {
	w := newWorld(t)
	w.registers(w.claim(oldImage))
	w.registers(w.claim(newImage))
	w.clock.Step(time.Hour)
	w.stop()
	require.Empty(t, w.health.FailedImages(w.class), "something else is wrong with the class")
}

func TestAnImageWithoutAnAlternativeIsTheClasssTrouble(t *testing.T) {
	w := newWorld(t)
	w.registers(w.claim(oldImage)) // of another architecture, say
	for range imageFailuresAllowed + failuresAllowed {
		w.clock.Step(time.Second)
		w.fail(w.claim(newImage))
	}
	require.True(t, w.apply().IsFalse())
}

func TestTheFirstNodesOfAnImageTellWhetherTheOthersMayFollow(t *testing.T) {
	w := newWorld(t)
	may := func(uid string) bool { return w.health.MayReplace(w.class, types.UID(uid), newImage) }
	require.True(t, may("a"))
	require.True(t, may("b"))
	require.False(t, may("c"), "two are enough to see")
	require.True(t, may("a"), "core asks again and again")
	w.clock.Step(firstReplacementsFor + time.Second)
	require.True(t, may("c"), "those were never heard of again")
	w.registers(w.claim(newImage))
	for i := range 100 {
		require.True(t, may(fmt.Sprint(i)), "the disruption budgets pace the rest")
	}
}

func TestNodeClaimsOfOthersAreNotJudged(t *testing.T) {
	w := newWorld(t)
	for range 2 * failuresAllowed {
		c := w.claim(newImage)
		c.Spec.NodeClassRef.Group = "karpenter.k8s.aws"
		w.fail(c)
	}
	gone := w.claim(newImage)
	gone.Spec.NodeClassRef.Name = "deleted-since"
	w.fail(gone)
	neverLaunched := w.claim(newImage)
	neverLaunched.Status.ProviderID = ""
	w.fail(neverLaunched, neverLaunched, neverLaunched)
	require.True(t, w.apply().IsTrue())
}
