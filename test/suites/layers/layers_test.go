package layers_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/samber/lo"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"

	"github.com/karpenter-oke/karpenter-oke/pkg/virtualnode"
)

const (
	layerKey    = "karpenter.k8s.oracle/layer"
	overflowKey = "karpenter.k8s.oracle/virtual-node-overflow-after"
)

func TestLayersOnARealCluster(t *testing.T) {
	s := start(t, "--virtual-node-extra-rules", extraRules, "--virtual-node-disabled-rules", "file-storage-claim", "--virtual-node-grace-period", "3s",
		"--feature-gates", "CapacityBuffer=true")
	for _, spec := range []struct {
		name string
		run  func(*suite)
	}{
		{"rules: what virtual nodes take goes there and buys nothing", (*suite).checkVirtualPods},
		{"rules: what virtual nodes refuse gets a node, contradictions are told", (*suite).checkManagedPods},
		{"filter: skipped pods wait with a reason and buy nothing", (*suite).checkSkipped},
		{"filter: pods get nodes near pods on virtual nodes", (*suite).checkTopology},
		{"filter: a spread over zones counts the pods on virtual nodes", (*suite).checkSpread},
		{"filter: room is kept for buffers of managed pods only", (*suite).checkBuffers},
		{"virtual nodes: pods wait while none is Ready and run when they are back", (*suite).checkReadiness},
		{"overflow: pods that waited get a node, new ones go back", (*suite).checkOverflow},
		{"filter: nothing is bought for a going node's pods that virtual nodes will take", (*suite).checkGoingNodes},
		{"explain: the metrics tell what happened", (*suite).checkMetrics},
		{"consolidation: a managed node is not emptied onto virtual nodes", (*suite).checkConsolidation},
		{"virtual nodes: where there are none, pods wait with a warning", (*suite).checkNoVirtualNodes},
	} {
		if !t.Run(spec.name, func(t *testing.T) { spec.run(&suite{s.In(t)}) }) {
			break // the specs share the cluster
		}
	}
}

func (s *suite) checkVirtualPods() {
	s.create(
		pod{name: "by-key", edit: burst},
		pod{name: "by-selector", edit: onlyVirtual},
		pod{name: "file-storage", edit: all(onlyVirtual, claim("shared"))},
		pod{name: "stated", namespace: "bursting", edit: blanket},
	)
	for _, name := range []string{"by-key", "by-selector", "file-storage"} {
		s.runsVirtually("default", name)
	}
	s.runsVirtually("bursting", "stated")
	require.Empty(s.T, s.Claims(""), "a node was bought for pods that virtual nodes took")
	s.remove("bursting", "stated")
	s.remove("default", "by-key", "by-selector", "file-storage")
}

func (s *suite) checkManagedPods() {
	s.create(pod{name: "plain"}, pod{name: "misspelt", namespace: "misspelt"})
	s.runsOnKarpentersNode("default", "plain")
	s.runsOnKarpentersNode("misspelt", "misspelt")
	s.told("misspelt", "misspelt", "Warning LayerConflict", "namespace", `"virtaul"`)
	s.remove("misspelt", "misspelt")
	s.remove("default", "plain")

	// Pods that tolerate virtual nodes come to Karpenter only when kube-scheduler has not put them there.
	s.cordon(true)
	s.create(
		pod{name: "port", edit: all(burst, hostPort)},
		pod{name: "says-virtual", edit: all(burst, hostPort), annotate: map[string]string{layerKey: "virtual"}},
		pod{name: "forbidden", edit: burst, labels: map[string]string{"bursting": "forbidden"}},
		pod{name: "says-managed", edit: burst, annotate: map[string]string{layerKey: "managed"}},
	)
	names := []string{"port", "says-virtual", "forbidden", "says-managed"}
	for _, name := range names {
		s.runsOnKarpentersNode("default", name)
	}
	s.told("default", "says-virtual", "Warning LayerConflict", "rule needs-managed-node", "[host-port]")
	s.remove("default", names...)
	s.cordon(false)
}

// dropNodes begins to take Karpenter's nodes away.
func (s *suite) dropNodes() {
	s.Helper()
	for _, c := range s.Claims("") {
		require.NoError(s.T, client.IgnoreNotFound(s.Client().Delete(s.Context(), &c)))
	}
}

