package ocisim

import (
	"net/http"
	"slices"
	"strings"

	"github.com/oracle/oci-go-sdk/v65/limits"
	"github.com/samber/lo"
)

// Limits that nobody has set. Real ones depend on the tenancy; these are large enough not to matter.
const (
	standardCoreLimit   = 10_000
	standardMemoryLimit = 160_000
	standardGPULimit    = 64
)

// SetLimit sets a service limit of compute: cores, GB of memory or GPUs, as its name says. ad is a full AD name, or empty for every AD (and for limits
// of the whole region, whose names contain "-regional-").
func (s *Simulator) SetLimit(name, ad string, value int64) error {
	return s.setBound(name, ad, value, s.state.limits)
}

// SetQuota sets a compartment quota for the same names; exceeding one is answered with QuotaExceeded.
func (s *Simulator) SetQuota(name, ad string, value int64) error {
	return s.setBound(name, ad, value, s.state.quotas)
}

func (s *Simulator) setBound(name, ad string, value int64, bounds map[string]int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !lo.Contains(s.limitNames(), name) {
		return invalid("limit %q is not known", name)
	}
	if ad != "" {
		if err := s.availabilityDomain(ad); err != nil {
			return err
		}
	}
	bounds[name+"\x00"+ad] = value
	return nil
}

// limitNames are all limits that the shapes of the catalogue count against.
func (s *Simulator) limitNames() []string {
	var names []string
	for _, shape := range s.state.shapes {
		names = append(names, shape.QuotaNames...)
	}
	names = lo.Uniq(names)
	slices.Sort(names)
	return names
}

func regional(limit string) bool { return strings.Contains(limit, "-regional-") }

// amount is what an instance of this size takes of a limit, by the unit in the limit's name.
func (z size) amount(limit string) float64 {
	switch {
	case strings.Contains(limit, "memory"):
		return z.memoryGB
	case strings.HasPrefix(limit, "gpu"):
		return float64(z.gpus)
	case strings.Contains(limit, "core"):
		return z.ocpus
	}
	return 1
}

func (s *Simulator) limitValue(limit, ad string) int64 {
	for _, key := range []string{limit + "\x00" + ad, limit + "\x00"} {
		if v, set := s.state.limits[key]; set {
			return v
		}
	}
	switch {
	case strings.Contains(limit, "memory"):
		return standardMemoryLimit
	case strings.HasPrefix(limit, "gpu"):
		return standardGPULimit
	}
	return standardCoreLimit
}

func (s *Simulator) quotaValue(limit, ad string) (int64, bool) {
	for _, key := range []string{limit + "\x00" + ad, limit + "\x00"} {
		if v, set := s.state.quotas[key]; set {
			return v, true
		}
	}
	return 0, false
}

// used sums what live instances take of a limit, in the AD or, for a regional limit, anywhere. Preemptible instances count like the others (documented).
func (s *Simulator) used(limit, ad string) float64 {
	sum := 0.0
	for _, i := range s.state.instances.all() {
		if i.live() && lo.Contains(i.shape.QuotaNames, limit) && (regional(limit) || ad == "" || *i.model.AvailabilityDomain == ad) {
			sum += i.size.amount(limit)
		}
	}
	return sum
}

// checkLimits refuses a launch that would exceed limits or quotas, naming all of them at once as the service does.
func (s *Simulator) checkLimits(p *launchPlan) error {
	ad := *p.details.AvailabilityDomain
	var overLimit, overQuota []string
	for _, limit := range p.shape.QuotaNames {
		after := s.used(limit, ad) + p.size.amount(limit)
		if after > float64(s.limitValue(limit, ad)) {
			overLimit = append(overLimit, limit)
		}
		if quota, set := s.quotaValue(limit, ad); set && after > float64(quota) {
			overQuota = append(overQuota, limit)
		}
	}
	switch {
	case len(overLimit) > 0:
		return limitExceeded(strings.Join(overLimit, ", "))
	case len(overQuota) > 0:
		return quotaExceeded(strings.Join(overQuota, ", "))
	}
	return nil
}

func limitOperations() []operation {
	return []operation{
		{name: "ListLimitValues", method: http.MethodGet, path: "/20190729/limitValues", handle: listLimitValues},
		{name: "GetResourceAvailability", method: http.MethodGet, path: "/20190729/services/{service}/limits/{limit}/resourceAvailability", handle: getResourceAvailability},
	}
}

func listLimitValues(s *Simulator, c *call) (*reply, error) {
	if err := s.ofCompute(c, c.query.Get("serviceName")); err != nil {
		return nil, err
	}
	out := []limits.LimitValueSummary{}
	for _, name := range s.limitNames() {
		ads, scope := s.world.ADs, limits.LimitValueSummaryScopeTypeAd
		if regional(name) {
			ads, scope = []string{""}, limits.LimitValueSummaryScopeTypeRegion
		}
		for _, ad := range ads {
			if c.is("name", name) && c.is("availabilityDomain", ad) && c.is("scopeType", string(scope)) {
				out = append(out, limits.LimitValueSummary{Name: lo.ToPtr(name), ScopeType: scope, AvailabilityDomain: lo.EmptyableToPtr(ad), Value: lo.ToPtr(s.limitValue(name, ad))})
			}
		}
	}
	return list(c, out, func(v limits.LimitValueSummary) string { return *v.Name + "/" + lo.FromPtr(v.AvailabilityDomain) })
}

func (s *Simulator) ofCompute(c *call, service string) error {
	if _, err := s.inCompartment(c); err != nil {
		return err
	}
	if service != "compute" {
		return notFound("service %q has no limits in this simulator", service)
	}
	return nil
}

// getResourceAvailability needs the AD exactly when the limit counts by AD.
func getResourceAvailability(s *Simulator, c *call) (*reply, error) {
	if err := s.ofCompute(c, c.path("service")); err != nil {
		return nil, err
	}
	name, ad := c.path("limit"), c.query.Get("availabilityDomain")
	if !lo.Contains(s.limitNames(), name) {
		return nil, notFound("limit %s", name)
	}
	if regional(name) != (ad == "") {
		return nil, invalid("limit %s: availabilityDomain must be given for limits by AD and only for them", name)
	}
	used, value := s.used(name, ad), float64(s.limitValue(name, ad))
	answer := limits.ResourceAvailability{FractionalUsage: lo.ToPtr(float32(used))}
	if quota, set := s.quotaValue(name, ad); set {
		value = min(value, float64(quota))
		answer.EffectiveQuotaValue = lo.ToPtr(float32(quota))
	}
	answer.Used, answer.Available = lo.ToPtr(int64(used)), lo.ToPtr(max(0, int64(value-used)))
	answer.FractionalAvailability = lo.ToPtr(float32(max(0, value-used)))
	return ok(answer), nil
}
