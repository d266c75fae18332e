package charts_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/samber/lo"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/karpenter-oke/karpenter-oke/test/cluster/clustertest"
	realhelm "github.com/karpenter-oke/karpenter-oke/test/cluster/helm"
)

// defaults are the NodePool and OciNodeClass that the chart can make.
const defaults = `
defaultNodePool: {enabled: true, limits: {cpu: 64}}
defaultNodeClass:
  enabled: true
  spec:
    imageSelector: [{osFamily: Oracle Linux, osVersion: "8"}]
    subnetSelector: [{freeFormTags: {role: nodes}}]
    securityGroupSelector: [{freeFormTags: {role: nodes}}]
`

func TestTheChartsAreInstalledUpgradedAndLeaveNothing(t *testing.T) {
	where := namespace(t, "karpenter", nil)
	before := everything(t)
	valuesFile := filepath.Join(t.TempDir(), "values.yaml")
	require.NoError(t, os.WriteFile(valuesFile, []byte(defaults), 0o600))
	namespaced := []string{"--namespace", where}
	controller := append(append([]string{}, required...), namespaced...)

	out := helm(t, append([]string{"install", "crds", previous(t, crdChart), "--set", "keep=false"}, namespaced...)...)
	require.Contains(t, out, "The definitions of NodePool")
	waitForDefinitions(t)
	out = helm(t, append([]string{"install", "karpenter-oke", previous(t, chart)}, controller...)...)
	require.Contains(t, out, "request.principal.service_account = 'karpenter-oke'")
	require.NotContains(t, out, "are not there yet")
	old := running(t, where)

	helm(t, append([]string{"upgrade", "crds", crdChart, "--set", "keep=false"}, namespaced...)...)
	helm(t, append([]string{"upgrade", "karpenter-oke", chart, "--values", valuesFile, "--set",
		"settings.logLevel=debug,layerRouting.enabled=true,networkPolicy.enabled=true,metrics.serviceMonitor.enabled=true"}, controller...)...)
	upgraded := running(t, where)
	require.NotContains(t, old, "--log-level=debug")
	require.Contains(t, upgraded, "--log-level=debug")
	made := lo.Keys(everything(t))
	for _, object := range []string{
		"nodepools.karpenter.sh/default", "ocinodeclasses.karpenter.k8s.oracle/default", "mutatingadmissionpolicies.admissionregistration.k8s.io/" + policyName,
		"customresourcedefinitions.apiextensions.k8s.io/capacitybuffers.autoscaling.x-k8s.io", "networkpolicies.networking.k8s.io karpenter/karpenter-oke",
	} {
		require.Contains(t, made, object)
	}
	t.Run("and its pod keeps to the restricted standard", func(t *testing.T) { restricted(t) })

	helm(t, append([]string{"uninstall", "karpenter-oke"}, namespaced...)...)
	helm(t, append([]string{"uninstall", "crds"}, namespaced...)...)
	clustertest.Eventually(t, patience, "nothing is left", func(context.Context) (bool, string) {
		left, _ := lo.Difference(lo.Keys(everything(t)), lo.Keys(before))
		return len(left) == 0, strings.Join(left, ", ")
	})
}

func TestDefinitionsStayUnlessSaidOtherwise(t *testing.T) {
	helm(t, "install", "kept", crdChart)
	waitForDefinitions(t)
	out := helm(t, "uninstall", "kept")
	require.Contains(t, out, "nodeclaims.karpenter.sh")
	require.Contains(t, lo.Keys(everything(t)), "customresourcedefinitions.apiextensions.k8s.io/nodeclaims.karpenter.sh")
	helm(t, "install", "again", crdChart, "--take-ownership", "--set", "keep=false")
	helm(t, "uninstall", "again", "--wait")
	require.NotContains(t, lo.Keys(everything(t)), "customresourcedefinitions.apiextensions.k8s.io/nodeclaims.karpenter.sh")
}

// previous is the version of a chart before the present one.
func previous(t *testing.T, dir string) string {
	t.Helper()
	older, err := realhelm.Previous(t.Context(), "../../..", filepath.Base(dir), t.TempDir())
	require.NoError(t, err)
	return older
}

func waitForDefinitions(t *testing.T) {
	t.Helper()
	clustertest.Eventually(t, patience, "the definitions are served", func(context.Context) (bool, string) {
		for _, gv := range []string{"karpenter.sh/v1", "karpenter.k8s.oracle/v1alpha1"} {
			if list, err := kube.Discovery().ServerResourcesForGroupVersion(gv); err != nil || len(list.APIResources) == 0 {
				return false, gv
			}
		}
		return true, ""
	})
}

// running are the arguments of the installed controller.
func running(t *testing.T, namespace string) []string {
	t.Helper()
	d, err := kube.AppsV1().Deployments(namespace).Get(t.Context(), "karpenter-oke", metav1.GetOptions{})
	require.NoError(t, err)
	return d.Spec.Template.Spec.Containers[0].Args
}

// restricted asks the API server to take the chart's pod where only restricted pods are taken.
func restricted(t *testing.T) {
	strict := namespace(t, "strict", map[string]string{"pod-security.kubernetes.io/enforce": "restricted"})
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "controller"}, Spec: deployment(t).Spec.Template.Spec}
	pod.Spec.ServiceAccountName, pod.Spec.PriorityClassName = "default", ""
	_, err := admit(t, strict, pod)
	require.NoError(t, err)
	pod.Spec.Containers[0].SecurityContext.Capabilities = nil
	_, err = admit(t, strict, pod)
	require.ErrorContains(t, err, "restricted", "the standard is not enforced, so this shows nothing")
	require.NoError(t, kube.CoreV1().Namespaces().Delete(t.Context(), strict, metav1.DeleteOptions{}))
}

// everything lists all objects of the cluster, without those of the namespace for restricted pods.
func everything(t *testing.T) map[string]bool {
	t.Helper()
	return lo.PickBy(clustertest.Everything(t, plane), func(object string, _ bool) bool {
		return !strings.HasSuffix(object, "/strict") && !strings.Contains(object, " strict/")
	})
}
