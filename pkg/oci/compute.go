package oci

import (
	"context"

	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/core"
	"github.com/oracle/oci-go-sdk/v65/workrequests"
)

// pageLimit asks for the largest page; the service may give less.
const pageLimit = 1000

// LaunchInstance starts an instance. The retry token makes the call idempotent for 24 hours: the same token and request return
// the same instance. It returns the instance as OCI made it, which may differ from what was asked (memory of Always Free
// shapes), and the id of the work request that tells of failures after this call.
func (c *Client) LaunchInstance(ctx context.Context, details core.LaunchInstanceDetails, retryToken string) (core.Instance, string, error) {
	op := operation{service: serviceCompute, name: "LaunchInstance", launch: true}
	resp, err := call(ctx, c, op, c.compute.LaunchInstance, core.LaunchInstanceRequest{LaunchInstanceDetails: details, OpcRetryToken: &retryToken})
	return resp.Instance, Value(resp.OpcWorkRequestId), err
}

// TerminateInstance ends an instance together with its boot volume and the data volumes made with it. nil means that OCI has
// accepted it, not that the instance is gone.
func (c *Client) TerminateInstance(ctx context.Context, id string) error {
	op := operation{service: serviceCompute, name: "TerminateInstance", write: true}
	_, err := call(ctx, c, op, c.compute.TerminateInstance, core.TerminateInstanceRequest{
		InstanceId:         &id,
		PreserveBootVolume: common.Bool(false),
		// OCI's default is true and leaks the volumes.
		PreserveDataVolumesCreatedAtLaunch: common.Bool(false),
	})
	return err
}

// GetInstance reads one instance.
func (c *Client) GetInstance(ctx context.Context, id string) (core.Instance, error) {
	op := operation{service: serviceCompute, name: "GetInstance"}
	resp, err := call(ctx, c, op, c.compute.GetInstance, core.GetInstanceRequest{InstanceId: &id})
	return resp.Instance, err
}

// ListInstances reads every instance of a compartment, terminated ones that OCI still lists included.
func (c *Client) ListInstances(ctx context.Context, compartmentID string) ([]core.Instance, error) {
	op := operation{service: serviceCompute, name: "ListInstances"}
	return listAll(func(page *string) ([]core.Instance, *string, error) {
		resp, err := call(ctx, c, op, c.compute.ListInstances, core.ListInstancesRequest{CompartmentId: &compartmentID, Page: page, Limit: common.Int(pageLimit)})
		return resp.Items, resp.OpcNextPage, err
	})
}

// ListShapes reads the shapes that one availability domain offers. Page tokens belong to one domain, so each has its own list.
func (c *Client) ListShapes(ctx context.Context, compartmentID, availabilityDomain string) ([]core.Shape, error) {
	op := operation{service: serviceCompute, name: "ListShapes"}
	return listAll(func(page *string) ([]core.Shape, *string, error) {
		resp, err := call(ctx, c, op, c.compute.ListShapes, core.ListShapesRequest{CompartmentId: &compartmentID, AvailabilityDomain: &availabilityDomain, Page: page, Limit: common.Int(pageLimit)})
		return resp.Items, resp.OpcNextPage, err
	})
}

// ListImages reads the available images of a compartment. No server-side name filter is used: some realms ignore it.
func (c *Client) ListImages(ctx context.Context, compartmentID string) ([]core.Image, error) {
	op := operation{service: serviceCompute, name: "ListImages"}
	return listAll(func(page *string) ([]core.Image, *string, error) {
		resp, err := call(ctx, c, op, c.compute.ListImages, core.ListImagesRequest{CompartmentId: &compartmentID, LifecycleState: core.ImageLifecycleStateAvailable, Page: page, Limit: common.Int(pageLimit)})
		return resp.Items, resp.OpcNextPage, err
	})
}

// GetImage reads one image.
func (c *Client) GetImage(ctx context.Context, id string) (core.Image, error) {
	op := operation{service: serviceCompute, name: "GetImage"}
	resp, err := call(ctx, c, op, c.compute.GetImage, core.GetImageRequest{ImageId: &id})
	return resp.Image, err
}

// WorkRequestErrors reads why a work request failed, newest first; empty when it did not.
func (c *Client) WorkRequestErrors(ctx context.Context, id string) ([]workrequests.WorkRequestError, error) {
	op := operation{service: serviceWorkRequests, name: "ListWorkRequestErrors"}
	return listAll(func(page *string) ([]workrequests.WorkRequestError, *string, error) {
		resp, err := call(ctx, c, op, c.workRequests.ListWorkRequestErrors, workrequests.ListWorkRequestErrorsRequest{WorkRequestId: &id, Page: page})
		return resp.Items, resp.OpcNextPage, err
	})
}
