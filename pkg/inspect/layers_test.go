package inspect

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/cloudprovider"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/test/cluster/virtualnodes"
)

func on(nodeName string) func(*corev1.Pod) {
	return func(p *corev1.Pod) { p.Spec.NodeName, p.Status.Phase = nodeName, corev1.PodRunning }
}

func ended(p *corev1.Pod) { p.Status.Phase = corev1.PodSucceeded }

func karpenterNode(name, instanceType, pool string, edits ...func(*corev1.Node)) *corev1.Node {
	return node(name, map[string]string{
		corev1.LabelInstanceTypeStable: instanceType, karpv1.NodePoolLabelKey: pool, karpv1.CapacityTypeLabelKey: "on-demand", corev1.LabelTopologyZone: "AD-1",
	}, edits...)
}

func launchedAs(ocpus, memoryGB string) func(*corev1.Node) {
	return func(n *corev1.Node) {
		n.Annotations = map[string]string{v1alpha1.AnnotationInstanceOCPUs: ocpus, v1alpha1.AnnotationInstanceMemoryGB: memoryGB}
	}
}

func TestLayersCountNodesPodsAndPrices(t *testing.T) {
	w := newWorld(t, nodePool("p"), readyClass(),
		node("fixed-1", map[string]string{corev1.LabelInstanceTypeStable: "VM.A.E4Flex"}), // 4 OCPUs and 31 GB: 0.111
		node("fixed-2", map[string]string{corev1.LabelInstanceTypeStable: "VM.Fixed.8"}),  // 8 OCPUs and 120 GB: 0.28
		node("fixed-3", map[string]string{}),                                              // unknown
		karpenterNode("k-1", "VM.A.E4Flex.2o.8g", "p"),                                    // 0.048 + 0.003
		karpenterNode("k-2", "VM.A.E4Flex.2o.8g", "p", launchedAs("1", "6")),              // less: 0.026 + 0.003
		karpenterNode("k-3", "VM.A.E4Flex.2o.8g", "gone"),                                 // its NodePool is gone: unknown
		virtualNode("v-1"),
		pod("a", list("cpu", "1", "memory", "1Gi"), on("fixed-1")),
		pod("b", list("cpu", "2", "memory", "1Gi"), on("k-1")),
		pod("c", list("cpu", "500m", "memory", "1Gi"), on("v-1"), tolerating("virtual-kubelet.io/provider")),        // 1 OCPU, 2 GB: 0.022
		pod("d", list("cpu", "500m", "memory", "1Gi"), on("v-1"), tolerating("virtual-kubelet.io/provider"), ended), // billed on: 0.022
		pod("e", list("cpu", "1"), on("fixed-1"), ended),
		pod("f", list("cpu", "1")), pod("g", list("cpu", "1"), tolerating("virtual-kubelet.io/provider")), pod("h", list("cpu", "1"), ended),
		pod("i", list("cpu", "1"), on("a-node-that-went")),
	)
	w.types["p"] = []*cloudprovider.InstanceType{instanceType("VM.A.E4Flex", 2, 8)}
	got, err := w.Layers(t.Context())
	require.NoError(t, err)
	require.Len(t, got.Layers, 3)
	fixed, karpenter, virtual := got.Layers[0], got.Layers[1], got.Layers[2]

	require.Equal(t, []int{3, 1, 1}, []int{fixed.Nodes, fixed.Pods, fixed.Unpriced})
	require.InDelta(t, 0.111+0.28, fixed.Price, 1e-9)
	require.Len(t, fixed.Parts, 3)
	require.Equal(t, "21", fixed.Allocatable.Cpu().String())

	require.Equal(t, []int{3, 1, 1}, []int{karpenter.Nodes, karpenter.Pods, karpenter.Unpriced})
	require.InDelta(t, 0.051+0.029, karpenter.Price, 1e-9)
	require.InDelta(t, 0.022, karpenter.FitSavings, 1e-9, "k-2 has an OCPU and 2 GB less than its type")
	require.Equal(t, "2", karpenter.Requests.Cpu().String())

	require.Equal(t, []int{1, 1, 0}, []int{virtual.Nodes, virtual.Pods, virtual.Unpriced})
	require.InDelta(t, 0.015+2*0.022, virtual.Price, 1e-9)
	require.Empty(t, virtual.Allocatable, "the room of virtual nodes is Oracle's")

	require.Equal(t, map[string]int{"managed": 1, "virtual": 1}, got.Pending)
	require.Contains(t, got.Notes, "fixed: 1 nodes have no known price and are not in the sum")
}

func TestAnEmptyClusterHasThreeEmptyLayers(t *testing.T) {
	got, err := newWorld(t).Layers(t.Context())
	require.NoError(t, err)
	require.Len(t, got.Layers, 3)
	require.Empty(t, got.Notes)
	require.Zero(t, got.Layers[2].Price)
}

func TestPodsOnVirtualNodesAreBilledAsTheSimulatedVirtualNodesBill(t *testing.T) {
	for _, requests := range []corev1.ResourceList{
		nil, list("cpu", "250m"), list("memory", "3Gi"), list("cpu", "2", "memory", "8Gi"), list("cpu", "2100m", "memory", "7900Mi"), list("cpu", "0"),
	} {
		p := pod("x", requests)
		p.Spec.Containers = append(p.Spec.Containers, corev1.Container{Resources: corev1.ResourceRequirements{
			Requests: list("cpu", "100m", "memory", "1Gi"), Limits: list("cpu", "300m"),
		}})
		for _, vcpus := range []int{1, 2} {
			want := virtualnodes.BilledSize(p, vcpus)
			ocpus, memory := virtualPodSize(p, vcpus)
			require.Equal(t, [2]int{want.OCPUs, want.MemoryGB}, [2]int{int(ocpus), int(memory)}, "%v at %d", requests, vcpus)
		}
	}
}
