package oci

import (
	"context"

	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/core"
)

// ListMaintenance reads every maintenance event of a compartment's instances, those that are over included: one call for each page, however
// many instances there are.
func (c *Client) ListMaintenance(ctx context.Context, compartmentID string) ([]core.InstanceMaintenanceEventSummary, error) {
	op := operation{service: serviceCompute, name: "ListInstanceMaintenanceEvents"}
	return listAll(func(page *string) ([]core.InstanceMaintenanceEventSummary, *string, error) {
		resp, err := call(ctx, c, op, c.compute.ListInstanceMaintenanceEvents, core.ListInstanceMaintenanceEventsRequest{CompartmentId: &compartmentID, Page: page, Limit: common.Int(pageLimit)})
		return resp.Items, resp.OpcNextPage, err
	})
}
