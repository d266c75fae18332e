package virtualnode

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/awslabs/operatorpkg/controller"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/kubernetes/scheme"
	clienttesting "k8s.io/client-go/testing"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	cloudfake "sigs.k8s.io/karpenter/pkg/cloudprovider/fake"
	"sigs.k8s.io/karpenter/pkg/controllers/disruption"
	"sigs.k8s.io/karpenter/pkg/controllers/dynamicresources/deviceallocation"
	"sigs.k8s.io/karpenter/pkg/controllers/provisioning"
	corescheduling "sigs.k8s.io/karpenter/pkg/controllers/provisioning/scheduling"
	"sigs.k8s.io/karpenter/pkg/controllers/state"
	"sigs.k8s.io/karpenter/pkg/controllers/state/informer"
	"sigs.k8s.io/karpenter/pkg/operator/injection"
	"sigs.k8s.io/karpenter/pkg/operator/options"
	"sigs.k8s.io/karpenter/pkg/state/virtualpods"
	coretest "sigs.k8s.io/karpenter/pkg/test"
	"sigs.k8s.io/karpenter/pkg/utils/pdb"
)

// moved is what a failed contract means.
const moved = "core reads pods or nodes another way than the filter expects; compare Provisioner.GetPendingPods, " +
	"StateNodes.CurrentlyReschedulablePods and the state.node informer with pkg/virtualnode/client.go"

// coreEnv is the real core over a fake API server, wired as the controller is.
type coreEnv struct {
	ctx         context.Context
	clock       *clocktesting.FakeClock
	api         client.Client
	core        client.Client // what core reads through
	filter      *Filter
	cluster     *state.Cluster
	cloud       *cloudfake.CloudProvider
	provisioner *provisioning.Provisioner
	recorder    *coretest.EventRecorder
	reads       *podReads
}

func newCoreEnv(t *testing.T, cfg Config, objects ...client.Object) *coreEnv {
	t.Helper()
	require.NoError(t, cfg.Validate())
	e := &coreEnv{ctx: options.ToContext(t.Context(), coretest.Options()), clock: testClock(), cloud: cloudfake.NewCloudProvider(), recorder: coretest.NewEventRecorder()}
	e.cloud.Reset()
	// The plain tracker: that of the builder keeps managed fields, which nobody reads here and which cost most of the time.
	tracker := clienttesting.NewObjectTracker(scheme.Scheme, serializer.NewCodecFactory(scheme.Scheme).UniversalDecoder())
	e.api = fake.NewClientBuilder().WithScheme(scheme.Scheme).WithObjectTracker(tracker).WithObjects(objects...).
		WithStatusSubresource(&karpv1.NodePool{}, &karpv1.NodeClaim{}).
		WithIndex(&corev1.Pod{}, "spec.nodeName", func(o client.Object) []string { return []string{o.(*corev1.Pod).Spec.NodeName} }).
		WithIndex(&corev1.Node{}, "spec.providerID", func(o client.Object) []string { return []string{o.(*corev1.Node).Spec.ProviderID} }).
		WithIndex(&karpv1.NodeClaim{}, "status.providerID", func(o client.Object) []string {
			return []string{o.(*karpv1.NodeClaim).Status.ProviderID}
		}).Build()
	index := NewIndex(cfg, e.clock)
	e.filter = NewFilter(cfg, index, e.clock)
	e.reads = &podReads{Client: e.api, shapes: map[string]bool{}}
	e.core = NewClient(e.reads, e.filter)
	e.cluster = state.NewCluster(e.clock, e.api, e.cloud)
	e.provisioner = provisioning.NewProvisioner(e.core, e.recorder, e.cloud, e.cluster, e.clock,
		deviceallocation.NewController(e.core), virtualpods.NewVirtualPodCache(e.core))
	e.syncState(t)
	return e
}

// syncState lets core's informers read every NodeClaim, Node and pod, through the wrapped client as they do in the controller.
func (e *coreEnv) syncState(t *testing.T) {
	t.Helper()
	claims, nodes := &karpv1.NodeClaimList{}, &corev1.NodeList{}
	require.NoError(t, e.api.List(e.ctx, claims))
	for i := range claims.Items {
		e.cluster.UpdateNodeClaim(&claims.Items[i])
	}
	require.NoError(t, e.api.List(e.ctx, nodes))
	nodeInformer := informer.NewNodeController(e.core, e.cluster)
	for i := range nodes.Items {
		_, err := nodeInformer.Reconcile(e.ctx, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&nodes.Items[i])})
		require.NoError(t, err)
	}
	require.True(t, e.cluster.Synced(e.ctx), "core's state does not sync with virtual nodes in it: "+moved)
}

