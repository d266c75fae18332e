package nodeclass

import (
	"context"
	"fmt"
	"time"

	"k8s.io/client-go/util/workqueue"
	controllerruntime "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
)

// countAfter gathers the NodeClaims that come and go together into one count.
const countAfter = time.Second

// NodesController keeps status.nodes, the number of NodeClaims that use a class. It owns that field alone and asks OCI nothing.
type NodesController struct{ kube client.Client }

// NewNodesController makes the controller.
func NewNodesController(kube client.Client) *NodesController { return &NodesController{kube: kube} }

// Name is the controller's name in logs and metrics.
func (c *NodesController) Name() string { return "nodeclass.nodes" }

// Register adds the controller to a manager.
func (c *NodesController) Register(_ context.Context, m manager.Manager) error {
	queue := func(o client.Object, q workqueue.TypedRateLimitingInterface[reconcile.Request]) {
		claim, ok := o.(*karpv1.NodeClaim)
		if !ok || claim.Spec.NodeClassRef == nil || claim.Spec.NodeClassRef.Group != v1alpha1.Group {
			return
		}
		q.AddAfter(reconcile.Request{NamespacedName: client.ObjectKey{Name: claim.Spec.NodeClassRef.Name}}, countAfter)
	}
	return controllerruntime.NewControllerManagedBy(m).
		Named(c.Name()).
		For(&v1alpha1.OciNodeClass{}).
		Watches(&karpv1.NodeClaim{}, handler.Funcs{
			CreateFunc: func(_ context.Context, e event.CreateEvent, q workqueue.TypedRateLimitingInterface[reconcile.Request]) {
				queue(e.Object, q)
			},
			DeleteFunc: func(_ context.Context, e event.DeleteEvent, q workqueue.TypedRateLimitingInterface[reconcile.Request]) {
				queue(e.Object, q)
			},
		}).
		Complete(reconcile.AsReconciler(m.GetClient(), c))
}

// Reconcile counts the NodeClaims of a class and writes a number that changed.
func (c *NodesController) Reconcile(ctx context.Context, nodeClass *v1alpha1.OciNodeClass) (reconcile.Result, error) {
	users, err := nodeClaimsOf(ctx, c.kube, nodeClass)
	if err != nil {
		return reconcile.Result{}, err
	}
	count := int32(min(len(users), 1<<30))
	if nodeClass.Status.Nodes == count {
		return reconcile.Result{}, nil
	}
	stored := nodeClass.DeepCopy()
	nodeClass.Status.Nodes = count
	// No lock: the patch holds this field alone, which nobody else writes.
	err = c.kube.Status().Patch(ctx, nodeClass, client.MergeFrom(stored))
	return reconcile.Result{}, client.IgnoreNotFound(err)
}

// nodeClaimsOf lists the NodeClaims that use a class, through Karpenter core's index.
func nodeClaimsOf(ctx context.Context, kube client.Client, nodeClass *v1alpha1.OciNodeClass) ([]karpv1.NodeClaim, error) {
	users := &karpv1.NodeClaimList{}
	if err := kube.List(ctx, users, client.MatchingFields{
		"spec.nodeClassRef.group": v1alpha1.Group, "spec.nodeClassRef.kind": "OciNodeClass", "spec.nodeClassRef.name": nodeClass.Name,
	}); err != nil {
		return nil, fmt.Errorf("listing the NodeClaims of OciNodeClass %s: %w", nodeClass.Name, err)
	}
	return users.Items, nil
}
