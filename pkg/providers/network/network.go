// Package network finds the subnets and network security groups that a node class selects.
package network

import (
	"context"
	"math"
	"net/netip"

	"github.com/oracle/oci-go-sdk/v65/core"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/pkg/oci"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/selection"
)

const (
	// MaxSecurityGroups is how many network security groups a VNIC can join (OCI Networking documentation).
	MaxSecurityGroups = 5
	// reservedAddresses is how many IPv4 addresses of every block OCI keeps for itself: the first two and the last (OCI
	// Networking documentation).
	reservedAddresses = 3
)

// API is the part of the OCI client that this package calls.
type API interface {
	GetSubnet(ctx context.Context, id string) (core.Subnet, error)
	ListSubnets(ctx context.Context, compartmentID, vcnID string) ([]core.Subnet, error)
	GetNetworkSecurityGroup(ctx context.Context, id string) (core.NetworkSecurityGroup, error)
	ListNetworkSecurityGroups(ctx context.Context, compartmentID, vcnID string) ([]core.NetworkSecurityGroup, error)
	SubnetCIDRUtilization(ctx context.Context, subnetID string) ([]core.IpInventoryCidrUtilizationSummary, error)
}

// Provider resolves network selectors. vcnID is the VCN in which names and tags are looked up. Both return
// *selection.UnresolvedError when a term matches nothing usable, and the OCI client's error when OCI could not be asked.
type Provider interface {
	// Subnets finds subnets and, where the controller may read it, how many addresses are free in each.
	Subnets(ctx context.Context, terms []v1alpha1.SubnetSelectorTerm, vcnID string) ([]v1alpha1.Subnet, error)
	// SecurityGroups finds at most MaxSecurityGroups groups.
	SecurityGroups(ctx context.Context, terms []v1alpha1.SecurityGroupSelectorTerm, vcnID string) ([]v1alpha1.SecurityGroup, error)
}

// DefaultProvider asks OCI's networking service.
type DefaultProvider struct {
	api           API
	compartmentID string
}

var _ Provider = (*DefaultProvider)(nil)

// NewProvider makes a provider that looks names and tags up in one compartment unless a term names another.
func NewProvider(api API, compartmentID string) *DefaultProvider {
	return &DefaultProvider{api: api, compartmentID: compartmentID}
}

// Subnets implements Provider. The result is ordered by id and free of repeats.
func (p *DefaultProvider) Subnets(ctx context.Context, terms []v1alpha1.SubnetSelectorTerm, vcnID string) ([]v1alpha1.Subnet, error) {
	found, err := selection.Resolve(ctx, selection.Kind[core.Subnet]{
		Name: "subnet", CompartmentID: p.compartmentID, Where: "VCN " + vcnID + ", ",
		Usable: []string{string(core.SubnetLifecycleStateAvailable), string(core.SubnetLifecycleStateUpdating)},
		Get:    p.api.GetSubnet,
		List: func(ctx context.Context, compartmentID string) ([]core.Subnet, error) {
			return p.api.ListSubnets(ctx, compartmentID, vcnID)
		},
		Facts: func(s core.Subnet) selection.Facts {
			return selection.Facts{ID: oci.Value(s.Id), Name: oci.Value(s.DisplayName), Freeform: s.FreeformTags, Defined: s.DefinedTags, State: string(s.LifecycleState)}
		},
	}, selectors(terms))
	if err != nil {
		return nil, err
	}
	out := make([]v1alpha1.Subnet, 0, len(found))
	free := p.freeAddresses(ctx, found)
	for _, s := range found {
		out = append(out, v1alpha1.Subnet{
			ID: oci.Value(s.Id), Name: oci.Value(s.DisplayName), AvailabilityDomain: oci.Value(s.AvailabilityDomain),
			AvailableIPAddresses: free[oci.Value(s.Id)], IPv6: oci.Value(s.Ipv6CidrBlock) != "" || len(s.Ipv6CidrBlocks) > 0,
		})
	}
	return out, nil
}

// SecurityGroups implements Provider. The result is ordered by id and free of repeats.
func (p *DefaultProvider) SecurityGroups(ctx context.Context, terms []v1alpha1.SecurityGroupSelectorTerm, vcnID string) ([]v1alpha1.SecurityGroup, error) {
	found, err := selection.Resolve(ctx, selection.Kind[core.NetworkSecurityGroup]{
		Name: "network security group", CompartmentID: p.compartmentID, Where: "VCN " + vcnID + ", ",
		Usable: []string{string(core.NetworkSecurityGroupLifecycleStateAvailable)},
		Get:    p.api.GetNetworkSecurityGroup,
		List: func(ctx context.Context, compartmentID string) ([]core.NetworkSecurityGroup, error) {
			return p.api.ListNetworkSecurityGroups(ctx, compartmentID, vcnID)
		},
		Facts: func(g core.NetworkSecurityGroup) selection.Facts {
			return selection.Facts{ID: oci.Value(g.Id), Name: oci.Value(g.DisplayName), Freeform: g.FreeformTags, Defined: g.DefinedTags, State: string(g.LifecycleState)}
		},
	}, selectors(terms))
	if err != nil {
		return nil, err
	}
	out := make([]v1alpha1.SecurityGroup, 0, len(found))
	for _, g := range found {
		out = append(out, v1alpha1.SecurityGroup{ID: oci.Value(g.Id), Name: oci.Value(g.DisplayName)})
	}
	if len(out) > MaxSecurityGroups {
		return nil, selection.Unresolved("%d network security groups match and a VNIC can join %d; select fewer", len(out), MaxSecurityGroups)
	}
	return out, nil
}

// freeAddresses reads how many IPv4 addresses are free in each subnet, in one call a subnet. What can not be read is left out: a
// launch does not depend on it. The first refusal or failure ends the reading, since the others would meet the same.
func (p *DefaultProvider) freeAddresses(ctx context.Context, subnets []core.Subnet) map[string]*int64 {
	free := map[string]*int64{}
	for _, s := range subnets {
		id := oci.Value(s.Id)
		blocks, err := p.api.SubnetCIDRUtilization(ctx, id)
		if err != nil {
			return free
		}
		if n, ok := freeIn(blocks); ok {
			free[id] = &n
		}
	}
	return free
}

// freeIn counts what is free in the IPv4 blocks of a subnet; false when the answer has none that can be read. The utilization is
// taken as a percentage of the addresses that can be used: the API's documentation gives no unit, the console shows per cent.
func freeIn(blocks []core.IpInventoryCidrUtilizationSummary) (free int64, ok bool) {
	for _, block := range blocks {
		prefix, err := netip.ParsePrefix(oci.Value(block.Cidr))
		if err != nil || !prefix.Addr().Is4() || block.Utilization == nil {
			continue
		}
		size := math.Max(float64(int64(1)<<(32-prefix.Bits()))-reservedAddresses, 0)
		used := min(max(float64(*block.Utilization), 0), 100)
		free += int64(math.Round(size * (100 - used) / 100))
		ok = true
	}
	return free, ok
}

func selectors[T interface{ Selector() v1alpha1.Selector }](terms []T) []v1alpha1.Selector {
	out := make([]v1alpha1.Selector, 0, len(terms))
	for _, t := range terms {
		out = append(out, t.Selector())
	}
	return out
}
