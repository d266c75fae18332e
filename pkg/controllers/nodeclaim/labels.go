package nodeclaim

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/klog/v2"
	controllerruntime "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
)

// LabelsController puts the instance type's name back on Nodes. OKE's cloud controller writes the raw shape into
// node.kubernetes.io/instance-type when it initialises a node, after which core could neither price nor consolidate a node of a
// flexible shape.
type LabelsController struct {
	kube client.Client
}

// NewLabelsController makes the controller.
func NewLabelsController(kube client.Client) *LabelsController { return &LabelsController{kube: kube} }

// Name is the controller's name in logs and metrics.
func (c *LabelsController) Name() string { return "nodeclaim.labels" }

// Register adds the controller to a manager; only Nodes of our classes are looked at.
func (c *LabelsController) Register(_ context.Context, m manager.Manager) error {
	ours := predicate.NewPredicateFuncs(func(o client.Object) bool {
		_, found := o.GetLabels()[v1alpha1.LabelNodeClass]
		return found
	})
	return controllerruntime.NewControllerManagedBy(m).
		Named(c.Name()).
		For(&corev1.Node{}, builder.WithPredicates(ours)).
		Complete(reconcile.AsReconciler(m.GetClient(), c))
}

// Reconcile corrects one Node.
func (c *LabelsController) Reconcile(ctx context.Context, node *corev1.Node) (reconcile.Result, error) {
	claims := &karpv1.NodeClaimList{}
	if err := c.kube.List(ctx, claims, client.MatchingFields{"status.providerID": node.Spec.ProviderID}); err != nil {
		return reconcile.Result{}, fmt.Errorf("finding the NodeClaim of node %s: %w", node.Name, err)
	}
	if node.Spec.ProviderID == "" || len(claims.Items) != 1 {
		return reconcile.Result{}, nil
	}
	want, known := claims.Items[0].Labels[corev1.LabelInstanceTypeStable]
	is := node.Labels[corev1.LabelInstanceTypeStable]
	if !known || is == want || !node.DeletionTimestamp.IsZero() {
		return reconcile.Result{}, nil
	}
	stored := node.DeepCopy()
	node.Labels[corev1.LabelInstanceTypeStable] = want
	if _, old := node.Labels[corev1.LabelInstanceType]; old {
		node.Labels[corev1.LabelInstanceType] = want
	}
	if err := c.kube.Patch(ctx, node, client.StrategicMergeFrom(stored)); err != nil {
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	log.FromContext(ctx).V(1).Info("put the instance type back on a node", "Node", klog.KObj(node), "was", is, "is", want)
	return reconcile.Result{}, nil
}
