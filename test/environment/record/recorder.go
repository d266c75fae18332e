package record

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
)

// SampleInterval is how often the whole is sampled: fine enough to see one pod's start, coarse enough for an hour's play.
const SampleInterval = 500 * time.Millisecond

// Source is the cloud side of what is recorded.
type Source interface {
	// Instances are all instances of the region, TERMINATED ones too.
	Instances() []Instance
	// OCICalls counts the controller's requests by operation; failed is how many were answered with an error.
	OCICalls() (byOperation map[string]int, failed int)
	// Calls lists the controller's requests that change something or were answered with an error, oldest first.
	Calls() []Call
	// Cost is the list price in US dollars per hour of a layer, given the cluster's running instances and virtual pods.
	Cost() map[Layer]float64
	// Changes receives a value after every change of an instance.
	Changes(ctx context.Context) <-chan struct{}
}

// Recorder follows a cluster. Make one with New, let it work with Run, and read it at any time.
type Recorder struct {
	config *rest.Config
	source Source
	clock  clock.WithTicker

	mu     sync.Mutex
	rec    Recording
	pods   map[string]*Pod // these five by UID or OCID
	nodes  map[string]*Node
	claims map[string]*NodeClaim
	events map[string]*Event
	inst   map[string]*Instance
	order  struct{ pods, nodes, claims, events, inst []string }

	podStep  map[string]PodCounts // by UID: one in the step that the pod is in
	usable   map[string]bool      // node UIDs that are ready and not cordoned
	nodeUIDs map[string]string    // by name; an address, and with it a name, may come back on another machine

	changed chan struct{}
	synced  chan struct{}
}

// New makes a recorder of the cluster behind config. It does nothing until Run.
func New(config *rest.Config, source Source, c clock.WithTicker) *Recorder {
	return &Recorder{
		config: config, source: source, clock: c,
		rec:  Recording{Started: c.Now(), Versions: map[string]string{}},
		pods: map[string]*Pod{}, nodes: map[string]*Node{}, claims: map[string]*NodeClaim{}, events: map[string]*Event{},
		inst: map[string]*Instance{}, podStep: map[string]PodCounts{}, usable: map[string]bool{}, nodeUIDs: map[string]string{},
		changed: make(chan struct{}), synced: make(chan struct{}),
	}
}

// Run records until ctx ends. The custom resources must be installed before.
func (r *Recorder) Run(ctx context.Context) error {
	informers, err := cache.New(r.config, cache.Options{Scheme: scheme.Scheme})
	if err != nil {
		return fmt.Errorf("watching the cluster: %w", err)
	}
	for _, kind := range []client.Object{&corev1.Pod{}, &corev1.Node{}, &corev1.Event{}, &karpv1.NodeClaim{}} {
		informer, err := informers.GetInformer(ctx, kind, cache.BlockUntilSynced(false))
		if err != nil {
			return fmt.Errorf("watching the cluster: %w", err)
		}
		if _, err := informer.AddEventHandler(r.handler()); err != nil {
			return fmt.Errorf("watching the cluster: %w", err)
		}
	}
	failed := make(chan error, 1)
	go func() { failed <- informers.Start(ctx) }()
	if !informers.WaitForCacheSync(ctx) {
		return fmt.Errorf("watching the cluster: %w", context.Cause(ctx))
	}
	r.Sample()
	close(r.synced)
	ticker := r.clock.NewTicker(SampleInterval)
	defer ticker.Stop()
	instances := r.source.Changes(ctx)
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-failed:
			return err
		case <-instances:
			r.update(func(now time.Time) { r.readInstances(now) })
		case <-ticker.C():
			r.Sample()
		}
	}
}

// Synced is closed when the recorder knows everything that was there when it began.
func (r *Recorder) Synced() <-chan struct{} { return r.synced }

// Changed returns a channel that is closed at the next change of anything recorded.
func (r *Recorder) Changed() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.changed
}

