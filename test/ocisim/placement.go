package ocisim

import (
	"net/http"
	"strings"

	"github.com/oracle/oci-go-sdk/v65/clusterplacementgroups"
	"github.com/oracle/oci-go-sdk/v65/core"
	"github.com/samber/lo"
)

// Labelled is what things that a selector can find have in common: where they are and what tags they carry.
type Labelled struct {
	Name          string                    `json:"name"`
	CompartmentID string                    `json:"compartmentId,omitempty"` // empty means the world's compartment
	FreeformTags  map[string]string         `json:"freeformTags,omitempty"`
	DefinedTags   map[string]map[string]any `json:"definedTags,omitempty"`
}

// PlaceSpec describes a dedicated VM host, a cluster placement group or a compute cluster of one AD.
type PlaceSpec struct {
	Labelled
	AvailabilityDomain string  `json:"availabilityDomain"`
	FaultDomain        string  `json:"faultDomain,omitempty"` // dedicated VM hosts only
	OCPUs              float32 `json:"ocpus,omitempty"`       // dedicated VM hosts only; default 64
	MemoryGB           float32 `json:"memoryInGBs,omitempty"` // dedicated VM hosts only; default 16 for each OCPU
	State              string  `json:"state,omitempty"`       // lifecycle state; default ACTIVE
}

// place checks what all places have in common and fills the defaults. The state must be locked.
func (s *Simulator) place(spec *PlaceSpec) error {
	setDefault(&spec.CompartmentID, s.world.CompartmentID)
	setDefault(&spec.State, "ACTIVE")
	if err := s.state.compartment(spec.CompartmentID); err != nil {
		return err
	}
	return s.availabilityDomain(spec.AvailabilityDomain)
}

// AddDedicatedVMHost makes a dedicated VM host and returns its OCID.
func (s *Simulator) AddDedicatedVMHost(spec PlaceSpec) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.place(&spec); err != nil {
		return "", err
	}
	setDefault(&spec.OCPUs, 64)
	setDefault(&spec.MemoryGB, 16*spec.OCPUs)
	setDefault(&spec.FaultDomain, s.world.FDs[0])
	id := s.newID("dedicatedvmhost")
	s.state.vmHosts.put(id, core.DedicatedVmHost{AvailabilityDomain: lo.ToPtr(spec.AvailabilityDomain), CompartmentId: lo.ToPtr(spec.CompartmentID),
		DedicatedVmHostShape: lo.ToPtr("DVH.Standard.E5.192"), DisplayName: lo.ToPtr(spec.Name), Id: lo.ToPtr(id),
		LifecycleState: core.DedicatedVmHostLifecycleStateEnum(spec.State), TimeCreated: stamp(s.clock.Now()), TotalOcpus: lo.ToPtr(spec.OCPUs),
		RemainingOcpus: lo.ToPtr(spec.OCPUs), FaultDomain: lo.ToPtr(spec.FaultDomain), TotalMemoryInGBs: lo.ToPtr(spec.MemoryGB),
		RemainingMemoryInGBs: lo.ToPtr(spec.MemoryGB), FreeformTags: emptyIfNil(spec.FreeformTags), DefinedTags: emptyIfNil(spec.DefinedTags)})
	return id, nil
}

// AddClusterPlacementGroup makes a cluster placement group and returns its OCID.
func (s *Simulator) AddClusterPlacementGroup(spec PlaceSpec) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.place(&spec); err != nil {
		return "", err
	}
	id := s.newID("clusterplacementgroup")
	s.state.placementGroups.put(id, clusterplacementgroups.ClusterPlacementGroup{Id: lo.ToPtr(id), Name: lo.ToPtr(spec.Name), Description: lo.ToPtr(spec.Name),
		CompartmentId: lo.ToPtr(spec.CompartmentID), AvailabilityDomain: lo.ToPtr(spec.AvailabilityDomain),
		ClusterPlacementGroupType: clusterplacementgroups.ClusterPlacementGroupTypeStandard, TimeCreated: stamp(s.clock.Now()),
		LifecycleState: clusterplacementgroups.ClusterPlacementGroupLifecycleStateEnum(spec.State), FreeformTags: emptyIfNil(spec.FreeformTags),
		DefinedTags: emptyIfNil(spec.DefinedTags), SystemTags: map[string]map[string]any{}})
	return id, nil
}

func placementOperations() []operation {
	return []operation{
		{name: "ListDedicatedVmHosts", method: http.MethodGet, path: "/20160918/dedicatedVmHosts", handle: listVMHosts},
		{name: "GetDedicatedVmHost", method: http.MethodGet, path: "/20160918/dedicatedVmHosts/{id}", handle: getVMHost},
		{name: "ListClusterPlacementGroups", method: http.MethodGet, path: "/20230801/clusterPlacementGroups", handle: listPlacementGroups},
		{name: "GetClusterPlacementGroup", method: http.MethodGet, path: "/20230801/clusterPlacementGroups/{id}", handle: getPlacementGroup},
	}
}

