package instancetype_test

import (
	"strconv"
	"testing"

	"github.com/samber/lo"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/cloudprovider"
	provisioning "sigs.k8s.io/karpenter/pkg/controllers/provisioning/scheduling"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/shape"
)

// labelPrefix begins our labels, whose names stand here as users write them in NodePools.
const labelPrefix = "karpenter.k8s.oracle/"

// numeric are our labels whose values are whole numbers.
var numeric = []string{
	"instance-cpu", "instance-ocpu", "instance-memory", "instance-gpu", "instance-gpu-memory", "instance-network-bandwidth", "instance-max-vnics", "instance-local-nvme", "baseline-ocpu-utilization",
}

// textual are our other labels.
var textual = []string{
	"instance-shape-name", "instance-gpu-description", "is-flexible", "instance-family", "instance-generation", "instance-category", "instance-cpu-manufacturer",
	"instance-gpu-name", "instance-gpu-manufacturer", "instance-hypervisor", "instance-rdma", "instance-extended-memory", "fault-domain", "capacity-reservation-id", "capacity-reservation-slot",
}

// burstableToo is a node class that asks for every kind of size.
func burstableToo() *v1alpha1.OciNodeClass {
	return nodeClass(withFlex(v1alpha1.Flex{
		Baselines: []v1alpha1.Baseline{v1alpha1.BaselineWhole, v1alpha1.BaselineHalf, v1alpha1.BaselineEighth}, ExtendedMemory: lo.ToPtr(true),
	}))
}

func TestEveryDocumentedLabelIsDefinedOnEveryTypeOrDoesNotExist(t *testing.T) {
	e := newEnv(t)
	own := lo.Filter(karpv1.WellKnownLabels.UnsortedList(), func(key string, _ int) bool {
		return len(key) > len(labelPrefix) && key[:len(labelPrefix)] == labelPrefix
	})
	all := append(append([]string{}, numeric...), textual...)
	require.ElementsMatch(t, lo.Map(all, func(name string, _ int) string { return labelPrefix + name }), own, "every label is tested here")

	seen := map[string]bool{}
	for _, np := range []*karpv1.NodePool{
		nodePool(), nodePool(require1(v1alpha1.LabelIsFlexible, corev1.NodeSelectorOpIn, "false")), nodePool(require1(v1alpha1.LabelInstanceGPU, corev1.NodeSelectorOpExists)),
		family("VM.Standard.E4"),
	} {
		for _, it := range e.list(t, burstableToo(), np) {
			for _, name := range all {
				key := labelPrefix + name
				require.True(t, it.Requirements.Has(key), "%s does not define %s", it.Name, key)
				r := it.Requirements.Get(key)
				require.Contains(t, []corev1.NodeSelectorOperator{corev1.NodeSelectorOpIn, corev1.NodeSelectorOpDoesNotExist}, r.Operator(), "%s %s", it.Name, key)
				for _, value := range r.Values() {
					require.NotEmpty(t, value, "%s %s", it.Name, key)
					seen[name] = true
				}
			}
			for _, name := range numeric {
				for _, value := range it.Requirements.Get(labelPrefix + name).Values() {
					n, err := strconv.Atoi(value)
					require.NoError(t, err, "%s %s", it.Name, name)
					require.Positive(t, n, "%s %s: what is not there or not known does not exist", it.Name, name)
				}
			}
		}
	}
	delete(seen, "capacity-reservation-id")
	delete(seen, "capacity-reservation-slot")
	require.Len(t, seen, len(all)-2, "all labels but the reservation's have values somewhere")
}

