package play

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/test/chaos/plan"
	"github.com/karpenter-oke/karpenter-oke/test/ocisim"
)

const apiServer = "kube-apiserver"

// unlistedFor is how long lists do not show an instance whose launch ended with its controller: longer than the next one needs to come up.
const unlistedFor = 45 * time.Second

func rawSince(version string) *metav1.ListOptions {
	return &metav1.ListOptions{ResourceVersion: version}
}

// step does what a step of the plan says.
func (r *runner) step(ctx context.Context, s plan.Step) error {
	r.say("%s", s)
	switch s.Kind {
	case plan.Scale:
		return r.insist(ctx, "scaling", func(ctx context.Context) error { return r.scale(ctx, s.Replicas) })
	case plan.Kill:
		r.happened(s.Kind, r.controllers.kill(s.Delay, nil, everyone))
	case plan.KillLeader:
		r.happened(s.Kind, r.controllers.killWorking(s.Delay))
	case plan.KillAt:
		return r.killAt(s)
	case plan.APIServer:
		return r.restartAPIServer(ctx, s.Delay)
	case plan.DeleteOne:
		return r.deleteOne(ctx, s.Delay)
	case plan.ClockJump:
		r.cloudClock.jump(s.Delay)
		r.happened(s.Kind, 1)
	case plan.Terminated:
		return r.terminateOne()
	case plan.Preempted:
		r.happened(s.Kind, r.preempt(s.Count))
	case plan.Wave:
		r.wave(s)
	case plan.BadNews:
		r.happened(s.Kind, s.Count)
		return r.badNews(s.Count)
	default:
		return r.fault(s)
	}
	return nil
}

// fault scripts a fault of OCI; its hits are counted at the end.
func (r *runner) fault(s plan.Step) error {
	f := ocisim.Fault{Operation: s.Operation, Times: s.Count, Delay: s.Delay}
	switch s.Kind {
	case plan.CutBefore:
		f.Kind = ocisim.CutBefore
	case plan.CutAfter:
		f.Kind = ocisim.CutAfter
	case plan.Broken:
		f.Kind, f.Status, f.Code, f.Message = ocisim.ErrorAnswer, http.StatusInternalServerError, "InternalServerError", "An internal server error has occurred."
	case plan.Throttled:
		f.Kind = ocisim.TooManyRequests
	case plan.Slow:
		f.Kind = ocisim.Latency
	case plan.NoCapacity:
		f.Kind = ocisim.OutOfHostCapacity
	case plan.LateNo:
		f.Kind = ocisim.OutOfHostCapacityLater
	case plan.Limit:
		f.Kind = ocisim.LimitExceeded
	case plan.SlowBoot:
		f.Kind = ocisim.SlowProvisioning
	case plan.ListLag:
		f.Kind = ocisim.ListLag
	default:
		return fmt.Errorf("step %s is of no known kind", s)
	}
	return r.script(s.Kind, f)
}

