package main

import (
	"fmt"
	"runtime"
	"time"
)

// estimate guesses how long the rest takes: from the rows' measured CPU-seconds at first, then from this machine's real speed.
type estimate struct {
	now     func() time.Time
	weights []int
	done    int // finished jobs
	spent   time.Duration
	begun   time.Time // of the running job
}

func newEstimate(jobs []job, now func() time.Time) *estimate {
	e := &estimate{now: now, begun: now()}
	for _, j := range jobs {
		e.weights = append(e.weights, j.Weight)
	}
	return e
}

// finish tells that the running job is done and the next one begins.
func (e *estimate) finish() {
	t := e.now()
	e.spent += t.Sub(e.begun)
	e.begun = t
	e.done++
}

// perWeight is the time one CPU-second of a row takes here. Before anything is known: a compile keeps about four cores busy at best.
func (e *estimate) perWeight() time.Duration {
	weight := 0
	for _, w := range e.weights[:e.done] {
		weight += w
	}
	guess := time.Second / time.Duration(min(runtime.NumCPU(), 4))
	if weight == 0 {
		return guess
	}
	// The first small job is blurred by downloads, so the guess keeps a say worth 60 CPU-seconds.
	return (e.spent + 60*guess) / time.Duration(weight+60)
}

// left is the estimated time until the last job is done.
func (e *estimate) left() time.Duration {
	per := e.perWeight()
	var left time.Duration
	for i, w := range e.weights[e.done:] {
		whole := time.Duration(w) * per
		if i == 0 {
			// A job that takes longer than thought is taken to be near its end, never beyond it.
			whole = max(whole-e.now().Sub(e.begun), whole/10)
		}
		left += whole
	}
	return left
}

// about writes a duration as a person would say it.
func about(d time.Duration) string {
	switch {
	case d < 10*time.Second:
		return "a few seconds left"
	case d < 90*time.Second:
		return fmt.Sprintf("about %ds left", int(d.Round(10*time.Second).Seconds()))
	default:
		return fmt.Sprintf("about %dm left", int(d.Round(time.Minute).Minutes()))
	}
}

func round(d time.Duration) time.Duration {
	if d < time.Minute {
		return d.Round(100 * time.Millisecond)
	}
	return d.Round(time.Second)
}
