//go:build soak

// Package layers_test mixes both layers for many minutes on a real control plane: pods of every kind come and go while virtual nodes are
// cordoned, flap and come back, and Karpenter's nodes are drained.
package layers_test

import (
	_ "embed"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/samber/lo"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"

	"github.com/karpenter-oke/karpenter-oke/test/environment"
	"github.com/karpenter-oke/karpenter-oke/test/live"
)

//go:embed testdata/cluster.yaml
var clusterManifest string

const (
	soakMinutes   = 6
	stepEvery     = 3 * time.Second
	podsPerStep   = 4
	podLife       = 50 * time.Second
	overflowAfter = 20 * time.Second
)

// kind is a kind of pod and the layer where it must run: virtual, managed, or either for pods that may overflow.
type kind struct {
	name, layer string
	edit        func(*corev1.Pod)
}

var tolerateVirtual = corev1.Toleration{Key: "virtual-kubelet.io/provider", Operator: corev1.TolerationOpExists}

var kinds = []kind{
	{"plain", "managed", func(*corev1.Pod) {}},
	{"only-virtual", "virtual", func(p *corev1.Pod) {
		p.Spec.Tolerations, p.Spec.NodeSelector = []corev1.Toleration{tolerateVirtual}, map[string]string{"type": "virtual-node"}
	}},
	{"burst", "either", func(p *corev1.Pod) { p.Spec.Tolerations = []corev1.Toleration{tolerateVirtual} }},
	{"own-pool", "managed", func(p *corev1.Pod) {
		p.Spec.Tolerations, p.Spec.NodeSelector = []corev1.Toleration{tolerateVirtual}, map[string]string{karpv1.NodePoolLabelKey: "general"}
	}},
	{"large-burst", "either", func(p *corev1.Pod) {
		p.Spec.Tolerations = []corev1.Toleration{tolerateVirtual}
		p.Spec.Containers[0].Resources.Requests[corev1.ResourceCPU] = resource.MustParse("2")
	}},
}

type soak struct {
	*live.Spec
	rng     *rand.Rand
	created map[string]kind
	layers  map[string]string // where each pod was seen running
	lost    int               // pods that went with their node before they ran: drained, or disrupted by Karpenter
	most    int               // NodeClaims at the same time
}

func TestBothLayersForMinutes(t *testing.T) {
	s := &soak{
		Spec: live.Start(t, environment.Options{
			Name: "soak-layers", FixedNodes: live.None(), SystemNodes: live.None(),
			ControllerArgs: []string{"--virtual-node-overflow-after", overflowAfter.String(), "--virtual-node-grace-period", "5s"},
		}),
		rng: rand.New(rand.NewPCG(1, 2)), created: map[string]kind{}, layers: map[string]string{},
	}
	require.NoError(t, s.Apply(t.Context(), clusterManifest))

	end := time.Now().Add(soakMinutes * time.Minute)
	for step := 0; time.Now().Before(end); step++ {
		s.disturb(step)
		for range podsPerStep {
			s.create()
		}
		s.watch(true)
		require.NoError(t, s.Err())
		time.Sleep(stepEvery)
	}
	s.settle()
}

// disturb cordons the virtual nodes for 45 of every 120 seconds, lets one flap now and then, and evicts the pods of a node of Karpenter's.
func (s *soak) disturb(step int) {
	switch step % 40 {
	case 10:
		s.eachVirtual(func(n *corev1.Node) { n.Spec.Unschedulable = true })
	case 25:
		s.eachVirtual(func(n *corev1.Node) { n.Spec.Unschedulable = false })
	case 5, 30:
		s.setReady(corev1.ConditionFalse)
	case 6, 31:
		s.setReady(corev1.ConditionTrue)
	case 35:
		s.drain()
	}
}

func (s *soak) virtualNodes() []corev1.Node {
	list := &corev1.NodeList{}
	require.NoError(s.T, s.Client().List(s.Context(), list, client.MatchingLabels{"type": "virtual-node"}))
	return list.Items
}

func (s *soak) eachVirtual(edit func(*corev1.Node)) {
	nodes := s.virtualNodes()
	for i := range nodes {
		before := nodes[i].DeepCopy()
		edit(&nodes[i])
		require.NoError(s.T, s.Client().Patch(s.Context(), &nodes[i], client.MergeFrom(before)))
	}
}

// setReady switches the first virtual node.
func (s *soak) setReady(status corev1.ConditionStatus) {
	node := &s.virtualNodes()[0]
	before := node.DeepCopy()
	for k := range node.Status.Conditions {
		if c := &node.Status.Conditions[k]; c.Type == corev1.NodeReady {
			c.Status, c.LastTransitionTime = status, metav1.Now()
		}
	}
	require.NoError(s.T, s.Client().Status().Patch(s.Context(), node, client.MergeFrom(before)))
}

