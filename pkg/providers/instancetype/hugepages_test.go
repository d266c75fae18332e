package instancetype_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	corev1alpha1 "sigs.k8s.io/karpenter/pkg/apis/v1alpha1"
	"sigs.k8s.io/karpenter/pkg/cloudprovider"

	"github.com/karpenter-oke/karpenter-oke/pkg/providers/instancetype"
)

func TestHugePagesOfANodeOverlayTakeFromTheMemoryOnce(t *testing.T) {
	e := newEnv(t)
	pages := corev1.ResourceList{"hugepages-2Mi": resource.MustParse("1Gi"), "hugepages-1Gi": resource.MustParse("2Gi")}
	overlay := &corev1alpha1.NodeOverlay{Spec: corev1alpha1.NodeOverlaySpec{Capacity: pages}}
	require.NoError(t, overlay.RuntimeValidate(t.Context()), "core takes huge pages from a NodeOverlay")

	const name = "VM.Standard.E5.Flex.2o.16g"
	plain := find(t, e.list(t, nodeClass(), family("VM.Standard.E5")), name)
	before := plain.Allocatable()
	require.NotContains(t, before, corev1.ResourceName("hugepages-2Mi"), "OKE's images set none")
	overlaid := &cloudprovider.InstanceType{Name: plain.Name, Requirements: plain.Requirements, Offerings: plain.Offerings, Capacity: plain.Capacity, Overhead: plain.Overhead}
	overlaid.ApplyCapacityOverlay(pages)
	after := overlaid.Allocatable()
	require.Equal(t, before.Memory().Value()-3<<30, after.Memory().Value())
	require.EqualValues(t, 1<<30, after.Name("hugepages-2Mi", resource.BinarySI).Value())

	// A node as its kubelet reports it: the whole memory as capacity, huge pages kept from the allocatable.
	model, err := e.provider.Resources(instancetype.Size{ShapeName: "VM.Standard.E5.Flex", OCPUs: 2, MemoryGB: 16}, nodeClass())
	require.NoError(t, err)
	capacity := model.Capacity.DeepCopy()
	for page, amount := range pages {
		capacity[page] = amount
	}
	withScriptOnly := instancetype.Lacking(model, capacity, after)
	require.EqualValues(t, 3<<30, withScriptOnly.Rest.Memory, "huge pages that no overlay tells of are learned as missing memory")
	handedBack := instancetype.HandBackHugePages(capacity, after)
	require.True(t, instancetype.Lacking(model, capacity, handedBack).Zero(), "with the overlay they would be counted twice")
	require.Equal(t, before.Memory().Value()-3<<30, after.Memory().Value(), "the argument is as before")
}
