package cloudprovider_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/oracle/oci-go-sdk/v65/core"
	"github.com/samber/lo"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	corecloudprovider "sigs.k8s.io/karpenter/pkg/cloudprovider"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/test/ocisim"
)

// created launches for a NodeClaim and records it there, as core does.
func (s *suite) created(name string) *karpv1.NodeClaim {
	s.t.Helper()
	claim := s.claim(name)
	created, err := s.Create(s.t.Context(), claim)
	require.NoError(s.t, err)
	claim.Status = created.Status
	return claim
}

func (s *suite) untag(claim *karpv1.NodeClaim, tags map[string]string) {
	s.t.Helper()
	_, err := s.region.Client.UpdateInstanceTags(s.t.Context(), claim.Status.ProviderID, tags, nil)
	require.NoError(s.t, err)
}

func TestNothingOfATerminatedInstanceStays(t *testing.T) {
	s := newSuite(t, ocisim.Options{})
	s.nodeClass.Spec.BlockDevices = []v1alpha1.BlockDevice{{SizeInGBs: 50}, {SizeInGBs: 60}}
	s.nodeClass.Spec.Preemptible = &v1alpha1.Preemptible{PreserveBootVolume: lo.ToPtr(true)}
	require.NoError(t, s.kube.Update(t.Context(), s.nodeClass))
	s.restart()
	claim := s.created("one")
	boots, volumes, vnics := s.region.Left()
	require.Len(t, boots, 1)
	require.Len(t, volumes, 2)
	require.Len(t, vnics, 1)
	require.NoError(t, s.Delete(t.Context(), claim))
	entry, _ := lo.Find(s.region.Journal().Entries(0), func(e ocisim.Entry) bool { return e.Operation == "TerminateInstance" })
	require.Contains(t, entry.Query, "preserveBootVolume=false", "a class keeps it only for when OCI takes the instance back")
	require.Contains(t, entry.Query, "preserveDataVolumesCreatedAtLaunch=false", "OCI's own default leaks them")
	boots, volumes, vnics = s.region.Left()
	require.Empty(t, boots)
	require.Empty(t, volumes)
	require.Empty(t, vnics)
}

func TestDeleteOfAnInstanceInEachState(t *testing.T) {
	conflict := ocisim.Fault{Operation: "TerminateInstance", Kind: ocisim.ErrorAnswer, Status: 409, Code: "IncorrectState", Message: "busy", Times: 1}
	for _, tc := range []struct {
		says   string
		before func(s *suite, claim *karpv1.NodeClaim)
		gone   bool // the finalizer may leave at once
		calls  int  // of TerminateInstance, after two Deletes
	}{
		{"running: 204", func(*suite, *karpv1.NodeClaim) {}, false, 1},
		{"busy: 409, then 204", func(s *suite, _ *karpv1.NodeClaim) { s.region.Fail(conflict) }, false, 2},
		{"after a restart, when nothing is known of it", func(s *suite, _ *karpv1.NodeClaim) { s.restart() }, false, 1},
		{"ending already, which no list has shown", func(s *suite, c *karpv1.NodeClaim) {
			require.NoError(s.t, s.region.TerminateInstance(c.Status.ProviderID))
		}, false, 2},
		{"ended by others: 404 that a list confirms", func(s *suite, c *karpv1.NodeClaim) {
			require.NoError(s.t, s.region.TerminateInstance(c.Status.ProviderID))
			require.Eventually(s.t, func() bool { return len(s.live()) == 0 && s.region.Instances()[0].State == "TERMINATED" }, 10*time.Second, 20*time.Millisecond)
		}, true, 1},
		{"ended by others before a restart", func(s *suite, c *karpv1.NodeClaim) {
			require.NoError(s.t, s.region.TerminateInstance(c.Status.ProviderID))
			require.Eventually(s.t, func() bool { return s.region.Instances()[0].State == "TERMINATED" }, 10*time.Second, 20*time.Millisecond)
			s.restart()
		}, true, 0},
	} {
		t.Run(tc.says, func(t *testing.T) {
			delay := time.Hour // ending takes longer than the test
			if tc.gone {
				delay = -1
			}
			s := newSuite(t, ocisim.Options{TerminationDelay: delay})
			claim := s.created("one")
			require.NoError(t, s.inventory.Refresh(t.Context()))
			tc.before(s, claim)
			for range 2 {
				err := s.Delete(t.Context(), claim)
				if tc.gone {
					require.True(t, corecloudprovider.IsNodeClaimNotFoundError(err), "%v", err)
				} else {
					require.NoError(t, err, "nil until the instance is gone")
				}
			}
			require.Equal(t, tc.calls, s.calls("TerminateInstance"))
			require.Empty(t, s.live())
		})
	}
}