func (e *coreEnv) schedule(t *testing.T) corescheduling.Results {
	t.Helper()
	results, err := e.provisioner.Schedule(injection.WithControllerName(e.ctx, e.provisioner.Name()))
	require.NoError(t, err)
	return results
}

// onExisting counts the pods that a plan puts onto the named node.
func onExisting(results corescheduling.Results, node string) int {
	count := 0
	for _, n := range results.ExistingNodes {
		if n.Name() == node {
			count += len(n.Pods)
		}
	}
	return count
}

func podNames(pods []*corev1.Pod) []string {
	names := []string{}
	for _, p := range pods {
		names = append(names, p.Name)
	}
	return names
}

func TestCoreSeesOnlyThePodsThatAreItsBusiness(t *testing.T) {
	e := newCoreEnv(t, DefaultConfig(), nodePool("general", nil), vnode("virtual-1"),
		pendingPod("burst", burst), pendingPod("burst-pvc", byKey, func(p *corev1.Pod) { p.Spec.HostNetwork = true }), pendingPod("plain"),
		pendingPod("wild", tolerateAll), pendingPod("stated", byKey, annotation(LayerKey, "managed")))

	pods, err := e.provisioner.GetPendingPods(e.ctx)

	require.NoError(t, err)
	require.ElementsMatch(t, []string{"burst-pvc", "plain", "stated"}, podNames(pods), moved)
	require.Empty(t, e.recorder.Events(), "core publishes events about pods that it was told to leave alone: "+moved)
}

func TestTheMarkHoldsWhateverThePodSelectsOrMounts(t *testing.T) {
	cfg := DefaultConfig()
	cfg.DisabledRules = []string{"karpenter-labels", "persistent-volume-claim"}
	e := newCoreEnv(t, cfg, nodePool("general", nil),
		pendingPod("by-pool", byKey, selector(karpv1.NodePoolLabelKey, "general")), pendingPod("lost-claim", byKey, pvc))

	pods, err := e.provisioner.GetPendingPods(e.ctx)

	require.NoError(t, err)
	require.Empty(t, podNames(pods), moved)
	require.Empty(t, e.recorder.Events(), moved)
}

func TestCoreDecidesSkippedPodsForItsMetrics(t *testing.T) {
	e := newCoreEnv(t, DefaultConfig(), nodePool("general", nil), vnode("virtual-1"), pendingPod("burst", burst))
	e.schedule(t)

	key := client.ObjectKey{Namespace: "default", Name: "burst"}
	require.False(t, e.cluster.PodSchedulingDecisionTime(key).IsZero(),
		"a skipped pod is left undecided, so core's undecided-time metric grows for ever: "+moved)
}

func TestTheStoredPodStaysAsItIs(t *testing.T) {
	e := newCoreEnv(t, DefaultConfig(), nodePool("general", nil), vnode("virtual-1"), pendingPod("burst", burst))
	e.schedule(t)

	p := &corev1.Pod{}
	require.NoError(t, e.api.Get(e.ctx, client.ObjectKey{Namespace: "default", Name: "burst"}, p))
	require.Nil(t, p.Spec.Affinity)
	require.Equal(t, map[string]string{"type": "virtual-node"}, p.Spec.NodeSelector)
}

