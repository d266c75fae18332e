package instancetype_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/samber/lo"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/validation"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/cloudprovider"
	"sigs.k8s.io/karpenter/pkg/scheduling"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/instancetype"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/shape"
	"github.com/karpenter-oke/karpenter-oke/test/cluster/kubelets/kubelet"
)

func TestWithoutShapesThereIsATypedError(t *testing.T) {
	e := newEnv(t)
	e.shapes.snapshot = nil
	_, err := e.provider.List(t.Context(), nodeClass(), nodePool())
	require.ErrorIs(t, err, instancetype.ErrNotLoaded)
	_, err = e.provider.Resources(instancetype.Size{ShapeName: "VM.Standard2.1"}, nodeClass())
	require.ErrorIs(t, err, instancetype.ErrNotLoaded)
	_, ok := e.provider.Size("VM.Standard2.1")
	require.False(t, ok)
	_, err = newEnv(t).provider.List(t.Context(), nil, nodePool())
	require.Error(t, err)
}

func TestEveryTypeDefinesEveryWellKnownLabel(t *testing.T) {
	e := newEnv(t)
	for _, it := range e.list(t, nodeClass(), nodePool()) {
		for key := range karpv1.WellKnownLabels {
			if key == karpv1.NodePoolLabelKey {
				continue // core's own, per NodePool
			}
			require.True(t, it.Requirements.Has(key), "%s does not define %s", it.Name, key)
			for _, value := range it.Requirements.Get(key).Values() {
				require.Empty(t, validation.IsValidLabelValue(value), "%s: %s=%s", it.Name, key, value)
			}
		}
		require.Empty(t, validation.IsValidLabelValue(it.Name))
	}
}

func TestLabelsOfATypeSayWhatANodeOfItWillCarry(t *testing.T) {
	e := newEnv(t)
	types := e.list(t, nodeClass(), nodePool(require1(v1alpha1.LabelInstanceShapeName, corev1.NodeSelectorOpIn, "VM.Standard.E5.Flex", "VM.GPU.A10.2", "VM.DenseIO.E4.Flex", "BM.Optimized3.36")))
	for _, tc := range []struct {
		name   string
		labels map[string]string // an empty value: the label does not exist
	}{
		{"VM.Standard.E5.Flex.2o.16g", map[string]string{
			corev1.LabelArchStable: "amd64", corev1.LabelOSStable: "linux", corev1.LabelInstanceTypeStable: "VM.Standard.E5.Flex.2o.16g",
			corev1.LabelTopologyRegion: "phx", v1alpha1.LabelInstanceShapeName: "VM.Standard.E5.Flex", v1alpha1.LabelInstanceCPU: "4",
			v1alpha1.LabelInstanceOCPU: "2", v1alpha1.LabelInstanceMemory: "16384", v1alpha1.LabelInstanceMaxVNICs: "2",
			v1alpha1.LabelInstanceNetworkBandwidth: "2048", v1alpha1.LabelIsFlexible: "true", v1alpha1.LabelInstanceFamily: "VM.Standard.E5",
			v1alpha1.LabelInstanceGeneration: "E5", v1alpha1.LabelInstanceCategory: "standard", v1alpha1.LabelInstanceCPUManufacturer: "amd",
			v1alpha1.LabelInstanceHypervisor: "vm", v1alpha1.LabelInstanceRDMA: "false", v1alpha1.LabelInstanceGPU: "",
			v1alpha1.LabelInstanceGPUManufacturer: "", v1alpha1.LabelInstanceLocalNVMe: "", v1alpha1.LabelBaselineOCPUUtilization: "",
			v1alpha1.LabelCapacityReservationID: "",
		}},
		{"VM.GPU.A10.2", map[string]string{
			v1alpha1.LabelInstanceGPU: "2", v1alpha1.LabelInstanceGPUName: "a10", v1alpha1.LabelInstanceGPUManufacturer: "nvidia",
			v1alpha1.LabelInstanceGPUDescription: "NVIDIA-A10", v1alpha1.LabelIsFlexible: "false", v1alpha1.LabelInstanceCategory: "gpu",
		}},
		{"VM.DenseIO.E4.Flex.16o.256g", map[string]string{v1alpha1.LabelInstanceLocalNVMe: "13600", v1alpha1.LabelInstanceCategory: "denseio"}},
		{"BM.Optimized3.36", map[string]string{v1alpha1.LabelInstanceHypervisor: "bm", v1alpha1.LabelInstanceRDMA: "true"}},
	} {
		it := find(t, types, tc.name)
		for key, want := range tc.labels {
			r := it.Requirements.Get(key)
			if want == "" {
				require.Equal(t, corev1.NodeSelectorOpDoesNotExist, r.Operator(), "%s %s", tc.name, key)
				continue
			}
			require.Equal(t, []string{want}, r.Values(), "%s %s", tc.name, key)
		}
	}
}

