package record

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	clocktesting "k8s.io/utils/clock/testing"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
)

// fakeSource is a cloud with the given instances.
type fakeSource struct{ instances []Instance }

func (f *fakeSource) Instances() []Instance           { return f.instances }
func (f *fakeSource) OCICalls() (map[string]int, int) { return map[string]int{"ListInstances": 4}, 1 }
func (f *fakeSource) Calls() []Call                   { return nil }
func (f *fakeSource) Cost() map[Layer]float64         { return map[Layer]float64{LayerFixed: 0.5} }
func (f *fakeSource) Changes(context.Context) <-chan struct{} {
	return make(chan struct{})
}

func newTestRecorder() (*Recorder, *fakeSource, *clocktesting.FakeClock) {
	clock, source := clocktesting.NewFakeClock(time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)), &fakeSource{}
	return New(&rest.Config{}, source, clock), source, clock
}

func testNode(name, uid string, labels map[string]string, ready bool) *corev1.Node {
	status := corev1.ConditionFalse
	if ready {
		status = corev1.ConditionTrue
	}
	return &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID(uid), Labels: labels},
		Status: corev1.NodeStatus{Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: status}}}}
}

func testPod(name, node string, running bool, tolerations ...corev1.Toleration) *corev1.Pod {
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID(name), Labels: map[string]string{"app": "demo"}},
		Spec: corev1.PodSpec{NodeName: node, Tolerations: tolerations}, Status: corev1.PodStatus{Phase: corev1.PodPending}}
	if running {
		p.Status.Phase = corev1.PodRunning
		p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
	}
	return p
}

func TestANodeBelongsToTheLayerItsLabelsTell(t *testing.T) {
	cases := []struct {
		name   string
		labels map[string]string
		want   Layer
	}{
		{"the type label makes a virtual node", map[string]string{"type": "virtual-node"}, LayerVirtual},
		{"so does the role label, even beside a workload type", map[string]string{"node-role.kubernetes.io/virtual-node": "", "workload-type": "x"}, LayerVirtual},
		{"a NodePool label makes a Karpenter node although it has the fixed nodes' label too", map[string]string{karpv1.NodePoolLabelKey: "p", "workload-type": "stateful"}, LayerKarpenter},
		{"a workload type alone makes a fixed node", map[string]string{"workload-type": "stateful"}, LayerFixed},
		{"everything else is a system node", nil, LayerSystem},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) { require.Equal(t, c.want, LayerOf(testNode("n", "n", c.labels, true))) })
	}
}

func TestAPodIsFollowedFromItsCreationToItsEnd(t *testing.T) {
	r, _, clock := newTestRecorder()
	virtual := testNode("10.0.12.10", "v", map[string]string{"type": "virtual-node"}, true)
	r.see(virtual, false)
	toleration := corev1.Toleration{Key: "virtual-kubelet.io/provider", Operator: corev1.TolerationOpExists}
	step := func(p *corev1.Pod, gone bool) PodCounts {
		clock.Step(time.Second)
		r.see(p, gone)
		return r.Sample().Pods[LayerVirtual]
	}
	require.Equal(t, PodCounts{Pending: 1}, step(testPod("a", "", false, toleration), false), "a pod without a node counts for the layer it tolerates")
	require.Equal(t, PodCounts{Starting: 1}, step(testPod("a", "10.0.12.10", false, toleration), false))
	require.Equal(t, PodCounts{Running: 1}, step(testPod("a", "10.0.12.10", true, toleration), false))
	ending := testPod("a", "10.0.12.10", true, toleration)
	ending.DeletionTimestamp = &metav1.Time{Time: clock.Now()}
	require.Equal(t, PodCounts{Ending: 1}, step(ending, false))
	require.Equal(t, PodCounts{}, step(ending, true))

	got := r.Recording().Pods
	require.Len(t, got, 1)
	begin := r.rec.Started
	require.Equal(t, []time.Time{begin.Add(time.Second), begin.Add(2 * time.Second), begin.Add(3 * time.Second), begin.Add(4 * time.Second), begin.Add(5 * time.Second)},
		[]time.Time{got[0].Created, got[0].Bound, got[0].Running, got[0].Deleting, got[0].Gone})
	require.True(t, got[0].ToleratesVirtual)
}

func TestAPodSeenBeforeItsNodeGetsTheLayerWhenTheNodeIsSeen(t *testing.T) {
	r, _, _ := newTestRecorder()
	r.see(testPod("a", "10.0.16.2", true), false)
	r.see(testNode("10.0.16.2", "n", map[string]string{"workload-type": "stateful"}, true), false)
	require.Equal(t, 1, r.Sample().Pods[LayerFixed].Running)
}

func TestPodsOfADeletedNodeDoNotCountAsRunning(t *testing.T) {
	r, _, _ := newTestRecorder()
	node := testNode("10.0.16.9", "n", map[string]string{karpv1.NodePoolLabelKey: "p"}, true)
	r.see(node, false)
	r.see(testPod("a", "10.0.16.9", true), false)
	require.Equal(t, 1, r.Sample().Pods[LayerKarpenter].Running)
	r.see(node, true)
	require.Equal(t, PodCounts{Ending: 1}, r.Sample().Pods[LayerKarpenter])
}

