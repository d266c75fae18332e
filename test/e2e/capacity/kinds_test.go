//go:build e2e

package capacity_test

import (
	"cmp"
	"strings"

	"github.com/oracle/oci-go-sdk/v65/core"
	"github.com/samber/lo"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/test/ocisim"
)

func (s *suite) gpus() {
	// The region's catalogue has no OKE image for AMD's GPUs.
	_, err := s.Simulator().PublishImage(ocisim.ImageSpec{DisplayName: "Oracle-Linux-8.10-Gen2-AMD-GPU-2026.08.14-0-OKE-1.36.1-1699", FreeformTags: map[string]string{"k8s_version": "v1.36.1"}})
	require.NoError(s.T, err)
	for _, k := range []kind{
		{Name: "nvidia", Requirements: []string{"{key: karpenter.k8s.oracle/instance-gpu-name, operator: In, values: [a10, l40s]}", alwaysThere}},
		{Name: "amd", Requirements: []string{`{key: karpenter.k8s.oracle/instance-gpu-memory, operator: Gt, values: ["190"]}`, "{key: karpenter.k8s.oracle/instance-gpu-manufacturer, operator: In, values: [amd]}", alwaysThere}},
		{
			Name: "tainted", Requirements: []string{"{key: karpenter.k8s.oracle/instance-gpu-manufacturer, operator: In, values: [amd]}", alwaysThere},
			Taints: `[{key: amd.com/gpu, value: present, effect: NoSchedule}]`,
		},
	} {
		s.use(k)
	}
	s.pod(pod{Name: "nvidia", Kind: "nvidia", Limits: `nvidia.com/gpu: "1"`})
	s.pod(pod{Name: "amd", Kind: "amd", Limits: `amd.com/gpu: "8"`})
	s.pod(pod{Name: "tainted", Kind: "tainted", Limits: `amd.com/gpu: "1"`})
	for name, want := range map[string]struct{ resource, image, model, count, memoryGB string }{
		"nvidia": {"nvidia.com/gpu", "-Gen2-GPU-", "a10", "1", "24"},
		"amd":    {"amd.com/gpu", "-Gen2-AMD-GPU-", "mi300x", "8", "192"},
	} {
		node := s.Runs(name)
		i := s.Instance(node.Spec.ProviderID)
		require.Positive(s.T, i.GPUs)
		require.Contains(s.T, i.ImageName, want.image, "an image with drivers")
		require.Equal(s.T, []string{name, want.model, want.count, want.memoryGB},
			[]string{label(node, "instance-gpu-manufacturer"), label(node, "instance-gpu-name"), label(node, "instance-gpu"), label(node, "instance-gpu-memory")})
		gpus := node.Status.Allocatable[corev1.ResourceName(want.resource)]
		require.EqualValues(s.T, i.GPUs, gpus.Value(), "the device plugin's own figure, which comes some time after the node")
		require.Len(s.T, s.Claims(name), 1, "one node, although its GPUs came late")
		for _, taint := range node.Spec.Taints {
			require.NotEqual(s.T, want.resource, taint.Key, "the NodePool does not list OKE's taint, so pods need no toleration")
		}
	}
	s.unschedulable("tainted")
	require.Empty(s.T, s.Claims("tainted"), "the NodePool lists OKE's taint, and the pod does not tolerate it")
	require.Equal(s.T, 2, s.running(func(i ocisim.Instance) bool { return i.GPUs > 0 }))
	s.withoutDrivers("tainted")
	s.end("nvidia", "amd", "tainted")
}

// withoutDrivers gives the class of an AMD NodePool an image without drivers, and waits until the class says so.
func (s *suite) withoutDrivers(name string) {
	s.Helper()
	class := &v1alpha1.OciNodeClass{}
	s.Get(class, "", name)
	plain, found := lo.Find(class.Status.Images, func(i v1alpha1.Image) bool { return !strings.Contains(i.Name, "GPU") })
	require.True(s.T, found)
	before := class.DeepCopy()
	class.Spec.ImageSelector = []v1alpha1.ImageSelectorTerm{{ID: plain.ID}}
	require.NoError(s.T, s.Client().Patch(s.Context(), class, client.MergeFrom(before)))
	s.refused(name, v1alpha1.ConditionTypeGPUImageReady, "NodePool "+name+" asks for machines with GPUs (amd)", plain.Name)
	s.ready(name) // other NodePools may use the class
}

// machine is a kind with the pods that are made for it, and what is looked at when they run.
type machine struct {
	kind
	pods  []pod // one plain pod when empty
	check func(node *corev1.Node, i ocisim.Instance)
}

