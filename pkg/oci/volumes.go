package oci

import (
	"context"

	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/core"
	"github.com/samber/lo"
)

// ListVolumeAttachments reads the attachments of an instance's block volumes, or of all in the compartment when instanceID is empty; those that
// have been detached are included as long as OCI lists them.
func (c *Client) ListVolumeAttachments(ctx context.Context, compartmentID, instanceID string) ([]core.VolumeAttachment, error) {
	op := operation{service: serviceCompute, name: "ListVolumeAttachments"}
	return listAll(func(page *string) ([]core.VolumeAttachment, *string, error) {
		resp, err := call(ctx, c, op, c.compute.ListVolumeAttachments, core.ListVolumeAttachmentsRequest{
			CompartmentId: &compartmentID, InstanceId: lo.EmptyableToPtr(instanceID), Page: page, Limit: common.Int(pageLimit),
		})
		return resp.Items, resp.OpcNextPage, err
	})
}

// DeleteVolume deletes a block volume that is not attached.
func (c *Client) DeleteVolume(ctx context.Context, id string) error {
	op := operation{service: serviceBlockStorage, name: "DeleteVolume", write: true}
	_, err := call(ctx, c, op, c.blockStorage.DeleteVolume, core.DeleteVolumeRequest{VolumeId: &id})
	return err
}
