package charts_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/component-helpers/scheduling/corev1/nodeaffinity"
	coreapis "sigs.k8s.io/karpenter/pkg/apis"
	"sigs.k8s.io/yaml"
)

func deployment(t *testing.T, args ...string) *appsv1.Deployment {
	t.Helper()
	object := only(t, render(t, args...), "Deployment", "karpenter-oke")
	d := &appsv1.Deployment{}
	require.NoError(t, runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(object.Object, d, true))
	return d
}

func controllerArgs(t *testing.T, args ...string) []string {
	t.Helper()
	return deployment(t, args...).Spec.Template.Spec.Containers[0].Args
}

func kinds(objects []*unstructured.Unstructured) map[string]int {
	out := map[string]int{}
	for _, o := range objects {
		out[o.GetKind()]++
	}
	return out
}

func TestChartsLint(t *testing.T) {
	helm(t, append([]string{"lint", "--strict", chart}, required...)...)
	helm(t, "lint", "--strict", crdChart)
}

func TestMistakesInValuesAreErrorsThatNameThem(t *testing.T) {
	for name, c := range map[string]struct{ chart, set, says string }{
		"a value that does not exist":         {chart, "replica=3", `additional properties 'replica' not allowed`},
		"a setting that does not exist":       {chart, "settings.clusterID=ocid1.cluster.oc1.phx.a", `additional properties 'clusterID' not allowed`},
		"a cluster that is no OCID":           {chart, "settings.clusterId=mixed", `'/settings/clusterId': 'mixed' does not match pattern`},
		"no cluster":                          {chart, "settings.clusterId=", `'/settings/clusterId': '' does not match pattern`},
		"no compartment":                      {chart, "settings.compartmentId=", `'/settings/compartmentId': '' does not match pattern`},
		"an unknown way to authenticate":      {chart, "settings.ociAuth=magic", `'/settings/ociAuth': value must be one of`},
		"a duration without a unit":           {chart, "settings.batchMaxDuration=10", `'/settings/batchMaxDuration'`},
		"a taint without an effect":           {chart, "settings.virtualNodeTaint=virtual", `'/settings/virtualNodeTaint': 'virtual' does not match pattern`},
		"a feature gate that does not exist":  {chart, "settings.featureGates.NodeRepairs=true", `additional properties 'NodeRepairs' not allowed`},
		"a feature gate that is no boolean":   {chart, "settings.featureGates.NodeRepair=yes", `'/settings/featureGates/NodeRepair': got string, want boolean`},
		"words for a number":                  {chart, "replicas=two", `'/replicas': got string, want integer`},
		"a pull policy that does not exist":   {chart, "image.pullPolicy=Sometimes", `'/image/pullPolicy': value must be one of`},
		"a policy version that is not known":  {chart, "layerRouting.apiVersion=v2", `'/layerRouting/apiVersion': value must be one of`},
		"a typo in the default NodePool":      {chart, "defaultNodePool.requirement=x", `additional properties 'requirement' not allowed`},
		"a typo in the definitions' values":   {crdChart, "kept=true", `additional properties 'kept' not allowed`},
		"routing where nothing serves it":     {chart, "layerRouting.enabled=true", `layerRouting needs MutatingAdmissionPolicy`},
		"a toleration of every taint":         {chart, "tolerations[0].operator=Exists,tolerations[0].key=", `must not run on virtual nodes`},
		"a toleration of virtual nodes":       {chart, "tolerations[0].key=virtual-kubelet.io/provider", `must not run on virtual nodes`},
		"a service account that is not there": {chart, "serviceAccount.create=false", `serviceAccount.name is needed`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := tryHelm(t, append(append([]string{"template", "karpenter-oke", c.chart}, requiredOf(c.chart)...), "--set", c.set)...)
			require.ErrorContains(t, err, c.says)
		})
	}
}

func requiredOf(of string) []string {
	if of == chart {
		return required
	}
	return nil
}

func TestDefaultsAreOneSmallSetOfObjects(t *testing.T) {
	require.Equal(t, map[string]int{
		"Deployment": 1, "Service": 1, "ServiceAccount": 1, "PodDisruptionBudget": 1, "ClusterRole": 3, "ClusterRoleBinding": 1, "Role": 4, "RoleBinding": 4,
	}, kinds(render(t)))
}

func TestMonitoringObjectsNeedTheirDefinitions(t *testing.T) {
	on := []string{"--set", "metrics.serviceMonitor.enabled=true,metrics.prometheusRule.enabled=true"}
	require.NotContains(t, kinds(render(t, on...)), "ServiceMonitor")
	objects := render(t, append(on, "--api-versions", "monitoring.coreos.com/v1/ServiceMonitor", "--api-versions", "monitoring.coreos.com/v1/PrometheusRule")...)
	rules, _, err := unstructured.NestedSlice(only(t, objects, "PrometheusRule", "karpenter-oke").Object, "spec", "groups")
	require.NoError(t, err)
	require.NotEmpty(t, rules)
	selector, _, err := unstructured.NestedStringMap(only(t, objects, "ServiceMonitor", "karpenter-oke").Object, "spec", "selector", "matchLabels")
	require.NoError(t, err)
	require.Subset(t, only(t, objects, "Service", "karpenter-oke").GetLabels(), selector)
}

