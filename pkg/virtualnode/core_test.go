package virtualnode

import (
	"testing"
	"time"

	"github.com/awslabs/operatorpkg/controller"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/controllers/capacitybuffer"
	"sigs.k8s.io/karpenter/pkg/controllers/dynamicresources/deviceallocation"
	staticprovisioning "sigs.k8s.io/karpenter/pkg/controllers/static/provisioning"
	"sigs.k8s.io/karpenter/pkg/operator/options"
	"sigs.k8s.io/karpenter/pkg/state/virtualpods"
	coretest "sigs.k8s.io/karpenter/pkg/test"
)

// These tests show how virtual nodes and the pods on them look in core's own planning.

func TestPodsThatNobodyPlansForStayOutOfThePlan(t *testing.T) {
	for name, edits := range map[string][]func(*corev1.Pod){
		"a pod of a DaemonSet":                      {tolerateAll, owner("apps/v1", "DaemonSet")},
		"a pod of a DaemonSet that names the taint": {byKey, owner("apps/v1", "DaemonSet")},
		"a mirror pod":                              {tolerateAll, owner("v1", "Node")},
		"a pod that preempts others":                {func(p *corev1.Pod) { p.Status.NominatedNodeName = "managed-1" }},
		"a tolerating pod that preempts others":     {byKey, func(p *corev1.Pod) { p.Status.NominatedNodeName = "virtual-1" }},
		"a gated pod": {byKey, func(p *corev1.Pod) {
			p.Status.Conditions[0].Reason = corev1.PodReasonSchedulingGated
		}},
	} {
		t.Run(name, func(t *testing.T) {
			e := newCoreEnv(t, DefaultConfig(), nodePool("general", nil), vnode("virtual-1", cordoned), pendingPod("p", edits...))
			results := e.schedule(t)
			require.Empty(t, results.NewNodeClaims, moved)
			require.Empty(t, results.PodErrors, moved)
			require.Empty(t, e.recorder.Events(), moved)

			pods := &corev1.PodList{}
			require.NoError(t, e.core.List(e.ctx, pods, client.MatchingFields{"spec.nodeName": ""}))
			require.Nil(t, pods.Items[0].Spec.Affinity, "a pod that core does not plan for is marked")
		})
	}
}

func TestPodsOnVirtualNodesCountWhenPodsAreSpreadOverZones(t *testing.T) {
	inZone := nodeLabel(corev1.LabelTopologyZone, "test-zone-1")
	spread := func(p *corev1.Pod) {
		p.Spec.TopologySpreadConstraints = []corev1.TopologySpreadConstraint{{
			MaxSkew: 1, TopologyKey: corev1.LabelTopologyZone, WhenUnsatisfiable: corev1.DoNotSchedule,
			LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}},
		}}
	}
	e := newCoreEnv(t, DefaultConfig(), nodePool("general", nil), vnode("virtual-1", inZone),
		pendingPod("a", byKey, runningOn("virtual-1")), pendingPod("b", byKey, runningOn("virtual-1")), pendingPod("c", spread))
	results := e.schedule(t)
	require.Len(t, results.NewNodeClaims, 1)
	zones := results.NewNodeClaims[0].Requirements.Get(corev1.LabelTopologyZone)
	require.False(t, zones.Has("test-zone-1"), "the pods on the virtual node are not counted: "+moved)
	require.True(t, zones.Has("test-zone-2") || zones.Has("test-zone-3"))
}

func TestPodsCanStayNearPodsOnVirtualNodes(t *testing.T) {
	near := func(key string) func(*corev1.Pod) {
		return func(p *corev1.Pod) {
			p.Spec.Affinity = &corev1.Affinity{PodAffinity: &corev1.PodAffinity{RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{{
				TopologyKey: key, LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "cache"}},
			}}}}
		}
	}
	cache := func(p *corev1.Pod) { p.Labels["app"] = "cache" }
	inZone := nodeLabel(corev1.LabelTopologyZone, "test-zone-2")

	t.Run("in the same zone", func(t *testing.T) {
		e := newCoreEnv(t, DefaultConfig(), nodePool("general", nil), vnode("virtual-1", inZone),
			pendingPod("cache", byKey, cache, runningOn("virtual-1")), pendingPod("web", near(corev1.LabelTopologyZone)))
		results := e.schedule(t)
		require.Len(t, results.NewNodeClaims, 1)
		require.Equal(t, []string{"test-zone-2"}, results.NewNodeClaims[0].Requirements.Get(corev1.LabelTopologyZone).Values(), moved)
	})
	t.Run("on the same node, which core must not promise", func(t *testing.T) {
		e := newCoreEnv(t, DefaultConfig(), nodePool("general", nil), vnode("virtual-1", inZone),
			pendingPod("cache", byKey, cache, runningOn("virtual-1")), pendingPod("web", near(corev1.LabelHostname)))
		results := e.schedule(t)
		require.Empty(t, results.NewNodeClaims)
		require.Zero(t, onExisting(results, "virtual-1"))
		require.Len(t, results.PodErrors, 1)
	})
	t.Run("near a pod that still waits for a virtual node", func(t *testing.T) {
		e := newCoreEnv(t, DefaultConfig(), nodePool("general", nil), vnode("virtual-1", inZone, cordoned),
			pendingPod("cache", byKey, cache), pendingPod("web", near(corev1.LabelTopologyZone)))
		require.Empty(t, e.schedule(t).NewNodeClaims, "a node is bought for a pod that can not know its zone yet")
	})
}

