package instancetype_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/samber/lo"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/cloudprovider"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/instancetype"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/learned"
)

// The slack that designs/0004-instance-types.md promises, said again so that a change of it is noticed.
const slackPods = 2

func slackMemory(requested int64) int64 { return max(128*mib, requested*3/100) }

func slackCPUMillis(requested int64) int64 { return max(50, requested*3/100) }

// claimFor is a claim as core makes it: requests of pods and daemons, and a list of types that would do.
func claimFor(requests corev1.ResourceList, requirements ...karpv1.NodeSelectorRequirementWithMinValues) *karpv1.NodeClaim {
	nodeClaim := &karpv1.NodeClaim{}
	nodeClaim.Spec.Resources.Requests = requests
	nodeClaim.Spec.Requirements = append([]karpv1.NodeSelectorRequirementWithMinValues{require1(corev1.LabelInstanceTypeStable, corev1.NodeSelectorOpIn, "VM.Standard.E5.Flex.8o.64g", "VM.Standard.E4.Flex.8o.64g")}, requirements...)
	return nodeClaim
}

func requests(cpu, memory string, pods int64) corev1.ResourceList {
	return corev1.ResourceList{
		corev1.ResourceCPU: resource.MustParse(cpu), corev1.ResourceMemory: resource.MustParse(memory), corev1.ResourcePods: *resource.NewQuantity(pods, resource.DecimalSI),
	}
}

// e5 is the cell of most tests.
const e5 = "VM.Standard.E5.Flex.8o.64g"

func flex(change func(*v1alpha1.Flex)) func(*v1alpha1.OciNodeClass) {
	return func(nc *v1alpha1.OciNodeClass) {
		nc.Spec.Flex = &v1alpha1.Flex{}
		change(nc.Spec.Flex)
	}
}

