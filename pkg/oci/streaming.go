package oci

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/streaming"
)

const serviceStreaming service = "streaming"

// streamClients are the clients of the Streaming service: one for what streams are, and one for each endpoint that serves messages.
type streamClients struct {
	provider common.ConfigurationProvider
	endpoint string // takes the calls instead of the region's and the streams' own endpoints when set
	region   string

	mu     sync.Mutex // only memory is touched under it
	admin  *streaming.StreamAdminClient
	byHost map[string]streaming.StreamClient
}

// Stream is a stream whose messages can be read.
type Stream struct {
	ID string
	// Endpoint serves the messages; each stream pool has its own.
	Endpoint   string
	Partitions int
}

// StreamMessages are what one read of a stream gave.
type StreamMessages struct {
	Messages []streaming.Message
	// Next is the cursor of the next read, and the one that commits these messages.
	Next string
	// ServedAt is the service's own time of the answer; zero when it did not say. Messages' times are told by the same clocks.
	ServedAt time.Time
}

// GetStream reads a stream. One that is deleted and one that may not be read are the same to OCI: ClassNotFound.
func (c *Client) GetStream(ctx context.Context, id string) (streaming.Stream, error) {
	admin, err := c.streams.adminClient()
	if err != nil {
		return streaming.Stream{}, err
	}
	op := operation{service: serviceStreaming, name: "GetStream"}
	resp, err := call(ctx, c, op, admin.GetStream, streaming.GetStreamRequest{StreamId: &id})
	return resp.Stream, err
}

// CreateGroupCursor joins a consumer group and returns a cursor from the group's committed offsets; the group is made, and begins where
// the details say, when there is none.
func (c *Client) CreateGroupCursor(ctx context.Context, stream Stream, details streaming.CreateGroupCursorDetails) (string, error) {
	client, err := c.streams.clientFor(stream.Endpoint)
	if err != nil {
		return "", err
	}
	op := operation{service: serviceStreaming, name: "CreateGroupCursor"}
	resp, err := call(ctx, c, op, client.CreateGroupCursor, streaming.CreateGroupCursorRequest{StreamId: &stream.ID, CreateGroupCursorDetails: details})
	return Value(resp.Value), err
}

// GetMessages reads at most limit messages behind the cursor; it answers at once, also when there are none. A cursor that has expired is
// ClassConfig, as is any other that is refused.
func (c *Client) GetMessages(ctx context.Context, stream Stream, cursor string, limit int) (StreamMessages, error) {
	client, err := c.streams.clientFor(stream.Endpoint)
	if err != nil {
		return StreamMessages{}, err
	}
	op := operation{service: serviceStreaming, name: "GetMessages"}
	resp, err := call(ctx, c, op, client.GetMessages, streaming.GetMessagesRequest{StreamId: &stream.ID, Cursor: &cursor, Limit: &limit})
	return StreamMessages{Messages: resp.Items, Next: Value(resp.OpcNextCursor), ServedAt: servedAt(resp.RawResponse)}, err
}

// CommitCursor says that every message before the cursor was handled, and returns the cursor to go on with.
func (c *Client) CommitCursor(ctx context.Context, stream Stream, cursor string) (string, error) {
	client, err := c.streams.clientFor(stream.Endpoint)
	if err != nil {
		return "", err
	}
	op := operation{service: serviceStreaming, name: "ConsumerCommit"}
	resp, err := call(ctx, c, op, client.ConsumerCommit, streaming.ConsumerCommitRequest{StreamId: &stream.ID, Cursor: &cursor})
	return Value(resp.Value), err
}

// servedAt reads the Date header.
func servedAt(response *http.Response) time.Time {
	if response == nil {
		return time.Time{}
	}
	at, err := http.ParseTime(response.Header.Get("Date"))
	if err != nil {
		return time.Time{}
	}
	return at
}

func (s *streamClients) adminClient() (*streaming.StreamAdminClient, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.admin != nil {
		return s.admin, nil
	}
	client, err := streaming.NewStreamAdminClientWithConfigurationProvider(s.provider)
	if err != nil {
		return nil, fmt.Errorf("making the OCI streaming client: %w", err)
	}
	client.SetRegion(s.region)
	if s.endpoint != "" {
		client.Host = s.endpoint
	}
	plain(&client.BaseClient)
	s.admin = &client
	return s.admin, nil
}

func (s *streamClients) clientFor(host string) (streaming.StreamClient, error) {
	if s.endpoint != "" {
		host = s.endpoint
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if client, ok := s.byHost[host]; ok {
		return client, nil
	}
	client, err := streaming.NewStreamClientWithConfigurationProvider(s.provider, host)
	if err != nil {
		return client, fmt.Errorf("making the OCI stream client of %s: %w", host, err)
	}
	plain(&client.BaseClient)
	s.byHost[host] = client
	return client, nil
}