func TestANameThatComesBackIsAnotherNode(t *testing.T) {
	r, _, _ := newTestRecorder()
	first := testNode("10.0.16.9", "one", map[string]string{karpv1.NodePoolLabelKey: "p"}, true)
	r.see(first, false)
	r.see(first, true)
	r.see(testNode("10.0.16.9", "two", map[string]string{karpv1.NodePoolLabelKey: "p"}, false), false)
	nodes := r.Recording().Nodes
	require.Len(t, nodes, 2)
	require.False(t, nodes[0].Gone.IsZero())
	require.True(t, nodes[1].Gone.IsZero())
	s := r.Sample()
	require.Equal(t, 0, s.NodesReady[LayerKarpenter])
	require.Equal(t, 1, s.NodesOther[LayerKarpenter])
}

func TestACordonedNodeIsNotCountedAsReady(t *testing.T) {
	r, _, _ := newTestRecorder()
	node := testNode("v", "v", map[string]string{"type": "virtual-node"}, true)
	r.see(node, false)
	require.Equal(t, 1, r.Sample().NodesReady[LayerVirtual])
	node.Spec.Unschedulable = true
	r.see(node, false)
	require.Equal(t, 0, r.Sample().NodesReady[LayerVirtual])
	require.Equal(t, 1, r.Sample().NodesOther[LayerVirtual])
}

func TestNodeClaimsAreCountedByHowFarTheyAre(t *testing.T) {
	r, _, _ := newTestRecorder()
	claim := &karpv1.NodeClaim{ObjectMeta: metav1.ObjectMeta{Name: "c", UID: "c", Labels: map[string]string{karpv1.NodePoolLabelKey: "p"}}}
	r.see(claim, false)
	require.Equal(t, ClaimCounts{Launching: 1}, r.Sample().Claims)
	claim.StatusConditions().SetTrue(karpv1.ConditionTypeLaunched)
	r.see(claim, false)
	require.Equal(t, ClaimCounts{Joining: 1}, r.Sample().Claims)
	claim.StatusConditions().SetTrue(karpv1.ConditionTypeInitialized)
	r.see(claim, false)
	require.Equal(t, ClaimCounts{Ready: 1}, r.Sample().Claims)
	claim.DeletionTimestamp = &metav1.Time{Time: time.Now()}
	r.see(claim, false)
	require.Equal(t, ClaimCounts{Ending: 1}, r.Sample().Claims)
	r.see(toolscache.DeletedFinalStateUnknown{Obj: claim}.Obj, true)
	require.Equal(t, ClaimCounts{}, r.Sample().Claims)
}

func TestANodeClaimHasTheSizeOfItsTypeAndThatOfItsInstance(t *testing.T) {
	r, _, _ := newTestRecorder()
	claim := &karpv1.NodeClaim{ObjectMeta: metav1.ObjectMeta{Name: "c", UID: "c"}}
	r.see(claim, false)
	require.Equal(t, Size{}, r.Recording().NodeClaims[0].Size, "not launched yet")
	claim.Labels = map[string]string{v1alpha1.LabelInstanceOCPU: "4", v1alpha1.LabelInstanceMemory: "32768"}
	claim.Annotations = map[string]string{v1alpha1.AnnotationInstanceOCPUs: "3", v1alpha1.AnnotationInstanceMemoryGB: "20"}
	r.see(claim, false)
	c := r.Recording().NodeClaims[0]
	require.Equal(t, Size{OCPUs: 4, MemoryGB: 32}, c.TypeSize)
	require.Equal(t, Size{OCPUs: 3, MemoryGB: 20}, c.Size)
	require.True(t, c.Size.Within(c.TypeSize))
	require.False(t, Size{OCPUs: 3, MemoryGB: 33}.Within(c.TypeSize))
}

func TestInstancesKeepTheTimesOfTheirSteps(t *testing.T) {
	r, source, clock := newTestRecorder()
	for _, state := range []string{"PROVISIONING", "RUNNING", "TERMINATING", "TERMINATED", "TERMINATED"} {
		source.instances = []Instance{{ID: "i", State: state}}
		r.Sample()
		clock.Step(time.Second)
	}
	begin := r.rec.Started
	got := r.Recording().Instances[0]
	require.Equal(t, []time.Time{begin, begin.Add(time.Second), begin.Add(2 * time.Second), begin.Add(3 * time.Second)}, []time.Time{got.Launched, got.Running, got.Terminating, got.Terminated})
	require.Equal(t, "TERMINATED", got.State)
}

func TestWhoWaitsIsWokenByEveryChange(t *testing.T) {
	r, _, _ := newTestRecorder()
	changed := r.Changed()
	select {
	case <-changed:
		require.Fail(t, "nothing has changed yet")
	default:
	}
	r.see(testPod("a", "", false), false)
	select {
	case <-changed:
	default:
		require.Fail(t, "a new pod is a change")
	}
}

func TestAPhaseEndsWhenTheNextBegins(t *testing.T) {
	r, _, clock := newTestRecorder()
	r.BeginPhase("one")
	clock.Step(time.Second)
	r.BeginPhase("two")
	clock.Step(time.Second)
	r.EndPhase(context.DeadlineExceeded)
	r.EndPhase(nil)
	phases := r.Recording().Phases
	require.Len(t, phases, 2)
	require.Equal(t, time.Second, phases[0].End.Sub(phases[0].Start))
	require.Empty(t, phases[0].Error)
	require.Equal(t, context.DeadlineExceeded.Error(), phases[1].Error, "a second end changes nothing")
}

func TestARecordingIsACopy(t *testing.T) {
	r, _, _ := newTestRecorder()
	r.see(testPod("a", "", false), false)
	before := r.Recording()
	r.see(testPod("a", "n", true), false)
	require.True(t, before.Pods[0].Running.IsZero())
	require.Equal(t, 4, before.OCICallTotal())
}
