package cloudprovider_test

import (
	"context"
	"net/url"
	"regexp"
	"testing"
	"time"

	"github.com/samber/lo"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	corecloudprovider "sigs.k8s.io/karpenter/pkg/cloudprovider"
	"sigs.k8s.io/karpenter/pkg/controllers/node/health"
	coreoptions "sigs.k8s.io/karpenter/pkg/operator/options"

	"github.com/karpenter-oke/karpenter-oke/test/ocisim"
)

// matcher is what core makes of the policies when the gate NodeRepair is on.
func matcher(t *testing.T, s *suite) *health.RepairPolicyMatcher {
	t.Helper()
	options := &coreoptions.Options{}
	options.FeatureGates.NodeRepair = true
	m, err := health.NewRepairPolicyMatcher(coreoptions.ToContext(context.Background(), options), s.CloudProvider)
	require.NoError(t, err)
	return m
}

func TestRepairDependsOnWhatIsWrongAndForHowLong(t *testing.T) {
	m := matcher(t, newSuite(t, ocisim.Options{}))
	const replace, reboot, nothing = corecloudprovider.ReplaceNode, corecloudprovider.RebootNode, corecloudprovider.RepairAction("")
	inherited := time.Duration(-1)
	now := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name      string
		condition corev1.NodeConditionType
		status    corev1.ConditionStatus
		reason    string
		stood     time.Duration
		want      corecloudprovider.RepairAction
		drain     time.Duration
	}{
		{"a kubelet that says not ready gets ten minutes", "Ready", "False", "KubeletNotReady", 9 * time.Minute, nothing, inherited},
		{"then its node is replaced after a short drain", "Ready", "False", "KubeletNotReady", 11 * time.Minute, replace, 2 * time.Minute},
		{"nobody drains a node that is silent", "Ready", "Unknown", "NodeStatusUnknown", 11 * time.Minute, replace, 0},
		{"a ready node is left alone", "Ready", "True", "KubeletReady", time.Hour, nothing, inherited},
		{"a wedged kernel is rebooted without a drain", "KernelDeadlock", "True", "DockerHung", 3 * time.Minute, reboot, 0},
		{"a kernel that recovers is left alone", "KernelDeadlock", "True", "DockerHung", time.Minute, nothing, inherited},
		{"so is one that never was wedged", "KernelDeadlock", "False", "KernelHasNoDeadlock", time.Hour, nothing, inherited},
		{"file systems that became read-only are mounted anew", "ReadonlyFilesystem", "True", "FilesystemIsReadOnly", 3 * time.Minute, reboot, 2 * time.Minute},
		{"fatal hardware errors are nobody's to mend", "CperHardwareErrorFatal", "True", "CperHardwareErrorFatal", 3 * time.Minute, replace, 2 * time.Minute},
		{"a container runtime gets time to restart", "ContainerRuntimeUnhealthy", "True", "ContainerdUnhealthy", 11 * time.Minute, reboot, 2 * time.Minute},
		{"GPUs that fell off the bus come back with a reboot, which jobs end for", "GpuBus", "True", "GpuBusHasIssues", 11 * time.Minute, reboot, inherited},
		{"GPUs that are worn do not", "GpuEcc", "True", "GpuEccHasIssues", 11 * time.Minute, replace, inherited},
		{"an RDMA link that is down is rebooted", "RdmaLink", "True", "RdmaLinkHasIssues", 11 * time.Minute, reboot, inherited},
		{"one that comes and goes is a cable", "RdmaLinkFlapping", "True", "RdmaLinkFlappingHasIssues", 11 * time.Minute, replace, inherited},
		{"a check that could not run says nothing", "GpuEcc", "Unknown", "GpuEccHasNoIssues", time.Hour, nothing, inherited},
		{"the next node would have the agent's version too", "OcaVersion", "True", "OcaVersionHasIssues", time.Hour, nothing, inherited},
		{"a full disk is the kubelet's to clean", "DiskPressure", "True", "KubeletHasDiskPressure", time.Hour, nothing, inherited},
		{"a condition without a reason counts as well", "GpuBus", "True", "", 11 * time.Minute, reboot, inherited},
	} {
		t.Run(c.name, func(t *testing.T) {
			node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{CreationTimestamp: metav1.NewTime(now.Add(-24 * time.Hour))}}
			node.Status.Conditions = []corev1.NodeCondition{{Type: c.condition, Status: c.status, Reason: c.reason, LastTransitionTime: metav1.NewTime(now.Add(-c.stood))}}
			got := health.Resolve(m.Match(node), now, time.Time{})
			require.Equal(t, c.want, got.Action)
			require.Equal(t, c.drain, lo.FromPtrOr(got.TerminationGracePeriod, inherited))
		})
	}
}

