package virtualnode

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// failedOn is bound to a node whose provider could not start it.
func failedOn(node string, bound time.Time, message string) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		runningOn(node)(p)
		p.Status.Phase, p.Status.Reason, p.Status.Message = corev1.PodPending, reasonProviderFailed, message
		p.Status.Conditions[0].LastTransitionTime = metav1.NewTime(bound)
	}
}

func startedOn(node string, bound time.Time) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		runningOn(node)(p)
		p.Status.Conditions[0].LastTransitionTime = metav1.NewTime(bound)
	}
}

func TestTheNewestStartOnANodeTellsItsTrouble(t *testing.T) {
	const noAddress = "no available IP addresses in subnet ocid1.subnet.oc1.phx.pods"
	later := testStart.Add(time.Minute)
	for name, test := range map[string]struct {
		pods []*corev1.Pod
		want Cause
	}{
		"none while pods run":               {[]*corev1.Pod{pendingPod("a", startedOn("v1", testStart))}, ""},
		"no address":                        {[]*corev1.Pod{pendingPod("a", failedOn("v1", testStart, noAddress))}, CauseNoAddress},
		"a service limit":                   {[]*corev1.Pod{pendingPod("a", failedOn("v1", testStart, "LimitExceeded: container-instance-count"))}, CauseQuota},
		"a quota":                           {[]*corev1.Pod{pendingPod("a", failedOn("v1", testStart, "QuotaExceeded"))}, CauseQuota},
		"no capacity":                       {[]*corev1.Pod{pendingPod("a", failedOn("v1", testStart, "Out of host capacity."))}, CauseNoCapacity},
		"not a feature that is refused":     {[]*corev1.Pod{pendingPod("a", failedOn("v1", testStart, "virtual nodes do not support hostPort"))}, ""},
		"not another reason":                {[]*corev1.Pod{pendingPod("a", failedOn("v1", testStart, noAddress), func(p *corev1.Pod) { p.Status.Reason = "Evicted" })}, ""},
		"not once a later pod has started":  {[]*corev1.Pod{pendingPod("a", failedOn("v1", testStart, noAddress)), pendingPod("b", startedOn("v1", later))}, ""},
		"although an earlier pod runs":      {[]*corev1.Pod{pendingPod("a", failedOn("v1", later, noAddress)), pendingPod("b", startedOn("v1", testStart))}, CauseNoAddress},
		"the newest of several":             {[]*corev1.Pod{pendingPod("a", failedOn("v1", testStart, noAddress)), pendingPod("b", failedOn("v1", later, "QuotaExceeded"))}, CauseQuota},
		"not what happened on another node": {[]*corev1.Pod{pendingPod("a", failedOn("v2", testStart, noAddress))}, ""},
		"of a pod that has failed by now":   {[]*corev1.Pod{pendingPod("a", failedOn("v1", testStart, noAddress), func(p *corev1.Pod) { p.Status.Phase = corev1.PodFailed })}, CauseNoAddress},
	} {
		t.Run(name, func(t *testing.T) {
			builder := fakeAPI()
			for _, p := range test.pods {
				builder = builder.WithObjects(p)
			}
			got, err := readLoad(t.Context(), builder.Build(), "v1")
			require.NoError(t, err)
			require.Equal(t, test.want, got.trouble)
		})
	}
}

func TestTheLoadIsWhatRunningPodsTake(t *testing.T) {
	ended := pendingPod("ended", startedOn("v1", testStart), func(p *corev1.Pod) { p.Status.Phase = corev1.PodSucceeded })
	got, err := readLoad(t.Context(), fakeAPI(pendingPod("a", startedOn("v1", testStart)), pendingPod("b", startedOn("v1", testStart)), ended).Build(), "v1")
	require.NoError(t, err)
	require.Equal(t, load{pods: 2, size: size{milliCPU: 500, memory: 512 << 20}}, got)
}