func TestBurstPodsCauseNoNodeClaimAndOthersDo(t *testing.T) {
	stateful := corev1.Taint{Key: "workload-type", Value: "stateful", Effect: corev1.TaintEffectNoSchedule}
	pool := nodePool("managed-burst-pool", map[string]string{"workload-type": "stateful"}, stateful)
	statefulPod := func(p *corev1.Pod) {
		p.Spec.Tolerations = []corev1.Toleration{{Key: "workload-type", Operator: corev1.TolerationOpEqual, Value: "stateful"}}
		p.Spec.NodeSelector = map[string]string{"workload-type": "stateful"}
	}
	for name, test := range map[string]struct {
		nodes  []*corev1.Node
		pods   []*corev1.Pod
		claims int
	}{
		"burst pods with a usable virtual node":       {[]*corev1.Node{vnode("virtual-1")}, []*corev1.Pod{pendingPod("a", burst), pendingPod("b", byKey)}, 0},
		"burst pods with every virtual node cordoned": {[]*corev1.Node{vnode("virtual-1", cordoned)}, []*corev1.Pod{pendingPod("a", burst), pendingPod("b", byKey)}, 0},
		"burst pods without any virtual node":         {nil, []*corev1.Pod{pendingPod("a", burst), pendingPod("b", byKey)}, 0},
		"burst pods with every virtual node full":     {[]*corev1.Node{vnode("virtual-1", full)}, []*corev1.Pod{pendingPod("a", burst)}, 0},
		"a stateful pod": {[]*corev1.Node{vnode("virtual-1")}, []*corev1.Pod{pendingPod("a", statefulPod)}, 1},
		"a stateful pod that tolerates virtual nodes":      {[]*corev1.Node{vnode("virtual-1")}, []*corev1.Pod{pendingPod("a", statefulPod, byKey)}, 1},
		"a stateful pod on the host's network, tolerating": {[]*corev1.Node{vnode("virtual-1")}, []*corev1.Pod{pendingPod("a", statefulPod, byKey, func(p *corev1.Pod) { p.Spec.HostNetwork = true })}, 1},
		"a stateful pod beside burst pods":                 {[]*corev1.Node{vnode("virtual-1", cordoned)}, []*corev1.Pod{pendingPod("a", statefulPod), pendingPod("b", burst)}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			objects := []client.Object{pool.DeepCopy()}
			for _, n := range test.nodes {
				objects = append(objects, n)
			}
			for _, p := range test.pods {
				objects = append(objects, p)
			}
			e := newCoreEnv(t, DefaultConfig(), objects...)
			results := e.schedule(t)
			require.Len(t, results.NewNodeClaims, test.claims, moved)
			require.Empty(t, results.PodErrors)
			require.Zero(t, onExisting(results, "virtual-1"), "core plans a pod onto a virtual node: "+moved)
		})
	}
}

// Without the filter core behaves otherwise; if it did not, the contract tests would prove nothing.
func TestPlainCoreWouldBuyOrPlanOntoVirtualNodes(t *testing.T) {
	e := newCoreEnv(t, DefaultConfig(), nodePool("general", nil), pendingPod("burst", byKey))
	e.provisioner = provisioning.NewProvisioner(e.api, e.recorder, e.cloud, e.cluster, e.clock,
		deviceallocation.NewController(e.api), virtualpods.NewVirtualPodCache(e.api))
	require.Len(t, e.schedule(t).NewNodeClaims, 1)
}

func TestOverflowingPodsGetNodesEvenWhileVirtualNodesHaveRoom(t *testing.T) {
	cfg := DefaultConfig()
	cfg.OverflowAfter = 5 * time.Minute
	e := newCoreEnv(t, cfg, nodePool("general", nil), vnode("virtual-1"), pendingPod("waiting", byKey), pendingPod("bound-to-virtual", burst))

	require.Empty(t, e.schedule(t).NewNodeClaims)
	e.clock.Step(5 * time.Minute)
	results := e.schedule(t)
	require.Len(t, results.NewNodeClaims, 1, moved)
	require.Equal(t, []string{"waiting"}, podNames(results.NewNodeClaims[0].Pods), "a pod that only virtual nodes match must not be released")
	require.Empty(t, results.PodErrors)
	require.Zero(t, onExisting(results, "virtual-1"))
}

