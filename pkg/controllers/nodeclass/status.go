// Package nodeclass holds the controllers of OciNodeClass: what its selectors resolve to, how many NodeClaims use it, and its
// deletion.
package nodeclass

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/oracle/oci-go-sdk/v65/identity"
	"github.com/oracle/oci-go-sdk/v65/keymanagement"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/utils/clock"
	controllerruntime "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/cluster"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/image"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/network"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/placement"
)

const (
	// revalidateAfter is how often a class that is ready is resolved anew: images, subnets and groups change in the cloud.
	revalidateAfter = 10 * time.Minute
	// retryAfter is how soon a class that is not ready is resolved anew.
	retryAfter = 30 * time.Second
	// reservationsAfter is how soon a class is resolved anew that waits for a capacity reservation.
	reservationsAfter = 2 * time.Minute
	// conflictAfter is how soon a class is resolved anew whose status was written meanwhile.
	conflictAfter = time.Second
	// reconcileTimeout bounds one resolution, so that a service that hangs holds up one class for so long and no other at all.
	reconcileTimeout = 2 * time.Minute
	// classesAtOnce is how many classes are resolved at the same time.
	classesAtOnce = 10
)

// API is the part of the OCI client that this package calls.
type API interface {
	GetCompartment(ctx context.Context, id string) (identity.Compartment, error)
	ProbeInstances(ctx context.Context, compartmentID string) error
	GetKey(ctx context.Context, id string) (keymanagement.Key, error)
}

// BootstrapChecker builds what a typical node of a class would be given at boot.
type BootstrapChecker interface {
	// Check returns an error, in words for the class's author, when the class can not be bootstrapped: metadata beyond OCI's
	// limit, user data that can not be read. It asks no service.
	Check(nodeClass *v1alpha1.OciNodeClass) error
}

// Dependencies are what a StatusController works with.
type Dependencies struct {
	Kube      client.Client
	OCI       API
	Cluster   cluster.Provider
	Images    image.Provider
	Network   network.Provider
	Placement placement.Provider
	Bootstrap BootstrapChecker // nil checks nothing
	Launches  *LaunchOutcomes
	// CompartmentID is where instances of classes are launched that name no compartment.
	CompartmentID string
	Clock         clock.PassiveClock
}

// StatusController resolves the selectors of an OciNodeClass into its status, one condition each. A class that can not be
// resolved affects the NodePools that use it and no other.
type StatusController struct{ Dependencies }

// NewStatusController makes the controller.
func NewStatusController(d Dependencies) *StatusController { return &StatusController{Dependencies: d} }

// Name is the controller's name in logs and metrics.
func (c *StatusController) Name() string { return "nodeclass.status" }

// Register adds the controller to a manager. What launches say about rights is written by the LaunchesController as well, without delay.
func (c *StatusController) Register(_ context.Context, m manager.Manager) error {
	return controllerruntime.NewControllerManagedBy(m).
		Named(c.Name()).
		For(&v1alpha1.OciNodeClass{}, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		WithOptions(controller.Options{MaxConcurrentReconciles: classesAtOnce, ReconciliationTimeout: reconcileTimeout}).
		Complete(reconcile.AsReconciler(m.GetClient(), c))
}

// Reconcile resolves the class and writes what changed.
func (c *StatusController) Reconcile(ctx context.Context, nodeClass *v1alpha1.OciNodeClass) (reconcile.Result, error) {
	if !nodeClass.DeletionTimestamp.IsZero() {
		c.Launches.forget(nodeClass.UID)
		return reconcile.Result{}, nil
	}
	stored := nodeClass.DeepCopy()
	if controllerutil.AddFinalizer(nodeClass, v1alpha1.TerminationFinalizer) {
		if err := c.Kube.Patch(ctx, nodeClass, client.MergeFromWithOptions(stored, client.MergeFromWithOptimisticLock{})); err != nil {
			return again(err)
		}
		stored = nodeClass.DeepCopy()
	}
	current := c.Cluster.Get()
	if !selectsReservations(nodeClass) {
		forgetReservations(nodeClass)
	}
	for _, sub := range c.subReconcilers(nodeClass) {
		c.apply(ctx, nodeClass, sub, current)
	}
	c.applyLaunches(nodeClass)
	if !equality.Semantic.DeepEqual(stored.Status, nodeClass.Status) {
		logChange(ctx, stored, nodeClass)
		// The lock keeps a resolution that began before another's end from overwriting it.
		if err := c.Kube.Status().Patch(ctx, nodeClass, client.MergeFromWithOptions(stored, client.MergeFromWithOptimisticLock{})); err != nil {
			return again(err)
		}
	}
	return reconcile.Result{RequeueAfter: c.wait(nodeClass)}, nil
}

// again resolves the class anew when somebody else wrote it meanwhile; a class that is gone needs nothing more.
func again(err error) (reconcile.Result, error) {
	if apierrors.IsConflict(err) {
		return reconcile.Result{RequeueAfter: jitter(conflictAfter)}, nil
	}
	return reconcile.Result{}, client.IgnoreNotFound(err)
}

// wait is how long the class is left alone: until an image has soaked or a refused launch may be tried again, if that is sooner.
func (c *StatusController) wait(nodeClass *v1alpha1.OciNodeClass) time.Duration {
	wait := revalidateAfter
	if !nodeClass.StatusConditions().Root().IsTrue() {
		wait = retryAfter
	}
	if nodeClass.StatusConditions().Get(v1alpha1.ConditionTypeCapacityReservationsReady).IsFalse() {
		wait = min(wait, reservationsAfter)
	}
	now := c.Clock.Now()
	for _, i := range nodeClass.Status.Images {
		if i.Successor != nil && i.Successor.AdoptAfter != nil {
			wait = min(wait, max(i.Successor.AdoptAfter.Sub(now), time.Second))
		}
	}
	return jitter(wait)
}

// jitter lengthens a time by up to a tenth, so that classes that were made together are not resolved together for ever.
func jitter(d time.Duration) time.Duration { return d + rand.N(d/10) } //nolint:gosec // jitter is no secret
