package instancetype_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/samber/lo"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/instancetype"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/instancetype/resources"
)

const mib = int64(1) << 20

func withKubelet(k v1alpha1.KubeletConfiguration) func(*v1alpha1.OciNodeClass) {
	return func(nc *v1alpha1.OciNodeClass) { nc.Spec.Kubelet = &k }
}

func withFlex(f v1alpha1.Flex) func(*v1alpha1.OciNodeClass) {
	return func(nc *v1alpha1.OciNodeClass) { nc.Spec.Flex = &f }
}

func withPlatform(p v1alpha1.PlatformConfig) func(*v1alpha1.OciNodeClass) {
	return func(nc *v1alpha1.OciNodeClass) { nc.Spec.PlatformConfig = &p }
}

func withPlacement(p v1alpha1.Placement) func(*v1alpha1.OciNodeClass) {
	return func(nc *v1alpha1.OciNodeClass) { nc.Spec.Placement = &p }
}

func family(values ...string) *karpv1.NodePool {
	return nodePool(require1(v1alpha1.LabelInstanceFamily, corev1.NodeSelectorOpIn, values...))
}

func gi(amount string) *resource.Quantity { return lo.ToPtr(resource.MustParse(amount)) }

func TestTheKubeletBlockDecidesWhatATypeGives(t *testing.T) {
	e := newEnv(t)
	const name = "VM.Standard.E5.Flex.2o.16g"
	byDefault := find(t, e.list(t, nodeClass(), family("VM.Standard.E5")), name).Allocatable()
	nc := nodeClass(withKubelet(v1alpha1.KubeletConfiguration{
		MaxPods: lo.ToPtr[int32](50), PodsPerCore: lo.ToPtr[int32](8),
		KubeReserved:   v1alpha1.ReservedResources{"memory": "512Mi", "ephemeral-storage": "1Gi"},
		SystemReserved: v1alpha1.ReservedResources{"cpu": "200m"},
		EvictionHard:   v1alpha1.EvictionThresholds{"memory.available": "5%"},
	}))
	it := find(t, e.list(t, nc, family("VM.Standard.E5")), name)
	allocatable := it.Allocatable()
	// 16384 - 600 - 16 x 19 = 15480 MiB; 512 for Kubernetes, 100 for the system, 5 % (774 MiB) for eviction.
	require.Equal(t, 15480*mib, it.Capacity.Memory().Value())
	require.Equal(t, (15480-512-100-774)*mib, allocatable.Memory().Value())
	// 4 vCPUs; 98 by OKE's table, which the block does not replace.
	require.EqualValues(t, 4000-98-200, allocatable.Cpu().MilliValue())
	require.EqualValues(t, 32, allocatable.Pods().Value(), "8 for each of 4 vCPUs are below 50")
	require.Equal(t, byDefault.StorageEphemeral().Value()-(1<<30), allocatable.StorageEphemeral().Value())

	got, err := e.provider.Resources(instancetype.Size{ShapeName: "VM.Standard.E5.Flex", OCPUs: 2, MemoryGB: 16}, nc)
	require.NoError(t, err)
	require.Equal(t, allocatable, got.Allocatable(), "an instance that exists is described as its type")
}

func TestSizesThatTheReservationsWouldFillAreLeftOut(t *testing.T) {
	e := newEnv(t)
	nc := nodeClass(withKubelet(v1alpha1.KubeletConfiguration{SystemReserved: v1alpha1.ReservedResources{"cpu": "5", "memory": "20Gi"}}))
	types := e.list(t, nc, nodePool())
	require.NotEmpty(t, types)
	for _, it := range types {
		allocatable := it.Allocatable()
		require.Positive(t, allocatable.Cpu().MilliValue(), it.Name)
		require.GreaterOrEqual(t, allocatable.Memory().Value(), 512*mib, it.Name)
	}
	all := nodeClass(withKubelet(v1alpha1.KubeletConfiguration{SystemReserved: v1alpha1.ReservedResources{"memory": "100Ti"}}))
	require.Empty(t, e.list(t, all, nodePool()))
}

