package virtualnode

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
)

func TestDecide(t *testing.T) {
	ready := []any{vnode("virtual-1"), nodePool("general", nil)}
	hostNetwork := func(p *corev1.Pod) { p.Spec.HostNetwork = true }
	layerLabel := func(p *corev1.Pod) { p.Labels[LayerKey] = "virtual" }
	say := func(layer string) func(*corev1.Pod) { return annotation(LayerKey, layer) }
	nsVirtual := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "default", Labels: map[string]string{LayerKey: "virtual"}}}
	nsManaged := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "default", Labels: map[string]string{LayerKey: "managed"}}}

	for name, test := range map[string]struct {
		cluster []any
		pod     *corev1.Pod
		want    Decision
	}{
		"a pod that tolerates nothing is Karpenter's": {ready, pendingPod("p"), Decision{Layer: LayerManaged, Rule: RuleNotTolerated}},
		"a toleration of another value is none": {ready,
			pendingPod("p", toleration(corev1.Toleration{Key: "virtual-kubelet.io/provider", Value: "azure", Effect: corev1.TaintEffectNoSchedule})),
			Decision{Layer: LayerManaged, Rule: RuleNotTolerated}},
		"a toleration of another effect is none": {ready,
			pendingPod("p", toleration(corev1.Toleration{Key: "virtual-kubelet.io/provider", Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoExecute})),
			Decision{Layer: LayerManaged, Rule: RuleNotTolerated}},
		"an unknown operator tolerates nothing": {ready,
			pendingPod("p", toleration(corev1.Toleration{Key: "virtual-kubelet.io/provider", Operator: "Sometimes"})),
			Decision{Layer: LayerManaged, Rule: RuleNotTolerated}},
		"a toleration with key and value skips": {ready,
			pendingPod("p", toleration(corev1.Toleration{Key: "virtual-kubelet.io/provider", Value: "oracle", Effect: corev1.TaintEffectNoSchedule})),
			Decision{Layer: LayerVirtual, Rule: RuleNamesTaint, Cause: CauseScheduler}},
		"a toleration of the key skips":                        {ready, pendingPod("p", byKey), Decision{Layer: LayerVirtual, Rule: RuleNamesTaint, Cause: CauseScheduler}},
		"it skips although every virtual node is cordoned":     {[]any{vnode("v", cordoned)}, pendingPod("p", byKey), Decision{Layer: LayerVirtual, Rule: RuleNamesTaint, Cause: CauseCordoned}},
		"it skips although every virtual node is full":         {[]any{vnode("v", full)}, pendingPod("p", byKey), Decision{Layer: LayerVirtual, Rule: RuleNamesTaint, Cause: CauseFull}},
		"it skips although one is full and one cordoned":       {[]any{vnode("v", full), vnode("w", cordoned)}, pendingPod("p", byKey), Decision{Layer: LayerVirtual, Rule: RuleNamesTaint, Cause: CauseFull}},
		"it skips although no virtual node is Ready":           {[]any{vnode("v", notReadySince(testStart.Add(-time.Hour)))}, pendingPod("p", byKey), Decision{Layer: LayerVirtual, Rule: RuleNamesTaint, Cause: CauseNotReady}},
		"it skips although there is no virtual node":           {nil, pendingPod("p", byKey), Decision{Layer: LayerVirtual, Rule: RuleNamesTaint, Cause: CauseAbsent}},
		"one usable virtual node among cordoned ones suffices": {[]any{vnode("v", cordoned), vnode("w")}, pendingPod("p", byKey), Decision{Layer: LayerVirtual, Rule: RuleNamesTaint, Cause: CauseScheduler}},

		"a blanket toleration skips while a virtual node is usable":       {ready, pendingPod("p", tolerateAll), Decision{Layer: LayerVirtual, Rule: RuleToleratesAll, Cause: CauseScheduler, RecheckAfter: blanketInterval}},
		"a blanket toleration is Karpenter's when all are cordoned":       {[]any{vnode("v", cordoned)}, pendingPod("p", tolerateAll), Decision{Layer: LayerManaged, Rule: RuleAllNoRoom}},
		"a blanket toleration is Karpenter's without virtual nodes":       {nil, pendingPod("p", tolerateAll), Decision{Layer: LayerManaged, Rule: RuleAllNoRoom}},
		"a blanket toleration is Karpenter's when all are full":           {[]any{vnode("v", full)}, pendingPod("p", tolerateAll), Decision{Layer: LayerManaged, Rule: RuleAllNoRoom}},
		"a blanket toleration is Karpenter's when nothing matches":        {ready, pendingPod("p", tolerateAll, selector("disk", "tape")), Decision{Layer: LayerManaged, Rule: RuleAllNoRoom}},
		"a virtual node that just went away still counts":                 {[]any{vnode("v", notReadySince(testStart.Add(-time.Minute)))}, pendingPod("p", tolerateAll), Decision{Layer: LayerVirtual, Rule: RuleToleratesAll, Cause: CauseScheduler, RecheckAfter: blanketInterval}},
		"a virtual node that went away for longer does not":               {[]any{vnode("v", notReadySince(testStart.Add(-DefaultGracePeriod)))}, pendingPod("p", tolerateAll), Decision{Layer: LayerManaged, Rule: RuleAllNoRoom}},
		"a toleration by key counts beside a blanket one":                 {nil, pendingPod("p", tolerateAll, byKey), Decision{Layer: LayerVirtual, Rule: RuleNamesTaint, Cause: CauseAbsent}},
		"a blanket toleration with a feature virtual nodes refuse is not": {ready, pendingPod("p", tolerateAll, hostNetwork), Decision{Layer: LayerManaged, Rule: RuleNeedsManaged}},

		"the selector of virtual nodes matches": {ready, pendingPod("p", burst), Decision{Layer: LayerVirtual, Rule: RuleNamesTaint, Cause: CauseScheduler}},
		"a selector that excludes virtual nodes makes it Karpenter's": {[]any{vnode("v"), nodePool("stateful", map[string]string{"workload-type": "stateful"})},
			pendingPod("p", byKey, selector("workload-type", "stateful")), Decision{Layer: LayerManaged, Rule: RuleNoMatch}},
		"a selector that nothing matches is skipped and said": {ready, pendingPod("p", byKey, selector("disk", "tape")),
			Decision{Layer: LayerVirtual, Rule: RuleNothingFits, Cause: CauseNoMatch}},
		"an architecture without virtual nodes is Karpenter's": {ready, pendingPod("p", byKey, selector(corev1.LabelArchStable, "arm64")), Decision{Layer: LayerManaged, Rule: RuleNoMatch}},
		"any term of the affinity may match a virtual node": {ready,
			pendingPod("p", byKey, affinity(term("disk", corev1.NodeSelectorOpIn, "tape"), term("type", corev1.NodeSelectorOpIn, "virtual-node"))),
			Decision{Layer: LayerVirtual, Rule: RuleNamesTaint, Cause: CauseScheduler}},
		"affinity that excludes virtual nodes is Karpenter's": {ready, pendingPod("p", byKey, affinity(term("type", corev1.NodeSelectorOpNotIn, "virtual-node"))),
			Decision{Layer: LayerManaged, Rule: RuleNoMatch}},
		"selector and affinity must both match": {[]any{vnode("v"), nodePool("tape", map[string]string{"disk": "tape"})},
			pendingPod("p", byKey, selector("disk", "tape"), affinity(term("type", corev1.NodeSelectorOpExists))),
			Decision{Layer: LayerVirtual, Rule: RuleNothingFits, Cause: CauseNoMatch}},
		"a second term that a NodePool takes makes it Karpenter's": {[]any{vnode("v"), nodePool("tape", map[string]string{"disk": "tape"})},
			pendingPod("p", byKey, affinity(term("disk", corev1.NodeSelectorOpIn, "none"), term("disk", corev1.NodeSelectorOpIn, "tape"))),
			Decision{Layer: LayerManaged, Rule: RuleNoMatch}},
		"an affinity that cannot be read is Karpenter's": {ready, pendingPod("p", byKey, affinity(term("type", "Perhaps", "x"))), Decision{Layer: LayerManaged, Rule: RuleBadAffinity}},
		"a NodePool is selected by name":                 {ready, pendingPod("p", byKey, selector(karpv1.NodePoolLabelKey, "general")), Decision{Layer: LayerManaged, Rule: RuleNeedsManaged}},
		"not wanting Karpenter's nodes is no need of them": {ready, pendingPod("p", byKey, affinity(term(karpv1.NodePoolLabelKey, corev1.NodeSelectorOpDoesNotExist))),
			Decision{Layer: LayerVirtual, Rule: RuleNamesTaint, Cause: CauseScheduler}},
		"another taint on the virtual nodes counts": {[]any{vnode("v", nodeTaint("team", "a")), nodePool("general", nil)}, pendingPod("p", byKey), Decision{Layer: LayerManaged, Rule: RuleNoMatch}},
		"another taint that is tolerated does not": {[]any{vnode("v", nodeTaint("team", "a"))}, pendingPod("p", byKey, toleration(corev1.Toleration{Key: "team", Operator: corev1.TolerationOpExists})),
			Decision{Layer: LayerVirtual, Rule: RuleNamesTaint, Cause: CauseScheduler}},
		"a static NodePool takes no pods": {[]any{vnode("v"), func() *karpv1.NodePool {
			np := nodePool("static", nil)
			n := int64(3)
			np.Spec.Replicas = &n
			return np
		}()},
			pendingPod("p", byKey, selector(corev1.LabelArchStable, "arm64")), Decision{Layer: LayerVirtual, Rule: RuleNothingFits, Cause: CauseNoMatch}},

		"stated managed": {ready, pendingPod("p", burst, say("managed")), Decision{Layer: LayerManaged, Rule: RuleStatedManaged}},
		"stated virtual with a blanket toleration":      {nil, pendingPod("p", tolerateAll, say("virtual")), Decision{Layer: LayerVirtual, Rule: RuleStatedVirtual, Cause: CauseAbsent}},
		"stated by label":                               {nil, pendingPod("p", tolerateAll, layerLabel), Decision{Layer: LayerVirtual, Rule: RuleStatedVirtual, Cause: CauseAbsent}},
		"the annotation counts before the label":        {ready, pendingPod("p", byKey, layerLabel, say("managed")), Decision{Layer: LayerManaged, Rule: RuleStatedManaged}},
		"stated virtual and needing a managed node":     {ready, pendingPod("p", byKey, say("virtual"), hostNetwork), Decision{Layer: LayerManaged, Rule: RuleNeedsManaged, Conflict: ConflictNeedsManaged}},
		"stated virtual without tolerating the taint":   {ready, pendingPod("p", say("virtual")), Decision{Layer: LayerManaged, Rule: RuleNotTolerated, Conflict: ConflictNotTolerated}},
		"stated virtual where virtual nodes lack taint": {[]any{vnode("v", func(n *corev1.Node) { n.Spec.Taints = nil })}, pendingPod("p", say("virtual")), Decision{Layer: LayerVirtual, Rule: RuleStatedVirtual, Cause: CauseScheduler}},
		"a layer that does not exist":                   {ready, pendingPod("p", byKey, say("cloudy")), Decision{Layer: LayerVirtual, Rule: RuleNamesTaint, Cause: CauseScheduler, Conflict: ConflictBadLayer}},
		"the namespace says managed":                    {append([]any{nsManaged}, ready...), pendingPod("p", byKey), Decision{Layer: LayerManaged, Rule: RuleStatedManaged}},
		"the namespace says virtual":                    {[]any{nsVirtual}, pendingPod("p", tolerateAll), Decision{Layer: LayerVirtual, Rule: RuleStatedVirtual, Cause: CauseAbsent}},
		"the pod counts before its namespace":           {append([]any{nsManaged}, ready...), pendingPod("p", byKey, say("virtual")), Decision{Layer: LayerVirtual, Rule: RuleStatedVirtual, Cause: CauseScheduler}},
	} {
		t.Run(name, func(t *testing.T) {
			got := testFilter(DefaultConfig(), testClock(), test.cluster...).Decide(test.pod)
			if got.Rule == RuleNeedsManaged {
				require.NotNil(t, got.Feature)
			}
			got.Feature = nil
			require.Equal(t, test.want, got)
		})
	}
}

