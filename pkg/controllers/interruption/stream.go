// Package interruption takes nodes down before their instances are: preemptible ones that OCI takes back, and those whose hosts Oracle works
// on. News come through a stream of OCI Events where one is configured, and from lists of instances and of maintenance in any case.
package interruption

import (
	"context"
	"time"

	"github.com/awslabs/operatorpkg/reconciler"
	"github.com/awslabs/operatorpkg/singleton"
	"k8s.io/utils/clock"
	controllerruntime "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/events"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/capacity"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/inventory"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/stream"
)

const (
	// idleInterval is how often a stream without news is read. It bounds the delay of a reaction; reads of a stream are not billed, only what
	// they transfer.
	idleInterval = time.Second
	// retryMost is the longest wait after a read that failed; the waits double from idleInterval on.
	retryMost = 30 * time.Second
	// mostPending is how many messages may wait for another try before no further ones are read.
	mostPending = 2000
	// tries is how often the steps for one message are tried. With the waits between them that is longer than any preemption's notice.
	tries = 200
)

// Reader reads the stream; see the package stream.
type Reader interface {
	Read(ctx context.Context) ([]stream.Message, error)
	Commit(ctx context.Context) error
	Rewind()
	Pace() time.Duration
}

var _ Reader = (*stream.Reader)(nil)

// Compartments tells which compartments have instances of this cluster.
type Compartments interface {
	Compartments(ctx context.Context) ([]string, error)
}

// Dependencies are what the controllers of this package work with.
type Dependencies struct {
	Kube         client.Client
	Recorder     events.Recorder
	Inventory    inventory.Provider
	Compartments Compartments
	Unavailable  *capacity.Unavailable
	Clock        clock.PassiveClock
	Health       *Health
}

func (d Dependencies) taker() *taker {
	return &taker{kube: d.Kube, recorder: d.Recorder, clock: d.Clock}
}

// ours says whether a NodeClaim is of this provider.
func ours(claim *karpv1.NodeClaim) bool {
	return claim.Spec.NodeClassRef != nil && claim.Spec.NodeClassRef.Group == v1alpha1.Group
}

// StreamController reads the stream of interruptions on the leader. A message is committed once everything that it asks for has been done,
// so none is lost; one that comes again finds its work done; and one that can not be handled is tried again beside the others, which do
// not wait for it.
type StreamController struct {
	Dependencies
	reader      Reader
	maintenance *MaintenanceController

	pending  []*item // handled in part, or not at all, so that nothing may be committed
	failures int     // reads in a row
}

// item is a message on its way.
type item struct {
	message stream.Message
	notice  notice
	tries   int
}

// NewStreamController makes the controller.
func NewStreamController(d Dependencies, reader Reader, maintenance *MaintenanceController) *StreamController {
	return &StreamController{Dependencies: d, reader: reader, maintenance: maintenance}
}

// Name is the controller's name in logs and metrics.
func (c *StreamController) Name() string { return "interruption.stream" }

// Register adds the controller to a manager; it runs on the leader alone.
func (c *StreamController) Register(_ context.Context, m manager.Manager) error {
	return controllerruntime.NewControllerManagedBy(m).Named(c.Name()).WatchesRawSource(singleton.Source()).Complete(singleton.AsReconciler(c))
}

// Reconcile reads once, handles what came and what waits for another try, and commits when nothing waits any more.
func (c *StreamController) Reconcile(ctx context.Context) (reconciler.Result, error) {
	items := c.pending
	var wait time.Duration
	if len(items) < mostPending {
		messages, err := c.reader.Read(ctx)
		wait = c.note(ctx, messages, err)
		for _, m := range messages {
			items = append(items, &item{message: m, notice: parse(m.Value)})
		}
	}
	c.pending = c.handle(ctx, items)
	if len(c.pending) > 0 {
		return reconciler.Result{RequeueAfter: max(wait, idleInterval)}, nil
	}
	if err := c.reader.Commit(ctx); err != nil && ctx.Err() == nil {
		log.FromContext(ctx).Info("what was read of the stream of interruptions could not be committed and comes again", "error", err.Error())
	}
	return reconciler.Result{RequeueAfter: max(wait, c.reader.Pace())}, nil
}

// note keeps the health of the stream up to date and says how long to wait until the next read.
func (c *StreamController) note(ctx context.Context, messages []stream.Message, err error) time.Duration {
	if err != nil {
		if ctx.Err() != nil {
			return idleInterval
		}
		wait := min(idleInterval<<min(c.failures, 10), retryMost)
		c.failures++
		if c.Health.failed(err) {
			log.FromContext(ctx).Error(err, "the stream of interruptions can not be read", "reason", c.Health.get().reason)
		}
		return wait
	}
	c.failures = 0
	if c.Health.succeeded() {
		log.FromContext(ctx).Info("the stream of interruptions is read", "says", c.Health.get().message)
	}
	oldest := time.Duration(0)
	for _, m := range messages {
		oldest = max(oldest, m.Waited)
	}
	lagSeconds.Set(oldest.Seconds(), nil)
	if len(messages) == 0 {
		return idleInterval
	}
	return 0 // there may be more
}

// handle does what the messages ask for and gives back those that have to be tried again.
func (c *StreamController) handle(ctx context.Context, items []*item) (again []*item) {
	if len(items) == 0 {
		return nil
	}
	s := c.sorter(ctx)
	var downs []takedown
	var owners []*item
	retry := func(i *item, err error) {
		if i.tries++; i.tries < tries {
			again = append(again, i)
		} else {
			countMessage(i.notice.kind, outcomeFailed)
		}
		if i.tries&(i.tries-1) == 0 { // 1st, 2nd, 4th, 8th ... failure
			log.FromContext(ctx).Error(err, "an interruption could not be handled", "kind", i.notice.kind, "instance", i.notice.instanceID, "tries", i.tries, "givenUp", i.tries >= tries)
		}
	}
	for _, i := range items {
		down, result, err := s.sort(ctx, i)
		switch {
		case err != nil:
			retry(i, err)
		case down != nil:
			downs, owners = append(downs, *down), append(owners, i)
		default:
			countMessage(i.notice.kind, result)
		}
	}
	for n, err := range c.taker().take(ctx, downs) {
		if err != nil {
			retry(owners[n], err)
			continue
		}
		countMessage(owners[n].notice.kind, repeatedOr(outcomeHandled, downs[n].claim))
	}
	return again
}

// repeatedOr is the outcome for a NodeClaim that may have been deleted before.
func repeatedOr(o outcome, claim *karpv1.NodeClaim) outcome {
	if !claim.DeletionTimestamp.IsZero() {
		return outcomeRepeated
	}
	return o
}
