package cloudprovider_test

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/samber/lo"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	corecloudprovider "sigs.k8s.io/karpenter/pkg/cloudprovider"
	"sigs.k8s.io/karpenter/pkg/utils/resources"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/test/ocisim"
)

// roomy is a NodeClaim for which core left types of 8 OCPUs only, with requests of less than half of it: 2 OCPUs and 14 GB would do.
func (s *suite) roomy(name string, more ...karpv1.NodeSelectorRequirementWithMinValues) *karpv1.NodeClaim {
	s.t.Helper()
	claim := s.claim(name, more...)
	r := &claim.Spec.Requirements[0]
	r.Values = lo.Filter(r.Values, func(name string, _ int) bool { return strings.HasPrefix(name, "VM.Standard.E5.Flex.8o.") })
	require.Greater(s.t, len(r.Values), 1, "the grid has such types")
	claim.Spec.Resources.Requests[corev1.ResourceMemory] = resource.MustParse("10Gi")
	return claim
}

// typeSize is the size that the labels of a NodeClaim give: OCPUs and GB.
func typeSize(t *testing.T, claim *karpv1.NodeClaim) (ocpus, memoryGB float64) {
	t.Helper()
	ocpus, err := strconv.ParseFloat(claim.Labels[v1alpha1.LabelInstanceOCPU], 64)
	require.NoError(t, err)
	memoryMiB, err := strconv.ParseFloat(claim.Labels[v1alpha1.LabelInstanceMemory], 64)
	require.NoError(t, err)
	require.Equal(t, claim.Labels[corev1.LabelInstanceTypeStable], "VM.Standard.E5.Flex."+strconv.Itoa(int(ocpus))+"o."+strconv.Itoa(int(memoryMiB/1024))+"g")
	return ocpus, memoryMiB / 1024
}

func TestALaunchIsFittedToItsClaimAndEverythingSaysSo(t *testing.T) {
	s := newSuite(t, ocisim.Options{})
	claim := s.roomy("one")
	created, err := s.Create(t.Context(), claim)
	require.NoError(t, err)

	instance := s.live()[0]
	require.Equal(t, []float64{2, 14}, []float64{instance.OCPUs, instance.MemoryGB})
	ocpus, memoryGB := typeSize(t, created)
	require.EqualValues(t, 8, ocpus, "labels stay the type's")
	require.Greater(t, memoryGB, 14.0)
	require.Equal(t, created.Labels[corev1.LabelInstanceTypeStable], instance.FreeformTags[v1alpha1.TagInstanceType])
	require.Equal(t, "2", created.Annotations[v1alpha1.AnnotationInstanceOCPUs])
	require.Equal(t, "14", created.Annotations[v1alpha1.AnnotationInstanceMemoryGB])
	require.EqualValues(t, 4, created.Status.Capacity.Cpu().Value())
	require.Less(t, created.Status.Capacity.Memory().Value(), int64(14<<30))
	require.True(t, resources.Fits(claim.Spec.Resources.Requests, created.Status.Allocatable), "%v in %v", claim.Spec.Resources.Requests, created.Status.Allocatable)
	require.EqualValues(t, 31, created.Status.Capacity.Pods().Value(), "one pod VNIC beside the primary one")
	require.Equal(t, "31", instance.Metadata["oke-max-pods"], "the kubelet takes no more pods than the fitted node has addresses for")

	claim.Annotations = created.Annotations
	claim.Labels = lo.Assign(claim.Labels, created.Labels)
	reason, err := s.IsDrifted(t.Context(), claim)
	require.NoError(t, err)
	require.Empty(t, reason)

	// Whoever reads the instance later sees the same node: core's lists, and a controller that was killed before it wrote anything down.
	found, err := s.Get(t.Context(), created.Status.ProviderID)
	require.NoError(t, err)
	require.Equal(t, created.Status.Capacity, found.Status.Capacity)
	require.Equal(t, created.Status.Allocatable, found.Status.Allocatable)
	listed, err := s.List(t.Context())
	require.NoError(t, err)
	require.Len(t, listed, 1)
	require.Equal(t, created.Status.Allocatable, listed[0].Status.Allocatable)
	claim.CreationTimestamp.Time = claim.CreationTimestamp.Add(-time.Minute)
	s.restart()
	adopted, err := s.Create(t.Context(), claim)
	require.NoError(t, err)
	require.Equal(t, created.Status, adopted.Status)
	require.Equal(t, created.Labels, adopted.Labels)
	require.Len(t, s.region.Instances(), 1)
}

