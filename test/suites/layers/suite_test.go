// Package layers_test shows on a real control plane, with the real controller, that every pending pod goes to the layer it belongs to,
// and that nothing stays pending in silence.
package layers_test

import (
	_ "embed"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/samber/lo"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"

	"github.com/karpenter-oke/karpenter-oke/test/environment"
	"github.com/karpenter-oke/karpenter-oke/test/live"
	"github.com/karpenter-oke/karpenter-oke/test/ocisim"
)

//go:embed testdata/cluster.yaml
var clusterManifest string

// extraRules is a rule from settings, as the controller gets it.
const extraRules = `[{"name": "no-bursting", "expression": "pod.metadata.?labels['bursting'].orValue('') == 'forbidden'", "message": "must not burst"}]`

type suite struct{ *live.Spec }

func start(t *testing.T, args ...string) *suite {
	t.Helper()
	s := &suite{live.Start(t, environment.Options{
		Name: "test-layers", FixedNodes: live.None(), SystemNodes: live.None(), ControllerArgs: args,
		OCISim: ocisim.Options{ProvisioningDelay: 500 * time.Millisecond, TerminationDelay: 500 * time.Millisecond},
	})}
	require.NoError(t, s.Apply(t.Context(), clusterManifest))
	s.Eventually("the NodePool to be ready", func() string {
		pool := &karpv1.NodePool{}
		require.NoError(t, s.Client().Get(t.Context(), client.ObjectKey{Name: "general"}, pool))
		if root := pool.StatusConditions().Root(); !root.IsTrue() {
			return fmt.Sprint(pool.Status.Conditions)
		}
		return ""
	})
	return s
}

// pod is what a test says of a pod; the rest of it is the same for all.
type pod struct {
	name, namespace  string
	labels, annotate map[string]string
	edit             func(*corev1.PodSpec)
}

func (s *suite) create(pods ...pod) {
	s.Helper()
	for _, p := range pods {
		o := &corev1.Pod{}
		o.Name, o.Namespace, o.Labels, o.Annotations = p.name, lo.CoalesceOrEmpty(p.namespace, "default"), p.labels, p.annotate
		o.Spec = corev1.PodSpec{Containers: []corev1.Container{{Name: "main", Image: "registry.example/main:1", Resources: small()}}, TerminationGracePeriodSeconds: lo.ToPtr[int64](1)}
		if p.edit != nil {
			p.edit(&o.Spec)
		}
		require.NoError(s.T, s.Client().Create(s.Context(), o))
	}
}

// remove deletes pods and waits until they are gone.
func (s *suite) remove(namespace string, names ...string) {
	s.Helper()
	for _, name := range names {
		p := &corev1.Pod{}
		p.Name, p.Namespace = name, namespace
		require.NoError(s.T, client.IgnoreNotFound(s.Client().Delete(s.Context(), p)))
	}
	s.Eventually("the pods to go", func() string {
		list := &corev1.PodList{}
		require.NoError(s.T, s.Client().List(s.Context(), list, client.InNamespace(namespace)))
		left := lo.FilterMap(list.Items, func(p corev1.Pod, _ int) (string, bool) { return p.Name, lo.Contains(names, p.Name) })
		return strings.Join(left, ", ")
	})
}

// nodeOf waits until the pod runs and returns its node.
func (s *suite) nodeOf(namespace, name string) *corev1.Node {
	s.Helper()
	p := &corev1.Pod{}
	s.Eventually("pod "+name+" to run", func() string {
		s.Get(p, namespace, name)
		if p.Status.Phase != corev1.PodRunning {
			return fmt.Sprintf("it is %s %s %s: %v\nevents: %s", p.Status.Phase, p.Status.Reason, p.Status.Message, p.Status.Conditions, strings.Join(s.events(namespace, name), "\n"))
		}
		return ""
	})
	return s.Node(p.Spec.NodeName)
}

func (s *suite) runsVirtually(namespace, name string) {
	s.Helper()
	n := s.nodeOf(namespace, name)
	require.Equal(s.T, "virtual-node", n.Labels["type"], "pod %s runs on %s", name, n.Name)
}

func (s *suite) runsOnKarpentersNode(namespace, name string) {
	s.Helper()
	n := s.nodeOf(namespace, name)
	require.Equal(s.T, "general", n.Labels[karpv1.NodePoolLabelKey], "pod %s runs on %s", name, n.Name)
}

// events are those on a pod, as "Type Reason message".
func (s *suite) events(namespace, name string) []string {
	s.Helper()
	list := &corev1.EventList{}
	require.NoError(s.T, s.Client().List(s.Context(), list, client.InNamespace(namespace)))
	var all []string
	for _, e := range list.Items {
		if e.InvolvedObject.Name == name {
			all = append(all, fmt.Sprintf("%s %s %s", e.Type, e.Reason, e.Message))
		}
	}
	return all
}

// told waits for an event on a pod that begins so and has all the words.
func (s *suite) told(namespace, name, head string, words ...string) {
	s.Helper()
	s.Eventually("event "+head+" on pod "+name, func() string {
		all := s.events(namespace, name)
		for _, e := range all {
			if strings.HasPrefix(e, head) && lo.EveryBy(words, func(w string) bool { return strings.Contains(e, w) }) {
				return ""
			}
		}
		return "it has: " + strings.Join(all, "\n")
	})
}

func (s *suite) virtualNodes() []corev1.Node {
	s.Helper()
	list := &corev1.NodeList{}
	require.NoError(s.T, s.Client().List(s.Context(), list, client.MatchingLabels{"type": "virtual-node"}))
	require.NotEmpty(s.T, list.Items)
	return list.Items
}

// cordon marks all virtual nodes unschedulable, or schedulable again, and waits until the controller knows.
func (s *suite) cordon(on bool) {
	s.Helper()
	nodes := s.virtualNodes()
	for i := range nodes {
		before := nodes[i].DeepCopy()
		nodes[i].Spec.Unschedulable = on
		require.NoError(s.T, s.Client().Patch(s.Context(), &nodes[i], client.MergeFrom(before)))
	}
	s.metric("karpenter_oke_virtual_node_nodes", map[string]string{"state": lo.Ternary(on, "cordoned", "usable"), "arch": "amd64"}, func(v float64) bool { return v == float64(len(nodes)) })
}

// metric waits until a metric of the controller is as it should be.
func (s *suite) metric(name string, labels map[string]string, right func(float64) bool) {
	s.Helper()
	s.Eventually(fmt.Sprintf("metric %s%v", name, labels), func() string {
		values := s.Metrics(name, labels)
		sum := lo.Sum(values)
		if len(values) > 0 && right(sum) {
			return ""
		}
		return fmt.Sprintf("it is %v", values)
	})
}
