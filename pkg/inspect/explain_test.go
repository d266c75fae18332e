package inspect

import (
	"strings"
	"testing"
	"time"

	"github.com/samber/lo"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/cloudprovider"

	"github.com/karpenter-oke/karpenter-oke/pkg/providers/capacity"
)

func tainted(np *karpv1.NodePool) {
	np.Spec.Template.Spec.Taints = []corev1.Taint{{Key: "team", Value: "a", Effect: corev1.TaintEffectNoSchedule}, {Key: "soft", Effect: corev1.TaintEffectPreferNoSchedule}}
}

func limited(np *karpv1.NodePool) {
	np.Spec.Limits = karpv1.Limits(list("cpu", "10"))
	np.Status.Resources = list("cpu", "8")
}

// sizes are what the pools below choose from.
func sizes() []*cloudprovider.InstanceType {
	return []*cloudprovider.InstanceType{instanceType("VM.A.E4Flex", 1, 8), instanceType("VM.A.E4Flex", 2, 8), instanceType("VM.B.E5Flex", 2, 16, "AD-2")}
}

func TestANodePoolTakesAPodOrSaysWhatIsInTheWay(t *testing.T) {
	for says, tc := range map[string]struct {
		pool *karpv1.NodePool
		pod  *corev1.Pod
		why  []string // parts of the blocks in order; none: it takes the pod
		do   string
		left []int
	}{
		"a pod that fits is taken by the cheapest types": {
			nodePool("p"), pod("x", list("cpu", "1", "memory", "2Gi")), nil, "", []int{3, 3, 3, 3, 3}},
		"DaemonSets count: 1.9 CPUs less 200m are not enough for 1.8": {
			nodePool("p"), pod("x", list("cpu", "1800m")), nil, "", []int{3, 3, 2, 2, 2}},
		"a taint that is not tolerated, while a preference is none": {
			nodePool("p", tainted), pod("x", list("cpu", "1")), []string{"does not tolerate its taint team=a:NoSchedule"}, "add a toleration for team=a:NoSchedule", []int{3, 3, 3, 3, 3}},
		"a tolerated taint": {
			nodePool("p", tainted), pod("x", list("cpu", "1"), tolerating("team")), nil, "", []int{3, 3, 3, 3, 3}},
		"a label that its nodes do not have": {
			nodePool("p"), pod("x", list("cpu", "1"), selecting("disk", "fast")), []string{"disk In [fast] (a label that the NodePool's nodes do not have)"}, "node selector", nil},
		"a label that the NodePool sets otherwise": {
			nodePool("p"), pod("x", list("cpu", "1"), selecting(karpv1.CapacityTypeLabelKey, "spot")), []string{"karpenter.sh/capacity-type In [spot] (the NodePool allows karpenter.sh/capacity-type In [on-demand])"}, "", nil},
		"a zone that no type has": {
			nodePool("p"), pod("x", list("cpu", "1"), selecting(corev1.LabelTopologyZone, "AD-9")), []string{"no instance type has all labels"}, "types --nodepool p", []int{3, 0}},
		"more CPU than any type has": {
			nodePool("p"), pod("x", list("cpu", "12")), []string{"asks for cpu 12, and the most that an instance type has for it is 3.7"}, "larger or other shapes", []int{3, 3, 0}},
		"a GPU where there is none": {
			nodePool("p"), pod("x", list("cpu", "1", "nvidia.com/gpu", "1")), []string{"nvidia.com/gpu 1, and no instance type has any"}, "", []int{3, 3, 0}},
		"a limit that is used up": {
			nodePool("p", limited), pod("x", list("cpu", "3")), []string{"its limit of cpu is 10, 8 are used, and the smallest fitting type has 4"}, "raise its spec.limits.cpu", []int{3, 3, 2, 0}},
		"a static NodePool": {
			nodePool("p", func(np *karpv1.NodePool) { np.Spec.Replicas = lo.ToPtr(int64(2)) }), pod("x", list("cpu", "1")), []string{"fixed number of nodes"}, "", []int{3, 3, 3, 3, 3}},
		"a missing class": {
			nodePool("p", func(np *karpv1.NodePool) { np.Spec.Template.Spec.NodeClassRef.Name = "none" }), pod("x", list("cpu", "1")), []string{"the OciNodeClass none does not exist"}, "describe nodepool p", nil},
	} {
		t.Run(says, func(t *testing.T) {
			daemon := &appsv1.DaemonSet{ObjectMeta: metav1.ObjectMeta{Name: "agent", Namespace: "kube-system"}}
			daemon.Spec.Template.Spec = pod("d", list("cpu", "200m"), tolerating("team")).Spec
			foreign := &appsv1.DaemonSet{ObjectMeta: metav1.ObjectMeta{Name: "gpu-agent", Namespace: "kube-system"}}
			foreign.Spec.Template.Spec = pod("d", list("cpu", "3"), selecting("gpu", "yes")).Spec
			w := newWorld(t, tc.pool, readyClass(), daemon, foreign)
			w.types["p"] = sizes()
			e, err := w.Explain(t.Context(), tc.pod)
			require.NoError(t, err)
			require.Len(t, e.NodePools, 1)
			v := e.NodePools[0]
			require.Equal(t, len(tc.why) == 0, v.Takes, "%+v", v)
			require.Len(t, v.Blocks, len(tc.why), "%+v", v.Blocks)
			for k, why := range tc.why {
				require.Contains(t, v.Blocks[k].Why, why)
			}
			if tc.do != "" {
				require.Contains(t, strings.Join(e.Do, " "), tc.do)
			}
			require.Equal(t, tc.left, lo.Ternary(len(v.Types) > 0, lo.Map(v.Types, func(s Stage, _ int) int { return s.Left }), nil))
			if v.Takes {
				require.Empty(t, e.Do)
				require.Len(t, v.Cheapest, min(v.Types[len(v.Types)-1].Left, MaxCheapest))
				require.True(t, strings.HasPrefix(v.Cheapest[0].Type, "VM.A.E4Flex"))
				require.Equal(t, "on-demand", v.Cheapest[0].CapacityType)
			}
		})
	}
}

