package nodeclaim

import (
	"context"
	"fmt"
	"slices"

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
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/instancetype/resources"
)

// gpuTaints are what OKE's images put on nodes with GPUs (documentation of OKE, GPU shapes).
var gpuTaints = []corev1.Taint{
	{Key: string(resources.ResourceNVIDIAGPU), Value: "present", Effect: corev1.TaintEffectNoSchedule},
	{Key: string(resources.ResourceAMDGPU), Value: "present", Effect: corev1.TaintEffectNoSchedule},
}

// TaintsController takes OKE's GPU taints off nodes whose NodePool does not list them. Core knows of a NodePool's taints only: for a pod
// without the toleration it would buy one node with GPUs after another, and none would take the pod. A NodePool that lists the taint keeps
// it, and core then asks for the toleration before it buys.
type TaintsController struct {
	kube client.Client
}

// NewTaintsController makes the controller.
func NewTaintsController(kube client.Client) *TaintsController { return &TaintsController{kube: kube} }

// Name is the controller's name in logs and metrics.
func (c *TaintsController) Name() string { return "nodeclaim.taints" }

// Register adds the controller to a manager; only Nodes of our classes with such a taint are looked at.
func (c *TaintsController) Register(_ context.Context, m manager.Manager) error {
	ours := predicate.NewPredicateFuncs(func(o client.Object) bool {
		node, ok := o.(*corev1.Node)
		_, found := o.GetLabels()[v1alpha1.LabelNodeClass]
		return ok && found && slices.ContainsFunc(node.Spec.Taints, ofGPU)
	})
	return controllerruntime.NewControllerManagedBy(m).
		Named(c.Name()).
		For(&corev1.Node{}, builder.WithPredicates(ours)).
		Complete(reconcile.AsReconciler(m.GetClient(), c))
}

func ofGPU(taint corev1.Taint) bool {
	return slices.ContainsFunc(gpuTaints, func(g corev1.Taint) bool { return g.MatchTaint(&taint) && g.Value == taint.Value })
}

// Reconcile corrects one Node.
func (c *TaintsController) Reconcile(ctx context.Context, node *corev1.Node) (reconcile.Result, error) {
	claims := &karpv1.NodeClaimList{}
	if err := c.kube.List(ctx, claims, client.MatchingFields{"status.providerID": node.Spec.ProviderID}); err != nil {
		return reconcile.Result{}, fmt.Errorf("finding the NodeClaim of node %s: %w", node.Name, err)
	}
	if node.Spec.ProviderID == "" || len(claims.Items) != 1 || !node.DeletionTimestamp.IsZero() {
		return reconcile.Result{}, nil
	}
	wanted := slices.Concat(claims.Items[0].Spec.Taints, claims.Items[0].Spec.StartupTaints)
	stored := node.DeepCopy()
	node.Spec.Taints = slices.DeleteFunc(node.Spec.Taints, func(t corev1.Taint) bool {
		return ofGPU(t) && !slices.ContainsFunc(wanted, func(w corev1.Taint) bool { return w.MatchTaint(&t) })
	})
	if len(node.Spec.Taints) == len(stored.Spec.Taints) {
		return reconcile.Result{}, nil
	}
	// A list of taints is written as a whole, so nobody else may have written meanwhile.
	if err := c.kube.Patch(ctx, node, client.MergeFromWithOptions(stored, client.MergeFromWithOptimisticLock{})); err != nil {
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	log.FromContext(ctx).V(1).Info("took the image's GPU taint off a node", "Node", klog.KObj(node))
	return reconcile.Result{}, nil
}
