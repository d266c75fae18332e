// Package stream reads an OCI stream as the only member of a consumer group: messages are committed after they have been handled, so none
// is lost and some come twice.
package stream

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/streaming"
	"k8s.io/utils/clock"

	"github.com/karpenter-oke/karpenter-oke/pkg/oci"
)

const (
	// batch is the most messages of one read. An event has some kilobytes, and the service answers at most one megabyte.
	batch = 500
	// instanceName is the group's one member. Every process uses this name, so that one that takes over has the partitions of the process
	// before it at once, and not when their reservation ends.
	instanceName = "controller"
	// startBefore is how far before its own start a new group begins. Preemption is announced two minutes ahead, requests whose clock is off
	// by more than five minutes are refused by OCI, and older news are found by other means.
	startBefore = 10 * time.Minute
)

// sameTime is by how much the service's time, which it tells in whole seconds, may differ from this process' before the clocks count as
// different. Of clocks that agree, the own one is finer.
const sameTime = 2 * time.Second

// getsEachSecond is how often a group may read each partition ("Limits on Streaming Resources").
const getsEachSecond = 5

// API is the part of the OCI client that this package calls.
type API interface {
	GetStream(ctx context.Context, id string) (streaming.Stream, error)
	CreateGroupCursor(ctx context.Context, stream oci.Stream, details streaming.CreateGroupCursorDetails) (string, error)
	GetMessages(ctx context.Context, stream oci.Stream, cursor string, limit int) (oci.StreamMessages, error)
	CommitCursor(ctx context.Context, stream oci.Stream, cursor string) (string, error)
}

// Message is one message of a stream.
type Message struct {
	Value []byte
	// Published is when the service appended it, by the service's clock.
	Published time.Time
	// Waited is how long it had been in the stream when it was read, by the service's clock, never negative.
	Waited time.Duration
	// Received is when it was read, by this process' clock.
	Received time.Time
}

// Reader reads one stream. It is for one goroutine; it starts none.
type Reader struct {
	api    API
	clock  clock.PassiveClock
	id     string
	group  string
	stream oci.Stream // Endpoint is empty before the stream was looked up
	cursor string     // empty: to be made
	ahead  bool       // something was read that is not committed
}

// NewReader makes the reader of a stream for the cluster with this OCID; each cluster has a consumer group of its own.
func NewReader(api API, clk clock.PassiveClock, streamID, clusterID string) *Reader {
	sum := sha256.Sum256([]byte(clusterID))
	return &Reader{api: api, clock: clk, id: streamID, group: "karpenter-oke-" + hex.EncodeToString(sum[:8])}
}

// Group is the name of the consumer group.
func (r *Reader) Group() string { return r.group }

// Pace is how long to wait between two reads at least.
func (r *Reader) Pace() time.Duration {
	return time.Second / time.Duration(getsEachSecond*max(r.stream.Partitions, 1))
}

// Read returns the next messages, none when there are none at the moment. Messages come again after an error and after Rewind, from the
// first one that was not committed on. A cursor that the service refuses, as it does with one that has expired, is made anew.
func (r *Reader) Read(ctx context.Context) ([]Message, error) {
	fresh := r.cursor == ""
	got, err := r.read(ctx)
	if !fresh && oci.ClassOf(err) == oci.ClassConfig {
		r.Rewind()
		got, err = r.read(ctx)
	}
	if err != nil {
		r.Rewind()
		if oci.ClassOf(err) == oci.ClassNotFound {
			r.stream = oci.Stream{} // it may have moved to another pool
		}
		return nil, err
	}
	if r.cursor = got.Next; len(got.Messages) > 0 {
		r.ahead = true
	}
	now := r.clock.Now()
	out := make([]Message, 0, len(got.Messages))
	for _, m := range got.Messages {
		out = append(out, read(m, got.ServedAt, now))
	}
	return out, nil
}

// read makes what is missing and reads once.
func (r *Reader) read(ctx context.Context) (oci.StreamMessages, error) {
	if err := r.open(ctx); err != nil {
		return oci.StreamMessages{}, err
	}
	got, err := r.api.GetMessages(ctx, r.stream, r.cursor, batch)
	if err != nil {
		return oci.StreamMessages{}, fmt.Errorf("reading stream %s: %w", r.id, err)
	}
	if got.Next == "" {
		got.Next = r.cursor
	}
	return got, nil
}

func read(m streaming.Message, servedAt, now time.Time) Message {
	published := oci.Value(m.Timestamp).Time
	if servedAt.IsZero() || servedAt.Sub(now).Abs() <= sameTime {
		servedAt = now
	}
	waited := time.Duration(0)
	if !published.IsZero() {
		waited = max(servedAt.Sub(published), 0)
	}
	return Message{Value: m.Value, Published: published, Waited: waited, Received: now}
}

// open looks the stream up and joins the group, where that was not done yet.
func (r *Reader) open(ctx context.Context) error {
	if r.stream.ID == "" {
		found, err := r.api.GetStream(ctx, r.id)
		if err != nil {
			return fmt.Errorf("looking up stream %s: %w", r.id, err)
		}
		if state := found.LifecycleState; state == streaming.StreamLifecycleStateDeleting || state == streaming.StreamLifecycleStateDeleted || state == streaming.StreamLifecycleStateFailed {
			return fmt.Errorf("looking up stream %s: %w", r.id, &oci.Error{Operation: "GetStream", Class: oci.ClassNotFound, Code: "StreamNotActive", Status: 200, Message: "the stream is " + string(state)})
		}
		r.stream = oci.Stream{ID: r.id, Endpoint: oci.Value(found.MessagesEndpoint), Partitions: oci.Value(found.Partitions)}
	}
	if r.cursor != "" {
		return nil
	}
	cursor, err := r.api.CreateGroupCursor(ctx, r.stream, streaming.CreateGroupCursorDetails{
		Type: streaming.CreateGroupCursorDetailsTypeAtTime, Time: &common.SDKTime{Time: r.clock.Now().Add(-startBefore)},
		GroupName: &r.group, InstanceName: common.String(instanceName), CommitOnGet: common.Bool(false),
	})
	if err != nil {
		return fmt.Errorf("joining consumer group %s of stream %s: %w", r.group, r.id, err)
	}
	r.cursor, r.ahead = cursor, false
	return nil
}

// Commit says that everything that was read has been handled. Without anything new it does nothing. After an error the messages come again.
func (r *Reader) Commit(ctx context.Context) error {
	if !r.ahead || r.cursor == "" {
		return nil
	}
	next, err := r.api.CommitCursor(ctx, r.stream, r.cursor)
	if err != nil {
		r.Rewind()
		return fmt.Errorf("committing what was read of stream %s: %w", r.id, err)
	}
	if next != "" {
		r.cursor = next
	}
	r.ahead = false
	return nil
}

// Rewind forgets how far was read, so that the next read begins behind what was committed.
func (r *Reader) Rewind() { r.cursor, r.ahead = "", false }
