package instancetype_test

import (
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/samber/lo"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	crmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/cloudprovider"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/capacity"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/pricing/pricelist"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/shape"
)

// shared counts the types that are the same object in both lists.
func shared(a, b []*cloudprovider.InstanceType) int {
	in := lo.SliceToMap(a, func(it *cloudprovider.InstanceType) (*cloudprovider.InstanceType, bool) { return it, true })
	return lo.CountBy(b, func(it *cloudprovider.InstanceType) bool { return in[it] })
}

func TestListsAreSharedAndCannotBeAppendedTo(t *testing.T) {
	e := newEnv(t)
	first := e.list(t, nodeClass(), nodePool())
	second := e.list(t, nodeClass(), nodePool())
	require.Equal(t, len(first), shared(first, second))
	_ = append(first, nil)
	_ = append(second, second[0])
	require.Equal(t, len(first), shared(first, e.list(t, nodeClass(), nodePool())))
	require.Equal(t, len(first), cap(first))
}

func TestNodeClassesThatDifferInOtherFieldsShareTheirTypes(t *testing.T) {
	e := newEnv(t)
	first := e.list(t, nodeClass(), nodePool())
	other := nodeClass(func(nc *v1alpha1.OciNodeClass) {
		nc.Name, nc.Spec.FreeFormTags = "other", map[string]string{"a": "b"}
	})
	require.Equal(t, len(first), shared(first, e.list(t, other, nodePool())))
}

