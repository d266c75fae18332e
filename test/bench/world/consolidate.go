package world

import (
	"context"
	"fmt"
	"time"

	"github.com/samber/lo"
	corev1 "k8s.io/api/core/v1"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/controllers/disruption"
)

// Disrupted counts what consolidation did.
type Disrupted struct {
	// Empty, Deleted and Replaced are nodes: ended without pods, ended with their pods going elsewhere, replaced by Bought.
	Empty, Deleted, Replaced, Bought int
	// Pods that had to move.
	Pods int
}

// Add counts what was done on top.
func (d *Disrupted) Add(other Disrupted) {
	d.Empty += other.Empty
	d.Deleted += other.Deleted
	d.Replaced += other.Replaced
	d.Bought += other.Bought
	d.Pods += other.Pods
}

// Nodes is how many nodes were ended.
func (d Disrupted) Nodes() int { return d.Empty + d.Deleted + d.Replaced }

// believed is core's validator without the 15 seconds of waiting in which the cluster may change: here nothing changes meanwhile.
type believed struct{}

// Validate implements disruption.Validator.
func (believed) Validate(_ context.Context, c disruption.Command, _ time.Duration) (disruption.Command, error) {
	return c, nil
}

// pollingPeriod is how often core's disruption controller looks again after it found nothing; commands follow each other at once.
const pollingPeriod = 10 * time.Second

// Consolidate runs core's disruption loop until it finds nothing to do, at most rounds times.
func (w *World) Consolidate(ctx context.Context, rounds int) (Disrupted, error) {
	ctx = w.context(ctx, "disruption")
	total := Disrupted{}
	w.markConsolidatable()
	for range rounds {
		w.Clock.Step(pollingPeriod)
		done, acted, err := w.disruptOnce(ctx)
		if err != nil {
			return total, err
		}
		total.Add(done)
		if !acted {
			return total, nil
		}
		if _, err := w.Provision(ctx); err != nil { // pods that the command left without a node
			return total, err
		}
		w.markConsolidatable()
	}
	return total, nil
}

// markConsolidatable is what core's controller of that condition does.
func (w *World) markConsolidatable() {
	for _, n := range w.Nodes() {
		was := n.claim.StatusConditions().Get(karpv1.ConditionTypeConsolidatable).IsTrue()
		is := w.Clock.Since(n.claim.Status.LastPodEventTime.Time) >= w.options.ConsolidateAfter
		switch {
		case is == was:
			continue
		case is:
			n.claim.StatusConditions().SetTrue(karpv1.ConditionTypeConsolidatable)
		default:
			_ = n.claim.StatusConditions().Clear(karpv1.ConditionTypeConsolidatable)
		}
		w.cluster.UpdateNodeClaim(n.claim.DeepCopy())
	}
}

// disruptOnce tries the methods in core's order; the first that finds something ends the round.
func (w *World) disruptOnce(ctx context.Context) (Disrupted, bool, error) {
	for _, method := range w.methods {
		candidates, totals, err := disruption.GetCandidatesWithTotals(ctx, w.cluster, w.store, w.recorder, w.Clock, w.cloud,
			method.ShouldDisrupt, method.Class(), w.queue, nil)
		if err != nil {
			return Disrupted{}, false, fmt.Errorf("finding candidates: %w", err)
		}
		if len(candidates) == 0 {
			continue
		}
		if setter, ok := method.(disruption.NodePoolTotalsSetter); ok {
			setter.SetNodePoolTotals(totals)
		}
		budgets, err := disruption.BuildDisruptionBudgetMapping(ctx, w.cluster, w.Clock, w.store, w.cloud, w.recorder, method.Reason())
		if err != nil {
			return Disrupted{}, false, fmt.Errorf("reading budgets: %w", err)
		}
		commands, err := method.ComputeCommands(ctx, budgets, candidates...)
		if err != nil {
			return Disrupted{}, false, fmt.Errorf("consolidating: %w", err)
		}
		commands = lo.Filter(commands, func(c disruption.Command, _ int) bool { return c.Decision() != disruption.NoOpDecision })
		done := Disrupted{}
		for i := range commands {
			one, err := w.execute(ctx, &commands[i])
			if err != nil {
				return done, true, err
			}
			done.Add(one)
		}
		if len(commands) > 0 {
			return done, true, nil
		}
	}
	return Disrupted{}, false, nil
}

// execute carries a command out: replacements first, then the candidates go and their pods move as the simulation found.
func (w *World) execute(ctx context.Context, c *disruption.Command) (Disrupted, error) {
	done := Disrupted{Bought: len(c.Replacements)}
	targets := map[string][]*corev1.Pod{}
	for _, existing := range c.Results.ExistingNodes {
		targets[existing.Name()] = existing.Pods
	}
	for _, r := range c.Replacements {
		node, err := w.buy(ctx, r.ToNodeClaim())
		if err != nil {
			return done, err
		}
		targets[node.Name] = r.Pods
	}
	for _, candidate := range c.Candidates {
		n, ok := w.nodes[candidate.Name()]
		if !ok {
			return done, fmt.Errorf("core disrupts %s, which is not there", candidate.Name())
		}
		moved := len(w.store.podsOn[n.Name]) - len(w.store.daemonSets)
		switch {
		case moved == 0:
			done.Empty++
		case len(c.Replacements) > 0:
			done.Replaced++
		default:
			done.Deleted++
		}
		done.Pods += moved
		if err := w.end(ctx, n); err != nil {
			return done, err
		}
	}
	for node, pods := range targets {
		if err := w.bind(ctx, node, pods); err != nil {
			return done, err
		}
	}
	return done, nil
}
