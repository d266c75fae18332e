package nodeclaim

import (
	"context"
	"time"

	"github.com/oracle/oci-go-sdk/v65/core"
	"github.com/oracle/oci-go-sdk/v65/workrequests"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/karpenter-oke/karpenter-oke/pkg/oci"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/inventory"
)

const (
	// followAfter is how old a launch is before its work request is looked at: most are RUNNING soon after.
	followAfter = 10 * time.Second
	// followInterval is how often the work requests of a compartment are listed while launches are under way in it; one list serves all.
	followInterval = 15 * time.Second
	// refusedFor is how long OCI is not asked again for what the controller has no right to.
	refusedFor = time.Hour
)

// launchRequests follows the work requests of launches. It tells a failure before the instance's own state does, which the inventory shows
// only some time later and, while lists lag, not at all. It is a help and no more: when it can not ask, the inventory remains.
type launchRequests struct {
	api          LaunchWatchAPI
	clock        clock.Clock
	asked        time.Time
	refusedUntil time.Time
	failures     sets.Set[string] // work requests that failed, of launches that are still watched
}

func newLaunchRequests(api LaunchWatchAPI, clk clock.Clock) *launchRequests {
	return &launchRequests{api: api, clock: clk, failures: sets.New[string]()}
}

// failed says whether the work request of an instance's launch is known to have failed.
func (r *launchRequests) failed(i inventory.Instance) bool {
	return i.WorkRequestID != "" && r.failures.Has(i.WorkRequestID)
}

// poll lists the work requests of the launches that OCI has not finished, one list for each compartment.
func (r *launchRequests) poll(ctx context.Context, launches []launch) {
	now := r.clock.Now()
	byCompartment := map[string]sets.Set[string]{}
	watched := sets.New[string]()
	for _, l := range launches {
		i := l.instance
		watched.Insert(i.WorkRequestID)
		if i.WorkRequestID == "" || i.State != core.InstanceLifecycleStateProvisioning || now.Sub(i.Created) < followAfter || r.failed(i) {
			continue
		}
		if byCompartment[i.CompartmentID] == nil {
			byCompartment[i.CompartmentID] = sets.New[string]()
		}
		byCompartment[i.CompartmentID].Insert(i.WorkRequestID)
	}
	r.failures = r.failures.Intersection(watched)
	if len(byCompartment) == 0 || now.Sub(r.asked) < followInterval || now.Before(r.refusedUntil) {
		return
	}
	r.asked = now
	for compartment, ids := range byCompartment {
		found, err := r.api.FindWorkRequests(ctx, compartment, ids)
		if err != nil {
			r.refused(ctx, compartment, err)
			continue
		}
		for id, request := range found {
			if request.Status == workrequests.WorkRequestSummaryStatusFailed {
				r.failures.Insert(id)
			}
		}
	}
}

func (r *launchRequests) refused(ctx context.Context, compartment string, err error) {
	if !noRight(err) {
		log.FromContext(ctx).V(1).Info("work requests of launches are not known for now", "compartment", compartment, "error", err.Error())
		return
	}
	r.refusedUntil = r.clock.Now().Add(refusedFor)
	log.FromContext(ctx).Info("the controller may not read work requests, so a launch that fails late is noticed by its instance's end only",
		"compartment", compartment, "error", err.Error())
}

// noRight says that OCI refused for want of rights: it answers 404 to what one may not see.
func noRight(err error) bool {
	class := oci.ClassOf(err)
	return class == oci.ClassNotFound || class == oci.ClassNotAuthorized
}