// noNodes takes Karpenter's nodes away, so that no room is left of an earlier spec.
func (s *suite) noNodes() {
	s.Helper()
	s.dropNodes()
	s.Eventually("Karpenter's nodes to go", func() string {
		return strings.Join(lo.Map(s.Claims(""), func(c karpv1.NodeClaim, _ int) string { return c.Name + " " + c.Status.NodeName }), ", ")
	})
}

// newClaims are the NodeClaims that are not among others.
func (s *suite) newClaims(others []karpv1.NodeClaim) []karpv1.NodeClaim {
	s.Helper()
	return lo.Reject(s.Claims(""), func(c karpv1.NodeClaim, _ int) bool {
		return lo.ContainsBy(others, func(o karpv1.NodeClaim) bool { return o.UID == c.UID })
	})
}

func (s *suite) checkSkipped() {
	before := s.Claims("") // of nodes too small for the large pod
	s.cordon(true)
	var names []string
	for i := range 5 {
		names = append(names, fmt.Sprintf("burst-%d", i))
		s.create(pod{name: names[i], edit: onlyVirtual})
	}
	for _, name := range names {
		s.told("default", name, "Normal SkippedForVirtualNode", "names-taint", "cordoned", "kubectl uncordon")
	}
	s.create(pod{name: "nowhere", edit: all(burst, func(spec *corev1.PodSpec) { spec.NodeSelector = map[string]string{"disk": "tape"} })})
	s.told("default", "nowhere", "Warning SkippedForVirtualNode", "nothing-matches")
	s.metric("karpenter_oke_virtual_node_skipped_pods", map[string]string{"reason": "cordoned"}, func(v float64) bool { return v == 5 })
	s.metric("karpenter_oke_virtual_node_skipped_pods", map[string]string{"reason": "no-match"}, func(v float64) bool { return v == 1 })
	s.metric("karpenter_oke_virtual_node_oldest_skipped_pod_age_seconds", nil, func(v float64) bool { return v > 0 })

	// A pod of Karpenter's is served after them, so the loop has seen them all, and it alone is bought for.
	s.create(pod{name: "large", edit: cpu("5")})
	s.runsOnKarpentersNode("default", "large")
	bought := s.newClaims(before)
	require.Len(s.T, bought, 1)
	requests := bought[0].Spec.Resources.Requests // DaemonSets included, which ask for less than any of the pods
	require.Less(s.T, requests.Cpu().MilliValue(), int64(5250), "room was bought for skipped pods: %v", requests)
	s.metric("karpenter_scheduler_ignored_pods_count", nil, func(v float64) bool { return v == 6 })

	s.cordon(false)
	for _, name := range names {
		s.runsVirtually("default", name)
	}
	s.metric("karpenter_oke_virtual_node_skipped_pods", map[string]string{"reason": "cordoned"}, func(v float64) bool { return v == 0 })
	s.remove("default", append(names, "nowhere", "large")...)
}

func (s *suite) checkTopology() {
	zones := lo.SliceToMap(s.virtualNodes(), func(n corev1.Node) (string, string) { return n.Name, n.Labels[corev1.LabelTopologyZone] })
	s.create(pod{name: "cache", labels: map[string]string{"app": "cache"}, edit: onlyVirtual})
	cache := s.nodeOf("default", "cache")
	s.create(pod{name: "web", edit: all(nearPods("app", "cache"), cpu("5"))})
	web := s.nodeOf("default", "web")
	require.Equal(s.T, "general", web.Labels["karpenter.sh/nodepool"])
	require.Equal(s.T, zones[cache.Name], web.Labels[corev1.LabelTopologyZone])
	s.remove("default", "web", "cache")
}

// checkSpread: two of three zones hold a pod of the application on a virtual node, so the next one, which needs a new node, gets the third.
func (s *suite) checkSpread() {
	web := map[string]string{"app": "web"}
	var taken []string
	for _, n := range s.virtualNodes() {
		zone := n.Labels[corev1.LabelTopologyZone]
		taken = append(taken, zone)
		s.create(pod{name: "web-" + strings.ToLower(zone), labels: web, edit: all(onlyVirtual, func(spec *corev1.PodSpec) {
			spec.NodeSelector[corev1.LabelTopologyZone] = zone
		})})
	}
	require.Len(s.T, lo.Uniq(taken), 2)
	names := lo.Map(taken, func(zone string, _ int) string { return "web-" + strings.ToLower(zone) })
	for _, name := range names {
		s.runsVirtually("default", name)
	}
	s.create(pod{name: "web", labels: web, edit: all(cpu("5"), func(spec *corev1.PodSpec) {
		spec.TopologySpreadConstraints = []corev1.TopologySpreadConstraint{{
			MaxSkew: 1, TopologyKey: corev1.LabelTopologyZone, WhenUnsatisfiable: corev1.DoNotSchedule, LabelSelector: lo.ToPtr(selectorOf("app", "web")),
		}}
	})})
	require.NotContains(s.T, taken, s.nodeOf("default", "web").Labels[corev1.LabelTopologyZone])
	s.remove("default", append(names, "web")...)
}

