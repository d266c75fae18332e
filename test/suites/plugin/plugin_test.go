// Package plugin_test asks a running controller through the kubectl plugin, as a person does.
package plugin_test

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/samber/lo"
	"github.com/stretchr/testify/require"

	"github.com/karpenter-oke/karpenter-oke/pkg/inspect"
	"github.com/karpenter-oke/karpenter-oke/test/environment"
	"github.com/karpenter-oke/karpenter-oke/test/live"
	"github.com/karpenter-oke/karpenter-oke/test/ocisim"
)

const manifests = `
apiVersion: karpenter.k8s.oracle/v1alpha1
kind: OciNodeClass
metadata: {name: class}
spec:
  imageFamily: OracleOKELinux
  imageSelector: [{osFamily: Oracle Linux, osVersion: "8"}]
  subnetSelector: [{freeFormTags: {role: nodes}}]
  securityGroupSelector: [{freeFormTags: {role: nodes}}]
---
apiVersion: karpenter.sh/v1
kind: NodePool
metadata: {name: general}
spec:
  template:
    metadata: {labels: {team: a}}
    spec:
      nodeClassRef: {group: karpenter.k8s.oracle, kind: OciNodeClass, name: class}
      taints: [{key: team, value: a, effect: NoSchedule}]
      requirements:
        - {key: karpenter.sh/capacity-type, operator: In, values: [on-demand]}
        - {key: karpenter.k8s.oracle/instance-shape-name, operator: In, values: [VM.Standard.E5.Flex]}
        - {key: karpenter.k8s.oracle/instance-cpu, operator: Lt, values: ["9"]}
---
apiVersion: v1
kind: Pod
metadata: {name: sold-out}
spec:
  nodeSelector: {topology.kubernetes.io/zone: PHX-AD-1, team: a}
  tolerations: [{key: team, operator: Exists}]
  containers: [{name: c, image: x, resources: {requests: {cpu: "3", memory: 10Gi}}}]
---
apiVersion: v1
kind: Pod
metadata: {name: skipped}
spec:
  nodeSelector: {type: virtual-node}
  tolerations: [{key: virtual-kubelet.io/provider, operator: Exists}]
  containers: [{name: c, image: x, resources: {requests: {cpu: "1", memory: 1Gi}, limits: {cpu: "1", memory: 1Gi}}}]
---
apiVersion: v1
kind: Pod
metadata: {name: too-large}
spec:
  tolerations: [{key: team, operator: Exists}]
  containers: [{name: c, image: x, resources: {requests: {cpu: "100"}}}]
---
apiVersion: v1
kind: Pod
metadata: {name: contradicts, annotations: {karpenter.k8s.oracle/layer: virtual}}
spec:
  tolerations: [{key: virtual-kubelet.io/provider, operator: Exists}]
  containers: [{name: c, image: x, resources: {limits: {nvidia.com/gpu: 1}}}]
`

// plugin runs the built program against the environment.
type plugin struct {
	*live.Spec
	bin string
}

func (p *plugin) run(args ...string) (out, errs string, err error) {
	ctx, cancel := context.WithTimeout(p.Context(), live.Patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, p.bin, append(args, "--controller-url", strings.TrimSuffix(p.MetricsURL(), "/metrics"))...)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+p.Kubeconfig())
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err = cmd.Run()
	return stdout.String(), stderr.String(), err
}

// answer runs the program with -o json and reads what it writes.
func answer[T any](p *plugin, args ...string) (T, bool) {
	var out T
	text, _, err := p.run(append(args, "-o", "json")...)
	return out, err == nil && json.Unmarshal([]byte(text), &out) == nil
}

func start(t *testing.T) *plugin {
	t.Helper()
	s := live.Start(t, environment.Options{Name: "test-plugin", FixedNodes: live.None(), SystemNodes: lo.ToPtr(1), VirtualNodes: lo.ToPtr(1)})
	// The program is beside the controller's, which the environment has found: out/<name> and bin/ share the repository.
	return &plugin{Spec: s, bin: filepath.Join(s.Dir(), "..", "..", "bin", "kubectl-karpenter_oke")}
}

