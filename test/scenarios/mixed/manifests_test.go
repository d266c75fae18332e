package mixed

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/yaml"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
)

func load[T any](t *testing.T, file string) *T {
	t.Helper()
	manifest, err := Manifest(file)
	require.NoError(t, err)
	out := new(T)
	require.NoError(t, yaml.UnmarshalStrict([]byte(manifest), out), file)
	return out
}

func TestTheTwinDiffersFromTheReportBuilderInTheTolerationOnly(t *testing.T) {
	one, twin := load[appsv1.Deployment](t, FileReportBuilder), load[appsv1.Deployment](t, FileReportBuilderManaged)
	require.Len(t, one.Spec.Template.Spec.Tolerations, 2)
	require.Equal(t, corev1.Toleration{Key: "virtual-kubelet.io/provider", Operator: corev1.TolerationOpExists}, one.Spec.Template.Spec.Tolerations[0])
	one.Spec.Template.Spec.Tolerations = one.Spec.Template.Spec.Tolerations[1:]
	require.Equal(t, one.Spec.Template.Spec, twin.Spec.Template.Spec)
	require.Equal(t, one.Spec.Replicas, twin.Spec.Replicas)
}

func TestTheManifestsHaveTheNamesAndSizesThatThePlayUses(t *testing.T) {
	for file, want := range map[string]struct {
		name     string
		replicas int32
	}{
		FileAPIService: {APIService, APIServiceLow}, FileCPUDemo: {CPUDemo, CPUDemoLow},
		FileReportBuilder: {ReportBuilder, 1}, FileReportBuilderManaged: {ReportBuilderManaged, 1},
	} {
		d := load[appsv1.Deployment](t, file)
		require.Equal(t, want.name, d.Name)
		require.Equal(t, want.replicas, *d.Spec.Replicas)
		require.Equal(t, want.name, d.Spec.Template.Labels["app"])
	}
	class, pool := load[v1alpha1.OciNodeClass](t, FileNodeClass), load[karpv1.NodePool](t, FileNodePool)
	require.Equal(t, NodeClass, class.Name)
	require.Equal(t, NodePool, pool.Name)
	require.Equal(t, NodeClass, pool.Spec.Template.Spec.NodeClassRef.Name)
}

func TestNodePoolNodesTakeStatefulPodsAndNobodyElse(t *testing.T) {
	pool, cpu := load[karpv1.NodePool](t, FileNodePool), load[appsv1.Deployment](t, FileCPUDemo)
	require.Equal(t, map[string]string{"workload-type": "stateful", "karpenter-managed": "true"}, pool.Spec.Template.Labels)
	require.Equal(t, []corev1.Taint{{Key: "workload-type", Value: "stateful", Effect: corev1.TaintEffectNoSchedule}}, pool.Spec.Template.Spec.Taints)
	require.Equal(t, map[string]string{"workload-type": "stateful"}, cpu.Spec.Template.Spec.NodeSelector)
}

func TestAnUnknownManifestIsAnError(t *testing.T) {
	_, err := Manifest("nothing.yaml")
	require.ErrorContains(t, err, "nothing.yaml")
	require.True(t, strings.HasPrefix(err.Error(), "scenario mixed"))
}
