package virtualnode

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/controllers/state/informer"
)

const (
	simStep     = time.Minute
	simMinutes  = 40
	simPods     = 1000
	simOverflow = 5 * time.Minute
	simLife     = 6 * time.Minute // of a pod that runs
	simBoot     = time.Minute     // of a machine
	virtualRoom = 400             // pods
)

// ownTaint keeps the pods of virtual nodes off the machines of the others, so that they get none but by overflow.
var ownTaint = corev1.Taint{Key: "own", Value: "true", Effect: corev1.TaintEffectNoSchedule}

func plainPod(p *corev1.Pod) {
	selector("own", "true")(p)
	toleration(corev1.Toleration{Key: "own", Operator: corev1.TolerationOpExists})(p)
}

// simPod is what the simulation knows of a pod.
type simPod struct {
	pod     *corev1.Pod
	kind    string
	started time.Time
	layers  []Layer // as decided while it waited, each once in a row
	bought  int     // NodeClaims whose plan held it
}

// simulation plays what is around core: kube-scheduler, virtual nodes, machines that boot, pods that come and end.
type simulation struct {
	*coreEnv
	t        *testing.T
	pods     map[types.NamespacedName]*simPod
	open     []*simPod // neither ended nor gone
	onNode   map[string]int
	boots    map[string]time.Time // of NodeClaims without a Node
	closed   bool                 // virtual nodes are cordoned
	nodeRoom map[string]int
	nodePool map[string]string
}

// TestAThousandPodsOverManyMinutes is 40 minutes of simulated time through core's own provisioner and state. Virtual nodes flap all the
// time and are cordoned from minute 10 to 20, and pods may wait for them for 5 minutes. Nothing may be bought twice for a pod, for a pod
// that a virtual node takes, or for one that only virtual nodes match; and in the end everything ran.
func TestAThousandPodsOverManyMinutes(t *testing.T) {
	cfg := DefaultConfig()
	cfg.OverflowAfter = simOverflow
	s := &simulation{
		coreEnv: newCoreEnv(t, cfg, nodePool("general", nil), nodePool("own", map[string]string{"own": "true"}, ownTaint), vnode("virtual-1")), t: t,
		pods: map[types.NamespacedName]*simPod{}, onNode: map[string]int{}, boots: map[string]time.Time{}, nodeRoom: map[string]int{},
		nodePool: map[string]string{},
	}
	steps := int(simMinutes * time.Minute / simStep)
	arriving := steps * 3 / 4
	created := 0
	for step := range steps {
		minute := step * int(simStep/time.Second) / 60
		s.setVirtual(minute >= 10 && minute < 20, step%3 == 2)
		for want := min(simPods, simPods*(step+1)/arriving); created < want; created++ {
			s.arrive(created)
		}
		s.endPods()
		s.bootNodes()
		s.bindPods()
		s.plan(minute)
		s.clock.Step(simStep)
	}
	s.judge()
}

func (s *simulation) setVirtual(cordon, away bool) {
	edits := []func(*corev1.Node){}
	if s.closed = cordon; cordon {
		edits = append(edits, cordoned)
	}
	if away {
		edits = append(edits, notReadySince(s.clock.Now()))
	}
	s.filter.index.setNode(vnode("virtual-1", edits...), load{pods: int64(s.onNode["virtual-1"])})
}

func (s *simulation) arrive(i int) {
	kind := []string{"burst", "burst", "only-virtual", "plain", "burst"}[i%5]
	edit := map[string]func(*corev1.Pod){"burst": byKey, "only-virtual": burst, "plain": plainPod}[kind]
	p := pendingPod(fmt.Sprintf("%s-%d", kind, i), edit, func(p *corev1.Pod) {
		p.CreationTimestamp, p.Status.Conditions = metav1.NewTime(s.clock.Now()), nil
	})
	require.NoError(s.t, s.api.Create(s.ctx, p))
	sp := &simPod{pod: p, kind: kind}
	s.pods[client.ObjectKeyFromObject(p)], s.open = sp, append(s.open, sp)
}

// endPods deletes pods that have run for long enough.
func (s *simulation) endPods() {
	var open []*simPod
	for _, sp := range s.open {
		if sp.started.IsZero() || s.clock.Since(sp.started) < simLife {
			open = append(open, sp)
			continue
		}
		s.onNode[sp.pod.Spec.NodeName]--
		require.NoError(s.t, s.api.Delete(s.ctx, sp.pod))
		s.seePod(sp.pod)
	}
	s.open = open
}

// bootNodes registers the machines whose time has come.
func (s *simulation) bootNodes() {
	for name, at := range s.boots {
		if s.clock.Now().Before(at) {
			continue
		}
		delete(s.boots, name)
		claim := &karpv1.NodeClaim{}
		require.NoError(s.t, s.api.Get(s.ctx, client.ObjectKey{Name: name}, claim))
		node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: claim.Labels}, Spec: corev1.NodeSpec{ProviderID: claim.Status.ProviderID}}
		node.Labels[karpv1.NodeRegisteredLabelKey], node.Labels[karpv1.NodeInitializedLabelKey] = "true", "true"
		node.Status.Capacity, node.Status.Allocatable = claim.Status.Capacity, claim.Status.Allocatable
		node.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}
		require.NoError(s.t, s.api.Create(s.ctx, node))
		for _, c := range []string{karpv1.ConditionTypeRegistered, karpv1.ConditionTypeInitialized} {
			claim.StatusConditions().SetTrue(c)
		}
		claim.Status.NodeName = name
		require.NoError(s.t, s.api.Status().Update(s.ctx, claim))
		s.cluster.UpdateNodeClaim(claim)
		require.NoError(s.t, s.cluster.UpdateNode(s.ctx, node))
		s.nodePool[name] = claim.Labels[karpv1.NodePoolLabelKey]
		s.nodeRoom[name] = int(min(node.Status.Allocatable.Pods().Value(), node.Status.Allocatable.Cpu().MilliValue()/250))
	}
}

