// Package play plays a plan of chaos on a real control plane with the real controller, and looks at what is true in the end.
package play

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/karpenter-oke/karpenter-oke/test/chaos/plan"
	"github.com/karpenter-oke/karpenter-oke/test/chaos/report"
	"github.com/karpenter-oke/karpenter-oke/test/environment"
	"github.com/karpenter-oke/karpenter-oke/test/ocisim"
)

// Options say how a plan is played.
type Options struct {
	Name   string // of the cluster
	Dir    string // for logs; emptied
	BinDir string // default: the repository's bin/
	// RaceController is a controller that was built with the race detector; empty: the ordinary one, and races are not looked for.
	RaceController string
	// Patience bounds each wait for things to come to rest. The orphan collector alone needs five minutes in the worst case.
	Patience time.Duration
	Clock    clock.WithTicker
	Say      func(string)
}

// preemptionNotice is how long before it takes an instance back the cloud says so: shorter than it is, so that controllers that are killed
// come too late for some.
const preemptionNotice = 15 * time.Second

type runner struct {
	o           Options
	plan        plan.Plan
	clock       clock.WithTicker
	cloudClock  *jumpingClock
	e           *environment.Environment
	controllers *controllers
	witness     *witness
	begin       time.Time

	mu       sync.Mutex
	faults   map[string]int
	scripted map[string]plan.Kind // by id of the simulator's fault
}

// Run plays a plan. An error means that the run could not be played or judged, not that an invariant failed.
func Run(ctx context.Context, p plan.Plan, o Options) (_ *report.Report, err error) {
	r := &runner{o: o, plan: p, clock: o.Clock, cloudClock: &jumpingClock{WithTicker: o.Clock}, faults: map[string]int{}, scripted: map[string]plan.Kind{}, begin: o.Clock.Now()}
	logs := filepath.Join(o.Dir, "controllers")
	if err := errors.Join(os.RemoveAll(logs), os.MkdirAll(logs, 0o755)); err != nil {
		return nil, fmt.Errorf("emptying %s: %w", logs, err)
	}
	none := 0
	r.e, err = environment.Start(ctx, environment.Options{
		Name: o.Name, Dir: o.Dir, BinDir: o.BinDir, FixedNodes: &none, SystemNodes: &none, VirtualNodes: &none,
		OCISim: ocisim.Options{Clock: r.cloudClock, PreemptionNotice: preemptionNotice}, InterruptionStream: true, Say: func(line string) { r.say("%s", line) },
	})
	if err != nil {
		return nil, err
	}
	defer func() {
		stopCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
		defer cancel()
		err = errors.Join(err, r.e.Stop(stopCtx))
	}()
	r.witness = newWitness(r.e.Simulator().World().ClusterID)
	r.controllers = newControllers(r.e, o.RaceController, logs, p.Controllers, o.Clock)
	kube, err := client.NewWithWatch(r.e.RESTConfig(), client.Options{Scheme: scheme.Scheme})
	if err != nil {
		return nil, fmt.Errorf("making a client: %w", err)
	}
	background, cancel := context.WithCancel(ctx)
	group, groupCtx := errgroup.WithContext(background)
	group.Go(func() error { r.witness.watchInstances(groupCtx, r.e.Simulator()); return nil })
	group.Go(func() error {
		r.witness.watchClaims(groupCtx, kube, func() { sleep(groupCtx, r.clock, 200*time.Millisecond) })
		return nil
	})
	group.Go(func() error { return r.controllers.run(groupCtx) })
	invariants, err := r.play(groupCtx)
	cancel()
	if ended := group.Wait(); err == nil && ended != nil && !errors.Is(ended, context.Canceled) {
		err = ended
	}
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return nil, err
	}
	r.judgeHistory(&invariants)
	return &report.Report{Seed: p.Seed, Faults: r.faults, Invariants: invariants}, nil
}

// play does the plan's steps at their times, then judges what has come of them.
func (r *runner) play(ctx context.Context) (judgement, error) {
	foreigners, err := r.launchForeigners(ctx)
	if err != nil {
		return nil, err
	}
	r.witness.protect(foreigners)
	if err := r.insist(ctx, "applying the manifests", r.apply); err != nil {
		return nil, err
	}
	if wrong := r.await(ctx, r.o.Patience, func(*view) string { return r.controllers.missing() }); wrong != "" {
		return nil, fmt.Errorf("the controllers did not come up: %s", wrong)
	}
	r.say("the plan begins")
	begin := r.clock.Now()
	for _, s := range r.plan.Steps {
		sleep(ctx, r.clock, s.At-r.clock.Since(begin))
		if err := errors.Join(ctx.Err(), r.e.Err()); err != nil {
			return nil, err
		}
		if err := r.step(ctx, s); err != nil {
			return nil, fmt.Errorf("step %s: %w", s, err)
		}
	}
	sleep(ctx, r.clock, r.plan.Duration-r.clock.Since(begin))
	r.endFaults()
	r.say("the plan is over; everything is to come to rest")
	if err := r.insist(ctx, "scaling", func(ctx context.Context) error { return r.scale(ctx, r.plan.Final) }); err != nil {
		return nil, err
	}
	var invariants judgement
	r.judgeAtRest(ctx, &invariants)
	r.judgeRemoval(ctx, &invariants)
	return invariants, errors.Join(ctx.Err(), r.e.Err())
}

func (r *runner) say(format string, args ...any) {
	r.o.Say(fmt.Sprintf("%7.1fs  ", r.clock.Since(r.begin).Seconds()) + fmt.Sprintf(format, args...))
}
