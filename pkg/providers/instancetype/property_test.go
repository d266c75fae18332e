package instancetype_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/samber/lo"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/api/resource"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
)

// randomClass is a node class with any of the settings that types depend on, sensible or not.
func randomClass(r *rand.Rand) *v1alpha1.OciNodeClass {
	nc := nodeClass()
	perhaps := func(set func()) {
		if r.IntN(3) == 0 {
			set()
		}
	}
	pick := func(values ...string) string { return values[r.IntN(len(values))] }
	number := func(most int64) *int64 { return lo.ToPtr(r.Int64N(most)) }
	amount := func() *resource.Quantity {
		return lo.ToPtr(resource.MustParse(pick("1Gi", "2Gi", "3500Mi", "8Gi", "9G", "31Gi", "64Gi", "100Gi")))
	}
	reserved := func() v1alpha1.ReservedResources {
		return v1alpha1.ReservedResources{"cpu": pick("0", "90m", "1", "7", "x", ""), "memory": pick("0", "1Gi", "900M", "1e10", "-1", "9E"), "ephemeral-storage": pick("1Gi", "60Gi", "")}
	}
	nc.Spec.Flex = &v1alpha1.Flex{}
	perhaps(func() { nc.Spec.Flex.OCPUs = &v1alpha1.OCPURange{Min: number(20)} })
	perhaps(func() { nc.Spec.Flex.OCPUs = &v1alpha1.OCPURange{Min: number(20), Max: number(100)} })
	perhaps(func() { nc.Spec.Flex.MemoryPerOCPU = &v1alpha1.MemoryRange{Min: amount(), Max: amount()} })
	perhaps(func() {
		nc.Spec.Flex.Baselines = []v1alpha1.Baseline{v1alpha1.Baseline(pick("BASELINE_1_1", "BASELINE_1_2", "BASELINE_1_8", "?")), v1alpha1.BaselineEighth}
	})
	perhaps(func() {
		nc.Spec.Kubelet = &v1alpha1.KubeletConfiguration{
			MaxPods: lo.ToPtr(r.Int32N(300)), PodsPerCore: lo.ToPtr(r.Int32N(20)), KubeReserved: reserved(), SystemReserved: reserved(),
			EvictionHard: v1alpha1.EvictionThresholds{"memory.available": pick("5%", "100%", "1Gi", "NaN%", "%"), "nodefs.available": pick("10%", "0", "100Gi")},
		}
	})
	perhaps(func() {
		nc.Spec.PlatformConfig = &v1alpha1.PlatformConfig{IsSymmetricMultiThreadingEnabled: lo.ToPtr(r.IntN(4) == 0), IsSecureBootEnabled: lo.ToPtr(r.IntN(2) == 0)}
	})
	perhaps(func() {
		nc.Spec.Placement = &v1alpha1.Placement{FaultDomains: []string{"FAULT-DOMAIN-2", pick("FAULT-DOMAIN-1", "FAULT-DOMAIN-2")}}
		nc.Status.ComputeClusters = []v1alpha1.ZonalResource{{AvailabilityDomain: pick("Uocm:PHX-AD-1", "elsewhere", ":")}}
	})
	perhaps(func() {
		nc.Spec.BlockDevices = []v1alpha1.BlockDevice{{SizeInGBs: r.Int64N(40000), VpusPerGB: number(130)}}
		nc.Spec.MetaData = v1alpha1.Metadata{"oke-max-pods": pick("", "31", "-4", "many"), "oke-native-pod-networking": pick("true", "false", "?")}
		nc.Spec.PodNetworking = &v1alpha1.PodNetworking{IPCount: lo.ToPtr(int32(1) << r.IntN(9))}
	})
	return nc
}

func TestWhateverTheNodeClassSaysTypesAreSound(t *testing.T) {
	e := newEnv(t, native)
	r := rand.New(rand.NewPCG(3, 14)) // the same classes in every run
	listed := 0
	for i := range 100 {
		nc := randomClass(r)
		says := func() string { return fmt.Sprintf("class %d: %+v", i, nc.Spec) }
		types := e.list(t, nc, nodePool())
		listed += len(types)
		require.LessOrEqual(t, len(types), 300, says())
		require.Len(t, lo.Uniq(names(types)), len(types), says())
		for _, it := range types {
			size, ok := e.provider.Size(it.Name)
			require.True(t, ok, it.Name)
			s, _ := e.shapes.snapshot.Shape(size.ShapeName)
			require.True(t, s.Offers(size.OCPUs, size.MemoryGB), it.Name)
			require.Contains(t, []int64{int64(s.VCPUs(size.OCPUs)), int64(s.VCPUs(size.OCPUs)) / 2}, it.Capacity.Cpu().Value(), it.Name)
			for name, q := range it.Allocatable() {
				require.GreaterOrEqual(t, q.Sign(), 0, "%s of %s; %s", name, it.Name, says())
			}
			allocatable := it.Allocatable()
			require.Positive(t, allocatable.Cpu().MilliValue(), it.Name)
			require.GreaterOrEqual(t, allocatable.Memory().Value(), 512*mib, it.Name)
			require.Len(t, it.Offerings, len(zones)*it.Requirements.Get(karpv1.CapacityTypeLabelKey).Len(), it.Name)
			for _, o := range it.Offerings {
				require.Positive(t, o.Price, it.Name)
				require.False(t, size.Baseline != "" && o.CapacityType() == karpv1.CapacityTypeSpot, it.Name)
			}
		}
	}
	require.Greater(t, listed, 5_000, "most classes leave something")
}
