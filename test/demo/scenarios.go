package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/karpenter-oke/karpenter-oke/test/demo/report"
	"github.com/karpenter-oke/karpenter-oke/test/environment"
	"github.com/karpenter-oke/karpenter-oke/test/environment/record"
	"github.com/karpenter-oke/karpenter-oke/test/scenarios/mixed"
	"github.com/karpenter-oke/karpenter-oke/test/scenarios/preemption"
)

// scenario is something that can be played on the cluster.
type scenario struct {
	title   string
	phases  []string
	prepare func(*environment.Options)
	play    func(context.Context, *environment.Environment, *mixed.Stage) error
	judge   func(*record.Recording) []record.Check
	timings func(*record.Recording) map[string]float64
	// headlines are the timings that stand at the top of the report.
	headlines []headline
}

type headline struct{ timing, what string }

const defaultScenario = "mixed"

var scenarios = map[string]scenario{
	defaultScenario: {
		title: "A mixed OKE cluster, scaled by Karpenter", phases: mixed.Phases, prepare: func(*environment.Options) {},
		play:  func(ctx context.Context, _ *environment.Environment, s *mixed.Stage) error { return mixed.Play(ctx, s) },
		judge: mixed.Judge, timings: mixed.Timings,
		headlines: []headline{
			{"burst: all 25 pods running", "from scaling until all 25 burst pods ran"},
			{"stateful: first NodeClaim", "until stateful pods that did not fit had a NodeClaim"},
			{"stateful: all 12 pods running", "until all 12 stateful pods ran"},
			{"consolidation: last NodeClaim gone", "from scaling down until the last node was gone"},
		},
	},
	"preemption": {
		title: "Preemptible nodes are taken back, and their pods have left", phases: preemption.Phases,
		prepare: func(o *environment.Options) { o.InterruptionStream = true },
		play: func(ctx context.Context, e *environment.Environment, s *mixed.Stage) error {
			return preemption.Play(ctx, &preemption.Stage{Stage: s, Preempt: e.Simulator().PreemptInstance})
		},
		judge: preemption.Judge, timings: preemption.Timings,
		headlines: []headline{
			{"preemption: last NodeClaim deleted", "from the first announcement until the last NodeClaim was deleted"},
			{"preemption: all pods running elsewhere", "until all pods ran elsewhere and the nodes were gone; OCI leaves 120 s"},
		},
	},
}

// scenario is the one that the settings name.
func (s *settings) scenario() (scenario, error) {
	name := s.Scenario
	if name == "" {
		name = defaultScenario
	}
	found, ok := scenarios[name]
	if !ok {
		return scenario{}, fmt.Errorf("--scenario %q is none of %s", name, strings.Join(slices.Sorted(maps.Keys(scenarios)), ", "))
	}
	return found, nil
}

// figures are the numbers at the top of the report.
func (s scenario) figures(rec *record.Recording, timings map[string]float64) []report.Figure {
	var out []report.Figure
	for _, f := range s.headlines {
		if seconds, ok := timings[f.timing]; ok {
			out = append(out, report.Figure{Value: fmt.Sprintf("%.1f s", seconds), What: f.what})
		}
	}
	peak := 0.0
	for _, sample := range rec.Samples {
		peak = max(peak, sample.TotalCost())
	}
	return append(out, report.Figure{Value: fmt.Sprintf("$%.2f/h", peak), What: "at the peak, list price"},
		report.Figure{Value: fmt.Sprint(rec.OCICallTotal()), What: fmt.Sprintf("OCI calls for %d instances", len(rec.OwnInstances()))})
}