// each makes kinds with their pods, looks at the nodes when the pods run, and ends them all.
func (s *suite) each(machines []machine) {
	s.Helper()
	for _, m := range machines {
		s.make(m.kind)
	}
	for i := range machines {
		m := &machines[i]
		s.ready(m.Name)
		if len(m.pods) == 0 {
			m.pods = []pod{{}}
		}
		for n := range m.pods {
			m.pods[n].Name, m.pods[n].Kind = cmp.Or(m.pods[n].Name, m.Name), m.Name
			s.pod(m.pods[n])
		}
	}
	for _, m := range machines {
		nodes := lo.Map(m.pods, func(p pod, _ int) *corev1.Node { return s.Runs(p.Name) })
		bought := len(lo.UniqBy(nodes, func(n *corev1.Node) string { return n.Name }))
		require.Len(s.T, s.Claims(m.Name), bought, "no node of kind %s was bought in vain", m.Name)
		for _, node := range nodes {
			m.check(node, s.Instance(node.Spec.ProviderID))
		}
	}
	s.end(lo.Map(machines, func(m machine, _ int) string { return m.Name })...)
}

const (
	e5          = "{key: karpenter.k8s.oracle/instance-shape-name, operator: In, values: [VM.Standard.E5.Flex]}"
	e4orE5      = "{key: karpenter.k8s.oracle/instance-shape-name, operator: In, values: [VM.Standard.E4.Flex, VM.Standard.E5.Flex]}"
	eitherType  = "{key: karpenter.sh/capacity-type, operator: In, values: [on-demand, spot]}"
	alwaysThere = "{key: karpenter.sh/capacity-type, operator: In, values: [on-demand]}"
)

func (s *suite) others() {
	s.each(append(s.sizes(), s.platforms()...))
	s.each(s.places())
}

// requireArch: a node has the cheapest shape of its architecture, and an image for it.
func (s *suite) requireArch(node *corev1.Node, i ocisim.Instance, arch, shape string) {
	s.Helper()
	require.Equal(s.T, []string{arch, shape}, []string{node.Labels[corev1.LabelArchStable], i.Shape})
	require.Equal(s.T, arch == "arm64", strings.Contains(i.ImageName, "aarch64"), i.ImageName)
}

// sizes are machines that differ in what they are made of.
func (s *suite) sizes() []machine {
	return []machine{
		{kind: kind{Name: "burstable", Class: "flex: {baselines: [BASELINE_1_8]}", Requirements: []string{e5, eitherType}}, check: func(node *corev1.Node, i ocisim.Instance) {
			require.Equal(s.T, "BASELINE_1_8", i.Baseline)
			require.False(s.T, i.Preemptible, "OCI sells no burstable preemptible capacity")
			require.Equal(s.T, "12", label(node, "baseline-ocpu-utilization"))
		}},
		{
			kind: kind{Name: "arm", Requirements: []string{"{key: karpenter.k8s.oracle/instance-shape-name, operator: In, values: [VM.Standard.E5.Flex, VM.Standard.A1.Flex]}"}},
			// One after the other: together they would share a node that suits both.
			pods: []pod{{Name: "either"}},
			check: func(node *corev1.Node, i ocisim.Instance) {
				s.requireArch(node, i, "arm64", "VM.Standard.A1.Flex")
				node, i = s.runs(pod{Name: "amd64", Kind: "arm", Selector: []string{"kubernetes.io/arch: amd64"}})
				s.requireArch(node, i, "amd64", "VM.Standard.E5.Flex")
				require.Len(s.T, s.Claims("arm"), 2, "both from one NodePool")
			},
		},
		{
			kind: kind{Name: "metal", Requirements: []string{"{key: karpenter.k8s.oracle/instance-hypervisor, operator: In, values: [bm]}", "{key: karpenter.k8s.oracle/instance-category, operator: In, values: [standard]}"}},
			check: func(node *corev1.Node, i ocisim.Instance) {
				require.Contains(s.T, i.Shape, "BM.")
				require.Equal(s.T, "bm", label(node, "instance-hypervisor"))
			},
		},
		{
			kind: kind{Name: "extended", Class: "flex: {extendedMemory: true}", Requirements: []string{e4orE5, eitherType}},
			pods: []pod{{Requests: "cpu: 4, memory: 1100Gi"}},
			check: func(node *corev1.Node, i ocisim.Instance) {
				require.Equal(s.T, []any{"VM.Standard.E4.Flex", 28.0}, []any{i.Shape, i.OCPUs}, "the cheaper shape, with the least OCPUs that OCI allows so much memory")
				require.Greater(s.T, i.MemoryGB, 1100.0)
				require.Less(s.T, i.MemoryGB, 1300.0, "cut to measure")
				require.False(s.T, i.Preemptible, "OCI sells no preemptible capacity with extended memory")
				require.Equal(s.T, "true", label(node, "instance-extended-memory"))
			},
		},
	}
}

