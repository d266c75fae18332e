// Package sizes_test runs the real controller against nodes that are not as the model says: a little smaller, or closed to the pods
// that they were bought for. Neither may make it buy without end.
package sizes_test

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/samber/lo"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/pkg/controllers/breaker"
	"github.com/karpenter-oke/karpenter-oke/pkg/controllers/learn"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/instancetype/resources"
	"github.com/karpenter-oke/karpenter-oke/test/cluster/kubelets"
	"github.com/karpenter-oke/karpenter-oke/test/environment"
	"github.com/karpenter-oke/karpenter-oke/test/live"
)

const (
	// missing is by how much nodes come up smaller than modelled.
	missing = 60 << 20
)

// blockade is a taint that something on the nodes of NodePool blocked puts there, and that nobody told Karpenter of.
var blockade = corev1.Taint{Key: "agent.example/not-for-you", Effect: corev1.TaintEffectNoSchedule}

// alter makes every node smaller than the model of its instance, and closes those of NodePool blocked.
func alter(instance kubelets.Instance, node *corev1.Node) {
	node.Status.Capacity[corev1.ResourceMemory] = *resource.NewQuantity(resources.MemoryCapacity(instance.MemoryGB)-missing, resource.BinarySI)
	node.Status.Allocatable[corev1.ResourceMemory] = *resource.NewQuantity(resources.AllocatableMemory(instance.MemoryGB)-missing, resource.BinarySI)
	if strings.HasPrefix(instance.FreeformTags[v1alpha1.TagNodePool], "blocked/") {
		node.Spec.Taints = append(node.Spec.Taints, blockade)
	}
}

type suite struct{ *live.Spec }

func start(t *testing.T) *suite {
	t.Helper()
	return &suite{live.Start(t, environment.Options{
		Name: "test-sizes", FixedNodes: live.None(), SystemNodes: live.None(), VirtualNodes: live.None(), AlterNode: alter,
		// Nothing here reads core's metrics of the cluster, so it also shows that the controller works without them.
		ControllerArgs: []string{"--system-namespace", "karpenter", "--disable-cluster-state-observability"},
	})}
}

func (s *suite) apply(p pod) {
	s.Helper()
	s.Create(podManifest, p)
}

func TestNodesThatAreNotAsModelledAreNotBoughtWithoutEnd(t *testing.T) {
	s := start(t)
	for _, p := range pools {
		s.Create(poolManifest, p)
	}
	s.apply(pod{"stuck", blocked.Name, "1Gi"}) // the breaker takes its time
	s.apply(pod{"fills", fitted.Name, filling(16)})
	s.apply(pod{"fills-too", grid.Name, filling(32)})
	s.Runs("fills")
	s.Runs("fills-too")
	s.checkLearned(fitted, 16)
	s.checkLearned(grid, 32)

	s.apply(pod{"neighbour", fitted.Name, filling(20)})
	s.Runs("neighbour")
	require.Len(t, s.Claims(fitted.Name), 3, "what one size lacks is expected of others, so the pod's first node is large enough")

	s.checkBreaker()
	s.checkRestart()
}

// checkLearned: the first node of a pod that fills its node to the byte did not take it, the second one did, and what was learned is
// told and stored.
func (s *suite) checkLearned(p pool, memoryGB float64) {
	s.Helper()
	claims := s.Claims(p.Name)
	require.Len(s.T, claims, 2, "the pod fills the first node to the byte, so that one can not have taken it")
	first := claims[0]
	require.Equal(s.T, strconv.FormatFloat(memoryGB, 'f', -1, 64), first.Annotations[v1alpha1.AnnotationInstanceMemoryGB])
	promised, needed := first.Status.Allocatable[corev1.ResourceMemory], first.Spec.Resources.Requests[corev1.ResourceMemory]
	require.Equal(s.T, promised.Value(), needed.Value(), "zero slack")
	s.EventuallyEvent(learn.EventSmaller, "NodeClaim", first.Name)
	s.EventuallyMetric(`karpenter_oke_learned_capacity_memory_shortfall_bytes{shape="`+p.Shape+`"}`, func(v float64) bool { return v == missing })
	s.Eventually("the figure to be stored", func() string { return s.stored(p, memoryGB) })
	require.Zero(s.T, s.Metric(`karpenter_oke_breaker_trips_total{nodepool="`+p.Name+`"}`), "there is nothing to hold back")
}

