package ocisim

import (
	"fmt"
	"net/http"
	"reflect"
	"slices"

	"github.com/oracle/oci-go-sdk/v65/core"
	"github.com/samber/lo"
)

// reservation is a capacity reservation; its configurations count what is in use.
type reservation struct {
	model core.ComputeCapacityReservation
}

// ReservationSpec describes a capacity reservation of one shape and size; more are added to it by its ID.
type ReservationSpec struct {
	// ID is set to change an existing reservation: the count of its first shape, or, where Shape is set too, of that shape, which is added
	// if it is not there.
	ID                 string  `json:"id,omitempty"`
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

// SetReservation makes a capacity reservation, or changes the one named by ID, and returns its OCID.
func (s *Simulator) SetReservation(spec ReservationSpec) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if spec.ID != "" && spec.Shape == "" {
		r, known := s.state.reservations.get(spec.ID)
		if !known {
			return "", notFound("capacity reservation %s", spec.ID)
		}
		r.change(0, func(c *core.InstanceReservationConfig) { c.ReservedCount = lo.ToPtr(spec.Count) })
		return spec.ID, nil
	}
	config, err := s.reservationConfig(spec)
	if err != nil {
		return "", err
	}
	if spec.ID != "" {
		r, known := s.state.reservations.get(spec.ID)
		if !known {
			return "", notFound("capacity reservation %s", spec.ID)
		}
		r.put(config)
		return spec.ID, nil
	}
	if err := s.availabilityDomain(spec.AvailabilityDomain); err != nil {
		return "", err
	}
	id := s.newID("capacityreservation")
	r := &reservation{model: core.ComputeCapacityReservation{AvailabilityDomain: lo.ToPtr(spec.AvailabilityDomain),
		CompartmentId: lo.ToPtr(s.world.CompartmentID), Id: lo.ToPtr(id), LifecycleState: core.ComputeCapacityReservationLifecycleStateActive,
		TimeCreated: stamp(s.clock.Now()), DisplayName: lo.ToPtr(spec.Name), IsDefaultReservation: lo.ToPtr(false),
		FreeformTags: emptyIfNil(spec.FreeformTags), DefinedTags: emptyIfNil(spec.DefinedTags)}}
	r.put(config)
	s.state.reservations.put(id, r)
	return id, nil
}

func (s *Simulator) reservationConfig(spec ReservationSpec) (core.InstanceReservationConfig, error) {
	shape, known := s.shape(spec.Shape)
	if !known {
		return core.InstanceReservationConfig{}, shapeNotFound(spec.Shape)
	}
	config := core.InstanceReservationConfig{InstanceShape: shape.Shape, ReservedCount: lo.ToPtr(spec.Count), UsedCount: lo.ToPtr(int64(0)),
		FaultDomain: lo.EmptyableToPtr(spec.FaultDomain)}
	if lo.FromPtr(shape.IsFlexible) {
		if spec.OCPUs <= 0 || spec.MemoryGB <= 0 {
			return core.InstanceReservationConfig{}, fmt.Errorf("a reservation of the flexible shape %s needs ocpus and memoryInGBs", spec.Shape)
		}
		config.InstanceShapeConfig = &core.InstanceReservationShapeConfigDetails{Ocpus: lo.ToPtr(float32(spec.OCPUs)), MemoryInGBs: lo.ToPtr(float32(spec.MemoryGB))}
	}
	return config, nil
}

// EndReservation deletes a capacity reservation. Its instances run on without one. Uncertain: the documentation asks to empty a
// reservation first; what is known to happen to instances is that they lose it and go on.
func (s *Simulator) EndReservation(id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, known := s.state.reservations.get(id)
	if !known {
		return notFound("capacity reservation %s", id)
	}
	r.model.LifecycleState = core.ComputeCapacityReservationLifecycleStateDeleted
	for _, i := range s.state.instances.all() {
		if lo.FromPtr(i.model.CapacityReservationId) == id {
			i.model.CapacityReservationId = nil
		}
	}
	return nil
}

// put adds what is reserved, or replaces the count of the same shape, size and fault domain.
func (r *reservation) put(config core.InstanceReservationConfig) {
	for n, c := range r.model.InstanceReservationConfigs {
		if sameReserved(c, config) {
			r.change(n, func(c *core.InstanceReservationConfig) { c.ReservedCount = config.ReservedCount })
			return
		}
	}
	r.model.InstanceReservationConfigs = append(slices.Clone(r.model.InstanceReservationConfigs), config)
	r.change(0, func(*core.InstanceReservationConfig) {})
}

func sameReserved(a, b core.InstanceReservationConfig) bool {
	return *a.InstanceShape == *b.InstanceShape && lo.FromPtr(a.FaultDomain) == lo.FromPtr(b.FaultDomain) && reflect.DeepEqual(a.InstanceShapeConfig, b.InstanceShapeConfig)
}

// holds finds what of the reservation is for a shape, size and fault domain.
func (r *reservation) holds(shape string, z size, fd string) (int, bool) {
	for n, c := range r.model.InstanceReservationConfigs {
		if *c.InstanceShape != shape || (c.FaultDomain != nil && *c.FaultDomain != fd) {
			continue
		}
		if wanted := c.InstanceShapeConfig; wanted == nil || (float64(*wanted.Ocpus) == z.ocpus && float64(*wanted.MemoryInGBs) == z.memoryGB) {
			return n, true
		}
	}
	return 0, false
}

// fits says whether the launch matches what is reserved exactly and one of it is free.
func (r *reservation) fits(p *launchPlan, fd string) bool {
	n, found := r.holds(*p.shape.Shape, p.size, fd)
	if !found || r.model.LifecycleState == core.ComputeCapacityReservationLifecycleStateDeleted {
		return false
	}
	c := r.model.InstanceReservationConfigs[n]
	return *c.UsedCount < *c.ReservedCount
}

// count adds to what instances of a shape, size and fault domain use.
func (r *reservation) count(shape string, z size, fd string, by int64) {
	if n, found := r.holds(shape, z, fd); found {
		r.change(n, func(c *core.InstanceReservationConfig) { c.UsedCount = lo.ToPtr(*c.UsedCount + by) })
	}
}

// change changes one of the reserved shapes on a copy, as an answer on its way out may still hold the old one, and adds all up.
func (r *reservation) change(n int, change func(*core.InstanceReservationConfig)) {
	configs := slices.Clone(r.model.InstanceReservationConfigs)
	change(&configs[n])
	r.model.InstanceReservationConfigs = configs
	r.model.UsedInstanceCount = lo.ToPtr(lo.SumBy(configs, func(c core.InstanceReservationConfig) int64 { return *c.UsedCount }))
	r.model.ReservedInstanceCount = lo.ToPtr(lo.SumBy(configs, func(c core.InstanceReservationConfig) int64 { return *c.ReservedCount }))
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