func TestNetworkPolicyOpensMetricsAndProbesOnly(t *testing.T) {
	objects := render(t, "--set", "networkPolicy.enabled=true", "--set-json", `networkPolicy.metricsFrom=[{"namespaceSelector":{"matchLabels":{"name":"monitoring"}}}]`)
	ingress, _, err := unstructured.NestedSlice(only(t, objects, "NetworkPolicy", "karpenter-oke").Object, "spec", "ingress")
	require.NoError(t, err)
	require.Len(t, ingress, 2)
	require.Contains(t, ingress[0], "from")
}

func TestCredentialsOfASecretAreMounted(t *testing.T) {
	d := deployment(t, "--set", "ociConfigSecret=oci,settings.ociAuth=api-key")
	pod := d.Spec.Template.Spec
	require.Equal(t, "oci", pod.Volumes[0].Secret.SecretName)
	require.Equal(t, "/etc/oci", pod.Containers[0].VolumeMounts[0].MountPath)
	require.Contains(t, pod.Containers[0].Args, "--oci-config-file=/etc/oci/config")
}

func TestADigestWinsOverATag(t *testing.T) {
	digest := "sha256:" + strings.Repeat("a", 64)
	d := deployment(t, "--set", "image.repository=phx.ocir.io/tenancy/karpenter-oke,image.tag=v1,image.digest="+digest)
	require.Equal(t, "phx.ocir.io/tenancy/karpenter-oke@"+digest, d.Spec.Template.Spec.Containers[0].Image)
}

// The controller must not sit on what it may take away, nor where the pods of bursts are.
func TestTheControllerStaysOffKarpentersAndVirtualNodes(t *testing.T) {
	pod := &corev1.Pod{Spec: deployment(t).Spec.Template.Spec}
	affinity := nodeaffinity.GetRequiredNodeAffinity(pod)
	for name, c := range map[string]struct {
		labels map[string]string
		fits   bool
	}{
		"a managed node":          {map[string]string{"name": "system"}, true},
		"Karpenter's node":        {map[string]string{"karpenter.sh/nodepool": "general"}, false},
		"a virtual node":          {map[string]string{"type": "virtual-node"}, false},
		"a virtual node, by role": {map[string]string{"node-role.kubernetes.io/virtual-node": ""}, false},
		"a Windows node":          {map[string]string{"kubernetes.io/os": "windows"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			labels := map[string]string{"kubernetes.io/os": "linux"}
			for key, value := range c.labels {
				labels[key] = value
			}
			fits, err := affinity.Match(&corev1.Node{ObjectMeta: metav1.ObjectMeta{Labels: labels}})
			require.NoError(t, err)
			require.Equal(t, c.fits, fits)
		})
	}
	require.EqualValues(t, 2, *deployment(t).Spec.Replicas)
	require.Equal(t, "kubernetes.io/hostname", pod.Spec.Affinity.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution[0].TopologyKey)
	require.Equal(t, "topology.kubernetes.io/zone", pod.Spec.TopologySpreadConstraints[0].TopologyKey)
	require.Equal(t, "system-cluster-critical", pod.Spec.PriorityClassName)
}

func TestRightsFollowTheFeatures(t *testing.T) {
	grants := func(args ...string) string {
		role := only(t, render(t, args...), "ClusterRole", "karpenter-oke")
		data, err := yaml.Marshal(role.Object["rules"])
		require.NoError(t, err)
		return string(data)
	}
	for feature, c := range map[string]struct{ set, resource string }{
		"node overlays":               {"settings.featureGates.NodeOverlay=true", "nodeoverlays"},
		"capacity buffers":            {"settings.featureGates.CapacityBuffer=true", "capacitybuffers"},
		"default spread constraints":  {"settings.schedulerConfig=x", "statefulsets"},
		"dynamic resource allocation": {"settings.ignoreDraRequests=false", "resourceslices"},
	} {
		t.Run(feature, func(t *testing.T) {
			require.NotContains(t, grants(), c.resource)
			require.Contains(t, grants("--set", c.set), c.resource)
		})
	}
	require.NotContains(t, grants(), "secrets")
	require.NotContains(t, grants(), `'*'`)
}

// Definitions are copied by `make generate`.
func TestTheDefinitionsAreThoseOfTheApis(t *testing.T) {
	want := map[string]string{
		"karpenter.sh_nodepools.yaml": string(coreapis.NodePoolCRD), "karpenter.sh_nodeclaims.yaml": string(coreapis.NodeClaimCRD),
		"karpenter.sh_nodeoverlays.yaml": string(coreapis.NodeOverlayCRD), "autoscaling.x-k8s.io_capacitybuffers.yaml": string(coreapis.CapacityBufferCRD),
	}
	require.Len(t, want, len(coreapis.CRDs), "core has definitions that this test does not know")
	own, err := filepath.Glob("../../../pkg/apis/crds/*.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, own)
	for _, path := range own {
		want[filepath.Base(path)] = read(t, path)
	}
	copies, err := filepath.Glob(crdChart + "/files/*.yaml")
	require.NoError(t, err)
	for _, path := range copies {
		require.True(t, want[filepath.Base(path)] == read(t, path), "%s is not what the APIs say: run `make generate`", path)
		delete(want, filepath.Base(path))
	}
	require.Empty(t, want, "definitions that the chart does not have: run `make generate`")
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(data)
}
