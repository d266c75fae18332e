package breaker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/awslabs/operatorpkg/reconciler"
	"github.com/awslabs/operatorpkg/singleton"
	"github.com/samber/lo"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"
	controllerruntime "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/events"
	nodeutils "sigs.k8s.io/karpenter/pkg/utils/node"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
)

// EventHeldBack is on a pod, and on its NodePool and OciNodeClass, when buying for the pod backs off.
const EventHeldBack = "BuyingHeldBack"

const (
	// verdictInterval is how often held pods are looked at; there are few or none.
	verdictInterval = time.Second
	// sweepInterval is how often pods are forgotten that need no node any more.
	sweepInterval = time.Minute
)

// Releaser lets core look at pods again; the virtual node filter does.
type Releaser interface {
	Release(pods ...types.NamespacedName)
}

// VerdictsController judges the nodes of held pods, lets pods go, and forgets those that need no node any more.
type VerdictsController struct {
	kube     client.Client
	recorder events.Recorder
	mapping  Mapping
	breaker  *Breaker
	release  Releaser
	clock    clock.PassiveClock

	swept time.Time
}

// NewVerdictsController makes the controller.
func NewVerdictsController(kube client.Client, recorder events.Recorder, mapping Mapping, breaker *Breaker, release Releaser, c clock.PassiveClock) *VerdictsController {
	return &VerdictsController{kube: kube, recorder: recorder, mapping: mapping, breaker: breaker, release: release, clock: c}
}

// Name is the controller's name in logs and metrics.
func (c *VerdictsController) Name() string { return "breaker.verdicts" }

// Register adds the controller to a manager.
func (c *VerdictsController) Register(_ context.Context, m manager.Manager) error {
	return controllerruntime.NewControllerManagedBy(m).
		Named(c.Name()).
		WatchesRawSource(singleton.Source()).
		Complete(singleton.AsReconciler(c))
}

// Reconcile looks at every held pod, and from time to time at all.
func (c *VerdictsController) Reconcile(ctx context.Context) (reconciler.Result, error) {
	now := c.clock.Now()
	all := now.Sub(c.swept) >= sweepInterval
	if all {
		c.swept = now
	}
	var errs []error
	for _, r := range c.breaker.list(all) {
		if err := c.look(ctx, &r, now); err != nil {
			errs = append(errs, fmt.Errorf("judging the nodes of pod %s: %w", r.pod, err))
		}
	}
	c.measure()
	if err := errors.Join(errs...); err != nil {
		return reconciler.Result{}, err
	}
	return reconciler.Result{RequeueAfter: verdictInterval}, nil
}

func (c *VerdictsController) look(ctx context.Context, r *record, now time.Time) error {
	p := &corev1.Pod{}
	err := c.kube.Get(ctx, r.pod, p)
	if client.IgnoreNotFound(err) != nil {
		return err
	}
	switch {
	case err != nil || p.UID != r.uid || !pending(p):
		c.breaker.forget(r.uid)
	case r.reason == ReasonBackoff && !now.Before(r.until):
		c.breaker.free(r.uid, false)
		c.release.Release(r.pod)
	case r.reason == ReasonProbation:
		return c.judge(ctx, r, p, now)
	}
	return nil
}

// verdict on the last node that was bought for a pod.
type verdict int

const (
	pendingVerdict verdict = iota
	inVain
	// excused nodes are no proof: they never came up, or others took the room.
	excused
)

func (c *VerdictsController) judge(ctx context.Context, r *record, p *corev1.Pod, now time.Time) error {
	claim := &karpv1.NodeClaim{}
	err := c.kube.Get(ctx, client.ObjectKey{Name: r.last().claim}, claim)
	if client.IgnoreNotFound(err) != nil {
		return err
	}
	v := lo.Ternary(r.last().up, inVain, excused)
	if err == nil && claim.DeletionTimestamp.IsZero() {
		if v, err = c.ofNode(ctx, claim, p, now); err != nil {
			return err
		}
	}
	switch v {
	case inVain:
		c.trip(ctx, r, p, now)
	case excused:
		c.breaker.free(r.uid, true)
		c.release.Release(r.pod)
	case pendingVerdict:
	}
	return nil
}

