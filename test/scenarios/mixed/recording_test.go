package mixed

import (
	"fmt"
	"time"

	"github.com/karpenter-oke/karpenter-oke/test/environment/record"
)

var t0 = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

func at(seconds int) time.Time { return t0.Add(time.Duration(seconds) * time.Second) }

// goodRecording is a play in which everything goes as it should. Each phase lasts 20 s.
func goodRecording() *record.Recording {
	r := &record.Recording{Started: t0.Add(-time.Second), Ended: at(180), OCICalls: map[string]int{"LaunchInstance": 3, "ListInstances": 10}, Leftovers: &record.Leftovers{}}
	for i, name := range Phases {
		r.Phases = append(r.Phases, record.Phase{Name: name, Start: at(20 * i), End: at(20*i + 19)})
	}
	for _, n := range []record.Node{
		{Name: "10.0.128.1", Layer: record.LayerVirtual}, {Name: "10.0.128.2", Layer: record.LayerVirtual},
		{Name: "10.0.16.1", Layer: record.LayerFixed, ProviderID: "fixed-1"}, {Name: "10.0.16.2", Layer: record.LayerFixed, ProviderID: "fixed-2"},
	} {
		n.Registered, n.Ready = r.Started, r.Started
		r.Nodes = append(r.Nodes, n)
	}
	for _, id := range []string{"fixed-1", "fixed-2"} {
		r.Instances = append(r.Instances, record.Instance{ID: id, DisplayName: id, State: "RUNNING", Fixed: true, Launched: r.Started, Running: r.Started})
	}
	for i := range APIServiceHigh {
		created, gone := 22, 65
		if i < APIServiceLow {
			created, gone = 2, 170
		}
		addPod(r, pod(APIService, i, fmt.Sprintf("10.0.128.%d", 1+i%2), record.LayerVirtual, created, gone))
	}
	for i := range CPUDemoHigh {
		node, layer := "10.0.16.1", record.LayerFixed
		if i >= 4 {
			node, layer = fmt.Sprintf("10.0.16.%d", 3+i%2), record.LayerKarpenter
		}
		created, gone := 42, 85
		if i == 0 {
			created, gone = 2, 170
		}
		addPod(r, pod(CPUDemo, i, node, layer, created, gone))
	}
	addNode(r, "claim-1", "10.0.16.3", 43, 95)
	addNode(r, "claim-2", "10.0.16.4", 43, 95)
	for _, name := range []string{APIService, ReportBuilder} {
		p := pod(name, 90, "10.0.128.1", record.LayerVirtual, 102, 170)
		p.Bound, p.Running = at(122), at(123)
		addPod(r, p)
		r.Events = append(r.Events, record.Event{At: at(103), Type: "Normal", Reason: SkippedReason, Kind: "Pod", Name: p.Name,
			Message: "left to the virtual nodes: 2 virtual nodes, 0 schedulable: cordoned"})
	}
	addPod(r, pod(ReportBuilderManaged, 0, "10.0.16.5", record.LayerKarpenter, 141, 165))
	addNode(r, "claim-3", "10.0.16.5", 142, 175)
	return r
}

func pod(app string, i int, node string, layer record.Layer, created, gone int) record.Pod {
	name := fmt.Sprintf("%s-%d", app, i)
	return record.Pod{
		Namespace: namespace, Name: name, UID: name, App: app, Layer: layer, Node: node, ToleratesVirtual: layer == record.LayerVirtual,
		Created: at(created), Bound: at(created + 1), Running: at(created + 3), Deleting: at(gone - 2), Gone: at(gone),
	}
}

func addPod(r *record.Recording, p record.Pod) { r.Pods = append(r.Pods, p) }

// addNode adds a NodeClaim with its instance and node.
func addNode(r *record.Recording, claim, node string, created, gone int) {
	id := "instance-of-" + claim
	r.NodeClaims = append(r.NodeClaims, record.NodeClaim{Name: claim, NodePool: NodePool, ProviderID: id, NodeName: node,
		InstanceType: "VM.Standard.E4.Flex.4o.16g", TypeSize: record.Size{OCPUs: 4, MemoryGB: 16}, Size: record.Size{OCPUs: 4, MemoryGB: 14}, Created: at(created), Launched: at(created + 1), Registered: at(created + 5),
		Initialized: at(created + 6), Deleting: at(gone - 5), Gone: at(gone)})
	r.Instances = append(r.Instances, record.Instance{ID: id, DisplayName: id, Shape: "VM.Standard.E4.Flex", OCPUs: 4, MemoryGB: 14, AD: "Uocm:PHX-AD-1",
		State: "TERMINATED", Launched: at(created + 1), Running: at(created + 3), Terminating: at(gone - 4), Terminated: at(gone - 1)})
	r.Nodes = append(r.Nodes, record.Node{Name: node, ProviderID: id, Layer: record.LayerKarpenter, Zone: "PHX-AD-1",
		Labels: map[string]string{"workload-type": "stateful", "karpenter-managed": "true"}, Taints: []string{"workload-type=stateful:NoSchedule"},
		Registered: at(created + 5), Ready: at(created + 5), Gone: at(gone)})
	r.Calls = append(r.Calls, record.Call{Operation: "TerminateInstance", Method: "DELETE", Path: "/20160918/instances/" + id, Status: 204})
}
