package oci

import (
	"context"

	"github.com/oracle/oci-go-sdk/v65/core"
)

// InstanceAction asks for a power action on an instance, such as SOFTRESET. The retry token makes the call idempotent for 24 hours: the
// same token never acts a second time. It returns the instance as it is when OCI has accepted the action, which is before it has happened.
func (c *Client) InstanceAction(ctx context.Context, id string, action core.InstanceActionActionEnum, retryToken string) (core.Instance, error) {
	op := operation{service: serviceCompute, name: "InstanceAction", write: true}
	resp, err := call(ctx, c, op, c.compute.InstanceAction, core.InstanceActionRequest{InstanceId: &id, Action: action, OpcRetryToken: &retryToken})
	return resp.Instance, err
}
