//go:build e2e

package install_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/samber/lo"
	"github.com/stretchr/testify/require"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/test/cluster/clustertest"
	"github.com/karpenter-oke/karpenter-oke/test/cluster/helm"
	"github.com/karpenter-oke/karpenter-oke/test/cluster/podhost"
	"github.com/karpenter-oke/karpenter-oke/test/environment"
	"github.com/karpenter-oke/karpenter-oke/test/live"
)

// defaults are the NodePool and OciNodeClass that the chart can make, as docs/install.md shows them.
const defaults = `
defaultNodePool: {enabled: true, limits: {cpu: 64}, disruption: {consolidationPolicy: WhenEmptyOrUnderutilized, consolidateAfter: 5s}}
defaultNodeClass:
  enabled: true
  spec:
    imageSelector: [{osFamily: Oracle Linux, osVersion: "8"}]
    subnetSelector: [{freeFormTags: {role: nodes}}]
    securityGroupSelector: [{freeFormTags: {role: nodes}}]
`

// A platform team's whole way with the charts: install, lose a leader, upgrade, try bad settings, roll back, uninstall.
func TestWhatIsInstalledRunsIsUpgradedAndLeavesNothing(t *testing.T) {
	i := start(t, environment.Options{Name: "install"})
	before := clustertest.Everything(t, i.Plane())
	values := filepath.Join(t.TempDir(), "values.yaml")
	require.NoError(t, os.WriteFile(values, []byte(defaults), 0o600))

	// The definitions are there already, as in a cluster that ran a controller before.
	i.mustHelm("install", "crds", i.previous("karpenter-oke-crd"), "--namespace", namespace, "--take-ownership", "--set", "keep=false")
	i.mustHelm(append([]string{"install", release, i.previous("karpenter-oke"), "--values", values}, i.values()...)...)
	i.available()
	i.placedApart()
	i.runs("first")

	i.takenOver()

	i.mustHelm("upgrade", "crds", repo+"/charts/karpenter-oke-crd", "--namespace", namespace, "--set", "keep=false")
	i.mustHelm(append([]string{"upgrade", release, repo + "/charts/karpenter-oke", "--values", values, "--set", "settings.logLevel=debug"}, i.values()...)...)
	i.available()
	i.drained()
	i.runs("upgraded")

	i.refuses(values)

	i.Create(live.FlexClass, map[string]string{"Name": "own", "Sizing": "Fit"}) // which Helm does not know, so that it is still there at the end
	i.guards("default")
	i.removeNodes()
	i.mustHelm("uninstall", release, "--namespace", namespace)
	i.mustHelm("uninstall", "crds", "--namespace", namespace)
	i.Eventually("nothing but what the controller learned to be left", func() string {
		left, _ := lo.Difference(lo.Keys(clustertest.Everything(t, i.Plane())), lo.Keys(before))
		return strings.Join(lo.Reject(left, func(object string, _ int) bool {
			// The cluster's own DaemonSets follow the nodes.
			return object == "configmaps karpenter/karpenter-oke-learned-capacity" || strings.HasPrefix(object, "pods kube-system/")
		}), ", ")
	})
}

// previous is the version of a chart before the present one.
func (i *installed) previous(chart string) string {
	i.Helper()
	dir, err := helm.Previous(i.Context(), repo, chart, i.TempDir())
	require.NoError(i.T, err)
	return dir
}

// placedApart shows that the replicas are on hosts and in zones of their own, as users that can not write.
func (i *installed) placedApart() {
	i.Helper()
	pods := i.pods()
	require.Len(i.T, pods, 2)
	require.NotEqual(i.T, pods[0].Spec.NodeName, pods[1].Spec.NodeName)
	leads := 0
	for _, pod := range pods {
		if i.metric(pod.Name, `leader_election_master_status{name="karpenter-leader-election"}`) == "1" {
			leads++
		}
	}
	i.leader()
	require.LessOrEqual(i.T, leads, 1, "two replicas lead")
}

// runs shows that a pending pod gets a node.
func (i *installed) runs(name string) *corev1.Node {
	i.Helper()
	i.Create(`{apiVersion: v1, kind: Pod, metadata: {name: {{.}}, namespace: default}, spec: {
		affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [{matchExpressions: [{key: karpenter.sh/nodepool, operator: Exists}]}]}}},
		containers: [{name: main, image: "registry.example/app:1", resources: {requests: {cpu: "1", memory: 1Gi}}}]}}`, name)
	return i.Runs(name)
}