func TestTheClassSaysHowManyPodsFit(t *testing.T) {
	for _, tc := range []struct {
		says    string
		cluster func(*instancetype.Settings)
		change  func(*v1alpha1.OciNodeClass)
		want    int64
	}{
		{"the cluster's flannel", func(*instancetype.Settings) {}, func(*v1alpha1.OciNodeClass) {}, 110},
		{"the cluster's native networking", native, func(*v1alpha1.OciNodeClass) {}, 31},
		{"what the class was resolved to", func(*instancetype.Settings) {}, func(nc *v1alpha1.OciNodeClass) {
			nc.Status.PodNetworking = v1alpha1.PodNetworkingVCNNative
		}, 31},
		{"metadata that switches native networking on", func(*instancetype.Settings) {}, func(nc *v1alpha1.OciNodeClass) {
			nc.Spec.MetaData = v1alpha1.Metadata{"oke-native-pod-networking": "true"}
		}, 31},
		{"metadata with a number of pods", func(*instancetype.Settings) {}, func(nc *v1alpha1.OciNodeClass) {
			nc.Spec.MetaData = v1alpha1.Metadata{"oke-max-pods": "20"}
		}, 20},
		{"fewer addresses for each VNIC", native, func(nc *v1alpha1.OciNodeClass) {
			nc.Spec.PodNetworking = &v1alpha1.PodNetworking{IPCount: lo.ToPtr[int32](8)}
		}, 7},
		{"maxPods below the addresses", native, withKubelet(v1alpha1.KubeletConfiguration{MaxPods: lo.ToPtr[int32](12)}), 12},
		{"maxPods above the addresses", native, withKubelet(v1alpha1.KubeletConfiguration{MaxPods: lo.ToPtr[int32](200)}), 31},
	} {
		t.Run(tc.says, func(t *testing.T) {
			types := newEnv(t, tc.cluster).list(t, nodeClass(tc.change), family("VM.Standard.E5"))
			require.Equal(t, tc.want, find(t, types, "VM.Standard.E5.Flex.2o.16g").Capacity.Pods().Value())
		})
	}
}

func TestFlexBoundsTheSizesOfFlexibleShapes(t *testing.T) {
	e := newEnv(t)
	onlyFixed := nodePool(require1(v1alpha1.LabelIsFlexible, corev1.NodeSelectorOpIn, "false"))
	unbound := names(e.list(t, nodeClass(), onlyFixed))
	for _, tc := range []struct {
		says             string
		flex             v1alpha1.Flex
		minOCPU, maxOCPU float64
		minGB, maxGB     float64 // an OCPU
	}{
		{"a range of OCPUs", v1alpha1.Flex{OCPUs: &v1alpha1.OCPURange{Min: lo.ToPtr[int64](3), Max: lo.ToPtr[int64](8)}}, 3, 8, 0, 64},
		{"at most so many OCPUs", v1alpha1.Flex{OCPUs: &v1alpha1.OCPURange{Max: lo.ToPtr[int64](2)}}, 1, 2, 0, 64},
		{"at least so much memory", v1alpha1.Flex{MemoryPerOCPU: &v1alpha1.MemoryRange{Min: gi("16Gi")}}, 1, 200, 16, 64},
		{"one ratio", v1alpha1.Flex{MemoryPerOCPU: &v1alpha1.MemoryRange{Min: gi("8Gi"), Max: gi("8Gi")}}, 1, 200, 8, 8},
		{"a number of OCPUs that is off the grid", v1alpha1.Flex{OCPUs: &v1alpha1.OCPURange{Min: lo.ToPtr[int64](17), Max: lo.ToPtr[int64](17)}}, 17, 17, 0, 64},
		{"a ratio that is off the grid", v1alpha1.Flex{
			OCPUs: &v1alpha1.OCPURange{Max: lo.ToPtr[int64](6)}, MemoryPerOCPU: &v1alpha1.MemoryRange{Min: gi("7680Mi"), Max: gi("7680Mi")},
		}, 1, 6, 7.5, 7.5},
	} {
		t.Run(tc.says, func(t *testing.T) {
			types := e.list(t, nodeClass(withFlex(tc.flex)), nodePool())
			require.LessOrEqual(t, len(types), 300)
			require.Equal(t, unbound, names(e.list(t, nodeClass(withFlex(tc.flex)), onlyFixed)), "fixed shapes are not bound")
			ofE5 := 0
			for _, name := range names(types) {
				size, ok := e.provider.Size(name)
				require.True(t, ok, name)
				if s, _ := e.shapes.snapshot.Shape(size.ShapeName); !s.Flexible {
					continue
				}
				require.GreaterOrEqual(t, size.OCPUs, tc.minOCPU, name)
				require.LessOrEqual(t, size.OCPUs, tc.maxOCPU, name)
				require.GreaterOrEqual(t, size.MemoryGB/size.OCPUs, tc.minGB, name)
				require.LessOrEqual(t, size.MemoryGB/size.OCPUs, tc.maxGB, name)
				if size.ShapeName == "VM.Standard.E5.Flex" {
					ofE5++
				}
			}
			require.Positive(t, ofE5)
		})
	}
	tooMany := nodeClass(withFlex(v1alpha1.Flex{OCPUs: &v1alpha1.OCPURange{Min: lo.ToPtr[int64](1000)}}))
	require.Empty(t, e.list(t, tooMany, nodePool(require1(v1alpha1.LabelIsFlexible, corev1.NodeSelectorOpIn, "true"))), "no flexible shape is that large")
}

