package instancetype_test

import (
	"strings"
	"testing"
	"time"

	"github.com/samber/lo"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clocktesting "k8s.io/utils/clock/testing"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/cloudprovider"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/capacity"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/instancetype"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/instancetype/resources"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/pricing"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/shape"
	"github.com/karpenter-oke/karpenter-oke/test/ocisim/data"
)

var zones = []string{"PHX-AD-1", "PHX-AD-2", "PHX-AD-3"}

// shapes is a shape.Provider whose snapshot a test sets.
type shapes struct{ snapshot *shape.Snapshot }

func (s *shapes) Snapshot() *shape.Snapshot { return s.snapshot }

// inUse is an instancetype.InUse that a test sets.
type inUse struct {
	names      []string
	generation uint64
}

func (u *inUse) TypeNames(string) []string { return u.names }
func (u *inUse) Generation() uint64        { return u.generation }

// env is a provider over the real catalogue in three zones.
type env struct {
	shapes      *shapes
	prices      *pricing.DefaultProvider
	unavailable *capacity.Unavailable
	clock       *clocktesting.FakePassiveClock
	inUse       *inUse
	provider    *instancetype.DefaultProvider
}

// snapshot is the real catalogue; change may alter or drop (nil) a shape.
func snapshot(tb testing.TB, generation uint64, change func(*shape.Shape) *shape.Shape) *shape.Snapshot {
	tb.Helper()
	records, err := data.Shapes()
	require.NoError(tb, err)
	var all []*shape.Shape
	for _, record := range records {
		s, ok := shape.FromRecord(record, nil)
		require.True(tb, ok)
		s.Zones = zones
		if change != nil {
			s = change(s)
		}
		if s != nil {
			all = append(all, s)
		}
	}
	return shape.NewSnapshot(generation, lo.Map(zones, func(z string, _ int) shape.AvailabilityDomain {
		return shape.AvailabilityDomain{Zone: z, Name: "Uocm:" + z}
	}), all)
}

func newEnv(tb testing.TB, settings ...func(*instancetype.Settings)) *env {
	tb.Helper()
	prices, err := pricing.NewProvider(pricing.Settings{})
	require.NoError(tb, err)
	clock := clocktesting.NewFakePassiveClock(time.Unix(1000, 0))
	e := &env{
		shapes: &shapes{snapshot(tb, 1, nil)}, prices: prices, clock: clock, unavailable: capacity.NewUnavailable(clock), inUse: &inUse{},
	}
	s := instancetype.Settings{Region: "phx"}
	for _, set := range settings {
		set(&s)
	}
	e.provider = instancetype.NewProvider(instancetype.Dependencies{Shapes: e.shapes, Prices: e.prices, Unavailable: e.unavailable, InUse: e.inUse}, s)
	return e
}

func native(s *instancetype.Settings) { s.Pods = resources.PodLimits{VCNNative: true} }

// nodeClass has images for both architectures and for NVIDIA GPUs, and a regional subnet.
func nodeClass(change ...func(*v1alpha1.OciNodeClass)) *v1alpha1.OciNodeClass {
	image := func(arch string, gpu corev1.NodeSelectorRequirement) v1alpha1.Image {
		return v1alpha1.Image{ID: "ocid1.image.oc1.." + arch, Requirements: []corev1.NodeSelectorRequirement{
			{Key: corev1.LabelArchStable, Operator: corev1.NodeSelectorOpIn, Values: []string{arch}}, gpu,
		}}
	}
	none := corev1.NodeSelectorRequirement{Key: v1alpha1.LabelInstanceGPUManufacturer, Operator: corev1.NodeSelectorOpDoesNotExist}
	nvidia := corev1.NodeSelectorRequirement{Key: v1alpha1.LabelInstanceGPUManufacturer, Operator: corev1.NodeSelectorOpIn, Values: []string{"nvidia"}}
	nc := &v1alpha1.OciNodeClass{ObjectMeta: metav1.ObjectMeta{Name: "default"}}
	nc.Status.Images = []v1alpha1.Image{image("amd64", none), image("arm64", none), image("amd64", nvidia)}
	nc.Status.Subnets = []v1alpha1.Subnet{{ID: "ocid1.subnet.oc1..a"}}
	for _, c := range change {
		c(nc)
	}
	return nc
}

// nodePool has the given requirements.
func nodePool(requirements ...karpv1.NodeSelectorRequirementWithMinValues) *karpv1.NodePool {
	np := &karpv1.NodePool{ObjectMeta: metav1.ObjectMeta{Name: "default"}}
	np.Spec.Template.Spec.Requirements = requirements
	return np
}

func require1(key string, operator corev1.NodeSelectorOperator, values ...string) karpv1.NodeSelectorRequirementWithMinValues {
	return karpv1.NodeSelectorRequirementWithMinValues{Key: key, Operator: operator, Values: values}
}

func (e *env) list(tb testing.TB, nc *v1alpha1.OciNodeClass, np *karpv1.NodePool) []*cloudprovider.InstanceType {
	tb.Helper()
	types, err := e.provider.List(tb.Context(), nc, np)
	require.NoError(tb, err)
	return types
}

func names(types []*cloudprovider.InstanceType) []string {
	return lo.Map(types, func(it *cloudprovider.InstanceType, _ int) string { return it.Name })
}

func find(tb testing.TB, types []*cloudprovider.InstanceType, name string) *cloudprovider.InstanceType {
	tb.Helper()
	it, ok := lo.Find(types, func(it *cloudprovider.InstanceType) bool { return it.Name == name })
	require.True(tb, ok, "no type %s", name)
	return it
}

// replacePrice changes a price within the price list's item that holds part.
func replacePrice(tb testing.TB, list, part, old, new string) string {
	tb.Helper()
	head, tail, ok := strings.Cut(list, part)
	require.True(tb, ok)
	before, after, ok := strings.Cut(tail, old)
	require.True(tb, ok)
	require.NotContains(tb, before, "partNumber", "the price belongs to another item")
	return head + part + before + new + after
}