// takenOver kills the leader as kill -9 does: another process leads then, and launches.
func (i *installed) takenOver() {
	i.Helper()
	lease := &coordinationv1.Lease{}
	i.Get(lease, namespace, "karpenter-leader-election")
	holder := *lease.Spec.HolderIdentity
	killed := i.leader()
	host, ok := i.host(killed)
	require.True(i.T, ok)
	require.True(i.T, host.Kill(killed))
	i.Eventually("another holder of the lease", func() string {
		i.Get(lease, namespace, "karpenter-leader-election")
		return lo.Ternary(*lease.Spec.HolderIdentity != holder, "", holder)
	})
	i.leader()
	i.removePods()
	i.runs("taken-over")
	i.Eventually("the killed container to be started again", func() string {
		pod, _ := lo.Find(i.pods(), func(p corev1.Pod) bool { return p.Name == killed })
		return lo.Ternary(len(pod.Status.ContainerStatuses) == 1 && pod.Status.ContainerStatuses[0].RestartCount == 1, "", "it is not")
	})
	i.available()
	require.Len(i.T, lo.Filter(i.Claims(""), func(c karpv1.NodeClaim, _ int) bool { return c.DeletionTimestamp == nil }), 1, "one pod takes one node, whoever launches it")
}

// drained shows that processes which were told to end did so by themselves within their grace.
func (i *installed) drained() {
	i.Helper()
	i.Eventually("both replicas to be replaced", func() string {
		return lo.Ternary(lo.CountBy(i.ended(), asked) >= 2, "", "not yet")
	})
	for _, e := range i.ended() {
		if e.Asked {
			require.Zero(i.T, e.ExitCode, "%s ended with an error; its log is %s", e.Pod, e.Log)
			require.Less(i.T, e.After, 30*time.Second, "%s was killed", e.Pod)
		}
	}
}

// refuses upgrades to settings that can not be right: the new replicas say what is wrong and do not get ready, an old one goes on, and a rollback
// mends it.
func (i *installed) refuses(values string) {
	i.Helper()
	wrong := strings.ReplaceAll(i.values()[3], i.Simulator().World().CompartmentID, "ocid1.compartment.oc1..aaaaaaaawrong")
	i.mustHelm("upgrade", release, repo+"/charts/karpenter-oke", "--values", values, "--namespace", namespace, "--set", wrong)
	i.Eventually("a replica to say what is wrong", func() string {
		for _, e := range i.ended() {
			data, err := os.ReadFile(e.Log)
			if err == nil && !e.Asked && e.ExitCode == 1 && strings.Contains(string(data), "karpenter-oke: check --compartment-id and that the controller's policy allows to") {
				return ""
			}
		}
		return "none did"
	})
	i.removePods()
	i.runs("meanwhile")
	i.mustHelm("rollback", release, "--namespace", namespace)
	i.available()
	i.leader()
}

func asked(e podhost.Ended) bool { return e.Asked }

// guards shows that a class with nodes can not go before them.
func (i *installed) guards(name string) {
	i.Helper()
	class := &v1alpha1.OciNodeClass{}
	i.Get(class, "", name)
	require.Contains(i.T, class.Finalizers, v1alpha1.TerminationFinalizer, "nodes of it are there")
}

// removePods deletes the pods that the test made, and waits until they are gone.
func (i *installed) removePods() {
	i.Helper()
	require.NoError(i.T, i.Client().DeleteAllOf(i.Context(), &corev1.Pod{}, client.InNamespace(metav1.NamespaceDefault)))
	i.Eventually("the pods to be gone", func() string {
		list := &corev1.PodList{}
		require.NoError(i.T, i.Client().List(i.Context(), list, client.InNamespace(metav1.NamespaceDefault)))
		return lo.Ternary(len(list.Items) == 0, "", "some are there")
	})
}

// removeNodes does what docs/install.md asks for before the charts go.
func (i *installed) removeNodes() {
	i.Helper()
	i.removePods()
	require.NoError(i.T, i.Client().DeleteAllOf(i.Context(), &karpv1.NodePool{}))
	i.Eventually("the nodes to be gone", func() string {
		return lo.Ternary(len(i.Claims("")) == 0, "", "some are there")
	})
	// From then on classes can be deleted also without the controller.
	i.Eventually("the classes to be let go", func() string {
		classes := &v1alpha1.OciNodeClassList{}
		require.NoError(i.T, i.Client().List(i.Context(), classes))
		require.Len(i.T, classes.Items, 2)
		return lo.Ternary(lo.EveryBy(classes.Items, func(c v1alpha1.OciNodeClass) bool { return len(c.Finalizers) == 0 }), "", "some have finalizers")
	})
}
