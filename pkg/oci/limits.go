package oci

import (
	"context"
	"fmt"

	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/core"
	"github.com/oracle/oci-go-sdk/v65/limits"
)

const (
	serviceLimits service = "limits"
	// limitedService is the service whose limits are read, as the limits service names it.
	limitedService = "compute"
)

// Tenancy reads what OCI answers for the whole tenancy only: service limits and capacity reports. A controller can do without these rights.
type Tenancy struct {
	client *Client
	limits limits.LimitsClient
	id     string
}

// Tenancy makes a reader of the caller's own tenancy. It sends nothing.
func (c *Client) Tenancy() (*Tenancy, error) {
	provider, endpoint := c.vaults.provider, c.vaults.endpoint
	id, err := provider.TenancyOCID()
	if err != nil {
		return nil, fmt.Errorf("reading the tenancy from the OCI credentials: %w", err)
	}
	t := &Tenancy{client: c, id: id}
	if t.limits, err = limits.NewLimitsClientWithConfigurationProvider(provider); err != nil {
		return nil, fmt.Errorf("making the OCI limits client: %w", err)
	}
	t.limits.SetRegion(c.region)
	plain(&t.limits.BaseClient)
	if endpoint != "" {
		t.limits.Host = endpoint
	}
	return t, nil
}

// ListLimitValues reads every service limit of compute, by availability domain or for the region as each limit counts.
func (t *Tenancy) ListLimitValues(ctx context.Context) ([]limits.LimitValueSummary, error) {
	op := operation{service: serviceLimits, name: "ListLimitValues"}
	return listAll(func(page *string) ([]limits.LimitValueSummary, *string, error) {
		resp, err := call(ctx, t.client, op, t.limits.ListLimitValues, limits.ListLimitValuesRequest{
			CompartmentId: &t.id, ServiceName: common.String(limitedService), Page: page, Limit: common.Int(pageLimit)})
		return resp.Items, resp.OpcNextPage, err
	})
}

// ProbeLimits asks for one limit, to learn whether the caller may see them.
func (t *Tenancy) ProbeLimits(ctx context.Context) error {
	op := operation{service: serviceLimits, name: "ListLimitValues"}
	_, err := call(ctx, t.client, op, t.limits.ListLimitValues, limits.ListLimitValuesRequest{
		CompartmentId: &t.id, ServiceName: common.String(limitedService), Limit: common.Int(1)})
	return err
}

// LimitAvailability reads how much of one limit is used, by everybody in the tenancy, and how much a compartment may still use.
// availabilityDomain is a full name, empty for a limit of the region.
func (t *Tenancy) LimitAvailability(ctx context.Context, limit, compartmentID, availabilityDomain string) (limits.ResourceAvailability, error) {
	op := operation{service: serviceLimits, name: "GetResourceAvailability"}
	request := limits.GetResourceAvailabilityRequest{ServiceName: common.String(limitedService), LimitName: &limit, CompartmentId: &compartmentID}
	if availabilityDomain != "" {
		request.AvailabilityDomain = &availabilityDomain
	}
	resp, err := call(ctx, t.client, op, t.limits.GetResourceAvailability, request)
	return resp.ResourceAvailability, err
}

// CapacityReport asks whether an availability domain has hosts for some shapes and sizes now, on-demand. It needs a right of its own:
// manage compute-capacity-reports in the tenancy.
func (t *Tenancy) CapacityReport(ctx context.Context, availabilityDomain string, shapes []core.CreateCapacityReportShapeAvailabilityDetails) ([]core.CapacityReportShapeAvailability, error) {
	op := operation{service: serviceCompute, name: "CreateComputeCapacityReport"}
	resp, err := call(ctx, t.client, op, t.client.compute.CreateComputeCapacityReport, core.CreateComputeCapacityReportRequest{
		CreateComputeCapacityReportDetails: core.CreateComputeCapacityReportDetails{
			CompartmentId: &t.id, AvailabilityDomain: &availabilityDomain, ShapeAvailabilities: shapes,
		}})
	return resp.ShapeAvailabilities, err
}
