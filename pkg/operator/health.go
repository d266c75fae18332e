package operator

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"k8s.io/utils/clock"
	crmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/karpenter-oke/karpenter-oke/pkg/controllers/refresh"
	"github.com/karpenter-oke/karpenter-oke/pkg/oci"
)

const (
	// wedgedAfter is how long a loop may stand still without waiting for OCI. Between two calls a loop only computes.
	wedgedAfter = 10 * time.Minute
	// lateAfter is what a run may come later than its task asks for: the growing waits after failures.
	lateAfter = 10 * time.Minute
)

// loops tell a wedged loop from a slow cloud. The controller is not alive when a loop of its own neither ends, nor waits for OCI, nor
// begins when it is due: starting it again is all that helps. A cloud that is slow or away never makes it so.
type loops struct {
	clock clock.Clock
	leads func() bool // tells whether this replica leads
	mu    sync.Mutex  // memory only
	all   []*loop
}

type loop struct {
	name    string
	leader  bool // begins only when this replica leads
	waits   oci.Waits
	running bool
	since   time.Time // when the run began
	due     time.Time // when the next run begins at the latest
}

// watch gives the task back with its runs noted.
func (l *loops) watch(task refresh.Task) refresh.Task {
	w := &loop{name: task.Name, leader: task.LeaderOnly, due: l.next(task)}
	l.mu.Lock()
	l.all = append(l.all, w)
	l.mu.Unlock()
	do := task.Do
	task.Do = func(ctx context.Context) error {
		l.note(w, true, time.Time{})
		defer func() { l.note(w, false, l.next(task)) }()
		return do(oci.WithWaits(ctx, &w.waits))
	}
	return task
}

// next is when a run begins at the latest.
func (l *loops) next(task refresh.Task) time.Time {
	return l.clock.Now().Add(task.Every()*11/10 + lateAfter)
}

func (l *loops) note(w *loop, running bool, due time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	w.running, w.since, w.due = running, l.clock.Now(), due
}

// alive is a liveness check.
func (l *loops) alive(*http.Request) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.clock.Now()
	var errs []error
	for _, w := range l.all {
		if w.leader && !l.leads() { // it begins with the election
			w.due = now.Add(lateAfter)
		}
		moved := w.since
		if ended := w.waits.Ended(); ended.After(moved) {
			moved = ended
		}
		switch {
		case w.running && !w.waits.Pending() && now.Sub(moved) > wedgedAfter:
			errs = append(errs, fmt.Errorf("%s has stood still for %s without waiting for OCI", w.name, now.Sub(moved).Round(time.Second)))
		case !w.running && now.After(w.due):
			errs = append(errs, fmt.Errorf("%s should have begun %s ago", w.name, now.Sub(w.due).Round(time.Second)))
		}
	}
	return errors.Join(errs...)
}

// CheckHealth adds the controller's own checks to those of core: alive as long as no loop is wedged, ready when what every decision needs
// has been read.
func (o *Operator) CheckHealth() error {
	return errors.Join(
		o.AddHealthzCheck("loops", o.loops.alive),
		o.AddHealthzCheck("controllers", (&processors{clock: o.Clock, metrics: crmetrics.Registry, waiting: o.OCI.Waiting}).alive),
		o.AddReadyzCheck("cluster", func(*http.Request) error { return known(o.Cluster.Get() != nil, "the OKE cluster") }),
		o.AddReadyzCheck("shapes", func(*http.Request) error { return known(o.Shapes.Snapshot() != nil, "the shapes") }),
	)
}

func known(is bool, what string) error {
	if is {
		return nil
	}
	return fmt.Errorf("%s could not be read from OCI yet", what)
}

// closed says whether a channel that nothing is sent on was closed.
func closed(channel <-chan struct{}) bool {
	select {
	case <-channel:
		return true
	default:
		return false
	}
}