func TestOfferingsAreCompleteAndSomeUnavailable(t *testing.T) {
	e := newEnv(t)
	e.shapes.snapshot = snapshot(t, 2, func(s *shape.Shape) *shape.Shape {
		if s.Name == "VM.Standard.E4.Flex" {
			s.Zones = zones[:1]
		}
		return s
	})
	np := nodePool(require1(v1alpha1.LabelInstanceFamily, corev1.NodeSelectorOpIn, "VM.Standard.E4", "VM.Standard.A2"))
	types := e.list(t, nodeClass(), np)
	e4, a2 := find(t, types, "VM.Standard.E4.Flex.2o.16g"), find(t, types, "VM.Standard.A2.Flex.2o.16g")
	require.Len(t, e4.Offerings, 6, "three zones, on-demand and spot")
	require.Len(t, a2.Offerings, 3, "A2 is not sold as preemptible capacity")
	require.Equal(t, []string{karpv1.CapacityTypeOnDemand}, a2.Requirements.Get(karpv1.CapacityTypeLabelKey).Values())
	for _, o := range e4.Offerings {
		require.Equal(t, o.Zone() == "PHX-AD-1", o.Available, "the shape is in the first zone only")
		require.Equal(t, corev1.NodeSelectorOpDoesNotExist, o.Requirements.Get(cloudprovider.ReservationIDLabel).Operator())
		want := 2*0.025 + 16*0.0015
		if o.CapacityType() == karpv1.CapacityTypeSpot {
			want /= 2
		}
		require.InDelta(t, want+2.125/744, o.Price, 1e-9, "the boot volume costs the same on spot")
	}
}

func TestZonesOfTheSubnetsBoundTheOfferings(t *testing.T) {
	e := newEnv(t)
	nc := nodeClass(func(nc *v1alpha1.OciNodeClass) {
		nc.Status.Subnets = []v1alpha1.Subnet{{ID: "a", AvailabilityDomain: "Uocm:PHX-AD-2"}}
	})
	for _, it := range e.list(t, nc, nodePool()) {
		for _, o := range it.Offerings {
			require.Equal(t, o.Zone() == "PHX-AD-2", o.Available)
		}
	}
}

func TestTypesWithoutAnImageAreLeftOut(t *testing.T) {
	e := newEnv(t)
	onlyARM := nodeClass(func(nc *v1alpha1.OciNodeClass) { nc.Status.Images = nc.Status.Images[1:2] })
	types := e.list(t, onlyARM, nodePool())
	require.NotEmpty(t, types)
	for _, it := range types {
		require.Equal(t, []string{"arm64"}, it.Requirements.Get(corev1.LabelArchStable).Values(), it.Name)
		require.False(t, strings.Contains(it.Name, "GPU"), it.Name)
	}
	gpus := nodePool(require1(v1alpha1.LabelInstanceGPU, corev1.NodeSelectorOpExists))
	require.NotContains(t, names(e.list(t, nodeClass(), gpus)), "BM.GPU.MI300X.8", "there is no image with AMD's GPU driver")
	unresolved := nodeClass(func(nc *v1alpha1.OciNodeClass) { nc.Status.Images = nil })
	require.Contains(t, names(e.list(t, unresolved, gpus)), "BM.GPU.MI300X.8", "images that are not resolved yet hide nothing")
}

