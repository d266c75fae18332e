package ocisim

import (
	"fmt"
	"net/http"
	"path"

	"github.com/oracle/oci-go-sdk/v65/core"
	"github.com/samber/lo"
)

// HostCapacity bounds what the hosts of a place can run at the same time. A launch must fit every rule that matches it.
type HostCapacity struct {
	Shape              string  `json:"shape"`                        // shell glob over shape names; shapes of one rule share the hosts
	AvailabilityDomain string  `json:"availabilityDomain,omitempty"` // full name; empty means each AD by itself
	FaultDomain        string  `json:"faultDomain,omitempty"`        // empty means the whole AD
	OCPUs              float64 `json:"ocpus"`                        // total, used ones included
}

// SetHostCapacity adds a rule, or replaces the one for the same shapes and place. Without any rule hosts never run out.
func (s *Simulator) SetHostCapacity(rule HostCapacity) error {
	if _, err := path.Match(rule.Shape, ""); err != nil || rule.Shape == "" {
		return fmt.Errorf("shape %q is no shell glob", rule.Shape)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if rule.AvailabilityDomain != "" {
		if err := s.availabilityDomain(rule.AvailabilityDomain); err != nil {
			return err
		}
	}
	if rule.FaultDomain != "" && !lo.Contains(s.world.FDs, rule.FaultDomain) {
		return fmt.Errorf("fault domain %q does not exist", rule.FaultDomain)
	}
	s.state.hostCapacity = lo.Reject(s.state.hostCapacity, func(r HostCapacity, _ int) bool {
		return r.Shape == rule.Shape && r.AvailabilityDomain == rule.AvailabilityDomain && r.FaultDomain == rule.FaultDomain
	})
	s.state.hostCapacity = append(s.state.hostCapacity, rule)
	return nil
}

// ClearHostCapacity removes all rules.
func (s *Simulator) ClearHostCapacity() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state.hostCapacity = nil
}

// room is how many OCPUs of the shape the place still has; bounded is false when no rule speaks about it.
func (s *Simulator) room(shape, ad, fd string) (ocpus float64, bounded bool) {
	for _, rule := range s.state.hostCapacity {
		if !globMatches(rule.Shape, shape) || (rule.AvailabilityDomain != "" && rule.AvailabilityDomain != ad) || (rule.FaultDomain != "" && rule.FaultDomain != fd) {
			continue
		}
		left := rule.OCPUs
		for _, i := range s.state.instances.all() {
			if i.live() && globMatches(rule.Shape, *i.model.Shape) && *i.model.AvailabilityDomain == ad && (rule.FaultDomain == "" || *i.model.FaultDomain == rule.FaultDomain) {
				left -= i.size.ocpus
			}
		}
		if !bounded || left < ocpus {
			ocpus, bounded = left, true
		}
	}
	return ocpus, bounded
}

// placeOnHost chooses the fault domain of a launch, or finds that no host has room: in the reservation, or in the AD.
func (s *Simulator) placeOnHost(p *launchPlan) (string, error) {
	s.state.launchesPlaced++
	candidates := []string{lo.FromPtr(p.details.FaultDomain)}
	if candidates[0] == "" {
		candidates = nil
		for n := range s.world.FDs {
			candidates = append(candidates, s.world.FDs[(n+s.state.launchesPlaced)%len(s.world.FDs)])
		}
	}
	for _, fd := range candidates {
		if p.reservation != nil {
			if p.reservation.fits(p, fd) {
				return fd, nil
			}
			continue
		}
		if left, bounded := s.room(*p.shape.Shape, *p.details.AvailabilityDomain, fd); !bounded || left >= p.size.ocpus {
			return fd, nil
		}
	}
	return "", outOfHostCapacity()
}

func capacityOperations() []operation {
	return []operation{{name: "CreateComputeCapacityReport", method: http.MethodPost, path: "/20160918/computeCapacityReports", handle: createCapacityReport}}
}

// createCapacityReport answers from the host capacity and from scripted shortages of on-demand capacity. As for most real tenancies, the number of
// instances that would fit (availableCount) stays empty.
func createCapacityReport(s *Simulator, c *call) (*reply, error) {
	var d core.CreateComputeCapacityReportDetails
	if err := c.decode(&d); err != nil {
		return nil, err
	}
	if lo.FromPtr(d.CompartmentId) != s.world.TenancyID {
		return nil, notFound("compartmentId must be the root compartment of the tenancy")
	}
	if err := s.availabilityDomain(lo.FromPtr(d.AvailabilityDomain)); err != nil {
		return nil, err
	}
	if len(d.ShapeAvailabilities) == 0 {
		return nil, missing("shapeAvailabilities")
	}
	report := core.ComputeCapacityReport{CompartmentId: d.CompartmentId, AvailabilityDomain: d.AvailabilityDomain, TimeCreated: stamp(c.now)}
	for _, asked := range d.ShapeAvailabilities {
		report.ShapeAvailabilities = append(report.ShapeAvailabilities, core.CapacityReportShapeAvailability{FaultDomain: asked.FaultDomain,
			InstanceShape: asked.InstanceShape, InstanceShapeConfig: asked.InstanceShapeConfig, AvailabilityStatus: s.availability(*d.AvailabilityDomain, asked)})
	}
	return ok(report), nil
}

func (s *Simulator) availability(ad string, asked core.CreateCapacityReportShapeAvailabilityDetails) core.CapacityReportShapeAvailabilityAvailabilityStatusEnum {
	name := lo.FromPtr(asked.InstanceShape)
	shape, known := s.shape(name)
	if !known || !s.offered(name, ad) {
		return core.CapacityReportShapeAvailabilityAvailabilityStatusHardwareNotSupported
	}
	ocpus := float64(lo.FromPtr(shape.Ocpus))
	if config := asked.InstanceShapeConfig; config != nil && config.Ocpus != nil {
		ocpus = float64(*config.Ocpus)
	}
	fds := s.world.FDs
	if fd := lo.FromPtr(asked.FaultDomain); fd != "" {
		fds = []string{fd}
	}
	for _, fd := range fds {
		who := subject{operation: launchOperation, shape: name, ad: ad, fd: fd, capacityType: "on-demand", ocpus: ocpus}
		left, bounded := s.room(name, ad, fd)
		if (!bounded || left >= ocpus) && !s.faults.shortage(who) {
			return core.CapacityReportShapeAvailabilityAvailabilityStatusAvailable
		}
	}
	return core.CapacityReportShapeAvailabilityAvailabilityStatusOutOfHostCapacity
}

// shortage says whether a scripted lack of capacity would meet the subject. Asking is no hit.
func (f *Faults) shortage(who subject) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return lo.ContainsBy(f.list, func(fault *Fault) bool {
		used := fault.Times > 0 && fault.Hits >= fault.Times
		return (fault.Kind == OutOfHostCapacity || fault.Kind == OutOfHostCapacityLater) && !used && fault.matches(who)
	})
}
