package charts_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/karpenter-oke/karpenter-oke/test/cluster/clustertest"
)

// patience is generous: the API server learns of policies, and namespaces get their service accounts, in the background.
const patience = 60 * time.Second

// routedBy is the toleration that the policy adds with the default values.
var routedBy = corev1.Toleration{Key: "virtual-kubelet.io/provider", Operator: corev1.TolerationOpEqual, Value: "oracle", Effect: corev1.TaintEffectNoSchedule}

func TestPodsOfVirtualNamespacesAreRouted(t *testing.T) {
	labelled := namespace(t, "layer-virtual", map[string]string{"karpenter.k8s.oracle/layer": "virtual"})
	others := []string{namespace(t, "layer-unlabelled", nil), namespace(t, "layer-managed", map[string]string{"karpenter.k8s.oracle/layer": "managed"})}
	installed(t, "routing", "--set", "layerRouting.enabled=true")
	untilRouted(t, labelled, routedBy)

	t.Run("with everything they had before", func(t *testing.T) {
		for name, text := range taken {
			pod := sample(t, text)
			admitted, err := admit(t, labelled, pod)
			require.NoError(t, err, name)
			require.True(t, isRouted(admitted, routedBy), name)
			require.Equal(t, "virtual-node", admitted.Spec.NodeSelector["type"], name)
			for key, value := range pod.Spec.NodeSelector {
				require.Equal(t, value, admitted.Spec.NodeSelector[key], name)
			}
			require.Subset(t, admitted.Spec.Tolerations, pod.Spec.Tolerations, name)
		}
	})
	t.Run("unless virtual nodes refuse them", func(t *testing.T) {
		tried := map[string]int{}
		for rule, texts := range refused {
			for _, text := range texts {
				admitted, err := admit(t, labelled, sample(t, text))
				if apierrors.IsInvalid(err) || apierrors.IsForbidden(err) || apierrors.IsBadRequest(err) {
					continue // no such pod can be created; see cannotBeCreated
				}
				require.NoError(t, err, text)
				require.False(t, isRouted(admitted, routedBy), "%s: %s", rule, text)
				require.NotEqual(t, "virtual-node", admitted.Spec.NodeSelector["type"], text)
				tried[rule]++
			}
		}
		unreached := map[string]bool{}
		for rule := range hardRules() {
			if tried[rule] == 0 {
				unreached[rule] = true
			}
		}
		require.Equal(t, cannotBeCreated, unreached, "rules of which no sample reached the policy")
	})
	t.Run("unless they are placed by other means", func(t *testing.T) {
		for name, l := range left {
			pod := sample(t, l.pod)
			admitted, err := admit(t, labelled, pod)
			require.NoError(t, err, name)
			require.Equal(t, pod.Spec.NodeSelector, admitted.Spec.NodeSelector, name)
			require.Subset(t, admitted.Spec.Tolerations, pod.Spec.Tolerations, name)
			require.Equal(t, isRouted(pod, routedBy), isRouted(admitted, routedBy), name)
		}
	})
	t.Run("and pods of other namespaces are not", func(t *testing.T) {
		for _, other := range others {
			for _, text := range []string{"", taken["virtual stated by the pod"]} {
				admitted, err := admit(t, other, sample(t, text))
				require.NoError(t, err)
				require.False(t, isRouted(admitted, routedBy))
				require.Empty(t, admitted.Spec.NodeSelector)
			}
		}
	})
}

// cannotBeCreated names the rules about pods that the API server of this plane takes from nobody's create request.
var cannotBeCreated = map[string]bool{
	"file-storage-claim":   true, // the API server does not know what is behind a claim
	"ephemeral-containers": true, // a subresource adds them to pods that run
	"runtime-class":        true, // the class must exist
	"volume-devices":       true, // they come from a claim, which is refused by a rule of its own
}

func TestTheTaintAndSelectorComeFromValues(t *testing.T) {
	labelled := namespace(t, "layer-values", map[string]string{"karpenter.k8s.oracle/layer": "virtual"})
	installed(t, "routing-values", "--set", "layerRouting.enabled=true,settings.virtualNodeTaint=burst:NoExecute",
		"--set-json", `layerRouting.nodeSelector={"type":null,"example.com/burst-only":"yes","pool":"virtual"}`)
	toleration := corev1.Toleration{Key: "burst", Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoExecute}
	untilRouted(t, labelled, toleration)
	admitted, err := admit(t, labelled, sample(t, ""))
	require.NoError(t, err)
	require.Equal(t, map[string]string{"example.com/burst-only": "yes", "pool": "virtual"}, admitted.Spec.NodeSelector)
}

// installed installs the controller's chart until the end of the test.
func installed(t *testing.T, release string, args ...string) {
	t.Helper()
	helm(t, append(append([]string{"install", release, chart, "--namespace", release, "--create-namespace"}, required...), args...)...)
	t.Cleanup(func() {
		// The test's own context has ended by now.
		_, err := tryHelmWith(context.Background(), t, "uninstall", release, "--namespace", release)
		require.NoError(t, err)
	})
}

func namespace(t *testing.T, name string, labels map[string]string) string {
	t.Helper()
	_, err := kube.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels}}, metav1.CreateOptions{})
	require.NoError(t, err)
	clustertest.Eventually(t, patience, "the namespace has a service account", func(ctx context.Context) (bool, string) {
		_, err := kube.CoreV1().ServiceAccounts(name).Get(ctx, "default", metav1.GetOptions{})
		return err == nil, "it has none"
	})
	return name
}

// admit asks the API server to take a pod without keeping it, and returns what it would have kept.
func admit(t *testing.T, namespace string, pod *corev1.Pod) (*corev1.Pod, error) {
	t.Helper()
	return kube.CoreV1().Pods(namespace).Create(t.Context(), pod, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
}

func untilRouted(t *testing.T, namespace string, by corev1.Toleration) {
	t.Helper()
	clustertest.Eventually(t, patience, "a pod is routed", func(context.Context) (bool, string) {
		admitted, err := admit(t, namespace, sample(t, ""))
		if err != nil {
			return false, err.Error()
		}
		return isRouted(admitted, by), "it is not"
	})
}

func isRouted(pod *corev1.Pod, by corev1.Toleration) bool {
	for i := range pod.Spec.Tolerations {
		if pod.Spec.Tolerations[i].MatchToleration(&by) {
			return true
		}
	}
	return false
}
