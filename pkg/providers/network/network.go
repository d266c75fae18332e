// Package network finds the subnets and network security groups that a node class selects.
package network

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/oracle/oci-go-sdk/v65/core"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/pkg/oci"
)

// MaxSecurityGroups is how many network security groups a VNIC can join (OCI Networking documentation).
const MaxSecurityGroups = 5

// API is the part of the OCI client that this package calls.
type API interface {
	GetSubnet(ctx context.Context, id string) (core.Subnet, error)
	ListSubnets(ctx context.Context, compartmentID, vcnID string) ([]core.Subnet, error)
	GetNetworkSecurityGroup(ctx context.Context, id string) (core.NetworkSecurityGroup, error)
	ListNetworkSecurityGroups(ctx context.Context, compartmentID, vcnID string) ([]core.NetworkSecurityGroup, error)
}

// Provider resolves network selectors. vcnID is the VCN in which names are looked up. Both return *UnresolvedError when a
// term matches nothing usable, and the OCI client's error when OCI could not be asked.
type Provider interface {
	Subnets(ctx context.Context, terms []v1alpha1.SubnetSelectorTerm, vcnID string) ([]v1alpha1.Subnet, error)
	SecurityGroups(ctx context.Context, terms []v1alpha1.SecurityGroupSelectorTerm, vcnID string) ([]v1alpha1.SecurityGroup, error)
}

// UnresolvedError says that a selector can not be used as it is; the message tells what to change.
type UnresolvedError struct{ Message string }

func (e *UnresolvedError) Error() string { return e.Message }

// DefaultProvider asks OCI's networking service.
type DefaultProvider struct {
	api           API
	compartmentID string
}

var _ Provider = (*DefaultProvider)(nil)

// NewProvider makes a provider that looks names up in one compartment.
func NewProvider(api API, compartmentID string) *DefaultProvider {
	return &DefaultProvider{api: api, compartmentID: compartmentID}
}

// Subnets implements Provider. The result is ordered by id and free of repeats.
func (p *DefaultProvider) Subnets(ctx context.Context, terms []v1alpha1.SubnetSelectorTerm, vcnID string) ([]v1alpha1.Subnet, error) {
	found, err := resolve(terms, lookup[v1alpha1.SubnetSelectorTerm, core.Subnet]{
		kind:   "subnet",
		vcnID:  vcnID,
		term:   func(t v1alpha1.SubnetSelectorTerm) (string, string) { return t.ID, t.Name },
		get:    func(id string) (core.Subnet, error) { return p.api.GetSubnet(ctx, id) },
		list:   func() ([]core.Subnet, error) { return p.api.ListSubnets(ctx, p.compartmentID, vcnID) },
		name:   func(s core.Subnet) string { return oci.Value(s.DisplayName) },
		usable: func(s core.Subnet) bool { return s.LifecycleState == core.SubnetLifecycleStateAvailable },
	})
	if err != nil {
		return nil, err
	}
	out := make([]v1alpha1.Subnet, 0, len(found))
	for _, s := range found {
		out = append(out, v1alpha1.Subnet{ID: oci.Value(s.Id), Name: oci.Value(s.DisplayName), AvailabilityDomain: oci.Value(s.AvailabilityDomain)})
	}
	return unique(out, func(s v1alpha1.Subnet) string { return s.ID }), nil
}

// SecurityGroups implements Provider. The result is ordered by id and free of repeats.
func (p *DefaultProvider) SecurityGroups(ctx context.Context, terms []v1alpha1.SecurityGroupSelectorTerm, vcnID string) ([]v1alpha1.SecurityGroup, error) {
	found, err := resolve(terms, lookup[v1alpha1.SecurityGroupSelectorTerm, core.NetworkSecurityGroup]{
		kind:  "network security group",
		vcnID: vcnID,
		term:  func(t v1alpha1.SecurityGroupSelectorTerm) (string, string) { return t.ID, t.Name },
		get: func(id string) (core.NetworkSecurityGroup, error) {
			return p.api.GetNetworkSecurityGroup(ctx, id)
		},
		list: func() ([]core.NetworkSecurityGroup, error) {
			return p.api.ListNetworkSecurityGroups(ctx, p.compartmentID, vcnID)
		},
		name: func(g core.NetworkSecurityGroup) string { return oci.Value(g.DisplayName) },
		usable: func(g core.NetworkSecurityGroup) bool {
			return g.LifecycleState == core.NetworkSecurityGroupLifecycleStateAvailable
		},
	})
	if err != nil {
		return nil, err
	}
	out := make([]v1alpha1.SecurityGroup, 0, len(found))
	for _, g := range found {
		out = append(out, v1alpha1.SecurityGroup{ID: oci.Value(g.Id), Name: oci.Value(g.DisplayName)})
	}
	out = unique(out, func(g v1alpha1.SecurityGroup) string { return g.ID })
	if len(out) > MaxSecurityGroups {
		return nil, &UnresolvedError{Message: fmt.Sprintf("%d network security groups match and a node's VNIC can join %d; select fewer", len(out), MaxSecurityGroups)}
	}
	return out, nil
}

// lookup says how one kind of network object is found.
type lookup[Term, Object any] struct {
	kind   string
	vcnID  string
	term   func(Term) (id, name string)
	get    func(id string) (Object, error)
	list   func() ([]Object, error)
	name   func(Object) string
	usable func(Object) bool
}

// resolve finds the objects of every term; a term that finds nothing is an error. Names are compared here, over all pages of
// the list, since some realms ignore a name filter; the list is read once however many terms need it.
func resolve[Term, Object any](terms []Term, l lookup[Term, Object]) ([]Object, error) {
	var out, all []Object
	listed := false
	for _, term := range terms {
		id, name := l.term(term)
		if id != "" {
			object, err := l.get(id)
			if oci.ClassOf(err) == oci.ClassNotFound {
				return nil, &UnresolvedError{Message: fmt.Sprintf("the %s %s does not exist or the controller may not read it", l.kind, id)}
			}
			if err != nil {
				return nil, err
			}
			if !l.usable(object) {
				return nil, &UnresolvedError{Message: fmt.Sprintf("the %s %s is not available", l.kind, id)}
			}
			out = append(out, object)
			continue
		}
		if !listed {
			var err error
			if all, err = l.list(); err != nil {
				return nil, err
			}
			listed = true
		}
		before := len(out)
		for _, object := range all {
			if l.name(object) == name && l.usable(object) {
				out = append(out, object)
			}
		}
		if len(out) == before {
			return nil, &UnresolvedError{Message: fmt.Sprintf("no available %s is named %q in VCN %s", l.kind, name, l.vcnID)}
		}
	}
	return out, nil
}

func unique[T any](items []T, key func(T) string) []T {
	slices.SortFunc(items, func(a, b T) int { return cmp.Compare(key(a), key(b)) })
	return slices.CompactFunc(items, func(a, b T) bool { return key(a) == key(b) })
}
