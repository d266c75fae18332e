package oci

import (
	"context"

	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/workrequests"
	"k8s.io/apimachinery/pkg/util/sets"
)

// workRequestPages bounds how much of a compartment's work requests one look reads. A compartment has those of everybody, for days; OCI
// gives the newest first, so that young ones are on the first page.
const workRequestPages = 3

// FindWorkRequests reads the work requests with these OCIDs in lists of their compartment, at most a few pages: one call for any number
// of them, as a rule. What is not found there is left out.
func (c *Client) FindWorkRequests(ctx context.Context, compartmentID string, ids sets.Set[string]) (map[string]workrequests.WorkRequestSummary, error) {
	found := map[string]workrequests.WorkRequestSummary{}
	var page *string
	for range workRequestPages {
		items, next, err := c.listWorkRequests(ctx, workrequests.ListWorkRequestsRequest{CompartmentId: &compartmentID, Page: page, Limit: common.Int(pageLimit)})
		if err != nil {
			return nil, err
		}
		for _, item := range items {
			if id := Value(item.Id); ids.Has(id) {
				found[id] = item
			}
		}
		if len(found) == len(ids) || Value(next) == "" {
			break
		}
		page = next
	}
	return found, nil
}

// WorkRequestsOf reads the work requests of one resource.
func (c *Client) WorkRequestsOf(ctx context.Context, compartmentID, resourceID string) ([]workrequests.WorkRequestSummary, error) {
	return listAll(func(page *string) ([]workrequests.WorkRequestSummary, *string, error) {
		return c.listWorkRequests(ctx, workrequests.ListWorkRequestsRequest{CompartmentId: &compartmentID, ResourceId: &resourceID, Page: page, Limit: common.Int(pageLimit)})
	})
}

func (c *Client) listWorkRequests(ctx context.Context, request workrequests.ListWorkRequestsRequest) ([]workrequests.WorkRequestSummary, *string, error) {
	op := operation{service: serviceWorkRequests, name: "ListWorkRequests"}
	resp, err := call(ctx, c, op, c.workRequests.ListWorkRequests, request)
	return resp.Items, resp.OpcNextPage, err
}