func TestBurstableSizesAreOfferedOnlyWhenAskedFor(t *testing.T) {
	e := newEnv(t)
	np := family("VM.Standard.E4", "VM.Standard.A1", "VM.Standard2")
	for _, name := range names(e.list(t, nodeClass(), np)) {
		require.False(t, strings.HasSuffix(name, ".b2") || strings.HasSuffix(name, ".b8"), name)
	}

	types := e.list(t, nodeClass(withFlex(v1alpha1.Flex{Baselines: []v1alpha1.Baseline{v1alpha1.BaselineHalf, v1alpha1.BaselineEighth}})), np)
	require.LessOrEqual(t, len(types), 300)
	for _, name := range names(types) {
		require.False(t, strings.HasPrefix(name, "VM.Standard.A1"), "A1 is not sold as burstable, and whole OCPUs are not asked for")
		require.True(t, strings.HasPrefix(name, "VM.Standard2") || strings.HasSuffix(name, ".b2") || strings.HasSuffix(name, ".b8"), name)
	}
	require.Contains(t, names(types), "VM.Standard2.4", "fixed shapes are not bound")
	volume := 2.125 / 744
	for _, tc := range []struct {
		suffix, ociName, percent string
		price                    float64
	}{
		{"b2", "BASELINE_1_2", "50", 4*0.025/2 + 32*0.0015},
		{"b8", "BASELINE_1_8", "12", 4*0.025/8 + 32*0.0015},
	} {
		it := find(t, types, "VM.Standard.E4.Flex.4o.32g."+tc.suffix)
		require.EqualValues(t, 8, it.Capacity.Cpu().Value(), "the kubelet sees all vCPUs")
		require.Equal(t, []string{tc.percent}, it.Requirements.Get(v1alpha1.LabelBaselineOCPUUtilization).Values())
		require.Equal(t, []string{karpv1.CapacityTypeOnDemand}, it.Requirements.Get(karpv1.CapacityTypeLabelKey).Values())
		require.Len(t, it.Offerings, len(zones), "never preemptible")
		for _, o := range it.Offerings {
			require.Equal(t, karpv1.CapacityTypeOnDemand, o.CapacityType())
			require.InDelta(t, tc.price+volume, o.Price, 1e-9)
		}
		size, ok := e.provider.Size(it.Name)
		require.True(t, ok)
		require.Equal(t, instancetype.Size{ShapeName: "VM.Standard.E4.Flex", OCPUs: 4, MemoryGB: 32, Baseline: tc.ociName}, size)
	}
}

func TestWholeAndBurstableSizesShareTheBudget(t *testing.T) {
	e := newEnv(t)
	nc := nodeClass(withFlex(v1alpha1.Flex{Baselines: []v1alpha1.Baseline{v1alpha1.BaselineWhole, v1alpha1.BaselineEighth}}))
	types := e.list(t, nc, nodePool())
	require.LessOrEqual(t, len(types), 300)
	require.Len(t, lo.Uniq(names(types)), len(types))
	burstable := lo.CountBy(names(types), func(name string) bool { return strings.HasSuffix(name, ".b8") })
	require.Greater(t, burstable, 20)
	require.Greater(t, len(types)-burstable, 100, "cheap burstable sizes do not push the others out")
}

func TestABurstableTypeInUseStaysListed(t *testing.T) {
	e := newEnv(t)
	e.inUse.names, e.inUse.generation = []string{"VM.Standard.E4.Flex.3o.21g.b2"}, 1
	require.Contains(t, names(e.list(t, nodeClass(), nodePool())), "VM.Standard.E4.Flex.3o.21g.b2")
	asked := nodePool(require1(corev1.LabelInstanceTypeStable, corev1.NodeSelectorOpIn, "VM.Standard.E4.Flex.5o.21g.b2", "VM.Standard.A1.Flex.5o.21g.b2"))
	e.inUse.names, e.inUse.generation = nil, 2
	require.Empty(t, e.list(t, nodeClass(), asked), "the class does not ask for burstable instances")
	nc := nodeClass(withFlex(v1alpha1.Flex{Baselines: []v1alpha1.Baseline{v1alpha1.BaselineHalf}}))
	require.Equal(t, []string{"VM.Standard.E4.Flex.5o.21g.b2"}, names(e.list(t, nc, asked)))
}

