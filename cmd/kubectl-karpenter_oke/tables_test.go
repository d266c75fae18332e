package main

import (
	"bytes"
	"path/filepath"
	"testing"
	"time"

	"github.com/samber/lo"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/karpenter-oke/karpenter-oke/pkg/inspect"
)

var moment = time.Date(2026, 10, 1, 12, 0, 0, 0, time.UTC)

func list(pairs ...string) corev1.ResourceList {
	out := corev1.ResourceList{}
	for k := 0; k < len(pairs); k += 2 {
		out[corev1.ResourceName(pairs[k])] = resource.MustParse(pairs[k+1])
	}
	return out
}

func offerings(price float64, gone map[string]inspect.Offering) []inspect.Offering {
	var out []inspect.Offering
	for _, capacityType := range []string{"on-demand", "spot"} {
		for _, zone := range []string{"PHX-AD-1", "PHX-AD-2", "PHX-AD-3"} {
			o := inspect.Offering{Zone: zone, CapacityType: capacityType, Price: price, Available: true}
			if capacityType == "spot" {
				o.Price /= 2
			}
			for _, key := range []string{zone, capacityType + "/" + zone, capacityType} {
				if g, ok := gone[key]; ok {
					o.Available, o.Reason, o.Until = false, g.Reason, g.Until
				}
			}
			out = append(out, o)
		}
	}
	return out
}

// sample is an answer with every kind of row.
func sample() *inspect.Types {
	end := moment.Add(3 * time.Minute)
	sold := inspect.Offering{Reason: "OutOfHostCapacity", Until: &end}
	limit := inspect.Offering{Reason: "LimitExceeded", Until: lo.ToPtr(moment.Add(time.Hour))}
	size := func(name, shape string, vcpus int, ocpus, memory float64, o []inspect.Offering) inspect.Type {
		return inspect.Type{
			Name: name, Shape: shape, Arch: "amd64", VCPUs: vcpus, OCPUs: ocpus, MemoryGB: memory, Offerings: o, Daemons: list("cpu", "200m", "memory", "512Mi"),
			Allocatable: list("cpu", resource.NewMilliQuantity(int64(vcpus)*1000-120, resource.DecimalSI).String(),
				"memory", resource.NewQuantity(int64((memory-1.5)*(1<<30)), resource.BinarySI).String(), "pods", "110"),
		}
	}
	burst := size("VM.Standard.E4.Flex.1o.4g.b8", "VM.Standard.E4.Flex", 2, 1, 4, offerings(0.011, map[string]inspect.Offering{"spot": {Reason: "ClassNotInZone"}}))
	burst.Baseline = 12
	gpu := size("VM.GPU.A10.1", "VM.GPU.A10.1", 30, 15, 240, offerings(2, map[string]inspect.Offering{"on-demand": limit, "spot": limit}))
	gpu.GPUs, gpu.GPU = 1, "a10"
	arm := size("VM.Standard.A1.Flex.4o.24g", "VM.Standard.A1.Flex", 4, 4, 24, offerings(0.079, nil))
	arm.Arch = "arm64"
	return &inspect.Types{NodePool: "general", NodeClass: "class", Currency: "USD", Types: []inspect.Type{
		burst,
		size("VM.Standard.E5.Flex.2o.16g", "VM.Standard.E5.Flex", 4, 2, 16, offerings(0.0949, map[string]inspect.Offering{"PHX-AD-2": sold, "spot/PHX-AD-3": sold})),
		arm, gpu,
	}}
}

func TestTypesAreWrittenAsAPersonReadsThem(t *testing.T) {
	for file, o := range map[string]*typesOptions{
		"types.txt":           {output: "table"},
		"types-wide.txt":      {output: "wide", capacityTypes: []string{"SPOT"}, shapes: []string{"VM.Standard.E?.Flex"}},
		"types-fit.txt":       {output: "table", fit: map[string]string{"cpu": "1500m", "memory": "4Gi"}, zones: []string{"PHX-AD-2"}, available: true},
		"types-none-left.txt": {output: "table", archs: []string{"riscv64"}},
	} {
		t.Run(file, func(t *testing.T) {
			pod, err := o.check()
			require.NoError(t, err)
			a := sample()
			all := len(a.Types)
			o.filter(a, pod)
			var out bytes.Buffer
			if o.output == "wide" {
				writeOfferings(&out, a)
			} else {
				writeTypes(&out, a, pod)
			}
			writeTypesFooter(&out, a, all)
			golden(t, filepath.Join("testdata", file), out.String())
		})
	}
}

