// Package refresh runs what the providers read from the cloud: each task owns its I/O and its interval, and the providers serve
// memory.
package refresh

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/awslabs/operatorpkg/reconciler"
	"github.com/awslabs/operatorpkg/singleton"
	controllerruntime "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/manager"
)

const (
	// retryAfter is the first wait after a failure; it doubles up to retryMost, or to the task's own interval where that is shorter. What is
	// read every few hours is thus tried again within minutes.
	retryAfter = 5 * time.Second
	retryMost  = 5 * time.Minute
	// spread is the part of a wait that is left to chance, so that replicas and tasks do not all read at once.
	spread = 10
)

// Task is one thing to read again and again.
type Task struct {
	// Name is the controller's name, such as refresh.shapes.
	Name string
	// Do reads once.
	Do func(context.Context) error
	// Every gives the time between two good reads.
	Every func() time.Duration
	// Due gives the wait until the next read after a good one, where others may have read meanwhile; nil waits for all of Every.
	Due func() time.Duration
	// Spread adds up to a tenth to the waits after good reads. Waits after failures always have it.
	Spread bool
	// AlreadyRead says that what is there was read just before the controllers start, so that the first read can wait.
	AlreadyRead bool
	// LeaderOnly is for what is read often and not needed by a replica that does not lead; it reads as soon as it does.
	LeaderOnly bool
}

// Controller runs a Task. Unless the task says otherwise it does so on every replica, leader or not: a replica that takes over has fresh
// data.
type Controller struct {
	task     Task
	failures int
}

// NewController makes the controller of a task.
func NewController(task Task) *Controller { return &Controller{task: task} }

// Register adds the controller to a manager.
func (c *Controller) Register(_ context.Context, m manager.Manager) error {
	leaderOnly := c.task.LeaderOnly
	return controllerruntime.NewControllerManagedBy(m).
		Named(c.task.Name).
		WithOptions(controller.Options{NeedLeaderElection: &leaderOnly}).
		WatchesRawSource(singleton.Source()).
		Complete(singleton.AsReconciler(c))
}

// Reconcile reads once. A failure is retried with a growing wait and logged at its first time and then rarely, since the data
// at hand stays good.
func (c *Controller) Reconcile(ctx context.Context) (reconciler.Result, error) {
	if c.task.AlreadyRead {
		c.task.AlreadyRead = false
		return reconciler.Result{RequeueAfter: c.next()}, nil
	}
	if err := c.task.Do(ctx); err != nil {
		wait := min(retryAfter<<min(c.failures, 10), retryMost, c.task.Every())
		wait += jitter(wait / spread)
		if c.failures&(c.failures+1) == 0 { // 1st, 2nd, 4th, 8th ... failure
			log.FromContext(ctx).Error(err, "refresh failed, the last known data stays", "failures", c.failures+1, "retryAfter", wait.String())
		}
		c.failures++
		return reconciler.Result{RequeueAfter: wait}, nil
	}
	c.failures = 0
	return reconciler.Result{RequeueAfter: c.next()}, nil
}

// next is the wait after a good read.
func (c *Controller) next() time.Duration {
	wait := c.task.Every()
	if c.task.Due != nil {
		wait = c.task.Due()
	}
	if c.task.Spread {
		wait += jitter(wait / spread)
	}
	return wait
}

// jitter is a random time below the given one.
func jitter(most time.Duration) time.Duration {
	if most <= 0 {
		return 0
	}
	return rand.N(most) //nolint:gosec // jitter is no secret
}

// Fixed is an Every that does not change.
func Fixed(d time.Duration) func() time.Duration { return func() time.Duration { return d } }
