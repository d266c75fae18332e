package virtualnode

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/karpenter/pkg/controllers/disruption"
	"sigs.k8s.io/karpenter/pkg/operator/injection"
)

// podReads notes in which ways core asks for pods.
type podReads struct {
	client.Client
	mu     sync.Mutex
	shapes map[string]bool
}

func (c *podReads) List(ctx context.Context, list client.ObjectList, opts ...client.ListOption) error {
	if _, pods := list.(*corev1.PodList); pods {
		c.note(ctx, opts)
	}
	return c.Client.List(ctx, list, opts...)
}

func (c *podReads) Get(ctx context.Context, key client.ObjectKey, obj client.Object, opts ...client.GetOption) error {
	if _, pod := obj.(*corev1.Pod); pod {
		c.mu.Lock()
		c.shapes["get by "+injection.GetControllerName(ctx)] = true
		c.mu.Unlock()
	}
	return c.Client.Get(ctx, key, obj, opts...)
}

func (c *podReads) note(ctx context.Context, opts []client.ListOption) {
	options := client.ListOptions{}
	options.ApplyOptions(opts)
	shape := "list"
	if f := options.FieldSelector; f != nil && !f.Empty() {
		node, exact := f.RequiresExactMatch("spec.nodeName")
		switch {
		case exact && node == "" && len(f.Requirements()) == 1:
			shape += " of pods without a node"
		case exact && len(f.Requirements()) == 1:
			shape += " of a node's pods"
		default:
			shape += " with fields " + f.String()
		}
	}
	if options.Namespace != "" {
		shape += " in a namespace"
	}
	if options.LabelSelector != nil && !options.LabelSelector.Empty() {
		shape += " with labels"
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.shapes[fmt.Sprintf("%s by %s", shape, injection.GetControllerName(ctx))] = true
}

// Everything that plans is run once, with pods that make core look at others. What it reads is compared with the reads that the filter
// was written for: a new way to read pods may show core pods that the filter should have marked.
func TestCoreReadsPodsInNoOtherWay(t *testing.T) {
	claim, node := managedNode("managed-1", "general")
	goingClaim, going := managedNode("managed-2", "general")
	spread := func(p *corev1.Pod) {
		p.Spec.TopologySpreadConstraints = []corev1.TopologySpreadConstraint{{
			MaxSkew: 1, TopologyKey: corev1.LabelTopologyZone, WhenUnsatisfiable: corev1.DoNotSchedule, LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}},
		}}
	}
	e := newCoreEnv(t, DefaultConfig(), nodePool("general", nil), vnode("virtual-1"), claim, node, goingClaim, going,
		pendingPod("plain", spread), pendingPod("burst", burst), pendingPod("web", runningOn("managed-1")), pendingPod("leaving", runningOn("managed-2")))
	e.cluster.MarkForDeletion(going.Spec.ProviderID)
	ctx := injection.WithControllerName(e.ctx, "disruption")
	_, err := disruption.SimulateScheduling(ctx, e.core, e.cluster, e.provisioner, e.clock, e.recorder, nil, disruption.SimulationOptions{}, e.candidate(t, "managed-1"))
	require.NoError(t, err)
	e.schedule(t)

	require.Equal(t, []string{
		"list in a namespace with labels by disruption",  // topology counts pods; none is planned for
		"list in a namespace with labels by provisioner", // the same
		"list of a node's pods by ",                      // candidates: PDBs and do-not-disrupt need every pod
		"list of a node's pods by disruption",            // pods of going nodes in simulations
		"list of a node's pods by provisioner",           // pods of going nodes: those for virtual nodes are dropped
		"list of pods without a node by disruption",      // pending pods in simulations: marked
		"list of pods without a node by provisioner",     // pending pods: marked
	}, slices.Sorted(maps.Keys(e.reads.shapes)), moved)
}
