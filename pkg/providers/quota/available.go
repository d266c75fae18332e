package quota

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/oracle/oci-go-sdk/v65/limits"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/karpenter-oke/karpenter-oke/pkg/oci"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/capacity"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/inventory"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/shape"
)

// usage sums what this cluster's instances take of each limit. It is a lower bound of what is used: others in the tenancy are not seen,
// and of a burstable instance the OCPUs are not counted, since it is not documented how OCI counts them.
func usage(snapshot *shape.Snapshot, instances inventory.Snapshot) map[scope]float64 {
	used := map[scope]float64{}
	for _, i := range instances.All() {
		s, ok := snapshot.Shape(i.Shape)
		if !ok || i.Ending() {
			continue
		}
		for _, limit := range s.QuotaNames {
			amount := 1.0
			switch capacity.UnitOf(limit) {
			case capacity.UnitOCPUs:
				if amount = i.OCPUs; i.Baseline != "" {
					amount = 0
				}
			case capacity.UnitMemoryGB:
				amount = i.MemoryGB
			case capacity.UnitGPUs:
				amount = float64(s.GPUs)
			}
			used[scopeOf(limit, oci.Zone(i.AvailabilityDomain))] += amount
		}
	}
	return used
}

func scopeOf(limit, zone string) scope {
	if capacity.Regional(limit) {
		zone = ""
	}
	return scope{limit: limit, zone: zone}
}

// readAvailable asks what is left of one limit that is used, and of one that a launch was refused for, when that is due.
func (p *Provider) readAvailable(ctx context.Context, snapshot *shape.Snapshot, used map[scope]float64) {
	now := p.deps.Clock.Now()
	if p.valuesAt.IsZero() || p.noRights || (!p.noAnswers.IsZero() && now.Sub(p.noAnswers) < refusedEvery) {
		return
	}
	if !now.Before(p.nextAsked) {
		if s, ok := p.oldest(p.refused(), now); ok {
			p.read(ctx, s, snapshot, used[s])
			p.nextAsked = now.Add(refusedRound)
		}
	}
	if p.nextUsed.IsZero() { // the first nodes of a process are launched without a question
		p.nextUsed = now.Add(usedEvery)
	}
	if !now.Before(p.nextUsed) {
		inUse := make([]scope, 0, len(used))
		for s := range used {
			inUse = append(inUse, s)
		}
		if s, ok := p.oldest(inUse, now); ok {
			p.read(ctx, s, snapshot, used[s])
			p.nextUsed = now.Add(usedEvery)
		}
	}
}

// refused are the limits that launches met, as far as marks of that still hold.
func (p *Provider) refused() (out []scope) {
	for _, e := range p.deps.Unavailable.Learned() {
		if e.Limit != "" && capacity.UnitOf(e.Limit) != capacity.UnitStorage {
			out = append(out, scope{limit: e.Limit, zone: e.Zone})
		}
	}
	return out
}

// oldest is the scope that was asked for the longest ago, if any is due. Limits that are not listed are none to ask for.
func (p *Provider) oldest(scopes []scope, now time.Time) (scope, bool) {
	due := slices.DeleteFunc(scopes, func(s scope) bool {
		_, listed := p.values[s]
		return !listed || now.Sub(p.readings[s].at) < rereadAfter
	})
	if len(due) == 0 {
		return scope{}, false
	}
	return slices.MinFunc(due, func(a, b scope) int {
		return cmp.Or(p.readings[a].at.Compare(p.readings[b].at), cmp.Compare(a.limit, b.limit), cmp.Compare(a.zone, b.zone))
	}), true
}

func (p *Provider) read(ctx context.Context, s scope, snapshot *shape.Snapshot, used float64) {
	domain, _ := snapshot.AvailabilityDomain(s.zone)
	answer, err := p.deps.API.LimitAvailability(ctx, s.limit, p.deps.CompartmentID, domain)
	r := reading{at: p.deps.Clock.Now(), used: used}
	switch oci.ClassOf(err) {
	case oci.ClassNotAuthorized, oci.ClassNotFound:
		if p.noAnswers.IsZero() {
			log.FromContext(ctx).Info("what others use of service limits is not known; to change that, allow the controller to read resource-availability in the tenancy", "reason", err.Error())
		}
		p.noAnswers = r.at
	case "":
		if err == nil {
			p.noAnswers = time.Time{}
			r.available, r.known = left(answer)
		}
	}
	p.readings[s] = r
}

// left is what an answer says to be available; fractions count where they are given.
func left(answer limits.ResourceAvailability) (float64, bool) {
	switch {
	case answer.FractionalAvailability != nil:
		return float64(*answer.FractionalAvailability), true
	case answer.Available != nil:
		return float64(*answer.Available), true
	default:
		return 0, false
	}
}

// remaining is the most that can be left of a limit; ok is false when nothing is known of it.
func (p *Provider) remaining(s scope, used float64, now time.Time) (most float64, ok bool) {
	value, listed := p.values[s]
	if !listed || now.Sub(p.valuesAt) > valuesFor {
		return 0, false
	}
	most = value - used
	if r := p.readings[s]; r.known && now.Sub(r.at) <= availableFor {
		most = min(most, r.available+r.used-used)
	}
	return max(most, 0), true
}

// beyond are the marks for all that is larger than what is left.
func (p *Provider) beyond(snapshot *shape.Snapshot, used map[scope]float64, now time.Time) []capacity.Entry {
	var marks []capacity.Entry
	for _, s := range snapshot.Shapes() {
		for _, limit := range s.QuotaNames {
			zones := s.Zones
			if capacity.Regional(limit) {
				zones = []string{""}
			}
			for _, zone := range zones {
				at := scope{limit: limit, zone: zone}
				most, known := p.remaining(at, used[at], now)
				if !known {
					continue
				}
				if o, above, ok := excess(s, limit, most); ok {
					o.Zone = zone
					marks = append(marks, capacity.Entry{Offering: o, Above: above, Reason: capacity.ReasonLimitReached, Limit: limit})
				}
			}
		}
	}
	return marks
}

// excess is what of a shape takes more of a limit than is left; ok is false when nothing does. above means the sizes above, not at.
func excess(s *shape.Shape, limit string, most float64) (o capacity.Offering, above, ok bool) {
	o.Shape = s.Name
	least, largest := 1.0, 1.0
	switch capacity.UnitOf(limit) {
	case capacity.UnitOCPUs:
		least, largest = bounds(s, s.OCPURange, s.OCPUs)
		if s.Extended != nil {
			largest = max(largest, s.Extended.OCPURange.Max)
		}
		o.OCPUs = most
	case capacity.UnitMemoryGB:
		least, largest = bounds(s, s.MemoryRange, s.MemoryGB)
		if s.Extended != nil {
			largest = max(largest, s.Extended.MaxMemoryGB)
		}
		o.MemoryGB = most
	case capacity.UnitGPUs:
		least, largest = float64(s.GPUs), float64(s.GPUs)
	}
	switch {
	case largest <= most:
		return capacity.Offering{}, false, false
	case most <= 0, least > most && least == largest:
		return capacity.Offering{Shape: s.Name}, false, true // every size and baseline
	default:
		return o, true, true
	}
}

// bounds are the least and the largest size of a shape; the largest is infinite when it is not known.
func bounds(s *shape.Shape, sizes shape.Range, fixed float64) (least, largest float64) {
	if !s.Flexible {
		return fixed, fixed
	}
	if largest = sizes.Max; largest == 0 {
		largest = unbounded
	}
	return sizes.Min, largest
}

// unbounded is larger than any size.
const unbounded = 1e9
