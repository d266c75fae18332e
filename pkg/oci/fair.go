package oci

import (
	"context"
	"slices"
)

type flowKey struct{}

// WithFlow says on whose behalf calls are made: those that share a flow wait behind each other, and flows take turns. Launches
// bear their NodePool, so that one that starts hundreds of nodes does not make another wait for all of them.
func WithFlow(ctx context.Context, flow string) context.Context {
	return context.WithValue(ctx, flowKey{}, flow)
}

// FlowOf is the flow that calls with this context belong to; "" unless WithFlow said so.
func FlowOf(ctx context.Context) string {
	flow, _ := ctx.Value(flowKey{}).(string)
	return flow
}

// waiter is a call that waits for its turn.
type waiter struct {
	flow    string
	granted chan struct{} // closed when the call may go out, or is refused
	refused error         // why it may not; written before granted is closed
	duty    chan struct{} // told when this waiter has to watch the clock for all
}

// fairQueue holds waiters by flow, oldest first, and serves the flows in turn. It is not safe for concurrent use.
type fairQueue struct {
	flows map[string][]*waiter
	turns []string // flows that have waiters; the first is next
}

func (q *fairQueue) empty() bool { return len(q.turns) == 0 }

func (q *fairQueue) push(w *waiter) {
	if q.flows == nil {
		q.flows = map[string][]*waiter{}
	}
	if len(q.flows[w.flow]) == 0 {
		q.turns = append(q.turns, w.flow)
	}
	q.flows[w.flow] = append(q.flows[w.flow], w)
}

// next is the waiter whose turn it is; the queue is not empty.
func (q *fairQueue) next() *waiter { return q.flows[q.turns[0]][0] }

// pop takes the waiter whose turn it is out; its flow goes to the end of the row.
func (q *fairQueue) pop() *waiter {
	flow := q.turns[0]
	w := q.flows[flow][0]
	q.turns = q.turns[1:]
	if rest := q.flows[flow][1:]; len(rest) > 0 {
		q.flows[flow] = rest
		q.turns = append(q.turns, flow)
	} else {
		delete(q.flows, flow)
	}
	return w
}

// remove takes a waiter out that gave up.
func (q *fairQueue) remove(w *waiter) {
	waiting := q.flows[w.flow]
	i := slices.Index(waiting, w)
	if i < 0 {
		return
	}
	if len(waiting) > 1 {
		q.flows[w.flow] = slices.Delete(waiting, i, i+1)
		return
	}
	delete(q.flows, w.flow)
	if at := slices.Index(q.turns, w.flow); at >= 0 {
		q.turns = slices.Delete(q.turns, at, at+1)
	}
}
