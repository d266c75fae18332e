// Package learn compares nodes with the resource model, and keeps what was learned across restarts.
package learn

import (
	"context"
	"fmt"
	"time"

	"github.com/samber/lo"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/klog/v2"
	controllerruntime "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	corev1alpha1 "sigs.k8s.io/karpenter/pkg/apis/v1alpha1"
	"sigs.k8s.io/karpenter/pkg/events"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/instancetype"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/instancetype/resources"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/inventory"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/learned"
)

// EventSmaller is on a NodeClaim whose node is smaller than was promised for it, and tells something new.
const EventSmaller = "SmallerThanModelled"

const (
	// lookAgain shows that a node is still as it was, so that what it lacks does not expire.
	lookAgain = 6 * time.Hour
	// unlistedRetry is for nodes whose instance no list has shown yet, as after a restart.
	unlistedRetry = 5 * time.Second
)

// Models predicts what a node has, by the model alone.
type Models interface {
	Model(size instancetype.Size, nodeClass *v1alpha1.OciNodeClass) (resources.Resources, error)
}

// Instances knows the instances of this cluster.
type Instances interface {
	Current() inventory.Snapshot
}

// NodesController learns from Nodes. It acts when a Node appears, which is before core counts its real resources for the next
// scheduling loop, not when it is ready.
type NodesController struct {
	kube      client.Client
	recorder  events.Recorder
	instances Instances
	models    Models
	store     *learned.Store
}

// NewNodesController makes the controller.
func NewNodesController(kube client.Client, recorder events.Recorder, instances Instances, models Models, store *learned.Store) *NodesController {
	return &NodesController{kube: kube, recorder: recorder, instances: instances, models: models, store: store}
}

// Name is the controller's name in logs and metrics.
func (c *NodesController) Name() string { return "learn.nodes" }

// Register adds the controller to a manager. Heartbeats are left out: only what a node has matters.
func (c *NodesController) Register(_ context.Context, m manager.Manager) error {
	resized := predicate.Funcs{
		UpdateFunc: func(e event.UpdateEvent) bool {
			was, okWas := e.ObjectOld.(*corev1.Node)
			is, okIs := e.ObjectNew.(*corev1.Node)
			return !okWas || !okIs || was.Spec.ProviderID != is.Spec.ProviderID ||
				!equality.Semantic.DeepEqual(was.Status.Capacity, is.Status.Capacity) || !equality.Semantic.DeepEqual(was.Status.Allocatable, is.Status.Allocatable)
		},
		DeleteFunc: func(event.DeleteEvent) bool { return false },
	}
	return controllerruntime.NewControllerManagedBy(m).
		Named(c.Name()).
		For(&corev1.Node{}, builder.WithPredicates(resized)).
		Complete(reconcile.AsReconciler(m.GetClient(), c))
}