func TestANodePoolHasAtMostThreeHundredTypesWhateverTheCatalogue(t *testing.T) {
	e := newEnv(t)
	for says, np := range map[string]*karpv1.NodePool{
		"no requirements":   nodePool(),
		"one architecture":  nodePool(require1(corev1.LabelArchStable, corev1.NodeSelectorOpIn, "amd64")),
		"flexible shapes":   nodePool(require1(v1alpha1.LabelIsFlexible, corev1.NodeSelectorOpIn, "true")),
		"one family":        nodePool(require1(v1alpha1.LabelInstanceFamily, corev1.NodeSelectorOpIn, "VM.Standard.E5")),
		"small sizes":       nodePool(require1(v1alpha1.LabelInstanceCPU, corev1.NodeSelectorOpLt, "17")),
		"two of a category": nodePool(require1(v1alpha1.LabelInstanceGeneration, corev1.NodeSelectorOpIn, "E4", "E5")),
	} {
		types := e.list(t, nodeClass(), np)
		t.Logf("%-18s %d types", says, len(types))
		require.LessOrEqual(t, len(types), 300, says)
		require.GreaterOrEqual(t, len(types), 60, says)
		require.Len(t, lo.Uniq(names(types)), len(types), "names are unique")
	}
}

func TestDearPreviousGenerationsMakeRoomUnlessAskedFor(t *testing.T) {
	e := newEnv(t)
	const dear = "VM.Standard1.4" // 0.2552 $/h for what E4 sells at 0.142
	require.NotContains(t, names(e.list(t, nodeClass(), nodePool())), dear)
	for says, np := range map[string]*karpv1.NodePool{
		"by generation":              nodePool(require1(v1alpha1.LabelInstanceGeneration, corev1.NodeSelectorOpIn, "1", "E3", "E4", "E5", "E6")),
		"by shape":                   nodePool(require1(v1alpha1.LabelInstanceShapeName, corev1.NodeSelectorOpIn, dear, "VM.Standard.E4.Flex")),
		"as one of the fixed shapes": nodePool(require1(v1alpha1.LabelIsFlexible, corev1.NodeSelectorOpIn, "false")),
		"when all fits":              nodePool(require1(v1alpha1.LabelInstanceCPU, corev1.NodeSelectorOpIn, "8"), require1(corev1.LabelArchStable, corev1.NodeSelectorOpIn, "amd64")),
	} {
		types := e.list(t, nodeClass(), np)
		require.Contains(t, names(types), dear, says)
		require.LessOrEqual(t, len(types), 300, says)
	}
}

func TestShapesOfOnePriceTakeTurnsAndEachStillHasTheCoarsePoints(t *testing.T) {
	e := newEnv(t)
	types := e.list(t, nodeClass(), nodePool(require1(corev1.LabelArchStable, corev1.NodeSelectorOpIn, "amd64")))
	sizes := func(shapeName string) (out []string) {
		for _, name := range names(types) {
			if size, ok := strings.CutPrefix(name, shapeName+"."); ok {
				out = append(out, size)
			}
		}
		return out
	}
	e3, e4 := sizes("VM.Standard.E3.Flex"), sizes("VM.Standard.E4.Flex")
	both := lo.Intersect(e3, e4)
	require.Subset(t, both, []string{"2o.16g", "4o.32g", "14o.112g"})
	require.LessOrEqual(t, len(both), 8, "6 coarse points, and the 2 largest sizes")
	require.Greater(t, len(lo.Union(e3, e4)), 60)
}

