package instancetype_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	provisioning "sigs.k8s.io/karpenter/pkg/controllers/provisioning/scheduling"
	"sigs.k8s.io/karpenter/pkg/scheduling"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
)

// forNodeClass gives a NodePool what core needs to make NodeClaims of it.
func forNodeClass(np *karpv1.NodePool) *karpv1.NodePool {
	np.Spec.Template.Spec.NodeClassRef = &karpv1.NodeClassReference{Group: v1alpha1.Group, Kind: "OciNodeClass", Name: "default"}
	return np
}

func TestPreemptibleInANodePoolMeansSpotAllTheWayToTheNodeClaim(t *testing.T) {
	e := newEnv(t)
	for _, tc := range []struct {
		says        string
		requirement karpv1.NodeSelectorRequirementWithMinValues
		want        []string
	}{
		{"alone", require1(karpv1.CapacityTypeLabelKey, corev1.NodeSelectorOpIn, "preemptible"), []string{"spot"}},
		{"with on-demand", require1(karpv1.CapacityTypeLabelKey, corev1.NodeSelectorOpIn, "preemptible", "on-demand"), []string{"on-demand", "spot"}},
		{"beside spot", require1(karpv1.CapacityTypeLabelKey, corev1.NodeSelectorOpIn, "preemptible", "spot"), []string{"spot"}},
		{"excluded", require1(karpv1.CapacityTypeLabelKey, corev1.NodeSelectorOpNotIn, "preemptible"), []string{"on-demand"}},
	} {
		t.Run(tc.says, func(t *testing.T) {
			np := forNodeClass(nodePool(tc.requirement, require1(v1alpha1.LabelInstanceFamily, corev1.NodeSelectorOpIn, "VM.Standard.E5")))
			require.NoError(t, np.RuntimeValidate(t.Context()), "core accepts the NodePool")

			types := e.list(t, nodeClass(), np)
			template := provisioning.NewNodeClaimTemplate(np)
			template.InstanceTypeOptions = types
			claim := template.ToNodeClaim()
			got := scheduling.NewNodeSelectorRequirementsWithMinValues(claim.Spec.Requirements...).Get(karpv1.CapacityTypeLabelKey)
			require.ElementsMatch(t, tc.want, got.Values(), "what a launch is told")

			for _, it := range types {
				for _, o := range it.Offerings {
					require.Contains(t, []string{"spot", "on-demand"}, o.CapacityType())
				}
				compatible := it.Offerings.Available().Compatible(template.Requirements)
				require.NotEmpty(t, compatible, it.Name)
				for _, o := range compatible {
					require.Contains(t, tc.want, o.CapacityType())
				}
			}
		})
	}
	unknown := forNodeClass(nodePool(require1(karpv1.CapacityTypeLabelKey, corev1.NodeSelectorOpIn, "preemptable")))
	require.Error(t, unknown.RuntimeValidate(t.Context()), "other words are still refused")
}
