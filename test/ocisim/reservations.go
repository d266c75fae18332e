package ocisim

import (
	"fmt"
	"net/http"

	"github.com/oracle/oci-go-sdk/v65/core"
	"github.com/samber/lo"
)

// reservation is a capacity reservation; its configurations count what is in use.
type reservation struct {
	model core.ComputeCapacityReservation
}

// ReservationSpec describes a capacity reservation of one shape and size.
type ReservationSpec struct {
	ID                 string  `json:"id,omitempty"` // set to change an existing reservation's count
	Name               string  `json:"name"`
	AvailabilityDomain string  `json:"availabilityDomain"`
	FaultDomain        string  `json:"faultDomain,omitempty"`
	Shape              string  `json:"shape"`
	OCPUs              float64 `json:"ocpus,omitempty"`       // needed for flexible shapes
	MemoryGB           float64 `json:"memoryInGBs,omitempty"` // needed for flexible shapes
	Count              int64   `json:"count"`
	// FreeformTags and DefinedTags are of the reservation as a whole.
	FreeformTags map[string]string         `json:"freeformTags,omitempty"`
	DefinedTags  map[string]map[string]any `json:"definedTags,omitempty"`
}

// SetReservation makes a capacity reservation, or changes the count of the one named by ID, and returns its OCID.
func (s *Simulator) SetReservation(spec ReservationSpec) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if spec.ID != "" {
		r, known := s.state.reservations.get(spec.ID)
		if !known {
			return "", notFound("capacity reservation %s", spec.ID)
		}
		r.resize(0, spec.Count)
		return spec.ID, nil
	}
	if err := s.availabilityDomain(spec.AvailabilityDomain); err != nil {
		return "", err
	}
	shape, known := s.shape(spec.Shape)
	if !known {
		return "", shapeNotFound(spec.Shape)
	}
	config := core.InstanceReservationConfig{InstanceShape: shape.Shape, ReservedCount: lo.ToPtr(spec.Count), UsedCount: lo.ToPtr(int64(0)),
		FaultDomain: lo.EmptyableToPtr(spec.FaultDomain)}
	if lo.FromPtr(shape.IsFlexible) {
		if spec.OCPUs <= 0 || spec.MemoryGB <= 0 {
			return "", fmt.Errorf("a reservation of the flexible shape %s needs ocpus and memoryInGBs", spec.Shape)
		}
		config.InstanceShapeConfig = &core.InstanceReservationShapeConfigDetails{Ocpus: lo.ToPtr(float32(spec.OCPUs)), MemoryInGBs: lo.ToPtr(float32(spec.MemoryGB))}
	}
	id := s.newID("capacityreservation")
	s.state.reservations.put(id, &reservation{model: core.ComputeCapacityReservation{AvailabilityDomain: lo.ToPtr(spec.AvailabilityDomain),
		CompartmentId: lo.ToPtr(s.world.CompartmentID), Id: lo.ToPtr(id), LifecycleState: core.ComputeCapacityReservationLifecycleStateActive,
		TimeCreated: stamp(s.clock.Now()), DisplayName: lo.ToPtr(spec.Name), IsDefaultReservation: lo.ToPtr(false),
		InstanceReservationConfigs: []core.InstanceReservationConfig{config}, ReservedInstanceCount: lo.ToPtr(spec.Count), UsedInstanceCount: lo.ToPtr(int64(0)),
		FreeformTags: emptyIfNil(spec.FreeformTags), DefinedTags: emptyIfNil(spec.DefinedTags)}})
	return id, nil
}

// fits says whether the launch matches the reservation exactly and one of the reserved instances is free.
func (r *reservation) fits(p *launchPlan, fd string) bool {
	config := r.model.InstanceReservationConfigs[0]
	if *config.InstanceShape != *p.shape.Shape || *config.UsedCount >= *config.ReservedCount || (config.FaultDomain != nil && *config.FaultDomain != fd) {
		return false
	}
	z := config.InstanceShapeConfig
	return z == nil || (float64(*z.Ocpus) == p.size.ocpus && float64(*z.MemoryInGBs) == p.size.memoryGB)
}

func (r *reservation) use()      { r.resize(1, *r.model.ReservedInstanceCount) }
func (r *reservation) giveBack() { r.resize(-1, *r.model.ReservedInstanceCount) }

