package interruption

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/awslabs/operatorpkg/reconciler"
	"github.com/awslabs/operatorpkg/singleton"
	"github.com/oracle/oci-go-sdk/v65/core"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"
	controllerruntime "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/pkg/oci"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/inventory"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/maintenance"
)

const (
	// maintenanceInterval is how often the maintenance of each compartment is listed: 6 calls an hour. It is announced weeks ahead.
	maintenanceInterval = 10 * time.Minute
	// dueInterval is how often what is known is looked at again, which costs no call.
	dueInterval = 30 * time.Second
	// listLag is how long news of the stream count although a list does not have them yet.
	listLag = 15 * time.Minute
	// passedAfter is how long after its start a maintenance is over when nobody tells how it went: the window is a day long.
	passedAfter = 48 * time.Hour
	// announcedGrace is the time that pods have at most when a NodeClaim is deleted after its maintenance may have begun.
	announcedGrace = 5 * time.Minute
)

// MaintenanceAPI is what this controller asks OCI.
type MaintenanceAPI interface {
	ListMaintenance(ctx context.Context, compartmentID string) ([]core.InstanceMaintenanceEventSummary, error)
}

// MaintenanceController writes onto NodeClaims when Oracle works on their instances, and deletes those whose time is about to run out. The
// replacement before that is core's, which takes the NodeClaim for drifted; see maintenance.Policy. What is known comes from the lists of
// maintenance, from the list of instances, and from the stream.
type MaintenanceController struct {
	Dependencies
	api    MaintenanceAPI
	policy maintenance.Policy

	windows map[string]window // by instance, of the newest list
	listed  time.Time         // when it began; zero when the last one failed
	tried   time.Time
	refused string // what was last said of a list that failed

	mu    sync.Mutex // memory only
	noted map[types.UID]time.Time
}

// NewMaintenanceController makes the controller.
func NewMaintenanceController(d Dependencies, api MaintenanceAPI, policy maintenance.Policy) *MaintenanceController {
	return &MaintenanceController{Dependencies: d, api: api, policy: policy, noted: map[types.UID]time.Time{}}
}

// Name is the controller's name in logs and metrics.
func (c *MaintenanceController) Name() string { return "interruption.maintenance" }

// Register adds the controller to a manager.
func (c *MaintenanceController) Register(_ context.Context, m manager.Manager) error {
	return controllerruntime.NewControllerManagedBy(m).Named(c.Name()).WatchesRawSource(singleton.Source()).Complete(singleton.AsReconciler(c))
}

// Reconcile brings the annotations of all NodeClaims up to date and deletes what can not wait any longer.
func (c *MaintenanceController) Reconcile(ctx context.Context) (reconciler.Result, error) {
	c.list(ctx)
	claims := &karpv1.NodeClaimList{}
	if err := c.Kube.List(ctx, claims); err != nil {
		return reconciler.Result{}, fmt.Errorf("listing NodeClaims: %w", err)
	}
	snapshot := c.Inventory.Current()
	var errs []error
	var downs []takedown
	announced := 0
	for i := range claims.Items {
		claim := &claims.Items[i]
		if !ours(claim) || claim.Status.ProviderID == "" || !claim.DeletionTimestamp.IsZero() {
			continue
		}
		start, due, err := c.settle(ctx, claim, snapshot)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if !due {
			continue
		}
		announced++
		if c.policy.DeleteNow(start) {
			downs = append(downs, c.down(claim, start))
		}
	}
	maintenancePending.Set(float64(announced), nil)
	c.forget(claims.Items)
	if err := errors.Join(append(errs, c.taker().take(ctx, downs)...)...); err != nil {
		return reconciler.Result{}, err
	}
	return reconciler.Result{RequeueAfter: dueInterval}, nil
}

// down is the last resort: pods end before the maintenance begins, or within a few minutes where it may have begun.
func (c *MaintenanceController) down(claim *karpv1.NodeClaim, start time.Time) takedown {
	deadline := start
	if soonest := c.Clock.Now().Add(announcedGrace); deadline.Before(soonest) {
		deadline = soonest
	}
	return takedown{
		kind: kindMaintenance, source: sourceList, claim: claim, deadline: deadline,
		says: fmt.Sprintf("Oracle works on the instance's host from %s on and the node was not replaced until now, so it is deleted", stamp(start)),
	}
}

// list reads the maintenance of all compartments when it is time. Where it may not be read, the other sources have to do.
func (c *MaintenanceController) list(ctx context.Context) {
	now := c.Clock.Now()
	if !c.tried.IsZero() && now.Sub(c.tried) < maintenanceInterval {
		return
	}
	c.tried = now
	windows, err := c.read(ctx)
	if err == nil {
		c.windows, c.listed, c.refused = windows, now, ""
		return
	}
	c.listed = time.Time{}
	if text := oci.StableText(err); text != c.refused && ctx.Err() == nil {
		c.refused = text
		log.FromContext(ctx).Info("announced maintenance can not be listed; the list of instances tells of reboots, and the stream, where there is one, of the rest", "error", text)
	}
}

