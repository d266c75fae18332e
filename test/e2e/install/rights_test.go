//go:build e2e

package install_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/samber/lo"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"sigs.k8s.io/controller-runtime/pkg/client"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"

	"github.com/karpenter-oke/karpenter-oke/pkg/providers/instancetype/resources"
	"github.com/karpenter-oke/karpenter-oke/test/cluster"
	"github.com/karpenter-oke/karpenter-oke/test/cluster/kubelets"
	"github.com/karpenter-oke/karpenter-oke/test/cluster/rights"
	"github.com/karpenter-oke/karpenter-oke/test/environment"
	"github.com/karpenter-oke/karpenter-oke/test/live"
)

// everyFeature turns on each gate and setting that brings rights of its own.
const everyFeature = `
settings:
  ignoreDraRequests: false
  schedulerConfig: '{podTopologySpread: {defaultConstraints: [{maxSkew: 5, topologyKey: topology.kubernetes.io/zone, whenUnsatisfiable: ScheduleAnyway}]}}'
  featureGates: {NodeRepair: true, NodeOverlay: true, CapacityBuffer: true, StaticCapacity: true, SpotToSpotConsolidation: true, PodDeletionCostManagement: true}
defaultNodeClass: {spec: {podNetworking: {ipCount: 16, podSubnetSelector: [{freeFormTags: {role: pods}}]}}}
`

// notExercised are rights that this spec does not make the controller use, with what does.
var notExercised = map[string]string{
	"nodepools.karpenter.sh/finalizers update":  "owning NodeClaims, where the API server runs OwnerReferencesPermissionEnforcement",
	"nodeclaims.karpenter.sh/finalizers update": "owning Nodes, likewise",
}

const pools = `
{{- range $pool, $grace := . }}
---
apiVersion: karpenter.sh/v1
kind: NodePool
metadata: {name: {{ $pool }}}
spec:
  template:
    spec:
      nodeClassRef: {group: karpenter.k8s.oracle, kind: OciNodeClass, name: default}
      requirements: [{key: karpenter.sh/capacity-type, operator: In, values: [on-demand]}]
      {{- if $grace }}
      terminationGracePeriod: {{ $grace }}
      {{- end }}
  disruption: {consolidationPolicy: WhenEmptyOrUnderutilized, consolidateAfter: 5s, budgets: [{nodes: "100%"}]}
{{- end }}
---
apiVersion: karpenter.sh/v1alpha1
kind: NodeOverlay
metadata: {name: dearer}
spec: {requirements: [{key: kubernetes.io/arch, operator: In, values: [amd64]}], priceAdjustment: "+5%"}
`

// workloads are of each kind whose selectors default spreads are made of, and two buffers.
const workloads = `
{{- range $kind, $group := . }}
---
apiVersion: {{ index $group 0 }}
kind: {{ $kind }}
metadata: {name: {{ index $group 1 }}, namespace: default}
spec:
  replicas: 1
  {{- if eq $kind "StatefulSet" }}
  serviceName: web
  {{- end }}
  selector: {{ if eq $kind "ReplicationController" }}{of: {{ index $group 1 }}}{{ else }}{matchLabels: {of: {{ index $group 1 }}}}{{ end }}
  template:
    metadata: {labels: {of: {{ index $group 1 }}}}
    spec:
      nodeSelector: {karpenter.sh/nodepool: {{ if eq $kind "Deployment" }}plain{{ else }}mixed{{ end }}}
      containers: [{name: main, image: "registry.example/app:1", resources: {requests: {cpu: 300m, memory: 256Mi}}}]
{{- end }}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: default}
spec: {selector: {of: statefulset}, ports: [{port: 80}]}
---
apiVersion: v1
kind: PodTemplate
metadata: {name: spare, namespace: default}
template:
  metadata: {labels: {of: spare}}
  spec: {nodeSelector: {karpenter.sh/nodepool: mixed}, containers: [{name: main, image: "registry.example/app:1", resources: {requests: {cpu: 300m, memory: 256Mi}}}]}
---
apiVersion: autoscaling.x-k8s.io/v1beta1
kind: CapacityBuffer
metadata: {name: spare, namespace: default}
spec: {podTemplateRef: {name: spare}, replicas: 1}
`

const devices = `
{apiVersion: resource.k8s.io/v1, kind: DeviceClass, metadata: {name: accelerator}, spec: {selectors: [{cel: {expression: "device.driver == 'example.com'"}}]}}
---
{apiVersion: resource.k8s.io/v1, kind: ResourceClaim, metadata: {name: accelerator, namespace: default}, spec: {devices: {requests: [{name: one, exactly: {deviceClassName: accelerator}}]}}}
---
apiVersion: v1
kind: Pod
metadata: {name: accelerated, namespace: default}
spec:
  nodeSelector: {karpenter.sh/nodepool: mixed}
  resourceClaims: [{name: accelerator, resourceClaimName: accelerator}]
  containers: [{name: main, image: "registry.example/app:1", resources: {requests: {cpu: 100m}, claims: [{name: accelerator}]}}]
`

