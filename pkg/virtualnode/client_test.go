package virtualnode

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/samber/lo"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	cachetesting "k8s.io/client-go/tools/cache/testing"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/karpenter/pkg/operator/injection"
)

// cachedClient lists as the manager's cache does with UnsafeDisableDeepCopy: the items are copied shallowly, and what they point
// to is the cache's.
type cachedClient struct {
	client.Client
	pods []corev1.Pod
	node *corev1.Node
}

func (c *cachedClient) List(_ context.Context, list client.ObjectList, _ ...client.ListOption) error {
	if pods, ok := list.(*corev1.PodList); ok {
		pods.Items = make([]corev1.Pod, len(c.pods))
		copy(pods.Items, c.pods)
	}
	return nil
}

func (c *cachedClient) Get(_ context.Context, _ client.ObjectKey, obj client.Object, _ ...client.GetOption) error {
	if node, ok := obj.(*corev1.Node); ok {
		*node = *c.node
	}
	return nil
}

func TestTheCacheIsNotWrittenTo(t *testing.T) {
	cached := &cachedClient{pods: []corev1.Pod{*pendingPod("burst", burst, affinity(term("type", corev1.NodeSelectorOpExists)))}, node: vnode("v1")}
	wantPod, wantNode := cached.pods[0].DeepCopy(), cached.node.DeepCopy()
	c := NewClient(cached, testFilter(DefaultConfig(), testClock(), vnode("v1")))

	pods, node := &corev1.PodList{}, &corev1.Node{}
	require.NoError(t, c.List(t.Context(), pods, client.MatchingFields{"spec.nodeName": ""}, client.UnsafeDisableDeepCopy))
	require.Equal(t, wantPod, &cached.pods[0], "the list wrote into the cache")
	require.NoError(t, c.List(t.Context(), pods, client.MatchingFields{"spec.nodeName": ""}))
	pods.Items[0].Labels["app"], pods.Items[0].Spec.Containers[0].Image = "other", "other"
	require.NoError(t, c.Get(t.Context(), client.ObjectKey{Name: "v1"}, node))

	require.Nil(t, pods.Items[0].Spec.NodeSelector)
	require.Zero(t, node.Status.Allocatable.Pods().Value())
	require.Equal(t, wantPod, &cached.pods[0], "the list wrote into the cache")
	require.Equal(t, wantNode, cached.node, "the get wrote into the cache")
}

func TestOtherNodesAndKindsPassUnchanged(t *testing.T) {
	managed := vnode("m1", func(n *corev1.Node) { n.Labels, n.Spec.Taints = nil, nil })
	c := NewClient(&cachedClient{node: managed}, testFilter(DefaultConfig(), testClock()))
	node := &corev1.Node{}
	require.NoError(t, c.Get(t.Context(), client.ObjectKey{Name: "m1"}, node))
	require.Equal(t, managed, node)
	require.NoError(t, c.Get(t.Context(), client.ObjectKey{Name: "m1"}, &corev1.Pod{}))
	require.NoError(t, c.List(t.Context(), &metav1.PartialObjectMetadataList{}, client.MatchingFields{"spec.nodeName": ""}))
}

func TestPodsThatKubeSchedulerHasNotTriedAreLeftAsTheyAre(t *testing.T) {
	fresh := pendingPod("fresh", burst, func(p *corev1.Pod) { p.Status.Conditions = nil })
	c := NewClient(&cachedClient{pods: []corev1.Pod{*fresh}}, testFilter(DefaultConfig(), testClock(), vnode("v1")))
	pods := &corev1.PodList{}
	require.NoError(t, c.List(t.Context(), pods, client.MatchingFields{"spec.nodeName": ""}))
	require.Equal(t, fresh.Spec, pods.Items[0].Spec)
	require.Equal(t, fresh.ObjectMeta, pods.Items[0].ObjectMeta)
}

