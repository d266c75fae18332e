package interruption

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"k8s.io/utils/clock"

	"github.com/karpenter-oke/karpenter-oke/pkg/oci"
)

// unreachableAfter is how long a service that does not answer is waited for before the stream counts as unreadable.
const unreachableAfter = time.Minute

// Reasons of the condition.
const (
	reasonReadable     = "Readable"
	reasonNotStarted   = "NotReadYet"
	reasonNoStream     = "StreamNotFoundOrNotAllowed"
	reasonNotAccepted  = "CredentialsNotAccepted"
	reasonUnreachable  = "StreamingDoesNotAnswer"
	reasonUnexpectedly = "StreamRefused"
)

// Health is whether the stream of interruptions can be read. The zero value is no stream at all.
type Health struct {
	clock    clock.PassiveClock
	streamID string // empty: no stream is configured
	group    string

	mu      sync.Mutex // memory only
	state   state
	failing time.Time // since when reads fail; zero while they do not
}

// state is what the condition says.
type state struct {
	known           bool // something was read, or refused
	readable        bool
	reason, message string
}

// NewHealth is the health of a stream that was not read yet; without a stream it stays that of none.
func NewHealth(clk clock.PassiveClock, streamID, group string) *Health {
	return &Health{clock: clk, streamID: streamID, group: group, state: state{reason: reasonNotStarted, message: "the stream was not read yet"}}
}

// Readable says whether interruptions come through the stream, so that nothing else has to look for them in haste.
func (h *Health) Readable() bool {
	now := h.get()
	return now.known && now.readable
}

func (h *Health) get() state {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.state
}

// succeeded notes a good read and says whether that is news.
func (h *Health) succeeded() (news bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.failing = time.Time{}
	news = !h.state.known || !h.state.readable
	h.state = state{known: true, readable: true, reason: reasonReadable, message: fmt.Sprintf("stream %s is read as consumer group %s", h.streamID, h.group)}
	return news
}

// failed notes a read that failed and says whether the stream has become unreadable by it, or for another reason than before. A service
// that does not answer is given some time.
func (h *Health) failed(err error) (news bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := h.clock.Now()
	if h.failing.IsZero() {
		h.failing = now
	}
	next := h.verdict(err)
	if (next.reason == reasonUnreachable) && now.Sub(h.failing) < unreachableAfter {
		return false
	}
	news = h.state != next
	h.state = next
	return news
}

// verdict words what an error means, in one sentence.
func (h *Health) verdict(err error) state {
	failure, message := &oci.Error{}, oci.StableText(err)
	if errors.As(err, &failure) {
		message = oci.StableText(failure)
	}
	s := state{known: true}
	const meanwhile = "; until then interruptions are found in the list of instances, when they happen"
	switch oci.ClassOf(err) {
	case oci.ClassNotFound:
		s.reason = reasonNoStream
		s.message = fmt.Sprintf("stream %s is gone, or the controller lacks the right to `read streams` and to `use stream-pull` in its compartment%s (%s)", h.streamID, meanwhile, message)
	case oci.ClassNotAuthorized:
		s.reason, s.message = reasonNotAccepted, fmt.Sprintf("OCI does not accept the controller's credentials for stream %s%s (%s)", h.streamID, meanwhile, message)
	case oci.ClassTransient, oci.ClassThrottled:
		s.reason, s.message = reasonUnreachable, fmt.Sprintf("OCI Streaming does not answer for stream %s%s (%s)", h.streamID, meanwhile, message)
	default:
		s.reason, s.message = reasonUnexpectedly, fmt.Sprintf("OCI Streaming refuses to serve stream %s%s (%s)", h.streamID, meanwhile, message)
	}
	return s
}
