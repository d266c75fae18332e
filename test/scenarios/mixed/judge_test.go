package mixed

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/karpenter-oke/karpenter-oke/test/environment/record"
)

func TestAGoodPlayMeetsEveryExpectation(t *testing.T) {
	for _, c := range Judge(goodRecording()) {
		require.True(t, c.Passed, "%s: %s", c.Name, c.Detail)
		require.NotEmpty(t, c.Detail, c.Name)
	}
}

// find returns a pointer to the first element that is meant.
func find[T any](all []T, meant func(T) bool) *T {
	for i := range all {
		if meant(all[i]) {
			return &all[i]
		}
	}
	panic("the good recording has no such element")
}

// Every expectation has a row here that breaks it, so none of them can pass whatever happens.
func TestEachExpectationFailsWhenItIsBroken(t *testing.T) {
	podNamed := func(r *record.Recording, name string) *record.Pod {
		return find(r.Pods, func(p record.Pod) bool { return p.Name == name })
	}
	claim := func(r *record.Recording, name string) *record.NodeClaim {
		return find(r.NodeClaims, func(c record.NodeClaim) bool { return c.Name == name })
	}
	lateClaim := func(created int) func(*record.Recording) {
		return func(r *record.Recording) { addNode(r, "surprise", "10.0.16.99", created, created+5) }
	}
	cases := []struct {
		name, breaks string
		tamper       func(*record.Recording)
	}{
		{"a NodeClaim before anything was scaled", "The fixed cluster serves the first pods without a NodeClaim", lateClaim(4)},
		{"a baseline pod on a Karpenter node", "The fixed cluster serves the first pods without a NodeClaim", func(r *record.Recording) {
			podNamed(r, "karpenter-cpu-demo-0").Layer = record.LayerKarpenter
		}},
		{"one burst pod that never runs", "All 25 burst pods run on virtual nodes", func(r *record.Recording) {
			podNamed(r, "api-service-24").Running = time.Time{}
		}},
		{"a NodeClaim during the burst", "The burst causes no NodeClaim", lateClaim(25)},
		{"all burst pods on one virtual node", "Both virtual nodes take part in the burst", func(r *record.Recording) {
			for i := range r.Pods {
				if r.Pods[i].App == APIService {
					r.Pods[i].Node = "10.0.128.1"
				}
			}
		}},
		{"an instance larger than its type", "Instances are fitted to their pods within their instance types", func(r *record.Recording) {
			r.NodeClaims[0].TypeSize.MemoryGB = 12
		}},
		{"an instance of another size than its NodeClaim says", "Instances are fitted to their pods within their instance types", func(r *record.Recording) {
			r.NodeClaims[0].Size.MemoryGB = 13
		}},
		{"instances of their types' sizes", "Instances are fitted to their pods within their instance types", func(r *record.Recording) {
			for i := range r.NodeClaims {
				r.NodeClaims[i].TypeSize = r.NodeClaims[i].Size
			}
		}},
		{"fixed nodes that stay empty", "Stateful pods use the fixed nodes that have room", func(r *record.Recording) {
			for i := range r.Pods {
				if r.Pods[i].App == CPUDemo && r.Pods[i].Created.After(at(40)) {
					r.Pods[i].Layer = record.LayerKarpenter
				}
			}
		}},
		{"no NodeClaim for the stateful pods", "Stateful pods that do not fit cause NodeClaims", func(r *record.Recording) { r.NodeClaims = r.NodeClaims[2:] }},
		{"a NodeClaim of another NodePool", "Stateful pods that do not fit cause NodeClaims", func(r *record.Recording) { claim(r, "claim-1").NodePool = "other" }},
		{"two instances for one NodeClaim", "Every NodeClaim launches exactly one instance", func(r *record.Recording) {
			extra := *find(r.Instances, func(i record.Instance) bool { return i.ID == "instance-of-claim-1" })
			extra.ID = "duplicate"
			r.Instances = append(r.Instances, extra)
		}},
		{"a node that lost its taint", "The instances join as ready nodes with the NodePool's labels and taint", func(r *record.Recording) {
			find(r.Nodes, func(n record.Node) bool { return n.Name == "10.0.16.3" }).Taints = nil
		}},
		{"a node that never gets ready", "The instances join as ready nodes with the NodePool's labels and taint", func(r *record.Recording) {
			find(r.Nodes, func(n record.Node) bool { return n.Name == "10.0.16.3" }).Ready = time.Time{}
		}},
		{"one stateful pod that never runs", "All 12 stateful pods run", func(r *record.Recording) { podNamed(r, "karpenter-cpu-demo-7").Running = time.Time{} }},
		{"a NodeClaim that survives the scale-down", "Scaling down consolidates: every Karpenter node goes, the last pod moves to a fixed node", func(r *record.Recording) {
			claim(r, "claim-2").Gone = at(170)
		}},
		{"an instance that stays TERMINATING", "The instances end TERMINATED", func(r *record.Recording) {
			i := find(r.Instances, func(i record.Instance) bool { return i.ID == "instance-of-claim-2" })
			i.State, i.Terminated = "TERMINATING", time.Time{}
		}},
		{"a burst pod that starts although all virtual nodes are cordoned", "With the virtual nodes cordoned, burst pods stay pending", func(r *record.Recording) {
			podNamed(r, "api-service-90").Bound = at(105)
		}},
		{"no event", "Karpenter skips them with an event that says why", func(r *record.Recording) { r.Events = nil }},
		{"an event that gives no reason", "Karpenter skips them with an event that says why", func(r *record.Recording) { r.Events[0].Message = "skipped" }},
		{"a NodeClaim for a skipped pod", "The skipped pods cause no NodeClaim", lateClaim(110)},
		{"a skipped pod that stays pending after uncordoning", "Uncordoned, the skipped pods start on virtual nodes", func(r *record.Recording) {
			podNamed(r, "report-builder-90").Running = time.Time{}
		}},
		{"a NodeClaim after uncordoning", "Starting them causes no NodeClaim", lateClaim(125)},
		{"the twin without a NodeClaim", "The same pod without the toleration gets a NodeClaim and runs on its node", func(r *record.Recording) { r.NodeClaims = r.NodeClaims[:2] }},
		{"the twin on another node than its NodeClaim's", "The same pod without the toleration gets a NodeClaim and runs on its node", func(r *record.Recording) {
			podNamed(r, "report-builder-managed-0").Node = "10.0.16.1"
		}},
		{"a burst pod nominated for a node", "No burst pod ever ran on or was promised a managed node", func(r *record.Recording) {
			r.Events = append(r.Events, record.Event{Reason: "Nominated", Kind: "Pod", Name: "api-service-3", Message: "Pod should schedule on: node/10.0.128.1"})
		}},
		{"a burst pod bound to a fixed node", "No burst pod ever ran on or was promised a managed node", func(r *record.Recording) {
			podNamed(r, "report-builder-90").Layer = record.LayerFixed
		}},
		{"a request that changes a fixed node's instance", "The instances of the fixed nodes are never touched", func(r *record.Recording) {
			r.Calls = append(r.Calls, record.Call{Operation: "UpdateInstance", Method: "PUT", Path: "/20160918/instances/fixed-1", Status: 200})
		}},
		{"a fixed node's instance that stops", "The instances of the fixed nodes are never touched", func(r *record.Recording) { r.Instances[0].State = "STOPPED" }},
		{"a VNIC that stays", "Nothing is left behind: no NodeClaim, no node, no instance, no VNIC, no boot volume", func(r *record.Recording) {
			r.Leftovers.VNICs = []string{"ocid1.vnic.oc1.phx.a"}
		}},
		{"nobody looked for leftovers", "Nothing is left behind: no NodeClaim, no node, no instance, no VNIC, no boot volume", func(r *record.Recording) { r.Leftovers = nil }},
		{"a NodeClaim that stays", "Nothing is left behind: no NodeClaim, no node, no instance, no VNIC, no boot volume", func(r *record.Recording) { claim(r, "claim-3").Gone = time.Time{} }},
		{"an error from OCI", "OCI never answers the controller with an error", func(r *record.Recording) {
			r.Calls = append(r.Calls, record.Call{Operation: "LaunchInstance", Method: "POST", Path: "/20160918/instances", Status: 429, Code: "TooManyRequests"})
		}},
		{"no request to OCI at all", "OCI never answers the controller with an error", func(r *record.Recording) { r.OCICalls = nil }},
	}
	broken := map[string]bool{}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r := goodRecording()
			c.tamper(r)
			check := find(Judge(r), func(got record.Check) bool { return got.Name == c.breaks })
			require.False(t, check.Passed, "%s passed although there was %s: %s", check.Name, c.name, check.Detail)
			require.NotEmpty(t, check.Detail)
		})
		broken[c.breaks] = true
	}
	for _, e := range expectations() {
		require.True(t, broken[e.name], "no case breaks the expectation %q", e.name)
	}
}

