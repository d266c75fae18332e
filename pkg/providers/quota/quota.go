// Package quota reads the tenancy's service limits in the background and hides the offerings that are beyond what is left of them, so that
// launches which can only be refused are not tried. What is not known hides nothing: a limit that can not be read, is not listed, or was
// read too long ago, leaves its shapes offered.
package quota

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/oracle/oci-go-sdk/v65/limits"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/karpenter-oke/karpenter-oke/pkg/oci"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/capacity"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/inventory"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/shape"
)

const (
	// Interval is how often Refresh is to be called. Most calls read memory only: what the cluster's own instances use changes all the time.
	Interval = time.Minute
	// valuesEvery: limits change when a person asks Oracle for more. A list is one or a few pages.
	valuesEvery = time.Hour
	// refusedEvery is how long to leave off after a list that was refused or failed.
	refusedEvery, failedEvery = 6 * time.Hour, 10 * time.Minute
	// valuesFor is how long values are believed.
	valuesFor = 4 * time.Hour

	// What is left of a limit, other clusters' use and quotas included, takes a call for each limit and availability domain. In an hour that
	// is at most 6 for the limits of shapes that have nodes, and 12 for limits that a launch was refused for.
	usedEvery    = 10 * time.Minute
	refusedRound = 5 * time.Minute
	// rereadAfter is how old an answer must be before it is asked for again, availableFor how long it is believed.
	rereadAfter, availableFor = 20 * time.Minute, 2 * time.Hour
)

// source names this package's marks.
const source = "service limits"

// API is the part of the OCI client that this package calls.
type API interface {
	ListLimitValues(ctx context.Context) ([]limits.LimitValueSummary, error)
	LimitAvailability(ctx context.Context, limit, compartmentID, availabilityDomain string) (limits.ResourceAvailability, error)
}

// Dependencies of a Provider.
type Dependencies struct {
	API         API
	Shapes      shape.Provider
	Inventory   inventory.Provider
	Unavailable *capacity.Unavailable
	Clock       clock.PassiveClock
	// CompartmentID is where instances are launched: quotas are by compartment.
	CompartmentID string
}

// scope is a limit in one availability domain, or in the region when zone is empty.
type scope struct{ limit, zone string }

// reading is what OCI said to be left of a limit, and what this cluster used of it then.
type reading struct {
	at              time.Time
	available, used float64
	known           bool // false: OCI did not say
}

// Provider keeps what is known of limits. Refresh is its only writer.
type Provider struct {
	deps Dependencies

	busy      atomic.Bool // while Refresh runs, which a second caller skips
	values    map[scope]float64
	valuesAt  time.Time // of the last good list
	nextList  time.Time
	readings  map[scope]reading
	nextUsed  time.Time
	nextAsked time.Time
	noRights  bool      // the last list was refused
	noAnswers time.Time // when a question for what is left was refused, zero when the last was not
	failing   bool
}

// New makes a provider that knows nothing.
func New(d Dependencies) *Provider {
	return &Provider{deps: d, values: map[scope]float64{}, readings: map[scope]reading{}}
}

// Refresh reads what is due and hides what is beyond the limits. It never fails: without limits everything stays offered, and one line in
// the log says why, again only when that changes.
func (p *Provider) Refresh(ctx context.Context) {
	if !p.busy.CompareAndSwap(false, true) {
		return
	}
	defer p.busy.Store(false)
	snapshot := p.deps.Shapes.Snapshot()
	if snapshot == nil {
		return
	}
	p.readValues(ctx)
	used := usage(snapshot, p.deps.Inventory.Current())
	p.readAvailable(ctx, snapshot, used)
	now := p.deps.Clock.Now()
	p.deps.Unavailable.Replace(source, p.beyond(snapshot, used, now), now.Add(3*Interval))
}

// readValues lists the limits when that is due.
func (p *Provider) readValues(ctx context.Context) {
	now := p.deps.Clock.Now()
	if now.Before(p.nextList) {
		return
	}
	list, err := p.deps.API.ListLimitValues(ctx)
	switch oci.ClassOf(err) {
	case oci.ClassNotAuthorized, oci.ClassNotFound:
		if !p.noRights {
			log.FromContext(ctx).Info("service limits are not read and hide nothing; to change that, allow the controller to inspect limits and read resource-availability in the tenancy", "reason", err.Error())
		}
		p.noRights, p.nextList = true, now.Add(refusedEvery)
		return
	}
	if err != nil {
		if !p.failing {
			log.FromContext(ctx).Error(err, "reading service limits failed; those that are known count a while longer")
		}
		p.failing, p.nextList = true, now.Add(failedEvery)
		return
	}
	p.values = map[scope]float64{}
	for _, v := range list {
		if v.Name != nil && v.Value != nil {
			p.values[scope{limit: *v.Name, zone: oci.Zone(oci.Value(v.AvailabilityDomain))}] = float64(*v.Value)
		}
	}
	if p.valuesAt.IsZero() || p.noRights || p.failing {
		log.FromContext(ctx).Info("read service limits", "limits", len(p.values))
	}
	p.noRights, p.failing = false, false
	p.valuesAt, p.nextList = now, now.Add(valuesEvery)
}