// managedNode returns a NodeClaim and its Node as they are once Karpenter has made them.
func managedNode(name, pool string) (*karpv1.NodeClaim, *corev1.Node) {
	labels := map[string]string{
		karpv1.NodePoolLabelKey: pool, karpv1.NodeRegisteredLabelKey: "true", karpv1.NodeInitializedLabelKey: "true",
		corev1.LabelInstanceTypeStable: "default-instance-type", karpv1.CapacityTypeLabelKey: karpv1.CapacityTypeOnDemand,
		corev1.LabelTopologyZone: "test-zone-1", corev1.LabelHostname: name,
	}
	room := corev1.ResourceList{
		corev1.ResourceCPU: resource.MustParse("4"), corev1.ResourceMemory: resource.MustParse("4Gi"), corev1.ResourcePods: resource.MustParse("10"),
	}
	claim := &karpv1.NodeClaim{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels, UID: "uid"}}
	claim.Spec.NodeClassRef = &karpv1.NodeClassReference{Group: "karpenter.test.sh", Kind: "TestNodeClass", Name: "default"}
	claim.Status.ProviderID, claim.Status.NodeName, claim.Status.Capacity, claim.Status.Allocatable = "ocid1.instance."+name, name, room, room
	for _, c := range []string{karpv1.ConditionTypeLaunched, karpv1.ConditionTypeRegistered, karpv1.ConditionTypeInitialized} {
		claim.StatusConditions().SetTrue(c)
	}
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels}, Spec: corev1.NodeSpec{ProviderID: claim.Status.ProviderID}}
	node.Status.Capacity, node.Status.Allocatable = room, room
	node.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}
	return claim, node
}

// runningOn makes a pod that runs on the node and belongs to a ReplicaSet.
func runningOn(node string) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		isController := true
		p.OwnerReferences = []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "ReplicaSet", Name: "rs", UID: "rs", Controller: &isController}}
		p.Spec.NodeName = node
		p.Status.Phase = corev1.PodRunning
		p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionTrue, LastTransitionTime: metav1.NewTime(testStart)}}
	}
}

func (e *coreEnv) candidate(t *testing.T, name string) *disruption.Candidate {
	t.Helper()
	limits, err := pdb.NewLimits(e.ctx, e.core)
	require.NoError(t, err)
	pools, types, err := disruption.BuildNodePoolMap(e.ctx, e.core, e.cloud)
	require.NoError(t, err)
	queue := disruption.NewQueue(e.core, e.recorder, e.cluster, e.clock, e.provisioner)
	for _, n := range e.cluster.DeepCopyNodes() {
		if n.Name() == name {
			c, err := disruption.NewCandidate(e.ctx, e.core, e.recorder, e.clock, n, limits, pools, types, queue, disruption.GracefulDisruptionClass)
			require.NoError(t, err)
			return c
		}
	}
	require.Fail(t, "core's state does not hold the node", name)
	return nil
}

func TestConsolidationPlansPodsOntoVirtualNodesOnlyWhenAsked(t *testing.T) {
	for _, test := range []struct {
		mode   Consolidation
		claims int
	}{{ConsolidationIgnore, 1}, {ConsolidationCount, 0}} {
		t.Run(string(test.mode), func(t *testing.T) {
			cfg := DefaultConfig()
			cfg.Consolidation = test.mode
			claim, node := managedNode("managed-1", "general")
			e := newCoreEnv(t, cfg, nodePool("general", nil), vnode("virtual-1"), claim, node, pendingPod("web", byKey, runningOn("managed-1")))

			ctx := injection.WithControllerName(e.ctx, "disruption")
			results, err := disruption.SimulateScheduling(ctx, e.core, e.cluster, e.provisioner, e.clock, e.recorder,
				nil, disruption.SimulationOptions{}, e.candidate(t, "managed-1"))

			require.NoError(t, err)
			require.Len(t, results.NewNodeClaims, test.claims, moved)
			require.Equal(t, 1-test.claims, onExisting(results, "virtual-1"), moved)
		})
	}
}

func untainted(n *corev1.Node) { n.Spec.Taints = nil }