// resize changes the counts on a copy, as an answer on its way out may still hold the old one.
func (r *reservation) resize(used, reserved int64) {
	config := r.model.InstanceReservationConfigs[0]
	config.UsedCount, config.ReservedCount = lo.ToPtr(*config.UsedCount+used), lo.ToPtr(reserved)
	r.model.InstanceReservationConfigs = []core.InstanceReservationConfig{config}
	r.model.UsedInstanceCount, r.model.ReservedInstanceCount = config.UsedCount, config.ReservedCount
}

func reservationOperations() []operation {
	return []operation{
		{name: "ListComputeCapacityReservations", method: http.MethodGet, path: "/20160918/computeCapacityReservations", handle: listReservations},
		{name: "GetComputeCapacityReservation", method: http.MethodGet, path: "/20160918/computeCapacityReservations/{id}", handle: getReservation},
		{name: "ListComputeClusters", method: http.MethodGet, path: "/20160918/computeClusters", handle: listComputeClusters},
		{name: "GetComputeCluster", method: http.MethodGet, path: "/20160918/computeClusters/{id}", handle: getComputeCluster},
	}
}

func listReservations(s *Simulator, c *call) (*reply, error) {
	compartment, err := s.inCompartment(c)
	if err != nil {
		return nil, err
	}
	var out []core.ComputeCapacityReservationSummary
	for _, r := range s.state.reservations.all() {
		m := r.model
		if *m.CompartmentId == compartment && c.is("availabilityDomain", *m.AvailabilityDomain) && c.is("displayName", *m.DisplayName) && c.is("lifecycleState", string(m.LifecycleState)) {
			out = append(out, core.ComputeCapacityReservationSummary{Id: m.Id, AvailabilityDomain: m.AvailabilityDomain, TimeCreated: m.TimeCreated,
				CompartmentId: m.CompartmentId, DisplayName: m.DisplayName, DefinedTags: m.DefinedTags, FreeformTags: m.FreeformTags,
				LifecycleState: m.LifecycleState, ReservedInstanceCount: m.ReservedInstanceCount, UsedInstanceCount: m.UsedInstanceCount, IsDefaultReservation: m.IsDefaultReservation})
		}
	}
	return list(c, out, func(m core.ComputeCapacityReservationSummary) string { return *m.Id })
}

func getReservation(s *Simulator, c *call) (*reply, error) {
	r, known := s.state.reservations.get(c.path("id"))
	if !known {
		return nil, notFound("capacity reservation %s", c.path("id"))
	}
	return ok(r.model).with("etag", "1"), nil
}

// AddComputeCluster makes a compute cluster (an RDMA network) in an AD and returns its OCID.
func (s *Simulator) AddComputeCluster(name, ad string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.availabilityDomain(ad); err != nil {
		return "", err
	}
	id := s.newID("computecluster")
	s.state.clusters.put(id, &core.ComputeCluster{AvailabilityDomain: lo.ToPtr(ad), CompartmentId: lo.ToPtr(s.world.CompartmentID), Id: lo.ToPtr(id),
		LifecycleState: core.ComputeClusterLifecycleStateActive, TimeCreated: stamp(s.clock.Now()), DisplayName: lo.ToPtr(name),
		FreeformTags: map[string]string{}, DefinedTags: map[string]map[string]any{}})
	return id, nil
}

func listComputeClusters(s *Simulator, c *call) (*reply, error) {
	compartment, err := s.inCompartment(c)
	if err != nil {
		return nil, err
	}
	var out []core.ComputeCluster
	for _, m := range s.state.clusters.all() {
		if *m.CompartmentId == compartment && c.is("availabilityDomain", *m.AvailabilityDomain) && c.is("displayName", *m.DisplayName) {
			out = append(out, *m)
		}
	}
	return listItems(c, out, func(m core.ComputeCluster) string { return *m.Id })
}

func getComputeCluster(s *Simulator, c *call) (*reply, error) {
	m, known := s.state.clusters.get(c.path("id"))
	if !known {
		return nil, notFound("compute cluster %s", c.path("id"))
	}
	return ok(*m).with("etag", "1"), nil
}