func TestALaunchIsFittedWithinItsInstanceType(t *testing.T) {
	// 3 CPUs need 4 vCPUs; 10 GiB and 128 MiB need 14 GB, of which firmware, kernel and reservations take 3 GiB.
	medium := requests("3", "10Gi", 10)
	for _, tc := range []struct {
		says          string
		typeName      string
		claim         *karpv1.NodeClaim
		class         func(*v1alpha1.OciNodeClass)
		pool          *karpv1.NodePool
		ocpus, memory float64
		outcome       instancetype.FitOutcome
	}{
		{says: "to its requests", claim: claimFor(medium), ocpus: 2, memory: 14, outcome: instancetype.Fitted},
		{says: "to whole OCPUs: the slack of 50 m does not fit beside 3.8 CPUs", claim: claimFor(requests("3.8", "10Gi", 10)), ocpus: 3, memory: 14, outcome: instancetype.Fitted},
		{says: "never below what a node's own pods need", claim: claimFor(requests("10m", "1Mi", 1)), ocpus: 1, memory: 3, outcome: instancetype.Fitted},
		{says: "not at all where nothing smaller would do", claim: claimFor(requests("14.5", "56Gi", 10)), ocpus: 8, memory: 64, outcome: instancetype.FitFull},
		{says: "in one dimension where the other is full", claim: claimFor(requests("14.5", "10Gi", 10)), ocpus: 8, memory: 14, outcome: instancetype.Fitted},
		{says: "to VNICs for its pods: 61 and 2 spare ones need 3 pod VNICs of 31", claim: claimFor(requests("1", "1Gi", 61)), ocpus: 4, memory: 4, outcome: instancetype.Fitted},
		{says: "to VNICs for its pods: 29 and 2 spare ones need one", claim: claimFor(requests("1", "1Gi", 29)), ocpus: 1, memory: 3, outcome: instancetype.Fitted},
		{says: "without the slack where the whole type lacks it", claim: claimFor(requests("1", "1Gi", 110)), ocpus: 5, memory: 5, outcome: instancetype.Fitted},
		{
			says: "to the memory for each OCPU that the class wants, at least", claim: claimFor(medium),
			class: flex(func(f *v1alpha1.Flex) {
				f.MemoryPerOCPU = &v1alpha1.MemoryRange{Min: lo.ToPtr(resource.MustParse("8Gi"))}
			}), ocpus: 2, memory: 16, outcome: instancetype.Fitted,
		},
		{
			says: "to the memory for each OCPU that the class wants, at most", claim: claimFor(requests("1", "30Gi", 10)),
			class: flex(func(f *v1alpha1.Flex) {
				f.MemoryPerOCPU = &v1alpha1.MemoryRange{Max: lo.ToPtr(resource.MustParse("8Gi"))}
			}), ocpus: 5, memory: 37, outcome: instancetype.Fitted,
		},
		{
			says: "to the OCPUs that the class wants", claim: claimFor(medium),
			class: flex(func(f *v1alpha1.Flex) { f.OCPUs = &v1alpha1.OCPURange{Min: lo.ToPtr(int64(6))} }), ocpus: 6, memory: 14, outcome: instancetype.Fitted,
		},
		{
			says: "with its baseline", typeName: e5 + ".b8", claim: claimFor(medium),
			class: flex(func(f *v1alpha1.Flex) { f.Baselines = []v1alpha1.Baseline{v1alpha1.BaselineEighth} }), ocpus: 2, memory: 14, outcome: instancetype.Fitted,
		},
		{
			says: "to whole cores without multithreading", claim: claimFor(medium),
			class: func(nc *v1alpha1.OciNodeClass) {
				nc.Spec.PlatformConfig = &v1alpha1.PlatformConfig{IsSymmetricMultiThreadingEnabled: lo.ToPtr(false)}
			}, ocpus: 4, memory: 14, outcome: instancetype.Fitted,
		},
		{
			says: "above what the class's kubelet reserves", claim: claimFor(medium),
			class: func(nc *v1alpha1.OciNodeClass) {
				nc.Spec.Kubelet = &v1alpha1.KubeletConfiguration{SystemReserved: v1alpha1.ReservedResources{"cpu": "2", "memory": "4Gi"}}
			}, ocpus: 3, memory: 19, outcome: instancetype.Fitted,
		},
		{
			says: "never when the class says Grid", claim: claimFor(medium), class: flex(func(f *v1alpha1.Flex) { f.Sizing = v1alpha1.FlexSizingGrid }),
			ocpus: 8, memory: 64, outcome: instancetype.FitOff,
		},
		{says: "never for a static NodePool, whose claims request nothing", claim: claimFor(nil), ocpus: 8, memory: 64, outcome: instancetype.FitStatic},
		{
			says: "never where one type name is left", claim: func() *karpv1.NodeClaim {
				c := claimFor(medium)
				c.Spec.Requirements = []karpv1.NodeSelectorRequirementWithMinValues{require1(corev1.LabelInstanceTypeStable, corev1.NodeSelectorOpIn, e5)}
				return c
			}(), ocpus: 8, memory: 64, outcome: instancetype.FitNamed,
		},
		{
			says: "never where the NodePool names types", claim: claimFor(medium),
			pool: nodePool(require1(corev1.LabelInstanceTypeStable, corev1.NodeSelectorOpIn, e5, "VM.Standard.E4.Flex.8o.64g")), ocpus: 8, memory: 64, outcome: instancetype.FitNamed,
		},
		{
			says: "also where the NodePool excludes a type", claim: claimFor(medium),
			pool: nodePool(require1(corev1.LabelInstanceTypeStable, corev1.NodeSelectorOpNotIn, "VM.Standard.E4.Flex.8o.64g")), ocpus: 2, memory: 14, outcome: instancetype.Fitted,
		},
		{says: "in memory only with a requirement on vCPUs", claim: claimFor(medium, require1(v1alpha1.LabelInstanceCPU, corev1.NodeSelectorOpGt, "7")), ocpus: 8, memory: 14, outcome: instancetype.Fitted},
		{says: "in memory only with a requirement on OCPUs", claim: claimFor(medium, require1(v1alpha1.LabelInstanceOCPU, corev1.NodeSelectorOpExists)), ocpus: 8, memory: 14, outcome: instancetype.Fitted},
		{says: "in memory only with a requirement on bandwidth", claim: claimFor(medium, require1(v1alpha1.LabelInstanceNetworkBandwidth, corev1.NodeSelectorOpGt, "4096")), ocpus: 8, memory: 14, outcome: instancetype.Fitted},
		{says: "in memory only with a requirement on VNICs", claim: claimFor(medium, require1(v1alpha1.LabelInstanceMaxVNICs, corev1.NodeSelectorOpGt, "5")), ocpus: 8, memory: 14, outcome: instancetype.Fitted},
		{says: "in OCPUs only with a requirement on memory", claim: claimFor(medium, require1(v1alpha1.LabelInstanceMemory, corev1.NodeSelectorOpGt, "50000")), ocpus: 2, memory: 64, outcome: instancetype.Fitted},
		{
			says: "not with requirements on both", ocpus: 8, memory: 64, outcome: instancetype.FitBound,
			claim: claimFor(medium, require1(v1alpha1.LabelInstanceMemory, corev1.NodeSelectorOpGt, "50000"), require1(v1alpha1.LabelInstanceCPU, corev1.NodeSelectorOpGt, "7")),
		},
		{says: "never for a fixed shape", typeName: "VM.Standard2.8", claim: claimFor(medium), ocpus: 8, memory: 120, outcome: instancetype.FitFixed},
		{says: "never for a shape with documented sizes", typeName: "VM.DenseIO.E4.Flex.8o.128g", claim: claimFor(medium), ocpus: 8, memory: 128, outcome: instancetype.FitFixed},
		{says: "whatever else is requested that the type itself lacks", claim: claimFor(corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("1"), "example.com/device": resource.MustParse("1")}), ocpus: 1, memory: 3, outcome: instancetype.Fitted},
	} {
		t.Run(tc.says, func(t *testing.T) {
			e := newEnv(t, native)
			nc := nodeClass()
			if tc.class != nil {
				tc.class(nc)
			}
			fit, ok := e.provider.Fitter(tc.claim, nc, tc.pool).Fit(lo.CoalesceOrEmpty(tc.typeName, e5))
			require.True(t, ok)
			require.Equal(t, []float64{tc.ocpus, tc.memory}, []float64{fit.Size.OCPUs, fit.Size.MemoryGB})
			require.Equal(t, tc.outcome, fit.Outcome)
			predicted, err := e.provider.Resources(fit.Size, nc)
			require.NoError(t, err)
			require.Equal(t, predicted, fit.Resources)
			require.Equal(t, fit.Outcome == instancetype.Fitted, fit.Size != fit.Cell)
		})
	}
}

