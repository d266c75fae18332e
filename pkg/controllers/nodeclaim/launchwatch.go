package nodeclaim

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/awslabs/operatorpkg/reconciler"
	"github.com/awslabs/operatorpkg/singleton"
	"github.com/awslabs/operatorpkg/status"
	"github.com/oracle/oci-go-sdk/v65/core"
	"github.com/oracle/oci-go-sdk/v65/workrequests"
	"github.com/samber/lo"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"
	controllerruntime "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/events"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/pkg/oci"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/capacity"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/instance"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/inventory"
)

// launchWatchInterval is how often young NodeClaims are compared with the inventory. That costs a list at most once in the
// inventory's BusyInterval while instances start, once in its SettlingInterval while they boot, and nothing otherwise.
const launchWatchInterval = 2 * time.Second

const (
	launchOperation = "LaunchInstance" // as work requests call it
	// endedEarlyFor is how long an offering is avoided whose instance ended early without a reason, or for one that says nothing of capacity: as
	// long as one without capacity. What made one launch fail would make the next one fail as well, every few seconds.
	endedEarlyFor = 3 * time.Minute
)

// LaunchWatchAPI is what this controller asks OCI.
type LaunchWatchAPI interface {
	FindWorkRequests(ctx context.Context, compartmentID string, ids sets.Set[string]) (map[string]workrequests.WorkRequestSummary, error)
	WorkRequestsOf(ctx context.Context, compartmentID, resourceID string) ([]workrequests.WorkRequestSummary, error)
	WorkRequestErrors(ctx context.Context, id string) ([]workrequests.WorkRequestError, error)
	ConsoleAPI
}

// Subnets remembers subnets that have no address left; network.Addresses does.
type Subnets interface{ Exhaust(subnetID string) }

// LaunchWatchController finds launches that OCI accepted and that failed afterwards: the work request fails, or the instance ends before
// its node has registered. The NodeClaim is deleted with the reason, and the offering marked, so that the next one goes elsewhere. Without
// it the pods would wait for core's registration deadline of 15 minutes. An instance that runs and does not register is left to that
// deadline; shortly before it an event shows the end of what the instance wrote to its console.
type LaunchWatchController struct {
	kube        client.Client
	recorder    events.Recorder
	inventory   inventory.Provider
	api         LaunchWatchAPI
	unavailable *capacity.Unavailable
	subnets     Subnets // may be nil
	requests    *launchRequests
	consoles    *consoles
}

// NewLaunchWatchController makes the controller.
func NewLaunchWatchController(kube client.Client, recorder events.Recorder, inv inventory.Provider, api LaunchWatchAPI, unavailable *capacity.Unavailable, clk clock.Clock) *LaunchWatchController {
	return &LaunchWatchController{
		kube: kube, recorder: recorder, inventory: inv, api: api, unavailable: unavailable,
		requests: newLaunchRequests(api, clk), consoles: newConsoles(api, recorder, clk),
	}
}

// Explaining has the controller tell, besides in events, why an instance probably does not become a node.
func (c *LaunchWatchController) Explaining(explain func(claim types.UID, why string)) *LaunchWatchController {
	c.consoles.explain = explain
	return c
}

// Noting has the controller remember subnets that had no address for an accepted launch.
func (c *LaunchWatchController) Noting(subnets Subnets) *LaunchWatchController {
	c.subnets = subnets
	return c
}

// Name is the controller's name in logs and metrics.
func (c *LaunchWatchController) Name() string { return "nodeclaim.launchwatch" }

// Register adds the controller to a manager.
func (c *LaunchWatchController) Register(_ context.Context, m manager.Manager) error {
	return controllerruntime.NewControllerManagedBy(m).
		Named(c.Name()).
		WatchesRawSource(singleton.Source()).
		Complete(singleton.AsReconciler(c))
}

// Reconcile looks at every NodeClaim that was launched and has not registered.
func (c *LaunchWatchController) Reconcile(ctx context.Context) (reconciler.Result, error) {
	claims := &karpv1.NodeClaimList{}
	// All are looked through every few seconds, so only those are copied that something is done with.
	if err := c.kube.List(ctx, claims, client.UnsafeDisableDeepCopy); err != nil {
		return reconciler.Result{}, fmt.Errorf("listing NodeClaims: %w", err)
	}
	young := lo.FilterMap(claims.Items, func(claim karpv1.NodeClaim, _ int) (karpv1.NodeClaim, bool) {
		if !claim.DeletionTimestamp.IsZero() || claim.Status.ProviderID == "" || claim.StatusConditions(status.WithObservedOnly()).Get(karpv1.ConditionTypeRegistered).IsTrue() {
			return karpv1.NodeClaim{}, false
		}
		return *claim.DeepCopy(), true
	})
	if len(young) == 0 {
		return reconciler.Result{RequeueAfter: launchWatchInterval}, nil
	}
	snapshot, err := c.inventory.Fresh(ctx, c.maxAge(young))
	if err != nil {
		return reconciler.Result{}, err
	}
	launches := []launch{}
	for i := range young {
		if found, known := snapshot.Get(young[i].Status.ProviderID); known {
			launches = append(launches, launch{claim: &young[i], instance: found})
		}
	}
	c.requests.poll(ctx, launches)
	var errs []error
	for _, l := range launches {
		if l.instance.Ending() || c.requests.failed(l.instance) {
			errs = append(errs, c.giveUp(ctx, l.claim, l.instance))
		}
	}
	c.consoles.look(ctx, launches)
	if err := errors.Join(errs...); err != nil {
		return reconciler.Result{}, err
	}
	return reconciler.Result{RequeueAfter: launchWatchInterval}, nil
}

