//go:build e2e

// Package guides goes the ways that the documentation shows, with the manifests of its pages, on a real control plane.
package guides

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/samber/lo"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/test/docs/markdown"
	"github.com/karpenter-oke/karpenter-oke/test/environment"
	"github.com/karpenter-oke/karpenter-oke/test/live"
)

// manifests are the YAML blocks of a page of docs/, in order.
func manifests(t *testing.T, page string) []string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", filepath.FromSlash(page)))
	require.NoError(t, err)
	return markdown.Of(string(data), "yaml")
}

type spec struct{ *live.Spec }

func TestTheGuidesLeadWhereTheySay(t *testing.T) {
	// No fixed nodes: what runs, runs on nodes that were bought.
	s := &spec{live.Start(t, environment.Options{Name: "guides", FixedNodes: live.None(), SystemNodes: live.None(), VirtualNodes: live.None()})}
	for _, step := range []struct {
		name string
		run  func(*spec)
	}{
		{"getting started: pods get a node, which goes when they go", (*spec).gettingStarted},
		{"arm: a pod for arm64 gets an Ampere node", (*spec).arm},
		{"preemptible: a batch runs on preemptible nodes", (*spec).preemptible},
		{"native pod networking: the class finds its pod subnets", (*spec).nativePodNetworking},
	} {
		if !t.Run(step.name, func(t *testing.T) { step.run(&spec{&live.Spec{T: t, Environment: s.Environment}}) }) {
			break // the steps share the cluster
		}
	}
}

func (s *spec) gettingStarted() {
	blocks := manifests(s.T, "getting-started.md")
	s.Create(blocks[0], nil)
	s.classIsReady("default")
	s.Create(blocks[1], nil)
	for _, node := range s.run("hello", 3) {
		require.Equal(s.T, "default", node.Labels[karpv1.NodePoolLabelKey])
	}
	require.NoError(s.T, s.Delete(s.Context(), blocks[1]))
	s.Eventually("the node to go", func() string {
		claims := s.Claims("default")
		return lo.Ternary(len(claims) == 0, "", fmt.Sprintf("%d claims", len(claims)))
	})
}

const armPod = `
apiVersion: v1
kind: Pod
metadata: {name: ampere, labels: {app: ampere}}
spec:
  nodeSelector: {kubernetes.io/arch: arm64}
  containers:
    - {name: c, image: registry.k8s.io/pause:3.10, resources: {requests: {cpu: "1", memory: 2Gi}}}
`

func (s *spec) arm() {
	s.Create(manifests(s.T, "recipes/arm.md")[0], nil)
	s.Create(armPod, nil)
	node := s.Runs("ampere")
	require.Equal(s.T, "arm", node.Labels[karpv1.NodePoolLabelKey])
	require.Contains(s.T, []string{"A1", "A2", "A4"}, node.Labels[v1alpha1.LabelInstanceGeneration])
	require.NoError(s.T, s.Delete(s.Context(), armPod))
}

func (s *spec) preemptible() {
	blocks := manifests(s.T, "recipes/preemptible-with-fallback.md")
	s.Create(blocks[0], nil)
	s.Create(blocks[1], nil)
	s.Eventually("the batch to run on preemptible nodes", func() string {
		claims := s.Claims("batch")
		if len(claims) == 0 {
			return "no NodeClaim"
		}
		for i := range claims {
			if claims[i].Status.ProviderID == "" {
				return claims[i].Name + " is not launched"
			}
			require.True(s.T, s.InstanceOf(&claims[i]).Preemptible, claims[i].Name)
			require.Equal(s.T, karpv1.CapacityTypeSpot, claims[i].Labels[karpv1.CapacityTypeLabelKey])
		}
		return lo.Ternary(len(s.pods("batch.kubernetes.io/job-name", "report")) >= 20, "", "too few pods run")
	})
	require.NoError(s.T, s.Delete(s.Context(), blocks[1]))
}

func (s *spec) nativePodNetworking() {
	s.Create(manifests(s.T, "recipes/native-pod-networking.md")[0], nil)
	class := s.classIsReady("native")
	require.NotEmpty(s.T, class.Status.PodSubnets)
	require.NotEmpty(s.T, class.Status.PodSecurityGroups)
}

func (s *spec) classIsReady(name string) *v1alpha1.OciNodeClass {
	s.Helper()
	class := &v1alpha1.OciNodeClass{}
	s.Eventually("class "+name+" to be ready", func() string {
		s.Get(class, "", name)
		return lo.Ternary(class.StatusConditions().Root().IsTrue(), "", fmt.Sprint(class.Status.Conditions))
	})
	return class
}

// run waits until the pods of an app run, and returns their nodes.
func (s *spec) run(app string, replicas int) []corev1.Node {
	s.Helper()
	s.Eventually(app+" to run", func() string {
		n := len(s.pods("app", app))
		return lo.Ternary(n == replicas, "", fmt.Sprintf("%d run", n))
	})
	return lo.Map(s.pods("app", app), func(p corev1.Pod, _ int) corev1.Node {
		node := &corev1.Node{}
		s.Get(node, "", p.Spec.NodeName)
		return *node
	})
}

// pods are those with a label that run or have ended.
func (s *spec) pods(label, value string) []corev1.Pod {
	s.Helper()
	list := &corev1.PodList{}
	require.NoError(s.T, s.Client().List(s.Context(), list, client.InNamespace("default"), client.MatchingLabels{label: value}))
	return lo.Filter(list.Items, func(p corev1.Pod, _ int) bool { return p.Status.Phase != corev1.PodPending })
}
