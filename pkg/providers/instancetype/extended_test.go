package instancetype_test

import (
	"testing"

	"github.com/samber/lo"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/cloudprovider"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/instancetype"
)

const (
	largestE4 = "VM.Standard.E4.Flex.114o.1760g"
	// middleE4 has a third of the way from the 1024 GB of one socket to 1760 GB, and the 28 OCPUs that extended memory has at least.
	middleE4 = "VM.Standard.E4.Flex.28o.1269g"
)

// extendedMemory is a class that asks for large sizes, for whole OCPUs and burstable ones.
func extendedMemory(change ...func(*v1alpha1.OciNodeClass)) *v1alpha1.OciNodeClass {
	return nodeClass(append([]func(*v1alpha1.OciNodeClass){withFlex(v1alpha1.Flex{
		ExtendedMemory: lo.ToPtr(true), Baselines: []v1alpha1.Baseline{v1alpha1.BaselineWhole, v1alpha1.BaselineHalf},
	})}, change...)...)
}

func extendedOf(types []*cloudprovider.InstanceType) []*cloudprovider.InstanceType {
	return lo.Filter(types, func(it *cloudprovider.InstanceType, _ int) bool {
		return it.Requirements.Get(v1alpha1.LabelInstanceExtendedMemory).Has("true")
	})
}

func TestSizesBeyondOneSocketAreOfferedToWhoAsksForThem(t *testing.T) {
	e := newEnv(t)
	require.Empty(t, extendedOf(e.list(t, nodeClass(), family("VM.Standard.E4"))), "nobody asked")
	types := extendedOf(e.list(t, extendedMemory(), family("VM.Standard.E4", "VM.Standard.E6")))
	require.Contains(t, lo.Map(types, func(it *cloudprovider.InstanceType, _ int) string { return it.Name }), middleE4)
	require.LessOrEqual(t, len(types), 8, "few: they take room from the others")
	for _, it := range types {
		require.Equal(t, "VM.Standard.E4.Flex", it.Requirements.Get(v1alpha1.LabelInstanceShapeName).Any(), "E6 has none")
		require.False(t, it.Requirements.Get(v1alpha1.LabelBaselineOCPUUtilization).Has("50"), "none is burstable")
		for _, o := range it.Offerings {
			require.Equal(t, karpv1.CapacityTypeOnDemand, o.CapacityType(), "none is preemptible")
		}
	}
	it := find(t, types, largestE4)
	require.EqualValues(t, 228, it.Capacity.Cpu().Value())
	require.Equal(t, (1760*1024-600-1760*19)*mib, it.Capacity.Memory().Value())
	require.InDelta(t, 114*0.025+1760*0.0015, it.Offerings[0].Price, 0.01, "OCPUs and memory cost what they do elsewhere; the rest is the boot volume")
}

func TestADedicatedHostHasNoExtendedMemory(t *testing.T) {
	nc := extendedMemory(withPlacement(v1alpha1.Placement{DedicatedVMHostSelector: []v1alpha1.PlacementSelectorTerm{{Name: "host"}}}))
	require.Empty(t, extendedOf(newEnv(t).list(t, nc, family("VM.Standard.E4"))))
}

func TestAnExtendedSizeIsOfferedByNameOnlyWhereTheClassAllowsIt(t *testing.T) {
	e := newEnv(t)
	const odd = "VM.Standard.E4.Flex.40o.1200g"
	np := nodePool(require1(corev1.LabelInstanceTypeStable, corev1.NodeSelectorOpIn, odd, odd+".b2"))
	require.Empty(t, e.list(t, nodeClass(), np))
	types := e.list(t, extendedMemory(), np)
	require.Len(t, types, 1, "and not burstable")
	require.Equal(t, odd, types[0].Name)
}

func TestALaunchWithExtendedMemoryIsFittedToASizeThatExists(t *testing.T) {
	e := newEnv(t)
	nodeClaim := claimFor(requests("4", "1100Gi", 10))
	fit, ok := e.provider.Fitter(nodeClaim, extendedMemory(), nil).Fit(largestE4)
	require.True(t, ok)
	require.Equal(t, instancetype.Fitted, fit.Outcome)
	require.EqualValues(t, 28, fit.Size.OCPUs, "4 vCPUs and 64 GB an OCPU ask for fewer, which OCI refuses with so much memory")
	require.Less(t, fit.Size.MemoryGB, 1300.0)
	require.GreaterOrEqual(t, fit.Size.MemoryGB, 1100.0)
	small, ok := e.provider.Fitter(claimFor(requests("4", "100Gi", 10)), extendedMemory(), nil).Fit(largestE4)
	require.True(t, ok)
	require.EqualValues(t, 3, small.Size.OCPUs, "what fits into one socket needs no more than one")
	require.Less(t, small.Size.MemoryGB, 128.0)
}
