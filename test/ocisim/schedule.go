package ocisim

import (
	"container/heap"
	"time"
)

// schedule holds what will happen later, ordered by time and then by the order of planning.
type schedule struct {
	events eventHeap
	next   int
}

type event struct {
	at  time.Time
	seq int
	do  func(now time.Time)
}

func (s *schedule) add(at time.Time, do func(now time.Time)) {
	s.next++
	heap.Push(&s.events, event{at: at, seq: s.next, do: do})
}

// pop returns the earliest event that is due.
func (s *schedule) pop(now time.Time) (event, bool) {
	if len(s.events) == 0 || s.events[0].at.After(now) {
		return event{}, false
	}
	return heap.Pop(&s.events).(event), true
}

// due returns when the earliest event happens.
func (s *schedule) due() (time.Time, bool) {
	if len(s.events) == 0 {
		return time.Time{}, false
	}
	return s.events[0].at, true
}

type eventHeap []event

func (h eventHeap) Len() int { return len(h) }
func (h eventHeap) Less(i, j int) bool {
	if h[i].at.Equal(h[j].at) {
		return h[i].seq < h[j].seq
	}
	return h[i].at.Before(h[j].at)
}
func (h eventHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *eventHeap) Push(x any)   { *h = append(*h, x.(event)) }
func (h *eventHeap) Pop() any {
	old := *h
	last := old[len(old)-1]
	*h = old[:len(old)-1]
	return last
}
