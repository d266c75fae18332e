package ocisim

import (
	"fmt"
	"net/http"
	"net/netip"
	"time"

	"github.com/oracle/oci-go-sdk/v65/core"
	"github.com/samber/lo"
)

// subnet is a subnet with its address book.
type subnet struct {
	model  core.Subnet
	prefix netip.Prefix
	used   map[netip.Addr]bool
	v6     netip.Prefix // not valid for a subnet without IPv6
	last6  netip.Addr   // the IPv6 address handed out last; they are not used again
	cursor netip.Addr   // the next address to try; going round keeps a freed address out of use for long
}

// SubnetSpec describes a subnet to add to the simulated VCN.
type SubnetSpec struct {
	Name string `json:"name"`
	CIDR string `json:"cidr"` // inside 10.0.0.0/16
	// IPv6CIDR is the subnet's IPv6 prefix, 64 bits long; empty for none.
	IPv6CIDR           string `json:"ipv6Cidr,omitempty"`
	AvailabilityDomain string `json:"availabilityDomain,omitempty"` // full name; empty makes a regional subnet
	Public             bool   `json:"public,omitempty"`
	// CompartmentID is the world's compartment when empty.
	CompartmentID string                    `json:"compartmentId,omitempty"`
	FreeformTags  map[string]string         `json:"freeformTags,omitempty"`
	DefinedTags   map[string]map[string]any `json:"definedTags,omitempty"`
}

// reserved says whether OCI keeps the address for itself: the first two and the last of a subnet.
func (n *subnet) reserved(a netip.Addr) bool {
	first := n.prefix.Addr()
	return a == first || a == first.Next() || !n.prefix.Contains(a.Next())
}

// free counts the addresses that can still be handed out.
func (n *subnet) free() int { return 1<<(32-n.prefix.Bits()) - 3 - len(n.used) }

// take hands out the wanted address, or any when want is empty.
func (n *subnet) take(want string) (netip.Addr, error) {
	if want != "" {
		a, valid := addrOf(want)
		if !valid || !n.prefix.Contains(a) || n.reserved(a) {
			return a, invalid("privateIp %s is not a usable address of subnet %s", want, lo.FromPtr(n.model.Id))
		}
		if n.used[a] {
			return a, conflict("Conflict", "The private IP address %s is already in use in the subnet", want)
		}
		n.used[a] = true
		return a, nil
	}
	// Uncertain: no public source shows the real code for a full subnet; 400 LimitExceeded with the subnet's OCID in the message is the choice here.
	if n.free() <= 0 {
		return netip.Addr{}, &apiError{Status: http.StatusBadRequest, Code: "LimitExceeded",
			Message: fmt.Sprintf("There are no free private IP addresses in subnet %s", lo.FromPtr(n.model.Id))}
	}
	a := n.cursor
	for n.used[a] || n.reserved(a) || !n.prefix.Contains(a) {
		if a = a.Next(); !n.prefix.Contains(a) {
			a = n.prefix.Addr()
		}
	}
	n.used[a], n.cursor = true, a.Next()
	return a, nil
}

// take6 hands out an address of the subnet's IPv6 prefix, which it must have.
func (n *subnet) take6() netip.Addr {
	n.last6 = n.last6.Next()
	return n.last6
}

func (n *subnet) release(address string) {
	if a, valid := addrOf(address); valid {
		delete(n.used, a)
	}
}

// AddSubnet adds a subnet and returns its OCID. It fails when the block overlaps another subnet's.
func (s *Simulator) AddSubnet(spec SubnetSpec) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if spec.AvailabilityDomain != "" {
		if err := s.availabilityDomain(spec.AvailabilityDomain); err != nil {
			return "", err
		}
	}
	setDefault(&spec.CompartmentID, s.world.CompartmentID)
	if err := s.state.compartment(spec.CompartmentID); err != nil {
		return "", err
	}
	id := s.newID("subnet")
	return id, s.state.addSubnet(id, spec, s.world, s.clock.Now())
}

// AddSecurityGroup makes a network security group in the VCN and returns its OCID.
func (s *Simulator) AddSecurityGroup(spec Labelled) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	setDefault(&spec.CompartmentID, s.world.CompartmentID)
	if err := s.state.compartment(spec.CompartmentID); err != nil {
		return "", err
	}
	id := s.newID("networksecuritygroup")
	s.state.nsgs.put(id, core.NetworkSecurityGroup{CompartmentId: lo.ToPtr(spec.CompartmentID), Id: lo.ToPtr(id), VcnId: lo.ToPtr(s.world.VCNID),
		LifecycleState: core.NetworkSecurityGroupLifecycleStateAvailable, TimeCreated: stamp(s.clock.Now()), DisplayName: lo.ToPtr(spec.Name),
		FreeformTags: emptyIfNil(spec.FreeformTags), DefinedTags: emptyIfNil(spec.DefinedTags)})
	return id, nil
}

