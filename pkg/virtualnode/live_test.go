package virtualnode

import (
	"context"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/utils/clock"
	controllerruntime "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/karpenter/pkg/apis"
	"sigs.k8s.io/karpenter/pkg/events"
	"sigs.k8s.io/karpenter/pkg/operator/options"
	coretest "sigs.k8s.io/karpenter/pkg/test"
)

// controlPlane returns the folder of the control plane's programs, which the project's Makefile builds into bin/.
func controlPlane(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs(filepath.Join("..", "..", "bin"))
	require.NoError(t, err)
	for _, program := range []string{"etcd", "kube-apiserver"} {
		require.FileExists(t, filepath.Join(dir, program), "run `make tools`, which builds it")
	}
	return dir
}

// lockedSpy is a spyTrigger that many workers may call.
type lockedSpy struct {
	mu  sync.Mutex
	spy spyTrigger
}

func (s *lockedSpy) Name() string { return s.spy.Name() }

func (s *lockedSpy) Reconcile(ctx context.Context, p *corev1.Pod) (reconcile.Result, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.spy.Reconcile(ctx, p)
}

func (s *lockedSpy) woke() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string{}, s.spy.woke...)
}

// The controllers run on a manager against a real API server: registration, watches, the priming of the index, the real recorder.
func TestControllersOnARealAPIServer(t *testing.T) {
	env := &envtest.Environment{BinaryAssetsDirectory: controlPlane(t), CRDs: apis.CRDs, ControlPlaneStartTimeout: time.Minute}
	config, err := env.Start()
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, env.Stop()) })
	ctx, cancel := context.WithCancel(options.ToContext(t.Context(), coretest.Options()))
	t.Cleanup(cancel)

	m, err := controllerruntime.NewManager(config, controllerruntime.Options{Scheme: scheme.Scheme, Metrics: metricsserver.Options{BindAddress: "0"}})
	require.NoError(t, err)
	require.NoError(t, m.GetFieldIndexer().IndexField(ctx, &corev1.Pod{}, "spec.nodeName", func(o client.Object) []string {
		return []string{o.(*corev1.Pod).Spec.NodeName}
	}))
	api, err := client.New(config, client.Options{Scheme: scheme.Scheme})
	require.NoError(t, err)
	create := func(o client.Object, setStatus func()) {
		require.NoError(t, api.Create(ctx, o))
		setStatus()
		require.NoError(t, api.Status().Update(ctx, o))
	}
	node := vnode("virtual-1", cordoned)
	status := node.Status
	create(node, func() { node.Status = status })

	cfg := DefaultConfig()
	filter := NewFilter(cfg, NewIndex(cfg, clock.RealClock{}), clock.RealClock{})
	core := &lockedSpy{}
	trigger := newPodTrigger(filter, core, events.NewRecorder(m.GetEventRecorderFor("karpenter")), m.GetClient()) //nolint:staticcheck // core's recorder takes this one
	for _, c := range append(filter.Controllers(), trigger) {
		require.NoError(t, c.Register(ctx, m))
	}
	stopped := make(chan error, 1)
	go func() { stopped <- m.Start(ctx) }()
	t.Cleanup(func() { cancel(); require.NoError(t, <-stopped) })

	for name, edit := range map[string]func(*corev1.Pod){"burst": burst, "plain": func(*corev1.Pod) {}} {
		pod := pendingPod(name, edit)
		podStatus := pod.Status
		create(pod, func() { pod.Status = podStatus })
	}
	messages := func(pod string) (all []string) {
		list := &corev1.EventList{}
		require.NoError(t, api.List(ctx, list, client.InNamespace("default")))
		for _, e := range list.Items {
			if e.InvolvedObject.Name == pod && e.Reason == EventSkipped {
				all = append(all, e.Message)
			}
		}
		return all
	}
	says := func(pod, text string) func() bool {
		return func() bool { return strings.Contains(strings.Join(messages(pod), "\n"), text) }
	}
	require.Eventually(t, says("burst", "1 virtual node, 0 schedulable: cordoned."), 20*time.Second, 50*time.Millisecond)
	require.Eventually(t, func() bool { return len(core.woke()) > 0 }, 20*time.Second, 50*time.Millisecond)

	node.Spec.Unschedulable = false
	require.NoError(t, api.Update(ctx, node))
	require.Eventually(t, says("burst", "1 virtual node, 1 schedulable"), 20*time.Second, 50*time.Millisecond)

	// The wrapped client reads through the manager's cache, with core's own field selector.
	wrapped := NewClient(m.GetClient(), filter)
	pods := &corev1.PodList{}
	require.NoError(t, wrapped.List(ctx, pods, client.MatchingFields{"spec.nodeName": ""}))
	require.Len(t, pods.Items, 2)
	for _, p := range pods.Items {
		require.Equal(t, p.Name == "burst", p.Spec.Affinity != nil, p.Name)
	}
	require.Empty(t, messages("plain"))
	require.NotContains(t, core.woke(), "burst")
}
