// Package world is a cluster in memory in which Karpenter core's real scheduler and consolidation, and this project's real cloud
// provider, buy and end nodes: what they decide and what it costs is real, only the machines are not. Time is a fake clock's, and equal
// input gives equal decisions.
//
// What is simplified: a node is Ready in the moment it is bought, pods run where the scheduler's simulation put them, and nothing fails.
package world

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/go-logr/logr"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/record"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	corecloud "sigs.k8s.io/karpenter/pkg/cloudprovider"
	"sigs.k8s.io/karpenter/pkg/controllers/disruption"
	"sigs.k8s.io/karpenter/pkg/controllers/provisioning"
	"sigs.k8s.io/karpenter/pkg/controllers/provisioning/scheduling"
	"sigs.k8s.io/karpenter/pkg/controllers/state"
	"sigs.k8s.io/karpenter/pkg/events"
	"sigs.k8s.io/karpenter/pkg/operator/injection"
	"sigs.k8s.io/karpenter/pkg/operator/options"
	"sigs.k8s.io/karpenter/pkg/test"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/pkg/cloudprovider"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/capacity"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/instance"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/instancetype"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/inventory"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/pricing"
)

// Options of a World.
type Options struct {
	// Requirements of the only NodePool; none means all that the region sells on demand.
	Requirements []karpv1.NodeSelectorRequirementWithMinValues
	// Sizing of the node class; empty leaves the product's default.
	Sizing v1alpha1.FlexSizing
	// ConsolidateAfter of the NodePool.
	ConsolidateAfter time.Duration
}

// World is one cluster. It is for one goroutine.
type World struct {
	Clock *clocktesting.FakeClock
	// Prices, Shapes and Types are what the cloud provider works with.
	Prices *pricing.DefaultProvider
	Shapes shapes
	Types  *instancetype.DefaultProvider

	options     Options
	store       *store
	compute     *compute
	inventory   *inventory.DefaultProvider
	cloud       *cloudprovider.CloudProvider
	cluster     *state.Cluster
	provisioner *provisioning.Provisioner
	queue       *disruption.Queue
	methods     []disruption.Method
	recorder    events.Recorder

	nodes map[string]*Node // by name
	named int
}

// Node is a node that was bought.
type Node struct {
	Name, InstanceType, Zone string
	Shape                    string
	OCPUs, MemoryGB          float64
	// PricePerHour is the bill in dollars: the real size and the boot volume. CellPrice is what core believes: the instance type's.
	PricePerHour, CellPrice float64

	object *corev1.Node
	claim  *karpv1.NodeClaim
}

// unheard drops the launches' outcomes, events and what NodeClaims are to remember of them.
type unheard struct{}

// Record implements cloudprovider.Launches.
func (unheard) Record(*v1alpha1.OciNodeClass, error) {}

// Patch implements instance.Claims.
func (unheard) Patch(context.Context, client.Object, client.Patch, ...client.PatchOption) error {
	return nil
}

// Delete implements instance.Claims.
func (unheard) Delete(context.Context, client.Object, ...client.DeleteOption) error { return nil }