// Every input that changes the list must be part of the fingerprint.
func TestAChangeOfAnyInputIsSeen(t *testing.T) {
	e := newEnv(t)
	base := e.list(t, nodeClass(), nodePool())
	for says, tc := range map[string]struct {
		nc *v1alpha1.OciNodeClass
		np *karpv1.NodePool
	}{
		"boot volume size": {nodeClass(func(nc *v1alpha1.OciNodeClass) {
			nc.Spec.BootConfig = &v1alpha1.BootConfig{BootVolumeSizeInGBs: lo.ToPtr[int64](100)}
		}), nodePool()},
		"boot volume performance": {nodeClass(func(nc *v1alpha1.OciNodeClass) {
			nc.Spec.BootConfig = &v1alpha1.BootConfig{BootVolumeVpusPerGB: lo.ToPtr[int64](20)}
		}), nodePool()},
		"block devices":   {nodeClass(func(nc *v1alpha1.OciNodeClass) { nc.Spec.BlockDevices = []v1alpha1.BlockDevice{{SizeInGBs: 50}} }), nodePool()},
		"flex OCPUs":      {nodeClass(withFlex(v1alpha1.Flex{OCPUs: &v1alpha1.OCPURange{Max: lo.ToPtr[int64](9)}})), nodePool()},
		"flex memory":     {nodeClass(withFlex(v1alpha1.Flex{MemoryPerOCPU: &v1alpha1.MemoryRange{Min: gi("9Gi")}})), nodePool()},
		"baselines":       {nodeClass(withFlex(v1alpha1.Flex{Baselines: []v1alpha1.Baseline{v1alpha1.BaselineHalf}})), nodePool()},
		"multithreading":  {nodeClass(withPlatform(v1alpha1.PlatformConfig{IsSymmetricMultiThreadingEnabled: lo.ToPtr(false)})), nodePool()},
		"secure boot":     {nodeClass(withPlatform(v1alpha1.PlatformConfig{IsSecureBootEnabled: lo.ToPtr(true)})), nodePool()},
		"measured boot":   {nodeClass(withPlatform(v1alpha1.PlatformConfig{IsMeasuredBootEnabled: lo.ToPtr(true)})), nodePool()},
		"TPM":             {nodeClass(withPlatform(v1alpha1.PlatformConfig{IsTrustedPlatformModuleEnabled: lo.ToPtr(true)})), nodePool()},
		"encryption":      {nodeClass(withPlatform(v1alpha1.PlatformConfig{IsMemoryEncryptionEnabled: lo.ToPtr(true)})), nodePool()},
		"fault domains":   {nodeClass(withPlacement(v1alpha1.Placement{FaultDomains: []string{"FAULT-DOMAIN-2"}})), nodePool()},
		"dedicated host":  {nodeClass(withPlacement(v1alpha1.Placement{DedicatedVMHostSelector: []v1alpha1.PlacementSelectorTerm{{}}})), nodePool()},
		"compute cluster": {nodeClass(withPlacement(v1alpha1.Placement{ComputeClusterSelector: []v1alpha1.PlacementSelectorTerm{{}}})), nodePool()},
		"zone of a cluster": {nodeClass(func(nc *v1alpha1.OciNodeClass) {
			nc.Status.ComputeClusters = []v1alpha1.ZonalResource{{AvailabilityDomain: "Uocm:PHX-AD-1"}}
		}), nodePool()},
		"zone of a group": {nodeClass(func(nc *v1alpha1.OciNodeClass) {
			nc.Status.ClusterPlacementGroups = []v1alpha1.ZonalResource{{AvailabilityDomain: "Uocm:PHX-AD-1"}}
		}), nodePool()},
		"zone of a host": {nodeClass(func(nc *v1alpha1.OciNodeClass) {
			nc.Status.DedicatedVMHosts = []v1alpha1.DedicatedVMHost{{ZonalResource: v1alpha1.ZonalResource{AvailabilityDomain: "Uocm:PHX-AD-1"}}}
		}), nodePool()},
		"max pods":         {nodeClass(withKubelet(v1alpha1.KubeletConfiguration{MaxPods: lo.ToPtr[int32](20)})), nodePool()},
		"pods per core":    {nodeClass(withKubelet(v1alpha1.KubeletConfiguration{PodsPerCore: lo.ToPtr[int32](2)})), nodePool()},
		"kube-reserved":    {nodeClass(withKubelet(v1alpha1.KubeletConfiguration{KubeReserved: v1alpha1.ReservedResources{"cpu": "1m"}})), nodePool()},
		"reserved memory":  {nodeClass(withKubelet(v1alpha1.KubeletConfiguration{SystemReserved: v1alpha1.ReservedResources{"memory": "1Mi"}})), nodePool()},
		"reserved disk":    {nodeClass(withKubelet(v1alpha1.KubeletConfiguration{SystemReserved: v1alpha1.ReservedResources{"ephemeral-storage": "1Mi"}})), nodePool()},
		"memory threshold": {nodeClass(withKubelet(v1alpha1.KubeletConfiguration{EvictionHard: v1alpha1.EvictionThresholds{"memory.available": "1%"}})), nodePool()},
		"disk threshold":   {nodeClass(withKubelet(v1alpha1.KubeletConfiguration{EvictionHard: v1alpha1.EvictionThresholds{"nodefs.available": "1%"}})), nodePool()},
		"pod networking":   {nodeClass(func(nc *v1alpha1.OciNodeClass) { nc.Status.PodNetworking = v1alpha1.PodNetworkingVCNNative }), nodePool()},
		"metadata":         {nodeClass(func(nc *v1alpha1.OciNodeClass) { nc.Spec.MetaData = v1alpha1.Metadata{"oke-max-pods": "9"} }), nodePool()},
		"native by metadata": {nodeClass(func(nc *v1alpha1.OciNodeClass) {
			nc.Spec.MetaData = v1alpha1.Metadata{"oke-native-pod-networking": "true"}
		}), nodePool()},
		"zones of subnets": {nodeClass(func(nc *v1alpha1.OciNodeClass) { nc.Status.Subnets[0].AvailabilityDomain = "Uocm:PHX-AD-1" }), nodePool()},
		"images":           {nodeClass(func(nc *v1alpha1.OciNodeClass) { nc.Status.Images = nc.Status.Images[:1] }), nodePool()},
		"requirements":     {nodeClass(), nodePool(require1(v1alpha1.LabelInstanceCPU, corev1.NodeSelectorOpLt, "9"))},
		"template labels": {nodeClass(), func() *karpv1.NodePool {
			np := nodePool()
			np.Spec.Template.Labels = map[string]string{corev1.LabelArchStable: "arm64"}
			return np
		}()},
		"CPU limit": {nodeClass(), func() *karpv1.NodePool {
			np := nodePool()
			np.Spec.Limits = karpv1.Limits{corev1.ResourceCPU: resource.MustParse("100")}
			return np
		}()},
		"memory limit": {nodeClass(), func() *karpv1.NodePool {
			np := nodePool()
			np.Spec.Limits = karpv1.Limits{corev1.ResourceMemory: resource.MustParse("100Gi")}
			return np
		}()},
	} {
		types := e.list(t, tc.nc, tc.np)
		require.False(t, slices.Equal(base, types), says)
		require.Equal(t, len(base), len(e.list(t, nodeClass(), nodePool())), "the first list is still there")
	}
}

