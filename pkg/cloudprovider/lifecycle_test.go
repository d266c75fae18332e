package cloudprovider_test

import (
	"testing"
	"time"

	"github.com/samber/lo"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	corecloudprovider "sigs.k8s.io/karpenter/pkg/cloudprovider"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/test/ocisim"
)

func TestALaunchBeforeARestartIsAdopted(t *testing.T) {
	s := newSuite(t, ocisim.Options{})
	claim := s.claim("one")
	before, err := s.Create(t.Context(), claim) // killed before the answer was written down
	require.NoError(t, err)
	claim.CreationTimestamp.Time = claim.CreationTimestamp.Add(-time.Minute)
	// The class has changed meanwhile, so that the retry token of a new launch would be another one.
	s.nodeClass.Spec.FreeFormTags = map[string]string{"team": "other"}
	require.NoError(t, s.kube.Update(t.Context(), s.nodeClass))
	s.restart()
	after, err := s.Create(t.Context(), claim)
	require.NoError(t, err)
	require.Equal(t, before.Status.ProviderID, after.Status.ProviderID)
	require.Equal(t, before.Labels, after.Labels, "an adopted instance has every label too")
	require.Len(t, s.region.Instances(), 1)
}

func TestALaunchBeforeARestartIsRepeatedWithItsTokenWhileListsLag(t *testing.T) {
	s := newSuite(t, ocisim.Options{ListLag: time.Hour})
	claim := s.claim("one")
	before, err := s.Create(t.Context(), claim)
	require.NoError(t, err)
	claim.CreationTimestamp.Time = claim.CreationTimestamp.Add(-time.Minute)
	s.restart()
	after, err := s.Create(t.Context(), s.reread(claim))
	require.NoError(t, err)
	require.Equal(t, before.Status.ProviderID, after.Status.ProviderID)
	require.Len(t, s.region.Instances(), 1)
}

func TestALaunchWithoutAnswerIsRepeatedAsItWas(t *testing.T) {
	s := newSuite(t, ocisim.Options{})
	s.region.Fail(ocisim.Fault{Operation: "LaunchInstance", Kind: ocisim.CutAfter, Times: 4})
	claim := s.claim("one")
	_, err := s.Create(t.Context(), claim)
	require.Error(t, err)
	require.False(t, corecloudprovider.IsInsufficientCapacityError(err))
	require.Len(t, s.region.Instances(), 1)
	// Anything else would choose another zone now.
	s.nodeClass.Spec.FreeFormTags = map[string]string{"team": "other"}
	require.NoError(t, s.kube.Update(t.Context(), s.nodeClass))
	created, err := s.Create(t.Context(), claim)
	require.NoError(t, err)
	require.Equal(t, s.region.Instances()[0].ID, created.Status.ProviderID)
	require.Len(t, s.region.Instances(), 1)
}

func TestDeleteTerminatesOnceAndEndsWhenTheInstanceIsGone(t *testing.T) {
	s := newSuite(t, ocisim.Options{TerminationDelay: 200 * time.Millisecond})
	claim := s.claim("one")
	created, err := s.Create(t.Context(), claim)
	require.NoError(t, err)
	claim.Status = created.Status
	for range 3 {
		require.NoError(t, s.Delete(t.Context(), claim), "nil until the instance is gone")
	}
	require.Equal(t, 1, s.calls("TerminateInstance"))
	require.Eventually(t, func() bool {
		require.NoError(t, s.inventory.Refresh(t.Context()))
		return corecloudprovider.IsNodeClaimNotFoundError(s.Delete(t.Context(), claim))
	}, 5*time.Second, 50*time.Millisecond)
	require.Equal(t, 1, s.calls("TerminateInstance"))
}

func TestDeleteOfAnInstanceThatOCIHasPurged(t *testing.T) {
	s := newSuite(t, ocisim.Options{TerminatedRetention: -1})
	claim := s.claim("one")
	created, err := s.Create(t.Context(), claim)
	require.NoError(t, err)
	claim.Status = created.Status
	require.NoError(t, s.region.TerminateInstance(created.Status.ProviderID))
	require.Eventually(t, func() bool { return len(s.region.Instances()) == 0 }, 5*time.Second, 10*time.Millisecond)
	require.NoError(t, s.inventory.Refresh(t.Context()))
	require.True(t, corecloudprovider.IsNodeClaimNotFoundError(s.Delete(t.Context(), claim)))
}

