package oci

import (
	"context"

	"github.com/oracle/oci-go-sdk/v65/clusterplacementgroups"
	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/core"
)

// ListComputeCapacityReservations reads every capacity reservation of a compartment, without what each of them reserves.
func (c *Client) ListComputeCapacityReservations(ctx context.Context, compartmentID string) ([]core.ComputeCapacityReservationSummary, error) {
	op := operation{service: serviceCompute, name: "ListComputeCapacityReservations"}
	return listAll(func(page *string) ([]core.ComputeCapacityReservationSummary, *string, error) {
		resp, err := call(ctx, c, op, c.compute.ListComputeCapacityReservations, core.ListComputeCapacityReservationsRequest{CompartmentId: &compartmentID, Page: page, Limit: common.Int(pageLimit)})
		return resp.Items, resp.OpcNextPage, err
	})
}

// GetComputeCapacityReservation reads one capacity reservation: what it reserves and how much of that is in use.
func (c *Client) GetComputeCapacityReservation(ctx context.Context, id string) (core.ComputeCapacityReservation, error) {
	op := operation{service: serviceCompute, name: "GetComputeCapacityReservation"}
	resp, err := call(ctx, c, op, c.compute.GetComputeCapacityReservation, core.GetComputeCapacityReservationRequest{CapacityReservationId: &id})
	return resp.ComputeCapacityReservation, err
}

// ListComputeClusters reads every compute cluster of a compartment.
func (c *Client) ListComputeClusters(ctx context.Context, compartmentID string) ([]core.ComputeClusterSummary, error) {
	op := operation{service: serviceCompute, name: "ListComputeClusters"}
	return listAll(func(page *string) ([]core.ComputeClusterSummary, *string, error) {
		resp, err := call(ctx, c, op, c.compute.ListComputeClusters, core.ListComputeClustersRequest{CompartmentId: &compartmentID, Page: page, Limit: common.Int(pageLimit)})
		return resp.Items, resp.OpcNextPage, err
	})
}

// GetComputeCluster reads one compute cluster.
func (c *Client) GetComputeCluster(ctx context.Context, id string) (core.ComputeCluster, error) {
	op := operation{service: serviceCompute, name: "GetComputeCluster"}
	resp, err := call(ctx, c, op, c.compute.GetComputeCluster, core.GetComputeClusterRequest{ComputeClusterId: &id})
	return resp.ComputeCluster, err
}

// ListDedicatedVMHosts reads every dedicated VM host of a compartment; a list carries no tags, GetDedicatedVMHost does.
func (c *Client) ListDedicatedVMHosts(ctx context.Context, compartmentID string) ([]core.DedicatedVmHostSummary, error) {
	op := operation{service: serviceCompute, name: "ListDedicatedVmHosts"}
	return listAll(func(page *string) ([]core.DedicatedVmHostSummary, *string, error) {
		resp, err := call(ctx, c, op, c.compute.ListDedicatedVmHosts, core.ListDedicatedVmHostsRequest{CompartmentId: &compartmentID, Page: page, Limit: common.Int(pageLimit)})
		return resp.Items, resp.OpcNextPage, err
	})
}

// GetDedicatedVMHost reads one dedicated VM host.
func (c *Client) GetDedicatedVMHost(ctx context.Context, id string) (core.DedicatedVmHost, error) {
	op := operation{service: serviceCompute, name: "GetDedicatedVmHost"}
	resp, err := call(ctx, c, op, c.compute.GetDedicatedVmHost, core.GetDedicatedVmHostRequest{DedicatedVmHostId: &id})
	return resp.DedicatedVmHost, err
}

// ListClusterPlacementGroups reads every cluster placement group of a compartment.
func (c *Client) ListClusterPlacementGroups(ctx context.Context, compartmentID string) ([]clusterplacementgroups.ClusterPlacementGroupSummary, error) {
	op := operation{service: servicePlacementGroups, name: "ListClusterPlacementGroups"}
	return listAll(func(page *string) ([]clusterplacementgroups.ClusterPlacementGroupSummary, *string, error) {
		resp, err := call(ctx, c, op, c.placementGroups.ListClusterPlacementGroups, clusterplacementgroups.ListClusterPlacementGroupsRequest{CompartmentId: &compartmentID, Page: page, Limit: common.Int(pageLimit)})
		return resp.Items, resp.OpcNextPage, err
	})
}

// GetClusterPlacementGroup reads one cluster placement group.
func (c *Client) GetClusterPlacementGroup(ctx context.Context, id string) (clusterplacementgroups.ClusterPlacementGroup, error) {
	op := operation{service: servicePlacementGroups, name: "GetClusterPlacementGroup"}
	resp, err := call(ctx, c, op, c.placementGroups.GetClusterPlacementGroup, clusterplacementgroups.GetClusterPlacementGroupRequest{ClusterPlacementGroupId: &id})
	return resp.ClusterPlacementGroup, err
}