func TestOneUnavailableOfferingRebuildsItsShapeOnly(t *testing.T) {
	e := newEnv(t)
	np := nodePool(require1(v1alpha1.LabelIsFlexible, corev1.NodeSelectorOpIn, "true"))
	before := e.list(t, nodeClass(), np)
	old := find(t, before, "VM.Standard.E4.Flex.4o.32g")
	e.unavailable.MarkUnavailable(t.Context(), capacity.ReasonOutOfHostCapacity, capacity.Offering{
		Shape: "VM.Standard.E4.Flex", OCPUs: 4, MemoryGB: 32, Zone: "PHX-AD-2", CapacityType: karpv1.CapacityTypeSpot,
	}, time.Minute)
	after := e.list(t, nodeClass(), np)
	ofShape := lo.CountBy(after, func(it *cloudprovider.InstanceType) bool {
		return it.Requirements.Get(v1alpha1.LabelInstanceShapeName).Has("VM.Standard.E4.Flex")
	})
	require.Equal(t, len(after)-ofShape, shared(before, after))
	require.Len(t, after, len(before))

	for _, o := range find(t, after, old.Name).Offerings {
		require.Equal(t, o.Zone() != "PHX-AD-2" || o.CapacityType() != karpv1.CapacityTypeSpot, o.Available)
	}
	require.Len(t, old.Offerings.Available(), 6, "the type that others still hold did not change")
	require.Len(t, find(t, after, "VM.Standard.E4.Flex.2o.16g").Offerings.Available(), 6, "a smaller size can be had")

	e.clock.SetTime(time.Unix(1060, 0))
	require.Len(t, find(t, e.list(t, nodeClass(), np), old.Name).Offerings.Available(), 6, "marks expire")
}

func TestAMarkOfABurstableSizeLeavesWholeOCPUsAvailable(t *testing.T) {
	e := newEnv(t)
	np := family("VM.Standard.E4")
	e.unavailable.MarkUnavailable(t.Context(), capacity.ReasonOutOfHostCapacity, capacity.Offering{
		Shape: "VM.Standard.E4.Flex", OCPUs: 4, MemoryGB: 32, Baseline: "BASELINE_1_8", Zone: "PHX-AD-2", CapacityType: karpv1.CapacityTypeOnDemand,
	}, time.Minute)
	types := e.list(t, burstableToo(), np)
	for name, available := range map[string]int{"VM.Standard.E4.Flex.4o.32g.b8": 2, "VM.Standard.E4.Flex.4o.32g.b2": 3, "VM.Standard.E4.Flex.4o.32g": 6} {
		require.Len(t, find(t, types, name).Offerings.Available(), available, name)
	}
}