func TestThePluginReadsBackWhatTheControllerKnows(t *testing.T) {
	p := start(t)
	_, err := p.Simulator().Faults().Add(ocisim.Fault{Kind: ocisim.OutOfHostCapacity, Match: ocisim.Match{Shape: "VM.Standard.E5.Flex", AvailabilityDomain: "PHX-AD-1"}})
	require.NoError(t, err)
	require.NoError(t, p.Apply(t.Context(), manifests))

	t.Run("types: an offering that OCI refused is not available, with the reason and the time", func(t *testing.T) {
		var marked inspect.Offering
		require.Eventually(t, func() bool {
			types, ok := answer[inspect.Types](p, "types", "--nodepool", "general", "--zone", "PHX-AD-1")
			if !ok {
				return false
			}
			for _, it := range types.Types {
				for _, o := range it.Offerings {
					if !o.Available && o.Reason == "OutOfHostCapacity" {
						marked = o
						return true
					}
				}
			}
			return false
		}, live.Patience, time.Second)
		require.NotNil(t, marked.Until)
		require.Positive(t, marked.Price)
		out, _, err := p.run("types", "--nodepool", "general", "--zone", "PHX-AD-1")
		require.NoError(t, err)
		require.Contains(t, out, "no: OutOfHostCapacity in PHX-AD-1 until ")
		out, _, err = p.run("types", "--nodepool", "general", "--zone", "PHX-AD-2", "--available", "--fit", "cpu=3,memory=10Gi")
		require.NoError(t, err, "the other zones are not affected")
		require.Contains(t, out, "VM.Standard.E5.Flex.2o.")
		require.NotContains(t, out, "VM.Standard.E5.Flex.1o.", "3 CPUs do not fit on 2")
	})
	t.Run("types: an unknown NodePool", func(t *testing.T) {
		_, errs, err := p.run("types", "--nodepool", "genral")
		require.Error(t, err)
		require.Equal(t, "error: there is no NodePool \"genral\"; there are: general\n", errs)
	})
	t.Run("explain: a pod left to virtual nodes", func(t *testing.T) {
		e := explainEventually(t, p, "skipped")
		require.Equal(t, "virtual", e.Layer)
		require.Equal(t, "names-taint", e.Rule)
		require.Len(t, e.VirtualNodes, 1)
		require.True(t, e.VirtualNodes[0].Matches)
	})
	t.Run("explain: a pod of Karpenter's", func(t *testing.T) {
		e := explainEventually(t, p, "sold-out")
		require.Equal(t, "managed", e.Layer)
		require.Equal(t, "taint-not-tolerated", e.Rule)
		require.False(t, e.VirtualNodes[0].Matches)
		require.Contains(t, e.VirtualNodes[0].Why, "does not tolerate its taint virtual-kubelet.io/provider")
		require.Positive(t, e.NodePools[0].Types[2].Left, "types of its NodePool are large enough, whatever OCI has of them now")
	})
	t.Run("explain: a pod that nothing can take", func(t *testing.T) {
		e := explainEventually(t, p, "too-large")
		require.False(t, e.NodePools[0].Takes)
		require.Contains(t, e.NodePools[0].Blocks[0].Why, "asks for cpu 100, and the most that an instance type has for it is ")
		require.Contains(t, e.Do[0], "For NodePool general: ask for less")
	})
	t.Run("explain: a contradiction", func(t *testing.T) {
		e := explainEventually(t, p, "contradicts")
		require.Equal(t, "managed", e.Layer)
		require.Contains(t, e.Conflict, "karpenter.k8s.oracle/layer=virtual")
		require.Equal(t, "extended-resources", e.Blockers[0].Name)
		out, _, err := p.run("explain", "pod", "contradicts")
		require.NoError(t, err)
		require.Contains(t, out, "It contradicts itself.")
	})
	t.Run("layers: nodes, pods and prices", func(t *testing.T) {
		var layers inspect.Layers
		require.Eventually(t, func() bool {
			var ok bool
			layers, ok = answer[inspect.Layers](p, "layers")
			return ok && layers.Layers[2].Pods > 0
		}, live.Patience, time.Second, "the skipped pod runs on the virtual node")
		require.Equal(t, 1, layers.Layers[0].Nodes)
		require.Positive(t, layers.Layers[0].Price)
		require.InDelta(t, 0.015+0.025+2*0.0015, layers.Layers[2].Price, 1e-6, "a node's hour, 1 OCPU and 2 GB of E4")
	})
}

// explainEventually asks until the controller's cache knows the cluster's virtual node and NodePool.
func explainEventually(t *testing.T, p *plugin, pod string) inspect.Explanation {
	t.Helper()
	var e inspect.Explanation
	require.Eventually(t, func() bool {
		var ok bool
		e, ok = answer[inspect.Explanation](p, "explain", "pod", pod)
		return ok && len(e.VirtualNodes) == 1 && len(e.NodePools) == 1 && len(e.NodePools[0].Blocks)+len(e.NodePools[0].Cheapest) > 0
	}, live.Patience, time.Second)
	return e
}