func TestAPodIsSettledWhenNothingItHoldsCanChangeItsLayer(t *testing.T) {
	cfg := DefaultConfig()
	for name, test := range map[string]struct {
		edits   []func(*corev1.Pod)
		settled bool
	}{
		"it has a node":                         {[]func(*corev1.Pod){runningOn("n1")}, true},
		"it has none yet":                       {nil, false},
		"it tolerates virtual nodes":            {[]func(*corev1.Pod){runningOn("n1"), byKey}, false},
		"it tolerates everything":               {[]func(*corev1.Pod){runningOn("n1"), tolerateAll}, false},
		"it says that it is for virtual nodes":  {[]func(*corev1.Pod){runningOn("n1"), annotation(LayerKey, "virtual")}, false},
		"its label says so":                     {[]func(*corev1.Pod){runningOn("n1"), func(p *corev1.Pod) { p.Labels[LayerKey] = "virtual" }}, false},
		"it says that it is for managed nodes":  {[]func(*corev1.Pod){runningOn("n1"), annotation(LayerKey, "managed")}, true},
		"it says what nobody understands":       {[]func(*corev1.Pod){runningOn("n1"), annotation(LayerKey, "cloud")}, true},
		"it tolerates what other nodes have":    {[]func(*corev1.Pod){runningOn("n1"), toleration(corev1.Toleration{Key: "team", Operator: corev1.TolerationOpExists})}, true},
		"it has neither annotations nor labels": {[]func(*corev1.Pod){runningOn("n1"), func(p *corev1.Pod) { p.Annotations, p.Labels = nil, nil }}, true},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, test.settled, cfg.Settled(pendingPod("web", test.edits...)))
		})
	}
}