func (r *Recorder) handler() toolscache.ResourceEventHandler {
	return toolscache.ResourceEventHandlerFuncs{
		AddFunc:    func(obj any) { r.see(obj, false) },
		UpdateFunc: func(_, obj any) { r.see(obj, false) },
		DeleteFunc: func(obj any) {
			if tombstone, ok := obj.(toolscache.DeletedFinalStateUnknown); ok {
				obj = tombstone.Obj
			}
			r.see(obj, true)
		},
	}
}

func (r *Recorder) see(obj any, gone bool) {
	r.update(func(now time.Time) {
		switch o := obj.(type) {
		case *corev1.Pod:
			r.seePod(o, gone, now)
		case *corev1.Node:
			r.seeNode(o, gone, now)
		case *karpv1.NodeClaim:
			r.seeClaim(o, gone, now)
		case *corev1.Event:
			r.seeEvent(o, now)
		}
	})
}

// update changes the recording and wakes whoever waits for a change.
func (r *Recorder) update(change func(now time.Time)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change(r.clock.Now())
	close(r.changed)
	r.changed = make(chan struct{})
}

// BeginPhase ends the phase before, if any, and begins another.
func (r *Recorder) BeginPhase(name string) {
	r.update(func(now time.Time) {
		r.endPhase(now, nil)
		r.rec.Phases = append(r.rec.Phases, Phase{Name: name, Start: now})
	})
}

// EndPhase ends the current phase; err says why it did not reach its goal.
func (r *Recorder) EndPhase(err error) {
	r.update(func(now time.Time) { r.endPhase(now, err) })
}

func (r *Recorder) endPhase(now time.Time, err error) {
	if len(r.rec.Phases) == 0 {
		return
	}
	last := &r.rec.Phases[len(r.rec.Phases)-1]
	if !last.End.IsZero() {
		return
	}
	last.End = now
	if err != nil {
		last.Error = err.Error()
	}
}

// SetVersion notes the version of a part.
func (r *Recorder) SetVersion(part, version string) {
	r.update(func(time.Time) { r.rec.Versions[part] = version })
}

// SetLeftovers notes what still exists in OCI at the end.
func (r *Recorder) SetLeftovers(l Leftovers) {
	r.update(func(time.Time) { r.rec.Leftovers = &l })
}

// Fail notes why the play stopped early, with the end of the controller's log.
func (r *Recorder) Fail(reason, logTail string) {
	r.update(func(time.Time) { r.rec.Failure, r.rec.LogTail = reason, logTail })
}

// Recording returns a copy of everything up to now.
func (r *Recorder) Recording() *Recording {
	calls, _ := r.source.OCICalls()
	changing := r.source.Calls()
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.clock.Now()
	r.readInstances(now)
	out := r.rec
	out.Ended, out.OCICalls, out.Calls = now, calls, changing
	out.Phases, out.Samples, out.Versions = slices.Clone(r.rec.Phases), slices.Clone(r.rec.Samples), maps.Clone(r.rec.Versions)
	out.Pods, out.Nodes, out.NodeClaims = inOrder(r.order.pods, r.pods), inOrder(r.order.nodes, r.nodes), inOrder(r.order.claims, r.claims)
	out.Events, out.Instances = inOrder(r.order.events, r.events), inOrder(r.order.inst, r.inst)
	return &out
}

func inOrder[T any](order []string, all map[string]*T) []T {
	out := make([]T, 0, len(order))
	for _, key := range order {
		out = append(out, *all[key])
	}
	return out
}

// Latest returns the newest sample and the phase that is being played, with its number from 1; zero values before the first.
func (r *Recorder) Latest() (s Sample, phase string, number int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if n := len(r.rec.Samples); n > 0 {
		s = r.rec.Samples[n-1]
	}
	if n := len(r.rec.Phases); n > 0 {
		phase, number = r.rec.Phases[n-1].Name, n
	}
	return s, phase, number
}