// New makes an empty cluster.
func New(o Options) (*World, error) {
	known, err := newShapes()
	if err != nil {
		return nil, fmt.Errorf("reading the catalogue of shapes: %w", err)
	}
	prices, err := pricing.NewProvider(pricing.Settings{})
	if err != nil {
		return nil, fmt.Errorf("reading the price list: %w", err)
	}
	clk := clocktesting.NewFakeClock(epoch)
	w := &World{
		Clock: clk, Prices: prices, Shapes: known, options: o, nodes: map[string]*Node{},
		store:    newStore(newNodeClass(o), newNodePool(o), DaemonSets()),
		compute:  &compute{clock: clk, instances: nil},
		recorder: events.NewRecorder(&record.FakeRecorder{}),
	}
	w.compute.instances = newInstances()
	unavailable := capacity.NewUnavailable(clk)
	w.Types = instancetype.NewProvider(instancetype.Dependencies{Shapes: known, Prices: prices, Unavailable: unavailable}, instancetype.Settings{Region: "phx"})
	w.inventory = inventory.NewProvider(w.compute, inventory.OneCompartment(compartmentID), clusterID, clk)
	instances := instance.NewProvider(instance.Config{ClusterID: clusterID, CompartmentID: compartmentID}, instance.Dependencies{
		API: w.compute, Sizes: w.Types, Shapes: known, Cluster: oke{}, Inventory: w.inventory, Claims: unheard{}, Unavailable: unavailable, Clock: clk,
	})
	w.cloud = cloudprovider.New(cloudprovider.Dependencies{
		Kube: w.store, Recorder: w.recorder, Launches: unheard{}, InstanceTypes: w.Types, Instances: instances, Inventory: w.inventory,
	})
	w.cluster = state.NewCluster(clk, w.store, w.cloud)
	w.provisioner = provisioning.NewProvisioner(w.store, w.recorder, w.cloud, w.cluster, clk, nil, nil)
	w.queue = disruption.NewQueue(w.store, w.recorder, w.cluster, clk, w.provisioner)
	c := disruption.MakeConsolidation(clk, w.cluster, w.store, w.provisioner, w.cloud, w.recorder, w.queue)
	w.methods = []disruption.Method{
		disruption.NewEmptiness(c, disruption.WithValidator(believed{})),
		disruption.NewMultiNodeConsolidation(c, disruption.WithValidator(believed{})),
		disruption.NewSingleNodeConsolidation(c, disruption.WithValidator(believed{})),
	}
	return w, nil
}

// context is what core's code expects to find in one.
func (w *World) context(ctx context.Context, controller string) context.Context {
	ctx = options.ToContext(injection.WithControllerName(ctx, controller), test.Options())
	return log.IntoContext(ctx, logr.Discard())
}

// InstanceTypes are what the NodePool is offered.
func (w *World) InstanceTypes(ctx context.Context) ([]*corecloud.InstanceType, error) {
	return w.cloud.GetInstanceTypes(ctx, w.store.nodePool)
}

// NodeClass is the node class of the World's nodes.
func (w *World) NodeClass() *v1alpha1.OciNodeClass { return w.store.nodeClass }

// Nodes are the nodes there are, by name.
func (w *World) Nodes() []*Node {
	return slices.SortedFunc(maps.Values(w.nodes), func(a, b *Node) int { return compareNames(a.Name, b.Name) })
}

// PricePerHour is the bill of all nodes in dollars an hour.
func (w *World) PricePerHour() float64 {
	total := 0.0
	for _, n := range w.Nodes() { // in order, so that equal worlds have equal sums
		total += n.PricePerHour
	}
	return total
}

// Pods is how many pods run and how many wait, DaemonSets' pods not counted.
func (w *World) Pods() (running, pending int) {
	for node, pods := range w.store.podsOn {
		if node == "" {
			pending += len(pods)
			continue
		}
		running += len(pods) - len(w.store.daemonSets)
	}
	return running, pending
}

// Add makes pods wait for a node.
func (w *World) Add(ctx context.Context, pods ...*corev1.Pod) error {
	ctx = w.context(ctx, "world")
	for _, p := range pods {
		w.store.podsOn[""] = append(w.store.podsOn[""], p)
		if err := w.cluster.UpdatePod(ctx, p); err != nil {
			return fmt.Errorf("adding pod %s: %w", p.Name, err)
		}
	}
	return nil
}

// Remove ends pods wherever they are.
func (w *World) Remove(pods ...*corev1.Pod) {
	touched := map[string]bool{}
	for _, p := range pods {
		w.store.podsOn[p.Spec.NodeName] = slices.DeleteFunc(w.store.podsOn[p.Spec.NodeName], func(other *corev1.Pod) bool { return other.UID == p.UID })
		w.cluster.DeletePod(client.ObjectKeyFromObject(p))
		touched[p.Spec.NodeName] = true
	}
	w.noteChange(touched)
	w.cluster.MarkUnconsolidated()
}

