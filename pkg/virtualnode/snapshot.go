package virtualnode

import (
	"strings"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/component-helpers/scheduling/corev1/nodeaffinity"
)

// Snapshot is what Decide knows of the cluster at one moment. It is never changed after it was published.
type Snapshot struct {
	generation uint64
	nodes      []*virtualNode
	namespaces map[string]stated
	pools      []*pool
	// fileStorage holds the claims that File Storage stands behind. It is replaced as a whole, never changed.
	fileStorage map[types.NamespacedName]struct{}
}

// virtualNode is the part of a Node that decisions need.
type virtualNode struct {
	// node holds the name and the labels only.
	node *corev1.Node
	// taints are those that keep pods away; the ones that Kubernetes puts for a while are left out.
	taints   []corev1.Taint
	ready    bool
	cordoned bool
	// gone is set once the Node was deleted; it then counts as not Ready until the grace period is over.
	gone bool
	// since is when the node stopped being Ready, or was deleted.
	since time.Time
	// counted tells whether the node was present when it was last read; a grace period that ended since turns decisions.
	counted bool
	// arch is the architecture of its pod shape: amd64 (E3, E4) or arm64 (A1); empty when the node does not say.
	arch string
	// free is how many more pods the node takes by its own count.
	free int64
	// room is what the node has for pods in all, freeRoom what is left of it.
	room, freeRoom size
	// trouble is what kept the newest pod that was bound to the node from starting; empty while pods start.
	trouble Cause
}

// load is what the pods on a virtual node take of it.
type load struct {
	pods    int64
	size    size
	trouble Cause
}

// NodeCounts counts virtual nodes by what keeps them from taking a pod. A node is counted once, in the first row that holds.
type NodeCounts struct {
	// Total is every virtual node.
	Total int
	// Matching are those that the pod's selectors, affinity and tolerations allow; the rows below count among them.
	Matching int
	// NotReady are those that are away for longer than the grace period.
	NotReady int
	// TooSmall are those that could not hold the pod even when empty.
	TooSmall int
	// Cordoned are those marked unschedulable.
	Cordoned int
	// Full have no free pod left.
	Full int
	// Busy have too little CPU or memory left for the pod.
	Busy int
	// Troubled are those on which the newest pod could not start: no address, a quota, or no capacity.
	Troubled int
}

// Usable are the matching nodes that could take a pod now.
func (c NodeCounts) Usable() int {
	return c.Matching - c.NotReady - c.TooSmall - c.Cordoned - c.Full - c.Busy - c.Troubled
}

// newVirtualNode reads a Node and what the pods on it take.
func newVirtualNode(n *corev1.Node, l load) *virtualNode {
	v := &virtualNode{
		node:     &corev1.Node{},
		cordoned: n.Spec.Unschedulable,
		since:    n.CreationTimestamp.Time,
		gone:     n.DeletionTimestamp != nil,
		arch:     archOf(n),
		room:     roomOf(n.Status.Allocatable),
		trouble:  l.trouble,
	}
	v.freeRoom = v.room.minus(l.size)
	v.node.Name, v.node.Labels = n.Name, n.Labels
	for _, t := range n.Spec.Taints {
		if t.Effect != corev1.TaintEffectPreferNoSchedule && !isPassingTaint(t.Key) {
			v.taints = append(v.taints, t)
		}
	}
	for i := range n.Status.Conditions {
		if c := &n.Status.Conditions[i]; c.Type == corev1.NodeReady {
			v.ready, v.since = c.Status == corev1.ConditionTrue, c.LastTransitionTime.Time
		}
	}
	if v.gone {
		v.ready, v.since = false, n.DeletionTimestamp.Time
	}
	v.free = n.Status.Allocatable.Pods().Value() - l.pods
	return v
}

// archOf is the architecture of the node's pods: its label, which selectors are matched with, else what it reports of itself.
func archOf(n *corev1.Node) string {
	if arch := n.Labels[corev1.LabelArchStable]; arch != "" {
		return arch
	}
	return n.Status.NodeInfo.Architecture
}

// isPassingTaint tells whether Kubernetes itself puts and removes the taint as the node's state changes. The state is judged by
// the Ready condition and spec.unschedulable instead.
func isPassingTaint(key string) bool {
	return strings.HasPrefix(key, "node.kubernetes.io/") || strings.HasPrefix(key, "node.cloudprovider.kubernetes.io/")
}

// present tells whether the node is Ready, or stopped being so within the grace period.
func (v *virtualNode) present(now time.Time, grace time.Duration) bool {
	return v.ready || now.Before(v.since.Add(grace))
}

