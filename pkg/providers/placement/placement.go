// Package placement finds what a node class says about where in an availability domain its nodes run, and on whose capacity:
// capacity reservations, compute clusters, cluster placement groups and dedicated VM hosts.
package placement

import (
	"context"
	"math"
	"slices"

	"github.com/oracle/oci-go-sdk/v65/clusterplacementgroups"
	"github.com/oracle/oci-go-sdk/v65/core"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/pkg/oci"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/selection"
)

// API is the part of the OCI client that this package calls.
type API interface {
	ListComputeCapacityReservations(ctx context.Context, compartmentID string) ([]core.ComputeCapacityReservationSummary, error)
	GetComputeCapacityReservation(ctx context.Context, id string) (core.ComputeCapacityReservation, error)
	ListComputeClusters(ctx context.Context, compartmentID string) ([]core.ComputeClusterSummary, error)
	GetComputeCluster(ctx context.Context, id string) (core.ComputeCluster, error)
	ListDedicatedVMHosts(ctx context.Context, compartmentID string) ([]core.DedicatedVmHostSummary, error)
	GetDedicatedVMHost(ctx context.Context, id string) (core.DedicatedVmHost, error)
	ListClusterPlacementGroups(ctx context.Context, compartmentID string) ([]clusterplacementgroups.ClusterPlacementGroupSummary, error)
	GetClusterPlacementGroup(ctx context.Context, id string) (clusterplacementgroups.ClusterPlacementGroup, error)
}

// Provider resolves the selectors of a class's placement. compartmentID is where names and tags are looked up unless a term
// names another compartment. Each returns *selection.UnresolvedError when a term matches nothing usable or more than OCI
// allows, and the OCI client's error when OCI could not be asked. No terms select nothing and ask nothing.
type Provider interface {
	CapacityReservations(ctx context.Context, terms []v1alpha1.PlacementSelectorTerm, compartmentID string) ([]v1alpha1.CapacityReservation, error)
	// ComputeClusters finds at most one in each availability domain.
	ComputeClusters(ctx context.Context, terms []v1alpha1.PlacementSelectorTerm, compartmentID string) ([]v1alpha1.ZonalResource, error)
	// ClusterPlacementGroups finds at most one in each availability domain.
	ClusterPlacementGroups(ctx context.Context, terms []v1alpha1.PlacementSelectorTerm, compartmentID string) ([]v1alpha1.ZonalResource, error)
	DedicatedVMHosts(ctx context.Context, terms []v1alpha1.PlacementSelectorTerm, compartmentID string) ([]v1alpha1.DedicatedVMHost, error)
}

// DefaultProvider asks OCI's compute and cluster placement group services.
type DefaultProvider struct{ api API }

var _ Provider = (*DefaultProvider)(nil)

// NewProvider makes a provider; it asks OCI nothing yet.
func NewProvider(api API) *DefaultProvider { return &DefaultProvider{api: api} }

// active is the only lifecycle state that takes launches; the states around an update take them too where OCI says so.
const active = "ACTIVE"

// ReservationOpen says whether instances can be launched into a capacity reservation in this state.
func ReservationOpen(state core.ComputeCapacityReservationLifecycleStateEnum) bool {
	return state == core.ComputeCapacityReservationLifecycleStateActive || state == core.ComputeCapacityReservationLifecycleStateUpdating
}

// CapacityReservations implements Provider. A list does not say what is reserved, so each reservation that matches is read.
func (p *DefaultProvider) CapacityReservations(ctx context.Context, terms []v1alpha1.PlacementSelectorTerm, compartmentID string) ([]v1alpha1.CapacityReservation, error) {
	found, err := selection.Resolve(ctx, selection.Kind[core.ComputeCapacityReservation]{
		Name: "capacity reservation", CompartmentID: compartmentID,
		Usable: []string{active, string(core.ComputeCapacityReservationLifecycleStateUpdating)},
		Get:    p.api.GetComputeCapacityReservation,
		List: func(ctx context.Context, compartmentID string) ([]core.ComputeCapacityReservation, error) {
			summaries, err := p.api.ListComputeCapacityReservations(ctx, compartmentID)
			out := make([]core.ComputeCapacityReservation, 0, len(summaries))
			for _, s := range summaries {
				out = append(out, core.ComputeCapacityReservation{Id: s.Id, DisplayName: s.DisplayName, FreeformTags: s.FreeformTags, DefinedTags: s.DefinedTags, LifecycleState: s.LifecycleState})
			}
			return out, err
		},
		Facts: func(r core.ComputeCapacityReservation) selection.Facts {
			return selection.Facts{ID: oci.Value(r.Id), Name: oci.Value(r.DisplayName), Freeform: r.FreeformTags, Defined: r.DefinedTags, State: string(r.LifecycleState)}
		},
	}, selectors(terms))
	if err != nil {
		return nil, err
	}
	out := make([]v1alpha1.CapacityReservation, 0, len(found))
	for _, r := range found {
		if r.InstanceReservationConfigs == nil {
			if r, err = p.api.GetComputeCapacityReservation(ctx, oci.Value(r.Id)); err != nil {
				return nil, err
			}
		}
		out = append(out, v1alpha1.CapacityReservation{
			ZonalResource: v1alpha1.ZonalResource{ID: oci.Value(r.Id), Name: oci.Value(r.DisplayName), AvailabilityDomain: oci.Value(r.AvailabilityDomain)},
			Shapes:        ReservedShapes(r.InstanceReservationConfigs),
		})
	}
	return out, nil
}