func TestMoreShapesMakeTheGridCoarserAndNotLonger(t *testing.T) {
	e := newEnv(t)
	e.shapes.snapshot = snapshot(t, 2, nil)
	var more []*shape.Shape
	for _, s := range e.shapes.snapshot.Shapes() {
		for _, suffix := range []string{"", "x"} {
			if suffix != "" && !s.Flexible {
				continue
			}
			twin := *s
			twin.Name += suffix
			more = append(more, &twin)
		}
	}
	e.shapes.snapshot = shape.NewSnapshot(3, e.shapes.snapshot.AvailabilityDomains(), more)
	require.LessOrEqual(t, len(e.list(t, nodeClass(), nodePool())), 300)
}

func TestTypesMeetTheNodePoolsRequirements(t *testing.T) {
	e := newEnv(t)
	for _, rs := range [][]karpv1.NodeSelectorRequirementWithMinValues{
		{require1(v1alpha1.LabelInstanceCPU, corev1.NodeSelectorOpGt, "3"), require1(v1alpha1.LabelInstanceCPU, corev1.NodeSelectorOpLt, "9")},
		{require1(v1alpha1.LabelInstanceGPU, corev1.NodeSelectorOpExists)},
		{require1(v1alpha1.LabelInstanceGPU, corev1.NodeSelectorOpDoesNotExist), require1(corev1.LabelArchStable, corev1.NodeSelectorOpNotIn, "arm64")},
		{require1(v1alpha1.LabelInstanceLocalNVMe, karpv1.NodeSelectorOpGte, "6000")},
		{require1(v1alpha1.LabelInstanceHypervisor, corev1.NodeSelectorOpIn, "vm"), require1("example.com/team", corev1.NodeSelectorOpIn, "a")},
		{require1(corev1.LabelTopologyZone, corev1.NodeSelectorOpIn, "PHX-AD-1"), require1(v1alpha1.LabelIsFlexible, corev1.NodeSelectorOpIn, "true")},
	} {
		np := nodePool(rs...)
		types := e.list(t, nodeClass(), np)
		require.NotEmpty(t, types, "%v", rs)
		wanted := scheduling.NewNodeSelectorRequirementsWithMinValues(rs...)
		for _, it := range types {
			require.NoError(t, it.Requirements.Intersects(wanted), it.Name)
		}
	}
	require.Empty(t, e.list(t, nodeClass(), nodePool(require1(v1alpha1.LabelInstanceCPU, corev1.NodeSelectorOpGt))), "a comparison with nothing is met by nothing, and does no harm")
	labelled := nodePool()
	labelled.Spec.Template.Labels = map[string]string{v1alpha1.LabelInstanceShapeName: "VM.Standard2.4"}
	require.Equal(t, []string{"VM.Standard2.4"}, names(e.list(t, nodeClass(), labelled)), "labels of the template are requirements")
}

func TestALimitedNodePoolIsNotOfferedGiants(t *testing.T) {
	e := newEnv(t)
	limited := nodePool()
	limited.Spec.Limits = karpv1.Limits{corev1.ResourceCPU: resource.MustParse("400"), corev1.ResourceMemory: resource.MustParse("4Ti")}
	for _, it := range e.list(t, nodeClass(), limited) {
		require.LessOrEqual(t, it.Capacity.Cpu().Value(), int64(50), it.Name)
		require.LessOrEqual(t, it.Capacity.Memory().Value(), int64(512)<<30, it.Name)
	}
	small := nodePool()
	small.Spec.Limits = karpv1.Limits{corev1.ResourceCPU: resource.MustParse("10")}
	require.True(t, slices.ContainsFunc(e.list(t, nodeClass(), small), func(it *cloudprovider.InstanceType) bool {
		return it.Capacity.Cpu().Value() == 32
	}), "32 vCPUs are offered whatever the limit")
	asking := nodePool(require1(v1alpha1.LabelInstanceCPU, corev1.NodeSelectorOpGt, "100"))
	asking.Spec.Limits = limited.Spec.Limits
	require.NotEmpty(t, e.list(t, nodeClass(), asking), "who asks for a size gets it")
	require.True(t, slices.ContainsFunc(e.list(t, nodeClass(), nodePool()), func(it *cloudprovider.InstanceType) bool {
		return it.Capacity.Cpu().Value() > 50
	}), "no limits, all sizes")
}