func TestRepairPoliciesKeepCoresForm(t *testing.T) {
	s := newSuite(t, ocisim.Options{})
	require.NotNil(t, matcher(t, s), "core starts with them")
	seen := map[string]bool{}
	fallbacks := 0
	for _, p := range s.RepairPolicies() {
		key := string(p.ConditionType) + "=" + string(p.ConditionStatus)
		require.False(t, seen[key], "%s has two policies", key)
		seen[key] = true
		if p.ReasonRegex == "" {
			fallbacks++
			require.Equal(t, corecloudprovider.ReplaceNode, p.Action)
			continue
		}
		require.True(t, regexp.MustCompile(p.ReasonRegex).MatchString("Anything"), "a reason without a policy would fall to that of NotReady")
	}
	require.Equal(t, 1, fallbacks)
	s.RepairPolicies()[0].ConditionType = "Changed"
	require.Equal(t, corev1.NodeReady, s.RepairPolicies()[0].ConditionType, "a caller's change is the caller's own")
}

// rebooted gives a claim with an instance that runs.
func rebooted(t *testing.T, s *suite) *karpv1.NodeClaim {
	t.Helper()
	claim := s.claim("one")
	created, err := s.Create(t.Context(), claim)
	require.NoError(t, err)
	claim.Status, claim.Labels = created.Status, created.Labels
	require.Eventually(t, func() bool { return s.region.Instances()[0].State == "RUNNING" }, time.Minute, 10*time.Millisecond)
	return claim
}

// boots waits until the instance runs again, and counts how often it came up.
func (s *suite) boots() int {
	s.t.Helper()
	require.Eventually(s.t, func() bool { return s.region.Instances()[0].State == "RUNNING" }, time.Minute, 10*time.Millisecond)
	return s.region.Instances()[0].Boots
}

func (s *suite) actions() []string {
	return lo.FilterMap(s.region.Journal().Entries(0), func(e ocisim.Entry, _ int) (string, bool) {
		query, err := url.ParseQuery(e.Query)
		require.NoError(s.t, err)
		return query.Get("action"), e.Operation == "InstanceAction"
	})
}

// coreOperation is as long as the ids that core makes.
const coreOperation = "0e4f1f0a-3c4e-4a55-9a1b-0123456789ab-1790000000000000000-6fb3ac62-6a71-44e4-a5f7-8b9f8d1a2b3c"

func TestARebootIsDoneOnceHoweverOftenCoreAsks(t *testing.T) {
	s := newSuite(t, ocisim.Options{})
	claim := rebooted(t, s)
	for range 3 {
		require.NoError(t, s.Reboot(t.Context(), claim, coreOperation))
	}
	require.Equal(t, 2, s.boots())
	s.restart() // another process finds the same operation
	require.NoError(t, s.Reboot(t.Context(), claim, coreOperation))
	require.Equal(t, 2, s.boots())
	require.NoError(t, s.Reboot(t.Context(), claim, coreOperation+"-next"))
	require.Equal(t, 3, s.boots())
}

func TestARebootWhoseAnswerWasLostIsNotDoneTwice(t *testing.T) {
	s := newSuite(t, ocisim.Options{})
	claim := rebooted(t, s)
	s.region.Fail(ocisim.Fault{Operation: "InstanceAction", Kind: ocisim.CutAfter, Times: 4})
	require.Error(t, s.Reboot(t.Context(), claim, coreOperation))
	require.NoError(t, s.Reboot(t.Context(), claim, coreOperation))
	require.Equal(t, 2, s.boots())
}

