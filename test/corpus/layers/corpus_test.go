package layers_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/scheme"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"

	"github.com/karpenter-oke/karpenter-oke/pkg/lint"
	"github.com/karpenter-oke/karpenter-oke/pkg/manifest"
	"github.com/karpenter-oke/karpenter-oke/pkg/virtualnode"
	"github.com/karpenter-oke/karpenter-oke/test/cluster/virtualnodes"
	"github.com/karpenter-oke/karpenter-oke/test/corpus/layers"
)

var update = flag.Bool("update", false, "write the list of specs in README.md")

var now = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

// states are the clusters that each spec is decided in.
var states = []struct {
	name, arch string
	want       func(layers.Spec) layers.Outcome
}{
	{"with an x86 virtual node", "amd64", func(s layers.Spec) layers.Outcome { return s.X86 }},
	{"with an Arm virtual node", "arm64", func(s layers.Spec) layers.Outcome { return s.Arm }},
	{"without virtual nodes", "", func(s layers.Spec) layers.Outcome { return s.None }},
}

func load(t testing.TB) []layers.Spec {
	t.Helper()
	specs, err := layers.Load()
	require.NoError(t, err)
	return specs
}

// workload returns the one workload of a spec, out of its List if it is in one.
func workload(t testing.TB, s layers.Spec) manifest.Document {
	t.Helper()
	var found []manifest.Document
	for _, d := range s.Documents {
		items, ok, err := d.Items()
		require.NoError(t, err)
		if !ok {
			items = []manifest.Document{d}
		}
		for _, item := range items {
			if _, ok, _ := lint.Pod(item, "default"); ok {
				found = append(found, item)
			}
		}
	}
	require.Len(t, found, 1, "%s must hold one workload", s.File)
	return found[0]
}

func podOf(t testing.TB, s layers.Spec) *corev1.Pod {
	t.Helper()
	pod, _, err := lint.Pod(workload(t, s), "default")
	require.NoError(t, err, s.File)
	return pod
}

// surroundings returns the objects of specs that say what their cluster is like: namespaces, claims and storage classes.
func surroundings(t testing.TB, specs ...layers.Spec) []client.Object {
	t.Helper()
	kinds := map[string]func() client.Object{
		"Namespace":             func() client.Object { return &corev1.Namespace{} },
		"PersistentVolumeClaim": func() client.Object { return &corev1.PersistentVolumeClaim{} },
		"StorageClass":          func() client.Object { return &storagev1.StorageClass{} },
	}
	var out []client.Object
	for _, s := range specs {
		for _, d := range s.Documents {
			if newObject, ok := kinds[d.Kind()]; ok {
				object := newObject()
				require.NoError(t, runtime.DefaultUnstructuredConverter.FromUnstructured(d.Object, object))
				out = append(out, object)
			}
		}
	}
	return out
}

// newFilter returns the filter of a cluster with one virtual node of the architecture, or none, and a NodePool for every kind of node.
func newFilter(t testing.TB, arch string, objects ...client.Object) *virtualnode.Filter {
	t.Helper()
	general := &karpv1.NodePool{ObjectMeta: metav1.ObjectMeta{Name: "general", Generation: 1}}
	general.Spec.Template.Spec.NodeClassRef = &karpv1.NodeClassReference{Group: "karpenter.k8s.oracle", Kind: "OciNodeClass", Name: "general"}
	objects = append(objects, general)
	if arch != "" {
		objects = append(objects, virtualNode("virtual-1", arch))
	}
	kube := fake.NewClientBuilder().WithScheme(scheme.Scheme).WithObjects(objects...).
		WithIndex(&corev1.Pod{}, "spec.nodeName", func(o client.Object) []string { return []string{o.(*corev1.Pod).Spec.NodeName} }).Build()
	clk := clocktesting.NewFakeClock(now)
	index := virtualnode.NewIndex(virtualnode.DefaultConfig(), clk)
	require.NoError(t, index.Ensure(t.Context(), kube))
	return virtualnode.NewFilter(virtualnode.DefaultConfig(), index, clk)
}