func TestWhatIsSoldOutIsSaidWithReasonAndTime(t *testing.T) {
	w := newWorld(t, nodePool("p"), readyClass())
	w.types["p"] = []*cloudprovider.InstanceType{instanceType("VM.B.E5Flex", 2, 16, "AD-1", "AD-2")}
	w.marks.MarkUnavailable(t.Context(), capacity.ReasonOutOfHostCapacity, capacity.Offering{Shape: "VM.B.E5Flex", Zone: "AD-1"}, 3*time.Minute)
	e, err := w.Explain(t.Context(), pod("x", list("cpu", "1")))
	require.NoError(t, err)
	require.Equal(t, "none of 1 fitting types can be had now (NotInZone, OutOfHostCapacity)", e.NodePools[0].Blocks[0].Why)
	require.Contains(t, e.Do[0], "after 12:03:00 UTC")
}

func TestNoTypeWithEnoughOfEverythingNamesTheNearest(t *testing.T) {
	w := newWorld(t, nodePool("p"), readyClass())
	w.types["p"] = []*cloudprovider.InstanceType{instanceType("VM.A.E4Flex", 1, 32), instanceType("VM.A.E4Flex", 4, 8)}
	e, err := w.Explain(t.Context(), pod("x", list("cpu", "6", "memory", "20Gi")))
	require.NoError(t, err)
	require.Contains(t, e.NodePools[0].Blocks[0].Why, "no instance type has enough of everything at once; the nearest, VM.A.E4Flex.4o.8g, lacks memory")
}

func TestTheDecisionOfTheFilterIsExplained(t *testing.T) {
	w := newWorld(t, virtualNode("10.0.0.1"), virtualNode("10.0.0.2"), nodePool("p"), readyClass())
	w.types["p"] = sizes()

	skipped, err := w.Explain(t.Context(), pod("x", list("cpu", "1"), tolerating("virtual-kubelet.io/provider")))
	require.NoError(t, err)
	require.Equal(t, "virtual", skipped.Layer)
	require.Equal(t, "names-taint", skipped.Rule)
	require.Equal(t, []VirtualNodes{{Count: 2, Names: []string{"10.0.0.1", "10.0.0.2"}, Why: "", State: "full"}}, lo.Map(skipped.VirtualNodes, func(v VirtualNodes, _ int) VirtualNodes {
		require.True(t, v.Matches)
		v.Matches, v.State = false, "full"
		return v
	}), "nodes with one verdict stand together")

	contradicts, err := w.Explain(t.Context(), pod("x", list("cpu", "1", "nvidia.com/gpu", "1"), tolerating("virtual-kubelet.io/provider"), func(p *corev1.Pod) {
		p.Annotations = map[string]string{"karpenter.k8s.oracle/layer": "virtual"}
	}))
	require.NoError(t, err)
	require.Equal(t, "managed", contradicts.Layer)
	require.True(t, contradicts.Warning)
	require.Equal(t, "extended-resources", contradicts.Blockers[0].Name)
	require.Equal(t, contradicts.Conflict, contradicts.Do[0])

	bound, err := w.Explain(t.Context(), pod("x", list("cpu", "1"), tolerating("virtual-kubelet.io/provider"), func(p *corev1.Pod) { p.Spec.NodeName = "10.0.0.1" }))
	require.NoError(t, err)
	require.Empty(t, bound.Do, "a pod that has its place needs nothing")
	require.Empty(t, bound.Cause)
}

func TestAClusterWithoutNodePoolsIsToldToMakeOne(t *testing.T) {
	e, err := newWorld(t).Explain(t.Context(), pod("x", list("cpu", "1"), func(p *corev1.Pod) {
		p.Spec.TopologySpreadConstraints = []corev1.TopologySpreadConstraint{{TopologyKey: corev1.LabelTopologyZone}}
	}))
	require.NoError(t, err)
	require.Equal(t, []string{"Create a NodePool: this cluster has none."}, e.Do)
	require.Empty(t, e.VirtualNodes)
	require.Contains(t, e.Notes[0], "topology spread: not looked at")
}

func TestNodePoolsComeInTheOrderInWhichTheyAreTried(t *testing.T) {
	heavy := nodePool("z-heavy", func(np *karpv1.NodePool) { np.Spec.Weight = lo.ToPtr(int32(10)) })
	w := newWorld(t, nodePool("a"), heavy, readyClass())
	e, err := w.Explain(t.Context(), pod("x", list("cpu", "1")))
	require.NoError(t, err)
	require.Equal(t, []string{"z-heavy", "a"}, lo.Map(e.NodePools, func(v PoolVerdict, _ int) string { return v.Name }))
}
