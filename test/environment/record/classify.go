package record

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
)

const (
	virtualNodeLabel     = "type"
	virtualNodeValue     = "virtual-node"
	virtualNodeRoleLabel = "node-role.kubernetes.io/virtual-node"
	virtualTaintKey      = "virtual-kubelet.io/provider"
	workloadLabel        = "workload-type"
)

// LayerOf tells which layer a node belongs to: virtual nodes by their label, Karpenter's by its NodePool label, the fixed
// stateful baseline by its workload-type label, and the rest are system nodes.
func LayerOf(n *corev1.Node) Layer {
	_, role := n.Labels[virtualNodeRoleLabel]
	switch {
	case role || n.Labels[virtualNodeLabel] == virtualNodeValue:
		return LayerVirtual
	case n.Labels[karpv1.NodePoolLabelKey] != "":
		return LayerKarpenter
	case n.Labels[workloadLabel] != "":
		return LayerFixed
	default:
		return LayerSystem
	}
}

// toleratesVirtual tells whether a pod names the virtual nodes' taint in a toleration.
func toleratesVirtual(p *corev1.Pod) bool {
	return slices.ContainsFunc(p.Spec.Tolerations, func(t corev1.Toleration) bool { return t.Key == virtualTaintKey })
}

// wantedLayer is the layer that has to grow for a pod without a node.
func wantedLayer(p *corev1.Pod) Layer {
	if toleratesVirtual(p) {
		return LayerVirtual
	}
	return LayerKarpenter
}

func app(p *corev1.Pod) string {
	for _, label := range []string{"app", "app.kubernetes.io/name", "k8s-app"} {
		if v := p.Labels[label]; v != "" {
			return v
		}
	}
	return ""
}

// isRunning tells whether a pod serves: Running and Ready.
func isRunning(p *corev1.Pod) bool {
	return p.Status.Phase == corev1.PodRunning && slices.ContainsFunc(p.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	})
}

// waitingFor is the latest word on why a pod does not run.
func waitingFor(p *corev1.Pod) string {
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse {
			return strings.TrimSpace(c.Message)
		}
	}
	return strings.Trim(p.Status.Reason+": "+p.Status.Message, ": ")
}

func isReady(n *corev1.Node) bool {
	return slices.ContainsFunc(n.Status.Conditions, func(c corev1.NodeCondition) bool {
		return c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue
	})
}