func TestAPlayThatStopsEarlyFailsWhatItDidNotReach(t *testing.T) {
	r := goodRecording()
	r.Phases = r.Phases[:3]
	r.Phases[2].Error, r.Failure = "12 stateful pods did not run", "phase stateful: 12 stateful pods did not run"
	checks := Judge(r)
	require.Greater(t, record.Failed(checks), 5)
	last := find(checks, func(c record.Check) bool {
		return c.Name == "The same pod without the toleration gets a NodeClaim and runs on its node"
	})
	require.False(t, last.Passed)
	require.Contains(t, last.Detail, "not reached")
	require.Contains(t, checks[4].Detail, "the play stopped in this phase")
}

func TestAnEmptyRecordingFailsEverythingAndPanicsNowhere(t *testing.T) {
	for _, c := range Judge(&record.Recording{}) {
		require.False(t, c.Passed, c.Name)
	}
	r := &record.Recording{}
	for _, name := range Phases {
		r.Phases = append(r.Phases, record.Phase{Name: name})
	}
	passed := map[string]bool{}
	for _, c := range Judge(r) {
		passed[c.Name] = c.Passed
	}
	require.False(t, passed["All 25 burst pods run on virtual nodes"])
	require.False(t, passed["Every NodeClaim launches exactly one instance"])
}

func TestTimingsAreMeasuredFromTheStepThatCausedThem(t *testing.T) {
	got := Timings(goodRecording())
	require.InDelta(t, 5, got["burst: all 25 pods running"], 0.001)
	require.InDelta(t, 3, got["stateful: first NodeClaim"], 0.001)
	require.InDelta(t, 15, got["consolidation: last NodeClaim gone"], 0.001)
	require.InDelta(t, 181, got["total"], 0.001)
	require.NotContains(t, Timings(&record.Recording{}), "burst: all 25 pods running")
}
