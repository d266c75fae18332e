package interruption

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/awslabs/operatorpkg/reconciler"
	"github.com/awslabs/operatorpkg/singleton"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	controllerruntime "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/karpenter/pkg/events"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
)

// conditionInterval is how long a new class, or a change, may be without its condition. Looking costs no call.
const conditionInterval = 5 * time.Second

// ConditionController writes into each OciNodeClass whether the stream of interruptions can be read. It runs on the leader, which is the
// one that reads. Without a stream it takes the condition of an earlier configuration away.
type ConditionController struct {
	kube     client.Client
	recorder events.Recorder
	health   *Health
}

// NewConditionController makes the controller.
func NewConditionController(kube client.Client, recorder events.Recorder, health *Health) *ConditionController {
	return &ConditionController{kube: kube, recorder: recorder, health: health}
}

// Name is the controller's name in logs and metrics.
func (c *ConditionController) Name() string { return "interruption.condition" }

// Register adds the controller to a manager.
func (c *ConditionController) Register(_ context.Context, m manager.Manager) error {
	return controllerruntime.NewControllerManagedBy(m).Named(c.Name()).WatchesRawSource(singleton.Source()).Complete(singleton.AsReconciler(c))
}

// Reconcile writes what has changed.
func (c *ConditionController) Reconcile(ctx context.Context) (reconciler.Result, error) {
	now := c.health.get()
	c.measure(now)
	classes := &v1alpha1.OciNodeClassList{}
	if err := c.kube.List(ctx, classes); err != nil {
		return reconciler.Result{}, fmt.Errorf("listing OciNodeClasses: %w", err)
	}
	var errs []error
	for i := range classes.Items {
		errs = append(errs, c.write(ctx, &classes.Items[i], now))
	}
	if err := errors.Join(errs...); err != nil {
		return reconciler.Result{}, err
	}
	return reconciler.Result{RequeueAfter: conditionInterval}, nil
}

func (c *ConditionController) measure(now state) {
	switch {
	case c.health.streamID == "":
		streamHealthy.Delete(nil)
	case now.readable:
		streamHealthy.Set(1, nil)
	case now.known:
		streamHealthy.Set(0, nil)
	}
}

func (c *ConditionController) write(ctx context.Context, class *v1alpha1.OciNodeClass, now state) error {
	if !class.DeletionTimestamp.IsZero() {
		return nil
	}
	const condition = v1alpha1.ConditionTypeInterruptionStreamReadable
	stored := class.DeepCopy()
	switch conditions := class.StatusConditions(); {
	case c.health.streamID == "":
		_ = conditions.Clear(condition) // Ready does not depend on it, so that it can be cleared
	case !now.known:
		return nil // the earlier process' word holds until this one knows better
	case now.readable:
		conditions.SetTrueWithReason(condition, now.reason, now.message)
	default:
		conditions.SetFalse(condition, now.reason, now.message)
	}
	if equality.Semantic.DeepEqual(stored.Status, class.Status) {
		return nil
	}
	err := c.kube.Status().Patch(ctx, class, client.MergeFromWithOptions(stored, client.MergeFromWithOptimisticLock{}))
	if apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
		return nil // written meanwhile, and looked at again soon
	}
	if err != nil {
		return fmt.Errorf("writing the condition of OciNodeClass %s: %w", class.Name, err)
	}
	if was := stored.StatusConditions().Get(condition); now.known && !now.readable && (was == nil || was.Reason != now.reason) {
		c.recorder.Publish(events.Event{
			InvolvedObject: class, Type: corev1.EventTypeWarning, Reason: "InterruptionStreamUnreadable", Message: now.message, DedupeValues: []string{string(class.UID), now.message},
		})
	}
	return nil
}