// checkBuffers: a buffer of pods that virtual nodes take buys nothing and says so; one of pods that they refuse buys a node before there
// is a pod.
func (s *suite) checkBuffers() {
	s.noNodes()
	s.Create(buffer, map[string]string{"Name": "spare-virtual", "Tolerations": "[{key: virtual-kubelet.io/provider, operator: Exists}]", "Selector": "{type: virtual-node}"})
	s.EventuallyEvent(virtualnode.EventBufferSkipped, "CapacityBuffer", "spare-virtual")
	s.Create(buffer, map[string]string{"Name": "spare-managed", "Tolerations": "[]", "Selector": "{}"})
	s.Eventually("a node for the managed buffer", func() string {
		return lo.Ternary(len(s.Claims("")) > 0, "", "there is no NodeClaim")
	})
	bought := s.Claims("")
	require.Len(s.T, bought, 1)
	requests := bought[0].Spec.Resources.Requests
	require.Less(s.T, requests.Cpu().MilliValue(), int64(6000), "room was bought for the virtual buffer too: %v", requests)
	require.GreaterOrEqual(s.T, requests.Cpu().MilliValue(), int64(3000))
	for _, name := range []string{"spare-virtual", "spare-managed"} {
		s.Remove(buffer, map[string]string{"Name": name, "Tolerations": "[]", "Selector": "{}"})
	}
	s.noNodes()
}

func (s *suite) checkReadiness() {
	ready := func(status corev1.ConditionStatus) {
		nodes := s.virtualNodes()
		for i := range nodes {
			before := nodes[i].DeepCopy()
			for k := range nodes[i].Status.Conditions {
				if c := &nodes[i].Status.Conditions[k]; c.Type == corev1.NodeReady {
					c.Status, c.LastTransitionTime = status, metav1.Now()
				}
			}
			require.NoError(s.T, s.Client().Status().Patch(s.Context(), &nodes[i], client.MergeFrom(before)))
		}
	}
	s.dropNodes() // the next spec needs them gone
	ready(corev1.ConditionFalse)
	s.Eventually("the virtual nodes to be tainted", func() string {
		untainted := lo.Reject(s.virtualNodes(), func(n corev1.Node, _ int) bool {
			return lo.ContainsBy(n.Spec.Taints, func(t corev1.Taint) bool {
				return t.Key == corev1.TaintNodeNotReady && t.Effect == corev1.TaintEffectNoSchedule
			})
		})
		return lo.Ternary(len(untainted) == 0, "", fmt.Sprintf("%d are not", len(untainted)))
	})
	s.create(pod{name: "waits", edit: onlyVirtual})
	s.metric("karpenter_oke_virtual_node_nodes", map[string]string{"state": "not-ready", "arch": "amd64"}, func(v float64) bool { return v > 0 })
	s.told("default", "waits", "Normal SkippedForVirtualNode", "not Ready")
	ready(corev1.ConditionTrue)
	s.runsVirtually("default", "waits")
	s.remove("default", "waits")
}

