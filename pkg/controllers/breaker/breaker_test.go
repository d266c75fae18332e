package breaker

import (
	"fmt"
	"testing"
	"time"

	"github.com/awslabs/operatorpkg/status"
	"github.com/samber/lo"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/scheme"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/test"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
)

var noon = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

// mapping is what core has noted: for which NodeClaim each pod is now.
type mapping map[types.NamespacedName]string

func (m mapping) PodsMappedToNodeClaim(name string) []types.NamespacedName {
	return lo.Keys(lo.PickByValues(m, []string{name}))
}

// released remembers which pods were let go.
type released []types.NamespacedName

func (r *released) Release(pods ...types.NamespacedName) { *r = append(*r, pods...) }

// world plays core, kube-scheduler and the machines around a breaker.
type world struct {
	t         *testing.T
	clock     *clocktesting.FakeClock
	kube      client.Client
	mapping   mapping
	released  *released
	recorder  *test.EventRecorder
	breaker   *Breaker
	purchases *PurchasesController
	verdicts  *VerdictsController
	claims    int
}

func newWorld(t *testing.T) *world {
	t.Helper()
	nodePool := &karpv1.NodePool{ObjectMeta: metav1.ObjectMeta{Name: "pool"}}
	nodePool.Spec.Template.Spec.NodeClassRef = &karpv1.NodeClassReference{Group: v1alpha1.Group, Kind: "OciNodeClass", Name: "class"}
	kube := fake.NewClientBuilder().WithScheme(scheme.Scheme).WithStatusSubresource(&karpv1.NodeClaim{}).
		WithObjects(nodePool, &v1alpha1.OciNodeClass{ObjectMeta: metav1.ObjectMeta{Name: "class"}}).
		WithIndex(&corev1.Node{}, "spec.providerID", func(o client.Object) []string { return []string{o.(*corev1.Node).Spec.ProviderID} }).
		WithIndex(&corev1.Pod{}, "spec.nodeName", func(o client.Object) []string { return []string{o.(*corev1.Pod).Spec.NodeName} }).Build()
	w := &world{t: t, clock: clocktesting.NewFakeClock(noon), kube: kube, mapping: mapping{}, released: &released{}, recorder: test.NewEventRecorder(), breaker: New()}
	w.purchases = NewPurchasesController(kube, w.mapping, w.breaker)
	w.verdicts = NewVerdictsController(kube, w.recorder, w.mapping, w.breaker, w.released, w.clock)
	return w
}

func memory(text string) corev1.ResourceList {
	return corev1.ResourceList{corev1.ResourceMemory: resource.MustParse(text)}
}

func (w *world) pod(name, request string, change ...func(*corev1.Pod)) *corev1.Pod {
	w.t.Helper()
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name, UID: types.UID(name)}}
	p.Spec.Containers = []corev1.Container{{Name: "c", Resources: corev1.ResourceRequirements{Requests: memory(request)}}}
	p.Status.Phase = corev1.PodPending
	for _, c := range change {
		c(p)
	}
	require.NoError(w.t, w.kube.Create(w.t.Context(), p))
	return p
}

// buy is core making a NodeClaim for pods that it sees.
func (w *world) buy(request string, pods ...*corev1.Pod) *karpv1.NodeClaim {
	w.t.Helper()
	w.claims++
	claim := &karpv1.NodeClaim{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("claim-%d", w.claims), Labels: map[string]string{karpv1.NodePoolLabelKey: "pool"}}}
	claim.Spec.NodeClassRef = &karpv1.NodeClassReference{Group: v1alpha1.Group, Kind: "OciNodeClass", Name: "class"}
	claim.Spec.Resources.Requests = memory(request)
	claim.Status.ProviderID = "id-" + claim.Name
	require.NoError(w.t, w.kube.Create(w.t.Context(), claim))
	for _, p := range pods {
		_, held := w.breaker.Held(p)
		require.False(w.t, held, "core would not see %s", p.Name)
		w.mapping[client.ObjectKeyFromObject(p)] = claim.Name
	}
	w.look(claim)
	return claim
}

