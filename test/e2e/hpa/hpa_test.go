//go:build e2e

// Package hpa shows that load on a service, as the real metrics-server and the real HorizontalPodAutoscaler see it, moves pods to and
// from virtual nodes and buys no managed node.
package hpa

import (
	"fmt"
	"os"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/samber/lo"
	"github.com/stretchr/testify/require"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/karpenter-oke/karpenter-oke/test/cluster/usage"
	"github.com/karpenter-oke/karpenter-oke/test/docs/markdown"
	"github.com/karpenter-oke/karpenter-oke/test/environment"
	"github.com/karpenter-oke/karpenter-oke/test/live"
)

const (
	app = "api-service"
	// limit is what one replica can use: its CPU limit, in cores.
	limit = 0.5
	idle  = 0.1 // cores that the whole service uses without load
	// busy asks for 2 cores / (50 % of 0.5 cores) = 8 replicas, which the HPA reaches in two steps: it sees at most twice its target.
	busy = 2.0

	least, more = 2, 8
)

// spec is a cluster with a load on one service.
type spec struct {
	*live.Spec
	milliCores atomic.Int64 // of load, over all replicas
	replicas   atomic.Int64 // that share it
}

func TestLoadMovesPodsToVirtualNodesAndBack(t *testing.T) {
	s := &spec{Spec: live.Start(t, environment.Options{Name: "hpa"})}
	s.load(idle)
	s.replicas.Store(least)
	s.serveUsage()
	s.startMetricsServer()
	s.Create(defaultPools, nil)

	page, err := os.ReadFile("../../../docs/recipes/burst-to-virtual-nodes.md")
	require.NoError(t, err)
	manifests := markdown.Of(string(page), "yaml")
	s.Create(manifests[0], nil) // the Deployment
	s.Create(manifests[1], nil) // the HorizontalPodAutoscaler

	s.settles("idle", least)
	s.load(busy)
	s.settles("under load", more)
	s.load(idle)
	s.settles("when it is over", least)

	require.Empty(t, s.everBought(), "NodeClaims for pods of virtual nodes")
	// Karpenter was awake all the time: a pod that does not tolerate virtual nodes and fits nowhere else gets a node.
	s.Create(largePod, nil)
	s.Runs("large")
	require.NotEmpty(t, s.Claims(""))
	require.NotEmpty(t, s.everBought())
}

func (s *spec) load(cores float64) { s.milliCores.Store(int64(cores * 1000)) }

// serveUsage lets virtual nodes tell of pods that share the load evenly, each up to its limit.
func (s *spec) serveUsage() {
	clientset, err := kubernetes.NewForConfig(s.RESTConfig())
	require.NoError(s.T, err)
	kubelets, err := usage.Serve(clientset, clock.RealClock{}, func(pod *corev1.Pod) usage.Use {
		if pod.Labels["app"] != app {
			return usage.Use{CPU: 0.01, Memory: 64 << 20}
		}
		share := float64(s.milliCores.Load()) / 1000 / float64(max(1, s.replicas.Load()))
		return usage.Use{CPU: min(limit, share), Memory: 200 << 20}
	})
	require.NoError(s.T, err)
	s.Cleanup(func() { _ = kubelets.Close() })
	nodes := &corev1.NodeList{}
	require.NoError(s.T, s.Client().List(s.Context(), nodes, client.MatchingLabels{"type": "virtual-node"}))
	require.NotEmpty(s.T, nodes.Items)
	for _, node := range nodes.Items {
		require.NoError(s.T, kubelets.Attach(s.Context(), node.Name))
	}
}

// settles waits until the HPA has come to a number of replicas and all of them run on virtual nodes.
func (s *spec) settles(when string, want int) {
	s.Helper()
	hpa := &autoscalingv2.HorizontalPodAutoscaler{}
	s.Eventually(fmt.Sprintf("%d replicas %s", want, when), func() string {
		running := s.running()
		s.replicas.Store(int64(len(running)))
		s.Get(hpa, "default", app)
		condition, ok := lo.Find(hpa.Status.Conditions, func(c autoscalingv2.HorizontalPodAutoscalerCondition) bool {
			return c.Type == autoscalingv2.ScalingActive
		})
		if !ok || condition.Status != corev1.ConditionTrue {
			return fmt.Sprintf("the HPA does not scale yet: %s %s", condition.Reason, condition.Message)
		}
		if len(running) != want || int(hpa.Status.DesiredReplicas) != want {
			return fmt.Sprintf("%d run, the HPA wants %d", len(running), hpa.Status.DesiredReplicas)
		}
		return ""
	})
	nodes := &corev1.NodeList{}
	require.NoError(s.T, s.Client().List(s.Context(), nodes, client.MatchingLabels{"type": "virtual-node"}))
	virtual := lo.Map(nodes.Items, func(n corev1.Node, _ int) string { return n.Name })
	for _, pod := range s.running() {
		require.True(s.T, slices.Contains(virtual, pod.Spec.NodeName), "pod %s runs on %s", pod.Name, pod.Spec.NodeName)
	}
	require.Empty(s.T, s.Claims(""), when)
}

// running are the replicas that run and are not being deleted.
func (s *spec) running() []corev1.Pod {
	s.Helper()
	pods := &corev1.PodList{}
	require.NoError(s.T, s.Client().List(s.Context(), pods, client.InNamespace("default"), client.MatchingLabels{"app": app}))
	return lo.Filter(pods.Items, func(p corev1.Pod, _ int) bool {
		return p.Status.Phase == corev1.PodRunning && p.DeletionTimestamp == nil
	})
}

// everBought are the launches that the simulator has seen, those of instances that are gone included.
func (s *spec) everBought() []string {
	var out []string
	for _, entry := range s.Simulator().Journal().Entries(0) {
		if entry.Operation == "LaunchInstance" && entry.UserAgent != "" && !isOurs(entry.UserAgent) {
			out = append(out, fmt.Sprintf("%s %s", entry.Time.Format("15:04:05"), entry.Path))
		}
	}
	return out
}