func (s *suite) checkOverflow() {
	s.noNodes()
	s.cordon(true)
	s.create(
		pod{name: "patient", edit: burst},
		pod{name: "hasty", edit: all(burst, cpu("5")), annotate: map[string]string{overflowKey: "2s"}},
		pod{name: "only-virtual", edit: onlyVirtual, annotate: map[string]string{overflowKey: "2s"}},
		pod{name: "unreadable", edit: burst, annotate: map[string]string{overflowKey: "soon"}},
	)
	s.told("default", "hasty", "Warning VirtualNodeOverflow", "rule overflow", "cordoned", "kube-scheduler says")
	s.runsOnKarpentersNode("default", "hasty")
	s.told("default", "unreadable", "Warning SkippedForVirtualNode", `is "soon"`)
	s.told("default", "only-virtual", "Normal SkippedForVirtualNode", "No NodePool matches it either")
	s.metric("karpenter_oke_virtual_node_overflow_total", map[string]string{"reason": "cordoned"}, func(v float64) bool { return v == 1 })
	require.Len(s.T, s.Claims(""), 1, "more than one node was bought for one pod")

	s.cordon(false)
	s.create(pod{name: "fresh", edit: onlyVirtual, annotate: map[string]string{overflowKey: "2s"}})
	for _, name := range []string{"fresh", "only-virtual"} {
		s.runsVirtually("default", name)
	}
	s.nodeOf("default", "patient")
	s.nodeOf("default", "unreadable")
	require.Len(s.T, s.Claims(""), 1, "a node was bought although virtual nodes were back")
	s.remove("default", "patient", "only-virtual", "unreadable", "fresh")
}

// checkGoingNodes drains the node of the pod that overflowed. Core buys room for a going node's pods beforehand; a virtual node would
// take this one.
func (s *suite) checkGoingNodes() {
	before := s.Claims("")
	require.Len(s.T, before, 1)
	s.runsOnKarpentersNode("default", "hasty")
	s.dropNodes()
	s.Eventually("the node to go", func() string {
		require.Empty(s.T, s.newClaims(before), "a node was bought for a pod that virtual nodes will take")
		return lo.Ternary(len(s.Claims("")) == 0, "", "it is there")
	})
	s.remove("default", "hasty")
}

func (s *suite) checkMetrics() {
	s.metric("karpenter_oke_virtual_node_decisions_total", map[string]string{"layer": "virtual", "rule": "names-taint"}, func(v float64) bool { return v >= 5 })
	s.metric("karpenter_oke_virtual_node_decisions_total", map[string]string{"layer": "managed", "rule": "needs-managed-node"}, func(v float64) bool { return v >= 1 })
	s.metric("karpenter_oke_virtual_node_oldest_skipped_pod_age_seconds", nil, func(v float64) bool { return v == 0 })
	for _, cause := range []string{"cordoned", "absent", "no-address", "quota"} {
		require.Len(s.T, s.Metrics("karpenter_oke_virtual_node_skipped_pods", map[string]string{"reason": cause}), 1)
	}
	for _, help := range s.Metrics("karpenter_cluster_utilization_percent", map[string]string{"resource_type": "cpu"}) {
		require.LessOrEqual(s.T, help, 100.0)
	}
}

// checkConsolidation ends with Karpenter's nodes gone: empty ones go, and one whose pod would fit on a virtual node stays as long as the
// pod does.
func (s *suite) checkConsolidation() {
	s.cordon(true)
	s.create(pod{name: "keeper", edit: all(burst, cpu("3")), annotate: map[string]string{layerKey: "managed"}})
	node := s.nodeOf("default", "keeper")
	s.cordon(false)
	s.Eventually("other nodes to go, so that consolidation has run", func() string {
		claims := s.Claims("")
		if len(claims) == 1 && claims[0].Status.NodeName == node.Name && claims[0].StatusConditions().Get("Consolidatable").IsTrue() {
			return ""
		}
		return strings.Join(lo.Map(claims, func(c karpv1.NodeClaim, _ int) string { return c.Name + " " + c.Status.NodeName }), ", ")
	})
	s.runsOnKarpentersNode("default", "keeper")
	s.remove("default", "keeper")
	s.noNodes()
}

// checkNoVirtualNodes comes last: it takes the virtual nodes away for good.
func (s *suite) checkNoVirtualNodes() {
	for _, n := range s.virtualNodes() {
		require.NoError(s.T, s.Client().Delete(s.Context(), &n))
	}
	s.metric("karpenter_oke_virtual_node_nodes", nil, func(v float64) bool { return v == 0 })
	s.create(pod{name: "lonely", edit: burst})
	s.told("default", "lonely", "Warning SkippedForVirtualNode", "No virtual node exists", "Add a virtual node pool")
	s.metric("karpenter_oke_virtual_node_skipped_pods", map[string]string{"reason": "absent"}, func(v float64) bool { return v == 1 })
	require.Empty(s.T, s.Claims(""))
	s.remove("default", "lonely")
}
