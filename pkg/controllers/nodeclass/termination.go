package nodeclass

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/util/workqueue"
	controllerruntime "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/events"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
)

// launchPatience is how soon a class is looked at again that could not be let go because something was being launched from it.
const launchPatience = 10 * time.Second

// TerminationController holds an OciNodeClass while NodeClaims use it, and lets it go when none does, deleted or not.
type TerminationController struct {
	kube     client.Client
	recorder events.Recorder
	holds    *Holds
}

// NewTerminationController makes the controller; holds is the one that launches ask.
func NewTerminationController(kube client.Client, recorder events.Recorder, holds *Holds) *TerminationController {
	return &TerminationController{kube: kube, recorder: recorder, holds: holds}
}

// Name is the controller's name in logs and metrics.
func (c *TerminationController) Name() string { return "nodeclass.termination" }

// Register adds the controller to a manager; the first and the last NodeClaim of a class are what it waits for.
func (c *TerminationController) Register(_ context.Context, m manager.Manager) error {
	queue := func(o client.Object, q workqueue.TypedRateLimitingInterface[reconcile.Request]) {
		if ref := o.(*karpv1.NodeClaim).Spec.NodeClassRef; ref != nil && ref.Group == v1alpha1.Group {
			q.Add(reconcile.Request{NamespacedName: client.ObjectKey{Name: ref.Name}})
		}
	}
	return controllerruntime.NewControllerManagedBy(m).
		Named(c.Name()).
		For(&v1alpha1.OciNodeClass{}).
		Watches(&v1alpha1.OciNodeClass{}, handler.Funcs{
			DeleteFunc: func(_ context.Context, e event.DeleteEvent, _ workqueue.TypedRateLimitingInterface[reconcile.Request]) {
				c.holds.Forget(e.Object.GetUID())
			},
		}).
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

// Reconcile brings the finalizer of a class in line with its NodeClaims, and says in an event what a deleted class waits for.
func (c *TerminationController) Reconcile(ctx context.Context, nodeClass *v1alpha1.OciNodeClass) (reconcile.Result, error) {
	held, deleted := controllerutil.ContainsFinalizer(nodeClass, v1alpha1.TerminationFinalizer), !nodeClass.DeletionTimestamp.IsZero()
	if deleted && !held {
		return reconcile.Result{}, nil
	}
	users, err := nodeClaimsOf(ctx, c.kube, nodeClass)
	switch {
	case err != nil:
		return reconcile.Result{}, err
	case len(users) > 0 && deleted:
		c.recorder.Publish(waitingEvent(nodeClass, users))
		return reconcile.Result{RequeueAfter: 10 * time.Second}, nil
	case len(users) > 0 && !held:
		err = c.holds.write(ctx, nodeClass)
	case len(users) == 0 && held:
		var done bool
		if done, err = c.holds.release(ctx, nodeClass); err == nil && !done {
			return reconcile.Result{RequeueAfter: launchPatience}, nil
		}
	}
	if apierrors.IsConflict(err) { // somebody else wrote the class, which brings it here again
		return reconcile.Result{RequeueAfter: jitter(conflictAfter)}, nil
	}
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