func TestSizes(t *testing.T) {
	list := func(cpu, memory string) corev1.ResourceList {
		l := corev1.ResourceList{}
		for name, q := range map[corev1.ResourceName]string{corev1.ResourceCPU: cpu, corev1.ResourceMemory: memory} {
			if q != "" {
				l[name] = resource.MustParse(q)
			}
		}
		return l
	}
	require.Equal(t, size{milliCPU: unlimited, memory: 1 << 30}, roomOf(list("", "1Gi")))
	require.Equal(t, size{milliCPU: unlimited, memory: 0}, size{milliCPU: unlimited, memory: 5}.minus(size{milliCPU: 7, memory: 5}))
	require.Equal(t, int64(unlimited), size{milliCPU: unlimited}.plus(size{milliCPU: 1}).milliCPU)
	require.Equal(t, size{}, demandOf(nil))

	byLimit := pendingPod("p", main0(func(c *corev1.Container) { c.Resources.Requests, c.Resources.Limits = nil, list("2", "1Gi") }))
	require.Equal(t, size{milliCPU: 2000, memory: 1 << 30}, demandOf(byLimit))
	whole := pendingPod("p", func(p *corev1.Pod) { p.Spec.Resources = &corev1.ResourceRequirements{Requests: list("3", "")} })
	require.Equal(t, size{milliCPU: 3000, memory: 256 << 20}, demandOf(whole))
	require.Equal(t, size{milliCPU: 5}.magnitude(), size{milliCPU: 7}.magnitude())
	require.NotEqual(t, size{milliCPU: 7}.magnitude(), size{milliCPU: 8}.magnitude())
	require.Equal(t, size{}.magnitude(), size{milliCPU: -5}.magnitude())
}

func room(cpu, memory string) func(*corev1.Node) {
	return func(n *corev1.Node) {
		n.Status.Allocatable[corev1.ResourceCPU], n.Status.Allocatable[corev1.ResourceMemory] = resource.MustParse(cpu), resource.MustParse(memory)
	}
}

func TestTheCauseIsWhatKeepsTheMatchingNodesFromTakingThePod(t *testing.T) {
	type node struct {
		node *corev1.Node
		load load
	}
	busy := load{pods: 1, size: size{milliCPU: 128_000}}
	lost := notReadySince(testStart.Add(-time.Hour))
	for name, test := range map[string]struct {
		nodes []node
		want  Cause
	}{
		"room for the pod":                                   {[]node{{vnode("v"), load{}}}, CauseScheduler},
		"too little CPU left":                                {[]node{{vnode("v"), busy}}, CauseNoRoom},
		"too little memory left":                             {[]node{{vnode("v"), load{size: size{memory: 1 << 40}}}}, CauseNoRoom},
		"a node smaller than the pod":                        {[]node{{vnode("v", room("100m", "1Ti")), load{}}}, CauseTooLarge},
		"a node with too little memory in all":               {[]node{{vnode("v", room("8", "100Mi")), load{}}}, CauseTooLarge},
		"uncordoning does not help a node that is too small": {[]node{{vnode("v", room("100m", "1Ti"), cordoned), load{}}}, CauseTooLarge},
		"one too small and one cordoned":                     {[]node{{vnode("v", room("100m", "1Ti")), load{}}, {vnode("w", cordoned), load{}}}, CauseCordoned},
		"one busy and one cordoned":                          {[]node{{vnode("v"), busy}, {vnode("w", cordoned), load{}}}, CauseNoRoom},
		"one away and one cordoned":                          {[]node{{vnode("v", lost), load{}}, {vnode("w", cordoned), load{}}}, CauseCordoned},
		"no address":                                         {[]node{{vnode("v"), load{trouble: CauseNoAddress}}}, CauseNoAddress},
		"a quota here and no room there":                     {[]node{{vnode("v"), load{trouble: CauseQuota}}, {vnode("w"), busy}}, CauseQuota},
		"trouble on one of two":                              {[]node{{vnode("v"), load{trouble: CauseNoCapacity}}, {vnode("w"), load{}}}, CauseScheduler},
	} {
		t.Run(name, func(t *testing.T) {
			f := testFilter(DefaultConfig(), testClock(), nodePool("general", nil))
			for _, n := range test.nodes {
				f.index.setNode(n.node, n.load)
			}
			d := f.Decide(pendingPod("p", byKey))
			require.True(t, d.Skip())
			require.Equal(t, test.want, d.Cause)
			wild := f.Decide(pendingPod("p", tolerateAll))
			require.Equal(t, test.want == CauseScheduler, wild.Skip(), "a blanket toleration waits for a node that can not take the pod, or not for one that can")
			text := f.Explain(pendingPod("p", byKey), d)
			require.NotEmpty(t, text.Cause)
			require.NotEmpty(t, text.Advice)
			require.Less(t, len(text.String()), 1024)
		})
	}
}

