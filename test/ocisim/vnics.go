package ocisim

import (
	"fmt"
	"net/http"
	"time"

	"github.com/oracle/oci-go-sdk/v65/core"
	"github.com/samber/lo"
)

// vnic is a network card with the addresses it holds.
type vnic struct {
	model  core.Vnic
	subnet *subnet
	ips    []string // OCIDs of its private IPs
}

// vnicRequest is a VNIC that is to be made; check it first.
type vnicRequest struct {
	details core.CreateVnicDetails
	subnet  *subnet
}

// checkVNIC resolves what a VNIC refers to, as seen from an instance in the AD.
func (s *Simulator) checkVNIC(d *core.CreateVnicDetails, ad string) (vnicRequest, error) {
	if d == nil || lo.FromPtr(d.SubnetId) == "" {
		return vnicRequest{}, missing("createVnicDetails.subnetId")
	}
	n, known := s.state.subnets.get(*d.SubnetId)
	if !known {
		return vnicRequest{}, relatedNotFound("subnet %s", *d.SubnetId)
	}
	if own := lo.FromPtr(n.model.AvailabilityDomain); own != "" && own != ad {
		return vnicRequest{}, invalid("Parameter 'availabilityDomain' does not match. VNIC has '%s' while the subnet has '%s'", ad, own)
	}
	if err := s.checkNSGs(d.NsgIds); err != nil {
		return vnicRequest{}, err
	}
	if lo.FromPtr(d.AssignPublicIp) && lo.FromPtr(n.model.ProhibitPublicIpOnVnic) {
		return vnicRequest{}, invalid("Invalid VNIC creation parameters: assignPublicIp must be false, the subnet prohibits public IP addresses")
	}
	if lo.FromPtr(d.AssignIpv6Ip) && !n.v6.IsValid() {
		return vnicRequest{}, invalid("Invalid VNIC creation parameters: assignIpv6Ip must be false, subnet %s has no IPv6 prefix", *d.SubnetId)
	}
	return vnicRequest{details: *d, subnet: n}, checkTags(d.FreeformTags)
}

func (s *Simulator) checkNSGs(ids []string) error {
	for _, id := range ids {
		if _, known := s.state.nsgs.get(id); !known {
			return relatedNotFound("network security group %s", id)
		}
	}
	if len(ids) > 5 { // documented maximum for a VNIC
		return invalid("nsgIds has %d items, at most 5 are allowed", len(ids))
	}
	return nil
}

// makeVNIC creates the VNIC, its private IP and its attachment (ATTACHING). It fails when the subnet is full.
func (s *Simulator) makeVNIC(r vnicRequest, i *instance, name string, primary bool, now time.Time) (*vnic, *core.VnicAttachment, error) {
	address, err := r.subnet.take(lo.FromPtr(r.details.PrivateIp))
	if err != nil {
		return nil, nil, err
	}
	m := i.model
	v := &vnic{subnet: r.subnet, model: core.Vnic{AvailabilityDomain: m.AvailabilityDomain, CompartmentId: m.CompartmentId, Id: lo.ToPtr(s.newID("vnic")),
		LifecycleState: core.VnicLifecycleStateProvisioning, TimeCreated: stamp(now), DisplayName: lo.ToPtr(lo.CoalesceOrEmpty(lo.FromPtr(r.details.DisplayName), name)),
		HostnameLabel: r.details.HostnameLabel, IsPrimary: lo.ToPtr(primary), NsgIds: append([]string{}, r.details.NsgIds...), PrivateIp: lo.ToPtr(address.String()),
		SkipSourceDestCheck: lo.ToPtr(lo.FromPtr(r.details.SkipSourceDestCheck)), SubnetId: r.subnet.model.Id, FreeformTags: emptyIfNil(r.details.FreeformTags),
		DefinedTags: emptyIfNil(r.details.DefinedTags)}}
	if lo.FromPtr(r.details.AssignIpv6Ip) {
		v.model.Ipv6Addresses = []string{r.subnet.take6().String()}
	}
	v.model.MacAddress = lo.ToPtr(macOf(s.state.serial))
	s.state.vnics.put(*v.model.Id, v)
	s.addPrivateIP(v, address.String(), true, now)
	link := &core.VnicAttachment{AvailabilityDomain: m.AvailabilityDomain, CompartmentId: m.CompartmentId, Id: lo.ToPtr(s.newID("vnicattachment")),
		InstanceId: m.Id, LifecycleState: core.VnicAttachmentLifecycleStateAttaching, TimeCreated: stamp(now), NicIndex: lo.ToPtr(0),
		SubnetId: r.subnet.model.Id, VnicId: v.model.Id}
	s.state.vnicLinks.put(*link.Id, link)
	return v, link, nil
}

