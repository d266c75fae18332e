package nodeclaim

import (
	"context"
	"errors"
	"fmt"

	"github.com/awslabs/operatorpkg/reconciler"
	"github.com/awslabs/operatorpkg/singleton"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/klog/v2"
	controllerruntime "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/events"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/inventory"
)

// ReasonReservationEnded is the reason of the event on a NodeClaim and its Node when their capacity reservation has ended.
const ReasonReservationEnded = "CapacityReservationEnded"

// ReservationController makes nodes on-demand ones in name when their capacity reservation has ended. The instance goes on as before, at
// the price of on-demand capacity, and is never ended for it: whether a NodePool wants such a node is for core to find out, which then
// replaces it as it replaces any node, with its budgets and without haste.
type ReservationController struct {
	kube      client.Client
	recorder  events.Recorder
	inventory inventory.Provider
}

// NewReservationController makes the controller.
func NewReservationController(kube client.Client, recorder events.Recorder, inv inventory.Provider) *ReservationController {
	return &ReservationController{kube: kube, recorder: recorder, inventory: inv}
}

// Name is the controller's name in logs and metrics.
func (c *ReservationController) Name() string { return "nodeclaim.reservation" }

// Register adds the controller to a manager.
func (c *ReservationController) Register(_ context.Context, m manager.Manager) error {
	return controllerruntime.NewControllerManagedBy(m).
		Named(c.Name()).
		WatchesRawSource(singleton.Source()).
		Complete(singleton.AsReconciler(c))
}

// Reconcile compares the reserved NodeClaims with the inventory, which costs no call.
func (c *ReservationController) Reconcile(ctx context.Context) (reconciler.Result, error) {
	claims := &karpv1.NodeClaimList{}
	if err := c.kube.List(ctx, claims, client.MatchingLabels{karpv1.CapacityTypeLabelKey: karpv1.CapacityTypeReserved}); err != nil {
		return reconciler.Result{}, fmt.Errorf("listing NodeClaims in capacity reservations: %w", err)
	}
	snapshot := c.inventory.Current()
	var errs []error
	for i := range claims.Items {
		claim := &claims.Items[i]
		found, known := snapshot.Get(claim.Status.ProviderID)
		// Only a list is believed: it is OCI's own word on an instance that runs.
		if !known || found.Unlisted || found.Ending() || found.CapacityReservationID != "" || !claim.DeletionTimestamp.IsZero() {
			continue
		}
		if err := c.demote(ctx, claim); err != nil {
			errs = append(errs, fmt.Errorf("making NodeClaim %s on-demand: %w", claim.Name, err))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return reconciler.Result{}, err
	}
	return reconciler.Result{RequeueAfter: syncInterval}, nil
}

// demote changes the Node first: a NodeClaim that still says reserved brings this back after a failure between the two.
func (c *ReservationController) demote(ctx context.Context, claim *karpv1.NodeClaim) error {
	ended := claim.Labels[v1alpha1.LabelCapacityReservationID]
	node := &corev1.Node{}
	objects := []client.Object{claim}
	if claim.Status.NodeName != "" {
		switch err := c.kube.Get(ctx, client.ObjectKey{Name: claim.Status.NodeName}, node); {
		case err == nil:
			objects = []client.Object{node, claim}
		case client.IgnoreNotFound(err) != nil:
			return err
		}
	}
	for _, o := range objects {
		stored := o.DeepCopyObject().(client.Object)
		labels := o.GetLabels()
		delete(labels, v1alpha1.LabelCapacityReservationID)
		delete(labels, v1alpha1.LabelCapacityReservationSlot)
		labels[karpv1.CapacityTypeLabelKey] = karpv1.CapacityTypeOnDemand
		o.SetLabels(labels)
		if err := c.kube.Patch(ctx, o, client.MergeFrom(stored)); err != nil {
			return client.IgnoreNotFound(err)
		}
		c.recorder.Publish(events.Event{
			InvolvedObject: o, Type: corev1.EventTypeWarning, Reason: ReasonReservationEnded, DedupeValues: []string{string(o.GetUID())},
			Message: fmt.Sprintf("OCI has taken the instance out of capacity reservation %s; it runs on at the price of on-demand capacity", ended),
		})
	}
	log.FromContext(ctx).Info("capacity reservation has ended, the node is on-demand now", "NodeClaim", klog.KObj(claim), "reservation", ended)
	return nil
}
