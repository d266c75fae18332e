package nodeclass

import (
	"context"

	"k8s.io/apimachinery/pkg/api/equality"
	controllerruntime "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
)

// LaunchesController writes what launches say about the controller's rights into the condition LaunchAuthorized, without delay and without
// asking OCI anything: what a class's selectors resolve to does not change with a launch.
type LaunchesController struct{ status *StatusController }

// NewLaunchesController makes the controller of what the other one is told about launches.
func NewLaunchesController(status *StatusController) *LaunchesController {
	return &LaunchesController{status: status}
}

// Name is the controller's name in logs and metrics.
func (c *LaunchesController) Name() string { return "nodeclass.launches" }

// Register adds the controller to a manager.
func (c *LaunchesController) Register(_ context.Context, m manager.Manager) error {
	return controllerruntime.NewControllerManagedBy(m).
		Named(c.Name()).
		WatchesRawSource(source.Channel(c.status.Launches.changed, &handler.EnqueueRequestForObject{})).
		Complete(reconcile.AsReconciler(m.GetClient(), c))
}

// Reconcile writes the condition, and comes back when a refused launch may be tried again.
func (c *LaunchesController) Reconcile(ctx context.Context, nodeClass *v1alpha1.OciNodeClass) (reconcile.Result, error) {
	if !nodeClass.DeletionTimestamp.IsZero() {
		return reconcile.Result{}, nil
	}
	stored := nodeClass.DeepCopy()
	c.status.applyLaunches(nodeClass)
	if !equality.Semantic.DeepEqual(stored.Status, nodeClass.Status) {
		if err := c.status.Kube.Status().Patch(ctx, nodeClass, client.MergeFromWithOptions(stored, client.MergeFromWithOptimisticLock{})); err != nil {
			return again(err)
		}
	}
	if nodeClass.StatusConditions().Get(v1alpha1.ConditionTypeLaunchAuthorized).IsFalse() {
		return reconcile.Result{RequeueAfter: jitter(refusedFor)}, nil
	}
	return reconcile.Result{}, nil
}