func TestARebootAsksTheSystemOnlyWhenTheNodeWasDrained(t *testing.T) {
	for _, c := range []struct {
		name, bound, want string
	}{
		{"no bound", "", "SOFTRESET"}, {"a bound", "2m0s", "SOFTRESET"}, {"no drain at all", "0s", "RESET"}, {"a bound that can not be read", "soon", "SOFTRESET"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSuite(t, ocisim.Options{})
			claim := rebooted(t, s)
			if c.bound != "" {
				claim.Annotations = map[string]string{karpv1.RebootTerminationGracePeriodAnnotationKey: c.bound}
			}
			require.NoError(t, s.Reboot(t.Context(), claim, coreOperation))
			require.Equal(t, []string{c.want}, s.actions())
		})
	}
}

func TestARebootThatCanNotSucceedIsNotTriedAgain(t *testing.T) {
	refused := func(status int, code string) func(*suite, *karpv1.NodeClaim) {
		return func(s *suite, _ *karpv1.NodeClaim) {
			s.region.Fail(ocisim.Fault{Operation: "InstanceAction", Kind: ocisim.ErrorAnswer, Status: status, Code: code, Message: "no"})
		}
	}
	stopped := func(s *suite, claim *karpv1.NodeClaim) {
		require.NoError(s.t, s.region.StopInstance(claim.Status.ProviderID))
		require.Eventually(s.t, func() bool { return s.region.Instances()[0].State == "STOPPED" }, time.Minute, 10*time.Millisecond)
	}
	for _, c := range []struct {
		name   string
		before func(*suite, *karpv1.NodeClaim)
		failed bool // and core replaces the node
		tells  string
	}{
		{"a missing right, which OCI tells as not found", refused(404, "NotAuthorizedOrNotFound"), true, "policy: use instances"},
		{"a missing right, told openly", refused(403, "NotAuthorized"), true, "no"},
		{"a request that OCI does not take", refused(400, "InvalidParameter"), true, "no"},
		{"an instance that is stopped", stopped, true, "is STOPPED"},
		{"an instance between two states", refused(409, "IncorrectState"), false, "can not be rebooted yet"},
		{"a service that is down", func(s *suite, _ *karpv1.NodeClaim) {
			s.region.Fail(ocisim.Fault{Operation: "InstanceAction", Kind: ocisim.ErrorAnswer, Status: 500, Code: "InternalServerError", Message: "no", Times: 4})
		}, false, "rebooting instance"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSuite(t, ocisim.Options{})
			claim := rebooted(t, s)
			c.before(s, claim)
			err := s.Reboot(t.Context(), claim, coreOperation)
			require.ErrorContains(t, err, c.tells)
			require.Equal(t, c.failed, corecloudprovider.IsNodeRebootFailedError(err), "%v", err)
		})
	}
}

func TestAPreemptibleInstanceIsNotRebooted(t *testing.T) {
	s := newSuite(t, ocisim.Options{})
	claim := s.claim("one", in(karpv1.CapacityTypeLabelKey, karpv1.CapacityTypeSpot))
	created, err := s.Create(t.Context(), claim)
	require.NoError(t, err)
	claim.Status = created.Status
	err = s.Reboot(t.Context(), claim, coreOperation)
	require.True(t, corecloudprovider.IsNodeRebootFailedError(err), "%v", err)
	require.Empty(t, s.actions(), "OCI is not asked in vain")
}

func TestARebootOfAnInstanceThatIsGone(t *testing.T) {
	s := newSuite(t, ocisim.Options{TerminatedRetention: -1})
	claim := rebooted(t, s)
	require.NoError(t, s.region.TerminateInstance(claim.Status.ProviderID))
	require.Eventually(t, func() bool { return len(s.region.Instances()) == 0 }, time.Minute, 10*time.Millisecond)
	s.restart()
	require.True(t, corecloudprovider.IsNodeClaimNotFoundError(s.Reboot(t.Context(), claim, coreOperation)))
}
