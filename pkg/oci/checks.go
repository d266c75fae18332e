package oci

import (
	"context"

	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/core"
	"github.com/oracle/oci-go-sdk/v65/identity"
)

// GetCompartment reads one compartment, or the tenancy, which is the root compartment.
func (c *Client) GetCompartment(ctx context.Context, id string) (identity.Compartment, error) {
	op := operation{service: serviceIdentity, name: "GetCompartment"}
	resp, err := call(ctx, c, op, c.identity.GetCompartment, identity.GetCompartmentRequest{CompartmentId: &id})
	return resp.Compartment, err
}

// ProbeInstances asks for one instance of a compartment, to learn whether the caller may read instances there.
func (c *Client) ProbeInstances(ctx context.Context, compartmentID string) error {
	op := operation{service: serviceCompute, name: "ListInstances"}
	_, err := call(ctx, c, op, c.compute.ListInstances, core.ListInstancesRequest{CompartmentId: &compartmentID, Limit: common.Int(1)})
	return err
}

// SubnetCIDRUtilization reads how full the address blocks of a subnet are. It needs a right of its own (IPAM_READ, in "read
// ipam"), which a controller can do without.
func (c *Client) SubnetCIDRUtilization(ctx context.Context, subnetID string) ([]core.IpInventoryCidrUtilizationSummary, error) {
	op := operation{service: serviceNetwork, name: "GetSubnetCidrUtilization"}
	resp, err := call(ctx, c, op, c.network.GetSubnetCidrUtilization, core.GetSubnetCidrUtilizationRequest{SubnetId: &subnetID})
	return resp.IpInventoryCidrUtilizationSummary, err
}