func TestTypesAskedForByNameAndTypesInUseAreListedOffTheGrid(t *testing.T) {
	e := newEnv(t)
	const odd = "VM.Standard.E5.Flex.7o.93g"
	require.NotContains(t, names(e.list(t, nodeClass(), nodePool())), odd)
	asked := nodePool(require1(corev1.LabelInstanceTypeStable, corev1.NodeSelectorOpIn, odd, "VM.Standard2.4", "VM.Standard.E5.Flex.1o.900g", "nonsense"))
	require.ElementsMatch(t, []string{odd, "VM.Standard2.4"}, names(e.list(t, nodeClass(), asked)))

	e.inUse.names, e.inUse.generation = []string{odd, "VM.Gone.Flex.1o.8g"}, 1
	onlyARM := nodeClass(func(nc *v1alpha1.OciNodeClass) { nc.Status.Images = nc.Status.Images[1:2] })
	require.Contains(t, names(e.list(t, onlyARM, nodePool())), odd, "a node's type stays known whatever happens to images and grid")
	e.inUse.names, e.inUse.generation = nil, 2
	require.NotContains(t, names(e.list(t, onlyARM, nodePool())), odd)
}

func TestEveryTypesNameTellsItsSize(t *testing.T) {
	e := newEnv(t)
	for _, it := range e.list(t, nodeClass(), nodePool()) {
		size, ok := e.provider.Size(it.Name)
		require.True(t, ok, it.Name)
		require.Equal(t, []string{size.ShapeName}, it.Requirements.Get(v1alpha1.LabelInstanceShapeName).Values())
		require.Equal(t, []string{strconv.Itoa(int(size.OCPUs))}, it.Requirements.Get(v1alpha1.LabelInstanceOCPU).Values())
		require.Equal(t, []string{strconv.Itoa(int(size.MemoryGB * 1024))}, it.Requirements.Get(v1alpha1.LabelInstanceMemory).Values())
		got, err := e.provider.Resources(size, nodeClass())
		require.NoError(t, err)
		require.Equal(t, it.Capacity, got.Capacity)
		require.Equal(t, it.Allocatable(), got.Allocatable())
	}
}

func TestNamesThatAreNoTypesAreRefused(t *testing.T) {
	e := newEnv(t)
	for _, name := range []string{
		"", ".", "g", "o.g", "VM.Standard.E5.Flex", "VM.Standard.E5.Flex.2o", "VM.Standard.E5.Flex.2o.g", "VM.Standard.E5.Flex.o.16g", "VM.Standard.E5.Flex.2o.16",
		"VM.Standard.E5.Flex.0o.16g", "VM.Standard.E5.Flex.-2o.16g", "VM.Standard.E5.Flex.NaNo.16g", "VM.Standard.E5.Flex.02o.16g", "VM.Standard.E5.Flex.1e1o.16g",
		"VM.Standard.E5.Flex.2o.9999g", "VM.Standard2.4.2o.16g", "VM.Unknown.Flex.2o.16g", ".2o.16g",
	} {
		_, ok := e.provider.Size(name)
		require.False(t, ok, name)
	}
	size, ok := e.provider.Size("VM.Standard.E4.Flex.2o.16g.b8")
	require.True(t, ok)
	require.Equal(t, instancetype.Size{ShapeName: "VM.Standard.E4.Flex", OCPUs: 2, MemoryGB: 16, Baseline: "BASELINE_1_8"}, size)
	size, ok = e.provider.Size("VM.Standard.E4.Flex.1.5o.7.5g")
	require.True(t, ok)
	require.Equal(t, instancetype.Size{ShapeName: "VM.Standard.E4.Flex", OCPUs: 1.5, MemoryGB: 7.5}, size)
}

