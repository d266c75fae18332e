//go:build e2e

package capacity_test

import (
	"fmt"
	"strings"

	"github.com/samber/lo"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/test/ocisim"
)

func (s *suite) gpus() {
	for _, maker := range []struct{ name, resource, class, requirement, taints string }{
		{"nvidia", "nvidia.com/gpu", "", "{key: karpenter.k8s.oracle/instance-gpu-manufacturer, operator: In, values: [nvidia]}", ""},
		{"amd", "amd.com/gpu", "", "{key: karpenter.k8s.oracle/instance-gpu-manufacturer, operator: In, values: [amd]}", `[{key: amd.com/gpu, value: present, effect: NoSchedule}]`},
	} {
		s.use(kind{Name: maker.name, Class: maker.class, Taints: maker.taints, Requirements: []string{maker.requirement, "{key: karpenter.sh/capacity-type, operator: In, values: [on-demand]}"}})
	}
	node, i := s.runs(pod{Name: "nvidia", Kind: "nvidia", Limits: `nvidia.com/gpu: "1"`})
	require.Positive(s.T, i.GPUs)
	require.Contains(s.T, i.ImageName, "GPU", "an image with drivers")
	require.Equal(s.T, "nvidia", label(node, "instance-gpu-manufacturer"))
	gpus := node.Status.Allocatable["nvidia.com/gpu"]
	require.EqualValues(s.T, i.GPUs, gpus.Value(), "the device plugin's own figure, which comes some time after the node")
	require.Len(s.T, s.Claims("nvidia"), 1, "one node, although its GPUs came late")
	for _, taint := range node.Spec.Taints {
		require.NotEqual(s.T, "nvidia.com/gpu", taint.Key, "the NodePool does not list OKE's taint, so pods need no toleration")
	}
	s.end("nvidia")

	s.pod(pod{Name: "amd", Kind: "amd", Limits: `amd.com/gpu: "1"`})
	s.EventuallyEvent("FailedScheduling", "Pod", "amd")
	require.Empty(s.T, s.Claims("amd"), "the NodePool lists OKE's taint, and the pod does not tolerate it")
	require.Zero(s.T, s.running(func(i ocisim.Instance) bool { return i.GPUs > 0 }))

	class := &v1alpha1.OciNodeClass{}
	s.Get(class, "", "amd")
	plain, found := lo.Find(class.Status.Images, func(i v1alpha1.Image) bool { return !strings.Contains(i.Name, "GPU") })
	require.True(s.T, found)
	class.Spec.ImageSelector = []v1alpha1.ImageSelectorTerm{{ID: plain.ID}}
	require.NoError(s.T, s.Client().Update(s.Context(), class))
	s.Eventually("the class to say that its image has no drivers", func() string {
		s.Get(class, "", "amd")
		condition := class.StatusConditions().Get(v1alpha1.ConditionTypeGPUImageReady)
		if condition.IsFalse() && strings.Contains(condition.Message, "NodePool amd asks for machines with GPUs (amd)") && strings.Contains(condition.Message, plain.Name) {
			return ""
		}
		return fmt.Sprint(class.Status.Conditions)
	})
	s.ready("amd") // other NodePools may use the class
	s.end("amd")
}

func (s *suite) others() {
	host, err := s.Simulator().AddDedicatedVMHost(ocisim.PlaceSpec{Labelled: ocisim.Labelled{Name: "host"}, AvailabilityDomain: s.world.ADs[2], FaultDomain: "FAULT-DOMAIN-3"})
	require.NoError(s.T, err)
	e5 := "{key: karpenter.k8s.oracle/instance-shape-name, operator: In, values: [VM.Standard.E5.Flex]}"
	onDemand := "{key: karpenter.sh/capacity-type, operator: In, values: [on-demand, spot]}"
	kinds := []struct {
		kind
		check func(node *corev1.Node, i ocisim.Instance)
	}{
		{kind{Name: "burstable", Class: "flex: {baselines: [BASELINE_1_8]}", Requirements: []string{e5, onDemand}}, func(node *corev1.Node, i ocisim.Instance) {
			require.Equal(s.T, "BASELINE_1_8", i.Baseline)
			require.False(s.T, i.Preemptible, "OCI sells no burstable preemptible capacity")
			require.Equal(s.T, "12", label(node, "baseline-ocpu-utilization"))
		}},
		{kind{Name: "arm", Requirements: []string{"{key: karpenter.k8s.oracle/instance-shape-name, operator: In, values: [VM.Standard.E5.Flex, VM.Standard.A1.Flex]}"}}, func(node *corev1.Node, i ocisim.Instance) {
			require.Equal(s.T, "VM.Standard.A1.Flex", i.Shape, "the cheaper of two architectures")
			require.Contains(s.T, i.ImageName, "aarch64")
			require.Equal(s.T, "arm64", node.Labels[corev1.LabelArchStable])
		}},
		{kind{Name: "metal", Requirements: []string{"{key: karpenter.k8s.oracle/instance-hypervisor, operator: In, values: [bm]}", "{key: karpenter.k8s.oracle/instance-category, operator: In, values: [standard]}"}}, func(node *corev1.Node, i ocisim.Instance) {
			require.Contains(s.T, i.Shape, "BM.")
			require.Equal(s.T, "bm", label(node, "instance-hypervisor"))
		}},
		{kind{Name: "single-thread", Class: "platformConfig: {isSymmetricMultiThreadingEnabled: false}", Requirements: []string{e5}}, func(node *corev1.Node, i ocisim.Instance) {
			require.EqualValues(s.T, i.OCPUs, node.Status.Capacity.Cpu().Value(), "an OCPU is one vCPU")
			require.EqualValues(s.T, i.VCPUs, node.Status.Capacity.Cpu().Value())
		}},
		{kind{Name: "dedicated", Class: "placement: {dedicatedVmHostSelector: [{name: host}]}", Requirements: []string{e5}}, func(_ *corev1.Node, i ocisim.Instance) {
			require.Equal(s.T, []string{s.world.ADs[2], "FAULT-DOMAIN-3"}, []string{i.AD, i.FD})
			require.Equal(s.T, host, s.Claims("dedicated")[0].Annotations["karpenter.k8s.oracle/placement-ids"])
		}},
	}
	for _, k := range kinds {
		s.use(k.kind)
		node, i := s.runs(pod{Name: k.Name, Kind: k.Name})
		k.check(node, i)
		s.end(k.Name)
	}
}
