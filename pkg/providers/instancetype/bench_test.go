package instancetype_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/samber/lo"
	corev1 "k8s.io/api/core/v1"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/capacity"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/instancetype"
)

// BenchmarkListWarm is the call that core makes all the time. Goal: at most 2 us and 5 allocations.
func BenchmarkListWarm(b *testing.B) {
	e := newEnv(b)
	nc := nodeClass()
	np := nodePool(
		require1(corev1.LabelArchStable, corev1.NodeSelectorOpIn, "amd64"),
		require1(karpv1.CapacityTypeLabelKey, corev1.NodeSelectorOpIn, "on-demand", "spot"),
		require1(v1alpha1.LabelInstanceCPU, corev1.NodeSelectorOpLt, "65"),
	)
	np.Spec.Template.Labels = map[string]string{"team": "a", "workload-type": "stateful"}
	e.list(b, nc, np)
	b.ReportAllocs()
	for b.Loop() {
		e.list(b, nc, np)
	}
}

// fullClass has every setting that types depend on.
func fullClass() *v1alpha1.OciNodeClass {
	return nodeClass(func(nc *v1alpha1.OciNodeClass) {
		nc.Spec.BlockDevices = []v1alpha1.BlockDevice{{SizeInGBs: 100}, {SizeInGBs: 200}}
		nc.Spec.Flex = &v1alpha1.Flex{
			OCPUs: &v1alpha1.OCPURange{Min: lo.ToPtr[int64](2), Max: lo.ToPtr[int64](16)}, MemoryPerOCPU: &v1alpha1.MemoryRange{Min: gi("4Gi"), Max: gi("32Gi")},
			Baselines: []v1alpha1.Baseline{v1alpha1.BaselineWhole, v1alpha1.BaselineHalf},
		}
		nc.Spec.Kubelet = &v1alpha1.KubeletConfiguration{
			MaxPods: lo.ToPtr[int32](60), KubeReserved: v1alpha1.ReservedResources{"cpu": "100m", "memory": "1Gi"},
			SystemReserved: v1alpha1.ReservedResources{"memory": "200Mi"}, EvictionHard: v1alpha1.EvictionThresholds{"memory.available": "5%", "nodefs.available": "10%"},
		}
		nc.Spec.PlatformConfig = &v1alpha1.PlatformConfig{IsSymmetricMultiThreadingEnabled: lo.ToPtr(false)}
		nc.Spec.Placement = &v1alpha1.Placement{FaultDomains: []string{"FAULT-DOMAIN-1", "FAULT-DOMAIN-2"}}
	})
}

// BenchmarkListWarmFullClass is the warm call for a node class with every setting.
func BenchmarkListWarmFullClass(b *testing.B) {
	e := newEnv(b)
	nc, np := fullClass(), nodePool(require1(corev1.LabelArchStable, corev1.NodeSelectorOpIn, "amd64"))
	e.list(b, nc, np)
	b.ReportAllocs()
	for b.Loop() {
		e.list(b, nc, np)
	}
}

// BenchmarkRebuildFullClass makes everything anew for a node class with every setting.
func BenchmarkRebuildFullClass(b *testing.B) {
	e := newEnv(b)
	nc, np := fullClass(), nodePool()
	b.ReportAllocs()
	for b.Loop() {
		e.provider = instancetype.NewProvider(instancetype.Dependencies{Shapes: e.shapes, Prices: e.prices, Unavailable: e.unavailable}, instancetype.Settings{Region: "phx"})
		e.list(b, nc, np)
	}
}

// BenchmarkRebuildAll makes everything anew, as after a change of the region's shapes: the real catalogue in three zones for a NodePool
// without requirements. Goal: at most 10 ms.
func BenchmarkRebuildAll(b *testing.B) {
	e := newEnv(b)
	nc, np := nodeClass(), nodePool()
	b.ReportAllocs()
	for b.Loop() {
		e.provider = instancetype.NewProvider(instancetype.Dependencies{Shapes: e.shapes, Prices: e.prices, Unavailable: e.unavailable}, instancetype.Settings{Region: "phx"})
		e.list(b, nc, np)
	}
}

// BenchmarkRebuildAfterOneUnavailableOffering is what a launch that failed for want of capacity costs.
func BenchmarkRebuildAfterOneUnavailableOffering(b *testing.B) {
	e := newEnv(b)
	nc, np := nodeClass(), nodePool()
	e.list(b, nc, np)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		e.unavailable.MarkUnavailable(b.Context(), capacity.ReasonOutOfHostCapacity, capacity.Offering{
			Shape: "VM.Standard.E4.Flex", OCPUs: 4, MemoryGB: 32, Zone: zones[i%len(zones)],
		}, time.Minute)
		e.list(b, nc, np)
		e.clock.SetTime(e.clock.Now().Add(time.Hour))
	}
}

// BenchmarkFiftyNodeClasses lists for 50 NodeClasses with 2 distinct boot volumes, all sources having moved.
func BenchmarkFiftyNodeClasses(b *testing.B) {
	e := newEnv(b)
	np := nodePool()
	classes := lo.Times(50, func(i int) *v1alpha1.OciNodeClass {
		return nodeClass(func(nc *v1alpha1.OciNodeClass) {
			nc.Name = fmt.Sprint("class-", i)
			nc.Spec.BootConfig = &v1alpha1.BootConfig{BootVolumeSizeInGBs: lo.ToPtr(int64(50 + i%2))}
		})
	})
	b.ReportAllocs()
	for b.Loop() {
		e.provider = instancetype.NewProvider(instancetype.Dependencies{Shapes: e.shapes, Prices: e.prices, Unavailable: e.unavailable}, instancetype.Settings{Region: "phx"})
		for _, nc := range classes {
			e.list(b, nc, np)
		}
	}
}