// listVMHosts answers summaries, which carry no tags.
func listVMHosts(s *Simulator, c *call) (*reply, error) {
	compartment, err := s.inCompartment(c)
	if err != nil {
		return nil, err
	}
	var out []core.DedicatedVmHostSummary
	for _, m := range s.state.vmHosts.all() {
		if *m.CompartmentId == compartment && c.is("availabilityDomain", *m.AvailabilityDomain) && c.is("displayName", *m.DisplayName) && c.is("lifecycleState", string(m.LifecycleState)) {
			out = append(out, core.DedicatedVmHostSummary{AvailabilityDomain: m.AvailabilityDomain, CompartmentId: m.CompartmentId,
				DedicatedVmHostShape: m.DedicatedVmHostShape, DisplayName: m.DisplayName, Id: m.Id, TimeCreated: m.TimeCreated, FaultDomain: m.FaultDomain,
				LifecycleState: core.DedicatedVmHostSummaryLifecycleStateEnum(m.LifecycleState), RemainingOcpus: m.RemainingOcpus, TotalOcpus: m.TotalOcpus,
				TotalMemoryInGBs: m.TotalMemoryInGBs, RemainingMemoryInGBs: m.RemainingMemoryInGBs})
		}
	}
	return list(c, out, func(m core.DedicatedVmHostSummary) string { return *m.Id })
}

func getVMHost(s *Simulator, c *call) (*reply, error) {
	m, known := s.state.vmHosts.get(c.path("id"))
	if !known {
		return nil, notFound("dedicated VM host %s", c.path("id"))
	}
	return ok(m).with("etag", "1"), nil
}

func listPlacementGroups(s *Simulator, c *call) (*reply, error) {
	var out []clusterplacementgroups.ClusterPlacementGroupSummary
	for _, m := range s.state.placementGroups.all() {
		if c.is("compartmentId", *m.CompartmentId) && c.is("ad", *m.AvailabilityDomain) && c.is("name", *m.Name) && c.is("lifecycleState", string(m.LifecycleState)) {
			out = append(out, clusterplacementgroups.ClusterPlacementGroupSummary{Id: m.Id, Name: m.Name, CompartmentId: m.CompartmentId,
				AvailabilityDomain: m.AvailabilityDomain, ClusterPlacementGroupType: m.ClusterPlacementGroupType, TimeCreated: m.TimeCreated,
				LifecycleState: m.LifecycleState, FreeformTags: m.FreeformTags, DefinedTags: m.DefinedTags})
		}
	}
	return listItems(c, out, func(m clusterplacementgroups.ClusterPlacementGroupSummary) string { return *m.Id })
}

func getPlacementGroup(s *Simulator, c *call) (*reply, error) {
	m, known := s.state.placementGroups.get(c.path("id"))
	if !known {
		return nil, notFound("cluster placement group %s", c.path("id"))
	}
	return ok(m).with("etag", "1"), nil
}

// checkPlaces holds a launch against the dedicated VM host and the cluster placement group it names. Uncertain: no public source shows the codes of
// the real refusals.
func (s *Simulator) checkPlaces(p *launchPlan) error {
	d := p.details
	if id := lo.FromPtr(d.DedicatedVmHostId); id != "" {
		host, known := s.state.vmHosts.get(id)
		switch {
		case !known:
			return relatedNotFound("dedicated VM host %s", id)
		case *host.AvailabilityDomain != *d.AvailabilityDomain:
			return invalid("dedicated VM host %s is not in availability domain %s", id, *d.AvailabilityDomain)
		case d.FaultDomain != nil && *d.FaultDomain != *host.FaultDomain:
			return invalid("dedicated VM host %s is not in fault domain %s", id, *d.FaultDomain)
		case !strings.HasPrefix(*p.shape.Shape, "VM."):
			return invalid("Shape %s is not a virtual machine and is not supported on a dedicated VM host", *p.shape.Shape)
		case p.baseline != "" && p.baseline != core.InstanceShapeConfigBaselineOcpuUtilization1:
			return invalid("burstable instances are not available on a dedicated VM host")
		case p.spot || lo.FromPtr(d.CapacityReservationId) != "":
			return invalid("preemptible instances and capacity reservations are not available on a dedicated VM host")
		}
	}
	if id := lo.FromPtr(d.ClusterPlacementGroupId); id != "" {
		group, known := s.state.placementGroups.get(id)
		if !known {
			return relatedNotFound("cluster placement group %s", id)
		}
		if *group.AvailabilityDomain != *d.AvailabilityDomain {
			return invalid("cluster placement group %s is not in availability domain %s", id, *d.AvailabilityDomain)
		}
	}
	return nil
}
