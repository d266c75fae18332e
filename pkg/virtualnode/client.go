package virtualnode

import (
	"context"
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	autoscalingv1beta1 "sigs.k8s.io/karpenter/pkg/apis/autoscaling/v1beta1"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/operator/injection"
	podutils "sigs.k8s.io/karpenter/pkg/utils/pod"
)

// provisionerName is the controller name that core's provisioner puts into its context.
const provisionerName = "provisioner"

// filteringClient shows core a cluster in which skipped pods are not its business and virtual nodes have no room.
type filteringClient struct {
	client.Client
	filter *Filter
}

var _ client.Client = (*filteringClient)(nil)

// NewClient wraps the client for core's controllers, and for them only: a Node read through it must not be written back whole with
// Update, because virtual nodes come with an allocatable that is not theirs. Core only patches, which sends the difference.
func NewClient(c client.Client, f *Filter) client.Client {
	return &filteringClient{Client: c, filter: f}
}

// Get shows virtual nodes without room for pods, so that core never plans a pod onto one. They stay nodes in every other respect:
// core counts the pods on them for topology and affinity.
func (c *filteringClient) Get(ctx context.Context, key client.ObjectKey, obj client.Object, opts ...client.GetOption) error {
	if buffer, ok := obj.(*autoscalingv1beta1.CapacityBuffer); ok {
		return c.getBuffer(ctx, key, buffer, opts...)
	}
	if err := c.Client.Get(ctx, key, obj, opts...); err != nil {
		return err
	}
	if node, ok := obj.(*corev1.Node); ok && c.filter.shadows(node) {
		shadow(node)
	}
	return nil
}

// List hides buffers (see listBuffers) and changes two lists of core's. Pods without a node: those that Decide skips come marked. Pods of a node, when the
// provisioner asks: it does so only for nodes that are going away, to buy room for their pods beforehand; those that a virtual
// node is about to take are left out. All else, other controllers' lists of a node's pods included, passes unchanged.
func (c *filteringClient) List(ctx context.Context, list client.ObjectList, opts ...client.ListOption) error {
	if buffers, ok := list.(*autoscalingv1beta1.CapacityBufferList); ok {
		return c.listBuffers(ctx, buffers, opts...)
	}
	pods, ok := list.(*corev1.PodList)
	if !ok {
		return c.Client.List(ctx, list, opts...)
	}
	node, byNode := nodeOf(opts)
	handoff := byNode && node != "" && injection.GetControllerName(ctx) == provisionerName
	if !byNode || node != "" && !handoff {
		return c.Client.List(ctx, list, opts...)
	}
	if err := c.filter.index.Ensure(ctx, c.Client); err != nil {
		return err
	}
	if !handoff {
		return c.listPending(ctx, pods, opts...)
	}
	if err := c.Client.List(ctx, list, opts...); err != nil {
		return err
	}
	c.filter.dropHandedOff(pods)
	return nil
}

// listPending takes the cache's own pods and copies each itself, right after the decision on it: what the decision has read is then near
// for the copy, and what the mark replaces is not copied at all. A pass over ten thousand copied pods would wait for memory.
func (c *filteringClient) listPending(ctx context.Context, pods *corev1.PodList, opts ...client.ListOption) error {
	options := client.ListOptions{}
	options.ApplyOptions(opts)
	if err := c.Client.List(ctx, pods, append(slices.Clip(opts), client.UnsafeDisableDeepCopy)...); err != nil {
		return err
	}
	c.filter.markSkipped(pods, !ptr.Deref(options.UnsafeDisableDeepCopy, false))
	return nil
}

// nodeOf returns the node by whose name a list is restricted; ok is false when it is not. The name is empty for pods without one.
func nodeOf(opts []client.ListOption) (name string, ok bool) {
	options := client.ListOptions{}
	options.ApplyOptions(opts)
	if options.FieldSelector == nil {
		return "", false
	}
	return options.FieldSelector.RequiresExactMatch("spec.nodeName")
}

