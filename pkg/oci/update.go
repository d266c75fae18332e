package oci

import (
	"context"

	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/core"
)

// UpdateInstanceTags replaces all freeform and defined tags of an instance: OCI knows no change of a single tag, so the caller
// gives every tag that is to stay. nil leaves a kind of tags as it is.
func (c *Client) UpdateInstanceTags(ctx context.Context, id string, freeform map[string]string, defined map[string]map[string]interface{}) (core.Instance, error) {
	op := operation{service: serviceCompute, name: "UpdateInstance", write: true}
	resp, err := call(ctx, c, op, c.compute.UpdateInstance, core.UpdateInstanceRequest{
		InstanceId: &id, UpdateInstanceDetails: core.UpdateInstanceDetails{FreeformTags: freeform, DefinedTags: defined},
	})
	return resp.Instance, err
}

// ChangeInstanceTags reads an instance and replaces its tags by what change makes of them, on condition that nobody changes the instance
// meanwhile: tags that a person or another program has just set are never lost. When somebody does, the error is of ClassConflict.
func (c *Client) ChangeInstanceTags(ctx context.Context, id string, change func(now core.Instance) (freeform map[string]string, defined map[string]map[string]interface{})) error {
	read := operation{service: serviceCompute, name: "GetInstance"}
	now, err := call(ctx, c, read, c.compute.GetInstance, core.GetInstanceRequest{InstanceId: &id})
	if err != nil {
		return err
	}
	freeform, defined := change(now.Instance)
	write := operation{service: serviceCompute, name: "UpdateInstance", write: true}
	_, err = call(ctx, c, write, c.compute.UpdateInstance, core.UpdateInstanceRequest{
		InstanceId: &id, IfMatch: now.Etag, UpdateInstanceDetails: core.UpdateInstanceDetails{FreeformTags: freeform, DefinedTags: defined},
	})
	return err
}

// ListVNICAttachments reads the VNIC attachments of one instance.
func (c *Client) ListVNICAttachments(ctx context.Context, compartmentID, instanceID string) ([]core.VnicAttachment, error) {
	op := operation{service: serviceCompute, name: "ListVnicAttachments"}
	return listAll(func(page *string) ([]core.VnicAttachment, *string, error) {
		resp, err := call(ctx, c, op, c.compute.ListVnicAttachments, core.ListVnicAttachmentsRequest{CompartmentId: &compartmentID, InstanceId: &instanceID, Page: page, Limit: common.Int(pageLimit)})
		return resp.Items, resp.OpcNextPage, err
	})
}

// GetVNIC reads one VNIC.
func (c *Client) GetVNIC(ctx context.Context, id string) (core.Vnic, error) {
	op := operation{service: serviceNetwork, name: "GetVnic"}
	resp, err := call(ctx, c, op, c.network.GetVnic, core.GetVnicRequest{VnicId: &id})
	return resp.Vnic, err
}

// UpdateVNICSecurityGroups replaces the network security groups that a VNIC is in; an empty list leaves all of them.
func (c *Client) UpdateVNICSecurityGroups(ctx context.Context, id string, groups []string) error {
	op := operation{service: serviceNetwork, name: "UpdateVnic", write: true}
	if groups == nil {
		groups = []string{} // nil would leave the groups as they are
	}
	_, err := call(ctx, c, op, c.network.UpdateVnic, core.UpdateVnicRequest{VnicId: &id, UpdateVnicDetails: core.UpdateVnicDetails{NsgIds: groups}})
	return err
}
