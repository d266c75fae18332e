package memory

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/operator/options"
	"sigs.k8s.io/karpenter/pkg/scheduling"
	coretest "sigs.k8s.io/karpenter/pkg/test"
	disruptionutils "sigs.k8s.io/karpenter/pkg/utils/disruption"
	podutils "sigs.k8s.io/karpenter/pkg/utils/pod"
	"sigs.k8s.io/karpenter/pkg/utils/resources"
)

// fullPod is a running pod that has something of everything.
func fullPod(name, node string) *corev1.Pod {
	list := func(cpu, memory string) corev1.ResourceList {
		return corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cpu), corev1.ResourceMemory: resource.MustParse(memory)}
	}
	container := func(name, cpu string) corev1.Container {
		return corev1.Container{
			Name: name, Image: "phx.ocir.io/acme/web:1.0.0", Command: []string{"web"}, Args: []string{"--port=8080"},
			Env:           []corev1.EnvVar{{Name: "A", Value: "1"}},
			Ports:         []corev1.ContainerPort{{ContainerPort: 8080}, {ContainerPort: 9090, HostPort: 9090, Protocol: corev1.ProtocolTCP}},
			Resources:     corev1.ResourceRequirements{Requests: list(cpu, "64Mi"), Limits: list("4", "1Gi"), Claims: []corev1.ResourceClaim{{Name: "gpu"}}},
			VolumeMounts:  []corev1.VolumeMount{{Name: "token-" + name, MountPath: "/token"}},
			LivenessProbe: &corev1.Probe{ProbeHandler: corev1.ProbeHandler{Exec: &corev1.ExecAction{Command: []string{"true"}}}},
		}
	}
	sidecar := container("sidecar", "50m")
	sidecar.Ports, sidecar.RestartPolicy = nil, ptr.To(corev1.ContainerRestartPolicyAlways)
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "default", Name: name, UID: "1", Labels: map[string]string{"app": "web"},
			Annotations:     map[string]string{karpv1.DoNotDisruptAnnotationKey: "true", corev1.PodDeletionCost: "7"},
			OwnerReferences: []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "ReplicaSet", Name: "web-1", Controller: ptr.To(true)}},
		},
		Spec: corev1.PodSpec{
			NodeName: node, InitContainers: []corev1.Container{sidecar, container("init", "3")}, Containers: []corev1.Container{container("main", "100m")},
			EphemeralContainers: []corev1.EphemeralContainer{{EphemeralContainerCommon: corev1.EphemeralContainerCommon{Name: "debug"}}},
			Volumes: []corev1.Volume{
				{Name: "token-" + name, VolumeSource: corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{}}},
				{Name: "data", VolumeSource: corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "data"}}},
				{Name: "scratch", VolumeSource: corev1.VolumeSource{Ephemeral: &corev1.EphemeralVolumeSource{VolumeClaimTemplate: &corev1.PersistentVolumeClaimTemplate{}}}},
			},
			NodeSelector: map[string]string{karpv1.NodePoolLabelKey: "general"},
			Tolerations:  []corev1.Toleration{{Key: "team", Operator: corev1.TolerationOpExists}},
			Affinity: &corev1.Affinity{
				NodeAffinity: &corev1.NodeAffinity{RequiredDuringSchedulingIgnoredDuringExecution: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{
					MatchExpressions: []corev1.NodeSelectorRequirement{{Key: corev1.LabelArchStable, Operator: corev1.NodeSelectorOpIn, Values: []string{"arm64"}}},
				}}}},
				PodAntiAffinity: &corev1.PodAntiAffinity{RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{{TopologyKey: corev1.LabelHostname}}},
			},
			TopologySpreadConstraints:     []corev1.TopologySpreadConstraint{{MaxSkew: 1, TopologyKey: corev1.LabelTopologyZone}},
			Priority:                      ptr.To[int32](1000),
			Overhead:                      list("10m", "1Mi"),
			ResourceClaims:                []corev1.PodResourceClaim{{Name: "gpu"}},
			SecurityContext:               &corev1.PodSecurityContext{FSGroup: ptr.To[int64](1)},
			TerminationGracePeriodSeconds: ptr.To[int64](30),
		},
		Status: corev1.PodStatus{
			Phase: corev1.PodRunning, Conditions: []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionTrue}},
			HostIPs: []corev1.HostIP{{IP: "10.0.0.1"}}, PodIPs: []corev1.PodIP{{IP: "10.0.0.2"}},
			ContainerStatuses: []corev1.ContainerStatus{{Name: "main", AllocatedResources: list("200m", "64Mi"), Resources: &corev1.ResourceRequirements{Requests: list("200m", "64Mi")}}},
		},
	}
}

// hasNode is what the settings of virtual nodes say of pods that do not tolerate their taint.
func hasNode(p *corev1.Pod) bool { return p.Spec.NodeName != "" }

