// Package sizes_test runs the real controller against nodes that are not as the model says: a little smaller, or closed to the pods
// that they were bought for. Neither may make it buy without end.
package sizes_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/samber/lo"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"sigs.k8s.io/controller-runtime/pkg/client"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/pkg/controllers/breaker"
	"github.com/karpenter-oke/karpenter-oke/pkg/controllers/learn"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/instancetype/resources"
	"github.com/karpenter-oke/karpenter-oke/test/cluster/kubelets"
	"github.com/karpenter-oke/karpenter-oke/test/environment"
)

const (
	// missing is by how much nodes come up smaller than modelled.
	missing = 60 << 20
	// patience bounds a wait; the steps themselves take seconds, the verdict of the breaker half a minute.
	patience = 3 * time.Minute
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

type suite struct {
	t *testing.T
	e *environment.Environment
}

func start(t *testing.T) *suite {
	t.Helper()
	none := 0
	e, err := environment.Start(t.Context(), environment.Options{
		Name: "test-sizes", Controller: true, FixedNodes: &none, SystemNodes: &none, VirtualNodes: &none, AlterNode: alter,
		ControllerArgs: []string{"--system-namespace", "karpenter"}, Say: func(line string) { t.Log(line) },
	})
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 30*time.Second)
		defer cancel()
		if t.Failed() {
			t.Log("end of the controller's log:\n" + e.ControllerLogTail(40))
		}
		require.NoError(t, e.Stop(ctx))
		if !t.Failed() {
			require.NoError(t, os.RemoveAll(e.Dir()))
		}
	})
	return &suite{t: t, e: e}
}

// eventually waits until ask finds nothing missing any more.
func (s *suite) eventually(what string, ask func() (missing string)) {
	s.t.Helper()
	deadline := time.Now().Add(patience)
	for {
		missing := ask()
		if missing == "" {
			return
		}
		if time.Now().After(deadline) {
			require.FailNow(s.t, "waited for "+what, missing)
		}
		time.Sleep(300 * time.Millisecond)
	}
}

func (s *suite) apply(p pod) {
	s.t.Helper()
	require.NoError(s.t, s.e.Apply(s.t.Context(), render(s.t, podManifest, p)))
}

// claims are all NodeClaims of a NodePool, the oldest first.
func (s *suite) claims(pool string) []karpv1.NodeClaim {
	s.t.Helper()
	list := &karpv1.NodeClaimList{}
	require.NoError(s.t, s.e.Client().List(s.t.Context(), list, client.MatchingLabels{karpv1.NodePoolLabelKey: pool}))
	slices.SortFunc(list.Items, func(a, b karpv1.NodeClaim) int { return a.CreationTimestamp.Compare(b.CreationTimestamp.Time) })
	return list.Items
}

func (s *suite) eventuallyRuns(name string) {
	s.t.Helper()
	s.eventually("pod "+name+" to run", func() string {
		p := &corev1.Pod{}
		require.NoError(s.t, s.e.Client().Get(s.t.Context(), client.ObjectKey{Namespace: "default", Name: name}, p))
		if p.Status.Phase != corev1.PodRunning {
			return fmt.Sprintf("it is %s: %v", p.Status.Phase, p.Status.Conditions)
		}
		return ""
	})
}

// eventuallyEvent waits for an event, which is written behind the back of what it tells about.
func (s *suite) eventuallyEvent(reason, kind, name string) {
	s.t.Helper()
	s.eventually(fmt.Sprintf("event %s on %s %s", reason, kind, name), func() string {
		events := &corev1.EventList{}
		require.NoError(s.t, s.e.Client().List(s.t.Context(), events))
		if slices.ContainsFunc(events.Items, func(e corev1.Event) bool {
			return e.Reason == reason && e.InvolvedObject.Kind == kind && e.InvolvedObject.Name == name
		}) {
			return ""
		}
		return fmt.Sprintf("none among %d events", len(events.Items))
	})
}

// metric reads one series of the controller; missing series are 0.
func (s *suite) metric(series string) float64 {
	s.t.Helper()
	request, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, s.e.MetricsURL(), nil)
	require.NoError(s.t, err)
	response, err := http.DefaultClient.Do(request)
	require.NoError(s.t, err)
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	require.NoError(s.t, err)
	found := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(series) + ` (\S+)$`).FindSubmatch(body)
	if found == nil {
		return 0
	}
	value, err := strconv.ParseFloat(string(found[1]), 64)
	require.NoError(s.t, err)
	return value
}

func (s *suite) eventuallyMetric(series string, good func(float64) bool) {
	s.t.Helper()
	s.eventually(series, func() string {
		if is := s.metric(series); !good(is) {
			return fmt.Sprint(is)
		}
		return ""
	})
}

func TestNodesThatAreNotAsModelledAreNotBoughtWithoutEnd(t *testing.T) {
	if testing.Short() {
		t.Skip("runs a cluster for two minutes")
	}
	s := start(t)
	for _, p := range pools {
		require.NoError(t, s.e.Apply(t.Context(), render(t, poolManifest, p)))
	}
	s.apply(pod{"stuck", blocked.Name, "1Gi"}) // the breaker takes its time
	s.apply(pod{"fills", fitted.Name, filling(16)})
	s.apply(pod{"fills-too", grid.Name, filling(32)})
	s.eventuallyRuns("fills")
	s.eventuallyRuns("fills-too")
	s.checkLearned(fitted, 16)
	s.checkLearned(grid, 32)

	s.apply(pod{"neighbour", fitted.Name, filling(20)})
	s.eventuallyRuns("neighbour")
	require.Len(t, s.claims(fitted.Name), 3, "what one size lacks is expected of others, so the pod's first node is large enough")

	s.checkBreaker()
	s.checkRestart()
}