// addPrivateIP records an address that has been taken from the VNIC's subnet.
func (s *Simulator) addPrivateIP(v *vnic, address string, primary bool, now time.Time) core.PrivateIp {
	ip := &core.PrivateIp{AvailabilityDomain: v.model.AvailabilityDomain, CompartmentId: v.model.CompartmentId, Id: lo.ToPtr(s.newID("privateip")),
		DisplayName: v.model.DisplayName, IpAddress: lo.ToPtr(address), IsPrimary: lo.ToPtr(primary), SubnetId: v.model.SubnetId, VnicId: v.model.Id,
		TimeCreated: stamp(now), IpState: core.PrivateIpIpStateAssigned, Lifetime: core.PrivateIpLifetimeEphemeral,
		FreeformTags: map[string]string{}, DefinedTags: map[string]map[string]any{}}
	v.ips = append(v.ips, *ip.Id)
	s.state.privateIPs.put(*ip.Id, ip)
	return *ip
}

// dropVNIC removes the VNIC and gives its addresses back.
func (s *Simulator) dropVNIC(id string) {
	v, known := s.state.vnics.get(id)
	if !known {
		return
	}
	for _, ip := range v.ips {
		if record, there := s.state.privateIPs.get(ip); there {
			v.subnet.release(*record.IpAddress)
		}
	}
	s.state.privateIPs.remove(v.ips...)
	s.state.vnics.remove(id)
}

func macOf(n int) string {
	return fmt.Sprintf("02:00:17:%02x:%02x:%02x", byte(n>>16), byte(n>>8), byte(n))
}

func vnicOperations() []operation {
	return []operation{
		{name: "GetVnic", method: http.MethodGet, path: "/20160918/vnics/{id}", handle: getVNIC},
		{name: "UpdateVnic", method: http.MethodPut, path: "/20160918/vnics/{id}", handle: updateVNIC},
		{name: "ListPrivateIps", method: http.MethodGet, path: "/20160918/privateIps", handle: listPrivateIPs},
		{name: "GetPrivateIp", method: http.MethodGet, path: "/20160918/privateIps/{id}", handle: getPrivateIP},
		{name: "CreatePrivateIp", method: http.MethodPost, path: "/20160918/privateIps", handle: createPrivateIP},
		{name: "DeletePrivateIp", method: http.MethodDelete, path: "/20160918/privateIps/{id}", handle: deletePrivateIP},
		{name: "ListIpv6s", method: http.MethodGet, path: "/20160918/ipv6", handle: listIPv6s},
	}
}

func getVNIC(s *Simulator, c *call) (*reply, error) {
	v, known := s.state.vnics.get(c.path("id"))
	if !known {
		return nil, notFound("vnic %s", c.path("id"))
	}
	return ok(v.model).with("etag", "1"), nil
}

// updateVNIC changes what a client of ours may want to change: the security groups, as a whole, and the name.
func updateVNIC(s *Simulator, c *call) (*reply, error) {
	v, known := s.state.vnics.get(c.path("id"))
	if !known {
		return nil, notFound("vnic %s", c.path("id"))
	}
	var d core.UpdateVnicDetails
	if err := c.decode(&d); err != nil {
		return nil, err
	}
	if d.NsgIds != nil {
		if err := s.checkNSGs(d.NsgIds); err != nil {
			return nil, err
		}
		v.model.NsgIds = d.NsgIds
	}
	v.model.DisplayName = lo.CoalesceOrEmpty(d.DisplayName, v.model.DisplayName)
	return ok(v.model).with("etag", "1"), nil
}

