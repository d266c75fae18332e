package capacity

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/oracle/oci-go-sdk/v65/core"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/karpenter-oke/karpenter-oke/pkg/oci"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/shape"
)

const (
	// ReportSize is how many launches one report is asked about.
	ReportSize = 10
	// reportFor is how long a report is believed: hosts come and go.
	reportFor = 2 * time.Minute
	// reportRound is the least time between two reports, whoever asks: the launches of one scheduling round share one.
	reportRound = 15 * time.Second
	// reportTimeout bounds one question; a launch waits for it.
	reportTimeout = 5 * time.Second
	// withoutRight and afterFailure are how long nothing is asked after a question was refused or failed.
	withoutRight, afterFailure = 6 * time.Hour, 5 * time.Minute
)

// ReportAPI is the part of the OCI client that reads capacity reports.
type ReportAPI interface {
	CapacityReport(ctx context.Context, availabilityDomain string, shapes []core.CreateCapacityReportShapeAvailabilityDetails) ([]core.CapacityReportShapeAvailability, error)
}

// Reports keeps what OCI's capacity reports said of late. They are a hint for the order of launches and never a reason not to try one: they
// are snapshots, know on-demand capacity only, and were seen to be wrong. A nil *Reports knows nothing and asks nothing.
type Reports struct {
	api    ReportAPI
	shapes shape.Provider
	clock  clock.PassiveClock

	mu     sync.Mutex // only memory is touched under it
	short  map[Offering]time.Time
	next   time.Time // when the next report may be asked for
	refuse bool      // the last question was refused
}

// NewReports makes a Reports that knows nothing.
func NewReports(api ReportAPI, shapes shape.Provider, c clock.PassiveClock) *Reports {
	return &Reports{api: api, shapes: shapes, clock: c, short: map[Offering]time.Time{}}
}

// reported is what a report can tell apart of a launch.
func reported(o Offering) Offering {
	return Offering{Shape: o.Shape, OCPUs: float64(float32(o.OCPUs)), MemoryGB: float64(float32(o.MemoryGB)), Baseline: o.Baseline, Zone: o.Zone}
}

// Any says whether anything is known to be short; it saves callers the work of asking for each launch.
func (r *Reports) Any() bool {
	if r == nil {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.short) > 0
}

// Short says whether a report of late found no host for the launch.
func (r *Reports) Short(o Offering) bool {
	if r == nil || o.Reservation != "" {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	at, ok := r.short[reported(o)]
	return ok && r.clock.Since(at) < reportFor
}

// Ask reads one report about launches in a zone, ReportSize of them at most, unless one was read a moment ago. Without the right to, or when
// OCI fails, it asks nothing for a while; one line in the log tells of the missing right.
func (r *Reports) Ask(ctx context.Context, zone string, launches []Offering) {
	if r == nil || len(launches) == 0 || r.shapes.Snapshot() == nil || !r.begin() {
		return
	}
	snapshot := r.shapes.Snapshot()
	domain, ok := snapshot.AvailabilityDomain(zone)
	if !ok {
		return
	}
	launches = launches[:min(len(launches), ReportSize)]
	questions := make([]core.CreateCapacityReportShapeAvailabilityDetails, 0, len(launches))
	for i := range launches {
		questions = append(questions, question(snapshot, &launches[i]))
	}
	ctx, cancel := context.WithTimeout(ctx, reportTimeout)
	defer cancel()
	answers, err := r.api.CapacityReport(ctx, domain, questions)
	r.note(ctx, launches, answers, err)
}

// begin says whether a report may be asked for now, and takes the turn.
func (r *Reports) begin() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.clock.Now()
	if now.Before(r.next) {
		return false
	}
	r.next = now.Add(reportRound)
	return true
}

func (r *Reports) note(ctx context.Context, launches []Offering, answers []core.CapacityReportShapeAvailability, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.clock.Now()
	for o, at := range r.short {
		if now.Sub(at) >= reportFor {
			delete(r.short, o)
		}
	}
	switch oci.ClassOf(err) {
	case oci.ClassNotAuthorized, oci.ClassNotFound:
		if !r.refuse {
			log.FromContext(ctx).Info("capacity reports are not read; to change that, allow the controller to manage compute-capacity-reports in the tenancy", "reason", err.Error())
		}
		r.refuse, r.next = true, now.Add(withoutRight)
		return
	}
	if err != nil {
		log.FromContext(ctx).V(1).Info("reading a capacity report failed", "reason", err.Error())
		r.next = now.Add(afterFailure)
		return
	}
	r.refuse = false
	for _, o := range launches {
		i := slices.IndexFunc(answers, func(a core.CapacityReportShapeAvailability) bool { return answersFor(a, o) })
		if i >= 0 && answers[i].AvailabilityStatus != core.CapacityReportShapeAvailabilityAvailabilityStatusAvailable {
			r.short[reported(o)] = now
		} else {
			delete(r.short, reported(o))
		}
	}
}

// question asks for a size where the shape takes one.
func question(snapshot *shape.Snapshot, o *Offering) core.CreateCapacityReportShapeAvailabilityDetails {
	q := core.CreateCapacityReportShapeAvailabilityDetails{InstanceShape: &o.Shape}
	if s, ok := snapshot.Shape(o.Shape); ok && s.Flexible {
		ocpus, memoryGB := float32(o.OCPUs), float32(o.MemoryGB)
		q.InstanceShapeConfig = &core.CapacityReportInstanceShapeConfig{
			Ocpus: &ocpus, MemoryInGBs: &memoryGB, BaselineOcpuUtilization: core.CapacityReportInstanceShapeConfigBaselineOcpuUtilizationEnum(o.Baseline),
		}
	}
	return q
}

// answersFor says whether an answer is about a launch. OCI repeats what was asked.
func answersFor(a core.CapacityReportShapeAvailability, o Offering) bool {
	if oci.Value(a.InstanceShape) != o.Shape {
		return false
	}
	config := a.InstanceShapeConfig
	return config == nil || config.Ocpus == nil ||
		(*config.Ocpus == float32(o.OCPUs) && oci.Value(config.MemoryInGBs) == float32(o.MemoryGB) && string(config.BaselineOcpuUtilization) == o.Baseline)
}
