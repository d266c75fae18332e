package nodeclaim

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/awslabs/operatorpkg/reconciler"
	"github.com/awslabs/operatorpkg/singleton"
	"github.com/oracle/oci-go-sdk/v65/workrequests"
	"github.com/samber/lo"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/klog/v2"
	controllerruntime "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/events"

	"github.com/karpenter-oke/karpenter-oke/pkg/oci"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/capacity"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/instance"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/inventory"
)

// launchWatchInterval is how often young NodeClaims are compared with the inventory. That costs a list at most once in the
// inventory's BusyInterval while there are any, and nothing otherwise.
const launchWatchInterval = 2 * time.Second

// WorkRequests tells why an accepted launch failed later.
type WorkRequests interface {
	WorkRequestErrors(ctx context.Context, id string) ([]workrequests.WorkRequestError, error)
}

// LaunchWatchController finds launches that OCI accepted and that failed afterwards: the instance ends before its node has
// registered. The NodeClaim is deleted with the reason, and the offering marked, so that the next one goes elsewhere. Without
// it the pods would wait for core's registration deadline of 15 minutes.
type LaunchWatchController struct {
	kube         client.Client
	recorder     events.Recorder
	inventory    inventory.Provider
	workRequests WorkRequests
	unavailable  *capacity.Unavailable
}

// NewLaunchWatchController makes the controller.
func NewLaunchWatchController(kube client.Client, recorder events.Recorder, inv inventory.Provider, workRequests WorkRequests, unavailable *capacity.Unavailable) *LaunchWatchController {
	return &LaunchWatchController{kube: kube, recorder: recorder, inventory: inv, workRequests: workRequests, unavailable: unavailable}
}

// Name is the controller's name in logs and metrics.
func (c *LaunchWatchController) Name() string { return "nodeclaim.launchwatch" }

// Register adds the controller to a manager.
func (c *LaunchWatchController) Register(_ context.Context, m manager.Manager) error {
	return controllerruntime.NewControllerManagedBy(m).
		Named(c.Name()).
		WatchesRawSource(singleton.Source()).
		Complete(singleton.AsReconciler(c))
}

// Reconcile looks at every NodeClaim that was launched and has not registered.
func (c *LaunchWatchController) Reconcile(ctx context.Context) (reconciler.Result, error) {
	claims := &karpv1.NodeClaimList{}
	if err := c.kube.List(ctx, claims); err != nil {
		return reconciler.Result{}, fmt.Errorf("listing NodeClaims: %w", err)
	}
	young := lo.Filter(claims.Items, func(claim karpv1.NodeClaim, _ int) bool {
		return claim.DeletionTimestamp.IsZero() && claim.Status.ProviderID != "" && !claim.StatusConditions().Get(karpv1.ConditionTypeRegistered).IsTrue()
	})
	if len(young) == 0 {
		return reconciler.Result{RequeueAfter: launchWatchInterval}, nil
	}
	snapshot, err := c.inventory.Fresh(ctx, inventory.BusyInterval)
	if err != nil {
		return reconciler.Result{}, err
	}
	var errs []error
	for i := range young {
		claim := &young[i]
		if found, known := snapshot.Get(claim.Status.ProviderID); known && found.Ending() {
			errs = append(errs, c.giveUp(ctx, claim, found))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return reconciler.Result{}, err
	}
	return reconciler.Result{RequeueAfter: launchWatchInterval}, nil
}

// giveUp deletes a NodeClaim whose instance ended before it became a node.
func (c *LaunchWatchController) giveUp(ctx context.Context, claim *karpv1.NodeClaim, found inventory.Instance) error {
	reason := "the instance ended before its node registered"
	if cause := c.cause(ctx, found); cause != nil {
		reason = cause.Error()
		instance.MarkUnavailable(ctx, c.unavailable, capacity.Offering{
			Shape: found.Shape, OCPUs: found.OCPUs, MemoryGB: found.MemoryGB, Baseline: found.Baseline,
			Zone: oci.Zone(found.AvailabilityDomain), CapacityType: found.CapacityType,
		}, cause)
	}
	log.FromContext(ctx).Info("launch failed after OCI had accepted it", "NodeClaim", klog.KObj(claim), "instance", found.ID, "state", found.State, "reason", reason)
	c.recorder.Publish(events.Event{
		InvolvedObject: claim, Type: corev1.EventTypeWarning, Reason: "LaunchFailedLate",
		Message: fmt.Sprintf("Instance %s is %s: %s", found.ID, found.State, reason), DedupeValues: []string{string(claim.UID)},
	})
	if err := c.kube.Delete(ctx, claim); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("deleting NodeClaim %s: %w", claim.Name, err)
	}
	return nil
}

// cause reads the launch's work request; nil when it is not known or did not fail. Only this process's own launches have one.
func (c *LaunchWatchController) cause(ctx context.Context, found inventory.Instance) error {
	if found.WorkRequestID == "" {
		return nil
	}
	failures, err := c.workRequests.WorkRequestErrors(ctx, found.WorkRequestID)
	if err != nil || len(failures) == 0 {
		return nil
	}
	return oci.NewAsyncError("LaunchInstance", oci.Value(failures[0].Code), oci.Value(failures[0].Message))
}