// Provision is one loop of core's provisioner: every waiting pod is put onto a node, bought where none has room. It returns how many pods
// are left waiting.
func (w *World) Provision(ctx context.Context) (left int, err error) {
	if len(w.store.podsOn[""]) == 0 {
		return 0, nil
	}
	ctx = w.context(ctx, "provisioner")
	w.Clock.Step(time.Second) // core batches for a second
	results, err := w.provisioner.Schedule(ctx)
	if err != nil {
		return 0, fmt.Errorf("scheduling: %w", err)
	}
	if err := w.apply(ctx, results); err != nil {
		return 0, err
	}
	w.Clock.Step(time.Minute) // until the nodes are there; core's nominations end meanwhile
	return len(w.store.podsOn[""]), nil
}

// apply buys the nodes of a scheduling result and binds its pods.
func (w *World) apply(ctx context.Context, results scheduling.Results) error {
	for _, existing := range results.ExistingNodes {
		if err := w.bind(ctx, existing.Name(), existing.Pods); err != nil {
			return err
		}
	}
	for _, planned := range results.NewNodeClaims {
		node, err := w.buy(ctx, planned.ToNodeClaim())
		if err != nil {
			return err
		}
		if err := w.bind(ctx, node.Name, planned.Pods); err != nil {
			return err
		}
	}
	return nil
}

// bind runs pods on a node. Core's pods are copies: the store's own are moved.
func (w *World) bind(ctx context.Context, node string, pods []*corev1.Pod) error {
	wanted := make(map[types.UID]bool, len(pods))
	for _, p := range pods {
		wanted[p.UID] = true
	}
	if len(wanted) == 0 {
		return nil
	}
	left := make([]*corev1.Pod, 0, len(w.store.podsOn[""]))
	for _, p := range w.store.podsOn[""] {
		if !wanted[p.UID] {
			left = append(left, p)
			continue
		}
		p.Spec.NodeName, p.Status = node, corev1.PodStatus{Phase: corev1.PodRunning, Conditions: []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionTrue}}}
		w.store.podsOn[node] = append(w.store.podsOn[node], p)
		if err := w.cluster.UpdatePod(ctx, p); err != nil {
			return fmt.Errorf("binding pod %s: %w", p.Name, err)
		}
	}
	w.store.podsOn[""] = left
	w.noteChange(map[string]bool{node: true})
	return nil
}

// noteChange is what core's pod-event controller does: consolidation waits for a node's pods to be at rest.
func (w *World) noteChange(nodes map[string]bool) {
	for name := range nodes {
		if n, ok := w.nodes[name]; ok {
			n.claim.Status.LastPodEventTime = metav1.NewTime(w.Clock.Now())
		}
	}
}

func daemonPod(set *appsv1.DaemonSet, node string) *corev1.Pod {
	isController := true
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Name: set.Name + "-" + node, Namespace: set.Namespace, UID: types.UID(set.Name + "-" + node),
			OwnerReferences: []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "DaemonSet", Name: set.Name, UID: set.UID, Controller: &isController}},
		},
		Spec:   specOn(set.Spec.Template.Spec, node),
		Status: corev1.PodStatus{Phase: corev1.PodRunning},
	}
}

func specOn(spec corev1.PodSpec, node string) corev1.PodSpec {
	out := *spec.DeepCopy()
	out.NodeName = node
	return out
}

// Waiting are the names of the pods that wait for a node.
func (w *World) Waiting() []string {
	out := make([]string, 0, len(w.store.podsOn[""]))
	for _, p := range w.store.podsOn[""] {
		out = append(out, p.Name)
	}
	return out
}

// Bought is how many nodes were bought so far.
func (w *World) Bought() int { return w.named }
