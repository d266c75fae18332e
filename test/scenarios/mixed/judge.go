package mixed

import (
	"fmt"
	"time"

	"github.com/karpenter-oke/karpenter-oke/test/environment/record"
)

// verdict is whether an expectation was met, and the figures.
type verdict func(*record.Recording) (passed bool, detail string)

// expectation is a sentence about the play, judged once the phase it speaks of has ended.
type expectation struct {
	phase string // empty: judged whatever was reached
	name  string
	judge verdict
}

// expectations is the list of all checks, in the order of the play.
func expectations() []expectation {
	return []expectation{
		{PhaseBaseline, "The fixed cluster serves the first pods without a NodeClaim", baselineNeedsNothing},
		{PhaseBurst, "All 25 burst pods run on virtual nodes", burstRuns},
		{PhaseBurst, "The burst causes no NodeClaim", noClaimsIn(PhaseBurst)},
		{PhaseBurst, "Both virtual nodes take part in the burst", burstIsSpread},
		{PhaseStateful, "Stateful pods use the fixed nodes that have room", fixedNodesAreUsed},
		{PhaseStateful, "Stateful pods that do not fit cause NodeClaims", claimsAppear},
		{PhaseStateful, "Every NodeClaim launches exactly one instance", oneInstanceEach},
		{PhaseStateful, "Instances are fitted to their pods within their instance types", fitted},
		{PhaseStateful, "The instances join as ready nodes with the NodePool's labels and taint", nodesJoin},
		{PhaseStateful, "All 12 stateful pods run", statefulRuns},
		{PhaseConsolidate, "Scaling down consolidates: every Karpenter node goes, the last pod moves to a fixed node", consolidated},
		{PhaseConsolidate, "The instances end TERMINATED", instancesTerminated},
		{PhaseCordoned, "With the virtual nodes cordoned, burst pods stay pending", staysPending},
		{PhaseCordoned, "Karpenter skips them with an event that says why", skippedWithReason},
		{PhaseCordoned, "The skipped pods cause no NodeClaim", noClaimsIn(PhaseCordoned)},
		{PhaseUncordoned, "Uncordoned, the skipped pods start on virtual nodes", startsAfterUncordon},
		{PhaseUncordoned, "Starting them causes no NodeClaim", noClaimsIn(PhaseUncordoned)},
		{PhaseManagedTwin, "The same pod without the toleration gets a NodeClaim and runs on its node", twinGetsClaim},
		{"", "No burst pod ever ran on or was promised a managed node", burstStaysVirtual},
		{"", "The instances of the fixed nodes are never touched", fixedUntouched},
		{PhaseCleanUp, "Nothing is left behind: no NodeClaim, no node, no instance, no VNIC, no boot volume", nothingLeft},
		{"", "OCI never answers the controller with an error", noOCIErrors},
	}
}

// Judge says from a recording which expectations were met. An expectation about a phase that was not reached, or that did not
// reach its goal, is not met.
func Judge(r *record.Recording) []record.Check {
	var checks []record.Check
	for _, e := range expectations() {
		check := record.Check{Name: e.name}
		phase, reached := r.Phase(e.phase)
		switch {
		case e.phase != "" && !reached:
			check.Detail = fmt.Sprintf("not reached: the play stopped before the phase %q", e.phase)
		default:
			check.Passed, check.Detail = e.judge(r)
			if e.phase != "" && phase.Error != "" {
				check.Detail += "; the play stopped in this phase"
			}
		}
		checks = append(checks, check)
	}
	return checks
}

// end is the moment at which a phase's outcome is judged: its end, or now when it never ended.
func end(r *record.Recording, phase string) time.Time {
	p, _ := r.Phase(phase)
	if p.End.IsZero() {
		return r.Ended
	}
	return p.End
}

// noClaimsIn expects that no NodeClaim was created between a phase's beginning and its end.
func noClaimsIn(phase string) verdict {
	return func(r *record.Recording) (bool, string) {
		p, _ := r.Phase(phase)
		claims := r.NodeClaimsCreated(p.Start, end(r, phase))
		detail := fmt.Sprintf("%d NodeClaims created in %s", len(claims), seconds(end(r, phase).Sub(p.Start)))
		if len(claims) > 0 {
			detail += ", the first is " + claims[0].Name
		}
		return len(claims) == 0, detail
	}
}

// layersOf counts pods by layer.
func layersOf(pods []record.Pod) map[record.Layer]int {
	out := map[record.Layer]int{}
	for _, p := range pods {
		out[p.Layer]++
	}
	return out
}

// slowest is the longest time from a moment to a pod's start, and the pods' number.
func slowest(pods []record.Pod, since time.Time) time.Duration {
	var longest time.Duration
	for _, p := range pods {
		longest = max(longest, p.Running.Sub(since))
	}
	return longest
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }
