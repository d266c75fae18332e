//go:build e2e

package capacity_test

import (
	"fmt"
	"testing"

	"github.com/samber/lo"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"

	"github.com/karpenter-oke/karpenter-oke/test/ocisim"
)

// staticPool is a NodePool of so many nodes, whatever pods there are.
const staticPool = `
apiVersion: karpenter.sh/v1
kind: NodePool
metadata: {name: static}
spec:
  replicas: 2
  template:
    spec:
      nodeClassRef: {group: karpenter.k8s.oracle, kind: OciNodeClass, name: overlaid}
      requirements:
        - {key: karpenter.k8s.oracle/instance-shape-name, operator: In, values: [VM.Standard.E4.Flex]}
        - {key: karpenter.sh/capacity-type, operator: In, values: [on-demand]}
`

// overlays add a device that no shape has to E4 nodes, and make E5 nodes dear.
const overlays = `
apiVersion: karpenter.sh/v1alpha1
kind: NodeOverlay
metadata: {name: device}
spec:
  requirements: [{key: karpenter.k8s.oracle/instance-shape-name, operator: In, values: [VM.Standard.E4.Flex]}]
  capacity: {example.com/device: 1}
---
apiVersion: karpenter.sh/v1alpha1
kind: NodeOverlay
metadata: {name: dear}
spec:
  requirements: [{key: karpenter.k8s.oracle/instance-shape-name, operator: In, values: [VM.Standard.E5.Flex]}]
  priceAdjustment: "+900%"
`

const buffer = `
apiVersion: v1
kind: PodTemplate
metadata: {name: spare, namespace: default}
template:
  metadata: {name: spare}
  spec:
    nodeSelector: {kind: buffered}
    containers:
      - {name: main, image: "example.com/app:1", resources: {requests: {cpu: 2, memory: 4Gi}}}
---
apiVersion: autoscaling.x-k8s.io/v1beta1
kind: CapacityBuffer
metadata: {name: spare, namespace: default}
spec:
  podTemplateRef: {name: spare}
  replicas: 1
`

// dynamicPod asks for a device through the API of dynamic resource allocation, which core ignores unless it is told otherwise.
const dynamicPod = `
apiVersion: resource.k8s.io/v1
kind: DeviceClass
metadata: {name: gpu.example.com}
spec:
  selectors: [{cel: {expression: 'device.driver == "gpu.example.com"'}}]
---
apiVersion: resource.k8s.io/v1
kind: ResourceClaim
metadata: {name: gpu, namespace: default}
spec:
  devices:
    requests: [{name: gpu, exactly: {deviceClassName: gpu.example.com}}]
---
apiVersion: v1
kind: Pod
metadata: {name: dynamic, namespace: default}
spec:
  nodeSelector: {kind: dynamic}
  resourceClaims: [{name: gpu, resourceClaimName: gpu}]
  containers:
    - {name: main, image: "example.com/app:1", resources: {requests: {cpu: 1, memory: 1Gi}, claims: [{name: gpu}]}}
`

