package instance

import (
	"context"

	"github.com/samber/lo"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"

	"github.com/karpenter-oke/karpenter-oke/pkg/oci"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/capacity"
)

// worthAReport is how many launches must be left in a zone for a capacity report: to try fewer costs no more than to ask.
const worthAReport = 3

// ask reads a capacity report on what is left of a launch whose first choice had no host: about the zone of the next candidate. It is asked
// once a launch, and for all launches of a round together.
func (p *DefaultProvider) ask(ctx context.Context, r request, left []Candidate, t *tries) {
	if t.asked || len(t.failures) == 0 || oci.ClassOf(t.failures[len(t.failures)-1]) != oci.ClassCapacity {
		return
	}
	t.asked = true
	zone := ""
	var launches []capacity.Offering
	for _, candidate := range left {
		launch, ok := p.onDemandLaunch(r, candidate)
		if !ok || (zone != "" && launch.Zone != zone) {
			continue
		}
		if _, gone := p.unavailable.IsUnavailable(launch); gone || lo.Contains(launches, launch) {
			continue
		}
		zone = launch.Zone
		if launches = append(launches, launch); len(launches) == capacity.ReportSize {
			break
		}
	}
	if len(launches) >= worthAReport {
		p.reports.Ask(ctx, zone, launches)
	}
}

// byReports puts the candidates for which a report of late found no host behind all others; both keep their order.
func (p *DefaultProvider) byReports(r request, candidates []Candidate) []Candidate {
	if !p.reports.Any() {
		return candidates
	}
	short, others := lo.FilterReject(candidates, func(candidate Candidate, _ int) bool {
		launch, ok := p.onDemandLaunch(r, candidate)
		return ok && p.reports.Short(launch)
	})
	return append(others, short...)
}

// onDemandLaunch is the launch of a candidate that capacity reports speak of.
func (p *DefaultProvider) onDemandLaunch(r request, candidate Candidate) (capacity.Offering, bool) {
	if candidate.Offering.CapacityType() != karpv1.CapacityTypeOnDemand {
		return capacity.Offering{}, false
	}
	fit, ok := r.sizes.Fit(candidate.Type.Name)
	if !ok {
		return capacity.Offering{}, false
	}
	return offeringOf(candidate, fit), true
}
