package preemption

import (
	"testing"
	"time"

	"github.com/samber/lo"
	"github.com/stretchr/testify/require"

	"github.com/karpenter-oke/karpenter-oke/test/environment/record"
)

var start = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

func at(seconds int) time.Time { return start.Add(time.Duration(seconds) * time.Second) }

// good is a play in which everything went as it should: three of six nodes are taken back at second 60.
func good() *record.Recording {
	r := &record.Recording{Started: start, Ended: at(120), Leftovers: &record.Leftovers{}, Phases: []record.Phase{
		{Name: PhaseSpot, Start: at(0), End: at(60)}, {Name: PhaseWave, Start: at(60), End: at(90)}, {Name: PhaseCleanUp, Start: at(90), End: at(120)},
	}}
	for n := range replicas + wave {
		name := string(rune('a' + n))
		old, taken := n < replicas, n < wave
		launched := lo.Ternary(old, at(5), at(65))
		gone := lo.Ternary(taken, at(80), at(110))
		r.NodeClaims = append(r.NodeClaims, record.NodeClaim{Name: name, ProviderID: "i" + name, NodeName: "n" + name, Created: launched, Deleting: lo.Ternary(taken, at(61), at(100)), Gone: gone})
		r.Instances = append(r.Instances, record.Instance{
			ID: "i" + name, Shape: "VM.Standard.E5.Flex", AD: lo.Ternary(old, "AD-1", "AD-2"), Preemptible: true, Launched: launched, Terminating: lo.Ternary(taken, at(70), at(105)), Terminated: gone,
		})
		r.Pods = append(r.Pods, record.Pod{Name: name, App: app, Node: "n" + name, Layer: record.LayerKarpenter, Running: launched.Add(5 * time.Second), Deleting: lo.Ternary(taken, at(62), at(95)), Gone: lo.Ternary(taken, at(66), at(98))})
		if taken {
			r.Events = append(r.Events, record.Event{Kind: "NodeClaim", Name: name, Reason: "Preempted", At: at(61)})
		}
	}
	return r
}

func TestAGoodPlayPassesEveryCheck(t *testing.T) {
	for _, c := range Judge(good()) {
		require.True(t, c.Passed, "%s: %s", c.Name, c.Detail)
	}
	require.InDelta(t, 1, Timings(good())["preemption: last NodeClaim deleted"], 1e-9)
	require.InDelta(t, 30, Timings(good())["preemption: all pods running elsewhere"], 1e-9)
}

func TestEveryCheckFindsWhatItIsFor(t *testing.T) {
	for check, spoil := range map[int]func(*record.Recording){
		0: func(r *record.Recording) { r.Instances[4].Preemptible = false },
		1: func(r *record.Recording) { r.Events = r.Events[1:] },
		2: func(r *record.Recording) { r.Pods[1].Gone = at(75) },
		3: func(r *record.Recording) { r.Instances[replicas].AD = "AD-1" },
		4: func(r *record.Recording) { r.Pods[replicas].Running = at(95) },
		5: func(r *record.Recording) { r.Leftovers.VNICs = []string{"vnic"} },
	} {
		r := good()
		spoil(r)
		for n, c := range Judge(r) {
			require.Equal(t, n != check, c.Passed, "%s: %s", c.Name, c.Detail)
		}
	}
	stopped := good()
	stopped.Phases = stopped.Phases[:1]
	for n, c := range Judge(stopped) {
		require.Equal(t, n == 0, c.Passed, c.Name)
	}
}