func TestCoresFeaturesWorkWithThisProvider(t *testing.T) {
	s := start(t, "--feature-gates=StaticCapacity=true,NodeOverlay=true,CapacityBuffer=true")
	onDemand := "{key: karpenter.sh/capacity-type, operator: In, values: [on-demand]}"
	shapes := "{key: karpenter.k8s.oracle/instance-shape-name, operator: In, values: [VM.Standard.E4.Flex, VM.Standard.E5.Flex]}"
	steps := []struct {
		says string
		run  func()
	}{
		{"a NodeOverlay's price and capacity decide what is launched", func() {
			s.Create(overlays, nil)
			s.use(kind{Name: "overlaid", Requirements: []string{shapes, onDemand}})
			_, i := s.runs(pod{Name: "priced", Kind: "overlaid"})
			require.Equal(s.T, "VM.Standard.E4.Flex", i.Shape, "the other shape is dear by the overlay alone")
			s.pod(pod{Name: "device", Kind: "overlaid", Requests: `cpu: 1, memory: 1Gi, example.com/device: "1"`, Limits: `example.com/device: "1"`})
			s.Eventually("a NodeClaim with the device", func() string {
				found := lo.CountBy(s.Claims("overlaid"), func(c karpv1.NodeClaim) bool {
					q := c.Status.Capacity["example.com/device"]
					return q.Value() == 1
				})
				return lo.Ternary(found > 0, "", fmt.Sprintf("%d NodeClaims, none with it", len(s.Claims("overlaid"))))
			})
		}},
		{"a static NodePool keeps its number of nodes", func() {
			s.Create(staticPool, nil)
			s.Eventually("two nodes", func() string {
				ready := lo.CountBy(s.Claims("static"), func(c karpv1.NodeClaim) bool {
					return c.StatusConditions().Get(karpv1.ConditionTypeInitialized).IsTrue()
				})
				return lo.Ternary(ready == 2, "", fmt.Sprintf("%d are ready of %d", ready, len(s.Claims("static"))))
			})
			gone := s.Claims("static")[0]
			require.NoError(s.T, s.Simulator().TerminateInstance(gone.Status.ProviderID))
			s.Eventually("another in place of the one that OCI ended", func() string {
				names := lo.Map(s.Claims("static"), func(c karpv1.NodeClaim, _ int) string { return c.Name })
				return lo.Ternary(len(names) == 2 && !lo.Contains(names, gone.Name), "", fmt.Sprint(names))
			})
		}},
		{"a CapacityBuffer holds a node ready", func() {
			s.use(kind{Name: "buffered", Requirements: []string{"{key: karpenter.k8s.oracle/instance-shape-name, operator: In, values: [VM.Standard.E4.Flex]}", onDemand}})
			s.Create(buffer, nil)
			s.Eventually("a node for nobody", func() string {
				return lo.Ternary(len(s.Claims("buffered")) == 1, "", fmt.Sprintf("%d NodeClaims", len(s.Claims("buffered"))))
			})
		}},
		{"minValues keeps a NodePool flexible", func() {
			s.use(kind{Name: "flexible", Requirements: []string{
				"{key: karpenter.k8s.oracle/instance-shape-name, operator: In, values: [VM.Standard.E4.Flex, VM.Standard.E5.Flex], minValues: 2}", onDemand,
			}})
			s.runs(pod{Name: "flexible", Kind: "flexible"})
			s.use(kind{Name: "impossible", Requirements: []string{"{key: karpenter.k8s.oracle/instance-shape-name, operator: In, values: [VM.Standard.E4.Flex, VM.Standard.NoSuch.Flex], minValues: 2}", onDemand}})
			s.pod(pod{Name: "impossible", Kind: "impossible"})
			s.unschedulable("impossible")
			require.Empty(s.T, s.Claims("impossible"))
		}},
		{"a pod with resource claims is left alone, and the others are not held up by it", func() {
			s.use(kind{Name: "dynamic", Requirements: []string{shapes, onDemand}})
			s.Create(dynamicPod, nil)
			s.unschedulable("dynamic", "Dynamic Resource Allocation")
			s.runs(pod{Name: "plain", Kind: "dynamic"})
			require.Len(s.T, s.Claims("dynamic"), 1, "for the other pod alone")
		}},
	}
	for _, step := range steps {
		if !t.Run(step.says, func(t *testing.T) {
			parent := s.T
			s.T = t
			defer func() { s.T = parent }()
			step.run()
		}) {
			return
		}
	}
}

func (s *suite) rdma() {
	id, err := s.Simulator().AddComputeCluster("training", s.world.ADs[0])
	require.NoError(s.T, err)
	s.use(kind{Name: "rdma", Class: "placement: {computeClusterSelector: [{name: training}]}", Requirements: []string{
		`{key: karpenter.k8s.oracle/instance-rdma, operator: In, values: ["true"]}`, "{key: karpenter.k8s.oracle/instance-category, operator: NotIn, values: [gpu]}",
	}})
	for n := range 2 {
		s.pod(pod{Name: fmt.Sprint("rdma-", n), Kind: "rdma", Requests: "cpu: 30, memory: 200Gi"})
	}
	for n := range 2 {
		node := s.Runs(fmt.Sprint("rdma-", n))
		require.Equal(s.T, "true", label(node, "instance-rdma"))
	}
	for _, claim := range s.Claims("rdma") {
		require.Equal(s.T, id, claim.Annotations["karpenter.k8s.oracle/placement-ids"], "all in one compute cluster")
		require.Equal(s.T, s.world.ADs[0], s.InstanceOf(&claim).AD)
	}
	s.use(kind{Name: "virtual", Class: "placement: {computeClusterSelector: [{name: training}]}", Requirements: []string{
		"{key: karpenter.k8s.oracle/instance-hypervisor, operator: In, values: [vm]}",
	}})
	s.pod(pod{Name: "virtual", Kind: "virtual"})
	s.unschedulable("virtual")
	require.Zero(s.T, s.running(func(i ocisim.Instance) bool { return i.Shape[:2] == "VM" }), "a compute cluster takes no virtual machines")
	s.end("rdma")
	require.NoError(s.T, client.IgnoreNotFound(s.Client().Delete(s.Context(), &karpv1.NodePool{ObjectMeta: metav1.ObjectMeta{Name: "virtual"}})))
}