// smaller makes each node that registers a little smaller than modelled, each by more than those before, so that there is something to learn
// again and again.
func smaller() func(kubelets.Instance, *corev1.Node) {
	var registered atomic.Int64
	return func(instance kubelets.Instance, node *corev1.Node) {
		missing := registered.Add(1) << 25 // 32 MiB for each
		node.Status.Capacity[corev1.ResourceMemory] = *resource.NewQuantity(resources.MemoryCapacity(instance.MemoryGB)-missing, resource.BinarySI)
		node.Status.Allocatable[corev1.ResourceMemory] = *resource.NewQuantity(resources.AllocatableMemory(instance.MemoryGB)-missing, resource.BinarySI)
	}
}

// The controller runs as installed, with every feature on, and does everything that it has rights for: the API server's audit log shows that it is
// refused nothing, and which rights nobody needed.
func TestEveryRightIsUsedWithEveryFeatureAndNoneIsMissing(t *testing.T) {
	i := start(t, environment.Options{Name: "install-rights", AlterNode: smaller()})
	folder := t.TempDir()
	values := []string{"--values", filepath.Join(folder, "defaults.yaml"), "--values", filepath.Join(folder, "features.yaml")}
	require.NoError(t, os.WriteFile(values[1], []byte(strings.Replace(defaults, "enabled: true,", "enabled: false,", 1)), 0o600))
	require.NoError(t, os.WriteFile(values[3], []byte(everyFeature), 0o600))
	i.Create(live.PodNetworkDefinition, nil)
	i.mustHelm("install", "crds", repo+"/charts/karpenter-oke-crd", "--namespace", namespace, "--take-ownership", "--set", "keep=false")
	i.mustHelm(append(append([]string{"install", release, repo + "/charts/karpenter-oke"}, values...), i.values()...)...)
	i.available()
	objects, err := cluster.Decode(i.mustHelm("get", "manifest", release, "--namespace", namespace))
	require.NoError(t, err)
	granted, err := rights.Granted(objects)
	require.NoError(t, err)

	i.work()

	i.Eventually("every right to be used", func() string {
		used, refused, err := rights.Audited(i.Plane().AuditLogFile(), account)
		require.NoError(t, err)
		require.Empty(t, refused, "the chart does not grant what the controller asks for")
		return strings.Join(rights.Unused(granted, used, notExercised), ", ")
	})
}

// work makes the controller do all that it can.
func (i *installed) work() {
	i.Helper()
	i.Create(pools, map[string]string{"mixed": "", "plain": "", "short": "10s"})
	kinds := map[string][]string{
		"Deployment": {"apps/v1", "deployment"}, "ReplicaSet": {"apps/v1", "replicaset"}, "StatefulSet": {"apps/v1", "statefulset"}, "ReplicationController": {"v1", "replicationcontroller"},
	}
	i.Create(workloads, kinds)
	i.Eventually("all workloads to run", func() string {
		pods := &corev1.PodList{}
		require.NoError(i.T, i.Client().List(i.Context(), pods, client.InNamespace("default")))
		running := lo.CountBy(pods.Items, func(p corev1.Pod) bool { return p.Status.Phase == corev1.PodRunning })
		return lo.Ternary(running == len(kinds), "", fmt.Sprintf("%d of %d run", running, len(kinds)))
	})

	// A pod with a claim of devices that nobody has is looked into, and waits.
	i.Create(devices, nil)
	// A pod that must not be disturbed holds its node until the grace ends; then its pod is deleted.
	i.Create(`{apiVersion: v1, kind: Pod, metadata: {name: stubborn, namespace: default, annotations: {karpenter.sh/do-not-disrupt: "true"}}, spec: {
		nodeSelector: {karpenter.sh/nodepool: short}, containers: [{name: main, image: "registry.example/app:1", resources: {requests: {cpu: 100m}}}]}}`, nil)
	node := i.Runs("stubborn")
	held, ok := lo.Find(i.Claims("short"), func(c karpv1.NodeClaim) bool { return c.Status.NodeName == node.Name })
	require.True(i.T, ok)
	require.NoError(i.T, i.Client().Delete(i.Context(), &held))
	i.Eventually("the node to be gone", func() string {
		return lo.Ternary(slices.ContainsFunc(i.Claims("short"), func(c karpv1.NodeClaim) bool { return c.Name == held.Name }), "it is there", "")
	})

	// Another template: its hash is written, and what is of the old one drifts and is replaced.
	pool := &karpv1.NodePool{}
	i.Get(pool, "", "mixed")
	pool.Spec.Template.Labels = map[string]string{"team": "platform"}
	require.NoError(i.T, i.Client().Update(i.Context(), pool))
	i.Eventually("the nodes to be of the new template", func() string {
		old := lo.CountBy(i.Claims("mixed"), func(c karpv1.NodeClaim) bool { return c.Labels["team"] != "platform" })
		return lo.Ternary(old == 0, "", fmt.Sprintf("%d are of the old one", old))
	})
}