// checkLearned: the first node of a pod that fills its node to the byte did not take it, the second one did, and what was learned is
// told and stored.
func (s *suite) checkLearned(p pool, memoryGB float64) {
	s.t.Helper()
	claims := s.claims(p.Name)
	require.Len(s.t, claims, 2, "the pod fills the first node to the byte, so that one can not have taken it")
	first := claims[0]
	require.Equal(s.t, strconv.FormatFloat(memoryGB, 'f', -1, 64), first.Annotations[v1alpha1.AnnotationInstanceMemoryGB])
	promised, needed := first.Status.Allocatable[corev1.ResourceMemory], first.Spec.Resources.Requests[corev1.ResourceMemory]
	require.Equal(s.t, promised.Value(), needed.Value(), "zero slack")
	s.eventuallyEvent(learn.EventSmaller, "NodeClaim", first.Name)
	s.eventuallyMetric(`karpenter_oke_learned_capacity_memory_shortfall_bytes{shape="`+p.Shape+`"}`, func(v float64) bool { return v == missing })
	s.eventually("the figure to be stored", func() string { return s.stored(p, memoryGB) })
	require.Zero(s.t, s.metric(`karpenter_oke_breaker_trips_total{nodepool="`+p.Name+`"}`), "there is nothing to hold back")
}

// stored says what is wrong with the stored figure for a size of the pool's shape.
func (s *suite) stored(p pool, memoryGB float64) string {
	s.t.Helper()
	stored := &corev1.ConfigMap{}
	err := s.e.Client().Get(s.t.Context(), client.ObjectKey{Namespace: "karpenter", Name: learn.ConfigMapName}, stored)
	if client.IgnoreNotFound(err) == nil && err != nil {
		return err.Error()
	}
	require.NoError(s.t, err)
	figure := regexp.MustCompile(fmt.Sprintf(`"shape":"%s","ocpus":[0-9.]+,"memoryGB":%g,"memory":%d\b`, regexp.QuoteMeta(p.Shape), memoryGB, missing))
	if !figure.MatchString(stored.Data[learn.DataKey]) {
		return stored.Data[learn.DataKey]
	}
	return ""
}

// checkBreaker: nodes that come up and never take the pod, for a reason that nothing can be learned of, are not bought more than twice before
// buying backs off; and the pod is forgotten when it runs.
func (s *suite) checkBreaker() {
	s.t.Helper()
	const held = `karpenter_oke_breaker_held_pods{reason="backoff"}`
	s.eventuallyEvent(breaker.EventHeldBack, "Pod", "stuck")
	require.Len(s.t, s.claims(blocked.Name), 2)
	s.eventuallyEvent(breaker.EventHeldBack, "NodePool", "blocked")
	s.eventuallyMetric(`karpenter_oke_breaker_trips_total{nodepool="blocked"}`, func(v float64) bool { return v >= 1 })
	s.eventuallyMetric(held, func(v float64) bool { return v == 1 })

	name := s.claims(blocked.Name)[0].Status.NodeName
	s.eventually("the node to be opened", func() string {
		node := &corev1.Node{}
		require.NoError(s.t, s.e.Client().Get(s.t.Context(), client.ObjectKey{Name: name}, node))
		node.Spec.Taints = slices.DeleteFunc(node.Spec.Taints, func(taint corev1.Taint) bool { return taint.Key == blockade.Key })
		if err := s.e.Client().Update(s.t.Context(), node); err != nil {
			return err.Error()
		}
		return ""
	})
	s.eventuallyRuns("stuck")
	s.eventuallyMetric(held, func(v float64) bool { return v == 0 })
}

// checkRestart: a controller that was killed knows what its predecessor learned, though no node shows it any more.
func (s *suite) checkRestart() {
	s.t.Helper()
	ctx := s.t.Context()
	for _, name := range []string{"stuck", "fills", "fills-too", "neighbour"} {
		require.NoError(s.t, s.e.Delete(ctx, render(s.t, podManifest, pod{name, "any", "1"})))
	}
	for _, p := range pools {
		for _, claim := range s.claims(p.Name) {
			require.NoError(s.t, client.IgnoreNotFound(s.e.Client().Delete(ctx, &claim)))
		}
	}
	s.eventually("all nodes to go", func() string {
		nodes := &corev1.NodeList{}
		require.NoError(s.t, s.e.Client().List(ctx, nodes))
		left := len(nodes.Items)
		for _, p := range pools {
			left += len(s.claims(p.Name))
		}
		return lo.Ternary(left == 0, "", fmt.Sprintf("%d nodes and NodeClaims", left))
	})
	require.NoError(s.t, s.e.KillController())
	require.NoError(s.t, s.e.RestartController(ctx))
	s.eventuallyMetric(`karpenter_oke_learned_capacity_memory_shortfall_bytes{shape="`+grid.Shape+`"}`, func(v float64) bool { return v == missing })
	s.apply(pod{"fills-later", grid.Name, filling(32)})
	s.eventuallyRuns("fills-later")
	require.Len(s.t, s.claims(grid.Name), 1, "its first node is large enough")
}