// platforms are machines with options of the processor, the firmware and the host.
func (s *suite) platforms() []machine {
	amd := func(i ocisim.Instance) core.AmdVmLaunchInstancePlatformConfig {
		options, ok := s.asked(i).PlatformConfig.(core.AmdVmLaunchInstancePlatformConfig)
		require.True(s.T, ok, "%T", s.asked(i).PlatformConfig)
		return options
	}
	return []machine{
		{kind: kind{Name: "single-thread", Class: "platformConfig: {isSymmetricMultiThreadingEnabled: false}", Requirements: []string{e5}}, check: func(node *corev1.Node, i ocisim.Instance) {
			require.EqualValues(s.T, i.OCPUs, node.Status.Capacity.Cpu().Value(), "an OCPU is one vCPU")
			require.EqualValues(s.T, i.VCPUs, node.Status.Capacity.Cpu().Value())
		}},
		{
			kind: kind{Name: "shielded", Class: "platformConfig: {isSecureBootEnabled: true, isMeasuredBootEnabled: true, isTrustedPlatformModuleEnabled: true}", Requirements: []string{e5, eitherType}},
			check: func(_ *corev1.Node, i ocisim.Instance) {
				options := amd(i)
				require.Equal(s.T, []bool{true, true, true}, []bool{*options.IsSecureBootEnabled, *options.IsMeasuredBootEnabled, *options.IsTrustedPlatformModuleEnabled})
				require.True(s.T, i.Preemptible, "shielded machines are sold preemptible too")
			},
		},
		{
			kind: kind{Name: "confidential", Class: "platformConfig: {isMemoryEncryptionEnabled: true}", Requirements: []string{e4orE5, eitherType}},
			check: func(_ *corev1.Node, i ocisim.Instance) {
				require.Equal(s.T, "VM.Standard.E4.Flex", i.Shape, "the other shape can not")
				require.True(s.T, *amd(i).IsMemoryEncryptionEnabled)
				require.False(s.T, i.Preemptible, "OCI sells no confidential preemptible capacity")
			},
		},
		{
			kind: kind{Name: "migrated", Class: "availabilityConfig: {isLiveMigrationPreferred: true, recoveryAction: STOP_INSTANCE}", Requirements: []string{e5, alwaysThere}},
			check: func(_ *corev1.Node, i ocisim.Instance) {
				got := s.asked(i).AvailabilityConfig
				require.True(s.T, *got.IsLiveMigrationPreferred)
				require.Equal(s.T, core.LaunchInstanceAvailabilityConfigDetailsRecoveryActionStopInstance, got.RecoveryAction)
			},
		},
	}
}

// places are machines on hosts of one's own and near other resources.
func (s *suite) places() []machine {
	host, err := s.Simulator().AddDedicatedVMHost(ocisim.PlaceSpec{Labelled: ocisim.Labelled{Name: "host"}, AvailabilityDomain: s.world.ADs[2], FaultDomain: "FAULT-DOMAIN-3"})
	require.NoError(s.T, err)
	group, err := s.Simulator().AddClusterPlacementGroup(ocisim.PlaceSpec{Labelled: ocisim.Labelled{Name: "near"}, AvailabilityDomain: s.world.ADs[1]})
	require.NoError(s.T, err)
	placed := func(name string) string { return s.Claims(name)[0].Annotations["karpenter.k8s.oracle/placement-ids"] }
	return []machine{
		{
			kind: kind{Name: "dedicated", Class: "placement: {dedicatedVmHostSelector: [{name: host}]}", Requirements: []string{e5, eitherType}},
			check: func(node *corev1.Node, i ocisim.Instance) {
				require.Equal(s.T, []string{s.world.ADs[2], "FAULT-DOMAIN-3"}, []string{i.AD, i.FD})
				require.Equal(s.T, []string{host, host}, []string{*s.asked(i).DedicatedVmHostId, placed("dedicated")})
				require.Equal(s.T, karpv1.CapacityTypeOnDemand, node.Labels[karpv1.CapacityTypeLabelKey], "nothing is preemptible on a host of one's own")
			},
		},
		{
			kind: kind{Name: "near", Class: "placement: {clusterPlacementGroupSelector: [{name: near}]}", Requirements: []string{e5, alwaysThere}},
			check: func(_ *corev1.Node, i ocisim.Instance) {
				require.Equal(s.T, s.world.ADs[1], i.AD)
				require.Equal(s.T, []string{group, group}, []string{*s.asked(i).ClusterPlacementGroupId, placed("near")})
			},
		},
	}
}