// drain evicts the pods of one of Karpenter's nodes, as `kubectl drain` does.
func (s *soak) drain() {
	claims := s.Claims("")
	if len(claims) == 0 {
		return
	}
	pods := &corev1.PodList{}
	require.NoError(s.T, s.Client().List(s.Context(), pods, client.InNamespace("default")))
	for i := range pods.Items {
		if p := &pods.Items[i]; p.Spec.NodeName == claims[0].Status.NodeName && p.Spec.NodeName != "" {
			err := s.Client().SubResource("eviction").Create(s.Context(), p, &policyv1.Eviction{})
			require.NoError(s.T, client.IgnoreNotFound(err))
		}
	}
	require.NoError(s.T, client.IgnoreNotFound(s.Client().Delete(s.Context(), &claims[0])))
}

func (s *soak) create() {
	k := kinds[s.rng.IntN(len(kinds))]
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("%s-%d", k.name, len(s.created)+s.rng.IntN(1_000_000)), Namespace: "default"}}
	p.Spec.TerminationGracePeriodSeconds = lo.ToPtr[int64](1)
	p.Spec.Containers = []corev1.Container{{Name: "main", Image: "registry.example/main:1", Resources: corev1.ResourceRequirements{
		Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("250m"), corev1.ResourceMemory: resource.MustParse("256Mi")},
	}}}
	k.edit(p)
	require.NoError(s.T, client.IgnoreAlreadyExists(s.Client().Create(s.Context(), p)))
	s.created[p.Name] = k
}

// watch notes where pods run, forgets those that were evicted before they ran (bare pods do not come back) and, if asked to, ends those
// that have run for long enough.
func (s *soak) watch(end bool) {
	pods := &corev1.PodList{}
	require.NoError(s.T, s.Client().List(s.Context(), pods, client.InNamespace("default")))
	virtual := lo.Associate(s.virtualNodes(), func(n corev1.Node) (string, bool) { return n.Name, true })
	there := map[string]bool{}
	for i := range pods.Items {
		p := &pods.Items[i]
		there[p.Name] = true
		if p.Status.Phase != corev1.PodRunning {
			continue
		}
		s.layers[p.Name] = lo.Ternary(virtual[p.Spec.NodeName], "virtual", "managed")
		if end && p.Status.StartTime != nil && time.Since(p.Status.StartTime.Time) > podLife {
			require.NoError(s.T, client.IgnoreNotFound(s.Client().Delete(s.Context(), p)))
		}
	}
	for name := range s.created {
		if !there[name] && s.layers[name] == "" {
			delete(s.created, name)
			s.lost++
		}
	}
	s.most = max(s.most, len(s.Claims("")))
}

// settle opens the virtual nodes, waits until every pod has run, and judges; then it takes the pods away and waits for the nodes to go.
func (s *soak) settle() {
	s.eachVirtual(func(n *corev1.Node) { n.Spec.Unschedulable = false })
	s.setReady(corev1.ConditionTrue)
	s.Eventually("every pod to run", func() string {
		s.watch(false)
		waiting := lo.Filter(lo.Keys(s.created), func(name string, _ int) bool { return s.layers[name] == "" })
		return lo.Ternary(len(waiting) == 0, "", fmt.Sprintf("%d of %d have not: %v", len(waiting), len(s.created), lo.Slice(waiting, 0, 10)))
	})
	count := map[string]int{}
	for name, k := range s.created {
		count[k.name+" on "+s.layers[name]]++
		if k.layer != "either" {
			require.Equal(s.T, k.layer, s.layers[name], "pod %s ran in the wrong layer", name)
		}
	}
	s.Logf("%d pods: %v; at most %d nodes at a time; %d evicted before they ran", len(s.created), count, s.most, s.lost)
	require.Less(s.T, s.lost, len(s.created)/10, "a pod in ten went before it ran: that is more than drained nodes explain")
	require.Positive(s.T, count["burst on virtual"])
	require.Positive(s.T, count["burst on managed"], "nothing overflowed")

	require.NoError(s.T, s.Client().DeleteAllOf(s.Context(), &corev1.Pod{}, client.InNamespace("default")))
	s.Eventually("all of Karpenter's nodes to go", func() string {
		left, err := s.Leftovers(s.Context())
		require.NoError(s.T, err)
		if n := len(s.Claims("")); n > 0 || len(left.Instances) > 0 {
			return fmt.Sprintf("%d NodeClaims, instances %v", n, left.Instances)
		}
		return ""
	})
}