func TestStaticNodePoolsKeepTheirSizeBesideVirtualNodes(t *testing.T) {
	pool := nodePool("static", map[string]string{"disk": "tape"})
	pool.Spec.Replicas = ptr.To[int64](2)
	pool.Spec.Template.Spec.NodeClassRef.Kind = "TestNodeClass"
	e := newCoreEnv(t, DefaultConfig(), pool, vnode("virtual-1"), pendingPod("burst", byKey), pendingPod("tape", byKey, selector("disk", "tape")))
	c := staticprovisioning.NewController(e.core, e.cluster, e.recorder, e.cloud, e.provisioner, e.clock, deviceallocation.NewController(e.core), virtualpods.NewVirtualPodCache(e.core))
	for range 2 {
		_, err := c.Reconcile(e.ctx, pool)
		require.NoError(t, err)
		claims := &karpv1.NodeClaimList{}
		require.NoError(t, e.api.List(e.ctx, claims))
		require.Len(t, claims.Items, 2, "a static NodePool is not kept at its size")
	}
	require.Empty(t, e.schedule(t).NewNodeClaims)
	require.Equal(t, RuleNothingFits, e.filter.Decide(pendingPod("tape", byKey, selector("disk", "tape"))).Rule)
}

// bufferTemplate is the pod template that coretest.ReadyBuffer's buffer of the name refers to.
func bufferTemplate(name string, edits ...func(*corev1.Pod)) *corev1.PodTemplate {
	p := pendingPod(name, edits...)
	return &corev1.PodTemplate{
		ObjectMeta: metav1.ObjectMeta{Name: name + "-template", Namespace: "default", Generation: 1},
		Template:   corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: p.Labels, Annotations: p.Annotations}, Spec: p.Spec},
	}
}

func TestBuffersOfPodsThatVirtualNodesTakeKeepNoNode(t *testing.T) {
	e := newCoreEnv(t, DefaultConfig(), nodePool("general", nil), vnode("virtual-1"),
		coretest.ReadyBuffer("plain", 2), bufferTemplate("plain"), coretest.ReadyBuffer("burst", 3), bufferTemplate("burst", byKey),
		coretest.ReadyBuffer("wild", 1), bufferTemplate("wild", tolerateAll), coretest.ReadyBuffer("claim", 1), bufferTemplate("claim", byKey, pvc),
		coretest.ReadyBuffer("stated", 1), bufferTemplate("stated", byKey, annotation(LayerKey, "managed")), coretest.ReadyBuffer("lost", 1))
	e.ctx = options.ToContext(t.Context(), coretest.Options(coretest.OptionsFields{FeatureGates: coretest.FeatureGates{CapacityBuffer: ptr.To(true)}}))
	want := []string{
		"capacity-buffer-plain-1", "capacity-buffer-plain-2", "capacity-buffer-wild-1", "capacity-buffer-claim-1", "capacity-buffer-stated-1",
	}

	pods, err := e.provisioner.GetPendingPods(e.ctx)
	require.NoError(t, err)
	require.ElementsMatch(t, want, podNames(pods), "core reads buffers another way than the filter expects; see pkg/virtualnode/buffers.go")

	cache := virtualpods.NewVirtualPodCache(e.core)
	c := capacitybuffer.NewController(e.core, e.provisioner, cache)
	for _, name := range []string{"plain", "burst", "wild", "claim", "stated"} {
		_, err := c.Reconcile(e.ctx, reconcile.Request{NamespacedName: client.ObjectKey{Namespace: "default", Name: name}})
		require.NoError(t, err)
	}
	require.ElementsMatch(t, want, podNames(cache.GetAll(e.ctx)), "core's buffer controller sees hidden buffers")

	// Without the filter it would buy for all of them; if it did not, the above would prove nothing.
	require.Len(t, virtualpods.NewVirtualPodCache(e.api).GetAll(e.ctx), len(want)+3)
}