func TestDecideTakesNoPodForAPod(t *testing.T) {
	require.False(t, testFilter(DefaultConfig(), testClock()).Decide(nil).Skip())
}

func TestRecognisingVirtualNodes(t *testing.T) {
	cfg := DefaultConfig()
	bare := func(edit func(*corev1.Node)) *corev1.Node {
		n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{}, Annotations: map[string]string{}}}
		edit(n)
		return n
	}
	for name, test := range map[string]struct {
		node *corev1.Node
		want bool
	}{
		"by the taint":                   {bare(nodeTaint("virtual-kubelet.io/provider", "oracle")), true},
		"not by another provider":        {bare(nodeTaint("virtual-kubelet.io/provider", "azure")), false},
		"by the type label":              {bare(nodeLabel("type", "virtual-node")), true},
		"not by another type":            {bare(nodeLabel("type", "bare-metal")), false},
		"by the role label, empty value": {bare(nodeLabel("node-role.kubernetes.io/virtual-node", "")), true},
		"by the pool annotation":         {bare(func(n *corev1.Node) { n.Annotations["oci.oraclecloud.com/virtual-node-pool-id"] = "ocid1" }), true},
		"not a managed node":             {bare(func(n *corev1.Node) { n.Annotations["oci.oraclecloud.com/node-pool-id"] = "ocid1" }), false},
		"not nil":                        {nil, false},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, test.want, cfg.IsVirtual(test.node)) })
	}
}