func TestShapesThatCannotHaveThePlatformOptionsAreLeftOut(t *testing.T) {
	e := newEnv(t)
	on, off := lo.ToPtr(true), lo.ToPtr(false)
	for _, tc := range []struct {
		says     string
		platform v1alpha1.PlatformConfig
		in, out  []string // beginnings of type names
	}{
		{"nothing", v1alpha1.PlatformConfig{}, []string{"VM.Standard.E5.Flex", "VM.Standard.A1.Flex", "VM.Standard.E2.4"}, nil},
		{"secure boot", v1alpha1.PlatformConfig{IsSecureBootEnabled: on}, []string{"VM.Standard.E5.Flex", "BM.Standard.E5.192"}, []string{"VM.Standard.A1.Flex", "VM.Standard.E2.4", "VM.DenseIO.E4.Flex"}},
		{"measured boot", v1alpha1.PlatformConfig{IsMeasuredBootEnabled: on, IsTrustedPlatformModuleEnabled: on}, []string{"VM.Standard.E5.Flex", "VM.Standard2.4"}, []string{"BM.Standard.E5.192", "VM.Standard.A1.Flex"}},
		{"memory encryption", v1alpha1.PlatformConfig{IsMemoryEncryptionEnabled: on}, []string{"VM.Standard.E4.Flex", "BM.Standard.E5.192"}, []string{"VM.Standard.E5.Flex", "VM.Standard3.Flex"}},
		{"all of it off", v1alpha1.PlatformConfig{IsSecureBootEnabled: off, IsMemoryEncryptionEnabled: off}, []string{"VM.Standard.E5.Flex", "VM.Standard.A1.Flex", "VM.Standard.E2.4"}, nil},
		{"one thread a core", v1alpha1.PlatformConfig{IsSymmetricMultiThreadingEnabled: off}, []string{"VM.Standard.E5.Flex", "VM.Standard.A1.Flex", "VM.Standard.A2.Flex", "BM.Standard.E5.192"}, []string{"VM.Standard.E2.4", "VM.DenseIO.E5.Flex"}},
		{"two threads a core", v1alpha1.PlatformConfig{IsSymmetricMultiThreadingEnabled: on}, []string{"VM.Standard.E5.Flex", "VM.Standard.E2.4"}, []string{"VM.Standard.A1.Flex", "VM.Standard.A2.Flex"}},
	} {
		t.Run(tc.says, func(t *testing.T) {
			np := nodePool(require1(v1alpha1.LabelInstanceShapeName, corev1.NodeSelectorOpExists))
			listed := names(e.list(t, nodeClass(withPlatform(tc.platform)), np))
			if len(tc.in)+len(tc.out) > 0 {
				np = nodePool(require1(v1alpha1.LabelInstanceShapeName, corev1.NodeSelectorOpIn, append(tc.in, tc.out...)...))
				listed = names(e.list(t, nodeClass(withPlatform(tc.platform)), np))
			}
			has := func(shapeName string) bool {
				return lo.SomeBy(listed, func(name string) bool { return name == shapeName || strings.HasPrefix(name, shapeName+".") })
			}
			for _, shapeName := range tc.in {
				require.True(t, has(shapeName), "%s is missing", shapeName)
			}
			for _, shapeName := range tc.out {
				require.False(t, has(shapeName), "%s cannot be launched so", shapeName)
			}
		})
	}
}

