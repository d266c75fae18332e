package launch_test

import (
	"fmt"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/utils/resources"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/test/live"
)

// sized is a node class and a NodePool of its name that differ in how sizes are found. Pods come and go as they like: consolidation is
// on, as in NodePools that say nothing.
const sized = live.FlexClass + `---
apiVersion: karpenter.sh/v1
kind: NodePool
metadata: {name: {{.Name}}}
spec:
  template:
    spec:
      nodeClassRef: {group: karpenter.k8s.oracle, kind: OciNodeClass, name: {{.Name}}}
      requirements:
        - {key: karpenter.k8s.oracle/instance-shape-name, operator: In, values: [VM.Standard.E5.Flex]}
        - {key: karpenter.sh/capacity-type, operator: In, values: [on-demand]}
---
apiVersion: v1
kind: Pod
metadata: {name: {{.Name}}, namespace: default}
spec:
  nodeSelector: {karpenter.sh/nodepool: {{.Name}}}
  containers:
    - name: main
      image: registry.example/app:1
      resources: {requests: {cpu: 1500m, memory: 36Gi}}
`

// A pod of 36 GiB needs a node of 44 GB; the grid's sizes near it have 40 and 48.
func TestANodeIsFittedToItsPodsUnlessItsClassSaysGrid(t *testing.T) {
	s := start(t)
	for name, sizing := range map[string]v1alpha1.FlexSizing{"fitted": v1alpha1.FlexSizingFit, "gridded": v1alpha1.FlexSizingGrid} {
		s.Create(sized, map[string]any{"Name": name, "Sizing": sizing})
	}
	claims := map[string]*karpv1.NodeClaim{}
	for _, pool := range []string{"fitted", "gridded"} {
		s.Eventually("a node of NodePool "+pool, func() string { return s.whatKeeps(pool) })
		// Core sets this condition together with that of drift, so drift has been looked for when it is there.
		s.Eventually("core to look for drift and consolidation", func() string {
			claims[pool] = s.claim(pool)
			if !claims[pool].StatusConditions().Get(karpv1.ConditionTypeConsolidatable).IsTrue() {
				return fmt.Sprint(claims[pool].Status.Conditions)
			}
			return ""
		})
		s.checkModel(pool)
	}
	ocpus, memoryGB := s.sizeOfType(claims["fitted"])
	fitted := s.Instance(claims["fitted"].Status.ProviderID)
	require.LessOrEqual(t, fitted.OCPUs, ocpus)
	require.Less(t, fitted.MemoryGB, memoryGB)
	require.Equal(t, "44", claims["fitted"].Annotations[v1alpha1.AnnotationInstanceMemoryGB])
	require.InDelta(t, 44, fitted.MemoryGB, 0)
	node := s.Node(claims["fitted"].Status.NodeName)
	require.Equal(t, claims["fitted"].Labels[v1alpha1.LabelInstanceMemory], node.Labels[v1alpha1.LabelInstanceMemory], "labels are the type's")
	require.Equal(t, "44", node.Annotations[v1alpha1.AnnotationInstanceMemoryGB], "the real size stands in the node's annotations")
	require.True(t, resources.Fits(claims["fitted"].Spec.Resources.Requests, node.Status.Allocatable))

	ocpus, memoryGB = s.sizeOfType(claims["gridded"])
	gridded := s.Instance(claims["gridded"].Status.ProviderID)
	require.Equal(t, []float64{ocpus, memoryGB}, []float64{gridded.OCPUs, gridded.MemoryGB})

	for pool, claim := range claims {
		all := s.Claims(pool)
		require.Len(t, all, 1, "no second node for one pod")
		require.Equal(t, claim.Name, all[0].Name)
		require.False(t, all[0].StatusConditions().Get(karpv1.ConditionTypeDrifted).IsTrue())
	}
}

// sizeOfType is the size in a NodeClaim's labels: OCPUs and GB.
func (s *suite) sizeOfType(claim *karpv1.NodeClaim) (ocpus, memoryGB float64) {
	s.Helper()
	ocpus, err := strconv.ParseFloat(claim.Labels[v1alpha1.LabelInstanceOCPU], 64)
	require.NoError(s.T, err)
	memoryMiB, err := strconv.ParseFloat(claim.Labels[v1alpha1.LabelInstanceMemory], 64)
	require.NoError(s.T, err)
	require.NotEmpty(s.T, claim.Labels[corev1.LabelInstanceTypeStable])
	return ocpus, memoryMiB / 1024
}