// maxAge is how old the list may be that is looked at: most launches that fail do so before their instance runs.
func (c *LaunchWatchController) maxAge(young []karpv1.NodeClaim) time.Duration {
	current := c.inventory.Current()
	for i := range young {
		if found, known := current.Get(young[i].Status.ProviderID); !known || found.State != core.InstanceLifecycleStateRunning {
			return inventory.BusyInterval
		}
	}
	return inventory.SettlingInterval
}

// launch is a NodeClaim whose node has not registered, and its instance.
type launch struct {
	claim    *karpv1.NodeClaim
	instance inventory.Instance
}

// giveUp deletes a NodeClaim whose instance failed before it became a node.
func (c *LaunchWatchController) giveUp(ctx context.Context, claim *karpv1.NodeClaim, found inventory.Instance) error {
	offering := capacity.Offering{
		Shape: found.Shape, OCPUs: found.OCPUs, MemoryGB: found.MemoryGB, Baseline: found.Baseline, Zone: oci.Zone(found.AvailabilityDomain),
		// As it was bought: OCI puts on-demand instances into the tenancy's default reservation where there is room.
		CapacityType: cmp.Or(claim.Labels[karpv1.CapacityTypeLabelKey], found.CapacityType),
		FaultDomain:  found.NamedFaultDomain, Reservation: claim.Labels[v1alpha1.LabelCapacityReservationSlot],
	}
	reason := "it ended before its node registered, and OCI does not say why"
	cause := c.cause(ctx, found)
	if cause != nil {
		reason = cause.Error()
	}
	c.avoid(ctx, offering, claim.Annotations[v1alpha1.AnnotationSubnetID], cause)
	log.FromContext(ctx).Info("launch failed after OCI had accepted it", "NodeClaim", klog.KObj(claim), "instance", found.ID, "state", found.State, "reason", reason)
	c.recorder.Publish(events.Event{
		InvolvedObject: claim, Type: corev1.EventTypeWarning, Reason: "LaunchFailedLate",
		Message: fmt.Sprintf("Instance %s is %s: %s", found.ID, found.State, reason), DedupeValues: []string{string(claim.UID)},
	})
	if err := c.kube.Delete(ctx, claim); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("deleting NodeClaim %s: %w", claim.Name, err)
	}
	instance.ReportLateFailure(offering, cause)
	return nil
}

// avoid remembers what not to launch next, by the cause of a late failure; nil when OCI does not say.
func (c *LaunchWatchController) avoid(ctx context.Context, offering capacity.Offering, subnetID string, cause error) {
	switch class := oci.ClassOf(cause); {
	case class == oci.ClassCapacity, class == oci.ClassLimit:
		c.unavailable.Learn(ctx, offering, cause)
	case class == oci.ClassAddresses && subnetID != "" && c.subnets != nil:
		c.subnets.Exhaust(subnetID)
	case class == oci.ClassThrottled: // says nothing of the offering
	default:
		c.unavailable.MarkUnavailable(ctx, capacity.ReasonEndedEarly, offering, endedEarlyFor)
	}
}

// cause reads why the launch failed from its work request; nil when OCI does not say.
func (c *LaunchWatchController) cause(ctx context.Context, found inventory.Instance) error {
	id := found.WorkRequestID
	if id == "" { // launched by an earlier process
		id = c.failedLaunchOf(ctx, found)
	}
	if id == "" {
		return nil
	}
	failures, err := c.api.WorkRequestErrors(ctx, id)
	if err != nil {
		log.FromContext(ctx).Info("OCI does not tell why a launch failed", "instance", found.ID, "workRequest", id, "error", err.Error())
		return nil
	}
	return causeOf(failures)
}

// causeOf is the error of a failed work request that says most: one that speaks of what could not be had, else the newest. nil for none.
func causeOf(failures []workrequests.WorkRequestError) (cause error) {
	for _, f := range failures {
		err := oci.NewAsyncError(launchOperation, oci.Value(f.Code), oci.Value(f.Message))
		switch oci.ClassOf(err) {
		case oci.ClassCapacity, oci.ClassLimit, oci.ClassAddresses:
			return err
		}
		if cause == nil {
			cause = err
		}
	}
	return cause
}

func (c *LaunchWatchController) failedLaunchOf(ctx context.Context, found inventory.Instance) string {
	requests, err := c.api.WorkRequestsOf(ctx, found.CompartmentID, found.ID)
	if err != nil {
		log.FromContext(ctx).Info("OCI does not tell an instance's work requests", "instance", found.ID, "error", err.Error())
		return ""
	}
	failed, _ := lo.Find(requests, func(r workrequests.WorkRequestSummary) bool {
		return oci.Value(r.OperationType) == launchOperation && r.Status == workrequests.WorkRequestSummaryStatusFailed
	})
	return oci.Value(failed.Id)
}