func TestWithoutMultithreadingX86HasHalfTheVCPUs(t *testing.T) {
	e := newEnv(t)
	nc := nodeClass(withPlatform(v1alpha1.PlatformConfig{IsSymmetricMultiThreadingEnabled: lo.ToPtr(false)}))
	types := e.list(t, nc, family("VM.Standard.E5", "VM.Standard.A1", "VM.Standard.A2", "BM.Standard.E5", "VM.Standard2"))
	for _, tc := range []struct {
		name        string
		vcpus       int64
		allocatable int64 // millicores
	}{
		{"VM.Standard.E5.Flex.4o.16g", 4, 4000 - 98 - 100},
		{"VM.Standard.E5.Flex.2o.12g", 2, 2000 - 85 - 100},
		{"VM.Standard2.4", 4, 4000 - 98 - 100},
		{"BM.Standard.E5.192", 192, 192000 - 1038 - 100},
		{"VM.Standard.A1.Flex.4o.16g", 4, 4000 - 98 - 100},
		{"VM.Standard.A2.Flex.4o.32g", 8, 8000 - 118 - 100},
	} {
		it := find(t, types, tc.name)
		require.Equal(t, tc.vcpus, it.Capacity.Cpu().Value(), tc.name)
		allocatable := it.Allocatable()
		require.Equal(t, tc.allocatable, allocatable.Cpu().MilliValue(), tc.name)
		require.Equal(t, []string{fmt.Sprint(tc.vcpus)}, it.Requirements.Get(v1alpha1.LabelInstanceCPU).Values(), tc.name)
		size, _ := e.provider.Size(it.Name)
		require.Equal(t, []string{fmt.Sprint(size.OCPUs)}, it.Requirements.Get(v1alpha1.LabelInstanceOCPU).Values(), "OCPUs are billed as before")
		got, err := e.provider.Resources(size, nc)
		require.NoError(t, err)
		require.Equal(t, it.Capacity, got.Capacity, tc.name)
	}
	require.EqualValues(t, 8, find(t, e.list(t, nodeClass(), family("VM.Standard.E5")), "VM.Standard.E5.Flex.4o.16g").Capacity.Cpu().Value(), "other classes are not concerned")

	e.inUse.names, e.inUse.generation = []string{"VM.Standard.E5.Flex.7o.93g"}, 1
	require.EqualValues(t, 7, find(t, e.list(t, nc, nodePool()), "VM.Standard.E5.Flex.7o.93g").Capacity.Cpu().Value())
}

func TestWhatOCINeverSellsAsPreemptibleIsNotOfferedSo(t *testing.T) {
	e := newEnv(t)
	for says, change := range map[string]func(*v1alpha1.OciNodeClass){
		"confidential":      withPlatform(v1alpha1.PlatformConfig{IsMemoryEncryptionEnabled: lo.ToPtr(true)}),
		"on dedicated host": withPlacement(v1alpha1.Placement{DedicatedVMHostSelector: []v1alpha1.PlacementSelectorTerm{{Name: "host"}}}),
	} {
		types := e.list(t, nodeClass(change), nodePool())
		require.NotEmpty(t, types)
		for _, it := range types {
			require.Equal(t, []string{karpv1.CapacityTypeOnDemand}, it.Requirements.Get(karpv1.CapacityTypeLabelKey).Values(), "%s %s", says, it.Name)
			require.Len(t, it.Offerings, len(zones))
		}
	}
}

