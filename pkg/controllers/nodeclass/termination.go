package nodeclass

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	controllerruntime "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/events"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
)

// TerminationController lets an OciNodeClass go once no NodeClaim uses it.
type TerminationController struct {
	kube     client.Client
	recorder events.Recorder
}

// NewTerminationController makes the controller.
func NewTerminationController(kube client.Client, recorder events.Recorder) *TerminationController {
	return &TerminationController{kube: kube, recorder: recorder}
}

// Name is the controller's name in logs and metrics.
func (c *TerminationController) Name() string { return "nodeclass.termination" }

// Register adds the controller to a manager; the end of a NodeClaim may be what a class waits for.
func (c *TerminationController) Register(_ context.Context, m manager.Manager) error {
	return controllerruntime.NewControllerManagedBy(m).
		Named(c.Name()).
		For(&v1alpha1.OciNodeClass{}).
		Watches(&karpv1.NodeClaim{}, handler.EnqueueRequestsFromMapFunc(func(_ context.Context, o client.Object) []reconcile.Request {
			ref := o.(*karpv1.NodeClaim).Spec.NodeClassRef
			if ref == nil || ref.Group != v1alpha1.Group || o.GetDeletionTimestamp().IsZero() {
				return nil
			}
			return []reconcile.Request{{NamespacedName: client.ObjectKey{Name: ref.Name}}}
		})).
		Complete(reconcile.AsReconciler(m.GetClient(), c))
}

// Reconcile removes the finalizer of a deleted class that nothing uses, and says in an event what it waits for otherwise.
func (c *TerminationController) Reconcile(ctx context.Context, nodeClass *v1alpha1.OciNodeClass) (reconcile.Result, error) {
	if nodeClass.DeletionTimestamp.IsZero() || !controllerutil.ContainsFinalizer(nodeClass, v1alpha1.TerminationFinalizer) {
		return reconcile.Result{}, nil
	}
	users, err := nodeClaimsOf(ctx, c.kube, nodeClass)
	if err != nil {
		return reconcile.Result{}, err
	}
	if len(users) > 0 {
		c.recorder.Publish(waitingEvent(nodeClass, users))
		return reconcile.Result{RequeueAfter: 10 * time.Second}, nil
	}
	stored := nodeClass.DeepCopy()
	controllerutil.RemoveFinalizer(nodeClass, v1alpha1.TerminationFinalizer)
	err = c.kube.Patch(ctx, nodeClass, client.MergeFromWithOptions(stored, client.MergeFromWithOptimisticLock{}))
	return reconcile.Result{}, client.IgnoreNotFound(err)
}

// waitingEvent names up to five of the NodeClaims that a deleted class waits for.
func waitingEvent(nodeClass *v1alpha1.OciNodeClass, users []karpv1.NodeClaim) events.Event {
	names := make([]string, 0, len(users))
	for _, u := range users {
		names = append(names, u.Name)
	}
	slices.Sort(names)
	more := ""
	if len(names) > 5 {
		names, more = names[:5], fmt.Sprintf(" and %d more", len(users)-5)
	}
	return events.Event{
		InvolvedObject: nodeClass, Type: corev1.EventTypeNormal, Reason: "WaitingOnNodeClaimTermination",
		Message:      fmt.Sprintf("Deletion waits for NodeClaims that use this class: %s%s", strings.Join(names, ", "), more),
		DedupeValues: []string{string(nodeClass.UID)},
	}
}
