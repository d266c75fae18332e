package inspect

import (
	"testing"
	"time"

	"github.com/samber/lo"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/cloudprovider"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/capacity"
)

func TestTypesAreWhatTheNodePoolAllowsCheapestFirst(t *testing.T) {
	np := nodePool("p", func(np *karpv1.NodePool) {
		np.Spec.Template.Spec.Requirements = append(np.Spec.Template.Spec.Requirements, karpv1.NodeSelectorRequirementWithMinValues{
			Key: v1alpha1.LabelInstanceCPU, Operator: corev1.NodeSelectorOpLt, Values: []string{"9"},
		})
	})
	w := newWorld(t, np, readyClass())
	w.types["p"] = []*cloudprovider.InstanceType{
		instanceType("VM.B.E5Flex", 2, 8, "AD-1/on-demand", "AD-2"), instanceType("VM.A.E4Flex", 4, 8), instanceType("VM.A.E4Flex", 1, 8), instanceType("VM.A.E4Flex", 8, 8),
	}
	w.marks.MarkUnavailable(t.Context(), capacity.ReasonLimitExceeded, capacity.Offering{Shape: "VM.B.E5Flex"}, time.Hour)
	w.marks.MarkUnavailable(t.Context(), capacity.ReasonOutOfHostCapacity, capacity.Offering{Shape: "VM.B.E5Flex", Zone: "AD-1"}, time.Minute)
	got, err := w.Types(t.Context(), "p")
	require.NoError(t, err)
	require.Empty(t, got.Notes)
	require.Equal(t, []string{"VM.A.E4Flex.1o.8g", "VM.B.E5Flex.2o.8g", "VM.A.E4Flex.4o.8g"}, lo.Map(got.Types, func(t Type, _ int) string { return t.Name }))
	until, price := now.Add(time.Hour), instanceType("VM.B.E5Flex", 2, 8).Offerings[0].Price
	require.Equal(t, []Offering{
		{Zone: "AD-1", CapacityType: "on-demand", Price: price, Reason: "LimitExceeded", Until: &until},
		{Zone: "AD-2", CapacityType: "on-demand", Price: price, Reason: "LimitExceeded", Until: &until},
	}, got.Types[1].Offerings, "the NodePool does not allow spot; of two marks the longer one counts")
	first := got.Types[0]
	require.Equal(t, []any{"VM.A.E4Flex", "amd64", 1.0, 2, 8.0}, []any{first.Shape, first.Arch, first.OCPUs, first.VCPUs, first.MemoryGB})
	require.Equal(t, "1900m", first.Allocatable.Cpu().String())

	w.clock.Step(2 * time.Hour)
	got, err = w.Types(t.Context(), "p")
	require.NoError(t, err)
	require.Equal(t, []string{ReasonClassNotInZone, ReasonNotInZone}, lo.Map(got.Types[1].Offerings, func(o Offering, _ int) string { return o.Reason }))
}

func TestAnUnknownNodePoolIsAnsweredWithTheNearestNames(t *testing.T) {
	w := newWorld(t, nodePool("general"), nodePool("gpu"), nodePool("batch"))
	_, err := w.Types(t.Context(), "generel")
	var unknown *unknownName
	require.ErrorAs(t, err, &unknown)
	require.Equal(t, "general", unknown.known[0])
	require.Len(t, unknown.known, 3)
}

func TestANodePoolThatCanLaunchNothingSaysWhy(t *testing.T) {
	w := newWorld(t, nodePool("p"), &v1alpha1.OciNodeClass{ObjectMeta: readyClass().ObjectMeta}, nodePool("q", func(np *karpv1.NodePool) { np.Spec.Template.Spec.NodeClassRef.Name = "none" }))
	got, err := w.Types(t.Context(), "p")
	require.NoError(t, err)
	require.Contains(t, got.Notes[0], "the OciNodeClass class is not ready")
	got, err = w.Types(t.Context(), "q")
	require.NoError(t, err)
	require.Equal(t, []string{"the OciNodeClass none does not exist"}, got.Notes)
	require.Empty(t, got.Types)
}

func TestQuantitiesAreWrittenForPeopleAndNeverRoundedUp(t *testing.T) {
	for _, c := range [][3]string{
		{"cpu", "3920m", "3.92"}, {"cpu", "3929m", "3.92"}, {"cpu", "2", "2"}, {"cpu", "1999999u", "2"}, {"memory", "16Gi", "16Gi"}, {"memory", "1535Mi", "1.49Gi"},
		{"ephemeral-storage", "100Gi", "100Gi"}, {"pods", "110", "110"}, {"nvidia.com/gpu", "8", "8"},
	} {
		require.Equal(t, c[2], Quantity(corev1.ResourceName(c[0]), resource.MustParse(c[1])), c[1])
	}
}

func TestDistanceCountsEdits(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"", "abc", 3}, {"abc", "", 3}, {"kitten", "sitting", 3}, {"same", "same", 0}} {
		require.Equal(t, c.want, distance(c.a, c.b), "%s %s", c.a, c.b)
	}
}
