package instancetype_test

import (
	"testing"

	"github.com/samber/lo"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/karpenter/pkg/cloudprovider"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/instancetype"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/learned"
)

// learning is a provider with a store of what was learned.
func learning(tb testing.TB) (*env, *learned.Store) {
	tb.Helper()
	e := newEnv(tb)
	store := learned.NewStore(e.clock, learned.DefaultTTL)
	e.provider = instancetype.NewProvider(instancetype.Dependencies{
		Shapes: e.shapes, Prices: e.prices, Unavailable: e.unavailable, InUse: e.inUse, Learned: store,
	}, instancetype.Settings{Region: "phx"})
	return e, store
}

// lacks is a node of E4 with the amd64 image of nodeClass.
func lacks(ocpus, memoryGB float64, lacking learned.Shortfall) learned.Observation {
	return learned.Observation{Class: "default", Image: "ocid1.image.oc1..amd64", Shortfall: lacking,
		Size: learned.Size{Shape: "VM.Standard.E4.Flex", OCPUs: ocpus, MemoryGB: memoryGB}}
}

func allocatable(it *cloudprovider.InstanceType, name corev1.ResourceName) int64 {
	q := it.Allocatable()[name]
	return q.MilliValue() / 1000
}

func TestWhatNodesLackIsTakenFromTypesAndPredictionsAlike(t *testing.T) {
	e, store := learning(t)
	before := find(t, e.list(t, nodeClass(), nodePool()), "VM.Standard.E4.Flex.4o.32g")
	lacking := learned.Shortfall{Memory: 60 * mib, Rest: learned.Amounts{Memory: 10 * mib, CPUMillis: 1000, Disk: 5 * mib, Pods: 7}}
	store.Observe(lacks(4, 32, lacking))
	after := find(t, e.list(t, nodeClass(), nodePool()), before.Name)

	require.Equal(t, before.Capacity.Memory().Value()-60*mib, after.Capacity.Memory().Value())
	require.Equal(t, allocatable(before, corev1.ResourceMemory)-70*mib, allocatable(after, corev1.ResourceMemory))
	require.Equal(t, allocatable(before, corev1.ResourceCPU)-1, allocatable(after, corev1.ResourceCPU))
	require.Equal(t, allocatable(before, corev1.ResourceEphemeralStorage)-5*mib, allocatable(after, corev1.ResourceEphemeralStorage))
	require.Equal(t, allocatable(before, corev1.ResourcePods)-7, allocatable(after, corev1.ResourcePods))

	predicted, err := e.provider.Resources(instancetype.Size{ShapeName: "VM.Standard.E4.Flex", OCPUs: 4, MemoryGB: 32}, nodeClass())
	require.NoError(t, err)
	require.Equal(t, after.Allocatable(), predicted.Allocatable())
	model, err := e.provider.Model(instancetype.Size{ShapeName: "VM.Standard.E4.Flex", OCPUs: 4, MemoryGB: 32}, nodeClass())
	require.NoError(t, err)
	require.Equal(t, before.Allocatable(), model.Allocatable(), "nodes are compared with the model, not with what was learned")
	require.Equal(t, lacking, instancetype.Lacking(model, after.Capacity, after.Allocatable()), "there and back")
}

func TestOnlyTypesThatLackSomethingElseAreBuiltAgain(t *testing.T) {
	e, store := learning(t)
	before := e.list(t, nodeClass(), nodePool())
	ofShape := lo.CountBy(before, func(it *cloudprovider.InstanceType) bool {
		return it.Requirements.Get(v1alpha1.LabelInstanceShapeName).Has("VM.Standard.E4.Flex")
	})
	store.Observe(lacks(4, 32, learned.Shortfall{Memory: 60 * mib}))
	first := e.list(t, nodeClass(), nodePool())
	require.Equal(t, len(before)-ofShape, shared(before, first))
	require.Equal(t, names(before), names(first))

	store.Observe(lacks(4, 32, learned.Shortfall{Memory: 60 * mib}))
	require.Equal(t, len(first), shared(first, e.list(t, nodeClass(), nodePool())), "nothing new")
	store.Observe(lacks(2, 16, learned.Shortfall{Memory: 60 * mib}))
	changed := len(first) - shared(first, e.list(t, nodeClass(), nodePool()))
	require.Positive(t, changed)
	require.Less(t, changed, ofShape, "sizes below are as they were")
	store.Observe(learned.Observation{Class: "default", Image: "of another class", Size: learned.Size{Shape: "VM.Standard.E4.Flex", OCPUs: 2, MemoryGB: 16},
		Shortfall: learned.Shortfall{Memory: 90 * mib}})
	second := e.list(t, nodeClass(), nodePool())
	require.Equal(t, len(second), shared(second, e.list(t, nodeClass(), nodePool())))
}