func TestWhatLaunchesTaughtOfAnyKindReachesOfferingsThroughOneNumber(t *testing.T) {
	for _, reason := range []capacity.Reason{capacity.ReasonOutOfHostCapacity, capacity.ReasonLimitExceeded, capacity.ReasonQuotaExceeded, capacity.ReasonShapeNotFound} {
		e := newEnv(t)
		np := family("VM.Standard.E4")
		require.NotEmpty(t, find(t, e.list(t, nodeClass(), np), "VM.Standard.E4.Flex.4o.32g").Offerings.Available())
		e.unavailable.MarkUnavailable(t.Context(), reason, capacity.Offering{Shape: "VM.Standard.E4.Flex"}, time.Minute)
		for _, it := range e.list(t, nodeClass(), np) {
			if it.Requirements.Get(v1alpha1.LabelInstanceShapeName).Has("VM.Standard.E4.Flex") {
				require.Empty(t, it.Offerings.Available(), "%s %s", it.Name, reason)
			}
		}
	}
}

func TestAGuessedPriceIsNamedInAMetricUntilTheListHasIt(t *testing.T) {
	guessed := func() (names []string) {
		families, err := crmetrics.Registry.Gather()
		require.NoError(t, err)
		for _, f := range families {
			if f.GetName() == "karpenter_oke_pricing_shape_price_guessed" {
				for _, m := range f.GetMetric() {
					names = append(names, m.GetLabel()[0].GetValue())
				}
			}
		}
		return names
	}
	e := newEnv(t)
	unheardOf := func(s *shape.Shape) *shape.Shape {
		if s.Name == "VM.Standard.E5.Flex" {
			s.Name = "VM.Standard.E9.Flex"
		}
		return s
	}
	e.shapes.snapshot = snapshot(t, 2, unheardOf)
	e.list(t, nodeClass(), nodePool())
	require.Contains(t, guessed(), "VM.Standard.E9.Flex")
	require.Contains(t, guessed(), "VM.Standard.E6.Ax.Flex")
	require.NotContains(t, guessed(), "VM.Standard.E4.Flex")
}

func TestNewPricesAreSeen(t *testing.T) {
	e := newEnv(t)
	np := nodePool(require1(v1alpha1.LabelIsFlexible, corev1.NodeSelectorOpIn, "false"))
	before := find(t, e.list(t, nodeClass(), np), "VM.Standard2.4")
	list := string(pricelist.Products())
	const part = `"partNumber":"B88514"`
	require.Contains(t, list, part)
	update, err := e.prices.Update([]byte(replacePrice(t, list, part, `"value":0.0638`, `"value":0.1`)))
	require.NoError(t, err)
	require.NotEmpty(t, update.Changes)
	after := find(t, e.list(t, nodeClass(), np), "VM.Standard2.4")
	require.InDelta(t, 0.2552+2.125/744, before.Offerings[0].Price, 1e-9)
	require.InDelta(t, 0.4+2.125/744, after.Offerings[0].Price, 1e-9)
}

func TestNewShapesAreSeen(t *testing.T) {
	e := newEnv(t)
	before := e.list(t, nodeClass(), nodePool())
	e.shapes.snapshot = snapshot(t, 2, nil)
	require.Zero(t, shared(before, e.list(t, nodeClass(), nodePool())), "types refer to the snapshot they were made of")
}

func TestManyCallersAtOnceGetTheSameTypes(t *testing.T) {
	e := newEnv(t)
	lists := make([][]*cloudprovider.InstanceType, 16)
	var wait sync.WaitGroup
	for i := range lists {
		wait.Go(func() {
			if i%4 == 0 {
				e.unavailable.MarkUnavailable(t.Context(), capacity.ReasonOutOfHostCapacity, capacity.Offering{Shape: "VM.Standard.E4.Flex", OCPUs: float64(i + 1)}, time.Minute)
			}
			lists[i], _ = e.provider.List(t.Context(), nodeClass(), nodePool())
		})
	}
	wait.Wait()
	final := e.list(t, nodeClass(), nodePool())
	for _, list := range lists {
		require.Len(t, list, len(final))
	}
}
