// Package preemption is the scenario of interruptions: OCI takes back half of the nodes of a service that runs on preemptible capacity, and
// the service moves away in time.
package preemption

import (
	"context"
	_ "embed"
	"fmt"
	"slices"

	"github.com/karpenter-oke/karpenter-oke/test/environment/record"
	"github.com/karpenter-oke/karpenter-oke/test/scenarios/mixed"
)

//go:embed workload.yaml
var workload string

// The phases, in order.
const (
	PhaseSpot    = "preemptible nodes"
	PhaseWave    = "half of them are taken back"
	PhaseCleanUp = "clean up"
)

// Phases in order.
var Phases = []string{PhaseSpot, PhaseWave, PhaseCleanUp}

const (
	app      = "renderer"
	replicas = 6
	wave     = replicas / 2
)

// Stage is the cluster that the scenario is played on; its controller reads the stream of interruptions.
type Stage struct {
	*mixed.Stage
	// Preempt has OCI announce that it takes an instance back.
	Preempt func(instanceID string) error
}

// Play runs the scenario. It stops at the first step that does not reach its goal and returns why; the phase carries the error too.
func Play(ctx context.Context, s *Stage) error {
	for _, step := range []struct {
		phase string
		run   func(context.Context) error
	}{{PhaseSpot, s.spot}, {PhaseWave, s.wave}, {PhaseCleanUp, s.cleanUp}} {
		s.Recorder.BeginPhase(step.phase)
		err := step.run(ctx)
		s.Recorder.EndPhase(err)
		if err != nil {
			return fmt.Errorf("phase %q: %w", step.phase, err)
		}
	}
	return nil
}

func (s *Stage) spot(ctx context.Context) error {
	s.Say("kubectl apply -f test/scenarios/preemption/workload.yaml")
	if err := s.Apply(ctx, workload); err != nil {
		return fmt.Errorf("applying the workload: %w", err)
	}
	return s.Await(ctx, fmt.Sprintf("%d pods to run on preemptible nodes", replicas), allRun(nil))
}

func (s *Stage) wave(ctx context.Context) error {
	var taken []string
	for _, c := range s.Recorder.Recording().NodeClaims {
		if len(taken) == wave || !c.Deleting.IsZero() || c.ProviderID == "" {
			continue
		}
		s.Say(fmt.Sprintf("OCI announces that it takes back the instance of NodeClaim %s in two minutes", c.Name))
		if err := s.Preempt(c.ProviderID); err != nil {
			return fmt.Errorf("preempting %s: %w", c.Name, err)
		}
		taken = append(taken, c.Name)
	}
	return s.Await(ctx, "the pods to run elsewhere and the NodeClaims to go", allRun(taken))
}

func (s *Stage) cleanUp(ctx context.Context) error {
	if err := s.Delete(ctx, workload); err != nil {
		return fmt.Errorf("deleting the workload: %w", err)
	}
	if err := s.Await(ctx, "all NodeClaims and instances to go", mixed.NothingBought); err != nil {
		return err
	}
	left, err := s.Leftovers(ctx)
	if err != nil {
		return fmt.Errorf("looking for leftovers: %w", err)
	}
	s.Recorder.SetLeftovers(left)
	return nil
}

// allRun is met when all pods run on Karpenter's nodes and the named NodeClaims are gone.
func allRun(gone []string) func(*record.Recording) (bool, string) {
	return func(r *record.Recording) (bool, string) {
		running, left := 0, []string{}
		for _, p := range r.Pods {
			if p.App == app && p.Gone.IsZero() && p.Deleting.IsZero() && !p.Running.IsZero() && p.Layer == record.LayerKarpenter {
				running++
			}
		}
		for _, c := range r.NodeClaims {
			if slices.Contains(gone, c.Name) && c.Gone.IsZero() {
				left = append(left, c.Name)
			}
		}
		return running == replicas && len(left) == 0, fmt.Sprintf("%d of %d pods run; still there: %v", running, replicas, left)
	}
}
