package cloudprovider_test

import (
	"encoding/base64"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	corecloudprovider "sigs.k8s.io/karpenter/pkg/cloudprovider"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/test/ocisim"
)

// dense makes a NodePool of one shape with local drives and one without.
func dense(t *testing.T, policy v1alpha1.LocalNVMePolicy) *suite {
	t.Helper()
	s := newSuite(t, ocisim.Options{})
	s.nodePool.Spec.Template.Spec.Requirements = []karpv1.NodeSelectorRequirementWithMinValues{
		{Key: v1alpha1.LabelInstanceShapeName, Operator: corev1.NodeSelectorOpIn, Values: []string{"VM.Standard.E5.Flex", "VM.DenseIO.E5.Flex"}},
	}
	require.NoError(t, s.kube.Update(t.Context(), s.nodePool))
	s.setPolicy(policy)
	return s
}

func (s *suite) setPolicy(policy v1alpha1.LocalNVMePolicy) {
	s.t.Helper()
	status := s.nodeClass.Status.DeepCopy()
	s.nodeClass.Spec.LocalNVMePolicy = policy
	require.NoError(s.t, s.kube.Update(s.t.Context(), s.nodeClass))
	s.nodeClass.Status = *status
	require.NoError(s.t, s.kube.Status().Update(s.t.Context(), s.nodeClass))
}

// asking is a NodeClaim for pods that ask for so much ephemeral storage.
func (s *suite) asking(name, storage string) *karpv1.NodeClaim {
	s.t.Helper()
	claim := s.claim(name)
	claim.Spec.Resources.Requests[corev1.ResourceEphemeralStorage] = resource.MustParse(storage)
	return claim
}

func (s *suite) userData(index int) string {
	s.t.Helper()
	raw, err := base64.StdEncoding.DecodeString(s.live()[index].Metadata["user_data"])
	require.NoError(s.t, err)
	return string(raw)
}

func TestPodsThatAskForDiskGetMachinesWithLocalDrives(t *testing.T) {
	s := dense(t, v1alpha1.LocalNVMePolicyRAID0)
	small, err := s.Create(t.Context(), s.asking("small", "10Gi"))
	require.NoError(t, err)
	require.Equal(t, "VM.Standard.E5.Flex", small.Labels[v1alpha1.LabelInstanceShapeName], "the boot volume will do, and is cheaper")
	require.NotContains(t, s.userData(0), "local-nvme", "a machine without drives gets no script for them")

	created, err := s.Create(t.Context(), s.asking("one", "1Ti"))
	require.NoError(t, err)
	require.Equal(t, "VM.DenseIO.E5.Flex", created.Labels[v1alpha1.LabelInstanceShapeName])
	require.Equal(t, "6800", created.Labels[v1alpha1.LabelInstanceLocalNVMe], "the smallest size that has a drive")
	require.Equal(t, int64(6732_000_000_000), created.Status.Capacity.StorageEphemeral().Value())
	require.Contains(t, s.userData(1), "bash /var/lib/karpenter-oke/local-nvme.sh")
	require.EqualValues(t, 100, s.live()[1].BootVolumeSizeGB)

	large, err := s.Create(t.Context(), s.asking("large", "20Ti"))
	require.NoError(t, err)
	require.Equal(t, "27200", large.Labels[v1alpha1.LabelInstanceLocalNVMe], "of the documented sizes the first that is large enough")
	require.EqualValues(t, 32, s.live()[2].OCPUs)

	_, err = s.Create(t.Context(), s.asking("giant", "50Ti"))
	require.True(t, corecloudprovider.IsInsufficientCapacityError(err), "%v: no machine of the NodePool has as much", err)
}

func TestWithoutThePolicyLocalDrivesAreNoRoomForPods(t *testing.T) {
	s := dense(t, "")
	_, err := s.Create(t.Context(), s.asking("one", "1Ti"))
	require.True(t, corecloudprovider.IsInsufficientCapacityError(err), "%v", err)
	require.Empty(t, s.live(), "no machine is bought whose drives pods would not see")
}

func TestOnlyNodesWithLocalDrivesDriftWithTheirPolicy(t *testing.T) {
	s := dense(t, v1alpha1.LocalNVMePolicyRAID0)
	with, err := s.Create(t.Context(), s.asking("with", "1Ti"))
	require.NoError(t, err)
	without, err := s.Create(t.Context(), s.asking("without", "10Gi"))
	require.NoError(t, err)
	s.setPolicy("")
	for want, created := range map[corecloudprovider.DriftReason]*karpv1.NodeClaim{"LocalNVMeDrifted": with, "": without} {
		claim := created.DeepCopy()
		claim.Spec.NodeClassRef = s.nodePool.Spec.Template.Spec.NodeClassRef
		reason, err := s.IsDrifted(t.Context(), claim)
		require.NoError(t, err)
		require.Equal(t, want, reason, claim.Name)
	}
}
