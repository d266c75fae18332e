package cloudprovider_test

import (
	"testing"
	"time"

	"github.com/samber/lo"
	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"

	"github.com/karpenter-oke/karpenter-oke/pkg/providers/instance"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/inventory"
	"github.com/karpenter-oke/karpenter-oke/test/ocisim"
)

// tokenUsed is OCI's answer to a retry token that a later operation on the instance has invalidated.
func tokenUsed() ocisim.Fault {
	f := answer(409, "InvalidatedRetryToken", "The provided retry token was used in an earlier request that resulted in a system update, but a subsequent operation invalidated the token.")
	f.Times = 1
	return f
}

// disputed launches one instance whose answers are all lost and whose token OCI does not take any more.
func disputed(t *testing.T, options ocisim.Options) (*suite, *karpv1.NodeClaim) {
	t.Helper()
	s := newSuite(t, options)
	s.region.Fail(ocisim.Fault{Operation: "LaunchInstance", Kind: ocisim.CutAfter, Times: 4})
	claim := s.claim("one")
	_, err := s.Create(t.Context(), claim)
	require.Equal(t, "OCIUnavailable", reasonOf(t, err))
	require.Len(t, s.live(), 1)
	s.region.Fail(tokenUsed())
	_, err = s.Create(t.Context(), s.reread(claim))
	require.Equal(t, "OCIRejectedLaunch", reasonOf(t, err))
	require.Equal(t, true, s.attempt(claim)["disputed"])
	return s, claim
}

func TestATokenThatOCIRefusesIsNoProofThatThereIsNoInstance(t *testing.T) {
	t.Parallel() // lost answers are waited for
	s, claim := disputed(t, ocisim.Options{ListLag: time.Hour})
	s.rewrite(claim, "at", time.Now().Add(time.Hour)) // so that no list has had the time to show it, however slow this machine is
	for range 3 {
		_, err := s.Create(t.Context(), s.reread(claim))
		require.Equal(t, "EarlierLaunchUnknown", reasonOf(t, err), "lists are given some seconds")
	}
	s.region.CatchUp()
	require.NoError(t, s.inventory.Refresh(t.Context()))
	created, err := s.Create(t.Context(), s.reread(claim))
	require.NoError(t, err)
	require.Equal(t, s.live()[0].ID, created.Status.ProviderID)
	require.Len(t, s.live(), 1, "never a second one")
	require.Len(t, lo.Uniq(s.tokens()), 1)
}

func TestANodeClaimWhoseTokenOCIRefusesAndWhoseInstanceIsNotListedGivesWay(t *testing.T) {
	t.Parallel() // lost answers are waited for
	s, claim := disputed(t, ocisim.Options{ListLag: time.Hour})
	s.rewrite(claim, "at", time.Now().Add(-long))
	_, err := s.Create(t.Context(), s.reread(claim))
	var givenUp *instance.GivenUpError
	require.ErrorAs(t, err, &givenUp)
	require.True(t, apierrors.IsNotFound(s.kube.Get(t.Context(), client.ObjectKeyFromObject(claim), &karpv1.NodeClaim{})))
	require.Len(t, lo.Uniq(s.tokens()), 1, "what may be there is left to the orphan collector")
}

func TestATokenThatOCIRefusedLongAgoIsForgottenWhenNoListHasTheInstance(t *testing.T) {
	t.Parallel() // lost answers are waited for
	s, claim := disputed(t, ocisim.Options{ListLag: time.Hour})
	s.rewrite(claim, "at", time.Now().Add(-inventory.ListLag).Add(-time.Second))
	_, err := s.Create(t.Context(), s.reread(claim))
	require.NoError(t, err)
	require.EqualValues(t, 2, s.attempt(claim)["attempt"])
}

func TestAConflictOfAFirstLaunchIsARefusal(t *testing.T) {
	s := newSuite(t, ocisim.Options{})
	busy := answer(409, "IncorrectState", "the subnet is being updated")
	busy.Times = 1
	s.region.Fail(busy)
	claim := s.claim("one")
	_, err := s.Create(t.Context(), claim)
	require.Equal(t, "OCIRejectedLaunch", reasonOf(t, err))
	require.Equal(t, true, s.attempt(claim)["answered"])
	_, err = s.Create(t.Context(), s.reread(claim))
	require.NoError(t, err, "and is tried again at once")
	require.Len(t, s.live(), 1)
}