func TestARepeatedLaunchAsksForTheSameFittedSize(t *testing.T) {
	s := newSuite(t, ocisim.Options{ListLag: time.Hour})
	claim := s.roomy("one")
	before, err := s.Create(t.Context(), claim)
	require.NoError(t, err)
	claim.CreationTimestamp.Time = claim.CreationTimestamp.Add(-time.Minute)
	s.restart() // the list does not show the instance yet, so only an equal request finds it again
	after, err := s.Create(t.Context(), s.reread(claim))
	require.NoError(t, err)
	require.Equal(t, before.Status.ProviderID, after.Status.ProviderID)
	require.Len(t, s.region.Instances(), 1)
	require.EqualValues(t, 2, s.live()[0].OCPUs)
}

func TestWhatKeepsALaunchAtTheSizeOfItsType(t *testing.T) {
	for says, change := range map[string]func(*suite, *karpv1.NodeClaim){
		"the class says Grid": func(s *suite, _ *karpv1.NodeClaim) {
			s.nodeClass.Spec.Flex = &v1alpha1.Flex{Sizing: v1alpha1.FlexSizingGrid}
			require.NoError(s.t, s.kube.Update(s.t.Context(), s.nodeClass))
		},
		"the NodePool names its types": func(s *suite, c *karpv1.NodeClaim) {
			s.nodePool.Spec.Template.Spec.Requirements = append(s.nodePool.Spec.Template.Spec.Requirements, in(corev1.LabelInstanceTypeStable, c.Spec.Requirements[0].Values...))
			require.NoError(s.t, s.kube.Update(s.t.Context(), s.nodePool))
		},
		"a pod names its type": func(_ *suite, c *karpv1.NodeClaim) { c.Spec.Requirements[0].Values = c.Spec.Requirements[0].Values[:1] },
		// As core makes them for static NodePools: no list of types, and no requests.
		"the NodePool is static": func(_ *suite, c *karpv1.NodeClaim) {
			c.Spec.Requirements[0] = in(v1alpha1.LabelInstanceOCPU, "8")
			c.Spec.Resources.Requests = nil
		},
	} {
		t.Run(says, func(t *testing.T) {
			s := newSuite(t, ocisim.Options{})
			claim := s.roomy("one")
			change(s, claim)
			created, err := s.Create(t.Context(), claim)
			require.NoError(t, err)
			ocpus, memoryGB := typeSize(t, created)
			require.Equal(t, []float64{ocpus, memoryGB}, []float64{s.live()[0].OCPUs, s.live()[0].MemoryGB})
			require.EqualValues(t, 8, ocpus)
		})
	}
}

func TestAFittedSizeThatIsOutOfCapacityRulesOutItselfAndAboveOnly(t *testing.T) {
	s := newSuite(t, ocisim.Options{})
	s.region.Fail(ocisim.Fault{Kind: ocisim.OutOfHostCapacity})
	_, err := s.Create(t.Context(), s.roomy("one"))
	require.True(t, corecloudprovider.IsInsufficientCapacityError(err), "%v", err)
	require.Equal(t, 3, s.calls("LaunchInstance"), "one try a zone: every type of the claim would be launched at the same size")
	for _, entry := range s.unavailable.Entries() {
		require.Equal(t, []float64{2, 14}, []float64{entry.OCPUs, entry.MemoryGB})
	}
	instanceTypes, err := s.GetInstanceTypes(t.Context(), s.nodePool)
	require.NoError(t, err)
	available := lo.FilterMap(instanceTypes, func(it *corecloudprovider.InstanceType, _ int) (string, bool) {
		return it.Name, lo.SomeBy(it.Offerings.Available(), func(o *corecloudprovider.Offering) bool { return o.CapacityType() == karpv1.CapacityTypeOnDemand })
	})
	require.Contains(t, available, "VM.Standard.E5.Flex.1o.16g", "a smaller node may still be had")
	require.False(t, lo.Contains(available, "VM.Standard.E5.Flex.8o.64g"), "this one can not")
}