func virtualNode(name, arch string) *corev1.Node {
	return &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: name, CreationTimestamp: metav1.NewTime(now.Add(-time.Hour)), Labels: map[string]string{
			"type": "virtual-node", "node-role.kubernetes.io/virtual-node": "", corev1.LabelArchStable: arch, corev1.LabelOSStable: "linux",
			corev1.LabelTopologyZone: "PHX-AD-1", corev1.LabelHostname: name,
		}},
		Spec: corev1.NodeSpec{Taints: []corev1.Taint{{Key: "virtual-kubelet.io/provider", Value: "oracle", Effect: corev1.TaintEffectNoSchedule}}},
		Status: corev1.NodeStatus{
			Allocatable: corev1.ResourceList{corev1.ResourcePods: resource.MustParse("1000")},
			Conditions:  []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue, LastTransitionTime: metav1.NewTime(now.Add(-time.Hour))}},
		},
	}
}

func TestEachWorkloadIsDecidedAsItsHeaderSays(t *testing.T) {
	specs := load(t)
	for _, state := range states {
		t.Run(state.name, func(t *testing.T) {
			filter := newFilter(t, state.arch, surroundings(t, specs...)...)
			for _, s := range specs {
				pod := podOf(t, s)
				d := filter.Decide(pod)
				want := state.want(s)
				require.Equal(t, want, layers.Outcome{Layer: string(d.Layer), Rule: d.Rule}, s.File)
				require.Equal(t, s.Conflict, string(d.Conflict), s.File)
				require.ElementsMatch(t, s.Blockers, names(filter.Blockers(pod)), s.File)
				require.ElementsMatch(t, s.Advisories, names(filter.Advisories(pod)), s.File)
				if d.Rule == virtualnode.RuleNeedsManaged {
					require.Contains(t, s.Blockers, d.Feature.Name, s.File)
				}
			}
		})
	}
}

func names(rules []virtualnode.Rule) []string {
	out := make([]string, len(rules))
	for i := range rules {
		out[i] = rules[i].Name
	}
	return out
}

// A pod that is Karpenter's stays so whatever it asks for on top, and one that is left to virtual nodes becomes Karpenter's as soon
// as it asks for anything that they refuse.
func TestAFeatureOfAManagedSpecMakesEveryOtherSpecManaged(t *testing.T) {
	specs := load(t)
	filter := newFilter(t, "amd64", surroundings(t, specs...)...)
	pods := make([]*corev1.Pod, len(specs))
	for i, s := range specs {
		pods[i] = podOf(t, s)
	}
	for i, donor := range specs {
		if len(donor.Blockers) == 0 {
			continue
		}
		features, err := json.Marshal(pods[i].Spec)
		require.NoError(t, err)
		for k, s := range specs {
			pod := graft(t, pods[k], features)
			pod.OwnerReferences = append(pod.OwnerReferences, pods[i].OwnerReferences...)
			if d := filter.Decide(pod); d.Skip() {
				require.Empty(t, filter.Blockers(pod), "%s with the features of %s", s.File, donor.File)
				require.Equal(t, "virtual", s.X86.Layer, "%s with the features of %s", s.File, donor.File)
			}
		}
	}
}

// graft returns a pod with all that another asks for besides its own. Where it is placed and what it says stays.
func graft(t *testing.T, to *corev1.Pod, from []byte) *corev1.Pod {
	t.Helper()
	pod, donor := to.DeepCopy(), corev1.PodSpec{}
	require.NoError(t, json.Unmarshal(from, &donor))
	// Decoding into what is there keeps the fields that the donor leaves out.
	require.NoError(t, json.Unmarshal(from, &pod.Spec))
	pod.Spec.Containers = slices.Concat(to.Spec.Containers, donor.Containers)
	pod.Spec.InitContainers = slices.Concat(to.Spec.InitContainers, donor.InitContainers)
	pod.Spec.Volumes = slices.Concat(to.Spec.Volumes, donor.Volumes)
	pod.Spec.Tolerations, pod.Spec.Affinity, pod.Spec.NodeSelector = to.Spec.Tolerations, to.Spec.Affinity, to.Spec.NodeSelector
	return pod
}