func TestPodsFollowTheVNICsOfTheSizeWithNativeNetworking(t *testing.T) {
	e := newEnv(t, native)
	types := e.list(t, nodeClass(), nodePool(require1(v1alpha1.LabelInstanceFamily, corev1.NodeSelectorOpIn, "VM.Standard.E5")))
	for _, tc := range []struct {
		ocpus, memoryGB int
		pods            int64
	}{{1, 8, 31}, {2, 16, 31}, {4, 32, 93}, {8, 64, 110}} {
		it := find(t, types, fmt.Sprintf("VM.Standard.E5.Flex.%do.%dg", tc.ocpus, tc.memoryGB))
		require.Equal(t, tc.pods, it.Capacity.Pods().Value(), it.Name)
	}
}

// The judge: a node loses 570 MiB + 18 MiB a GB to hypervisor and kernel and reserves by a step function on whole GiB.
func TestAllocatableOfEveryTypeIsAtMostWhatANodeWillHave(t *testing.T) {
	e := newEnv(t)
	for _, arch := range []string{"amd64", "arm64"} {
		for _, it := range e.list(t, nodeClass(), nodePool(require1(corev1.LabelArchStable, corev1.NodeSelectorOpIn, arch))) {
			size, _ := e.provider.Size(it.Name)
			gb := int64(size.MemoryGB)
			capacity := gb<<30 - (570+18*gb)<<20
			reservedGiB := stepGiB(gb)
			require.LessOrEqual(t, it.Capacity.Memory().Value(), capacity, it.Name)
			allocatable := it.Allocatable()
			require.LessOrEqual(t, allocatable.Memory().Value(), capacity-reservedGiB<<30-200<<20, it.Name)
			require.GreaterOrEqual(t, allocatable.Memory().Value(), int64(512)<<20, it.Name)
			require.Positive(t, allocatable.Cpu().MilliValue(), it.Name)
			require.Equal(t, 32, it.VolumeAttachmentLimits["blockvolume.csi.oraclecloud.com"])
		}
	}
}

// The same against the simulated kubelet's own model, which shares no code with ours, resource by resource.
func TestNoResourceOfAnyTypeIsAboveWhatTheSimulatedKubeletReports(t *testing.T) {
	e := newEnv(t)
	for _, bootVolumeGB := range []int64{50, 200} {
		nc := nodeClass(func(nc *v1alpha1.OciNodeClass) {
			nc.Spec.BootConfig = &v1alpha1.BootConfig{BootVolumeSizeInGBs: &bootVolumeGB}
		})
		for _, it := range e.list(t, nc, nodePool()) {
			size, _ := e.provider.Size(it.Name)
			_, node, err := kubelet.Resources(kubelet.Hardware{
				VCPUs: int(it.Capacity.Cpu().Value()), MemoryGB: size.MemoryGB, BootVolumeSizeGB: bootVolumeGB, RootGrown: true,
				BareMetal: strings.HasPrefix(it.Name, "BM."),
			}, kubelet.Config{}, 110)
			require.NoError(t, err, it.Name)
			for name, predicted := range it.Allocatable() {
				if real, ok := node[name]; ok {
					require.LessOrEqual(t, predicted.Cmp(real), 0, "%s: %s predicted %s, is %s", it.Name, name, predicted.String(), real.String())
				}
			}
		}
	}
}

// stepGiB is the whole GiB that live nodes were seen to reserve: the documented line cut to an integer, at least 1.
func stepGiB(gb int64) int64 {
	g := float64(gb)
	line := 0.25 * min(g, 4)
	for _, s := range [][3]float64{{4, 8, 0.2}, {8, 16, 0.1}, {16, 128, 0.06}, {128, 1 << 20, 0.02}} {
		if g > s[0] {
			line += (min(g, s[1]) - s[0]) * s[2]
		}
	}
	return max(1, int64(line))
}
