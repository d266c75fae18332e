package instancetype_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/cloudprovider"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
)

// Core fills the largest type that pods fit, at any price, so whatever pods fit must also fit a size of a cheap flexible shape.
func TestWhateverFitsATypeAlsoFitsACheapFlexibleSize(t *testing.T) {
	e := newEnv(t)
	for says, tc := range map[string]struct {
		np    *karpv1.NodePool
		cheap []string
	}{
		"no requirements": {nodePool(), []string{"VM.Standard.E3.Flex", "VM.Standard.E4.Flex", "VM.Standard.A2.Flex"}},
		"one architecture": {
			nodePool(require1(corev1.LabelArchStable, corev1.NodeSelectorOpIn, "amd64")), []string{"VM.Standard.E3.Flex", "VM.Standard.E4.Flex"},
		},
		"a generation with bare metal": {nodePool(require1(v1alpha1.LabelInstanceGeneration, corev1.NodeSelectorOpIn, "E5")), []string{"VM.Standard.E5.Flex"}},
		"a least size":                 {nodePool(require1(v1alpha1.LabelInstanceCPU, corev1.NodeSelectorOpGt, "8")), []string{"VM.Standard.E3.Flex", "VM.Standard.E4.Flex", "VM.Standard.A2.Flex"}},
	} {
		types := e.list(t, nodeClass(), tc.np)
		var cheap []*cloudprovider.InstanceType
		for _, it := range types {
			if slices.Contains(tc.cheap, it.Requirements.Get(v1alpha1.LabelInstanceShapeName).Any()) {
				cheap = append(cheap, it)
			}
		}
		require.NotEmpty(t, cheap, says)
		for _, it := range types {
			require.True(t, slices.ContainsFunc(cheap, func(c *cloudprovider.InstanceType) bool {
				return c.Capacity.Cpu().Cmp(*it.Capacity.Cpu()) >= 0 && c.Capacity.Memory().Cmp(*it.Capacity.Memory()) >= 0
			}), "%s: no cheap size holds what %s holds", says, it.Name)
		}
	}
}

func TestGiantsAreOfferedToWhoAsksForThem(t *testing.T) {
	e := newEnv(t)
	const bareMetal, gpus = "BM.Standard.E5.192", "BM.GPU.H100.8"
	for says, tc := range map[string]struct {
		requirement karpv1.NodeSelectorRequirementWithMinValues
		wanted      string
	}{
		"by type":       {require1(corev1.LabelInstanceTypeStable, corev1.NodeSelectorOpIn, bareMetal, "VM.Standard.E5.Flex.4o.16g"), bareMetal},
		"by shape":      {require1(v1alpha1.LabelInstanceShapeName, corev1.NodeSelectorOpIn, bareMetal, "VM.Standard.E5.Flex"), bareMetal},
		"by family":     {require1(v1alpha1.LabelInstanceFamily, corev1.NodeSelectorOpIn, "BM.Standard.E5", "VM.Standard.E5"), bareMetal},
		"as bare metal": {require1(v1alpha1.LabelInstanceHypervisor, corev1.NodeSelectorOpIn, "bm"), bareMetal},
		"by size":       {require1(v1alpha1.LabelInstanceCPU, corev1.NodeSelectorOpGt, "128"), bareMetal},
		"by GPUs":       {require1(v1alpha1.LabelInstanceGPU, corev1.NodeSelectorOpGt, "0"), gpus},
	} {
		require.Contains(t, names(e.list(t, nodeClass(), nodePool(tc.requirement))), tc.wanted, says)
	}
	require.NotContains(t, names(e.list(t, nodeClass(), nodePool())), bareMetal)
	require.Contains(t, names(e.list(t, nodeClass(), nodePool())), "VM.GPU.A10.1", "a GPU machine no larger than a cheap size is in nobody's way")
}