func TestAFittedNodeStaysWithinTheBoundsOfItsClass(t *testing.T) {
	s := newSuite(t, ocisim.Options{})
	s.nodeClass.Spec.Flex = &v1alpha1.Flex{
		OCPUs: &v1alpha1.OCPURange{Min: lo.ToPtr(int64(3))}, MemoryPerOCPU: &v1alpha1.MemoryRange{Min: lo.ToPtr(resource.MustParse("6Gi"))},
	}
	require.NoError(t, s.kube.Update(t.Context(), s.nodeClass))
	claim := s.roomy("one")
	created, err := s.Create(t.Context(), claim)
	require.NoError(t, err)
	require.Equal(t, []float64{3, 18}, []float64{s.live()[0].OCPUs, s.live()[0].MemoryGB})
	claim.Annotations, claim.Labels = created.Annotations, created.Labels
	reason, err := s.IsDrifted(t.Context(), claim)
	require.NoError(t, err)
	require.Empty(t, reason)
}

// Core prices a node by its type. A type that is dearer than another one that would do is replaced by that one, so the cheaper type is
// launched even where the dearer one, fitted, would cost less.
func TestTheCheapestTypeIsLaunchedSoThatConsolidationFindsNoneCheaper(t *testing.T) {
	s := newSuite(t, ocisim.Options{})
	s.nodePool.Spec.Template.Spec.Requirements = []karpv1.NodeSelectorRequirementWithMinValues{in(v1alpha1.LabelInstanceShapeName, "VM.Standard.E4.Flex", "VM.Standard.E5.Flex")}
	require.NoError(t, s.kube.Update(t.Context(), s.nodePool))
	claim := s.claim("one")
	// E4 costs less for each OCPU and GB, so fitted to the same size it is the cheaper one; as types it is not.
	claim.Spec.Requirements[0].Values = []string{"VM.Standard.E4.Flex.8o.64g", "VM.Standard.E5.Flex.2o.16g"}
	created, err := s.Create(t.Context(), claim)
	require.NoError(t, err)
	require.Equal(t, "VM.Standard.E5.Flex.2o.16g", created.Labels[corev1.LabelInstanceTypeStable])
	require.Less(t, s.live()[0].MemoryGB, 16.0, "and fitted")
}

func TestOfTypesOfOnePriceTheOneThatIsCheaperFittedIsLaunched(t *testing.T) {
	s := newSuite(t, ocisim.Options{})
	s.nodePool.Spec.Template.Spec.Requirements = []karpv1.NodeSelectorRequirementWithMinValues{in(v1alpha1.LabelInstanceShapeName, "VM.Standard.E4.Flex", "VM.Standard.E5.Flex")}
	require.NoError(t, s.kube.Update(t.Context(), s.nodePool))
	names := []string{"VM.Standard.E5.Flex.2o.32g", "VM.Standard.E4.Flex.4o.16g"}
	instanceTypes, err := s.GetInstanceTypes(t.Context(), s.nodePool)
	require.NoError(t, err)
	prices := lo.FilterMap(instanceTypes, func(it *corecloudprovider.InstanceType, _ int) (float64, bool) {
		return it.Offerings.Cheapest().Price, lo.Contains(names, it.Name)
	})
	require.Len(t, prices, 2)
	require.Equal(t, prices[0], prices[1], "the list has them at one price: 0.06 + 0.064 and 0.1 + 0.024")
	claim := s.claim("one")
	claim.Spec.Requirements[0].Values = names
	created, err := s.Create(t.Context(), claim)
	require.NoError(t, err)
	require.Equal(t, "VM.Standard.E4.Flex.4o.16g", created.Labels[corev1.LabelInstanceTypeStable])
}