// ReservedShapes reads what a reservation holds, each shape, size and fault domain once. OCI's GB of memory are GiB.
func ReservedShapes(configs []core.InstanceReservationConfig) []v1alpha1.ReservedShape {
	out := make([]v1alpha1.ReservedShape, 0, len(configs))
	for _, c := range configs {
		shape := v1alpha1.ReservedShape{Shape: oci.Value(c.InstanceShape), FaultDomain: oci.Value(c.FaultDomain), Reserved: oci.Value(c.ReservedCount), Used: oci.Value(c.UsedCount)}
		if size := c.InstanceShapeConfig; size != nil {
			shape.OCPUs, shape.Memory = ocpus(size.Ocpus), memory(size.MemoryInGBs)
		}
		if i := slices.IndexFunc(out, shape.SameSlot); i >= 0 {
			out[i].Reserved, out[i].Used = out[i].Reserved+shape.Reserved, out[i].Used+shape.Used
			continue
		}
		out = append(out, shape)
	}
	return out
}

// ComputeClusters implements Provider.
func (p *DefaultProvider) ComputeClusters(ctx context.Context, terms []v1alpha1.PlacementSelectorTerm, compartmentID string) ([]v1alpha1.ZonalResource, error) {
	found, err := selection.Resolve(ctx, selection.Kind[core.ComputeClusterSummary]{
		Name: "compute cluster", CompartmentID: compartmentID, Usable: []string{active},
		Get: func(ctx context.Context, id string) (core.ComputeClusterSummary, error) {
			c, err := p.api.GetComputeCluster(ctx, id)
			return core.ComputeClusterSummary{Id: c.Id, DisplayName: c.DisplayName, AvailabilityDomain: c.AvailabilityDomain, LifecycleState: c.LifecycleState}, err
		},
		List: p.api.ListComputeClusters,
		Facts: func(c core.ComputeClusterSummary) selection.Facts {
			return selection.Facts{ID: oci.Value(c.Id), Name: oci.Value(c.DisplayName), Freeform: c.FreeformTags, Defined: c.DefinedTags, State: string(c.LifecycleState)}
		},
	}, selectors(terms))
	if err != nil {
		return nil, err
	}
	out := make([]v1alpha1.ZonalResource, 0, len(found))
	for _, c := range found {
		out = append(out, v1alpha1.ZonalResource{ID: oci.Value(c.Id), Name: oci.Value(c.DisplayName), AvailabilityDomain: oci.Value(c.AvailabilityDomain)})
	}
	return onePerDomain("compute clusters", out)
}

// ClusterPlacementGroups implements Provider.
func (p *DefaultProvider) ClusterPlacementGroups(ctx context.Context, terms []v1alpha1.PlacementSelectorTerm, compartmentID string) ([]v1alpha1.ZonalResource, error) {
	found, err := selection.Resolve(ctx, selection.Kind[clusterplacementgroups.ClusterPlacementGroupSummary]{
		Name: "cluster placement group", CompartmentID: compartmentID, Usable: []string{active},
		Get: func(ctx context.Context, id string) (clusterplacementgroups.ClusterPlacementGroupSummary, error) {
			g, err := p.api.GetClusterPlacementGroup(ctx, id)
			return clusterplacementgroups.ClusterPlacementGroupSummary{Id: g.Id, Name: g.Name, AvailabilityDomain: g.AvailabilityDomain, LifecycleState: g.LifecycleState}, err
		},
		List: p.api.ListClusterPlacementGroups,
		Facts: func(g clusterplacementgroups.ClusterPlacementGroupSummary) selection.Facts {
			return selection.Facts{ID: oci.Value(g.Id), Name: oci.Value(g.Name), Freeform: g.FreeformTags, Defined: g.DefinedTags, State: string(g.LifecycleState)}
		},
	}, selectors(terms))
	if err != nil {
		return nil, err
	}
	out := make([]v1alpha1.ZonalResource, 0, len(found))
	for _, g := range found {
		out = append(out, v1alpha1.ZonalResource{ID: oci.Value(g.Id), Name: oci.Value(g.Name), AvailabilityDomain: oci.Value(g.AvailabilityDomain)})
	}
	return onePerDomain("cluster placement groups", out)
}

