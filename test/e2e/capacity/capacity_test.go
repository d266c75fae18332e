//go:build e2e

// Package capacity_test uses every kind of capacity that OCI sells on one running cluster: each spec begins with a pending pod and ends with
// what OCI was asked for and what the node says of itself.
package capacity_test

import (
	"cmp"
	"fmt"
	"strings"
	"testing"

	"github.com/oracle/oci-go-sdk/v65/core"
	"github.com/samber/lo"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/test/environment"
	"github.com/karpenter-oke/karpenter-oke/test/live"
	"github.com/karpenter-oke/karpenter-oke/test/ocisim"
)

// kind is one kind of capacity: a NodePool and its class of the same name.
type kind struct {
	Name         string
	Class        string   // YAML lines of the class's spec, beside image and subnet
	Requirements []string // of the NodePool
	Taints       string   // of the NodePool, YAML in one line
	Subnets      string   // what the class selects them by, YAML in one line; the cluster's own when empty
	Label        string   // what its pods select it by; its name when empty
	Weight       int      // of the NodePool
}

const kindManifest = `
apiVersion: karpenter.k8s.oracle/v1alpha1
kind: OciNodeClass
metadata: {name: {{.Name}}}
spec:
  imageSelector:
    - {osFamily: Oracle Linux, osVersion: "8"}
  subnetSelector:
    - {{.Subnets}}
{{.Class}}
---
apiVersion: karpenter.sh/v1
kind: NodePool
metadata: {name: {{.Name}}}
spec:
  weight: {{.Weight}}
  disruption: {consolidationPolicy: WhenEmpty, consolidateAfter: Never}
  template:
    metadata:
      labels: {kind: "{{.Label}}"}
    spec:
      nodeClassRef: {group: karpenter.k8s.oracle, kind: OciNodeClass, name: {{.Name}}}
      {{- if .Taints}}
      taints: {{.Taints}}
      {{- end}}
      requirements:
{{- range .Requirements}}
        - {{.}}
{{- end}}
`

const podManifest = `
apiVersion: v1
kind: Pod
metadata: {name: {{.Name}}, namespace: default}
spec:
  nodeSelector: {kind: "{{.Kind}}"{{range .Selector}}, {{.}}{{end}}}
  containers:
    - name: main
      image: example.com/app:1
      resources:
        requests: { {{.Requests}} }
        {{- if .Limits}}
        limits: { {{.Limits}} }
        {{- end}}
`

type pod struct {
	Name, Kind, Requests, Limits string
	Selector                     []string
}

type suite struct {
	*live.Spec
	world ocisim.World
}

func start(t *testing.T, controllerArgs ...string) *suite {
	t.Helper()
	return startIn(t, ocisim.Options{}, controllerArgs...)
}

// startIn starts a cluster in a region of its own kind.
func startIn(t *testing.T, region ocisim.Options, controllerArgs ...string) *suite {
	t.Helper()
	s := &suite{Spec: live.Start(t, environment.Options{
		Name: "e2e-capacity", OCISim: region, FixedNodes: live.None(), SystemNodes: live.None(), VirtualNodes: live.None(), ControllerArgs: controllerArgs,
	})}
	s.world = s.Simulator().World()
	return s
}

// use makes a kind and waits until its class is ready.
func (s *suite) use(k kind) {
	s.Helper()
	s.make(k)
	s.ready(k.Name)
}

func (s *suite) make(k kind) {
	s.Helper()
	k.Class, k.Label, k.Weight = indent(k.Class), cmp.Or(k.Label, k.Name), cmp.Or(k.Weight, 1)
	k.Subnets = cmp.Or(k.Subnets, "{freeFormTags: {role: nodes}}")
	s.Create(kindManifest, k)
}

func indent(lines string) string {
	lines = strings.Trim(lines, "\n")
	if lines == "" {
		return ""
	}
	return "  " + strings.ReplaceAll(lines, "\n", "\n  ")
}

func (s *suite) ready(name string) {
	s.Helper()
	s.Eventually("OciNodeClass "+name+" to be ready", func() string {
		class := &v1alpha1.OciNodeClass{}
		s.Get(class, "", name)
		if root := class.StatusConditions().Root(); !root.IsTrue() {
			return fmt.Sprint(class.Status.Conditions)
		}
		return ""
	})
}