func TestAnInstanceWhoseTagsWereTakenAwayIsNotGone(t *testing.T) {
	s := newSuite(t, ocisim.Options{})
	claim := s.created("one")
	s.untag(claim, map[string]string{"team": "data"})
	s.restart() // so that nothing but OCI knows it
	_, err := s.Get(t.Context(), claim.Status.ProviderID)
	require.Error(t, err)
	require.False(t, corecloudprovider.IsNodeClaimNotFoundError(err), "core would drop the Node without draining it")
	require.ErrorContains(t, err, "does not carry this cluster's tag")
	require.ErrorContains(t, s.Delete(t.Context(), claim), "end it by hand or restore its tags")
	require.Len(t, s.live(), 1)
}

func TestALaunchThatListsDoNotShowYetIsThereAfterARestart(t *testing.T) {
	s := newSuite(t, ocisim.Options{ListLag: time.Hour})
	claim := s.created("one")
	s.restart()
	_, err := s.Get(t.Context(), claim.Status.ProviderID)
	require.NoError(t, err, "OCI knows it by its OCID")
	require.NoError(t, s.Delete(t.Context(), claim))
	require.Empty(t, s.live())
	require.True(t, corecloudprovider.IsNodeClaimNotFoundError(s.Delete(t.Context(), claim)))
}

func TestA404OfALaunchThatListsDoNotShowYetIsNotBelieved(t *testing.T) {
	s := newSuite(t, ocisim.Options{ListLag: time.Hour})
	claim := s.created("one")
	s.region.Fail(ocisim.Fault{Operation: "GetInstance", Kind: ocisim.ErrorAnswer, Status: 404, Code: "NotAuthorizedOrNotFound", Message: "not yet"})
	require.NoError(t, s.inventory.Refresh(t.Context()))
	_, err := s.Get(t.Context(), claim.Status.ProviderID)
	require.NoError(t, err, "this process has launched it")
	listed, err := s.List(t.Context())
	require.NoError(t, err)
	require.Len(t, listed, 1, "core collects what is not there")
	require.Zero(t, s.calls("GetInstance"))
	for range 2 {
		require.NoError(t, s.Delete(t.Context(), claim), "it is on its way out, so the finalizer stays")
		require.NoError(t, s.inventory.Refresh(t.Context()))
	}
	require.Equal(t, 1, s.calls("TerminateInstance"))
	require.Empty(t, s.live())
}

func TestASecondReplicaAdoptsWhatTheFirstLaunchedWhileItWaited(t *testing.T) {
	s := newSuite(t, ocisim.Options{})
	first := s.CloudProvider
	s.restart() // the second replica has started, and has a list
	require.NoError(t, s.inventory.Refresh(t.Context()))
	claim := s.claim("one")
	before, err := first.Create(t.Context(), claim) // the first replica is killed before it writes this down
	require.NoError(t, err)
	s.nodeClass.Spec.FreeFormTags = map[string]string{"team": "other"} // so that the retry token would be another one
	require.NoError(t, s.kube.Update(t.Context(), s.nodeClass))
	after, err := s.Create(t.Context(), claim)
	require.NoError(t, err)
	require.Equal(t, before.Status.ProviderID, after.Status.ProviderID)
	require.Len(t, s.region.Instances(), 1)
}

func TestARestartWithManyNodesAsksForOneListOnly(t *testing.T) {
	const nodes, page = 48, 16
	s := newSuite(t, ocisim.Options{PageSize: page})
	image := &s.nodeClass.Status.Images[0].ID
	for i := range nodes { // as the process before did it
		name := fmt.Sprint("n", i)
		_, _ = s.region.Launch(name, map[string]string{
			v1alpha1.TagClusterID: s.region.World.ClusterID, v1alpha1.TagNodePool: "burst/pool-uid", v1alpha1.TagNodeClaim: name + "/uid-" + name,
		}, func(d *core.LaunchInstanceDetails) {
			d.LaunchVolumeAttachments, d.SourceDetails = nil, core.InstanceSourceViaImageDetails{ImageId: image}
		})
	}
	s.restart()
	s.region.Journal().Reset()
	var wg sync.WaitGroup
	var mu sync.Mutex
	ids := map[string]bool{}
	claims := make([]*karpv1.NodeClaim, 0, nodes)
	for i := range 30 { // so many were not recorded yet
		c := s.claim(fmt.Sprint("n", i))
		c.CreationTimestamp = metav1.NewTime(time.Now().Add(-time.Hour))
		claims = append(claims, c)
	}
	claims = append(claims, s.claim("new"))
	for _, c := range claims {
		wg.Go(func() {
			created, err := s.Create(t.Context(), c)
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				ids[created.Status.ProviderID] = true
			}
		})
	}
	wg.Wait()
	require.Len(t, ids, 31)
	require.Equal(t, 1, s.calls("LaunchInstance"), "the one that nobody had launched")
	require.LessOrEqual(t, s.calls("ListInstances"), 2*nodes/page, "all share a list, or two")
	require.Len(t, s.live(), nodes+1)
	require.False(t, lo.ContainsBy(s.live(), func(i ocisim.Instance) bool { return strings.HasPrefix(i.State, "TERMIN") }))
}
