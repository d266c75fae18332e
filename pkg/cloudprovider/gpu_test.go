package cloudprovider_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	corecloudprovider "sigs.k8s.io/karpenter/pkg/cloudprovider"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/test/ocisim"
)

// mixed makes a NodePool of machines with and without GPUs, of which only those with GPUs can be had.
func mixed(t *testing.T, shapes ...string) *suite {
	t.Helper()
	s := newSuite(t, ocisim.Options{})
	s.nodePool.Spec.Template.Spec.Requirements = []karpv1.NodeSelectorRequirementWithMinValues{
		{Key: corev1.LabelArchStable, Operator: corev1.NodeSelectorOpIn, Values: []string{"amd64"}},
		{Key: "karpenter.k8s.oracle/instance-generation", Operator: corev1.NodeSelectorOpIn, Values: shapes},
	}
	require.NoError(t, s.kube.Update(t.Context(), s.nodePool))
	s.region.Fail(ocisim.Fault{Kind: ocisim.OutOfHostCapacity, Match: ocisim.Match{Shape: "*E5*"}})
	return s
}

func TestGPUsAreNotBoughtForPodsThatAskForNone(t *testing.T) {
	s := mixed(t, "E5", "A10")
	_, err := s.Create(t.Context(), s.claim("one"))
	require.True(t, corecloudprovider.IsInsufficientCapacityError(err), "%v: rather none than a machine with GPUs", err)
	require.Empty(t, s.region.Instances())

	withGPU := s.claim("two")
	withGPU.Spec.Resources.Requests["nvidia.com/gpu"] = resource.MustParse("1")
	created, err := s.Create(t.Context(), withGPU)
	require.NoError(t, err)
	require.Equal(t, "VM.GPU.A10.1", created.Labels[v1alpha1.LabelInstanceShapeName], "the smallest that has one")
	require.Equal(t, []string{"1", "a10", "nvidia"}, []string{created.Labels[v1alpha1.LabelInstanceGPU], created.Labels[v1alpha1.LabelInstanceGPUName], created.Labels[v1alpha1.LabelInstanceGPUManufacturer]})
	gpus := created.Status.Capacity["nvidia.com/gpu"]
	require.EqualValues(t, 1, gpus.Value())
	require.Contains(t, s.region.Instances()[0].ImageName, "GPU", "an image with drivers")

	asked := s.claim("three", karpv1.NodeSelectorRequirementWithMinValues{Key: v1alpha1.LabelInstanceGPUName, Operator: corev1.NodeSelectorOpIn, Values: []string{"a10"}})
	_, err = s.Create(t.Context(), asked)
	require.NoError(t, err, "the requirements speak of GPUs")
}

func TestANodePoolOfGPUsAloneHasChosenThem(t *testing.T) {
	s := mixed(t, "A10")
	_, err := s.Create(t.Context(), s.claim("one"))
	require.NoError(t, err)
}
