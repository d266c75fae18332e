package ocisim

import (
	"net/http"

	"github.com/oracle/oci-go-sdk/v65/core"
	"github.com/samber/lo"
)

func ipInventoryOperations() []operation {
	return []operation{{name: "GetSubnetCidrUtilization", method: http.MethodGet, path: "/20160918/ipInventory/subnets/{id}/cidrs", handle: getSubnetCIDRUtilization}}
}

// getSubnetCIDRUtilization answers how full a subnet is. Uncertain: that utilization is a percentage of the addresses that can be used follows the console;
// the API's documentation gives no unit.
func getSubnetCIDRUtilization(s *Simulator, c *call) (*reply, error) {
	n, known := s.state.subnets.get(c.path("id"))
	if !known {
		return nil, notFound("subnet %s", c.path("id"))
	}
	total := n.free() + len(n.used)
	return ok(core.IpInventoryCidrUtilizationCollection{Count: lo.ToPtr(1), LastUpdatedTimestamp: stamp(c.now), CompartmentId: n.model.CompartmentId,
		IpInventoryCidrUtilizationSummary: []core.IpInventoryCidrUtilizationSummary{{Cidr: n.model.CidrBlock, AddressType: lo.ToPtr("Private_IPv4"),
			Utilization: lo.ToPtr(float32(100 * float64(len(n.used)) / float64(total)))}}}).with("etag", "1"), nil
}
