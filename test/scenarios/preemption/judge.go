package preemption

import (
	"fmt"
	"slices"
	"time"

	"github.com/karpenter-oke/karpenter-oke/test/environment/record"
	"github.com/karpenter-oke/karpenter-oke/test/scenarios/mixed"
)

// notice is how long OCI leaves between the announcement and the end.
const notice = 2 * time.Minute

// Judge says from a recording which expectations were met. What was not reached was not met.
func Judge(r *record.Recording) []record.Check {
	var checks []record.Check
	for _, e := range []struct {
		phase string
		name  string
		judge func(*record.Recording) (bool, string)
	}{
		{PhaseSpot, "The service runs on preemptible nodes at first", startsPreemptible},
		{PhaseWave, "Every announced node is given up at once and says why", givenUp},
		{PhaseWave, "All pods have left before OCI takes their instances", leftInTime},
		{PhaseWave, "Replacements avoid the preemptible capacity that was taken back", elsewhere},
		{PhaseWave, "All pods run again", runsAgain},
		{PhaseCleanUp, "Nothing is left behind: no NodeClaim, no node, no instance, no VNIC, no boot volume", mixed.NothingLeft},
	} {
		check := record.Check{Name: e.name}
		if p, reached := r.Phase(e.phase); !reached {
			check.Detail = fmt.Sprintf("not reached: the play stopped before the phase %q", e.phase)
		} else if check.Passed, check.Detail = e.judge(r); p.Error != "" {
			check.Detail += "; the play stopped in this phase"
		}
		checks = append(checks, check)
	}
	return checks
}

// Timings measures the steps of the play in seconds. Steps that were not reached are absent.
func Timings(r *record.Recording) map[string]float64 {
	out := map[string]float64{"total": r.Ended.Sub(r.Started).Seconds()}
	p, reached := r.Phase(PhaseWave)
	if !reached {
		return out
	}
	for _, c := range preempted(r) {
		out["preemption: last NodeClaim deleted"] = max(out["preemption: last NodeClaim deleted"], c.Deleting.Sub(p.Start).Seconds())
	}
	if !p.End.IsZero() {
		out["preemption: all pods running elsewhere"] = p.End.Sub(p.Start).Seconds()
	}
	return out
}

// preempted are the NodeClaims that an event says were preempted.
func preempted(r *record.Recording) []record.NodeClaim {
	return slices.DeleteFunc(slices.Clone(r.NodeClaims), func(c record.NodeClaim) bool {
		return !slices.ContainsFunc(r.EventsOf("NodeClaim", c.Name), func(e record.Event) bool { return e.Reason == "Preempted" })
	})
}

func instanceOf(r *record.Recording, c record.NodeClaim) record.Instance {
	for _, i := range r.Instances {
		if i.ID == c.ProviderID {
			return i
		}
	}
	return record.Instance{}
}

// launchedIn are the controller's instances that were launched in a phase.
func launchedIn(r *record.Recording, phase string) []record.Instance {
	p, _ := r.Phase(phase)
	return slices.DeleteFunc(r.OwnInstances(), func(i record.Instance) bool {
		return i.Launched.Before(p.Start) || (!p.End.IsZero() && i.Launched.After(p.End))
	})
}

func startsPreemptible(r *record.Recording) (bool, string) {
	all, others := launchedIn(r, PhaseSpot), 0
	for _, i := range all {
		if !i.Preemptible {
			others++
		}
	}
	return len(all) > 0 && others == 0, fmt.Sprintf("%d instances were launched, %d of them on demand", len(all), others)
}

func givenUp(r *record.Recording) (bool, string) {
	p, _ := r.Phase(PhaseWave)
	claims, late, slowest := preempted(r), 0, time.Duration(0)
	for _, c := range claims {
		took := c.Deleting.Sub(p.Start)
		slowest = max(slowest, took)
		if c.Deleting.IsZero() || took > notice {
			late++
		}
	}
	return len(claims) == wave && late == 0, fmt.Sprintf("%d of %d NodeClaims, the last one %.1f s after the first announcement", len(claims), wave, slowest.Seconds())
}

func leftInTime(r *record.Recording) (bool, string) {
	p, _ := r.Phase(PhaseWave)
	moved, caught := 0, 0
	last := time.Duration(0)
	for _, c := range preempted(r) {
		end := instanceOf(r, c).Terminating
		for _, pod := range r.Pods {
			if pod.App != app || pod.Node != c.NodeName {
				continue
			}
			if moved++; pod.Gone.IsZero() || (!end.IsZero() && pod.Gone.After(end.Add(time.Second))) { // events are seen one after the other
				caught++
			}
			last = max(last, pod.Gone.Sub(p.Start))
		}
	}
	return moved > 0 && caught == 0, fmt.Sprintf("%d pods were moved, the last one had left %.1f s after the announcement; %d were still there when their instance ended", moved, last.Seconds(), caught)
}

func elsewhere(r *record.Recording) (bool, string) {
	var taken []string
	for _, c := range preempted(r) {
		i := instanceOf(r, c)
		taken = append(taken, i.Shape+" in "+i.AD)
	}
	all, again := launchedIn(r, PhaseWave), 0
	for _, i := range all {
		if i.Preemptible && slices.Contains(taken, i.Shape+" in "+i.AD) {
			again++
		}
	}
	return len(all) > 0 && again == 0, fmt.Sprintf("%d replacements, %d of them preemptible where it was taken back", len(all), again)
}

func runsAgain(r *record.Recording) (bool, string) {
	p, _ := r.Phase(PhaseWave)
	n := len(r.PodsRunningAt(app, p.End))
	return !p.End.IsZero() && n == replicas, fmt.Sprintf("%d pods run after %.1f s", n, p.End.Sub(p.Start).Seconds())
}
