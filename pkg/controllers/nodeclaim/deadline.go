package nodeclaim

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
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
	"sigs.k8s.io/karpenter/pkg/events"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/inventory"
)

// EventDeadline is on a NodeClaim of bare metal that gets more time to become a node than core gives by itself.
const EventDeadline = "RegistrationDeadlineExtended"

const (
	// coreDeadline is how long after the last transition of Registered core deletes a NodeClaim (registrationTimeout in core's nodeclaim
	// lifecycle, which is not exported).
	coreDeadline = 15 * time.Minute
	// bareMetalDeadline is what bare metal gets in all, from the NodeClaim's creation. A server tests its memory and its network cards before
	// it boots; with terabytes and eight GPUs that alone can take more than 15 minutes, and the next server would take as long.
	bareMetalDeadline = 45 * time.Minute
	// extendBefore is how long before core's deadline it is moved: time for one that is down to be taken over by another controller.
	extendBefore = 5 * time.Minute
	// unlistedAgain is for claims whose instance no list has shown yet.
	unlistedAgain = 15 * time.Second
)

// DeadlineController gives bare metal more time to register. Core's limit is fixed, and counts from the last transition of the condition
// Registered, which stays Unknown; so the condition's time is moved on while OCI still has the instance, a step at a time, that core's own
// limit holds again as soon as nobody moves it.
type DeadlineController struct {
	kube      client.Client
	recorder  events.Recorder
	inventory inventory.Provider
	clock     clock.Clock
}

// NewDeadlineController makes the controller.
func NewDeadlineController(kube client.Client, recorder events.Recorder, inv inventory.Provider, clk clock.Clock) *DeadlineController {
	return &DeadlineController{kube: kube, recorder: recorder, inventory: inv, clock: clk}
}

// Name is the controller's name in logs and metrics.
func (c *DeadlineController) Name() string { return "nodeclaim.deadline" }

// Register adds the controller to a manager; only NodeClaims of bare metal are looked at.
func (c *DeadlineController) Register(_ context.Context, m manager.Manager) error {
	return controllerruntime.NewControllerManagedBy(m).
		Named(c.Name()).
		For(&karpv1.NodeClaim{}, builder.WithPredicates(predicate.NewPredicateFuncs(isBareMetal))).
		Complete(reconcile.AsReconciler(m.GetClient(), c))
}

func isBareMetal(o client.Object) bool {
	return o.GetLabels()[v1alpha1.LabelInstanceHypervisor] == "bm"
}

// deadlineOf is how long core waits for a claim's node in all.
func deadlineOf(claim *karpv1.NodeClaim) time.Duration {
	if isBareMetal(claim) {
		return bareMetalDeadline
	}
	return coreDeadline
}

// Reconcile moves the deadline of one NodeClaim when it is near.
func (c *DeadlineController) Reconcile(ctx context.Context, claim *karpv1.NodeClaim) (reconcile.Result, error) {
	registered := claim.StatusConditions().Get(karpv1.ConditionTypeRegistered)
	if !claim.DeletionTimestamp.IsZero() || claim.Status.ProviderID == "" || registered == nil || !registered.IsUnknown() {
		return reconcile.Result{}, nil
	}
	now, from := c.clock.Now(), since(claim)
	latest := claim.CreationTimestamp.Add(bareMetalDeadline - coreDeadline)
	if !from.Before(latest) {
		return reconcile.Result{}, nil // all of it is given
	}
	if left := from.Add(coreDeadline - extendBefore).Sub(now); left > 0 {
		return reconcile.Result{RequeueAfter: left}, nil
	}
	instance, listed := c.inventory.Current().Get(claim.Status.ProviderID)
	switch {
	case !listed:
		return reconcile.Result{RequeueAfter: unlistedAgain}, nil
	case instance.Ending():
		return reconcile.Result{}, nil // nothing will come of it
	}
	to := now
	if to.After(latest) {
		to = latest
	}
	if err := c.move(ctx, claim, to); err != nil {
		if apierrors.IsConflict(err) {
			return reconcile.Result{RequeueAfter: time.Second}, nil
		}
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	c.tell(ctx, claim, string(instance.State))
	return reconcile.Result{RequeueAfter: to.Add(coreDeadline - extendBefore).Sub(now)}, nil
}

// move writes the time from which core counts.
func (c *DeadlineController) move(ctx context.Context, claim *karpv1.NodeClaim, to time.Time) error {
	stored := claim.DeepCopy()
	conditions := claim.GetConditions()
	for i := range conditions {
		if conditions[i].Type == karpv1.ConditionTypeRegistered {
			conditions[i].LastTransitionTime = metav1.NewTime(to)
		}
	}
	claim.SetConditions(conditions)
	// The lock keeps a registration that core writes at the same moment.
	if err := c.kube.Status().Patch(ctx, claim, client.MergeFromWithOptions(stored, client.MergeFromWithOptimisticLock{})); err != nil {
		return fmt.Errorf("giving NodeClaim %s more time to register: %w", claim.Name, err)
	}
	return nil
}

func (c *DeadlineController) tell(ctx context.Context, claim *karpv1.NodeClaim, state string) {
	age := c.clock.Since(claim.CreationTimestamp.Time).Round(time.Minute)
	log.FromContext(ctx).Info("bare metal is given more time to become a node", "NodeClaim", klog.KObj(claim), "age", age, "deadline", bareMetalDeadline, "state", state)
	c.recorder.Publish(events.Event{
		InvolvedObject: claim, Type: corev1.EventTypeNormal, Reason: EventDeadline,
		Message: fmt.Sprintf("Bare metal boots slowly: instance %s is %s after %d minutes and has %d in all to become a node",
			claim.Status.ProviderID, state, int(age.Minutes()), int(bareMetalDeadline.Minutes())),
		DedupeValues: []string{string(claim.UID)},
	})
}