// forgotten tells whether a deleted node is past the grace period.
func (v *virtualNode) forgotten(now time.Time, grace time.Duration) bool {
	return v.gone && !v.present(now, grace)
}

// obstacle is what keeps the node from taking one more pod of a size; empty when nothing does that the node itself shows. What
// lasts comes first: a node that is too small does not help by being uncordoned.
func (v *virtualNode) obstacle(now time.Time, grace time.Duration, want size) Cause {
	switch {
	case !v.present(now, grace):
		return CauseNotReady
	case !want.fits(v.room):
		return CauseTooLarge
	case v.cordoned:
		return CauseCordoned
	case v.free <= 0:
		return CauseFull
	case !want.fits(v.freeRoom):
		return CauseNoRoom
	}
	return v.trouble
}

// matches tells whether the pod's selectors and affinity choose the node and the pod tolerates its taints. It allocates only for
// pods with required node affinity. The error is that of an affinity that cannot be read.
func (v *virtualNode) matches(p *corev1.Pod) (bool, error) {
	for i := range v.taints {
		if !tolerates(p.Spec.Tolerations, &v.taints[i]) {
			return false, nil
		}
	}
	if requiredNodeAffinity(p) != nil {
		return nodeaffinity.GetRequiredNodeAffinity(p).Match(v.node)
	}
	for key, want := range p.Spec.NodeSelector {
		if got, ok := v.node.Labels[key]; !ok || got != want {
			return false, nil
		}
	}
	return true, nil
}

// sameTo tells whether no decision is likely to come out differently for the other state of the node. Room left is compared by its
// order of magnitude: it moves with every pod, and decisions that hang on it are looked at again by themselves.
func (v *virtualNode) sameTo(o *virtualNode) bool {
	if v.ready != o.ready || v.cordoned != o.cordoned || v.gone != o.gone || v.counted != o.counted || (v.free > 0) != (o.free > 0) {
		return false
	}
	if v.room != o.room || v.trouble != o.trouble || v.arch != o.arch || v.freeRoom.magnitude() != o.freeRoom.magnitude() {
		return false
	}
	if !v.ready && !v.since.Equal(o.since) {
		return false
	}
	return equalLabels(v.node.Labels, o.node.Labels) && equalTaints(v.taints, o.taints)
}

// Architectures of virtual nodes in metrics.
const (
	archAMD64   = "amd64"
	archARM64   = "arm64"
	archUnknown = "unknown"
)

// count fills NodeCounts for the pod; with a nil pod every node matches.
func (s *Snapshot) count(p *corev1.Pod, now time.Time, grace time.Duration) NodeCounts {
	return s.countIf(func(n *virtualNode) bool {
		if p == nil {
			return true
		}
		ok, err := n.matches(p)
		return err == nil && ok
	}, now, grace, demandOf(p))
}

// countArch fills NodeCounts for the nodes of an architecture.
func (s *Snapshot) countArch(arch string, now time.Time, grace time.Duration) NodeCounts {
	return s.countIf(func(n *virtualNode) bool {
		if n.arch == archAMD64 || n.arch == archARM64 {
			return n.arch == arch
		}
		return arch == archUnknown
	}, now, grace, size{})
}

func (s *Snapshot) countIf(matches func(*virtualNode) bool, now time.Time, grace time.Duration, want size) NodeCounts {
	var c NodeCounts
	for _, n := range s.nodes {
		if n.forgotten(now, grace) {
			continue
		}
		c.Total++
		if !matches(n) {
			continue
		}
		c.Matching++
		switch n.obstacle(now, grace, want) {
		case "":
		case CauseNotReady:
			c.NotReady++
		case CauseTooLarge:
			c.TooSmall++
		case CauseCordoned:
			c.Cordoned++
		case CauseFull:
			c.Full++
		case CauseNoRoom:
			c.Busy++
		default:
			c.Troubled++
		}
	}
	return c
}

func tolerates(tolerations []corev1.Toleration, taint *corev1.Taint) bool {
	for i := range tolerations {
		if key := tolerations[i].Key; key != "" && key != taint.Key {
			continue // as Kubernetes' own test says of most, at a fraction of the price
		}
		if tolerations[i].ToleratesTaint(logr.Discard(), taint, true) {
			return true
		}
	}
	return false
}

func equalLabels(a, b map[string]string) bool {
	if len(a) != len(b) {
		return false
	}
	for k, v := range a {
		if w, ok := b[k]; !ok || w != v {
			return false
		}
	}
	return true
}

func equalTaints(a, b []corev1.Taint) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i].Key != b[i].Key || a[i].Value != b[i].Value || a[i].Effect != b[i].Effect {
			return false
		}
	}
	return true
}
