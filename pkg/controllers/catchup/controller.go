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
	controllerruntime "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/karpenter/pkg/controllers/provisioning"
	"sigs.k8s.io/karpenter/pkg/controllers/state"
)

// interval is the time between two looks. A look costs some microseconds, before the first complete picture some milliseconds.
const interval = 250 * time.Millisecond

// Controller wakes core's provisioner when core's picture of the cluster has become complete: after a start, and when the last NodeClaim has its
// instance. Until then core throws away every batch of pods that it is woken for, and comes back to them ten seconds later.
type Controller struct {
	synced func(context.Context) bool
	wake   func()
	behind bool
}

// ErrNoProvisioner means that core's controllers do not hold exactly one provisioner.
var ErrNoProvisioner = errors.New("core's controllers do not hold exactly one provisioning.Provisioner")

// NewController wakes the provisioner among core's controllers. It returns ErrNoProvisioner when there is not exactly one.
func NewController(cores []controller.Controller, cluster *state.Cluster) (*Controller, error) {
	found := lo.FilterMap(cores, func(c controller.Controller, _ int) (*provisioning.Provisioner, bool) {
		p, is := c.(*provisioning.Provisioner)
		return p, is
	})
	if len(found) != 1 {
		return nil, fmt.Errorf("%w: found %d", ErrNoProvisioner, len(found))
	}
	return newController(cluster.Synced, found[0].TriggerReconcile), nil
}

func newController(synced func(context.Context) bool, wake func()) *Controller {
	return &Controller{synced: synced, wake: wake, behind: true}
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
	if c.behind = !c.synced(ctx); was && !c.behind {
		c.wake()
	}
	return reconciler.Result{RequeueAfter: interval}, nil
}
