package virtualnode

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/karpenter/pkg/operator/injection"
)

// cachedClient lists as the manager's cache does with UnsafeDisableDeepCopy: the items are copied shallowly, and what they point
// to is the cache's.
type cachedClient struct {
	client.Client
	pods []corev1.Pod
	node *corev1.Node
	deep bool
}

func (c *cachedClient) List(_ context.Context, list client.ObjectList, _ ...client.ListOption) error {
	if pods, ok := list.(*corev1.PodList); ok {
		pods.Items = make([]corev1.Pod, len(c.pods))
		copy(pods.Items, c.pods)
		for i := range pods.Items {
			if c.deep {
				c.pods[i].DeepCopyInto(&pods.Items[i])
			}
		}
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
	require.NoError(t, c.List(t.Context(), pods, client.MatchingFields{"spec.nodeName": ""}))
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
	require.Equal(t, *fresh, pods.Items[0])
}

// The wrapped list must cost at most a tenth more than the bare one, which copies every pod out of the cache. Half of the 10,000
// pods are skipped.
func BenchmarkPendingList(b *testing.B) {
	cached := &cachedClient{deep: true}
	for i := range 10_000 {
		edits := []func(*corev1.Pod){}
		if i%2 == 0 {
			edits = append(edits, burst)
		}
		cached.pods = append(cached.pods, *typicalPod(fmt.Sprintf("p%d", i), edits...))
	}
	ctx := injection.WithControllerName(context.Background(), provisionerName)
	for _, bench := range []struct {
		name   string
		client client.Client
	}{{"bare", cached}, {"wrapped", NewClient(cached, testFilter(DefaultConfig(), testClock(), vnode("v1", cordoned), vnode("v2", cordoned)))}} {
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				pods := &corev1.PodList{}
				if err := bench.client.List(ctx, pods, client.MatchingFields{"spec.nodeName": ""}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