// Reconcile compares one Node with the model.
func (c *NodesController) Reconcile(ctx context.Context, node *corev1.Node) (reconcile.Result, error) {
	if node.Spec.ProviderID == "" || node.Status.Capacity.Memory().IsZero() || node.Status.Allocatable.Memory().IsZero() {
		return reconcile.Result{}, nil
	}
	claims := &karpv1.NodeClaimList{}
	if err := c.kube.List(ctx, claims, client.MatchingFields{"status.providerID": node.Spec.ProviderID}); err != nil {
		return reconcile.Result{}, fmt.Errorf("finding the NodeClaim of node %s: %w", node.Name, err)
	}
	if len(claims.Items) != 1 {
		return reconcile.Result{}, nil // a node of others
	}
	claim := &claims.Items[0]
	instance, ok := c.instances.Current().Get(node.Spec.ProviderID)
	if !ok {
		return reconcile.Result{RequeueAfter: unlistedRetry}, nil
	}
	nodeClass := &v1alpha1.OciNodeClass{}
	if err := c.kube.Get(ctx, client.ObjectKey{Name: instance.Owner.NodeClass}, nodeClass); err != nil {
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	if outdated(claim, nodeClass) {
		return reconcile.Result{}, nil
	}
	model, err := c.models.Model(instancetype.Size{ShapeName: instance.Shape, OCPUs: instance.OCPUs, MemoryGB: instance.MemoryGB}, nodeClass)
	if err != nil {
		// The region lists the shape no more: nobody asks for its types either.
		log.FromContext(ctx).V(1).Info("a node can not be compared with the model", "Node", klog.KObj(node), "error", err.Error())
		return reconcile.Result{RequeueAfter: lookAgain}, nil
	}
	allocatable := node.Status.Allocatable
	if claim.Annotations[corev1alpha1.CapacityOverlayAppliedAnnotationKey] == "true" {
		allocatable = instancetype.HandBackHugePages(node.Status.Capacity, allocatable)
	}
	observed := learned.Observation{
		Class: nodeClass.Name, Image: imageOf(instance, claim),
		Size:      learned.Size{Shape: instance.Shape, OCPUs: instance.OCPUs, MemoryGB: instance.MemoryGB},
		Shortfall: instancetype.Lacking(model, node.Status.Capacity, allocatable),
	}
	if c.store.Observe(observed) && !observed.Zero() {
		c.tell(ctx, node, claim, observed)
	}
	return reconcile.Result{RequeueAfter: lookAgain}, nil
}

// outdated says that the node was launched from another state of its class, so that the class's model is not that of the node.
func outdated(claim *karpv1.NodeClaim, nodeClass *v1alpha1.OciNodeClass) bool {
	stamped, found := claim.Annotations[v1alpha1.AnnotationNodeClassHash]
	return found && claim.Annotations[v1alpha1.AnnotationNodeClassHashVersion] == v1alpha1.HashVersion && stamped != nodeClass.Hash()
}

// imageOf is the image that the instance was launched from; what an instance says of itself can be another OCID for the same image.
func imageOf(instance inventory.Instance, claim *karpv1.NodeClaim) string {
	return lo.CoalesceOrEmpty(claim.Status.ImageID, instance.ImageID)
}

func (c *NodesController) tell(ctx context.Context, node *corev1.Node, claim *karpv1.NodeClaim, o learned.Observation) {
	log.FromContext(ctx).Info("a node is smaller than modelled; its instance types are corrected", "Node", klog.KObj(node), "NodeClaim", klog.KObj(claim),
		"shape", o.Shape, "ocpus", o.OCPUs, "memoryGB", o.MemoryGB, "image", o.Image, "lacking", Describe(o.Shortfall))
	smallerCounter.Inc(map[string]string{labelShape: o.Shape})
	c.recorder.Publish(events.Event{
		InvolvedObject: claim, Type: corev1.EventTypeWarning, Reason: EventSmaller,
		Message: fmt.Sprintf("Node %s gives less than was expected of %s with %g OCPUs and %g GB (%s); expectations are corrected",
			node.Name, o.Shape, o.OCPUs, o.MemoryGB, Describe(o.Shortfall)),
		DedupeValues: []string{string(claim.UID)},
	})
}

// Describe says in words what is lacking.
func Describe(s learned.Shortfall) string {
	bytes := func(n int64) string { return resource.NewQuantity(n, resource.BinarySI).String() }
	text := ""
	for _, part := range []struct {
		amount int64
		words  string
	}{
		{s.Memory, "memory " + bytes(s.Memory)}, {s.Rest.Memory, "allocatable memory " + bytes(s.Rest.Memory) + " more"},
		{s.Rest.CPUMillis, fmt.Sprintf("cpu %dm", s.Rest.CPUMillis)}, {s.Rest.Disk, "ephemeral storage " + bytes(s.Rest.Disk)},
		{s.Rest.Pods, fmt.Sprintf("%d pods", s.Rest.Pods)},
	} {
		if part.amount > 0 {
			text += ", -" + part.words
		}
	}
	if text == "" {
		return "nothing"
	}
	return text[2:]
}