func TestAFitCountsWhatNodesWereSeenToLack(t *testing.T) {
	e := newEnv(t)
	store := learned.NewStore(e.clock, time.Hour)
	provider := instancetype.NewProvider(instancetype.Dependencies{Shapes: e.shapes, Prices: e.prices, Unavailable: e.unavailable, Learned: store}, instancetype.Settings{Region: "phx"})
	fit := func() []float64 {
		f, ok := provider.Fitter(claimFor(requests("3", "10Gi", 10)), nodeClass(), nil).Fit(e5)
		require.True(t, ok)
		return []float64{f.Size.OCPUs, f.Size.MemoryGB}
	}
	require.Equal(t, []float64{2, 14}, fit())
	require.True(t, store.Observe(learned.Observation{
		Class: "default", Image: "ocid1.image.oc1..amd64", Size: learned.Size{Shape: "VM.Standard.E5.Flex", OCPUs: 2, MemoryGB: 14},
		Shortfall: learned.Shortfall{Memory: 900 * mib, Rest: learned.Amounts{CPUMillis: 800}},
	}))
	require.Equal(t, []float64{3, 15}, fit(), "a second node for the same pods is larger than the first, on which they did not fit")
}

// BenchmarkFit is what one launch adds for each type that it looks at; most look at one.
func BenchmarkFit(b *testing.B) {
	e := newEnv(b)
	claim, nc := claimFor(requests("3", "10Gi", 10)), nodeClass()
	b.ReportAllocs()
	for b.Loop() {
		e.provider.Fitter(claim, nc, nil).Fit(e5)
	}
}

