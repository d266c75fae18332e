package virtualnode

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes/scheme"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

func fakeAPI(objects ...client.Object) *fake.ClientBuilder {
	return fake.NewClientBuilder().WithScheme(scheme.Scheme).WithObjects(objects...).
		WithIndex(&corev1.Pod{}, "spec.nodeName", func(o client.Object) []string { return []string{o.(*corev1.Pod).Spec.NodeName} })
}

type indexEnv struct {
	api   client.Client
	clock *clocktesting.FakeClock
	index *Index
	nodes *nodeController
	pools *poolController
	turns int
}

func newIndexEnv(t *testing.T, objects ...client.Object) *indexEnv {
	t.Helper()
	e := &indexEnv{api: fakeAPI(objects...).Build(), clock: testClock()}
	e.index = NewIndex(DefaultConfig(), e.clock)
	require.NoError(t, e.index.Ensure(t.Context(), e.api))
	e.index.OnChange(func() { e.turns++ })
	e.nodes = &nodeController{index: e.index, reader: e.api}
	e.pools = &poolController{index: e.index, reader: e.api}
	return e
}

func (e *indexEnv) see(t *testing.T, name string) reconcile.Result {
	t.Helper()
	result, err := e.nodes.Reconcile(t.Context(), request(name))
	require.NoError(t, err)
	return result
}

func request(name string) reconcile.Request {
	return reconcile.Request{NamespacedName: client.ObjectKey{Name: name}}
}

func (e *indexEnv) counts() NodeCounts {
	return e.index.Snapshot().count(nil, e.clock.Now(), DefaultGracePeriod)
}

// update writes the object, status and all, and lets the index see the node.
func (e *indexEnv) update(t *testing.T, n *corev1.Node) reconcile.Result {
	t.Helper()
	stored := &corev1.Node{}
	require.NoError(t, e.api.Get(t.Context(), client.ObjectKeyFromObject(n), stored))
	n.ResourceVersion = stored.ResourceVersion
	status := n.Status
	require.NoError(t, e.api.Update(t.Context(), n))
	n.Status = status
	require.NoError(t, e.api.Status().Update(t.Context(), n))
	return e.see(t, n.Name)
}

func TestAFreshIndexKnowsTheClusterBeforeItsControllersRan(t *testing.T) {
	e := newIndexEnv(t, vnode("v1"), vnode("v2", cordoned), vnode("managed", func(n *corev1.Node) { n.Labels, n.Spec.Taints = nil, nil }),
		nodePool("general", nil), pendingPod("a", runningOn("v1")), pendingPod("done", runningOn("v1"), func(p *corev1.Pod) { p.Status.Phase = corev1.PodSucceeded }))
	require.Equal(t, NodeCounts{Total: 2, Matching: 2, Cordoned: 1}, e.counts())
	require.Equal(t, int64(999), e.index.Snapshot().nodes[0].free)
	require.True(t, e.index.Snapshot().anyPoolTakes(pendingPod("p")))
}

func TestAFailedFirstReadIsToldAndTriedAgain(t *testing.T) {
	down := true
	api := fakeAPI(vnode("v1"), pendingPod("p", byKey)).WithInterceptorFuncs(interceptor.Funcs{
		List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, opts ...client.ListOption) error {
			if _, nodes := list.(*corev1.NodeList); nodes && down {
				return errors.New("the cache is not there")
			}
			return c.List(ctx, list, opts...)
		},
	}).Build()
	index := NewIndex(DefaultConfig(), testClock())
	wrapped := NewClient(api, NewFilter(DefaultConfig(), index, testClock()))
	pods, pending := &corev1.PodList{}, client.MatchingFields{"spec.nodeName": ""}
	require.ErrorContains(t, wrapped.List(t.Context(), pods, pending), "the cache is not there", "pods are decided on without knowing the virtual nodes")
	down = false
	require.NoError(t, wrapped.List(t.Context(), pods, pending))
	require.NotNil(t, pods.Items[0].Spec.Affinity)
}

func TestTheIndexFollowsNodes(t *testing.T) {
	e := newIndexEnv(t, vnode("v1"))

	e.update(t, vnode("v1", cordoned))
	require.Equal(t, 1, e.counts().Cordoned)
	require.Equal(t, 1, e.turns)

	e.update(t, vnode("v1", cordoned, func(n *corev1.Node) { n.Annotations = map[string]string{"heartbeat": "1"} }))
	require.Equal(t, 1, e.turns, "a change that decides nothing woke the skipped pods")

	e.update(t, vnode("v1"))
	require.Equal(t, NodeCounts{Total: 1, Matching: 1}, e.counts())
	require.Equal(t, 2, e.turns)

	e.update(t, vnode("v1", nodeLabel("zone", "b")))
	require.Equal(t, 3, e.turns)

	e.update(t, vnode("v1", func(n *corev1.Node) { n.Labels, n.Spec.Taints = nil, nil }))
	require.Zero(t, e.counts().Total, "a node that lost its markers is still virtual")
	require.Equal(t, 4, e.turns)
}

