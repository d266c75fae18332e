package inspect

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/utils/resources"
)

// Layers counts nodes, pods, requests and prices by layer. It goes over all nodes and pods of the controller's cache once.
func (i *Inspector) Layers(ctx context.Context) (*Layers, error) {
	if err := i.Filter.Ensure(ctx, i.Kube); err != nil {
		return nil, err
	}
	nodes, pods := &corev1.NodeList{}, &corev1.PodList{}
	if err := i.Kube.List(ctx, nodes, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("listing nodes: %w", err)
	}
	if err := i.Kube.List(ctx, pods, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("listing pods: %w", err)
	}
	p := i.newPicture()
	for k := range nodes.Items {
		p.addNode(ctx, &nodes.Items[k])
	}
	for k := range pods.Items {
		p.addPod(&pods.Items[k])
	}
	return p.answer(), nil
}

// picture is being drawn.
type picture struct {
	*Inspector
	parts   map[[2]string]*Layer // by layer and part
	nodes   map[string]*place
	pending map[string]int
	prices  *nodePrices
}

// place is a node's place in the picture.
type place struct {
	part *Layer
	// pod prices the pods of a virtual node; nil for other nodes and where no price is known.
	pod *podPrice
}

func (i *Inspector) newPicture() *picture {
	return &picture{
		Inspector: i, parts: map[[2]string]*Layer{}, nodes: map[string]*place{},
		pending: map[string]int{"managed": 0, "virtual": 0}, prices: i.newNodePrices(),
	}
}

func (p *picture) addNode(ctx context.Context, node *corev1.Node) {
	layer, part := p.placeOf(node)
	l := p.parts[[2]string{layer, part}]
	if l == nil {
		l = &Layer{Name: part, Requests: corev1.ResourceList{}, Allocatable: corev1.ResourceList{}}
		p.parts[[2]string{layer, part}] = l
	}
	at := &place{part: l}
	p.nodes[node.Name] = at
	l.Nodes++
	if !isReady(node) {
		l.NotReady++
	}
	if layer == LayerVirtual {
		l.Price += p.Prices.VirtualNode()
		if at.pod = p.prices.ofVirtualPods(node); at.pod == nil {
			l.Unpriced++
		}
		return
	}
	resources.MergeInto(l.Allocatable, known(node.Status.Allocatable))
	price, saved, ok := p.prices.ofNode(ctx, layer, node)
	if !ok {
		l.Unpriced++
	}
	l.Price += price
	l.FitSavings += saved
}

// placeOf is the layer of a node and its part there: the NodePool, or the shape of fixed nodes.
func (p *picture) placeOf(node *corev1.Node) (layer, part string) {
	if p.VirtualNode.IsVirtual(node) {
		return LayerVirtual, cmp.Or(node.Labels[corev1.LabelArchStable], "unknown") + " pods"
	}
	if pool := node.Labels[karpv1.NodePoolLabelKey]; pool != "" {
		return LayerKarpenter, pool
	}
	return LayerFixed, cmp.Or(node.Labels[corev1.LabelInstanceTypeStable], "unknown shape")
}

// addPod counts a pod where it is bound; on virtual nodes an ended pod is billed until it is deleted, so its price counts on.
func (p *picture) addPod(pod *corev1.Pod) {
	ended := pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
	if pod.Spec.NodeName == "" {
		if !ended && pod.DeletionTimestamp == nil {
			p.pending[string(p.Filter.Decide(pod).Layer)]++
		}
		return
	}
	at := p.nodes[pod.Spec.NodeName]
	if at == nil {
		return // its node has just gone
	}
	if at.pod != nil {
		at.part.Price += at.pod.of(pod)
	}
	if ended {
		return
	}
	at.part.Pods++
	resources.MergeInto(at.part.Requests, known(resources.RequestsForPods(pod)))
}

// known keeps what the picture shows: CPU, memory and GPUs.
func known(all corev1.ResourceList) corev1.ResourceList {
	out := corev1.ResourceList{}
	for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory, "nvidia.com/gpu", "amd.com/gpu"} {
		if q, ok := all[name]; ok && !q.IsZero() {
			out[name] = q
		}
	}
	return out
}

func (p *picture) answer() *Layers {
	out := &Layers{Currency: p.Prices.Currency(), Pending: p.pending}
	for _, name := range []string{LayerFixed, LayerKarpenter, LayerVirtual} {
		layer := Layer{Name: name, Requests: corev1.ResourceList{}, Allocatable: corev1.ResourceList{}}
		for _, key := range slices.SortedFunc(maps.Keys(p.parts), func(a, b [2]string) int { return strings.Compare(a[1], b[1]) }) {
			if key[0] == name {
				layer.add(p.parts[key])
			}
		}
		out.Layers = append(out.Layers, layer)
	}
	out.Notes = p.notes(out.Layers)
	return out
}

// add takes a part into its layer.
func (l *Layer) add(part *Layer) {
	l.Nodes += part.Nodes
	l.NotReady += part.NotReady
	l.Pods += part.Pods
	l.Price += part.Price
	l.FitSavings += part.FitSavings
	l.Unpriced += part.Unpriced
	resources.MergeInto(l.Requests, part.Requests)
	resources.MergeInto(l.Allocatable, part.Allocatable)
	l.Parts = append(l.Parts, *part)
}

func (p *picture) notes(layers []Layer) []string {
	var notes []string
	for _, l := range layers {
		switch {
		case l.Unpriced > 0 && l.Name == LayerVirtual:
			notes = append(notes, fmt.Sprintf("virtual: the pods on %d nodes have no known price; only the nodes are in the sum", l.Unpriced))
		case l.Unpriced > 0:
			notes = append(notes, fmt.Sprintf("%s: %d nodes have no known price and are not in the sum", l.Name, l.Unpriced))
		}
		switch {
		case l.Nodes == 0:
		case l.Name == LayerFixed:
			notes = append(notes, "fixed: on-demand compute by shape, CPUs and memory as the nodes report them; without boot volumes")
		case l.Name == LayerVirtual:
			notes = append(notes, "virtual: the nodes' own price, and their pods at whole OCPUs and GB, as Oracle rounds them")
		}
	}
	return notes
}

func isReady(node *corev1.Node) bool {
	for _, c := range node.Status.Conditions {
		if c.Type == corev1.NodeReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}
