package oci

import (
	"context"

	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/containerengine"
	"github.com/oracle/oci-go-sdk/v65/core"
	"github.com/oracle/oci-go-sdk/v65/identity"
)

// ListSubnets reads every subnet of a VCN that lies in a compartment.
func (c *Client) ListSubnets(ctx context.Context, compartmentID, vcnID string) ([]core.Subnet, error) {
	op := operation{service: serviceNetwork, name: "ListSubnets"}
	return listAll(func(page *string) ([]core.Subnet, *string, error) {
		resp, err := call(ctx, c, op, c.network.ListSubnets, core.ListSubnetsRequest{CompartmentId: &compartmentID, VcnId: &vcnID, Page: page, Limit: common.Int(pageLimit)})
		return resp.Items, resp.OpcNextPage, err
	})
}

// GetSubnet reads one subnet.
func (c *Client) GetSubnet(ctx context.Context, id string) (core.Subnet, error) {
	op := operation{service: serviceNetwork, name: "GetSubnet"}
	resp, err := call(ctx, c, op, c.network.GetSubnet, core.GetSubnetRequest{SubnetId: &id})
	return resp.Subnet, err
}

// ListNetworkSecurityGroups reads every network security group of a VCN that lies in a compartment.
func (c *Client) ListNetworkSecurityGroups(ctx context.Context, compartmentID, vcnID string) ([]core.NetworkSecurityGroup, error) {
	op := operation{service: serviceNetwork, name: "ListNetworkSecurityGroups"}
	return listAll(func(page *string) ([]core.NetworkSecurityGroup, *string, error) {
		resp, err := call(ctx, c, op, c.network.ListNetworkSecurityGroups, core.ListNetworkSecurityGroupsRequest{CompartmentId: &compartmentID, VcnId: &vcnID, Page: page, Limit: common.Int(pageLimit)})
		return resp.Items, resp.OpcNextPage, err
	})
}

// GetNetworkSecurityGroup reads one network security group.
func (c *Client) GetNetworkSecurityGroup(ctx context.Context, id string) (core.NetworkSecurityGroup, error) {
	op := operation{service: serviceNetwork, name: "GetNetworkSecurityGroup"}
	resp, err := call(ctx, c, op, c.network.GetNetworkSecurityGroup, core.GetNetworkSecurityGroupRequest{NetworkSecurityGroupId: &id})
	return resp.NetworkSecurityGroup, err
}

// ListAvailabilityDomains reads the availability domains of the region, full names such as Uocm:PHX-AD-1.
func (c *Client) ListAvailabilityDomains(ctx context.Context, compartmentID string) ([]identity.AvailabilityDomain, error) {
	op := operation{service: serviceIdentity, name: "ListAvailabilityDomains"}
	resp, err := call(ctx, c, op, c.identity.ListAvailabilityDomains, identity.ListAvailabilityDomainsRequest{CompartmentId: &compartmentID})
	return resp.Items, err
}

// GetCluster reads an OKE cluster: Kubernetes version, endpoints, VCN and pod network.
func (c *Client) GetCluster(ctx context.Context, id string) (containerengine.Cluster, error) {
	op := operation{service: serviceContainerEngine, name: "GetCluster"}
	resp, err := call(ctx, c, op, c.containerEngine.GetCluster, containerengine.GetClusterRequest{ClusterId: &id})
	return resp.Cluster, err
}

// NodePoolOptions reads what OKE offers to node pools of a cluster, its images among them.
func (c *Client) NodePoolOptions(ctx context.Context, clusterID string) (containerengine.NodePoolOptions, error) {
	op := operation{service: serviceContainerEngine, name: "GetNodePoolOptions"}
	resp, err := call(ctx, c, op, c.containerEngine.GetNodePoolOptions, containerengine.GetNodePoolOptionsRequest{NodePoolOptionId: &clusterID})
	return resp.NodePoolOptions, err
}
