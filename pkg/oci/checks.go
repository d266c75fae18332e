package oci

import (
	"context"

	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/core"
	"github.com/oracle/oci-go-sdk/v65/identity"
	"github.com/oracle/oci-go-sdk/v65/workrequests"
)

// GetCompartment reads one compartment, or the tenancy, which is the root compartment.
func (c *Client) GetCompartment(ctx context.Context, id string) (identity.Compartment, error) {
	op := operation{service: serviceIdentity, name: "GetCompartment"}
	resp, err := call(ctx, c, op, c.identity.GetCompartment, identity.GetCompartmentRequest{CompartmentId: &id})
	return resp.Compartment, err
}

// ProbeVNICAttachments asks for one attachment of a VNIC, to learn whether the caller may read them.
func (c *Client) ProbeVNICAttachments(ctx context.Context, compartmentID string) error {
	op := operation{service: serviceCompute, name: "ListVnicAttachments"}
	_, err := call(ctx, c, op, c.compute.ListVnicAttachments, core.ListVnicAttachmentsRequest{CompartmentId: &compartmentID, Limit: common.Int(1)})
	return err
}

// ProbeVolumeAttachments asks for one attachment of a volume, to learn whether the caller may see them.
func (c *Client) ProbeVolumeAttachments(ctx context.Context, compartmentID string) error {
	op := operation{service: serviceCompute, name: "ListVolumeAttachments"}
	_, err := call(ctx, c, op, c.compute.ListVolumeAttachments, core.ListVolumeAttachmentsRequest{CompartmentId: &compartmentID, Limit: common.Int(1)})
	return err
}

// ProbeWorkRequests asks for one work request, to learn whether the caller may see them.
func (c *Client) ProbeWorkRequests(ctx context.Context, compartmentID string) error {
	_, _, err := c.listWorkRequests(ctx, workrequests.ListWorkRequestsRequest{CompartmentId: &compartmentID, Limit: common.Int(1)})
	return err
}

// ProbeInstances asks for one instance of a compartment, to learn whether the caller may read instances there.
func (c *Client) ProbeInstances(ctx context.Context, compartmentID string) error {
	op := operation{service: serviceCompute, name: "ListInstances"}
	_, err := call(ctx, c, op, c.compute.ListInstances, core.ListInstancesRequest{CompartmentId: &compartmentID, Limit: common.Int(1)})
	return err
}

// SubnetCIDRUtilization reads how full the address blocks of a subnet are. It needs a right of its own (IPAM_READ, in "inspect
// ipam"), which a controller can do without.
func (c *Client) SubnetCIDRUtilization(ctx context.Context, subnetID string) ([]core.IpInventoryCidrUtilizationSummary, error) {
	op := operation{service: serviceNetwork, name: "GetSubnetCidrUtilization"}
	resp, err := call(ctx, c, op, c.network.GetSubnetCidrUtilization, core.GetSubnetCidrUtilizationRequest{SubnetId: &subnetID})
	return resp.IpInventoryCidrUtilizationSummary, err
}
