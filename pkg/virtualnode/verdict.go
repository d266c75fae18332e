package virtualnode

import (
	"context"
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/component-helpers/scheduling/corev1/nodeaffinity"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// NodeVerdict says what a virtual node is to a pod.
type NodeVerdict struct {
	Name string
	// Matches tells whether the pod's selectors, affinity and tolerations choose the node; Why says the first thing that does not.
	Matches bool
	Why     string
	// State is ready, cordoned, full or not ready.
	State string
}

// Ensure fills the filter's index, as Index.Ensure does.
func (f *Filter) Ensure(ctx context.Context, reader client.Reader) error {
	return f.index.Ensure(ctx, reader)
}

// NodeVerdicts judges every virtual node for the pod, ordered by name.
func (f *Filter) NodeVerdicts(p *corev1.Pod) []NodeVerdict {
	now := f.clock.Now()
	var out []NodeVerdict
	for _, n := range f.index.Snapshot().nodes {
		if n.forgotten(now, f.config.GracePeriod) {
			continue
		}
		v := NodeVerdict{Name: n.node.Name, Why: n.mismatch(p), State: "ready"}
		v.Matches = v.Why == ""
		switch {
		case !n.present(now, f.config.GracePeriod):
			v.State = "not ready"
		case n.cordoned:
			v.State = "cordoned"
		case n.free <= 0:
			v.State = "full"
		}
		out = append(out, v)
	}
	return out
}

// mismatch says why the node does not match the pod; empty when it does.
func (v *virtualNode) mismatch(p *corev1.Pod) string {
	for i := range v.taints {
		if !tolerates(p.Spec.Tolerations, &v.taints[i]) {
			return "the pod does not tolerate its taint " + v.taints[i].ToString()
		}
	}
	for _, key := range slices.Sorted(maps.Keys(p.Spec.NodeSelector)) {
		want := p.Spec.NodeSelector[key]
		switch got, ok := v.node.Labels[key]; {
		case !ok:
			return fmt.Sprintf("it has no label %s, the pod selects %s=%s", key, key, want)
		case got != want:
			return fmt.Sprintf("its label %s is %q, the pod selects %q", key, got, want)
		}
	}
	if requiredNodeAffinity(p) == nil {
		return ""
	}
	switch ok, err := nodeaffinity.GetRequiredNodeAffinity(p).Match(v.node); {
	case err != nil:
		return "the pod's node affinity cannot be read: " + err.Error()
	case !ok:
		return "the pod's required node affinity does not choose it"
	}
	return ""
}