// script adds a fault and remembers what its hits count as.
func (r *runner) script(kind plan.Kind, f ocisim.Fault) error {
	id, err := r.e.Simulator().Faults().Add(f)
	if err != nil {
		return fmt.Errorf("scripting %s: %w", kind, err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.scripted[id] = kind
	return nil
}

// killAt has the working controller killed at a point.
func (r *runner) killAt(s plan.Step) error {
	kill := func() { r.happened(plan.Kind("kill-at "+string(s.Point)), r.controllers.killWorking(0)) }
	around := map[plan.Point]ocisim.Fault{
		plan.LaunchBefore:     {Operation: "LaunchInstance", Kind: ocisim.CutBefore},
		plan.LaunchDone:       {Operation: "LaunchInstance", Kind: ocisim.CutAfter},
		plan.LaunchUnlisted:   {Operation: "LaunchInstance", Kind: ocisim.CutAfter},
		plan.LaunchAnswered:   {Operation: "LaunchInstance", Kind: ocisim.Answered},
		plan.TerminateBefore:  {Operation: "TerminateInstance", Kind: ocisim.CutBefore},
		plan.TerminateDone:    {Operation: "TerminateInstance", Kind: ocisim.CutAfter},
		plan.TerminateAnswers: {Operation: "TerminateInstance", Kind: ocisim.Answered},
		plan.DuringList:       {Operation: "ListInstances", Kind: ocisim.CutAfter},
		plan.DuringStart:      {Operation: "ListShapes", Kind: ocisim.CutBefore},
		plan.CommitBefore:     {Operation: "ConsumerCommit", Kind: ocisim.CutBefore},
	}
	f, isCall := around[s.Point]
	if !isCall {
		r.witness.arm(s.Point, kill)
		return nil
	}
	f.Times, f.Then = 1, kill
	if s.Point == plan.LaunchUnlisted {
		if err := r.script(plan.ListLag, ocisim.Fault{Kind: ocisim.ListLag, Times: 1, Delay: unlistedFor}); err != nil {
			return err
		}
	}
	if f.Kind == ocisim.Answered && s.Delay > 0 { // later, between two writes of the controller
		f.Then = func() { go func() { <-r.clock.After(s.Delay); kill() }() }
	}
	if err := r.script("", f); err != nil {
		return err
	}
	if s.Point == plan.DuringStart {
		r.happened(plan.Kill, r.controllers.kill(0, nil, everyone))
	}
	return nil
}

func (r *runner) restartAPIServer(ctx context.Context, away time.Duration) error {
	if err := r.e.Plane().Kill(apiServer); err != nil {
		return err
	}
	r.happened(plan.APIServer, 1)
	sleep(ctx, r.clock, away)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return r.e.Plane().Revive(ctx, apiServer)
}

// deleteOne deletes the youngest NodeClaim while no controller runs: its launch may not have been written down.
func (r *runner) deleteOne(ctx context.Context, away time.Duration) error {
	hold := make(chan struct{})
	defer close(hold)
	r.happened(plan.Kill, r.controllers.kill(away, hold, everyone))
	return r.insist(ctx, "deleting a NodeClaim", func(ctx context.Context) error {
		claims := &karpv1.NodeClaimList{}
		if err := r.e.Client().List(ctx, claims); err != nil || len(claims.Items) == 0 {
			return err
		}
		youngest := slices.MaxFunc(claims.Items, func(a, b karpv1.NodeClaim) int {
			return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time), cmp.Compare(a.Name, b.Name))
		})
		err := r.e.Client().Delete(ctx, &youngest)
		if err == nil {
			r.happened(plan.DeleteOne, 1)
		}
		return client.IgnoreNotFound(err)
	})
}

// terminateOne lets the cloud end the oldest instance of the cluster that runs.
func (r *runner) terminateOne() error {
	for _, i := range r.e.Simulator().Instances() {
		if i.State == "RUNNING" && i.FreeformTags[v1alpha1.TagClusterID] == r.witness.clusterID {
			r.happened(plan.Terminated, 1)
			return r.e.Simulator().TerminateInstance(i.ID)
		}
	}
	return nil
}

// preempt announces that preemptible instances of the cluster are taken back, the oldest first, and says how many there were.
func (r *runner) preempt(most int) (n int) {
	for _, i := range r.e.Simulator().Instances() {
		if n < most && i.Preemptible && i.FreeformTags[v1alpha1.TagClusterID] == r.witness.clusterID && r.e.Simulator().PreemptInstance(i.ID) == nil {
			n++
		}
	}
	return n
}

// wave waits until enough preemptible instances run, and announces that all of them are taken back. Whoever is killed by it, is so on the way.
func (r *runner) wave(s plan.Step) {
	r.witness.armWave(s.Count, func() {
		if s.Point != "" {
			if err := r.killAt(s); err != nil {
				r.say("%s: %s", s, err)
				return
			}
		}
		n := r.preempt(math.MaxInt)
		r.say("a wave of %d preemptions", n)
		if n > 0 {
			r.happened(s.Kind, 1)
			r.happened(plan.Preempted, n)
		}
	})
}

// badNews puts messages into the stream that nothing must come of: of every second one nothing can be read, the others announce that a
// foreigner is preempted.
func (r *runner) badNews(n int) error {
	sim := r.e.Simulator()
	for k := range n {
		text := []byte("{")
		for id := range r.witness.foreign {
			if e, err := sim.PreemptionEvent(id); k%2 == 1 && err == nil {
				text, _ = json.Marshal(e) // plain fields
			}
		}
		if err := sim.Publish(sim.World().StreamID, text); err != nil {
			return fmt.Errorf("publishing bad news: %w", err)
		}
	}
	return nil
}

// happened counts a fault that took place.
func (r *runner) happened(kind plan.Kind, n int) {
	if n == 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.faults[string(kind)] += n
}

// endFaults takes everything out of the way and counts what had happened.
func (r *runner) endFaults() {
	r.witness.disarm()
	faults := r.e.Simulator().Faults()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, f := range faults.List() {
		if kind := r.scripted[f.ID]; kind != "" && f.Hits > 0 {
			r.faults[string(kind)] += f.Hits
		}
		faults.Remove(f.ID)
	}
}