func (st *state) addSubnet(id string, spec SubnetSpec, w World, now time.Time) error {
	prefix, err := parseSubnetCIDR(spec.CIDR)
	if err != nil {
		return err
	}
	v6, err := parseIPv6CIDR(spec.IPv6CIDR)
	if err != nil {
		return err
	}
	for _, other := range st.subnets.all() {
		if other.prefix.Overlaps(prefix) {
			return fmt.Errorf("subnet %s (%s) overlaps subnet %s (%s)", spec.Name, prefix, lo.FromPtr(other.model.DisplayName), other.prefix)
		}
	}
	router := prefix.Addr().Next()
	st.subnets.put(id, &subnet{prefix: prefix, v6: v6, last6: v6.Addr(), used: map[netip.Addr]bool{}, cursor: router.Next(), model: core.Subnet{
		CompartmentId: lo.ToPtr(lo.CoalesceOrEmpty(spec.CompartmentID, w.CompartmentID)), Id: lo.ToPtr(id), LifecycleState: core.SubnetLifecycleStateAvailable,
		RouteTableId: lo.ToPtr(uniqueSibling(id, "routetable")), VcnId: lo.ToPtr(w.VCNID), VirtualRouterMac: lo.ToPtr("00:00:17:00:00:01"),
		VirtualRouterIp: lo.ToPtr(router.String()), AvailabilityDomain: lo.EmptyableToPtr(spec.AvailabilityDomain), CidrBlock: lo.ToPtr(prefix.String()),
		Ipv4CidrBlocks: []string{prefix.String()}, DisplayName: lo.ToPtr(spec.Name), ProhibitInternetIngress: lo.ToPtr(!spec.Public),
		ProhibitPublicIpOnVnic: lo.ToPtr(!spec.Public), SecurityListIds: []string{uniqueSibling(id, "securitylist")}, TimeCreated: stamp(now),
		FreeformTags: emptyIfNil(spec.FreeformTags), DefinedTags: emptyIfNil(spec.DefinedTags),
		Ipv6CidrBlock: lo.EmptyableToPtr(spec.IPv6CIDR), Ipv6CidrBlocks: lo.Compact([]string{spec.IPv6CIDR}),
	}})
	return nil
}

// uniqueSibling makes the OCID of a resource that only exists as a reference.
func uniqueSibling(of, kind string) string {
	return "ocid1." + kind + ".oc1.." + uniquePart(of, kind)
}

// roleTag marks the subnets and security groups of the cluster's network by what they are for.
func roleTag(role string) map[string]string { return map[string]string{"role": role} }

// addNetwork lays out the VCN: API endpoint, nodes, pods and the pods of virtual nodes.
func (st *state) addNetwork(o Options, w World, now time.Time) error {
	st.vcns.put(w.VCNID, core.Vcn{CidrBlock: lo.ToPtr("10.0.0.0/16"), CidrBlocks: []string{"10.0.0.0/16"}, CompartmentId: lo.ToPtr(w.CompartmentID),
		Id: lo.ToPtr(w.VCNID), LifecycleState: core.VcnLifecycleStateAvailable, DisplayName: lo.ToPtr("mixed"), TimeCreated: stamp(now),
		FreeformTags: map[string]string{}, DefinedTags: map[string]map[string]any{}})
	type wanted struct {
		id   string
		spec SubnetSpec
	}
	subnets := []wanted{{w.EndpointSubnetID, SubnetSpec{Name: "endpoint", CIDR: "10.0.0.0/28"}},
		{w.VirtualPodSubnetID, SubnetSpec{Name: "virtual-pods", CIDR: "10.0.128.0/18"}}}
	for i, cidr := range o.NodeSubnetCIDRs {
		subnets = append(subnets, wanted{w.NodeSubnetIDs[i], SubnetSpec{Name: fmt.Sprintf("nodes-%d", i+1), CIDR: cidr, FreeformTags: roleTag("nodes")}})
	}
	for i, cidr := range o.PodSubnetCIDRs {
		subnets = append(subnets, wanted{w.PodSubnetIDs[i], SubnetSpec{Name: fmt.Sprintf("pods-%d", i+1), CIDR: cidr, FreeformTags: roleTag("pods")}})
	}
	for i := range subnets {
		if serves := subnets[i].spec.FreeformTags["role"]; serves != "" && lo.Contains(o.IPFamilies, familyIPv6) {
			subnets[i].spec.IPv6CIDR = fmt.Sprintf("2603:c020:0:%x::/64", 0x100+i)
		}
	}
	for _, n := range subnets {
		if err := st.addSubnet(n.id, n.spec, w, now); err != nil {
			return err
		}
	}
	for i, name := range []string{"nodes", "pods"} {
		st.nsgs.put(w.NSGIDs[i], core.NetworkSecurityGroup{CompartmentId: lo.ToPtr(w.CompartmentID), Id: lo.ToPtr(w.NSGIDs[i]), VcnId: lo.ToPtr(w.VCNID),
			LifecycleState: core.NetworkSecurityGroupLifecycleStateAvailable, TimeCreated: stamp(now), DisplayName: lo.ToPtr(name),
			FreeformTags: roleTag(name), DefinedTags: map[string]map[string]any{}})
	}
	return nil
}

