// Package catchup lets a new leader launch nodes soon: it brings waiting pods up again as soon as Karpenter core can plan for them, and has other
// controllers begin afterwards.
package catchup

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/awslabs/operatorpkg/controller"
	"github.com/awslabs/operatorpkg/reconciler"
	"github.com/awslabs/operatorpkg/singleton"
	"github.com/samber/lo"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	controllerruntime "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/karpenter/pkg/controllers/provisioning"
	"sigs.k8s.io/karpenter/pkg/controllers/state"
	podutils "sigs.k8s.io/karpenter/pkg/utils/pod"
)

// interval is the time between two looks. A look costs some microseconds, before the first complete picture some milliseconds.
const interval = 250 * time.Millisecond

// Controller wakes core's provisioner when core's picture of the cluster has become complete and pods wait that core has not planned for: after a
// start, and when the last NodeClaim has its instance. Until then core throws away every batch of pods that it is woken for, and comes back to
// them ten seconds later. Pods that are planned for wake nobody: planning again keeps their nodes from disruption for another while.
type Controller struct {
	core   core
	reader client.Reader
	wake   func()
	behind bool
}

// core is what is asked of core's cluster state.
type core interface {
	Synced(ctx context.Context) bool
	PodSchedulingDecisionTime(pod types.NamespacedName) time.Time
}

// ErrNoProvisioner means that core's controllers do not hold exactly one provisioner.
var ErrNoProvisioner = errors.New("core's controllers do not hold exactly one provisioning.Provisioner")

// NewController wakes the provisioner among core's controllers. It returns ErrNoProvisioner when there is not exactly one. reader is the manager's
// own client.
func NewController(cores []controller.Controller, cluster *state.Cluster, reader client.Reader) (*Controller, error) {
	found := lo.FilterMap(cores, func(c controller.Controller, _ int) (*provisioning.Provisioner, bool) {
		p, is := c.(*provisioning.Provisioner)
		return p, is
	})
	if len(found) != 1 {
		return nil, fmt.Errorf("%w: found %d", ErrNoProvisioner, len(found))
	}
	return &Controller{core: cluster, reader: reader, wake: found[0].TriggerReconcile, behind: true}, nil
}

// Name is the controller's name in logs and metrics.
func (c *Controller) Name() string { return "provisioner.catchup" }

// Register adds the controller to a manager.
func (c *Controller) Register(_ context.Context, m manager.Manager) error {
	return controllerruntime.NewControllerManagedBy(m).
		Named(c.Name()).
		WatchesRawSource(singleton.Source()).
		Complete(singleton.AsReconciler(c))
}

// Reconcile looks once.
func (c *Controller) Reconcile(ctx context.Context) (reconciler.Result, error) {
	was := c.behind
	c.behind = !c.core.Synced(ctx)
	if !was || c.behind {
		return reconciler.Result{RequeueAfter: interval}, nil
	}
	waiting, err := c.waiting(ctx)
	if err != nil {
		c.behind = true // so that it is looked again
		return reconciler.Result{}, err
	}
	if waiting {
		c.wake()
	}
	return reconciler.Result{RequeueAfter: interval}, nil
}

// waiting tells whether there is a pod that wants a node and that core has not looked at.
func (c *Controller) waiting(ctx context.Context) (bool, error) {
	pods := &corev1.PodList{}
	if err := c.reader.List(ctx, pods, client.MatchingFields{"spec.nodeName": ""}, client.UnsafeDisableDeepCopy); err != nil {
		return false, fmt.Errorf("listing pods without a node: %w", err)
	}
	for i := range pods.Items {
		p := &pods.Items[i]
		if podutils.IsProvisionable(p) && c.core.PodSchedulingDecisionTime(client.ObjectKeyFromObject(p)).IsZero() {
			return true, nil
		}
	}
	return false, nil
}