func (w *world) look(claim *karpv1.NodeClaim) {
	w.t.Helper()
	_, err := w.purchases.Reconcile(w.t.Context(), claim)
	require.NoError(w.t, err)
}

// register makes the node of a NodeClaim appear.
func (w *world) register(claim *karpv1.NodeClaim, allocatable string, ready corev1.ConditionStatus) *corev1.Node {
	w.t.Helper()
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "node-" + claim.Name}, Spec: corev1.NodeSpec{ProviderID: claim.Status.ProviderID}}
	node.Status.Allocatable = memory(allocatable)
	node.Status.Allocatable[corev1.ResourcePods] = resource.MustParse("110")
	node.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: ready}}
	require.NoError(w.t, w.kube.Create(w.t.Context(), node))
	w.look(claim)
	return node
}

// initialize is core finding the node complete.
func (w *world) initialize(claim *karpv1.NodeClaim) {
	w.t.Helper()
	claim.StatusConditions(status.WithClock(w.clock)).SetTrue(karpv1.ConditionTypeInitialized)
	require.NoError(w.t, w.kube.Status().Update(w.t.Context(), claim))
	w.look(claim)
}

// comeUp is both.
func (w *world) comeUp(claim *karpv1.NodeClaim, allocatable string) *corev1.Node {
	w.t.Helper()
	node := w.register(claim, allocatable, corev1.ConditionTrue)
	w.initialize(claim)
	return node
}

func (w *world) bind(p *corev1.Pod, node string) {
	w.t.Helper()
	p.Spec.NodeName = node
	require.NoError(w.t, w.kube.Update(w.t.Context(), p))
}

// pass lets time go by, with the controller looking at each second.
func (w *world) pass(d time.Duration) {
	w.t.Helper()
	for range d / time.Second {
		w.clock.Step(time.Second)
		_, err := w.verdicts.Reconcile(w.t.Context())
		require.NoError(w.t, err)
	}
}

func (w *world) held(p *corev1.Pod) string {
	reason, _ := w.breaker.Held(p)
	return reason
}

func TestTheSecondNodeInVainTripsAndTheBackoffDoubles(t *testing.T) {
	w := newWorld(t)
	p := w.pod("p", "1Gi")
	w.comeUp(w.buy("1Gi", p), "8Gi")
	w.pass(5 * time.Minute)
	require.Empty(t, w.held(p), "the first one is free")

	w.comeUp(w.buy("1Gi", p), "8Gi")
	require.Equal(t, ReasonProbation, w.held(p))
	w.pass(patience - 2*time.Second)
	require.Equal(t, ReasonProbation, w.held(p), "kube-scheduler may still bind it")
	require.Empty(t, w.recorder.Events())
	w.pass(3 * time.Second)
	require.Equal(t, ReasonBackoff, w.held(p))
	require.Equal(t, 3, w.recorder.Calls(EventHeldBack), "on the pod, on the NodePool and on its class")

	for _, wait := range []time.Duration{time.Minute, 2 * time.Minute, 4 * time.Minute, 8 * time.Minute, 16 * time.Minute, 32 * time.Minute, time.Hour, time.Hour} {
		w.pass(wait - 5*time.Second)
		require.Equal(t, ReasonBackoff, w.held(p), wait)
		before := len(*w.released)
		w.pass(6 * time.Second)
		require.Empty(t, w.held(p), wait)
		require.Len(t, *w.released, before+1)
		w.comeUp(w.buy("1Gi", p), "8Gi")
		require.Equal(t, ReasonProbation, w.held(p))
		w.pass(patience + time.Second)
	}
	require.Equal(t, 10, w.claims, "in more than three hours")
}

