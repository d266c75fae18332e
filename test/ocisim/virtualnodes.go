package ocisim

import (
	"fmt"
	"net/http"
	"time"

	"github.com/oracle/oci-go-sdk/v65/containerengine"
	"github.com/samber/lo"
)

// virtualPool is a virtual node pool and how its nodes are named.
type virtualPool struct {
	model containerengine.VirtualNodePool
}

// addVirtualPool makes the pool of two virtual nodes that a mixed cluster has.
func (st *state) addVirtualPool(o Options, now time.Time) {
	w := newWorld(o)
	st.virtualPools.put(w.VirtualNodePoolIDs[0], &virtualPool{model: containerengine.VirtualNodePool{Id: lo.ToPtr(w.VirtualNodePoolIDs[0]), CompartmentId: lo.ToPtr(w.CompartmentID),
		ClusterId: lo.ToPtr(w.ClusterID), DisplayName: lo.ToPtr("virtual"), KubernetesVersion: lo.ToPtr(o.KubernetesVersion), Size: lo.ToPtr(2),
		PlacementConfigurations: lo.Map(w.ADs, func(ad string, _ int) containerengine.PlacementConfiguration {
			return containerengine.PlacementConfiguration{AvailabilityDomain: lo.ToPtr(ad), SubnetId: lo.ToPtr(w.VirtualPodSubnetID), FaultDomain: []string{w.FDs[0]}}
		}),
		PodConfiguration:         &containerengine.PodConfiguration{SubnetId: lo.ToPtr(w.VirtualPodSubnetID), Shape: lo.ToPtr("Pod.Standard.E4.Flex")},
		InitialVirtualNodeLabels: []containerengine.InitialVirtualNodeLabel{{Key: lo.ToPtr("type"), Value: lo.ToPtr("virtual-node")}},
		Taints:                   []containerengine.Taint{{Key: lo.ToPtr("virtual-kubelet.io/provider"), Value: lo.ToPtr("oracle"), Effect: lo.ToPtr("NoSchedule")}},
		LifecycleState:           containerengine.VirtualNodePoolLifecycleStateActive, TimeCreated: stamp(now),
		FreeformTags: map[string]string{}, DefinedTags: map[string]map[string]any{}, SystemTags: map[string]map[string]any{}}})
}

// SetVirtualNodes sets the size of the virtual node pool.
func (s *Simulator) SetVirtualNodes(size int) error {
	if size < 0 {
		return fmt.Errorf("a virtual node pool cannot have %d nodes", size)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	pool, _ := s.state.virtualPools.get(s.world.VirtualNodePoolIDs[0])
	pool.model.Size = lo.ToPtr(size)
	return nil
}

func virtualNodeOperations() []operation {
	return []operation{
		{name: "ListVirtualNodePools", method: http.MethodGet, path: "/20180222/virtualNodePools", handle: listVirtualNodePools},
		{name: "GetVirtualNodePool", method: http.MethodGet, path: "/20180222/virtualNodePools/{id}", handle: getVirtualNodePool},
		{name: "ListVirtualNodes", method: http.MethodGet, path: "/20180222/virtualNodePools/{id}/virtualNodes", handle: listVirtualNodes},
	}
}

func listVirtualNodePools(s *Simulator, c *call) (*reply, error) {
	compartment, err := s.inCompartment(c)
	if err != nil {
		return nil, err
	}
	var out []containerengine.VirtualNodePoolSummary
	for _, p := range s.state.virtualPools.all() {
		m := p.model
		if *m.CompartmentId != compartment || !c.is("clusterId", *m.ClusterId) || !c.is("name", *m.DisplayName) || !c.oneOf("lifecycleState", string(m.LifecycleState)) {
			continue
		}
		out = append(out, containerengine.VirtualNodePoolSummary{Id: m.Id, CompartmentId: m.CompartmentId, ClusterId: m.ClusterId, DisplayName: m.DisplayName,
			KubernetesVersion: m.KubernetesVersion, Size: m.Size, PlacementConfigurations: m.PlacementConfigurations, PodConfiguration: m.PodConfiguration,
			InitialVirtualNodeLabels: m.InitialVirtualNodeLabels, Taints: m.Taints, NsgIds: m.NsgIds, LifecycleState: m.LifecycleState,
			TimeCreated: m.TimeCreated, FreeformTags: m.FreeformTags, DefinedTags: m.DefinedTags, SystemTags: m.SystemTags})
	}
	return list(c, out, func(m containerengine.VirtualNodePoolSummary) string { return *m.Id })
}

func (s *Simulator) virtualPoolOf(c *call) (*virtualPool, error) {
	p, known := s.state.virtualPools.get(c.path("id"))
	if !known {
		return nil, notFound("virtual node pool %s", c.path("id"))
	}
	return p, nil
}

func getVirtualNodePool(s *Simulator, c *call) (*reply, error) {
	p, err := s.virtualPoolOf(c)
	if err != nil {
		return nil, err
	}
	return ok(p.model).with("etag", "1"), nil
}

// listVirtualNodes spreads the pool's nodes over its ADs.
func listVirtualNodes(s *Simulator, c *call) (*reply, error) {
	p, err := s.virtualPoolOf(c)
	if err != nil {
		return nil, err
	}
	var out []containerengine.VirtualNodeSummary
	for n := range *p.model.Size {
		place := p.model.PlacementConfigurations[n%len(p.model.PlacementConfigurations)]
		out = append(out, containerengine.VirtualNodeSummary{Id: lo.ToPtr(ocid("virtualnode", s.options, fmt.Sprint(n))), DisplayName: lo.ToPtr(fmt.Sprintf("virtual-%d", n+1)),
			VirtualNodePoolId: p.model.Id, KubernetesVersion: p.model.KubernetesVersion, AvailabilityDomain: place.AvailabilityDomain, FaultDomain: lo.ToPtr(place.FaultDomain[0]),
			SubnetId: place.SubnetId, PrivateIp: lo.ToPtr(fmt.Sprintf("10.0.191.%d", 10+n)), LifecycleState: containerengine.VirtualNodeLifecycleStateActive, TimeCreated: p.model.TimeCreated})
	}
	return list(c, out, func(m containerengine.VirtualNodeSummary) string { return *m.Id })
}
