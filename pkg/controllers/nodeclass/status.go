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
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"
	controllerruntime "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

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

// Registrations knows whether the instances of classes become nodes; package registration does.
type Registrations interface {
	// Apply sets the condition NodesRegister and returns when it will change by itself; 0 when it will not.
	Apply(nodeClass *v1alpha1.OciNodeClass) time.Duration
	// FailedImages are the OCIDs of images whose nodes do not register while those of others do; Excuse forgets that of one.
	FailedImages(nodeClass *v1alpha1.OciNodeClass) []string
	Excuse(nodeClass *v1alpha1.OciNodeClass, imageID string)
	// Forget drops a class that is being deleted.
	Forget(nodeClass *v1alpha1.OciNodeClass)
	// Changed tells of classes that are to be looked at without delay.
	Changed() <-chan event.GenericEvent
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
	// Registrations may be nil: then every class is believed to become nodes.
	Registrations Registrations
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
	b := controllerruntime.NewControllerManagedBy(m).
		Named(c.Name()).
		For(&v1alpha1.OciNodeClass{}, builder.WithPredicates(predicate.Or(predicate.GenerationChangedPredicate{}, predicate.AnnotationChangedPredicate{})))
	b = b.Watches(&v1alpha1.OciNodeClass{}, c.gone())
	if c.Registrations != nil {
		b = b.WatchesRawSource(source.Channel(c.Registrations.Changed(), &handler.EnqueueRequestForObject{}))
	}
	return b.
		WithOptions(controller.Options{MaxConcurrentReconciles: classesAtOnce, ReconciliationTimeout: reconcileTimeout}).
		Complete(reconcile.AsReconciler(m.GetClient(), c))
}

// gone hears of classes that are gone. One that nothing uses goes at once, without a last look.
func (c *StatusController) gone() handler.Funcs {
	return handler.Funcs{DeleteFunc: func(_ context.Context, e event.DeleteEvent, _ workqueue.TypedRateLimitingInterface[reconcile.Request]) {
		if nodeClass, ok := e.Object.(*v1alpha1.OciNodeClass); ok {
			c.forget(nodeClass)
		}
	}}
}

// forget drops what is remembered of a class that is deleted.
func (c *StatusController) forget(nodeClass *v1alpha1.OciNodeClass) {
	c.Launches.forget(nodeClass.UID)
	if c.Registrations != nil {
		c.Registrations.Forget(nodeClass)
	}
}

// Reconcile resolves the class and writes what changed.
func (c *StatusController) Reconcile(ctx context.Context, nodeClass *v1alpha1.OciNodeClass) (reconcile.Result, error) {
	if !nodeClass.DeletionTimestamp.IsZero() {
		c.forget(nodeClass)
		return reconcile.Result{}, nil
	}
	stored := nodeClass.DeepCopy()
	current := c.Cluster.Get()
	if !selectsReservations(nodeClass) {
		forgetReservations(nodeClass)
	}
	for _, sub := range c.subReconcilers(nodeClass) {
		c.apply(ctx, nodeClass, sub, current)
	}
	c.applyLaunches(nodeClass)
	due := c.applyRegistrations(nodeClass)
	if !equality.Semantic.DeepEqual(stored.Status, nodeClass.Status) {
		logChange(ctx, stored, nodeClass)
		// The lock keeps a resolution that began before another's end from overwriting it.
		if err := c.Kube.Status().Patch(ctx, nodeClass, client.MergeFromWithOptions(stored, client.MergeFromWithOptimisticLock{})); err != nil {
			return again(err)
		}
	}
	return reconcile.Result{RequeueAfter: c.wait(nodeClass, due)}, nil
}

// applyRegistrations sets NodesRegister and returns when it is to be set anew; 0 when nothing is known of that.
func (c *StatusController) applyRegistrations(nodeClass *v1alpha1.OciNodeClass) time.Duration {
	if c.Registrations == nil {
		nodeClass.StatusConditions().SetTrue(v1alpha1.ConditionTypeNodesRegister)
		return 0
	}
	return c.Registrations.Apply(nodeClass)
}

// again resolves the class anew when somebody else wrote it meanwhile; a class that is gone needs nothing more.
func again(err error) (reconcile.Result, error) {
	if apierrors.IsConflict(err) {
		return reconcile.Result{RequeueAfter: jitter(conflictAfter)}, nil
	}
	return reconcile.Result{}, client.IgnoreNotFound(err)
}

// wait is how long the class is left alone: until an image has soaked, a refused launch may be tried again, or something else is due, if that
// is sooner; 0 is never.
func (c *StatusController) wait(nodeClass *v1alpha1.OciNodeClass, due time.Duration) time.Duration {
	wait := revalidateAfter
	if !nodeClass.StatusConditions().Root().IsTrue() {
		wait = retryAfter
	}
	if nodeClass.StatusConditions().Get(v1alpha1.ConditionTypeCapacityReservationsReady).IsFalse() {
		wait = min(wait, reservationsAfter)
	}
	if due > 0 {
		wait = min(wait, due)
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