// bindPods is kube-scheduler: virtual nodes for pods that tolerate them, else machines with room, else a verdict.
func (s *simulation) bindPods() {
	for _, sp := range s.open {
		if sp.pod.Spec.NodeName != "" {
			continue
		}
		if node := s.choose(sp); node != "" {
			s.bind(sp, node)
		} else if len(sp.pod.Status.Conditions) == 0 {
			sp.pod.Status.Conditions = []corev1.PodCondition{{
				Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonUnschedulable, LastTransitionTime: metav1.NewTime(s.clock.Now()),
			}}
			require.NoError(s.t, s.api.Status().Update(s.ctx, sp.pod))
		}
	}
}

func (s *simulation) choose(sp *simPod) string {
	if sp.kind != "plain" && !s.closed && s.onNode["virtual-1"] < virtualRoom {
		return "virtual-1"
	}
	if sp.kind == "only-virtual" {
		return ""
	}
	pool := map[string]string{"plain": "own", "burst": "general"}[sp.kind]
	for _, name := range slices.Sorted(maps.Keys(s.nodeRoom)) {
		if s.nodePool[name] == pool && s.onNode[name] < s.nodeRoom[name] {
			return name
		}
	}
	return ""
}

func (s *simulation) bind(sp *simPod, node string) {
	runningOn(node)(sp.pod)
	status := sp.pod.Status
	require.NoError(s.t, s.api.Update(s.ctx, sp.pod))
	sp.pod.Status = status
	require.NoError(s.t, s.api.Status().Update(s.ctx, sp.pod))
	s.seePod(sp.pod)
	sp.started = s.clock.Now()
	s.onNode[node]++
}

func (s *simulation) seePod(p *corev1.Pod) {
	_, err := informer.NewPodController(s.core, s.cluster).Reconcile(s.ctx, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(p)})
	require.NoError(s.t, err)
}

// plan runs core's provisioner once and launches what it wants.
func (s *simulation) plan(minute int) {
	for _, sp := range s.open {
		if sp.pod.Spec.NodeName != "" || len(sp.pod.Status.Conditions) == 0 {
			continue
		}
		if d := s.filter.Decide(sp.pod); len(sp.layers) == 0 || sp.layers[len(sp.layers)-1] != d.Layer {
			sp.layers = append(sp.layers, d.Layer)
		}
	}
	results := s.schedule(s.t)
	require.Empty(s.t, results.PodErrors, "minute %d", minute)
	require.Zero(s.t, onExisting(results, "virtual-1"), "minute %d", minute)
	for _, c := range results.NewNodeClaims {
		for _, p := range c.Pods {
			sp := s.pods[client.ObjectKeyFromObject(p)]
			sp.bought++
			waited := s.clock.Since(sp.pod.Status.Conditions[0].LastTransitionTime.Time)
			require.True(s.t, sp.kind == "plain" || sp.kind == "burst" && waited >= simOverflow, "minute %d: bought for %s after %s", minute, p.Name, waited)
		}
	}
	names, err := s.provisioner.CreateNodeClaims(s.ctx, results.NewNodeClaims)
	require.NoError(s.t, err)
	for _, name := range names {
		claim := &karpv1.NodeClaim{}
		require.NoError(s.t, s.api.Get(s.ctx, client.ObjectKey{Name: name}, claim))
		launched, err := s.cloud.Create(s.ctx, claim)
		require.NoError(s.t, err)
		for key, value := range launched.Labels {
			claim.Labels[key] = value
		}
		require.NoError(s.t, s.api.Update(s.ctx, claim))
		claim.Status.ProviderID, claim.Status.Capacity, claim.Status.Allocatable = launched.Status.ProviderID, launched.Status.Capacity, launched.Status.Allocatable
		claim.StatusConditions().SetTrue(karpv1.ConditionTypeLaunched)
		require.NoError(s.t, s.api.Status().Update(s.ctx, claim))
		s.cluster.UpdateNodeClaim(claim)
		s.boots[name] = s.clock.Now().Add(simBoot)
	}
}

func (s *simulation) judge() {
	overflowed, seats, seated := 0, 0, 0
	for key, sp := range s.pods {
		require.False(s.t, sp.started.IsZero(), "%s never ran", key)
		seats += sp.bought
		if sp.pod.Spec.NodeName != "virtual-1" {
			seated++
		}
		switch sp.kind {
		case "plain":
			require.NotEqual(s.t, "virtual-1", sp.pod.Spec.NodeName, "%s", key)
		case "only-virtual":
			require.Equal(s.t, "virtual-1", sp.pod.Spec.NodeName, "%s", key)
			require.NotContains(s.t, sp.layers, LayerManaged, "%s", key)
		default:
			require.LessOrEqual(s.t, len(sp.layers), 2, "%s oscillates: %v", key, sp.layers)
			overflowed += sp.bought
		}
		if len(sp.layers) == 2 {
			require.Equal(s.t, []Layer{LayerVirtual, LayerManaged}, sp.layers, "%s", key)
		}
	}
	require.Len(s.t, s.pods, simPods)
	// A pod that waits for virtual nodes may take a seat that was bought for another, which is then bought for again; but every seat is
	// sat on, so nothing was bought twice.
	require.LessOrEqual(s.t, seats, seated, "more seats were bought than pods needed")
	require.Positive(s.t, overflowed, "nothing overflowed, so nothing was shown")
	s.t.Logf("%d of %d pods overflowed, %d nodes with %d seats were bought, %d pods ran on them", overflowed, simPods, len(s.nodeRoom), seats, seated)
}