func TestFiguresOfOneClassDoNotReachAnother(t *testing.T) {
	e, store := learning(t)
	other := nodeClass(func(nc *v1alpha1.OciNodeClass) { nc.Name = "other" })
	before := find(t, e.list(t, other, nodePool()), "VM.Standard.E4.Flex.4o.32g")
	store.Observe(lacks(4, 32, learned.Shortfall{Memory: 60 * mib, Rest: learned.Amounts{Memory: 100 * mib}}))
	mine := find(t, e.list(t, nodeClass(), nodePool()), before.Name)
	theirs := find(t, e.list(t, other, nodePool()), before.Name)
	require.Equal(t, allocatable(before, corev1.ResourceMemory)-160*mib, allocatable(mine, corev1.ResourceMemory))
	require.Equal(t, allocatable(before, corev1.ResourceMemory)-60*mib, allocatable(theirs, corev1.ResourceMemory))
}

func TestAListIsLargeAgainWhenFiguresExpire(t *testing.T) {
	e, store := learning(t)
	before := find(t, e.list(t, nodeClass(), nodePool()), "VM.Standard.E4.Flex.4o.32g")
	store.Observe(lacks(4, 32, learned.Shortfall{Memory: 60 * mib}))
	require.NotEqual(t, before.Allocatable(), find(t, e.list(t, nodeClass(), nodePool()), before.Name).Allocatable())
	e.clock.SetTime(e.clock.Now().Add(learned.DefaultTTL))
	require.Equal(t, before.Allocatable(), find(t, e.list(t, nodeClass(), nodePool()), before.Name).Allocatable())
}

func TestWhatANodeDoesNotSayIsNotLacking(t *testing.T) {
	e, _ := learning(t)
	model, err := e.provider.Model(instancetype.Size{ShapeName: "VM.Standard.E4.Flex", OCPUs: 4, MemoryGB: 32}, nodeClass())
	require.NoError(t, err)
	require.True(t, instancetype.Lacking(model, nil, nil).Zero())
	require.True(t, instancetype.Lacking(model, corev1.ResourceList{corev1.ResourceMemory: {}}, corev1.ResourceList{corev1.ResourcePods: {}}).Zero())
}

// BenchmarkListWarmLearned is the warm call when figures of 200 sizes hold. Goal: that of the warm call.
func BenchmarkListWarmLearned(b *testing.B) {
	e, store := learning(b)
	for i := range 200 {
		store.Observe(lacks(float64(i%16+1), float64(i+8), learned.Shortfall{Memory: 60 * mib, Rest: learned.Amounts{CPUMillis: 5}}))
	}
	nc, np := nodeClass(), nodePool()
	e.list(b, nc, np)
	b.ReportAllocs()
	for b.Loop() {
		e.list(b, nc, np)
	}
}

// BenchmarkRebuildAfterOneLearnedFigure is what a node that is smaller than was known costs.
func BenchmarkRebuildAfterOneLearnedFigure(b *testing.B) {
	e, store := learning(b)
	nc, np := nodeClass(), nodePool()
	store.Observe(lacks(4, 32, learned.Shortfall{Memory: mib}))
	e.list(b, nc, np)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		store.Observe(lacks(4, 32, learned.Shortfall{Memory: int64(i+2) * mib}))
		e.list(b, nc, np)
	}
}