func TestPlacementBoundsZonesShapesAndFaultDomains(t *testing.T) {
	e := newEnv(t)
	zonal := func(zones ...string) []v1alpha1.ZonalResource {
		return lo.Map(zones, func(zone string, _ int) v1alpha1.ZonalResource {
			return v1alpha1.ZonalResource{ID: zone, AvailabilityDomain: "Uocm:" + zone}
		})
	}
	for _, tc := range []struct {
		says   string
		change func(*v1alpha1.OciNodeClass)
		want   []string
	}{
		{"nothing", func(*v1alpha1.OciNodeClass) {}, zones},
		{"compute clusters", func(nc *v1alpha1.OciNodeClass) { nc.Status.ComputeClusters = zonal("PHX-AD-2") }, zones[1:2]},
		{"cluster placement groups", func(nc *v1alpha1.OciNodeClass) { nc.Status.ClusterPlacementGroups = zonal("PHX-AD-3", "PHX-AD-1") }, []string{"PHX-AD-1", "PHX-AD-3"}},
		{"dedicated hosts, several in a zone", func(nc *v1alpha1.OciNodeClass) {
			for _, z := range zonal("PHX-AD-1", "PHX-AD-1") {
				nc.Status.DedicatedVMHosts = append(nc.Status.DedicatedVMHosts, v1alpha1.DedicatedVMHost{ZonalResource: z})
			}
		}, zones[:1]},
		{"two of them at once", func(nc *v1alpha1.OciNodeClass) {
			nc.Status.ClusterPlacementGroups, nc.Status.ComputeClusters = zonal("PHX-AD-1", "PHX-AD-2"), zonal("PHX-AD-2", "PHX-AD-3")
		}, zones[1:2]},
		{"subnets elsewhere", func(nc *v1alpha1.OciNodeClass) {
			nc.Status.Subnets[0].AvailabilityDomain, nc.Status.ComputeClusters = "Uocm:PHX-AD-1", zonal("PHX-AD-2")
		}, []string{}},
		{"a capacity reservation adds capacity and takes none away", func(nc *v1alpha1.OciNodeClass) {
			nc.Status.CapacityReservations = []v1alpha1.CapacityReservation{{ZonalResource: zonal("PHX-AD-2")[0]}}
		}, zones},
	} {
		t.Run(tc.says, func(t *testing.T) {
			it := find(t, e.list(t, nodeClass(tc.change), family("VM.Standard.E5")), "VM.Standard.E5.Flex.2o.16g")
			require.Len(t, it.Offerings, 2*len(zones), "offerings are complete")
			for _, o := range it.Offerings {
				require.Equal(t, lo.Contains(tc.want, o.Zone()), o.Available, o.Zone())
			}
		})
	}

	narrowed := nodeClass(withPlacement(v1alpha1.Placement{FaultDomains: []string{"FAULT-DOMAIN-3", "FAULT-DOMAIN-1"}}))
	for _, it := range e.list(t, narrowed, nodePool()) {
		require.ElementsMatch(t, []string{"FAULT-DOMAIN-1", "FAULT-DOMAIN-3"}, it.Requirements.Get(v1alpha1.LabelFaultDomain).Values())
	}
	require.Len(t, e.list(t, nodeClass(), nodePool())[0].Requirements.Get(v1alpha1.LabelFaultDomain).Values(), 3)

	term := []v1alpha1.PlacementSelectorTerm{{Name: "x"}}
	for _, name := range names(e.list(t, nodeClass(withPlacement(v1alpha1.Placement{DedicatedVMHostSelector: term})), nodePool())) {
		require.True(t, strings.HasPrefix(name, "VM."), "%s is not a virtual machine", name)
	}
	require.Contains(t, names(e.list(t, nodeClass(withPlacement(v1alpha1.Placement{ComputeClusterSelector: term})), nodePool())), "BM.Optimized3.36")
	for _, it := range e.list(t, nodeClass(withPlacement(v1alpha1.Placement{ComputeClusterSelector: term})), nodePool()) {
		require.True(t, it.Requirements.Get(v1alpha1.LabelInstanceRDMA).Has("true"), it.Name)
		require.True(t, strings.HasPrefix(it.Name, "BM."), it.Name)
	}
}

func TestVolumesAreInThePriceAndTakeAttachments(t *testing.T) {
	e := newEnv(t)
	for _, tc := range []struct {
		says   string
		change func(*v1alpha1.OciNodeClass)
		month  float64 // USD
		left   int
	}{
		{"the default boot volume", func(*v1alpha1.OciNodeClass) {}, 50 * (0.0255 + 10*0.0017), 32},
		{"a large, fast boot volume", func(nc *v1alpha1.OciNodeClass) {
			nc.Spec.BootConfig = &v1alpha1.BootConfig{BootVolumeSizeInGBs: lo.ToPtr[int64](200), BootVolumeVpusPerGB: lo.ToPtr[int64](120)}
		}, 200 * (0.0255 + 120*0.0017), 32},
		{"block volumes: lower cost, balanced and fast", func(nc *v1alpha1.OciNodeClass) {
			nc.Spec.BlockDevices = []v1alpha1.BlockDevice{{SizeInGBs: 1000, VpusPerGB: lo.ToPtr[int64](0)}, {SizeInGBs: 100}, {SizeInGBs: 60, VpusPerGB: lo.ToPtr[int64](30)}}
		}, 50*(0.0255+10*0.0017) + 1000*0.0255 + 100*(0.0255+10*0.0017) + 60*(0.0255+30*0.0017), 29},
	} {
		it := find(t, e.list(t, nodeClass(tc.change), family("VM.Standard.E4")), "VM.Standard.E4.Flex.2o.16g")
		for _, o := range it.Offerings {
			compute := 2*0.025 + 16*0.0015
			if o.CapacityType() == karpv1.CapacityTypeSpot {
				compute /= 2
			}
			require.InDelta(t, compute+tc.month/744, o.Price, 1e-9, tc.says)
		}
		require.Equal(t, tc.left, it.VolumeAttachmentLimits[resources.VolumeDriver], tc.says)
	}
}