func TestANodePoolWithoutTypesSaysWhy(t *testing.T) {
	var out bytes.Buffer
	writeTypesFooter(&out, &inspect.Types{NodePool: "p"}, 0)
	writeTypesFooter(&out, &inspect.Types{NodePool: "p", Notes: []string{"the OciNodeClass c does not exist"}}, 0)
	require.Equal(t, "No instance type meets the requirements of NodePool p.\nNothing can be launched: the OciNodeClass c does not exist\n", out.String())
}

func TestFlagsThatCanNotBeReadAreRefused(t *testing.T) {
	for _, o := range []typesOptions{
		{output: "csv"}, {output: "table", shapes: []string{"["}}, {output: "table", fit: map[string]string{"cpu": "many"}}, {output: "table", fit: map[string]string{"cpu": "-1"}},
	} {
		_, err := o.check()
		require.ErrorContains(t, err, "--")
	}
}

func TestAnExplanationIsWrittenAsAPersonReadsIt(t *testing.T) {
	since := moment.Add(-90 * time.Second)
	e := &explained{
		Pod: podState{Namespace: "shop", Name: "web-1", Phase: "Pending", UnschedulableSince: &since},
		Explanation: inspect.Explanation{
			Layer: "managed", Rule: "needs-managed-node", Summary: "This pod is Karpenter's (rule needs-managed-node: it mounts a PersistentVolumeClaim).",
			Blockers:     []inspect.Feature{{Name: "persistent-volume-claim", Message: "mounts a PersistentVolumeClaim"}},
			Advisories:   []inspect.Feature{{Name: "termination-grace", Message: "sets a termination grace period, which virtual nodes ignore"}},
			VirtualNodes: []inspect.VirtualNodes{{Count: 7, Names: []string{"a", "b"}, Matches: true, State: "ready"}, {Count: 1, Names: []string{"c"}, Why: "it has no label x, the pod selects x=y", State: "full"}},
			Requests:     list("cpu", "1500m", "memory", "2Gi", "pods", "1"),
			NodePools: []inspect.PoolVerdict{
				{Name: "general", Takes: true, Types: []inspect.Stage{{Left: 130}, {Left: 41}}, Cheapest: []inspect.Fit{{Type: "VM.Standard.E4.Flex.1o.8g", Zone: "PHX-AD-1", CapacityType: "spot", Price: 0.0213}}},
				{Name: "gpu", Blocks: []inspect.Block{{Why: "the pod does not tolerate its taint gpu:NoSchedule"}}, Types: []inspect.Stage{{Question: "listed", Left: 9}, {Question: "large enough", Left: 0}}},
			},
			Notes: []string{"topology spread: not looked at here"}, Do: []string{"Do this."},
		},
		Events: []podEvent{{Time: moment.Add(-time.Minute), From: "default-scheduler", Reason: "FailedScheduling", Message: "0/3 nodes\nare available"}},
	}
	var out bytes.Buffer
	writeExplanation(&out, e, moment)
	golden(t, filepath.Join("testdata", "explain.txt"), out.String())

	out.Reset()
	writeExplanation(&out, &explained{Pod: podState{Namespace: "shop", Name: "web-1", Phase: "Running", Node: "10.0.0.9", NodePool: "general"}, Explanation: inspect.Explanation{Summary: "This pod is Karpenter's."}}, moment)
	golden(t, filepath.Join("testdata", "explain-empty.txt"), out.String())
}

func TestLayersAreWrittenWithUnknownPricesSaid(t *testing.T) {
	a := &inspect.Layers{Currency: "USD", Pending: map[string]int{"managed": 3, "virtual": 1}, Notes: []string{"fixed: 1 nodes have no known price and are not in the sum"}, Layers: []inspect.Layer{
		{Name: "fixed", Nodes: 2, NotReady: 1, Pods: 14, Requests: list("cpu", "6400m", "memory", "8Gi"), Allocatable: list("cpu", "15200m", "memory", "52Gi"), Price: 0.296, Unpriced: 1, Parts: []inspect.Layer{
			{Name: "VM.Standard.E4.Flex", Nodes: 1, Pods: 10, Price: 0.296}, {Name: "unknown shape", Nodes: 1, NotReady: 1, Pods: 4, Unpriced: 1}}},
		{Name: "karpenter"},
		{Name: "virtual", Nodes: 2, Pods: 3, Requests: list("cpu", "6", "memory", "6Gi"), Price: 0.1685},
	}}
	var out bytes.Buffer
	writeLayers(&out, a)
	golden(t, filepath.Join("testdata", "layers.txt"), out.String())
}

func TestObjectsAreWrittenAsJSONAndYAML(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, writeObject(&out, "json", inspect.Problem{Error: "e"}))
	require.NoError(t, writeObject(&out, "yaml", inspect.Problem{Error: "e"}))
	require.Equal(t, "{\n  \"error\": \"e\"\n}\nerror: e\n", out.String())
}