func TestANodeThatIsTooSmallForItsOnlyPodIsJudgedAtOnce(t *testing.T) {
	w := newWorld(t)
	p := w.pod("p", "8Gi")
	w.register(w.buy("8Gi", p), "7Gi", corev1.ConditionFalse)
	second := w.buy("8Gi", p)
	require.Equal(t, ReasonProbation, w.held(p), "before its node is there")
	w.register(second, "7Gi", corev1.ConditionFalse)
	w.pass(time.Second)
	require.Equal(t, ReasonBackoff, w.held(p))
}

func TestAPodThatRunsIsForgotten(t *testing.T) {
	w := newWorld(t)
	p := w.pod("p", "1Gi")
	w.comeUp(w.buy("1Gi", p), "8Gi")
	second := w.comeUp(w.buy("1Gi", p), "8Gi")
	w.bind(p, second.Name)
	w.pass(2 * time.Second)
	require.Empty(t, w.held(p))
	require.Empty(t, w.recorder.Events())
	require.Empty(t, w.breaker.pods)
}

func TestPodsThatNeedNothingMoreAreForgottenInTime(t *testing.T) {
	w := newWorld(t)
	bound, gone := w.pod("bound", "1Gi"), w.pod("gone", "1Gi")
	node := w.comeUp(w.buy("2Gi", bound, gone), "8Gi")
	require.Len(t, w.breaker.pods, 2)
	w.bind(bound, node.Name)
	require.NoError(t, w.kube.Delete(t.Context(), gone))
	w.pass(2 * sweepInterval)
	require.Empty(t, w.breaker.pods)
}

func TestHealthyCasesAreNotHeldBack(t *testing.T) {
	for says, play := range map[string]func(w *world, p *corev1.Pod){
		"launches that fail again and again": func(w *world, p *corev1.Pod) {
			for range 6 {
				require.NoError(t, w.kube.Delete(t.Context(), w.buy("1Gi", p)))
				w.pass(10 * time.Second)
			}
		},
		"a node that takes long to become ready": func(w *world, p *corev1.Pod) {
			w.register(w.buy("1Gi", p), "8Gi", corev1.ConditionFalse)
			w.pass(10 * time.Minute)
		},
		"a node that does not say yet what it has": func(w *world, p *corev1.Pod) {
			w.register(w.buy("1Gi", p), "0", corev1.ConditionFalse)
			w.pass(10 * time.Minute)
		},
		"a pod that waits for its volume on its first node": func(w *world, p *corev1.Pod) {
			w.comeUp(w.buy("1Gi", p), "8Gi")
			w.pass(10 * time.Minute)
		},
		"a second node after the first was lost before it came up": func(w *world, p *corev1.Pod) {
			first := w.buy("1Gi", p)
			w.register(first, "8Gi", corev1.ConditionFalse)
			require.NoError(t, w.kube.Delete(t.Context(), first))
			w.comeUp(w.buy("1Gi", p), "8Gi")
			w.pass(10 * time.Minute)
		},
		"a NodeClaim of another provider": func(w *world, p *corev1.Pod) {
			for range 3 {
				claim := w.buy("1Gi")
				claim.Spec.NodeClassRef.Group = "karpenter.example"
				require.NoError(t, w.kube.Update(t.Context(), claim))
				w.mapping[client.ObjectKeyFromObject(p)] = claim.Name
				w.comeUp(claim, "8Gi")
				w.pass(time.Minute)
			}
		},
	} {
		t.Run(says, func(t *testing.T) {
			w := newWorld(t)
			p := w.pod("p", "1Gi")
			play(w, p)
			require.Empty(t, w.held(p))
			require.Empty(t, w.recorder.Events())
		})
	}
}

func TestOfSeveralPodsOnlyTheOneLeftOverIsWatched(t *testing.T) {
	w := newWorld(t)
	var pods []*corev1.Pod
	for i := range 4 {
		pods = append(pods, w.pod(fmt.Sprint("p", i), "2Gi"))
	}
	node := w.register(w.buy("8Gi", pods...), "7Gi", corev1.ConditionTrue)
	for _, p := range pods[:3] {
		w.bind(p, node.Name)
	}
	second := w.buy("2Gi", pods[3])
	require.Equal(t, ReasonProbation, w.held(pods[3]))
	for _, p := range pods[:3] {
		require.Empty(t, w.held(p))
	}
	w.bind(pods[3], w.comeUp(second, "3Gi").Name)
	w.pass(2 * time.Minute)
	require.Empty(t, w.recorder.Events())
	require.Empty(t, w.breaker.pods)
}