func TestNodesAreNotBoughtBeforehandForPodsThatAVirtualNodeWillTake(t *testing.T) {
	for name, test := range map[string]struct {
		node   *corev1.Node
		edits  []func(*corev1.Pod)
		claims int
	}{
		"a usable virtual node takes the pod":           {vnode("virtual-1"), []func(*corev1.Pod){byKey}, 0},
		"the virtual node is cordoned":                  {vnode("virtual-1", cordoned), []func(*corev1.Pod){byKey}, 1},
		"the pod does not tolerate virtual nodes":       {vnode("virtual-1"), nil, 1},
		"the pod tolerates but uses the host's network": {vnode("virtual-1"), []func(*corev1.Pod){byKey, func(p *corev1.Pod) { p.Spec.HostNetwork = true }}, 1},
		"the pod is meant for virtual nodes by a word of its own, and they have no taint": {
			vnode("virtual-1", untainted), []func(*corev1.Pod){annotation(LayerKey, "virtual")}, 0,
		},
		"only its namespace says so: what the cache kept of the pod may not be all that the decision reads": {
			vnode("virtual-1", untainted), []func(*corev1.Pod){func(p *corev1.Pod) { p.Namespace = "bursts" }}, 1,
		},
	} {
		t.Run(name, func(t *testing.T) {
			claim, node := managedNode("managed-1", "general")
			bursts := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "bursts", Labels: map[string]string{LayerKey: "virtual"}}}
			e := newCoreEnv(t, DefaultConfig(), nodePool("general", nil), test.node, claim, node, bursts,
				pendingPod("web", append(test.edits, runningOn("managed-1"))...))
			e.cluster.MarkForDeletion(node.Spec.ProviderID)
			require.Len(t, e.schedule(t).NewNodeClaims, test.claims, moved)
		})
	}
}

func TestDisruptionStillSeesEveryPodOfANode(t *testing.T) {
	e := newCoreEnv(t, DefaultConfig(), vnode("virtual-1"), pendingPod("web", byKey, runningOn("managed-1")))
	for _, name := range []string{"disruption", "node.termination", ""} {
		pods := &corev1.PodList{}
		require.NoError(t, e.core.List(injection.WithControllerName(e.ctx, name), pods, client.MatchingFields{"spec.nodeName": "managed-1"}))
		require.Len(t, pods.Items, 1, "controller %q", name)
	}
}

func TestVirtualNodesAreShownWithoutRoomAndKeepTheRest(t *testing.T) {
	e := newCoreEnv(t, DefaultConfig(), vnode("virtual-1"))
	node := &corev1.Node{}
	require.NoError(t, e.core.Get(e.ctx, client.ObjectKey{Name: "virtual-1"}, node))
	require.Zero(t, node.Status.Allocatable.Pods().Value())
	require.Equal(t, int64(128), node.Status.Allocatable.Cpu().Value())
	require.Equal(t, int64(1000), node.Status.Capacity.Pods().Value())

	stored := &corev1.Node{}
	require.NoError(t, e.api.Get(e.ctx, client.ObjectKey{Name: "virtual-1"}, stored))
	require.Equal(t, int64(1000), stored.Status.Allocatable.Pods().Value())
}

func TestOnlyOneListOfPodsIsMarked(t *testing.T) {
	e := newCoreEnv(t, DefaultConfig(), vnode("virtual-1"), pendingPod("burst", burst))
	for name, opts := range map[string][]client.ListOption{
		"all pods": nil, "by namespace": {client.InNamespace("default")}, "by label": {client.MatchingLabels{"app": "web"}},
	} {
		t.Run(name, func(t *testing.T) {
			pods := &corev1.PodList{}
			require.NoError(t, e.core.List(e.ctx, pods, opts...))
			require.Len(t, pods.Items, 1)
			require.Nil(t, pods.Items[0].Spec.Affinity)
		})
	}
}

func TestExactlyOnePodTriggerIsSwapped(t *testing.T) {
	e := newCoreEnv(t, DefaultConfig())
	core := provisioning.NewPodController(e.api, e.provisioner, e.cluster)
	others := []controller.Controller{provisioning.NewNodeController(e.api, e.provisioner), e.provisioner}

	wrapped, err := WrapControllers(append([]controller.Controller{core}, others...), e.filter, e.recorder, e.api)
	require.NoError(t, err)
	require.Len(t, wrapped, 3)
	require.IsType(t, &podTrigger{}, wrapped[0])
	require.Equal(t, "provisioner.trigger.pod", wrapped[0].(*podTrigger).Name())
	require.Equal(t, others, wrapped[1:])

	for name, cs := range map[string][]controller.Controller{"none": others, "two": append([]controller.Controller{core, core}, others...)} {
		t.Run(name, func(t *testing.T) {
			_, err := WrapControllers(cs, e.filter, e.recorder, e.api)
			require.ErrorIs(t, err, ErrNoPodTrigger)
			require.ErrorContains(t, err, fmt.Sprintf("found %d", len(cs)-len(others)))
		})
	}
}