func networkOperations() []operation {
	return []operation{
		{name: "ListSubnets", method: http.MethodGet, path: "/20160918/subnets", handle: listSubnets},
		{name: "GetSubnet", method: http.MethodGet, path: "/20160918/subnets/{id}", handle: getSubnet},
		{name: "ListVcns", method: http.MethodGet, path: "/20160918/vcns", handle: listVCNs},
		{name: "GetVcn", method: http.MethodGet, path: "/20160918/vcns/{id}", handle: getVCN},
		{name: "ListNetworkSecurityGroups", method: http.MethodGet, path: "/20160918/networkSecurityGroups", handle: listNSGs},
		{name: "GetNetworkSecurityGroup", method: http.MethodGet, path: "/20160918/networkSecurityGroups/{id}", handle: getNSG},
	}
}

func listSubnets(s *Simulator, c *call) (*reply, error) {
	compartment, err := s.inCompartment(c)
	if err != nil {
		return nil, err
	}
	var out []core.Subnet
	for _, n := range s.state.subnets.all() {
		m := n.model
		if *m.CompartmentId == compartment && c.is("vcnId", *m.VcnId) && c.is("displayName", *m.DisplayName) && c.is("lifecycleState", string(m.LifecycleState)) {
			out = append(out, m)
		}
	}
	return list(c, out, func(m core.Subnet) string { return *m.Id })
}

func getSubnet(s *Simulator, c *call) (*reply, error) {
	n, known := s.state.subnets.get(c.path("id"))
	if !known {
		return nil, notFound("subnet %s", c.path("id"))
	}
	return ok(n.model).with("etag", "1"), nil
}

func listVCNs(s *Simulator, c *call) (*reply, error) {
	compartment, err := s.inCompartment(c)
	if err != nil {
		return nil, err
	}
	out := lo.Filter(s.state.vcns.all(), func(m core.Vcn, _ int) bool {
		return *m.CompartmentId == compartment && c.is("displayName", *m.DisplayName) && c.is("lifecycleState", string(m.LifecycleState))
	})
	return list(c, out, func(m core.Vcn) string { return *m.Id })
}

func getVCN(s *Simulator, c *call) (*reply, error) {
	m, known := s.state.vcns.get(c.path("id"))
	if !known {
		return nil, notFound("vcn %s", c.path("id"))
	}
	return ok(m).with("etag", "1"), nil
}

func listNSGs(s *Simulator, c *call) (*reply, error) {
	if !c.query.Has("compartmentId") && !c.query.Has("vlanId") {
		return nil, missing("compartmentId")
	}
	out := lo.Filter(s.state.nsgs.all(), func(m core.NetworkSecurityGroup, _ int) bool {
		return c.is("compartmentId", *m.CompartmentId) && c.is("vcnId", *m.VcnId) && c.is("displayName", *m.DisplayName) &&
			c.is("lifecycleState", string(m.LifecycleState))
	})
	return list(c, out, func(m core.NetworkSecurityGroup) string { return *m.Id })
}

func getNSG(s *Simulator, c *call) (*reply, error) {
	m, known := s.state.nsgs.get(c.path("id"))
	if !known {
		return nil, notFound("network security group %s", c.path("id"))
	}
	return ok(m).with("etag", "1"), nil
}