func TestAnUnknownTypeHasNoFit(t *testing.T) {
	e := newEnv(t)
	_, ok := e.provider.Fitter(claimFor(requests("1", "1Gi", 1)), nodeClass(), nil).Fit("VM.Standard.E99.Flex.1o.8g")
	require.False(t, ok)
}

// Random claims of random NodePools and node classes: what is fitted holds the requests with the slack, is no larger than its type, can be
// launched, keeps what the claim requires, and is the same whenever it is asked for.
func TestWhateverIsAskedAFittedSizeIsSound(t *testing.T) {
	e := newEnv(t, native)
	r := rand.New(rand.NewPCG(27, 18)) // the same claims in every run
	counts := map[instancetype.FitOutcome]int{}
	for i := range 60 {
		nc := randomClass(r)
		if nc.Spec.Flex.Sizing = ""; i%10 == 0 {
			nc.Spec.Flex.Sizing = v1alpha1.FlexSizingGrid
		}
		types := e.list(t, nc, nodePool(randomRequirements(r)...))
		for range 5 {
			if len(types) == 0 {
				continue
			}
			// Requests that the type holds, up to all of it.
			it := types[r.IntN(len(types))]
			claim := claimFor(randomRequests(r, it.Allocatable()), randomRequirements(r)...)
			says := fmt.Sprintf("class %d %+v, type %s, requests %v, requirements %v", i, nc.Spec.Flex, it.Name, claim.Spec.Resources.Requests, claim.Spec.Requirements)
			fit, ok := e.provider.Fitter(claim, nc, nil).Fit(it.Name)
			require.True(t, ok, says)
			counts[fit.Outcome]++
			again, _ := e.provider.Fitter(claim.DeepCopy(), nc.DeepCopy(), nil).Fit(it.Name)
			require.Equal(t, fit, again, says)
			requireSound(t, e, nc, claim, it, fit, says)
		}
	}
	for _, outcome := range []instancetype.FitOutcome{instancetype.Fitted, instancetype.FitFull, instancetype.FitFixed, instancetype.FitOff, instancetype.FitBound} {
		require.Greater(t, counts[outcome], 3, "%s: %v", outcome, counts)
	}
	require.Greater(t, counts[instancetype.Fitted], 100, counts)
}