// stored says what is wrong with the stored figure for a size of the pool's shape.
func (s *suite) stored(p pool, memoryGB float64) string {
	s.Helper()
	stored := &corev1.ConfigMap{}
	err := s.Client().Get(s.Context(), client.ObjectKey{Namespace: "karpenter", Name: learn.ConfigMapName}, stored)
	if client.IgnoreNotFound(err) == nil && err != nil {
		return err.Error()
	}
	require.NoError(s.T, err)
	figure := regexp.MustCompile(fmt.Sprintf(`"shape":"%s","ocpus":[0-9.]+,"memoryGB":%g,"memory":%d\b`, regexp.QuoteMeta(p.Shape), memoryGB, missing))
	if !figure.MatchString(stored.Data[learn.DataKey]) {
		return stored.Data[learn.DataKey]
	}
	return ""
}

// checkBreaker: nodes that come up and never take the pod, for a reason that nothing can be learned of, are not bought more than twice before
// buying backs off; and the pod is forgotten when it runs.
func (s *suite) checkBreaker() {
	s.Helper()
	const held = `karpenter_oke_breaker_held_pods{reason="backoff"}`
	s.EventuallyEvent(breaker.EventHeldBack, "Pod", "stuck")
	require.Len(s.T, s.Claims(blocked.Name), 2)
	s.EventuallyEvent(breaker.EventHeldBack, "NodePool", "blocked")
	s.EventuallyMetric(`karpenter_oke_breaker_trips_total{nodepool="blocked"}`, func(v float64) bool { return v >= 1 })
	s.EventuallyMetric(held, func(v float64) bool { return v == 1 })

	name := s.Claims(blocked.Name)[0].Status.NodeName
	s.Eventually("the node to be opened", func() string {
		node := &corev1.Node{}
		require.NoError(s.T, s.Client().Get(s.Context(), client.ObjectKey{Name: name}, node))
		node.Spec.Taints = slices.DeleteFunc(node.Spec.Taints, func(taint corev1.Taint) bool { return taint.Key == blockade.Key })
		if err := s.Client().Update(s.Context(), node); err != nil {
			return err.Error()
		}
		return ""
	})
	s.Runs("stuck")
	s.EventuallyMetric(held, func(v float64) bool { return v == 0 })
}

// checkRestart: a controller that was killed knows what its predecessor learned, though no node shows it any more.
func (s *suite) checkRestart() {
	s.Helper()
	ctx := s.Context()
	for _, name := range []string{"stuck", "fills", "fills-too", "neighbour"} {
		s.Remove(podManifest, pod{name, "any", "1"})
	}
	for _, p := range pools {
		for _, claim := range s.Claims(p.Name) {
			require.NoError(s.T, client.IgnoreNotFound(s.Client().Delete(ctx, &claim)))
		}
	}
	s.Eventually("all nodes to go", func() string {
		nodes := &corev1.NodeList{}
		require.NoError(s.T, s.Client().List(ctx, nodes))
		left := len(nodes.Items)
		for _, p := range pools {
			left += len(s.Claims(p.Name))
		}
		return lo.Ternary(left == 0, "", fmt.Sprintf("%d nodes and NodeClaims", left))
	})
	require.NoError(s.T, s.KillController())
	require.NoError(s.T, s.RestartController(ctx))
	s.EventuallyMetric(`karpenter_oke_learned_capacity_memory_shortfall_bytes{shape="`+grid.Shape+`"}`, func(v float64) bool { return v == missing })
	s.apply(pod{"fills-later", grid.Name, filling(32)})
	s.Runs("fills-later")
	require.Len(s.T, s.Claims(grid.Name), 1, "its first node is large enough")
}