func TestRoomThatMovesALittleWakesNobody(t *testing.T) {
	f := testFilter(DefaultConfig(), testClock())
	turns := 0
	f.index.OnChange(func() { turns++ })
	f.index.setNode(vnode("v"), load{size: size{milliCPU: 1000}})
	require.Equal(t, 1, turns)
	f.index.setNode(vnode("v"), load{size: size{milliCPU: 2000}})
	require.Equal(t, 1, turns)
	require.Equal(t, int64(126_000), f.index.Snapshot().nodes[0].freeRoom.milliCPU)
	f.index.setNode(vnode("v"), load{size: size{milliCPU: 127_900}})
	require.Equal(t, 2, turns)
	f.index.setNode(vnode("v"), load{size: size{milliCPU: 127_900}, trouble: CauseQuota})
	require.Equal(t, 3, turns)
}

func TestTheOverflowEventNamesTheVirtualLayersCause(t *testing.T) {
	cfg := DefaultConfig()
	cfg.OverflowAfter = time.Minute
	for cause, words := range map[Cause]string{
		CauseNoAddress: "no address left for pods", CauseQuota: "a quota or service limit is used up", CauseNoCapacity: "OCI is out of capacity",
	} {
		clk := testClock()
		f := testFilter(cfg, clk, nodePool("general", nil))
		f.index.setNode(vnode("v"), load{trouble: cause})
		pod := pendingPod("p", byKey, func(p *corev1.Pod) {
			p.Status.Conditions[0].Message = "0/3 nodes are available: 3 Insufficient cpu. " + string(make([]byte, 2000))
		})
		clk.Step(time.Minute)
		event, ok := f.eventFor(pod, f.Decide(pod))
		require.True(t, ok)
		require.Equal(t, EventOverflow, event.Reason)
		require.Contains(t, event.Message, "1 virtual node, 0 schedulable: "+words+".")
		require.Contains(t, event.Message, `kube-scheduler says: "0/3 nodes are available: 3 Insufficient cpu.`)
	}
}

func TestTheArchitectureOfVirtualNodesIsToldToPodsThatWantAnother(t *testing.T) {
	byInfo := func(n *corev1.Node) {
		delete(n.Labels, corev1.LabelArchStable)
		n.Status.NodeInfo.Architecture = "amd64"
	}
	f := testFilter(DefaultConfig(), testClock(), vnode("v"), vnode("w", byInfo))
	pod := pendingPod("p", byKey, selector(corev1.LabelArchStable, "arm64"))
	d := f.Decide(pod)
	require.Equal(t, RuleNothingFits, d.Rule)
	require.Contains(t, f.Explain(pod, d).Cause, "Their pod shapes are amd64.")
	f.index.setNode(vnode("x", nodeLabel(corev1.LabelArchStable, "arm64")), load{})
	require.True(t, f.Decide(pod).Skip())
	require.Equal(t, 1, f.index.Snapshot().countArch(archARM64, testStart, time.Minute).Matching)
	require.Equal(t, 2, f.index.Snapshot().countArch(archAMD64, testStart, time.Minute).Matching)
}

func TestContradictionsWithANamespaceOrASelectorAreTold(t *testing.T) {
	misspelt := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "default", Annotations: map[string]string{LayerKey: "virtaul"}}}
	virtual := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "default", Labels: map[string]string{LayerKey: "virtual"}}}
	for name, test := range map[string]struct {
		cluster []any
		pod     *corev1.Pod
		want    string
	}{
		"a namespace with an unknown layer": {[]any{misspelt}, pendingPod("p"), `Its namespace's karpenter.k8s.oracle/layer is "virtaul", which is ignored`},
		"managed, with the selector of virtual nodes": {[]any{vnode("v"), nodePool("general", nil)}, pendingPod("p", burst, annotation(LayerKey, "managed")),
			"its selectors match virtual nodes only and no NodePool"},
		"a namespace that says virtual and a pod that needs a node": {[]any{virtual}, pendingPod("p", byKey, pvc), "It says karpenter.k8s.oracle/layer=virtual, which it cannot have"},
	} {
		t.Run(name, func(t *testing.T) {
			f := testFilter(DefaultConfig(), testClock(), test.cluster...)
			event, ok := f.eventFor(test.pod, f.Decide(test.pod))
			require.True(t, ok)
			require.Equal(t, EventConflict, event.Reason)
			require.Equal(t, corev1.EventTypeWarning, event.Type)
			require.Contains(t, event.Message, test.want)
		})
	}
}