func TestAnUndersizedNodeOfSeveralPodsWaitsForTheScheduler(t *testing.T) {
	w := newWorld(t)
	a, b := w.pod("a", "4Gi"), w.pod("b", "4Gi")
	w.register(w.buy("8Gi", a, b), "3Gi", corev1.ConditionTrue)
	node := w.comeUp(w.buy("8Gi", a, b), "7Gi")
	w.pass(5 * time.Second)
	require.Equal(t, ReasonProbation, w.held(a), "one of them fits, and nobody knows which")
	w.bind(a, node.Name)
	w.pass(patience)
	require.Empty(t, w.held(a))
	require.Equal(t, ReasonBackoff, w.held(b))
}

func TestRoomThatOthersTookIsNoProof(t *testing.T) {
	w := newWorld(t)
	p := w.pod("p", "4Gi")
	w.comeUp(w.buy("4Gi", p), "8Gi")
	second := w.comeUp(w.buy("4Gi", p), "5Gi")
	w.bind(w.pod("foreign", "3Gi"), second.Name)
	w.pass(patience + time.Second)
	require.Empty(t, w.held(p))
	require.Empty(t, w.recorder.Events())
	require.Equal(t, released{{Namespace: "default", Name: "p"}}, *w.released)
}

func TestANodeThatWentAwayUnusedCounts(t *testing.T) {
	w := newWorld(t)
	p := w.pod("p", "1Gi")
	w.comeUp(w.buy("1Gi", p), "8Gi")
	second := w.buy("1Gi", p)
	w.comeUp(second, "8Gi")
	require.NoError(t, w.kube.Delete(t.Context(), second))
	w.pass(time.Second)
	require.Equal(t, ReasonBackoff, w.held(p))
}

func TestALaunchThatFailsOnProbationLetsThePodGo(t *testing.T) {
	w := newWorld(t)
	p := w.pod("p", "1Gi")
	w.comeUp(w.buy("1Gi", p), "8Gi")
	for range 3 {
		claim := w.buy("1Gi", p)
		require.Equal(t, ReasonProbation, w.held(p))
		require.NoError(t, w.kube.Delete(t.Context(), claim))
		w.pass(time.Second)
		require.Empty(t, w.held(p))
	}
	require.Empty(t, w.recorder.Events())
}

func TestAFirstNodeThatIsReadyLateStillCounts(t *testing.T) {
	w := newWorld(t)
	p := w.pod("p", "1Gi")
	first := w.buy("1Gi", p)
	w.register(first, "8Gi", corev1.ConditionTrue)
	w.buy("1Gi", p) // core saw on the registered node already that it will not do
	require.Empty(t, w.held(p))
	w.initialize(first)
	require.Equal(t, ReasonProbation, w.held(p))
}

func TestAPodOfTheSameNameIsAnotherPod(t *testing.T) {
	w := newWorld(t)
	p := w.pod("p", "1Gi")
	w.comeUp(w.buy("1Gi", p), "8Gi")
	w.comeUp(w.buy("1Gi", p), "8Gi")
	require.NoError(t, w.kube.Delete(t.Context(), p))
	again := w.pod("p", "1Gi", func(p *corev1.Pod) { p.UID = "again" })
	require.Empty(t, w.held(again))
	w.pass(time.Second)
	require.Empty(t, w.breaker.pods)
}

func TestAskingForAPodAllocatesNothing(t *testing.T) {
	w := newWorld(t)
	p := w.pod("p", "1Gi")
	w.comeUp(w.buy("1Gi", p), "8Gi")
	w.buy("1Gi", p)
	require.Zero(t, testing.AllocsPerRun(100, func() { w.breaker.Held(p) }))
}
