package catchup

import (
	"context"
	"fmt"
	"time"

	"github.com/awslabs/operatorpkg/controller"
	"github.com/awslabs/operatorpkg/status"
	"github.com/samber/lo"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/controllers/disruption"
	metricsnode "sigs.k8s.io/karpenter/pkg/controllers/metrics/node"
	metricsnodepool "sigs.k8s.io/karpenter/pkg/controllers/metrics/nodepool"
	metricspod "sigs.k8s.io/karpenter/pkg/controllers/metrics/pod"
	nodehydration "sigs.k8s.io/karpenter/pkg/controllers/node/hydration"
	"sigs.k8s.io/karpenter/pkg/controllers/node/legacyrepair"
	nodeclaimconsistency "sigs.k8s.io/karpenter/pkg/controllers/nodeclaim/consistency"
	nodeclaimdisruption "sigs.k8s.io/karpenter/pkg/controllers/nodeclaim/disruption"
	"sigs.k8s.io/karpenter/pkg/controllers/nodeclaim/expiration"
	nodeclaimgarbagecollection "sigs.k8s.io/karpenter/pkg/controllers/nodeclaim/garbagecollection"
	nodeclaimhydration "sigs.k8s.io/karpenter/pkg/controllers/nodeclaim/hydration"
	"sigs.k8s.io/karpenter/pkg/controllers/nodeclaim/podevents"
	nodeclaimreboot "sigs.k8s.io/karpenter/pkg/controllers/nodeclaim/reboot"
	"sigs.k8s.io/karpenter/pkg/controllers/pod/deletioncost"
	statenodeclaimgc "sigs.k8s.io/karpenter/pkg/controllers/state/nodeclaimgc"

	"github.com/karpenter-oke/karpenter-oke/pkg/virtualnode"
)

const (
	// patience is how long a wait for core's picture to be complete lasts at most: it is incomplete while a NodeClaim has no instance.
	patience = 10 * time.Second
	// planning is how long core takes to gather pods that wait (its idle time of a batch is a second) and to make NodeClaims for them.
	planning = 3 * time.Second
)

// Split parts core's controllers into those that begin at once and those that can wait: controllers that look at every node, NodeClaim or pod
// after a start, and that no node is launched by. One that is not known here begins at once.
func Split(cores []controller.Controller) (first, later []controller.Controller) {
	return lo.FilterReject(cores, func(c controller.Controller, _ int) bool { return !canWait(c) })
}

func canWait(c controller.Controller) bool {
	switch c.(type) {
	case *disruption.Controller, *nodeclaimdisruption.Controller, *expiration.Controller, *deletioncost.Controller,
		*podevents.Controller, *nodeclaimconsistency.Controller, *nodeclaimgarbagecollection.Controller, *statenodeclaimgc.Controller,
		*nodeclaimhydration.Controller, *nodehydration.Controller, *nodeclaimreboot.Controller, *legacyrepair.Controller,
		*metricspod.Controller, *metricsnode.Controller, *metricsnodepool.Controller,
		*status.Controller[*karpv1.NodeClaim], *status.GenericObjectController[*corev1.Node]:
		return true
	}
	return virtualnode.IsNodeMetrics(c)
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
