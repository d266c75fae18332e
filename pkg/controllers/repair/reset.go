// Package repair cuts the power of nodes that were asked to reboot and do not.
//
// Core reboots a node through CloudProvider.Reboot, waits 20 minutes for another boot ID, and then replaces the node. OCI passes the wish on
// to the operating system, and cuts the power itself only after 15 minutes, which leaves a machine no time to come up. A wedged system never
// follows, so it is reset sooner.
package repair

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/awslabs/operatorpkg/status"
	"github.com/oracle/oci-go-sdk/v65/core"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"
	controllerruntime "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/cloudprovider"
	"sigs.k8s.io/karpenter/pkg/events"
	nodeclaimutils "sigs.k8s.io/karpenter/pkg/utils/nodeclaim"

	"github.com/karpenter-oke/karpenter-oke/pkg/providers/instance"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/inventory"
)

// EventReset is on a NodeClaim whose instance was reset because it did not follow a request to reboot.
const EventReset = "RebootForced"

const (
	// patienceVM is for how long a virtual machine may take from the request until its node reports another boot: one that follows does so
	// within two or three minutes.
	patienceVM = 5 * time.Minute
	// patienceBM is the same for bare metal, whose firmware alone takes up to ten. Only one that has not shut down yet is reset: cutting the
	// power of one that is on its way up would begin all over.
	patienceBM = 8 * time.Minute
	// retryAfter is how soon a reset is tried again that OCI did not take; the token keeps it from being done twice.
	retryAfter = 30 * time.Second
)

// Instances restarts instances.
type Instances interface {
	Reboot(ctx context.Context, id, operationID string, kind instance.RebootKind) error
}

// ResetController follows reboots that core has issued.
type ResetController struct {
	kube      client.Client
	recorder  events.Recorder
	inventory inventory.Provider
	instances Instances
	clock     clock.PassiveClock
}

// NewResetController makes the controller.
func NewResetController(kube client.Client, recorder events.Recorder, inv inventory.Provider, instances Instances, c clock.PassiveClock) *ResetController {
	return &ResetController{kube: kube, recorder: recorder, inventory: inv, instances: instances, clock: c}
}

// Name is the controller's name in logs and metrics.
func (c *ResetController) Name() string { return "repair.reset" }

// Register adds the controller to a manager. NodeClaims that were never rebooted are not looked at.
func (c *ResetController) Register(_ context.Context, m manager.Manager) error {
	return controllerruntime.NewControllerManagedBy(m).
		Named(c.Name()).
		For(&karpv1.NodeClaim{}, builder.WithPredicates(predicate.NewPredicateFuncs(func(o client.Object) bool {
			claim, ok := o.(*karpv1.NodeClaim)
			return ok && issued(claim)
		}))).
		Complete(reconcile.AsReconciler(m.GetClient(), c))
}

// issued reads the condition where it stands: StatusConditions writes into what it is given, and a predicate is given what is in the cache.
func issued(claim *karpv1.NodeClaim) bool {
	return claim.DeletionTimestamp.IsZero() && slices.ContainsFunc(claim.Status.Conditions, func(c status.Condition) bool {
		return c.Type == karpv1.ConditionTypeRebooting && c.IsTrue() && c.Reason == karpv1.RebootReasonIssued
	})
}

// issuedAt is when OCI took the request: core makes Initialized Unknown then. False when core has not written that yet.
func issuedAt(claim *karpv1.NodeClaim) (time.Time, bool) {
	for _, c := range claim.Status.Conditions {
		if c.Type == karpv1.ConditionTypeInitialized {
			return c.LastTransitionTime.Time, c.IsUnknown()
		}
	}
	return time.Time{}, false
}

// Reconcile resets the instance of one NodeClaim when its reboot is overdue.
func (c *ResetController) Reconcile(ctx context.Context, claim *karpv1.NodeClaim) (reconcile.Result, error) {
	since, known := issuedAt(claim)
	if !issued(claim) || !known {
		return reconcile.Result{}, nil
	}
	node, err := nodeclaimutils.NodeForNodeClaim(ctx, c.kube, claim)
	if err != nil {
		return reconcile.Result{}, nodeclaimutils.IgnoreNodeNotFoundError(err) // core follows a node that is gone
	}
	before, rebooting := claim.Annotations[karpv1.RebootPreBootIDAnnotationKey]
	if !rebooting || node.Status.NodeInfo.BootID != before {
		return reconcile.Result{}, nil
	}
	found, listed := c.inventory.Current().Get(claim.Status.ProviderID)
	bareMetal := strings.HasPrefix(found.Shape, "BM.")
	patience := patienceVM
	if bareMetal {
		patience = patienceBM
	}
	if left := since.Add(patience).Sub(c.clock.Now()); left > 0 || !listed {
		return reconcile.Result{RequeueAfter: max(left, retryAfter)}, nil
	}
	snapshot, err := c.inventory.Fresh(ctx, inventory.BusyInterval)
	if err != nil {
		return reconcile.Result{}, err
	}
	if found, listed = snapshot.Get(claim.Status.ProviderID); !listed || !overdue(found.State, bareMetal) {
		return reconcile.Result{RequeueAfter: retryAfter}, nil
	}
	return c.reset(ctx, claim, found, before)
}

// overdue says whether an instance in this state will not reboot by itself soon.
func overdue(state core.InstanceLifecycleStateEnum, bareMetal bool) bool {
	return state == core.InstanceLifecycleStateStopping || (state == core.InstanceLifecycleStateRunning && !bareMetal)
}

// reset cuts the power once for each boot: the boot's ID is in the token.
func (c *ResetController) reset(ctx context.Context, claim *karpv1.NodeClaim, found inventory.Instance, bootID string) (reconcile.Result, error) {
	err := c.instances.Reboot(ctx, found.ID, fmt.Sprintf("%s-%s-reset", claim.UID, bootID), instance.RebootHard)
	switch {
	case cloudprovider.IsNodeRebootFailedError(err), cloudprovider.IsNodeClaimNotFoundError(err):
		log.FromContext(ctx).Info("instance does not reboot and can not be reset; Karpenter replaces its node", "NodeClaim", klog.KObj(claim), "instance", found.ID, "reason", err.Error())
		return reconcile.Result{}, nil
	case err != nil:
		log.FromContext(ctx).Info("instance does not reboot; resetting it is tried again", "NodeClaim", klog.KObj(claim), "instance", found.ID, "reason", err.Error())
		return reconcile.Result{RequeueAfter: retryAfter}, nil
	}
	log.FromContext(ctx).Info("instance did not follow a request to reboot and was reset", "NodeClaim", klog.KObj(claim), "instance", found.ID, "state", found.State)
	c.recorder.Publish(events.Event{
		InvolvedObject: claim, Type: corev1.EventTypeWarning, Reason: EventReset,
		Message:      fmt.Sprintf("Instance %s was asked to reboot and was still %s; its power was cut", found.ID, found.State),
		DedupeValues: []string{string(claim.UID), bootID},
	})
	return reconcile.Result{}, nil
}
