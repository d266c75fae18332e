package play

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/karpenter-oke/karpenter-oke/test/chaos/report"
	"github.com/karpenter-oke/karpenter-oke/test/ocisim"
)

const (
	// steadyFor is how long everything must stay right before it counts as having come to rest.
	steadyFor = 5 * time.Second
	// restFor is how long calls are counted at rest; restCalls is how many may be made in that time: the inventory's list, a list for core's
	// garbage collection, whatever is read in the background, and the stream of interruptions once a second.
	restFor   = 10 * time.Second
	restCalls = 26
	// launchFactor and terminateFactor bound the calls that launch and end by the instances that were launched, beside those that failed by a fault.
	launchFactor    = 2
	terminateFactor = 3
	// stormCalls is how many calls a single second may have.
	stormCalls = 60
	// spareGoroutines is by how many goroutines a process that lived through faults may exceed a fresh one, beside a fifth.
	spareGoroutines = 60
)

// await looks until nothing is missing for steadyFor, or the patience ends; then it says what was missing.
func (r *runner) await(ctx context.Context, patience time.Duration, missing func(*view) string) string {
	end := r.clock.Now().Add(patience)
	var rightSince time.Time
	last, told := "", ""
	for ctx.Err() == nil {
		v, err := r.look(ctx)
		switch {
		case err != nil:
			last = err.Error()
		default:
			last = missing(v)
		}
		now := r.clock.Now()
		switch {
		case last != "":
			rightSince = time.Time{}
		case rightSince.IsZero():
			rightSince = now
		case now.Sub(rightSince) >= steadyFor:
			return ""
		}
		if now.After(end) {
			break
		}
		if last != told {
			r.say("waiting: %s", short(last))
			told = last
		}
		sleep(ctx, r.clock, 500*time.Millisecond)
	}
	if last == "" {
		return "it never stayed as it must for " + steadyFor.String()
	}
	return last
}

func short(text string) string {
	if len(text) > 300 {
		return text[:300] + " ..."
	}
	return text
}

// judgement collects invariants.
type judgement []report.Invariant

// add notes an invariant; wrong says what is not as it must be, else right is the detail.
func (j *judgement) add(name, wrong, right string) {
	i := report.Invariant{Name: name, Passed: wrong == "", Detail: right}
	if wrong != "" {
		i.Detail = wrong
	}
	*j = append(*j, i)
}

// judgeAtRest waits until everything has come to rest and looks at it.
func (r *runner) judgeAtRest(ctx context.Context, j *judgement) {
	r.await(ctx, r.o.Patience, func(v *view) string {
		return firstOf(r.controllers.missing(), v.workload(r.plan.Final), v.differences(), strings.Join(v.strays, ", "), r.unread())
	})
	v, err := r.look(ctx)
	if err != nil {
		j.add("the cluster can be read", err.Error(), "")
		return
	}
	j.add("the workload runs", v.workload(r.plan.Final), fmt.Sprintf("%d pods run", len(v.pods)))
	j.add("NodeClaims, instances and nodes are the same", v.differences(), fmt.Sprintf("%d of each", len(v.claims)))
	j.add("no volume and no network card without its instance", strings.Join(v.strays, ", "), "none")
	j.add("every message of the stream was handled and committed", r.unread(), "none is waiting")
	j.add("every controller is ready", r.controllers.missing(), fmt.Sprintf("%d ended by themselves on the way", r.controllers.endedByThemselves()))
	r.judgeCalls(ctx, j)
	r.judgeGoroutines(ctx, j)
}

// unread says how many messages of the stream of interruptions were not committed.
func (r *runner) unread() string {
	sim := r.e.Simulator()
	id := sim.World().StreamID
	groups := sim.Groups(id)
	if len(groups) != 1 {
		return fmt.Sprintf("the stream has %d consumer groups", len(groups))
	}
	left, err := sim.Waiting(id, groups[0])
	switch {
	case err != nil:
		return err.Error()
	case left > 0:
		return fmt.Sprintf("%d messages are waiting", left)
	default:
		return ""
	}
}

func firstOf(texts ...string) string {
	at := slices.IndexFunc(texts, func(t string) bool { return t != "" })
	if at < 0 {
		return ""
	}
	return texts[at]
}

// calls are the controllers' requests after a sequence number.
func (r *runner) calls(since uint64) (out []ocisim.Entry) {
	for _, e := range r.e.Simulator().Journal().Entries(since) {
		if !strings.Contains(e.UserAgent, userAgent) && !strings.Contains(e.UserAgent, "karpenter-oke-environment") {
			out = append(out, e)
		}
	}
	return out
}

