package interruption

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/awslabs/operatorpkg/reconciler"
	"github.com/awslabs/operatorpkg/singleton"
	"github.com/awslabs/operatorpkg/status"
	"github.com/oracle/oci-go-sdk/v65/core"
	"github.com/samber/lo"
	controllerruntime "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"

	"github.com/karpenter-oke/karpenter-oke/pkg/providers/inventory"
)

// lookInterval is how often the newest list is looked at; that costs no call.
const lookInterval = 2 * time.Second

// PollController finds preemptible instances that are ending, although nobody here asked for it, in the list of instances. It is all there is
// without a stream, and a net below one. By then the instance is going: what is gained is that its pods move and its replacement is bought
// at once, not after the minutes that core waits for a node that does not answer.
type PollController struct {
	Dependencies
	every time.Duration
}

// NewPollController makes the controller. every is how old the list may be without a readable stream.
func NewPollController(d Dependencies, every time.Duration) *PollController {
	return &PollController{Dependencies: d, every: every}
}

// Name is the controller's name in logs and metrics.
func (c *PollController) Name() string { return "interruption.poll" }

// Register adds the controller to a manager.
func (c *PollController) Register(_ context.Context, m manager.Manager) error {
	return controllerruntime.NewControllerManagedBy(m).Named(c.Name()).WatchesRawSource(singleton.Source()).Complete(singleton.AsReconciler(c))
}

// Reconcile compares the preemptible NodeClaims with the list. Without such NodeClaims it asks for none.
func (c *PollController) Reconcile(ctx context.Context) (reconciler.Result, error) {
	list := &karpv1.NodeClaimList{}
	// All are looked through every few seconds, so only the preemptible ones are copied.
	if err := c.Kube.List(ctx, list, client.UnsafeDisableDeepCopy); err != nil {
		return reconciler.Result{}, fmt.Errorf("listing NodeClaims: %w", err)
	}
	// One that has not registered is the launch watch's.
	claims := lo.FilterMap(list.Items, func(claim karpv1.NodeClaim, _ int) (karpv1.NodeClaim, bool) {
		if !ours(&claim) || claim.Labels[karpv1.CapacityTypeLabelKey] != karpv1.CapacityTypeSpot || !claim.DeletionTimestamp.IsZero() ||
			claim.Status.ProviderID == "" || !claim.StatusConditions(status.WithObservedOnly()).Get(karpv1.ConditionTypeRegistered).IsTrue() {
			return karpv1.NodeClaim{}, false
		}
		return *claim.DeepCopy(), true
	})
	if len(claims) == 0 {
		return reconciler.Result{RequeueAfter: lookInterval}, nil
	}
	snapshot := c.Inventory.Current()
	if !c.Health.Readable() && c.every > 0 {
		var err error
		if snapshot, err = c.Inventory.Fresh(ctx, c.every); err != nil {
			return reconciler.Result{}, err
		}
	}
	if err := errors.Join(c.taker().take(ctx, c.ended(ctx, claims, snapshot))...); err != nil {
		return reconciler.Result{}, err
	}
	return reconciler.Result{RequeueAfter: lookInterval}, nil
}

// ended are the NodeClaims whose instances are ending.
func (c *PollController) ended(ctx context.Context, claims []karpv1.NodeClaim, snapshot inventory.Snapshot) (downs []takedown) {
	for i := range claims {
		found, known := snapshot.Get(claims[i].Status.ProviderID)
		if !known || !goes(found) {
			continue
		}
		avoid(ctx, c.Unavailable, &claims[i], found)
		downs = append(downs, takedown{
			kind: kindPreemption, source: sourceList, claim: &claims[i], deadline: c.Clock.Now(),
			says: fmt.Sprintf("The preemptible instance is %s and OCI has taken it back; it is replaced", found.State),
		})
	}
	return downs
}

// goes says whether a preemptible instance is on its way out. They can not be stopped, so one that stops is being taken back.
func goes(i inventory.Instance) bool {
	return i.Ending() || i.State == core.InstanceLifecycleStateStopping || i.State == core.InstanceLifecycleStateStopped
}
