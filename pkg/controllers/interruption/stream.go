// Package interruption takes nodes down before their instances are: preemptible ones that OCI takes back, and those whose hosts Oracle works
// on. News come through a stream of OCI Events where one is configured, and from lists of instances and of maintenance in any case.
package interruption

import (
	"context"
	"time"

	"github.com/awslabs/operatorpkg/reconciler"
	"github.com/awslabs/operatorpkg/singleton"
	"github.com/samber/lo"
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
	// readsAtOnce is how often the stream is read before what came is handled: a read may give messages of one partition alone.
	readsAtOnce = 4
	// finishAtOnce is how many removed NodeClaims are finished between two reads, so that news do not wait for the end of a storm.
	finishAtOnce = 64
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

	pending    []*item // to be tried again, so that nothing may be committed
	unfinished []*item // with a NodeClaim that is removed and not finished; nothing may be committed either
	failures   int     // reads in a row
}

// item is a message on its way.
type item struct {
	message stream.Message
	notice  notice
	tries   int
	down    takedown // what it asks for, once that is known
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
	if len(items)+len(c.unfinished) < mostPending {
		var messages []stream.Message
		messages, wait = c.read(ctx)
		for _, m := range messages {
			items = append(items, &item{message: m, notice: parse(m.Value)})
		}
	}
	c.pending = c.handle(ctx, items)
	switch good := c.finish(ctx); {
	case len(c.pending) > 0 || !good:
		return reconciler.Result{RequeueAfter: max(wait, idleInterval)}, nil
	case len(c.unfinished) > 0:
		return reconciler.Result{RequeueAfter: c.reader.Pace()}, nil
	}
	if err := c.reader.Commit(ctx); err != nil && ctx.Err() == nil {
		log.FromContext(ctx).Info("what was read of the stream of interruptions could not be committed and comes again", "error", err.Error())
	}
	return reconciler.Result{RequeueAfter: max(wait, c.reader.Pace())}, nil
}

// read reads what there is, a few times at most, and says how long to wait until the next time.
func (c *StreamController) read(ctx context.Context) (all []stream.Message, wait time.Duration) {
	for n := range readsAtOnce {
		messages, err := c.reader.Read(ctx)
		if err != nil {
			return all, c.failed(ctx, err)
		}
		all = append(all, messages...)
		if wait = c.reader.Pace() * time.Duration(n+1); len(messages) == 0 {
			if n == 0 {
				wait = idleInterval
			}
			break
		}
	}
	c.succeeded(ctx, all)
	return all, wait
}

// failed keeps the health of the stream up to date and says how long to wait until the next read.
func (c *StreamController) failed(ctx context.Context, err error) time.Duration {
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

func (c *StreamController) succeeded(ctx context.Context, messages []stream.Message) {
	c.failures = 0
	if c.Health.succeeded() {
		log.FromContext(ctx).Info("the stream of interruptions is read", "says", c.Health.get().message)
	}
	oldest := time.Duration(0)
	for _, m := range messages {
		oldest = max(oldest, m.Waited)
	}
	lagSeconds.Set(oldest.Seconds(), nil)
}

// handle does what the messages ask for, as far as it can not wait, and gives back those that have to be tried again.
func (c *StreamController) handle(ctx context.Context, items []*item) (again []*item) {
	if len(items) == 0 {
		return nil
	}
	s := c.sorter(ctx)
	var downs []takedown
	var owners []*item
	for _, i := range items {
		down, result, err := s.sort(ctx, i)
		switch {
		case err != nil:
			again = c.retry(ctx, again, i, err)
		case down != nil:
			downs, owners = append(downs, *down), append(owners, i)
		default:
			countMessage(i.notice.kind, result)
		}
	}
	for n, err := range c.taker().remove(ctx, downs) {
		if err != nil {
			again = c.retry(ctx, again, owners[n], err)
			continue
		}
		owners[n].down = downs[n]
		c.unfinished = append(c.unfinished, owners[n])
	}
	return again
}

// finish goes on with NodeClaims that were removed, the oldest first, and says whether all went well.
func (c *StreamController) finish(ctx context.Context) (good bool) {
	now := c.unfinished[:min(len(c.unfinished), finishAtOnce)]
	var left []*item
	for n, err := range c.taker().finish(ctx, lo.Map(now, func(i *item, _ int) takedown { return i.down })) {
		if err != nil {
			left = c.retry(ctx, left, now[n], err)
			continue
		}
		countMessage(now[n].notice.kind, repeatedOr(outcomeHandled, now[n].down.claim))
	}
	c.unfinished = append(c.unfinished[len(now):len(c.unfinished):len(c.unfinished)], left...)
	return len(left) == 0
}

// retry adds a message to those that are tried again, unless it was tried too often.
func (c *StreamController) retry(ctx context.Context, again []*item, i *item, err error) []*item {
	i.tries++
	if i.tries&(i.tries-1) == 0 || i.tries >= tries { // 1st, 2nd, 4th, 8th ... failure, and the last
		log.FromContext(ctx).Error(err, "an interruption could not be handled", "kind", i.notice.kind, "instance", i.notice.instanceID, "tries", i.tries, "givenUp", i.tries >= tries)
	}
	if i.tries >= tries {
		countMessage(i.notice.kind, outcomeFailed)
		return again
	}
	return append(again, i)
}

// repeatedOr is the outcome for a NodeClaim that may have been deleted before.
func repeatedOr(o outcome, claim *karpv1.NodeClaim) outcome {
	if !claim.DeletionTimestamp.IsZero() {
		return outcomeRepeated
	}
	return o
}