// cacheOf is a client whose pods come out of a cache such as the manager's, indexed as core does.
func cacheOf(b testing.TB, pods []*corev1.Pod) client.Client {
	b.Helper()
	log.SetLogger(logr.Discard())
	source := cachetesting.NewFakeControllerSource()
	for _, p := range pods {
		source.Add(p)
	}
	mapper := meta.NewDefaultRESTMapper(nil)
	mapper.Add(corev1.SchemeGroupVersion.WithKind("Pod"), meta.RESTScopeNamespace)
	reader, err := cache.New(&rest.Config{}, cache.Options{
		Scheme: scheme.Scheme, Mapper: mapper,
		NewInformer: func(_ toolscache.ListerWatcher, o runtime.Object, resync time.Duration, indexers toolscache.Indexers) toolscache.SharedIndexInformer {
			return toolscache.NewSharedIndexInformer(source, o, resync, indexers)
		},
	})
	require.NoError(b, err)
	require.NoError(b, reader.IndexField(b.Context(), &corev1.Pod{}, "spec.nodeName", func(o client.Object) []string {
		p, ok := o.(*corev1.Pod)
		require.True(b, ok)
		return []string{p.Spec.NodeName}
	}))
	ctx, stop := context.WithCancel(b.Context())
	ended := make(chan error)
	go func() { ended <- reader.Start(ctx) }()
	b.Cleanup(func() {
		stop()
		require.NoError(b, <-ended)
	})
	require.True(b, reader.WaitForCacheSync(ctx))
	c, err := client.New(&rest.Config{}, client.Options{Scheme: scheme.Scheme, Mapper: mapper, Cache: &client.CacheOptions{Reader: reader}})
	require.NoError(b, err)
	return c
}

func TestPodsComeAsTheCacheGivesThemAndAreTheCallersOwn(t *testing.T) {
	bare := cacheOf(t, []*corev1.Pod{typicalPod("plain"), typicalPod("burst", burst)})
	wrapped := NewClient(bare, testFilter(DefaultConfig(), testClock(), vnode("v1")))
	list := func(c client.Client) map[string]corev1.Pod {
		pods := &corev1.PodList{}
		require.NoError(t, c.List(t.Context(), pods, client.MatchingFields{"spec.nodeName": ""}))
		return lo.SliceToMap(pods.Items, func(p corev1.Pod) (string, corev1.Pod) { return p.Name, p })
	}
	want, got := list(bare), list(wrapped)
	require.Equal(t, want["plain"], got["plain"])
	require.NotNil(t, got["burst"].Spec.Affinity)

	for _, p := range got {
		p.Labels["app"], p.Spec.Containers[0].Image = "other", "other"
		p.Status.Conditions[0].Reason = "other"
	}
	require.Equal(t, want, list(bare), "the list shares memory with the cache")
}

// The wrapped list must cost at most a tenth more than the bare one. Half of the 10,000 pods are skipped.
func BenchmarkPendingList(b *testing.B) {
	const count = 10_000
	pods := make([]*corev1.Pod, count)
	for i := range pods {
		edits := []func(*corev1.Pod){}
		if i%2 == 0 {
			edits = append(edits, burst)
		}
		pods[i] = typicalPod(fmt.Sprintf("p%d", i), edits...)
	}
	bare := cacheOf(b, pods)
	wrapped := NewClient(bare, testFilter(DefaultConfig(), testClock(), vnode("v1", cordoned), vnode("v2", cordoned)))
	ctx := injection.WithControllerName(b.Context(), provisionerName)
	for _, bench := range []struct {
		name    string
		client  client.Client
		skipped int
	}{{"bare", bare, 0}, {"wrapped", wrapped, count / 2}} {
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			var list *corev1.PodList
			for b.Loop() {
				list = &corev1.PodList{}
				require.NoError(b, bench.client.List(ctx, list, client.MatchingFields{"spec.nodeName": ""}))
			}
			require.Len(b, list.Items, count)
			require.Equal(b, bench.skipped, lo.CountBy(list.Items, func(p corev1.Pod) bool { return p.Spec.Affinity != nil }))
		})
	}
}