func listPrivateIPs(s *Simulator, c *call) (*reply, error) {
	if !c.query.Has("vnicId") && !c.query.Has("subnetId") {
		return nil, missing("vnicId or subnetId")
	}
	var out []core.PrivateIp
	for _, ip := range s.state.privateIPs.all() {
		if c.is("vnicId", *ip.VnicId) && c.is("subnetId", *ip.SubnetId) && c.is("ipAddress", *ip.IpAddress) {
			out = append(out, *ip)
		}
	}
	return list(c, out, func(ip core.PrivateIp) string { return *ip.Id })
}

func getPrivateIP(s *Simulator, c *call) (*reply, error) {
	ip, known := s.state.privateIPs.get(c.path("id"))
	if !known {
		return nil, notFound("private IP %s", c.path("id"))
	}
	return ok(*ip).with("etag", "1"), nil
}

func createPrivateIP(s *Simulator, c *call) (*reply, error) {
	var d core.CreatePrivateIpDetails
	if err := c.decode(&d); err != nil {
		return nil, err
	}
	v, known := s.state.vnics.get(lo.FromPtr(d.VnicId))
	if !known {
		return nil, relatedNotFound("vnic %s", lo.FromPtr(d.VnicId))
	}
	if len(v.ips) > 64 { // one primary and 64 secondary addresses, the documented maximum
		return nil, limitExceeded("private-ip-per-vnic-count")
	}
	address, err := v.subnet.take(lo.FromPtr(d.IpAddress))
	if err != nil {
		return nil, err
	}
	return ok(s.addPrivateIP(v, address.String(), false, c.now)).with("etag", "1"), nil
}

func deletePrivateIP(s *Simulator, c *call) (*reply, error) {
	ip, known := s.state.privateIPs.get(c.path("id"))
	if !known {
		return nil, notFound("private IP %s", c.path("id"))
	}
	if *ip.IsPrimary {
		return nil, invalid("the primary private IP of a VNIC cannot be deleted")
	}
	if v, there := s.state.vnics.get(*ip.VnicId); there {
		v.ips = lo.Without(v.ips, *ip.Id)
		v.subnet.release(*ip.IpAddress)
	}
	s.state.privateIPs.remove(*ip.Id)
	return &reply{status: http.StatusNoContent}, nil
}

// listIPv6s answers the addresses that VNICs were made with. Their OCIDs are not kept anywhere, so that of the VNIC stands for them.
func listIPv6s(s *Simulator, c *call) (*reply, error) {
	if !c.query.Has("vnicId") && !c.query.Has("subnetId") {
		return nil, missing("vnicId or subnetId")
	}
	out := []core.Ipv6{}
	for _, v := range s.state.vnics.all() {
		if !c.is("vnicId", *v.model.Id) || !c.is("subnetId", *v.model.SubnetId) {
			continue
		}
		for _, address := range v.model.Ipv6Addresses {
			out = append(out, core.Ipv6{CompartmentId: v.model.CompartmentId, DisplayName: v.model.DisplayName, Id: lo.ToPtr(uniqueSibling(*v.model.Id, "ipv6")),
				IpAddress: lo.ToPtr(address), LifecycleState: core.Ipv6LifecycleStateAvailable, SubnetId: v.model.SubnetId, VnicId: v.model.Id, TimeCreated: v.model.TimeCreated})
		}
	}
	return list(c, out, func(ip core.Ipv6) string { return *ip.Id })
}

// emptyIfNil renders a missing map as {} like the service does.
func emptyIfNil[V any](m map[string]V) map[string]V {
	if m == nil {
		return map[string]V{}
	}
	return m
}