func TestAFlappingNodeCountsUntilTheGraceIsOver(t *testing.T) {
	e := newIndexEnv(t, vnode("v1"))
	result := e.update(t, vnode("v1", notReadySince(e.clock.Now())))
	require.Equal(t, 1, e.counts().Usable())
	require.Equal(t, DefaultGracePeriod+graceSlack, result.RequeueAfter)
	turns := e.turns

	e.clock.Step(result.RequeueAfter)
	require.Zero(t, e.counts().Usable())
	require.Zero(t, e.see(t, "v1").RequeueAfter)
	require.Equal(t, turns+1, e.turns, "the end of the grace period does not wake the skipped pods")

	e.update(t, vnode("v1"))
	require.Equal(t, 1, e.counts().Usable())
}

func TestADeletedNodeIsForgottenAfterTheGrace(t *testing.T) {
	e := newIndexEnv(t, vnode("v1"))
	require.NoError(t, e.api.Delete(t.Context(), vnode("v1")))
	result := e.see(t, "v1")
	require.Equal(t, 1, e.counts().Usable())
	require.Positive(t, result.RequeueAfter)

	e.clock.Step(result.RequeueAfter)
	require.Zero(t, e.counts().Total)
	turns := e.turns
	require.Zero(t, e.see(t, "v1").RequeueAfter)
	require.Empty(t, e.index.Snapshot().nodes)
	require.Equal(t, turns+1, e.turns)
	e.see(t, "v1")
	require.Equal(t, turns+1, e.turns)
}

func TestTheIndexCountsThePodsOfVirtualNodes(t *testing.T) {
	one := func(n *corev1.Node) { full(n); n.Status.Allocatable[corev1.ResourcePods] = *resourceOf(1) }
	e := newIndexEnv(t, vnode("v1", one))
	pod := pendingPod("a", runningOn("v1"))
	require.NoError(t, e.api.Create(t.Context(), pod))
	e.see(t, "v1")
	require.Equal(t, 1, e.counts().Full)
	require.Equal(t, 1, e.turns)

	require.NoError(t, e.api.Delete(t.Context(), pod))
	e.see(t, "v1")
	require.Zero(t, e.counts().Full)
	require.Equal(t, 2, e.turns)
}

func TestOnlyPodsThatComeOrGoAreRecounted(t *testing.T) {
	before := pendingPod("a", runningOn("v1"))
	labelled := before.DeepCopy()
	labelled.Labels["x"] = "y"
	ended := before.DeepCopy()
	ended.Status.Phase = corev1.PodFailed
	require.False(t, changesCount(before, labelled))
	require.True(t, changesCount(before, ended))
	require.True(t, changesCount(pendingPod("a"), before))
}

func TestTheIndexFollowsNodePools(t *testing.T) {
	e := newIndexEnv(t)
	see := func() {
		_, err := e.pools.Reconcile(t.Context(), request("general"))
		require.NoError(t, err)
	}
	pool := nodePool("general", nil)
	require.NoError(t, e.api.Create(t.Context(), pool))
	see()
	require.True(t, e.index.Snapshot().anyPoolTakes(pendingPod("p")))
	see()
	require.Equal(t, 1, e.turns)
	require.NoError(t, e.api.Delete(t.Context(), pool))
	see()
	require.False(t, e.index.Snapshot().anyPoolTakes(pendingPod("p")))
	require.Equal(t, 2, e.turns)
}

func TestTheIndexFollowsNamespaces(t *testing.T) {
	e := newIndexEnv(t)
	c := &namespaceController{index: e.index, reader: e.api}
	see := func() {
		_, err := c.Reconcile(t.Context(), request("burst"))
		require.NoError(t, err)
	}
	ns := &corev1.Namespace{}
	ns.Name, ns.Labels = "burst", map[string]string{LayerKey: "virtual"}
	require.NoError(t, e.api.Create(t.Context(), ns))
	see()
	require.Equal(t, stated{layer: LayerVirtual}, e.index.Snapshot().namespaces["burst"])
	ns.Labels = map[string]string{LayerKey: "nonsense"}
	require.NoError(t, e.api.Update(t.Context(), ns))
	see()
	require.Equal(t, stated{unknown: "nonsense"}, e.index.Snapshot().namespaces["burst"])
	ns.Labels = nil
	require.NoError(t, e.api.Update(t.Context(), ns))
	see()
	require.Empty(t, e.index.Snapshot().namespaces)
	require.Equal(t, 3, e.turns)
}

func TestWhatControllersSawIsNotOverwrittenByTheFirstRead(t *testing.T) {
	index := NewIndex(DefaultConfig(), testClock())
	index.setNode(vnode("v1", cordoned), load{})
	require.NoError(t, index.Ensure(t.Context(), fakeAPI(vnode("v1")).Build()))
	require.Equal(t, 1, index.Snapshot().count(nil, testStart, time.Minute).Cordoned)
}