func (f *Filter) shadows(node *corev1.Node) bool {
	return f.config.Consolidation != ConsolidationCount && f.config.IsVirtual(node)
}

// shadow takes a node's room for pods away. It assigns a new map, because the old one may be the cache's.
func shadow(node *corev1.Node) {
	allocatable := make(corev1.ResourceList, len(node.Status.Allocatable)+1)
	maps.Copy(allocatable, node.Status.Allocatable)
	allocatable[corev1.ResourcePods] = resource.Quantity{Format: resource.DecimalSI}
	node.Status.Allocatable = allocatable
}

// markSkipped marks the pods that Karpenter leaves to virtual nodes, and those that are held back, in core's own words for a pod that wants no node of
// Karpenter's. Core then ignores them without an event. They stay in the list: core's metrics need to see each pod decided.
//
// With own, the list gets its own copies of what its pods point to.
func (f *Filter) markSkipped(pods *corev1.PodList, own bool) {
	snapshot, now := f.index.Snapshot(), f.clock.Now()
	for i := range pods.Items {
		p := &pods.Items[i]
		skip := f.leavesAlone(snapshot, now, p)
		if skip {
			strip(p)
		}
		if own {
			cached := *p
			cached.DeepCopyInto(p)
			p.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"} // as the cache does with its copies
		}
		if skip {
			p.Spec.Affinity = newMark()
		}
	}
}

// leavesAlone tells whether Karpenter leaves the pod to virtual nodes, or it is held back.
func (f *Filter) leavesAlone(s *Snapshot, now time.Time, p *corev1.Pod) bool {
	if !podutils.IsProvisionable(p) {
		return false
	}
	if f.decideAt(s, now, p).Skip() {
		return true
	}
	_, held := f.held(p)
	return held
}

// strip takes away what does not go with the mark: selectors, because core intersects them with the mark and one on the same label would
// void it; volumes, because core reads and checks their claims first. It only assigns, because what the pod points to may be the cache's.
func strip(p *corev1.Pod) {
	p.Spec.NodeSelector, p.Spec.Volumes, p.Spec.Affinity = nil, nil, nil
}

// newMark wants a node without a NodePool's label, which none of Karpenter's is.
func newMark() *corev1.Affinity {
	m := &markedAffinity{}
	m.expressions[0] = corev1.NodeSelectorRequirement{Key: karpv1.NodePoolLabelKey, Operator: corev1.NodeSelectorOpDoesNotExist}
	m.terms[0].MatchExpressions = m.expressions[:]
	m.selector.NodeSelectorTerms = m.terms[:]
	m.node.RequiredDuringSchedulingIgnoredDuringExecution = &m.selector
	m.affinity.NodeAffinity = &m.node
	return &m.affinity
}

// markedAffinity holds all parts of a mark, so that each of thousands of pods costs one allocation.
type markedAffinity struct {
	affinity    corev1.Affinity
	node        corev1.NodeAffinity
	selector    corev1.NodeSelector
	terms       [1]corev1.NodeSelectorTerm
	expressions [1]corev1.NodeSelectorRequirement
}

// dropHandedOff leaves out the pods that a usable virtual node takes as soon as they are evicted. Others stay: for a pod that is
// running now, a node bought beforehand is better than waiting. Settled pods stay too: the cache may not hold all that a decision reads.
func (f *Filter) dropHandedOff(pods *corev1.PodList) {
	snapshot, now := f.index.Snapshot(), f.clock.Now()
	kept := make([]corev1.Pod, 0, len(pods.Items))
	for i := range pods.Items {
		if f.config.Settled(&pods.Items[i]) {
			kept = append(kept, pods.Items[i])
		} else if d := f.decideAt(snapshot, now, &pods.Items[i]); !d.Skip() || d.Cause != CauseScheduler {
			kept = append(kept, pods.Items[i])
		}
	}
	pods.Items = kept
}
