package breaker

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	controllerruntime "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	podutils "sigs.k8s.io/karpenter/pkg/utils/pod"
	"sigs.k8s.io/karpenter/pkg/utils/resources"

	"github.com/awslabs/operatorpkg/status"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
)

// Mapping tells for which pods core made a NodeClaim; core's cluster state does.
type Mapping interface {
	PodsMappedToNodeClaim(nodeClaimName string) []types.NamespacedName
}

// PurchasesController notes which NodeClaims are made for which pods, and when their nodes come up.
type PurchasesController struct {
	kube    client.Client
	mapping Mapping
	breaker *Breaker
}

// NewPurchasesController makes the controller.
func NewPurchasesController(kube client.Client, mapping Mapping, breaker *Breaker) *PurchasesController {
	return &PurchasesController{kube: kube, mapping: mapping, breaker: breaker}
}

// Name is the controller's name in logs and metrics.
func (c *PurchasesController) Name() string { return "breaker.purchases" }

// Register adds the controller to a manager. NodeClaims are looked at when they are made, launched, registered and initialised: core notes
// whom a NodeClaim is for a moment after it has made it.
func (c *PurchasesController) Register(_ context.Context, m manager.Manager) error {
	moved := predicate.Funcs{
		UpdateFunc: func(e event.UpdateEvent) bool {
			was, okWas := e.ObjectOld.(*karpv1.NodeClaim)
			is, okIs := e.ObjectNew.(*karpv1.NodeClaim)
			return !okWas || !okIs || was.Status.ProviderID != is.Status.ProviderID || was.Status.NodeName != is.Status.NodeName ||
				initialized(was) != initialized(is)
		},
		DeleteFunc: func(event.DeleteEvent) bool { return false },
	}
	return controllerruntime.NewControllerManagedBy(m).
		Named(c.Name()).
		For(&karpv1.NodeClaim{}, builder.WithPredicates(moved)).
		Complete(reconcile.AsReconciler(m.GetClient(), c))
}

// Reconcile looks at one NodeClaim.
func (c *PurchasesController) Reconcile(ctx context.Context, claim *karpv1.NodeClaim) (reconcile.Result, error) {
	if claim.Spec.NodeClassRef == nil || claim.Spec.NodeClassRef.Group != v1alpha1.Group {
		return reconcile.Result{}, nil
	}
	for _, key := range c.mapping.PodsMappedToNodeClaim(claim.Name) {
		p := &corev1.Pod{}
		if err := c.kube.Get(ctx, key, p); err != nil {
			if client.IgnoreNotFound(err) != nil {
				return reconcile.Result{}, fmt.Errorf("getting pod %s: %w", key, err)
			}
			continue
		}
		if pending(p) {
			c.breaker.bought(p, claim.Name, claim.Labels[karpv1.NodePoolLabelKey])
		}
	}
	node, err := nodeOf(ctx, c.kube, claim)
	if err != nil {
		return reconcile.Result{}, err
	}
	if initialized(claim) || node != nil && undersized(claim, node) {
		c.breaker.cameUp(claim.Name)
	}
	return reconcile.Result{}, nil
}

// pending says that the pod still needs a node.
func pending(p *corev1.Pod) bool { return !podutils.IsScheduled(p) && podutils.IsActive(p) }

// initialized reads the condition where it stands: StatusConditions writes into what it is given, and a predicate is given what is in the cache.
func initialized(claim *karpv1.NodeClaim) bool {
	return slices.ContainsFunc(claim.Status.Conditions, func(c status.Condition) bool {
		return c.Type == karpv1.ConditionTypeInitialized && c.IsTrue()
	})
}

// nodeOf is the Node of a NodeClaim; nil while there is none.
func nodeOf(ctx context.Context, kube client.Reader, claim *karpv1.NodeClaim) (*corev1.Node, error) {
	if claim.Status.ProviderID == "" {
		return nil, nil
	}
	nodes := &corev1.NodeList{}
	if err := kube.List(ctx, nodes, client.MatchingFields{"spec.providerID": claim.Status.ProviderID}); err != nil {
		return nil, fmt.Errorf("finding the node of NodeClaim %s: %w", claim.Name, err)
	}
	if len(nodes.Items) != 1 {
		return nil, nil
	}
	return &nodes.Items[0], nil
}

// undersized says that the node has less than the pods need that it was bought for. Resources of which it says nothing are not known yet.
func undersized(claim *karpv1.NodeClaim, node *corev1.Node) bool {
	for name, needed := range claim.Spec.Resources.Requests {
		if has, ok := node.Status.Allocatable[name]; ok && !has.IsZero() && has.Cmp(needed) < 0 {
			return true
		}
	}
	return false
}

// taken says that the pod would have room on the node, were it not for pods that the node was not bought for.
func taken(p *corev1.Pod, node *corev1.Node, others []corev1.Pod, forNode map[types.NamespacedName]bool) bool {
	withAll, without := node.Status.Allocatable, node.Status.Allocatable
	for i := range others {
		o := &others[i]
		if o.UID == p.UID || !podutils.IsActive(o) {
			continue
		}
		requests := resources.RequestsForPods(o)
		withAll = resources.Subtract(withAll, requests)
		if podutils.IsOwnedByDaemonSet(o) || podutils.IsOwnedByNode(o) || forNode[client.ObjectKeyFromObject(o)] {
			without = resources.Subtract(without, requests)
		}
	}
	needed := resources.RequestsForPods(p)
	return !resources.Fits(needed, withAll) && resources.Fits(needed, without)
}
