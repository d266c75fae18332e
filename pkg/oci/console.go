package oci

import (
	"context"

	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/core"
)

// consoleBytes is how much of a console history is read: OCI keeps up to a megabyte, and only the end of it is wanted.
const consoleBytes = 1 << 20

// CaptureConsoleHistory starts to record what an instance has written to its serial console. It takes OCI a few seconds; the record's
// state tells when it can be read. It needs a right of its own, "manage console-histories".
func (c *Client) CaptureConsoleHistory(ctx context.Context, instanceID string) (core.ConsoleHistory, error) {
	op := operation{service: serviceCompute, name: "CaptureConsoleHistory", write: true}
	resp, err := call(ctx, c, op, c.compute.CaptureConsoleHistory, core.CaptureConsoleHistoryRequest{
		CaptureConsoleHistoryDetails: core.CaptureConsoleHistoryDetails{InstanceId: &instanceID},
		OpcRetryToken:                common.String(common.RetryToken()),
	})
	return resp.ConsoleHistory, err
}

// GetConsoleHistory reads how far a capture is.
func (c *Client) GetConsoleHistory(ctx context.Context, id string) (core.ConsoleHistory, error) {
	op := operation{service: serviceCompute, name: "GetConsoleHistory"}
	resp, err := call(ctx, c, op, c.compute.GetConsoleHistory, core.GetConsoleHistoryRequest{InstanceConsoleHistoryId: &id})
	return resp.ConsoleHistory, err
}

// ConsoleHistoryContent reads what was captured, as the console wrote it.
func (c *Client) ConsoleHistoryContent(ctx context.Context, id string) (string, error) {
	op := operation{service: serviceCompute, name: "GetConsoleHistoryContent"}
	resp, err := call(ctx, c, op, c.compute.GetConsoleHistoryContent, core.GetConsoleHistoryContentRequest{InstanceConsoleHistoryId: &id, Length: common.Int(consoleBytes)})
	return Value(resp.Value), err
}

// DeleteConsoleHistory removes a capture, which OCI would keep.
func (c *Client) DeleteConsoleHistory(ctx context.Context, id string) error {
	op := operation{service: serviceCompute, name: "DeleteConsoleHistory", write: true}
	_, err := call(ctx, c, op, c.compute.DeleteConsoleHistory, core.DeleteConsoleHistoryRequest{InstanceConsoleHistoryId: &id})
	return err
}
