package mixed

import (
	"time"

	"github.com/karpenter-oke/karpenter-oke/test/environment/record"
)

// Timings measures the steps of the play in seconds. Steps that were not reached are absent.
func Timings(r *record.Recording) map[string]float64 {
	out := map[string]float64{"total": r.Ended.Sub(r.Started).Seconds()}
	since := func(name, phase string, to time.Time) {
		if p, ok := r.Phase(phase); ok && to.After(p.Start) {
			out[name] = to.Sub(p.Start).Seconds()
		}
	}
	since("burst: all 25 pods running", PhaseBurst, lastRunning(r, APIService, PhaseBurst))
	since("stateful: all 12 pods running", PhaseStateful, lastRunning(r, CPUDemo, PhaseStateful))
	since("without the toleration: pod running", PhaseManagedTwin, lastRunning(r, ReportBuilderManaged, PhaseManagedTwin))
	since("uncordoned: waiting pods running", PhaseUncordoned, lastRunning(r, ReportBuilder, PhaseUncordoned))
	claims := claimsOf(r, PhaseStateful)
	since("stateful: first NodeClaim", PhaseStateful, earliest(claims, func(c record.NodeClaim) time.Time { return c.Created }))
	since("stateful: first instance launched", PhaseStateful, earliest(claims, func(c record.NodeClaim) time.Time { return c.Launched }))
	since("stateful: first node ready", PhaseStateful, earliest(claims, func(c record.NodeClaim) time.Time { return c.Initialized }))
	since("consolidation: first NodeClaim deleted", PhaseConsolidate, earliest(claims, func(c record.NodeClaim) time.Time { return c.Deleting }))
	since("consolidation: last NodeClaim gone", PhaseConsolidate, latest(claims, func(c record.NodeClaim) time.Time { return c.Gone }))
	for _, p := range r.Phases {
		if !p.End.IsZero() {
			out["phase "+p.Name] = p.End.Sub(p.Start).Seconds()
		}
	}
	return out
}

func lastRunning(r *record.Recording, app, phase string) time.Time {
	if _, reached := r.Phase(phase); !reached {
		return time.Time{}
	}
	var last time.Time
	for _, p := range r.PodsRunningAt(app, end(r, phase)) {
		if p.Running.After(last) {
			last = p.Running
		}
	}
	return last
}

func earliest(claims []record.NodeClaim, when func(record.NodeClaim) time.Time) time.Time {
	var first time.Time
	for _, c := range claims {
		if t := when(c); !t.IsZero() && (first.IsZero() || t.Before(first)) {
			first = t
		}
	}
	return first
}

func latest(claims []record.NodeClaim, when func(record.NodeClaim) time.Time) time.Time {
	var last time.Time
	for _, c := range claims {
		if t := when(c); t.After(last) {
			last = t
		}
	}
	return last
}