func requireSound(t *testing.T, e *env, nc *v1alpha1.OciNodeClass, claim *karpv1.NodeClaim, it *cloudprovider.InstanceType, fit *instancetype.Fit, says string) {
	t.Helper()
	cell, _ := e.provider.Size(it.Name)
	require.Equal(t, cell, fit.Cell, says)
	if fit.Outcome != instancetype.Fitted {
		require.Equal(t, cell, fit.Size, says)
		require.Equal(t, it.Allocatable(), fit.Resources.Allocatable(), says)
		return
	}
	size := fit.Size
	require.True(t, size.OCPUs <= cell.OCPUs && size.MemoryGB <= cell.MemoryGB && size != cell, says)
	require.Equal(t, cell.Baseline, size.Baseline, says)
	require.Equal(t, cell.ShapeName, size.ShapeName, says)
	s, _ := e.shapes.snapshot.Shape(size.ShapeName)
	require.True(t, s.Offers(size.OCPUs, size.MemoryGB), says)
	require.Equal(t, []float64{float64(int(size.OCPUs)), float64(int(size.MemoryGB))}, []float64{size.OCPUs, size.MemoryGB}, says)
	allocatable, ofType := fit.Resources.Allocatable(), it.Allocatable()
	for name, q := range claim.Spec.Resources.Requests {
		switch name {
		case corev1.ResourceCPU:
			q.Add(*resource.NewMilliQuantity(slackCPUMillis(q.MilliValue()), resource.DecimalSI))
		case corev1.ResourceMemory:
			q.Add(*resource.NewQuantity(slackMemory(q.Value()), resource.BinarySI))
		case corev1.ResourcePods:
			q.Add(*resource.NewQuantity(slackPods, resource.DecimalSI))
		}
		if limit := ofType[name]; q.Cmp(limit) > 0 {
			q = limit // the whole type has no more
		}
		have := allocatable[name]
		require.GreaterOrEqual(t, have.Cmp(q), 0, "%s: wants %s of %s, has %s", says, q.String(), name, have.String())
	}
	if f := nc.Spec.Flex; f.OCPUs != nil {
		require.GreaterOrEqual(t, size.OCPUs, float64(lo.FromPtr(f.OCPUs.Min)), says)
	}
	if f := nc.Spec.Flex; f.MemoryPerOCPU != nil {
		perOCPU := size.MemoryGB / size.OCPUs * float64(1024*mib)
		require.GreaterOrEqual(t, perOCPU, f.MemoryPerOCPU.Min.AsApproximateFloat64(), says)
		require.LessOrEqual(t, perOCPU, f.MemoryPerOCPU.Max.AsApproximateFloat64(), says)
	}
	for _, r := range claim.Spec.Requirements {
		switch r.Key {
		case v1alpha1.LabelInstanceCPU, v1alpha1.LabelInstanceOCPU, v1alpha1.LabelInstanceNetworkBandwidth, v1alpha1.LabelInstanceMaxVNICs:
			require.Equal(t, cell.OCPUs, size.OCPUs, says)
		case v1alpha1.LabelInstanceMemory:
			require.Equal(t, cell.MemoryGB, size.MemoryGB, says)
		}
	}
	for _, o := range it.Offerings {
		require.Less(t, fit.Price(o), o.Price, says)
		require.Positive(t, fit.Price(o), says)
	}
}

// randomRequirements are requirements that a NodePool or pod may have, few of them about sizes.
func randomRequirements(r *rand.Rand) (out []karpv1.NodeSelectorRequirementWithMinValues) {
	for _, possible := range []karpv1.NodeSelectorRequirementWithMinValues{
		require1(corev1.LabelArchStable, corev1.NodeSelectorOpIn, "amd64"),
		require1(v1alpha1.LabelIsFlexible, corev1.NodeSelectorOpIn, "true"),
		require1(v1alpha1.LabelInstanceCPU, corev1.NodeSelectorOpGt, "3"),
		require1(v1alpha1.LabelInstanceMemory, corev1.NodeSelectorOpLt, "200000"),
		require1(v1alpha1.LabelInstanceMaxVNICs, corev1.NodeSelectorOpGt, "1"),
		require1(v1alpha1.LabelInstanceNetworkBandwidth, corev1.NodeSelectorOpGt, "1000"),
	} {
		if r.IntN(8) == 0 {
			out = append(out, possible)
		}
	}
	return out
}

// randomRequests are a part of what there is, in each resource another.
func randomRequests(r *rand.Rand, have corev1.ResourceList) corev1.ResourceList {
	part := func() float64 { return min(r.Float64()*1.1, 1) }
	return corev1.ResourceList{
		corev1.ResourceCPU:    *resource.NewMilliQuantity(int64(part()*float64(have.Cpu().MilliValue())), resource.DecimalSI),
		corev1.ResourceMemory: *resource.NewQuantity(int64(part()*float64(have.Memory().Value())), resource.BinarySI),
		corev1.ResourcePods:   *resource.NewQuantity(int64(part()*float64(have.Pods().Value())), resource.DecimalSI),
	}
}