func TestNodePoolsMayCompareEveryNumericLabel(t *testing.T) {
	e := newEnv(t)
	for _, tc := range []struct {
		label    string
		operator corev1.NodeSelectorOperator
		value    string
		holds    func(n, bound int) bool
	}{
		{"instance-cpu", corev1.NodeSelectorOpGt, "7", func(n, bound int) bool { return n > bound }},
		{"instance-cpu", corev1.NodeSelectorOpLt, "9", func(n, bound int) bool { return n < bound }},
		{"instance-cpu", karpv1.NodeSelectorOpGte, "64", func(n, bound int) bool { return n >= bound }},
		{"instance-ocpu", karpv1.NodeSelectorOpLte, "4", func(n, bound int) bool { return n <= bound }},
		{"instance-ocpu", corev1.NodeSelectorOpGt, "100", func(n, bound int) bool { return n > bound }},
		{"instance-memory", corev1.NodeSelectorOpGt, "262144", func(n, bound int) bool { return n > bound }},
		{"instance-memory", corev1.NodeSelectorOpLt, "16385", func(n, bound int) bool { return n < bound }},
		{"instance-gpu", corev1.NodeSelectorOpGt, "1", func(n, bound int) bool { return n > bound }},
		{"instance-gpu", corev1.NodeSelectorOpLt, "8", func(n, bound int) bool { return n < bound }},
		{"instance-network-bandwidth", corev1.NodeSelectorOpGt, "40000", func(n, bound int) bool { return n > bound }},
		{"instance-network-bandwidth", corev1.NodeSelectorOpLt, "2000", func(n, bound int) bool { return n < bound }},
		{"instance-max-vnics", corev1.NodeSelectorOpGt, "23", func(n, bound int) bool { return n > bound }},
		{"instance-local-nvme", corev1.NodeSelectorOpGt, "6799", func(n, bound int) bool { return n > bound }},
		{"instance-local-nvme", corev1.NodeSelectorOpLt, "6801", func(n, bound int) bool { return n < bound }},
		{"baseline-ocpu-utilization", corev1.NodeSelectorOpLt, "50", func(n, bound int) bool { return n < bound }},
		{"baseline-ocpu-utilization", karpv1.NodeSelectorOpGte, "50", func(n, bound int) bool { return n >= bound }},
	} {
		key := labelPrefix + tc.label
		np := forNodeClass(nodePool(require1(key, tc.operator, tc.value)))
		require.NoError(t, np.RuntimeValidate(t.Context()), "core accepts %s %s", key, tc.operator)
		bound, err := strconv.Atoi(tc.value)
		require.NoError(t, err)
		types := e.list(t, burstableToo(), np)
		require.NotEmpty(t, types, "%s %s %s", key, tc.operator, tc.value)
		wanted := provisioning.NewNodeClaimTemplate(np).Requirements
		for _, it := range types {
			values := it.Requirements.Get(key).Values()
			require.Len(t, values, 1, "%s: a label that does not exist meets no comparison", it.Name)
			n, err := strconv.Atoi(values[0])
			require.NoError(t, err)
			require.True(t, tc.holds(n, bound), "%s: %s=%d is not %s %d", it.Name, key, n, tc.operator, bound)
			require.NoError(t, it.Requirements.Intersects(wanted), "core agrees on %s", it.Name)
		}
	}
}

func TestABandwidthThatIsNotKnownIsNotThere(t *testing.T) {
	e := newEnv(t)
	types := e.list(t, nodeClass(), nodePool(require1(v1alpha1.LabelInstanceShapeName, corev1.NodeSelectorOpIn, "VM.Standard.E6.Ax.Flex")))
	require.NotEmpty(t, types)
	for _, it := range types {
		require.Equal(t, corev1.NodeSelectorOpDoesNotExist, it.Requirements.Get(v1alpha1.LabelInstanceNetworkBandwidth).Operator(), it.Name)
	}
}

func TestOfPreemptibleCapacityCoreTakesOnlyWhatIsSoldSo(t *testing.T) {
	e := newEnv(t)
	np := forNodeClass(nodePool(
		require1(karpv1.CapacityTypeLabelKey, corev1.NodeSelectorOpIn, "preemptible"),
		require1(v1alpha1.LabelInstanceFamily, corev1.NodeSelectorOpIn, "VM.Standard.A2", "VM.Standard.A1", "BM.Standard.E4"),
	))
	wanted := provisioning.NewNodeClaimTemplate(np).Requirements
	possible := lo.Filter(e.list(t, nodeClass(), np), func(it *cloudprovider.InstanceType, _ int) bool {
		return it.Requirements.Intersects(wanted) == nil && it.Offerings.Available().HasCompatible(wanted)
	})
	require.NotEmpty(t, possible)
	for _, it := range possible {
		require.True(t, it.Requirements.Get(v1alpha1.LabelInstanceFamily).Has("VM.Standard.A1"), "%s is not sold as preemptible capacity", it.Name)
	}
}

func TestOfferingsAreCompleteWhateverIsUnavailable(t *testing.T) {
	e := newEnv(t)
	only := func(zone string) func(*shape.Shape) *shape.Shape {
		return func(s *shape.Shape) *shape.Shape {
			s.Zones = []string{zone}
			return s
		}
	}
	e.shapes.snapshot = snapshot(t, 2, only(zones[1]))
	for _, it := range e.list(t, burstableToo(), nodePool()) {
		capacityTypes := it.Requirements.Get(karpv1.CapacityTypeLabelKey).Values()
		require.Len(t, it.Offerings, len(zones)*len(capacityTypes), it.Name)
		pairs := lo.Uniq(lo.Map(it.Offerings, func(o *cloudprovider.Offering, _ int) string { return o.Zone() + "/" + o.CapacityType() }))
		require.Len(t, pairs, len(it.Offerings), it.Name)
		for _, o := range it.Offerings {
			require.Equal(t, o.Zone() == zones[1], o.Available, it.Name)
			require.Positive(t, o.Price, "%s: core prices nodes that exist by offerings that can not be had", it.Name)
		}
	}
}