// ofNode judges a NodeClaim that is there.
func (c *VerdictsController) ofNode(ctx context.Context, claim *karpv1.NodeClaim, p *corev1.Pod, now time.Time) (verdict, error) {
	node, err := nodeOf(ctx, c.kube, claim)
	if err != nil || node == nil {
		return pendingVerdict, err
	}
	if undersized(claim, node) && c.breaker.buyers(claim.Name) == 1 {
		return inVain, nil // nobody else can have been meant by what is missing
	}
	condition := claim.StatusConditions().Get(karpv1.ConditionTypeInitialized)
	if !condition.IsTrue() || nodeutils.GetCondition(node, corev1.NodeReady).Status != corev1.ConditionTrue || now.Sub(condition.LastTransitionTime.Time) < patience {
		return pendingVerdict, nil
	}
	others := &corev1.PodList{}
	if err := c.kube.List(ctx, others, client.MatchingFields{"spec.nodeName": node.Name}); err != nil {
		return pendingVerdict, fmt.Errorf("listing the pods of node %s: %w", node.Name, err)
	}
	forNode := lo.SliceToMap(c.mapping.PodsMappedToNodeClaim(claim.Name), func(key types.NamespacedName) (types.NamespacedName, bool) { return key, true })
	if taken(p, node, others.Items, forNode) {
		return excused, nil
	}
	return inVain, nil
}

func (c *VerdictsController) trip(ctx context.Context, r *record, p *corev1.Pod, now time.Time) {
	count, until := c.breaker.trip(r.uid, now)
	pool := r.last().nodePool
	tripsCounter.Inc(map[string]string{labelNodePool: pool})
	log.FromContext(ctx).Info("nodes were bought in vain; buying for the pod backs off", "Pod", klog.KObj(p), "NodeClaim", klog.KRef("", r.last().claim),
		"NodePool", klog.KRef("", pool), "nodes", count, "until", until)
	wait := until.Sub(now).Round(time.Second)
	happened := []events.Event{{
		InvolvedObject: p, Type: corev1.EventTypeWarning, Reason: EventHeldBack,
		Message: fmt.Sprintf("%d nodes that were bought for this pod came up and did not take it (the last: NodeClaim %s); the next one is bought in %s at the earliest. "+
			"What kube-scheduler says of the pod tells why it does not fit", count, r.last().claim, wait),
		DedupeValues: []string{string(p.UID), r.last().claim},
	}}
	nodePool := &karpv1.NodePool{}
	if err := c.kube.Get(ctx, client.ObjectKey{Name: pool}, nodePool); err == nil {
		happened = append(happened, events.Event{
			InvolvedObject: nodePool, Type: corev1.EventTypeWarning, Reason: EventHeldBack,
			Message:      fmt.Sprintf("%d nodes came up for pod %s and did not take it; buying for it backs off for %s", count, klog.KObj(p), wait),
			DedupeValues: []string{pool},
		})
		happened = append(happened, c.onClass(ctx, nodePool, p, count)...)
	}
	c.recorder.Publish(happened...)
}

// onClass tells it on the node class as well: sizes and images that are not what they were taken for are the class's.
func (c *VerdictsController) onClass(ctx context.Context, nodePool *karpv1.NodePool, p *corev1.Pod, count int) []events.Event {
	nodeClass := &v1alpha1.OciNodeClass{}
	ref := nodePool.Spec.Template.Spec.NodeClassRef
	if ref == nil || c.kube.Get(ctx, client.ObjectKey{Name: ref.Name}, nodeClass) != nil {
		return nil
	}
	return []events.Event{{
		InvolvedObject: nodeClass, Type: corev1.EventTypeWarning, Reason: EventHeldBack,
		Message:      fmt.Sprintf("%d nodes of NodePool %s came up for pod %s and did not take it; buying for it backs off", count, nodePool.Name, klog.KObj(p)),
		DedupeValues: []string{nodeClass.Name, nodePool.Name},
	}}
}

func (c *VerdictsController) measure() {
	counts := map[string]int{}
	for _, r := range c.breaker.list(false) {
		counts[r.reason]++
	}
	for _, reason := range reasons {
		heldGauge.Set(float64(counts[reason]), map[string]string{labelReason: reason})
	}
}