func TestTheConfiguredTaintMarksVirtualNodes(t *testing.T) {
	cfg := DefaultConfig()
	cfg.Markers = Markers{Labels: []Marker{{Key: "x"}}}
	cfg.Taint = corev1.Taint{Key: "burst", Value: "yes", Effect: corev1.TaintEffectNoSchedule}
	require.True(t, cfg.IsVirtual(&corev1.Node{Spec: corev1.NodeSpec{Taints: []corev1.Taint{cfg.Taint}}}))
	require.False(t, cfg.IsVirtual(&corev1.Node{Spec: corev1.NodeSpec{Taints: []corev1.Taint{{Key: "burst", Value: "no", Effect: cfg.Taint.Effect}}}}))
}

func TestOverflow(t *testing.T) {
	on := func(d time.Duration) Config { cfg := DefaultConfig(); cfg.OverflowAfter = d; return cfg }
	wait := func(left time.Duration) Decision {
		return Decision{Layer: LayerVirtual, Rule: RuleNamesTaint, Cause: CauseCordoned, RecheckAfter: left, Overflow: left}
	}
	over := Decision{Layer: LayerManaged, Rule: RuleOverflow, Cause: CauseCordoned}
	for name, test := range map[string]struct {
		config Config
		pod    *corev1.Pod
		after  time.Duration
		want   Decision
	}{
		"off, a pod waits for ever":                    {DefaultConfig(), pendingPod("p", byKey), 24 * time.Hour, wait(0)},
		"a pod that waits says when it will be over":   {on(5 * time.Minute), pendingPod("p", byKey), time.Minute, wait(4 * time.Minute)},
		"a pod that has waited is Karpenter's":         {on(5 * time.Minute), pendingPod("p", byKey), 5 * time.Minute, over},
		"the pod's own time counts first":              {on(5 * time.Minute), pendingPod("p", byKey, annotation(OverflowAfterKey, "1m")), time.Minute, over},
		"the pod's own time counts when it is off":     {DefaultConfig(), pendingPod("p", byKey, annotation(OverflowAfterKey, "1m")), time.Minute, over},
		"the pod may say never":                        {on(5 * time.Minute), pendingPod("p", byKey, annotation(OverflowAfterKey, "never")), time.Hour, wait(0)},
		"a pod that only virtual nodes match stays":    {on(5 * time.Minute), pendingPod("p", burst), time.Hour, wait(0)},
		"an unreadable time is said and does not hold": {on(5 * time.Minute), pendingPod("p", byKey, annotation(OverflowAfterKey, "soon")), 5 * time.Minute, Decision{Layer: LayerManaged, Rule: RuleOverflow, Cause: CauseCordoned, Conflict: ConflictBadOverflow}},
		"a negative time is unreadable":                {DefaultConfig(), pendingPod("p", byKey, annotation(OverflowAfterKey, "-1m")), time.Hour, Decision{Layer: LayerVirtual, Rule: RuleNamesTaint, Cause: CauseCordoned, Conflict: ConflictBadOverflow}},
		"a running pod never overflows":                {on(5 * time.Minute), pendingPod("p", byKey, runningOn("managed-1")), time.Hour, wait(0)},
		"without a transition time its age counts": {on(5 * time.Minute), pendingPod("p", byKey, func(p *corev1.Pod) {
			p.Status.Conditions[0].LastTransitionTime = metav1.Time{}
		}), 5 * time.Minute, over},
	} {
		t.Run(name, func(t *testing.T) {
			clk := testClock()
			f := testFilter(test.config, clk, vnode("v", cordoned), nodePool("general", nil))
			clk.Step(test.after)
			require.Equal(t, test.want, f.Decide(test.pod))
		})
	}
}

