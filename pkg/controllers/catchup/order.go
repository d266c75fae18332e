package catchup

import (
	"context"
	"fmt"
	"time"

	"github.com/awslabs/operatorpkg/controller"
	"github.com/samber/lo"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/karpenter/pkg/controllers/nodeclaim/lifecycle"
	nodepoolhash "sigs.k8s.io/karpenter/pkg/controllers/nodepool/hash"
	nodepoolreadiness "sigs.k8s.io/karpenter/pkg/controllers/nodepool/readiness"
	nodepoolvalidation "sigs.k8s.io/karpenter/pkg/controllers/nodepool/validation"
	"sigs.k8s.io/karpenter/pkg/controllers/provisioning"
	"sigs.k8s.io/karpenter/pkg/controllers/state/informer"

	"github.com/karpenter-oke/karpenter-oke/pkg/virtualnode"
)

const (
	// patience is how long a wait for core's picture to be complete lasts at most: it is incomplete while a NodeClaim has no instance.
	patience = 10 * time.Second
	// planning is how long core takes to gather pods that wait (its idle time of a batch is a second) and to make NodeClaims for them.
	planning = 3 * time.Second
)

// Split parts core's controllers, of which virtualnode.WrapControllers has swapped one, into those that nodes can not be launched without, and
// others.
func Split(cores []controller.Controller) (first, others []controller.Controller) {
	return lo.FilterReject(cores, func(c controller.Controller, _ int) bool {
		switch c.(type) {
		case *provisioning.Provisioner, *provisioning.NodeController, *lifecycle.Controller,
			*nodepoolhash.Controller, *nodepoolreadiness.Controller, *nodepoolvalidation.Controller,
			*informer.DaemonSetController, *informer.NodeController, *informer.PodController,
			*informer.NodePoolController, *informer.NodeClaimController, *informer.PricingController:
			return true
		}
		return virtualnode.IsPodTrigger(c)
	})
}

// Later lets controllers begin when a new leader has launched what pods were waiting for. On a large cluster each of some forty controllers first
// looks at every node, NodeClaim or pod, and all at once they take the processor from the few that buy nodes.
type Later struct {
	manager            manager.Manager
	synced             func(context.Context) bool
	controllers        []controller.Controller
	patience, planning time.Duration
}

// NewLater takes core's Cluster.Synced and the controllers that can wait.
func NewLater(m manager.Manager, synced func(context.Context) bool, controllers []controller.Controller) *Later {
	return &Later{manager: m, synced: synced, controllers: controllers, patience: patience, planning: planning}
}

// Start implements manager.Runnable. It runs where this replica leads.
func (l *Later) Start(ctx context.Context) error {
	l.await(ctx)
	select {
	case <-ctx.Done():
		return nil
	case <-time.After(l.planning):
	}
	l.await(ctx)
	for _, c := range l.controllers {
		if ctx.Err() != nil {
			return nil
		}
		if err := c.Register(ctx, l.manager); err != nil {
			return fmt.Errorf("beginning with the controllers that do not buy nodes: %w", err)
		}
	}
	return nil
}

// await waits until core's picture is complete. What ends the wait does not matter: the controllers begin in any case.
func (l *Later) await(ctx context.Context) {
	_ = wait.PollUntilContextTimeout(ctx, interval, l.patience, true, func(ctx context.Context) (bool, error) { return l.synced(ctx), nil })
}