// DedicatedVMHosts implements Provider. A list carries no tags, so each host that is active is read: a compartment holds few.
func (p *DefaultProvider) DedicatedVMHosts(ctx context.Context, terms []v1alpha1.PlacementSelectorTerm, compartmentID string) ([]v1alpha1.DedicatedVMHost, error) {
	found, err := selection.Resolve(ctx, selection.Kind[core.DedicatedVmHost]{
		Name: "dedicated VM host", CompartmentID: compartmentID, Usable: []string{active, string(core.DedicatedVmHostLifecycleStateUpdating)},
		Get: p.api.GetDedicatedVMHost, List: p.hosts,
		Facts: func(h core.DedicatedVmHost) selection.Facts {
			return selection.Facts{ID: oci.Value(h.Id), Name: oci.Value(h.DisplayName), Freeform: h.FreeformTags, Defined: h.DefinedTags, State: string(h.LifecycleState)}
		},
	}, selectors(terms))
	if err != nil {
		return nil, err
	}
	out := make([]v1alpha1.DedicatedVMHost, 0, len(found))
	for _, h := range found {
		out = append(out, v1alpha1.DedicatedVMHost{
			ZonalResource: v1alpha1.ZonalResource{ID: oci.Value(h.Id), Name: oci.Value(h.DisplayName), AvailabilityDomain: oci.Value(h.AvailabilityDomain)},
			FaultDomain:   oci.Value(h.FaultDomain), RemainingOCPUs: ocpus(h.RemainingOcpus), RemainingMemory: memory(h.RemainingMemoryInGBs),
		})
	}
	return out, nil
}

func (p *DefaultProvider) hosts(ctx context.Context, compartmentID string) ([]core.DedicatedVmHost, error) {
	summaries, err := p.api.ListDedicatedVMHosts(ctx, compartmentID)
	if err != nil {
		return nil, err
	}
	var out []core.DedicatedVmHost
	for _, s := range summaries {
		if s.LifecycleState != core.DedicatedVmHostSummaryLifecycleStateActive && s.LifecycleState != core.DedicatedVmHostSummaryLifecycleStateUpdating {
			continue
		}
		host, err := p.api.GetDedicatedVMHost(ctx, oci.Value(s.Id))
		if oci.ClassOf(err) == oci.ClassNotFound { // it went between the two reads
			continue
		}
		if err != nil {
			return nil, err
		}
		out = append(out, host)
	}
	return out, nil
}

// onePerDomain refuses a second one in an availability domain: a launch takes one, and which would be chance.
func onePerDomain(plural string, found []v1alpha1.ZonalResource) ([]v1alpha1.ZonalResource, error) {
	names := map[string]string{}
	for _, r := range found {
		if first, taken := names[r.AvailabilityDomain]; taken {
			return nil, selection.Unresolved("the %s %q and %q are both in %s and a node is launched into one; select one for each availability domain", plural, first, r.Name, r.AvailabilityDomain)
		}
		names[r.AvailabilityDomain] = r.Name
	}
	return found, nil
}

func ocpus(n *float32) *resource.Quantity {
	if n == nil {
		return nil
	}
	return resource.NewMilliQuantity(int64(math.Round(float64(*n)*1000)), resource.DecimalSI)
}

func memory(gb *float32) *resource.Quantity {
	if gb == nil {
		return nil
	}
	return resource.NewQuantity(int64(math.Round(float64(*gb)*(1<<30))), resource.BinarySI)
}

func selectors(terms []v1alpha1.PlacementSelectorTerm) []v1alpha1.Selector {
	out := make([]v1alpha1.Selector, 0, len(terms))
	for _, t := range terms {
		out = append(out, t.Selector())
	}
	return out
}