// Half an hour with a virtual node that flaps every 20 s and is cordoned from minute 10 to 20.
func TestABlanketTolerationTurnsWithTheCordonAndNotWithFlaps(t *testing.T) {
	clk := testClock()
	f := testFilter(DefaultConfig(), clk, nodePool("general", nil))
	pod := pendingPod("p", tolerateAll)
	var moves []string
	var last Layer
	for step := time.Duration(0); step < 30*time.Minute; step += 20 * time.Second {
		edits := []func(*corev1.Node){}
		if step/(20*time.Second)%2 == 1 {
			edits = append(edits, notReadySince(clk.Now()))
		}
		if step >= 10*time.Minute && step < 20*time.Minute {
			edits = append(edits, cordoned)
		}
		f.index.setNode(vnode("v1", edits...), load{})
		if d := f.Decide(pod); d.Layer != last {
			moves, last = append(moves, fmt.Sprintf("%s %s by %s", step, d.Layer, d.Rule)), d.Layer
		}
		clk.Step(20 * time.Second)
	}
	require.Equal(t, []string{"0s virtual by " + RuleToleratesAll, "10m0s managed by " + RuleAllNoRoom, "20m0s virtual by " + RuleToleratesAll}, moves)
}

func BenchmarkDecide(b *testing.B) {
	f := testFilter(DefaultConfig(), testClock(), vnode("virtual-1"), vnode("virtual-2"), nodePool("general", nil))
	f2 := testFilter(DefaultConfig(), testClock(), vnode("virtual-1", cordoned), vnode("virtual-2", cordoned), nodePool("general", nil))
	for _, bench := range []struct {
		name   string
		filter *Filter
		pod    *corev1.Pod
	}{
		{"burst", f, typicalPod("p", burst)},
		{"burst-cordoned", f2, typicalPod("p", burst)},
		{"blanket", f, typicalPod("p", tolerateAll)},
		{"stateful", f, typicalPod("p")},
		{"pvc", f, typicalPod("p", byKey, pvc)},
	} {
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				bench.filter.Decide(bench.pod)
			}
		})
	}
}