func (r *runner) judgeCalls(ctx context.Context, j *judgement) {
	all := r.calls(0)
	var last uint64
	if len(all) > 0 {
		last = all[len(all)-1].Seq
	}
	sleep(ctx, r.clock, restFor)
	counts, failed, seconds := map[string]int{}, map[string]int{}, map[int64]int{}
	busiest := 0
	for _, e := range all {
		counts[e.Operation]++
		if e.FaultID != "" || e.Status == 0 || e.Status >= 400 {
			failed[e.Operation]++
		}
		seconds[e.Time.Unix()]++
		busiest = max(busiest, seconds[e.Time.Unix()])
	}
	rest := len(r.calls(last))
	r.witness.mu.Lock()
	launched := r.witness.launched
	r.witness.mu.Unlock()
	var wrong []string
	for _, b := range []struct {
		operation string
		factor    int
	}{{"LaunchInstance", launchFactor}, {"TerminateInstance", terminateFactor}} {
		if n, most := counts[b.operation]-failed[b.operation], b.factor*launched+5; n > most {
			wrong = append(wrong, fmt.Sprintf("%d calls of %s for %d instances", n, b.operation, launched))
		}
	}
	if busiest > stormCalls {
		wrong = append(wrong, fmt.Sprintf("%d calls in one second", busiest))
	}
	if rest > restCalls {
		wrong = append(wrong, fmt.Sprintf("%d calls in %s at rest", rest, restFor))
	}
	j.add("calls to OCI are bounded", strings.Join(wrong, "; "), fmt.Sprintf("%d calls for %d instances, %d of them LaunchInstance (%d failed) and %d TerminateInstance (%d failed), at most %d in a second; %d in %s at rest",
		len(all), launched, counts["LaunchInstance"], failed["LaunchInstance"], counts["TerminateInstance"], failed["TerminateInstance"], busiest, rest, restFor))
}

// judgeGoroutines compares the process that lived through faults with a fresh one on the same cluster.
func (r *runner) judgeGoroutines(ctx context.Context, j *judgement) {
	const name = "no goroutine leak"
	lived, err := r.goroutines(ctx)
	if err != nil {
		j.add(name, err.Error(), "")
		return
	}
	r.controllers.kill(0, nil, everyone)
	if wrong := r.await(ctx, r.o.Patience, func(v *view) string { return firstOf(r.controllers.missing(), v.differences()) }); wrong != "" {
		j.add(name, "after a restart: "+wrong, "")
		return
	}
	fresh, err := r.goroutines(ctx)
	if err != nil {
		j.add(name, err.Error(), "")
		return
	}
	wrong, words := "", fmt.Sprintf("%d in the process that lived through faults, %d in a fresh one", lived, fresh)
	if lived > fresh+fresh/5+spareGoroutines {
		wrong = words
	}
	j.add(name, wrong, words)
}

// goroutines counts those of the controller that works, which on a busy machine may take more than one question.
func (r *runner) goroutines(ctx context.Context) (n int, err error) {
	err = r.insist(ctx, "counting goroutines", func(context.Context) error {
		n, err = r.controllers.goroutines()
		return err
	})
	return n, err
}

// judgeRemoval deletes everything and looks at what stays.
func (r *runner) judgeRemoval(ctx context.Context, j *judgement) {
	const name = "nothing is left when everything was deleted"
	if err := r.insist(ctx, "deleting everything", r.remove); err != nil {
		j.add(name, err.Error(), "")
		return
	}
	wrong := r.await(ctx, r.o.Patience, (*view).leftovers)
	j.add(name, wrong, "no NodeClaim, node, instance, volume, network card, NodePool or OciNodeClass, so no finalizer that is stuck")
}

// judgeHistory looks at what was seen on the way.
func (r *runner) judgeHistory(j *judgement) {
	r.witness.mu.Lock()
	doubles, touched, launched := r.witness.doubles, r.witness.touched, r.witness.launched
	r.witness.mu.Unlock()
	j.add("never two instances alive for one NodeClaim", strings.Join(doubles, "; "), fmt.Sprintf("%d instances were launched", launched))
	for _, e := range r.calls(0) {
		for id, what := range r.witness.foreign {
			if e.Method != http.MethodGet && strings.Contains(e.Path, id) {
				touched = append(touched, fmt.Sprintf("%s on the instance %s", e.Operation, what))
			}
		}
	}
	j.add("instances of others are not touched", strings.Join(touched, "; "), fmt.Sprintf("%d instances in the same compartment, with equal names", len(r.witness.foreign)))
	panics, races, err := r.controllers.confessions()
	if err != nil {
		j.add("the logs can be read", err.Error(), "")
		return
	}
	j.add("no panic", strings.Join(panics, "; "), "none in any controller's log")
	if r.o.RaceController != "" {
		j.add("no data race", strings.Join(races, ", "), "the race detector of every controller was silent")
	}
}
