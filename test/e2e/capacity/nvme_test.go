//go:build e2e

package capacity_test

import (
	"encoding/base64"
	"fmt"

	"github.com/samber/lo"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
)

func (s *suite) localDrives() {
	s.use(kind{Name: "dense", Class: "localNvmePolicy: RAID0", Requirements: []string{
		"{key: karpenter.k8s.oracle/instance-shape-name, operator: In, values: [VM.Standard.E5.Flex, VM.DenseIO.E5.Flex]}",
		"{key: karpenter.sh/capacity-type, operator: In, values: [on-demand]}",
	}})
	node, i := s.runs(pod{Name: "cache", Kind: "dense", Requests: "cpu: 1, memory: 2Gi, ephemeral-storage: 1Ti"})
	require.Equal(s.T, []any{"VM.DenseIO.E5.Flex", 8.0, 96.0}, []any{i.Shape, i.OCPUs, i.MemoryGB}, "the smallest of the documented sizes, although the API claims a range")
	require.Equal(s.T, "6800", label(node, "instance-local-nvme"))
	script, err := base64.StdEncoding.DecodeString(i.Metadata["user_data"])
	require.NoError(s.T, err)
	require.Contains(s.T, string(script), "bash /var/lib/karpenter-oke/local-nvme.sh")

	claim := s.Claims("dense")[0]
	promised, has := claim.Status.Allocatable[corev1.ResourceEphemeralStorage], node.Status.Allocatable[corev1.ResourceEphemeralStorage]
	require.GreaterOrEqual(s.T, has.Cmp(promised), 0, "the machine ran the script, and the node has what was promised: %s of %s", has.String(), promised.String())

	// Two drives, which take the next size; the script makes one of them.
	node, i = s.runs(pod{Name: "striped", Kind: "dense", Requests: "cpu: 1, memory: 2Gi, ephemeral-storage: 9Ti"})
	require.Equal(s.T, []any{16.0, "13600"}, []any{i.OCPUs, label(node, "instance-local-nvme")})
	require.Greater(s.T, node.Status.Capacity.StorageEphemeral().Value(), int64(13)*1_000_000_000_000)

	node, i = s.runs(pod{Name: "modest", Kind: "dense", Requests: "cpu: 60, memory: 100Gi, ephemeral-storage: 10Gi"})
	require.Equal(s.T, "VM.Standard.E5.Flex", i.Shape, "who asks for little disk pays for no drives")
	plain := node.Spec.ProviderID

	class := &v1alpha1.OciNodeClass{}
	s.Get(class, "", "dense")
	class.Spec.LocalNVMePolicy = ""
	require.NoError(s.T, s.Client().Update(s.Context(), class))
	s.Eventually("the nodes with drives to drift, and no other", func() string {
		claims := s.Claims("dense")
		drifted := lo.CountBy(claims, func(c karpv1.NodeClaim) bool {
			condition := c.StatusConditions().Get(karpv1.ConditionTypeDrifted)
			if condition.IsTrue() {
				require.NotEqual(s.T, plain, c.Status.ProviderID, "it has no drives that the policy could be about")
				require.Equal(s.T, "LocalNVMeDrifted", condition.Reason)
			}
			return condition.IsTrue()
		})
		return lo.Ternary(drifted >= 2, "", fmt.Sprintf("%d of %d NodeClaims have drifted", drifted, len(claims)))
	})
	s.end("dense")
}
