package registration

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/awslabs/operatorpkg/status"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	controllerruntime "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
)

const (
	// givenUpAfter is how old a NodeClaim without a node is that core deletes for it (registrationTimeout in core's nodeclaim lifecycle,
	// which is not exported). One that is deleted sooner was not waited for.
	givenUpAfter = 15 * time.Minute
	// rememberedFor is how long a NodeClaim is known that was judged: its removal takes some updates.
	rememberedFor = 2 * time.Hour
)

// ClaimsController tells a Health which NodeClaims became nodes and which did not.
type ClaimsController struct {
	kube   client.Reader
	health *Health
	clock  clock.PassiveClock
	judged map[types.UID]time.Time // one worker alone touches it
}

// NewClaimsController makes the controller.
func NewClaimsController(kube client.Reader, health *Health, c clock.PassiveClock) *ClaimsController {
	return &ClaimsController{kube: kube, health: health, clock: c, judged: map[types.UID]time.Time{}}
}

// Name is the controller's name in logs and metrics.
func (c *ClaimsController) Name() string { return "registration.claims" }

// Register adds the controller to a manager; it looks at NodeClaims that register or are deleted, and at all when it starts.
func (c *ClaimsController) Register(_ context.Context, m manager.Manager) error {
	moved := predicate.Funcs{
		UpdateFunc: func(e event.UpdateEvent) bool {
			was, okWas := e.ObjectOld.(*karpv1.NodeClaim)
			is, okIs := e.ObjectNew.(*karpv1.NodeClaim)
			return !okWas || !okIs || registered(was).Status != registered(is).Status || was.DeletionTimestamp.IsZero() != is.DeletionTimestamp.IsZero()
		},
		DeleteFunc: func(event.DeleteEvent) bool { return false },
	}
	return controllerruntime.NewControllerManagedBy(m).
		Named(c.Name()).
		For(&karpv1.NodeClaim{}, builder.WithPredicates(moved)).
		Complete(reconcile.AsReconciler(m.GetClient(), c))
}

// registered reads the condition where it stands: StatusConditions writes into what it is given, and a predicate is given what is in the
// cache. It is empty when core has not set it.
func registered(claim *karpv1.NodeClaim) status.Condition {
	i := slices.IndexFunc(claim.Status.Conditions, func(c status.Condition) bool { return c.Type == karpv1.ConditionTypeRegistered })
	if i < 0 {
		return status.Condition{}
	}
	return claim.Status.Conditions[i]
}

// Reconcile judges one NodeClaim.
func (c *ClaimsController) Reconcile(ctx context.Context, claim *karpv1.NodeClaim) (reconcile.Result, error) {
	is := registered(claim)
	registered := is.Status == metav1.ConditionTrue
	if claim.Spec.NodeClassRef == nil || claim.Spec.NodeClassRef.Group != v1alpha1.Group || (!registered && claim.DeletionTimestamp.IsZero()) {
		return reconcile.Result{}, nil
	}
	nodeClass := &v1alpha1.OciNodeClass{}
	if err := c.kube.Get(ctx, client.ObjectKey{Name: claim.Spec.NodeClassRef.Name}, nodeClass); err != nil {
		if client.IgnoreNotFound(err) == nil {
			return reconcile.Result{}, nil
		}
		return reconcile.Result{}, fmt.Errorf("reading OciNodeClass %s: %w", claim.Spec.NodeClassRef.Name, err)
	}
	switch {
	case registered:
		c.health.Registered(nodeClass, claim)
	case c.known(claim.UID):
	case givenUp(claim, is):
		c.health.Failed(nodeClass, claim)
	default:
		c.health.Ended(nodeClass, claim.UID)
	}
	return reconcile.Result{}, nil
}

// givenUp says whether core deleted the NodeClaim because its instance ran and did not become a node.
func givenUp(claim *karpv1.NodeClaim, is status.Condition) bool {
	return claim.Status.ProviderID != "" && !is.LastTransitionTime.IsZero() &&
		claim.DeletionTimestamp.Sub(is.LastTransitionTime.Time) >= givenUpAfter
}

// known says whether the NodeClaim was judged already, and notes that it is now.
func (c *ClaimsController) known(claim types.UID) bool {
	now := c.clock.Now()
	for uid, at := range c.judged {
		if now.Sub(at) > rememberedFor {
			delete(c.judged, uid)
		}
	}
	_, known := c.judged[claim]
	if !known {
		c.judged[claim] = now
	}
	return known
}