// refused waits until a class says under a condition what is wrong with it, and nothing can be launched from it.
func (s *suite) refused(class, condition string, words ...string) {
	s.Helper()
	s.Eventually("OciNodeClass "+class+" to be refused", func() string {
		c := &v1alpha1.OciNodeClass{}
		s.Get(c, "", class)
		got := c.StatusConditions().Get(condition)
		told := got.IsFalse() && lo.EveryBy(words, func(word string) bool { return strings.Contains(got.Message, word) })
		return lo.Ternary(told, "", fmt.Sprint(c.Status.Conditions))
	})
}

// unschedulable waits until Karpenter, and not Kubernetes' own scheduler, says that it can do nothing for a pod.
func (s *suite) unschedulable(name string, words ...string) {
	s.Helper()
	s.Eventually("Karpenter to say that pod "+name+" can not be scheduled", func() string {
		events := &corev1.EventList{}
		require.NoError(s.T, s.Client().List(s.Context(), events, client.InNamespace("default")))
		told := lo.ContainsBy(events.Items, func(e corev1.Event) bool {
			return e.Source.Component == "karpenter" && e.Reason == "FailedScheduling" && e.InvolvedObject.Name == name &&
				lo.EveryBy(words, func(word string) bool { return strings.Contains(e.Message, word) })
		})
		return lo.Ternary(told, "", fmt.Sprintf("no such event among %d", len(events.Items)))
	})
}

// asked is what OCI was asked for when an instance was launched.
func (s *suite) asked(i ocisim.Instance) core.LaunchInstanceDetails {
	s.Helper()
	details, known := s.Simulator().LaunchOf(i.ID)
	require.True(s.T, known, i.ID)
	return details
}

// pod makes a pod for a kind.
func (s *suite) pod(p pod) {
	s.Helper()
	if p.Requests == "" {
		p.Requests = "cpu: 1, memory: 2Gi"
	}
	s.Create(podManifest, p)
}

// runs makes a pod, waits until it runs, and returns its node and its instance.
func (s *suite) runs(p pod) (*corev1.Node, ocisim.Instance) {
	s.Helper()
	s.pod(p)
	node := s.Runs(p.Name)
	return node, s.Instance(node.Spec.ProviderID)
}

// end deletes kinds with their nodes and all pods, so that the next spec has the cluster for itself.
func (s *suite) end(names ...string) {
	s.Helper()
	require.NoError(s.T, s.Client().DeleteAllOf(s.Context(), &corev1.Pod{}, client.InNamespace("default"), client.GracePeriodSeconds(0)))
	for _, name := range names {
		pool := &karpv1.NodePool{}
		s.Get(pool, "", name)
		require.NoError(s.T, s.Client().Delete(s.Context(), pool))
	}
	s.Eventually("the nodes of "+strings.Join(names, ", ")+" to go", func() string {
		left := lo.SumBy(names, func(name string) int { return len(s.Claims(name)) })
		return lo.Ternary(left == 0, "", fmt.Sprintf("%d NodeClaims left", left))
	})
}

func label(node *corev1.Node, name string) string { return node.Labels[v1alpha1.Group+"/"+name] }

func (s *suite) running(of func(ocisim.Instance) bool) int {
	return lo.CountBy(s.Simulator().Instances(), func(i ocisim.Instance) bool { return i.State != "TERMINATED" && of(i) })
}

func TestEveryKindOfCapacity(t *testing.T) {
	s := start(t)
	for _, spec := range []struct {
		says string
		run  func(*suite)
	}{
		{"a capacity reservation is filled first, then the NodePool's other capacity types, and its end kills nothing", (*suite).reservation},
		{"preemptible capacity falls back to on-demand where the NodePool lists both, and only there", (*suite).preemptible},
		{"GPU machines of both makers are bought for the pods that ask for GPUs", (*suite).gpus},
		{"an ipCount makes NativePodNetworks that go with their nodes", (*suite).podNetworks},
		{"RDMA machines go into one compute cluster, which takes no virtual machines", (*suite).rdma},
		{"pods that ask for much disk get machines whose local drives hold it", (*suite).localDrives},
		{"burstable, Arm, bare metal, one thread a core and dedicated hosts", (*suite).others},
		{"volumes have the class's size, speed, key and encryption, are counted by the scheduler, and outlive no node", (*suite).volumes},
		{"a subnet without addresses is a lack of its own, which other classes do not feel", (*suite).addresses},
		{"what can not work is told before anything is launched", (*suite).badInput},
	} {
		if !t.Run(spec.says, func(t *testing.T) {
			parent := s.T
			s.T = t
			defer func() { s.T = parent }()
			spec.run(s)
		}) {
			return
		}
	}
}