func TestOwnersOfHiddenBuffersAreTold(t *testing.T) {
	e := newCoreEnv(t, DefaultConfig(), vnode("virtual-1"), coretest.ReadyBuffer("burst", 3), bufferTemplate("burst", byKey), coretest.ReadyBuffer("plain", 1), bufferTemplate("plain"))
	_ = newPodTrigger(e.filter, &spyTrigger{}, e.recorder, e.api)
	c := &bufferController{filter: e.filter, client: e.api}
	for _, name := range []string{"burst", "plain", "gone"} {
		_, err := c.Reconcile(e.ctx, reconcile.Request{NamespacedName: client.ObjectKey{Namespace: "default", Name: name}})
		require.NoError(t, err)
	}
	require.Len(t, e.recorder.Events(), 1)
	require.Equal(t, EventBufferSkipped, e.recorder.Events()[0].Reason)
	require.Contains(t, e.recorder.Events()[0].Message, "names-taint")
}

func TestVirtualNodesDoNotDiluteTheUtilization(t *testing.T) {
	claim, node := managedNode("managed-1", "general")
	e := newCoreEnv(t, DefaultConfig(), vnode("virtual-1"), claim, node,
		pendingPod("a", runningOn("managed-1")), pendingPod("b", byKey, runningOn("virtual-1")))
	core := coreNodeMetrics(t, e.cluster)
	wrapped, err := WrapNodeMetrics([]controller.Controller{e.provisioner, core}, e.filter, e.cluster)
	require.NoError(t, err)
	c, ok := wrapped[1].(*nodeMetrics)
	require.True(t, ok)
	require.Equal(t, core.Name(), c.Name())
	utilization := func() float64 {
		return gauge(t, "karpenter_cluster_utilization_percent", map[string]string{"resource_type": "cpu"})
	}
	_, err = core.Reconcile(e.ctx)
	require.NoError(t, err)
	require.Less(t, utilization(), 1.0, "core leaves unmanaged nodes out by itself; WrapNodeMetrics is not needed any more")
	_, err = c.Reconcile(e.ctx)
	require.NoError(t, err)
	require.InDelta(t, 100*0.25/4, utilization(), 0.001)

	for name, cs := range map[string][]controller.Controller{"none": {e.provisioner}, "two": {core, core}} {
		_, err := WrapNodeMetrics(cs, e.filter, e.cluster)
		require.ErrorIs(t, err, ErrNoNodeMetrics, name)
	}
}

func TestSkippedPodsAreWhatCoreCountsAsIgnored(t *testing.T) {
	e := newCoreEnv(t, DefaultConfig(), nodePool("general", nil), vnode("virtual-1"), pendingPod("a", burst), pendingPod("b", byKey), pendingPod("plain"))
	e.schedule(t)
	require.Equal(t, 2.0, gauge(t, "karpenter_scheduler_ignored_pods_count", nil), moved)
}

func TestAClaimOfFileStorageMayGoVirtualWhereItsRuleIsOff(t *testing.T) {
	cfg := DefaultConfig()
	cfg.DisabledRules = []string{"file-storage-claim"}
	off := testFilter(cfg, testClock(), vnode("v"), nodePool("general", nil))
	on := testFilter(DefaultConfig(), testClock(), vnode("v"), nodePool("general", nil))

	require.True(t, off.Decide(pendingPod("p", byKey, claim("shared"))).Skip())
	require.Equal(t, "file-storage-claim", on.Decide(pendingPod("p", byKey, claim("shared"))).Feature.Name)
	for _, f := range []*Filter{off, on} {
		require.Equal(t, "persistent-volume-claim", f.Decide(pendingPod("p", byKey, claim("data"))).Feature.Name)
	}
	require.Equal(t, "persistent-volume-claim", off.Decide(pendingPod("p", byKey, claim("shared"), claim("data"))).Feature.Name)
}

func TestANodeThatIsNotBoughtBackWhenVirtualNodesReturn(t *testing.T) {
	cfg := DefaultConfig()
	cfg.OverflowAfter = time.Minute
	e := newCoreEnv(t, cfg, nodePool("general", nil), vnode("virtual-1", cordoned), pendingPod("old", byKey))
	e.clock.Step(2 * time.Minute)
	require.Len(t, e.schedule(t).NewNodeClaims, 1)

	e.filter.index.setNode(vnode("virtual-1"), load{})
	fresh := pendingPod("fresh", byKey)
	fresh.Status.Conditions[0].LastTransitionTime = metav1.NewTime(e.clock.Now())
	d := e.filter.Decide(fresh)
	require.True(t, d.Skip(), "new pods do not go back to virtual nodes")
	require.Equal(t, CauseScheduler, d.Cause)
}