func stripped(t *testing.T, s *stripper, p *corev1.Pod) *corev1.Pod {
	t.Helper()
	out, err := s.strip(p.DeepCopy())
	require.NoError(t, err)
	return out.(*corev1.Pod)
}

func TestCoreCountsAStrippedPodAsItCountsAWholeOne(t *testing.T) {
	whole := fullPod("web-1", "n1")
	ctx := options.ToContext(t.Context(), coretest.Options())
	part := stripped(t, &stripper{settled: hasNode, shared: newSharer()}, whole)
	require.Less(t, part.Size(), whole.Size()*3/4, "the test must strip something")
	require.Equal(t, resources.RequestsForPods(whole), resources.RequestsForPods(part))
	require.Equal(t, resources.LimitsForPods(whole), resources.LimitsForPods(part))
	require.Equal(t, scheduling.GetHostPorts(whole), scheduling.GetHostPorts(part))
	require.NotEmpty(t, scheduling.GetHostPorts(part))
	require.Equal(t, scheduling.NewPodRequirements(whole), scheduling.NewPodRequirements(part))
	require.Equal(t, whole.Spec.TopologySpreadConstraints, part.Spec.TopologySpreadConstraints)
	require.Equal(t, whole.Spec.Affinity, part.Spec.Affinity)
	require.Equal(t, whole.Spec.Tolerations, part.Spec.Tolerations)
	require.True(t, podutils.HasDRARequirements(part))
	require.Equal(t, disruptionutils.EvictionCost(ctx, whole), disruptionutils.EvictionCost(ctx, part))
	for name, ask := range map[string]func(*corev1.Pod) bool{
		"IsReschedulable": podutils.IsReschedulable, "IsControlledByReplicaSet": podutils.IsControlledByReplicaSet, "HasRequiredPodAntiAffinity": podutils.HasRequiredPodAntiAffinity,
		"IsDoNotDisruptActive": func(p *corev1.Pod) bool {
			return podutils.IsDoNotDisruptActive(p, clock.RealClock{}, coretest.NewEventRecorder())
		},
	} {
		require.True(t, ask(whole), name)
		require.True(t, ask(part), name)
	}
	kube := fake.NewClientBuilder().WithObjects(
		&corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "data"}, Spec: corev1.PersistentVolumeClaimSpec{VolumeName: "pv"}},
		&corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: "pv"}, Spec: corev1.PersistentVolumeSpec{PersistentVolumeSource: corev1.PersistentVolumeSource{CSI: &corev1.CSIPersistentVolumeSource{Driver: "blockvolume.csi.oraclecloud.com"}}}},
	).Build()
	claims, err := scheduling.GetVolumes(t.Context(), kube, part)
	require.NoError(t, err)
	require.Len(t, claims, 1)
}

func TestAPodThatMayStillBePlacedAnywhereIsKeptWhole(t *testing.T) {
	s := &stripper{settled: hasNode, shared: newSharer()}
	pending := fullPod("web-1", "")
	require.Equal(t, pending.Spec, stripped(t, s, pending).Spec)
}

func TestPodsOfAWorkloadShareWhatTheyHaveInCommon(t *testing.T) {
	s := &stripper{settled: hasNode, shared: newSharer()}
	one, two := stripped(t, s, fullPod("web-1", "n1")), stripped(t, s, fullPod("web-2", "n2"))
	require.Same(t, &one.Spec.Containers[0], &two.Spec.Containers[0])
	require.Equal(t, fmt.Sprintf("%p", one.Labels), fmt.Sprintf("%p", two.Labels))
	require.Equal(t, []string{"n1", "n2"}, []string{one.Spec.NodeName, two.Spec.NodeName})
	require.NotSame(t, one.Spec.Affinity, two.Spec.Affinity)

	again := one.DeepCopy()
	require.Same(t, &one.Spec.Containers[0], &stripped(t, s, again).Spec.Containers[0], "what is stripped already comes out the same")
	require.Equal(t, again.Spec, stripped(t, s, again).Spec)

	other := fullPod("web-3", "n1")
	other.Spec.Containers[0].Resources.Requests[corev1.ResourceCPU] = resource.MustParse("101m")
	other.Labels["app"] = "api"
	three := stripped(t, s, other)
	require.Equal(t, "101m", three.Spec.Containers[0].Resources.Requests.Cpu().String())
	require.Equal(t, map[string]string{"app": "api"}, three.Labels)
	require.Equal(t, "100m", one.Spec.Containers[0].Resources.Requests.Cpu().String())

	bare := &corev1.Pod{Spec: corev1.PodSpec{NodeName: "n1"}}
	require.Equal(t, "n1", stripped(t, s, bare).Spec.NodeName)
	require.True(t, podutils.IsOwnedByDaemonSet(stripped(t, s, &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{OwnerReferences: []metav1.OwnerReference{{APIVersion: appsv1.SchemeGroupVersion.String(), Kind: "DaemonSet"}}}, Spec: corev1.PodSpec{NodeName: "n1"},
	})))
}