func TestDecideDoesNotAllocateForTypicalPods(t *testing.T) {
	f := testFilter(DefaultConfig(), testClock(), vnode("virtual-1", cordoned), vnode("virtual-2"), nodePool("general", nil))
	for name, pod := range map[string]*corev1.Pod{
		"burst": typicalPod("p", burst), "blanket": typicalPod("p", tolerateAll), "stateful": typicalPod("p"), "pvc": typicalPod("p", byKey, pvc),
	} {
		t.Run(name, func(t *testing.T) {
			require.Zero(t, testing.AllocsPerRun(100, func() { f.Decide(pod) }))
		})
	}
}

// typicalPod is a pod as the API server returns it: defaults filled in, a token volume, probes, two containers.
func typicalPod(name string, edits ...func(*corev1.Pod)) *corev1.Pod {
	p := pendingPod(name)
	mode, grace := int32(0o644), int64(30)
	p.Spec.TerminationGracePeriodSeconds = &grace
	p.Spec.SecurityContext = &corev1.PodSecurityContext{}
	p.Spec.Volumes = []corev1.Volume{
		{Name: "token", VolumeSource: corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{DefaultMode: &mode, Sources: make([]corev1.VolumeProjection, 3)}}},
		{Name: "config", VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{DefaultMode: &mode}}},
	}
	p.Spec.Tolerations = []corev1.Toleration{
		{Key: corev1.TaintNodeNotReady, Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoExecute},
		{Key: corev1.TaintNodeUnreachable, Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoExecute},
	}
	main := &p.Spec.Containers[0]
	main.TerminationMessagePath, main.TerminationMessagePolicy = corev1.TerminationMessagePathDefault, corev1.TerminationMessageReadFile
	main.Ports = []corev1.ContainerPort{{ContainerPort: 8080}}
	main.ReadinessProbe = &corev1.Probe{ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: "/"}}}
	main.VolumeMounts = []corev1.VolumeMount{{Name: "token", MountPath: "/token"}, {Name: "config", MountPath: "/config"}}
	main.Env = []corev1.EnvVar{{Name: "A", Value: "b"}}
	p.Spec.Containers = append(p.Spec.Containers, *main.DeepCopy())
	for _, edit := range edits {
		edit(p)
	}
	return p
}
