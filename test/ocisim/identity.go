package ocisim

import (
	"net/http"
	"strings"

	"github.com/oracle/oci-go-sdk/v65/identity"
	"github.com/samber/lo"
)

func identityOperations() []operation {
	return []operation{
		{name: "ListAvailabilityDomains", method: http.MethodGet, path: "/20160918/availabilityDomains", handle: listAvailabilityDomains},
		{name: "ListFaultDomains", method: http.MethodGet, path: "/20160918/faultDomains", handle: listFaultDomains},
		{name: "ListCompartments", method: http.MethodGet, path: "/20160918/compartments", handle: listCompartments},
		{name: "GetCompartment", method: http.MethodGet, path: "/20160918/compartments/{id}", handle: getCompartment},
		{name: "GetTenancy", method: http.MethodGet, path: "/20160918/tenancies/{id}", handle: getTenancy},
		{name: "ListRegionSubscriptions", method: http.MethodGet, path: "/20160918/tenancies/{id}/regionSubscriptions", handle: listRegionSubscriptions},
		{name: "ListRegions", method: http.MethodGet, path: "/20160918/regions", handle: listRegions},
	}
}

// AddCompartment makes a compartment under the tenancy and returns its OCID.
func (s *Simulator) AddCompartment(name string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	id := "ocid1.compartment.oc1.." + uniquePart(s.newID("compartment"))
	s.state.compartments.put(id, identity.Compartment{Id: lo.ToPtr(id), CompartmentId: lo.ToPtr(s.world.TenancyID), Name: lo.ToPtr(name),
		Description: lo.ToPtr(name), TimeCreated: stamp(s.clock.Now()), LifecycleState: identity.CompartmentLifecycleStateActive,
		FreeformTags: map[string]string{}, DefinedTags: map[string]map[string]any{}})
	return id
}

// listAvailabilityDomains, like the fault domains, comes in one piece: these lists have no paging.
func listAvailabilityDomains(s *Simulator, c *call) (*reply, error) {
	if _, err := s.inCompartment(c); err != nil {
		return nil, err
	}
	return ok(lo.Map(s.world.ADs, func(name string, _ int) identity.AvailabilityDomain {
		return identity.AvailabilityDomain{Name: lo.ToPtr(name), Id: lo.ToPtr(uniqueSibling(name, "availabilitydomain")), CompartmentId: lo.ToPtr(s.world.TenancyID)}
	})), nil
}

func listFaultDomains(s *Simulator, c *call) (*reply, error) {
	if _, err := s.inCompartment(c); err != nil {
		return nil, err
	}
	ad, err := c.required("availabilityDomain")
	if err != nil {
		return nil, err
	}
	if err := s.availabilityDomain(ad); err != nil {
		return nil, err
	}
	return ok(lo.Map(s.world.FDs, func(name string, _ int) identity.FaultDomain {
		return identity.FaultDomain{Name: lo.ToPtr(name), Id: lo.ToPtr(uniqueSibling(ad+name, "faultdomain")), CompartmentId: lo.ToPtr(s.world.TenancyID), AvailabilityDomain: lo.ToPtr(ad)}
	})), nil
}

// listCompartments answers the children of a compartment.
func listCompartments(s *Simulator, c *call) (*reply, error) {
	parent, err := s.inCompartment(c)
	if err != nil {
		return nil, err
	}
	out := lo.Filter(s.state.compartments.all(), func(m identity.Compartment, _ int) bool {
		return *m.CompartmentId == parent && *m.Id != parent && c.is("name", *m.Name) && c.is("lifecycleState", string(m.LifecycleState))
	})
	return list(c, out, func(m identity.Compartment) string { return *m.Id })
}

func getCompartment(s *Simulator, c *call) (*reply, error) {
	m, known := s.state.compartments.get(c.path("id"))
	if !known {
		return nil, notFound("compartment %s", c.path("id"))
	}
	return ok(m).with("etag", "1"), nil
}

func (s *Simulator) inTenancy(c *call) error {
	if c.path("id") != s.world.TenancyID {
		return notFound("tenancy %s", c.path("id"))
	}
	return nil
}

func getTenancy(s *Simulator, c *call) (*reply, error) {
	if err := s.inTenancy(c); err != nil {
		return nil, err
	}
	return ok(identity.Tenancy{Id: lo.ToPtr(s.world.TenancyID), Name: lo.ToPtr(s.world.TenancyName), Description: lo.ToPtr("simulated tenancy"),
		HomeRegionKey: lo.ToPtr(s.world.RegionKey), FreeformTags: map[string]string{}, DefinedTags: map[string]map[string]any{}}), nil
}

func listRegionSubscriptions(s *Simulator, c *call) (*reply, error) {
	if err := s.inTenancy(c); err != nil {
		return nil, err
	}
	return ok([]identity.RegionSubscription{{RegionKey: lo.ToPtr(s.world.RegionKey), RegionName: lo.ToPtr(s.world.Region),
		Status: identity.RegionSubscriptionStatusReady, IsHomeRegion: lo.ToPtr(true)}}), nil
}

// listRegions answers this region alone.
func listRegions(s *Simulator, _ *call) (*reply, error) {
	return ok([]identity.Region{{Key: lo.ToPtr(strings.ToUpper(s.world.RegionKey)), Name: lo.ToPtr(s.world.Region)}}), nil
}