func TestLosingRightsDoesNotLookLikeLosingTheInstance(t *testing.T) {
	s := newSuite(t, ocisim.Options{})
	claim := s.claim("one")
	created, err := s.Create(t.Context(), claim)
	require.NoError(t, err)
	claim.Status = created.Status
	denied := ocisim.Fault{Operation: "TerminateInstance", Kind: ocisim.ErrorAnswer, Status: 404, Code: "NotAuthorizedOrNotFound", Message: "Authorization failed or requested resource not found."}
	s.region.Fail(denied)
	err = s.Delete(t.Context(), claim)
	require.Error(t, err)
	require.False(t, corecloudprovider.IsNodeClaimNotFoundError(err), "core would drop the finalizer and leak the instance")
	require.ErrorContains(t, err, "check the controller's right to terminate it")
	require.Len(t, s.live(), 1)
}

func TestInstancesOfOthersAreNeverTouched(t *testing.T) {
	s := newSuite(t, ocisim.Options{})
	claim := s.claim("one")
	created, err := s.Create(t.Context(), claim)
	require.NoError(t, err)
	_, err = s.Create(t.Context(), s.claim("two"))
	require.NoError(t, err)
	foreign := s.foreignInstance()
	listed, err := s.List(t.Context())
	require.NoError(t, err)
	require.NotContains(t, lo.Map(listed, func(c *karpv1.NodeClaim, _ int) string { return c.Status.ProviderID }), foreign)
	claim.Status.ProviderID = foreign
	require.ErrorContains(t, s.Delete(t.Context(), claim), "does not carry this cluster's tag")
	require.Zero(t, s.calls("TerminateInstance"))
	_, err = s.Get(t.Context(), created.Status.ProviderID)
	require.NoError(t, err)
}

func TestGetBelievesThatAnInstanceIsGoneOnlyAfterAFreshList(t *testing.T) {
	s := newSuite(t, ocisim.Options{})
	created, err := s.Create(t.Context(), s.claim("one"))
	require.NoError(t, err)
	s.restart() // the inventory is empty
	found, err := s.Get(t.Context(), created.Status.ProviderID)
	require.NoError(t, err)
	require.Equal(t, "one", found.Name)
	require.Equal(t, created.Labels[corev1.LabelInstanceTypeStable], found.Labels[corev1.LabelInstanceTypeStable])

	s.restart()
	s.region.Fail(ocisim.Fault{Operation: "ListInstances", Kind: ocisim.ErrorAnswer, Status: 404, Code: "NotAuthorizedOrNotFound", Message: "no"})
	_, err = s.Get(t.Context(), created.Status.ProviderID)
	require.Error(t, err)
	require.False(t, corecloudprovider.IsNodeClaimNotFoundError(err), "a list that failed says nothing")
	_, err = s.List(t.Context())
	require.Error(t, err, "never a short list")
}

func TestDriftComparesTheHashOfTheSameVersionOnly(t *testing.T) {
	s := newSuite(t, ocisim.Options{})
	claim := s.claim("one")
	created, err := s.Create(t.Context(), claim)
	require.NoError(t, err)
	claim.Annotations = created.Annotations
	reason, err := s.IsDrifted(t.Context(), claim)
	require.NoError(t, err)
	require.Empty(t, reason)

	s.nodeClass.Spec.BootConfig.BootVolumeSizeInGBs = lo.ToPtr(int64(200))
	require.NoError(t, s.kube.Update(t.Context(), s.nodeClass))
	s.region.Journal().Reset()
	reason, err = s.IsDrifted(t.Context(), claim)
	require.NoError(t, err)
	require.EqualValues(t, "BootVolumeDrifted", reason)
	require.Empty(t, s.region.Journal().Counts(), "drift is read from memory")

	claim.Annotations[v1alpha1.AnnotationNodeClassHashVersion] = "v0"
	reason, err = s.IsDrifted(t.Context(), claim)
	require.NoError(t, err)
	require.Empty(t, reason, "a release that hashes in another way must not roll a fleet")
}