func (c *MaintenanceController) read(ctx context.Context) (map[string]window, error) {
	compartments, err := c.Compartments.Compartments(ctx)
	if err != nil {
		return nil, err
	}
	windows := map[string]window{}
	for _, compartment := range compartments {
		all, err := c.api.ListMaintenance(ctx, compartment)
		if err != nil {
			return nil, fmt.Errorf("listing the maintenance of compartment %s: %w", compartment, err)
		}
		for _, e := range all {
			w := window{start: oci.Value(e.TimeWindowStart).Time, action: string(e.InstanceAction)}
			if isOver(e.LifecycleState) || w.harmless() || w.start.IsZero() {
				continue
			}
			id := oci.Value(e.InstanceId)
			if earlier, known := windows[id]; !known || w.start.Before(earlier.start) {
				windows[id] = w
			}
		}
	}
	return windows, nil
}

// settle writes onto a NodeClaim what the lists say, and returns what is true of it then.
func (c *MaintenanceController) settle(ctx context.Context, claim *karpv1.NodeClaim, snapshot inventory.Snapshot) (start time.Time, due bool, err error) {
	start, due = maintenance.StartOf(claim)
	w, known := c.windows[claim.Status.ProviderID]
	if found, listed := snapshot.Get(claim.Status.ProviderID); listed && !found.RebootDue.IsZero() && (!known || found.RebootDue.Before(w.start)) {
		w, known = window{start: found.RebootDue, action: string(core.InstanceMaintenanceEventInstanceActionRebootMigration)}, true
	}
	switch {
	case known:
		_, err = c.write(ctx, claim, w)
		return w.start, true, err
	case !due || !c.mayForget(claim, start):
		return start, due, nil
	default:
		return time.Time{}, false, c.erase(ctx, claim)
	}
}

// mayForget says whether an annotation that no list confirms is outdated: lists that can be read have the last word, once they had the time
// to learn of news from the stream.
func (c *MaintenanceController) mayForget(claim *karpv1.NodeClaim, start time.Time) bool {
	now := c.Clock.Now()
	if now.Sub(start) > passedAfter {
		return true
	}
	c.mu.Lock()
	noted, fresh := c.noted[claim.UID]
	c.mu.Unlock()
	return !c.listed.IsZero() && (!fresh || now.Sub(noted) > listLag)
}

// heard notes what the stream says of a NodeClaim's instance.
func (c *MaintenanceController) heard(ctx context.Context, claim *karpv1.NodeClaim, n notice) (outcome, error) {
	if !claim.DeletionTimestamp.IsZero() {
		return outcomeRepeated, nil
	}
	if n.over {
		if _, due := maintenance.StartOf(claim); !due {
			return outcomeRepeated, nil
		}
		return outcomeHandled, c.erase(ctx, claim)
	}
	if n.window.harmless() {
		return outcomeIgnored, nil
	}
	c.mu.Lock()
	c.noted[claim.UID] = c.Clock.Now()
	c.mu.Unlock()
	changed, err := c.write(ctx, claim, n.window)
	if !changed {
		return outcomeRepeated, err
	}
	return outcomeHandled, err
}

// write annotates a NodeClaim and tells people, once for each date.
func (c *MaintenanceController) write(ctx context.Context, claim *karpv1.NodeClaim, w window) (changed bool, err error) {
	if is, due := maintenance.StartOf(claim); due && is.Equal(w.start.Truncate(time.Second)) {
		return false, nil
	}
	if err := annotate(ctx, c.Kube, claim, v1alpha1.AnnotationMaintenanceDue, w.start.UTC().Format(time.RFC3339)); err != nil {
		return true, client.IgnoreNotFound(err)
	}
	message := fmt.Sprintf("Oracle announces maintenance of the instance's host (%s) from %s on; the node is replaced from %s on, as disruption budgets allow", w.action, stamp(w.start), stamp(w.start.Add(-c.policy.ReplaceBefore)))
	if c.policy.DeleteBefore > 0 {
		message += fmt.Sprintf(", and deleted at %s at the latest", stamp(w.start.Add(-c.policy.DeleteBefore)))
	}
	log.FromContext(ctx).Info("maintenance is announced", "NodeClaim", klog.KObj(claim), "Node", klog.KRef("", claim.Status.NodeName), "instance", claim.Status.ProviderID, "action", w.action, "start", stamp(w.start))
	publish(c.Recorder, claim, corev1.EventTypeNormal, "MaintenanceAnnounced", message)
	return true, nil
}

func (c *MaintenanceController) erase(ctx context.Context, claim *karpv1.NodeClaim) error {
	if err := annotate(ctx, c.Kube, claim, v1alpha1.AnnotationMaintenanceDue, ""); err != nil {
		return client.IgnoreNotFound(err)
	}
	log.FromContext(ctx).Info("maintenance is over or was called off", "NodeClaim", klog.KObj(claim), "instance", claim.Status.ProviderID)
	publish(c.Recorder, claim, corev1.EventTypeNormal, "MaintenanceOver", "The announced maintenance of the instance's host is over or was called off")
	return nil
}

// forget drops the notes of NodeClaims that are gone.
func (c *MaintenanceController) forget(claims []karpv1.NodeClaim) {
	there := map[types.UID]bool{}
	for i := range claims {
		there[claims[i].UID] = true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for uid := range c.noted {
		if !there[uid] {
			delete(c.noted, uid)
		}
	}
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }
