package virtualnode

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/awslabs/operatorpkg/controller"
	corev1 "k8s.io/api/core/v1"
	controllerruntime "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	crcontroller "sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"
	"sigs.k8s.io/karpenter/pkg/controllers/provisioning"
	"sigs.k8s.io/karpenter/pkg/events"
	"sigs.k8s.io/karpenter/pkg/operator/injection"
	utilscontroller "sigs.k8s.io/karpenter/pkg/utils/controller"
	podutils "sigs.k8s.io/karpenter/pkg/utils/pod"
)

const (
	// reminderInterval brings a skipped pod's event back before the API server forgets it after an hour.
	reminderInterval = 30 * time.Minute
	// heldInterval is how often a held pod is looked at when nobody releases it: often enough that a lost release costs little.
	heldInterval = 15 * time.Second
	// Core's own bounds for the controller that this one stands in for.
	minReconciles, maxReconciles = 10, 1000
)

// ErrNoPodTrigger means that core's controllers do not hold exactly one pod trigger, so that this version of core is not one the
// filter knows.
var ErrNoPodTrigger = errors.New("core's controllers do not hold exactly one provisioning.PodController")

// coreTrigger is what the filter needs of *provisioning.PodController.
type coreTrigger interface {
	Name() string
	Reconcile(ctx context.Context, p *corev1.Pod) (reconcile.Result, error)
}

// podTrigger stands in for core's pod trigger: pods that are Karpenter's go on to it, skipped pods get their event and wait.
type podTrigger struct {
	filter   *Filter
	next     coreTrigger
	recorder events.Recorder
	reader   client.Reader

	mu    sync.Mutex
	queue queue
}

// WrapControllers returns core's controllers with the pod trigger swapped for the filter's. It returns ErrNoPodTrigger when there
// is not exactly one to swap. reader is the manager's own client, not the wrapped one.
func WrapControllers(cs []controller.Controller, f *Filter, recorder events.Recorder, reader client.Reader) ([]controller.Controller, error) {
	swapped := 0
	out := slices.Clone(cs)
	for i, c := range out {
		if core, ok := c.(*provisioning.PodController); ok {
			out[i] = newPodTrigger(f, core, recorder, reader)
			swapped++
		}
	}
	if swapped != 1 {
		return nil, fmt.Errorf("%w: found %d", ErrNoPodTrigger, swapped)
	}
	return out, nil
}

func newPodTrigger(f *Filter, next coreTrigger, recorder events.Recorder, reader client.Reader) *podTrigger {
	t := &podTrigger{filter: f, next: next, recorder: recorder, reader: reader}
	f.recorder = recorder
	f.index.OnChange(t.lookAgain)
	wake := t.wakePods
	f.wake.Store(&wake)
	return t
}

// Controllers returns the filter's own controllers: the index, the gauges, and the events on buffers.
func (f *Filter) Controllers() []controller.Controller {
	return []controller.Controller{f.index, &metricsController{filter: f}, &bufferController{filter: f}}
}

// Name is that of the controller it stands in for.
func (t *podTrigger) Name() string { return t.next.Name() }

func (t *podTrigger) Register(ctx context.Context, m manager.Manager) error {
	return controllerruntime.NewControllerManagedBy(m).
		Named(t.Name()).
		For(&corev1.Pod{}, builder.WithPredicates(mayBePending)).
		WatchesRawSource(source.Func(t.keepQueue)).
		WithOptions(crcontroller.Options{
			MaxConcurrentReconciles: utilscontroller.LinearScaleReconciles(utilscontroller.CPUCount(ctx), minReconciles, maxReconciles),
		}).
		Complete(t)
}

// mayBePending lets pods pass that have no node, had none a moment ago, or are gone. A pod with a node needs no other, and thousands of them
// are there when a process starts.
var mayBePending = predicate.Funcs{
	CreateFunc: func(e event.CreateEvent) bool { return !hasNode(e.Object) },
	UpdateFunc: func(e event.UpdateEvent) bool { return !hasNode(e.ObjectOld) || !hasNode(e.ObjectNew) },
}

func hasNode(o client.Object) bool {
	p, is := o.(*corev1.Pod)
	return is && p.Spec.NodeName != ""
}

// Reconcile looks at one pod.
func (t *podTrigger) Reconcile(ctx context.Context, req reconcile.Request) (reconcile.Result, error) {
	ctx = injection.WithControllerName(ctx, t.Name())
	p := &corev1.Pod{}
	if err := t.reader.Get(ctx, req.NamespacedName, p); err != nil {
		if client.IgnoreNotFound(err) != nil {
			return reconcile.Result{}, fmt.Errorf("getting pod %s, %w", req, err)
		}
		t.forget(req)
		return reconcile.Result{}, nil
	}
	if !podutils.IsProvisionable(p) || !podutils.IsActive(p) {
		t.forget(req)
		return t.next.Reconcile(ctx, p)
	}
	if err := t.filter.index.Ensure(ctx, t.reader); err != nil {
		return reconcile.Result{}, err
	}
	d := t.filter.Decide(p)
	t.record(req, p, d)
	if d.Skip() {
		return reconcile.Result{RequeueAfter: nextLook(d)}, nil
	}
	if _, held := t.filter.held(p); held {
		return reconcile.Result{RequeueAfter: heldInterval}, nil
	}
	return t.next.Reconcile(ctx, p)
}

// record keeps the books: the tracker, the metrics, the event.
func (t *podTrigger) record(req reconcile.Request, p *corev1.Pod, d Decision) {
	since, waiting := unschedulableSince(p)
	if !waiting {
		since = p.CreationTimestamp.Time
	}
	if t.filter.pending.set(req.NamespacedName, d, since) {
		decisionsCounter.Inc(map[string]string{labelLayer: string(d.Layer), labelRule: d.Rule})
		if d.Rule == RuleOverflow {
			overflowCounter.Inc(map[string]string{labelReason: string(d.Cause)})
		}
	}
	t.filter.setSkippedGauge()
	if e, ok := t.filter.eventFor(p, d); ok {
		t.recorder.Publish(e)
	}
}

func (t *podTrigger) forget(req reconcile.Request) {
	if t.filter.pending.forget(req.NamespacedName) {
		t.filter.setSkippedGauge()
	}
}

func nextLook(d Decision) time.Duration {
	if d.RecheckAfter > 0 && d.RecheckAfter < reminderInterval {
		return d.RecheckAfter
	}
	return reminderInterval
}

// keepQueue keeps the controller's queue, for lookAgain.
func (t *podTrigger) keepQueue(_ context.Context, q queue) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.queue = q
	return nil
}

// lookAgain puts every skipped pod back into the queue: what virtual nodes, NodePools or namespaces are has changed.
func (t *podTrigger) lookAgain() { t.wakePods(t.filter.pending.skippedPods()) }
