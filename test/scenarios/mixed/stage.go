package mixed

import (
	"context"
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/karpenter-oke/karpenter-oke/test/environment/record"
)

// Stage is the cluster that the scenario is played on.
type Stage struct {
	Client    client.Client
	Recorder  *record.Recorder // running
	Apply     func(ctx context.Context, manifests ...string) error
	Delete    func(ctx context.Context, manifests ...string) error
	Leftovers func(ctx context.Context) (record.Leftovers, error)
	Alive     func() error     // says which part of the cluster ended by itself; nil while all are well
	Say       func(string)     // tells the audience what happens
	Logs      string           // where a person finds the logs
	Clock     clock.WithTicker //
	Patience  float64          // multiplies every limit; 0 means 1. For slow or loaded machines
}

// limit is how long a single step may take on an idle machine, with plenty to spare.
const limit = 2 * time.Minute

// lookAgain is the longest time between two looks at a condition, for what the recorder does not see.
const lookAgain = 250 * time.Millisecond

// TimeoutError tells that something expected did not happen in time.
type TimeoutError struct {
	Awaited string
	After   time.Duration
	Seen    string // what there was instead
	Logs    string
}

func (e *TimeoutError) Error() string {
	return fmt.Sprintf("waited %s for %s; last seen: %s; logs: %s", e.After.Round(time.Second), e.Awaited, e.Seen, e.Logs)
}

// await returns when met says so. It looks after every recorded change. Errors: *TimeoutError, the error of a part that died, ctx's.
func (s *Stage) await(ctx context.Context, what string, met func(*record.Recording) (ok bool, seen string)) error {
	s.Say("waiting for " + what)
	begin := s.Clock.Now()
	patience := time.Duration(float64(limit) * s.patience())
	for {
		changed := s.Recorder.Changed()
		ok, seen := met(s.Recorder.Recording())
		if ok {
			return nil
		}
		if err := s.Alive(); err != nil {
			return fmt.Errorf("waiting for %s: %w", what, err)
		}
		if s.Clock.Since(begin) >= patience {
			return &TimeoutError{Awaited: what, After: patience, Seen: seen, Logs: s.Logs}
		}
		timer := s.Clock.NewTimer(lookAgain)
		select {
		case <-ctx.Done():
		case <-changed:
		case <-timer.C():
		}
		timer.Stop()
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
}

// hold lets time pass in which something must not happen.
func (s *Stage) hold(ctx context.Context, d time.Duration, why string) error {
	s.Say(fmt.Sprintf("watching for %s that %s", d, why))
	timer := s.Clock.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C():
		return s.Alive()
	}
}

func (s *Stage) patience() float64 {
	if s.Patience == 0 {
		return 1
	}
	return s.Patience
}

func (s *Stage) apply(ctx context.Context, files ...string) error {
	return s.each(ctx, "apply", s.Apply, files)
}

func (s *Stage) delete(ctx context.Context, files ...string) error {
	return s.each(ctx, "delete", s.Delete, files)
}

func (s *Stage) each(ctx context.Context, verb string, do func(context.Context, ...string) error, files []string) error {
	for _, file := range files {
		manifest, err := Manifest(file)
		if err != nil {
			return err
		}
		s.Say("kubectl " + verb + " -f test/scenarios/mixed/" + file)
		if err := do(ctx, manifest); err != nil {
			return fmt.Errorf("%s %s: %w", verb, file, err)
		}
	}
	return nil
}

func (s *Stage) scale(ctx context.Context, deployment string, replicas int) error {
	s.Say(fmt.Sprintf("kubectl scale deployment %s --replicas=%d", deployment, replicas))
	d := &appsv1.Deployment{}
	if err := s.Client.Get(ctx, client.ObjectKey{Namespace: namespace, Name: deployment}, d); err != nil {
		return fmt.Errorf("scaling %s: %w", deployment, err)
	}
	before := d.DeepCopy()
	d.Spec.Replicas = ptr.To(int32(replicas))
	if err := s.Client.Patch(ctx, d, client.MergeFrom(before)); err != nil {
		return fmt.Errorf("scaling %s: %w", deployment, err)
	}
	return nil
}

// cordon makes all virtual nodes unschedulable, or schedulable again, as kubectl does.
func (s *Stage) cordon(ctx context.Context, unschedulable bool) error {
	verb := map[bool]string{true: "cordon", false: "uncordon"}[unschedulable]
	nodes := &corev1.NodeList{}
	if err := s.Client.List(ctx, nodes); err != nil {
		return fmt.Errorf("%sing the virtual nodes: %w", verb, err)
	}
	for i := range nodes.Items {
		node := &nodes.Items[i]
		if record.LayerOf(node) != record.LayerVirtual {
			continue
		}
		s.Say("kubectl " + verb + " " + node.Name)
		before := node.DeepCopy()
		node.Spec.Unschedulable = unschedulable
		if err := s.Client.Patch(ctx, node, client.MergeFrom(before)); err != nil {
			return fmt.Errorf("%sing %s: %w", verb, node.Name, err)
		}
	}
	return nil
}