// ignored are the features that the simulated virtual nodes refuse to be on the safe side, and the filter, which must not buy nodes
// for what would run, only warns of.
var ignored = map[string]string{
	"os": "pod-os", "stdin and tty": "interactive", "terminationMessagePath": "termination-message",
	"terminationMessagePolicy": "termination-message", "probe terminationGracePeriodSeconds": "probe-grace",
}

// The simulated virtual nodes have a table of refusals of their own, written apart from the filter's.
func TestWhatIsLeftToVirtualNodesIsNotRefusedByThem(t *testing.T) {
	for _, s := range load(t) {
		refusal := virtualnodes.Refusal(podOf(t, s), func(string) string { return "blockvolume.csi.oraclecloud.com" })
		if s.X86.Layer != "virtual" || refusal == "" {
			continue
		}
		require.Contains(t, ignored, refusal, "%s: refused for %s", s.File, refusal)
		require.Contains(t, s.Advisories, ignored[refusal], s.File)
	}
}

// Every rule, decision and contradiction that the filter knows is in the corpus, and so are the kinds of workloads.
func TestTheCorpusLeavesNothingOut(t *testing.T) {
	specs := load(t)
	require.GreaterOrEqual(t, len(specs), 150)
	seen := map[string]int{}
	for _, s := range specs {
		for _, outcome := range []layers.Outcome{s.X86, s.Arm, s.None} {
			seen[outcome.Rule]++
		}
		for _, name := range slices.Concat(s.Blockers, s.Advisories, []string{s.Conflict, workload(t, s).Kind()}) {
			seen[name]++
		}
	}
	for _, name := range slices.Concat(virtualnode.RuleNames(), []string{
		virtualnode.RuleStatedManaged, virtualnode.RuleStatedVirtual, virtualnode.RuleNotTolerated, virtualnode.RuleNeedsManaged, virtualnode.RuleNamesTaint,
		virtualnode.RuleToleratesAll, virtualnode.RuleAllNoRoom, virtualnode.RuleNoMatch, virtualnode.RuleNothingFits, virtualnode.RuleBadAffinity,
		string(virtualnode.ConflictNeedsManaged), string(virtualnode.ConflictNotTolerated), string(virtualnode.ConflictBadLayer), string(virtualnode.ConflictBadNamespace), string(virtualnode.ConflictBadOverflow),
		"Pod", "PodTemplate", "Deployment", "ReplicaSet", "ReplicationController", "StatefulSet", "DaemonSet", "Job", "CronJob",
	}) {
		require.Positive(t, seen[name], "no spec shows %s", name)
	}
}

const readme = "README.md"

func TestTheReadmeListsTheCorpus(t *testing.T) {
	text, err := os.ReadFile(readme)
	require.NoError(t, err)
	const begin, end = "<!-- begin specs -->\n", "<!-- end specs -->"
	before, rest, ok := strings.Cut(string(text), begin)
	require.True(t, ok)
	_, after, ok := strings.Cut(rest, end)
	require.True(t, ok)
	var table strings.Builder
	topic := ""
	for _, s := range load(t) {
		dir, file, _ := strings.Cut(strings.TrimSuffix(s.File, ".yaml"), "/")
		if dir != topic {
			topic = dir
			fmt.Fprintf(&table, "\n## %s\n\n| spec | layer | rule | why |\n|---|---|---|---|\n", dir)
		}
		fmt.Fprintf(&table, "| [%s](%s) | %s | %s | %s |\n", file, s.File, s.X86.Layer, s.X86.Rule, strings.ReplaceAll(s.Why, "|", "\\|"))
	}
	got := before + begin + table.String() + end + after
	if *update {
		require.NoError(t, os.WriteFile(readme, []byte(got), 0o644))
		return
	}
	require.Equal(t, got, string(text), "run: go test ./test/corpus/layers -run Readme -update")
}
