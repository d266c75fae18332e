package cloudprovider_test

import (
	"encoding/base64"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/samber/lo"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	corecloudprovider "sigs.k8s.io/karpenter/pkg/cloudprovider"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/test/ocisim"
)

func TestCreateCostsOneCallAndSaysEverything(t *testing.T) {
	s := newSuite(t, ocisim.Options{ProvisioningDelay: time.Hour})
	claim := s.claim("one")
	s.region.Journal().Reset()
	created, err := s.Create(t.Context(), claim)
	require.NoError(t, err)
	require.Equal(t, map[string]int{"LaunchInstance": 1, "ListInstances": 1}, s.region.Journal().Counts(),
		"no waiting and no polling; the first launch of a process looks once for what another one launched")
	s.region.Journal().Reset()
	_, err = s.Create(t.Context(), s.claim("two"))
	require.NoError(t, err)
	require.Equal(t, map[string]int{"LaunchInstance": 1}, s.region.Journal().Counts())

	instance, _ := lo.Find(s.live(), func(i ocisim.Instance) bool { return i.ID == created.Status.ProviderID })
	require.Equal(t, instance.ID, created.Status.ProviderID)
	require.Equal(t, instance.ImageID, created.Status.ImageID)
	for _, key := range append(v1alpha1.WellKnownLabels, v1alpha1.LabelFaultDomain, corev1.LabelInstanceTypeStable, corev1.LabelTopologyZone,
		corev1.LabelTopologyRegion, corev1.LabelArchStable, corev1.LabelOSStable, karpv1.CapacityTypeLabelKey, karpv1.NodePoolLabelKey) {
		absent := []string{v1alpha1.LabelInstanceGPUName, v1alpha1.LabelInstanceGPUManufacturer, v1alpha1.LabelInstanceGPUDescription, v1alpha1.LabelInstanceGPU, v1alpha1.LabelInstanceGPUMemory, v1alpha1.LabelInstanceExtendedMemory,
			v1alpha1.LabelInstanceLocalNVMe, v1alpha1.LabelCapacityReservationID, v1alpha1.LabelCapacityReservationSlot, v1alpha1.LabelBaselineOCPUUtilization}
		if !lo.Contains(absent, key) {
			require.NotEmpty(t, created.Labels[key], "a label that is missing makes core replace the node: %s", key)
		}
	}
	require.Equal(t, karpv1.CapacityTypeOnDemand, created.Labels[karpv1.CapacityTypeLabelKey])
	require.NotEmpty(t, created.Annotations[v1alpha1.AnnotationNodeClassHash])
	require.True(t, created.Status.Allocatable.Memory().Cmp(*claim.Spec.Resources.Requests.Memory()) >= 0)
	require.True(t, created.Status.Allocatable.Cpu().Cmp(*claim.Spec.Resources.Requests.Cpu()) >= 0)
	require.True(t, created.Status.Capacity.Memory().Cmp(*created.Status.Allocatable.Memory()) > 0)
}

func TestCreateAsksForWhatTheClassSays(t *testing.T) {
	s := newSuite(t, ocisim.Options{})
	_, err := s.Create(t.Context(), s.claim("one"))
	require.NoError(t, err)
	instance := s.live()[0]
	require.Equal(t, "one", instance.DisplayName)
	require.Equal(t, "VM.Standard.E5.Flex", instance.Shape)
	require.EqualValues(t, 100, instance.BootVolumeSizeGB)
	require.Equal(t, "data", instance.FreeformTags["team"])
	require.Equal(t, s.region.World.ClusterID, instance.FreeformTags[v1alpha1.TagClusterID])
	require.Equal(t, "burst/pool-uid", instance.FreeformTags[v1alpha1.TagNodePool])
	require.Equal(t, "one/uid-one", instance.FreeformTags[v1alpha1.TagNodeClaim])
	require.Equal(t, "burst", instance.FreeformTags[v1alpha1.TagNodeClass])
	require.False(t, instance.Preemptible)
	require.Equal(t, "true", instance.Metadata["oke-native-pod-networking"])
	script, err := base64.StdEncoding.DecodeString(instance.Metadata["user_data"])
	require.NoError(t, err)
	require.Contains(t, string(script), "karpenter.sh/unregistered=:NoExecute")
	require.Contains(t, string(script), "workload-type=stateful:NoSchedule")
	require.Contains(t, string(script), "--apiserver-endpoint '10.0.0.14'")
}

func TestCreateGoesToAnotherZoneWhenOneIsOutOfCapacity(t *testing.T) {
	s := newSuite(t, ocisim.Options{})
	first, err := s.Create(t.Context(), s.claim("first"))
	require.NoError(t, err)
	zone := first.Labels[corev1.LabelTopologyZone]
	s.region.Fail(ocisim.Fault{Kind: ocisim.OutOfHostCapacity, Match: ocisim.Match{AvailabilityDomain: "PHX-AD-2"}})
	s.region.Fail(ocisim.Fault{Kind: ocisim.OutOfHostCapacity, Match: ocisim.Match{AvailabilityDomain: "PHX-AD-3"}})
	second, err := s.Create(t.Context(), s.claim("second"))
	require.NoError(t, err)
	require.Equal(t, "PHX-AD-1", second.Labels[corev1.LabelTopologyZone])
	require.NotEmpty(t, zone)

	s.region.Journal().Reset()
	_, err = s.Create(t.Context(), s.claim("third"))
	require.NoError(t, err)
	require.Equal(t, 1, s.calls("LaunchInstance"), "what failed is not tried again at once")
}

func TestCreateSpreadsANodePoolOverZones(t *testing.T) {
	s := newSuite(t, ocisim.Options{})
	zones := map[string]int{}
	for _, name := range []string{"a", "b", "c", "d", "e", "f"} {
		created, err := s.Create(t.Context(), s.claim(name))
		require.NoError(t, err)
		zones[created.Labels[corev1.LabelTopologyZone]]++
	}
	require.Equal(t, map[string]int{"PHX-AD-1": 2, "PHX-AD-2": 2, "PHX-AD-3": 2}, zones)
}

func TestNodeClaimsOfOneRoundSpreadOverZones(t *testing.T) {
	s := newSuite(t, ocisim.Options{})
	s.region.Fail(ocisim.Fault{Operation: "LaunchInstance", Kind: ocisim.Latency, Delay: 200 * time.Millisecond})
	claims := []*karpv1.NodeClaim{s.claim("a"), s.claim("b"), s.claim("c")}
	var wg sync.WaitGroup
	for _, claim := range claims {
		wg.Go(func() { _, _ = s.Create(t.Context(), claim) })
	}
	wg.Wait()
	require.ElementsMatch(t, s.region.World.ADs, lo.Map(s.live(), func(i ocisim.Instance, _ int) string { return i.AD }))
}

func TestCreateWithoutAnyCapacity(t *testing.T) {
	for kind, name := range map[ocisim.FaultKind]string{ocisim.OutOfHostCapacity: "out of host capacity", ocisim.LimitExceeded: "service limit", ocisim.QuotaExceeded: "quota"} {
		t.Run(name, func(t *testing.T) {
			s := newSuite(t, ocisim.Options{})
			s.region.Fail(ocisim.Fault{Kind: kind})
			_, err := s.Create(t.Context(), s.claim("one"))
			require.True(t, corecloudprovider.IsInsufficientCapacityError(err), "%v", err)
			require.LessOrEqual(t, s.calls("LaunchInstance"), 10, "tries are bounded")
			require.NotEmpty(t, s.unavailable.Entries())
			require.Empty(t, s.region.Instances())
		})
	}
}

func TestCreateUnderThrottlingSaysNothingAboutCapacity(t *testing.T) {
	s := newSuite(t, ocisim.Options{})
	s.region.Fail(ocisim.Fault{Operation: "LaunchInstance", Kind: ocisim.TooManyRequests, Delay: time.Minute})
	_, err := s.Create(t.Context(), s.claim("one"))
	require.False(t, corecloudprovider.IsInsufficientCapacityError(err))
	var create *corecloudprovider.CreateError
	require.True(t, errors.As(err, &create), "%v", err)
	require.Equal(t, "OCIThrottled", create.ConditionReason)
	require.Empty(t, s.unavailable.Entries())
}

func TestPreemptibleCapacityIsBoughtOnlyWhenAskedFor(t *testing.T) {
	s := newSuite(t, ocisim.Options{})
	spotOrNot := in(karpv1.CapacityTypeLabelKey, karpv1.CapacityTypeSpot, karpv1.CapacityTypeOnDemand)
	s.nodePool.Spec.Template.Spec.Requirements = append(s.nodePool.Spec.Template.Spec.Requirements, spotOrNot)
	require.NoError(t, s.kube.Update(t.Context(), s.nodePool))

	silent, err := s.Create(t.Context(), s.claim("silent"))
	require.NoError(t, err)
	require.Equal(t, karpv1.CapacityTypeOnDemand, silent.Labels[karpv1.CapacityTypeLabelKey])

	spot, err := s.Create(t.Context(), s.claim("spot", spotOrNot))
	require.NoError(t, err)
	require.Equal(t, karpv1.CapacityTypeSpot, spot.Labels[karpv1.CapacityTypeLabelKey])
	require.True(t, lo.Must(lo.Find(s.live(), func(i ocisim.Instance) bool { return i.ID == spot.Status.ProviderID })).Preemptible)

	s.region.Fail(ocisim.Fault{Kind: ocisim.OutOfHostCapacity, Match: ocisim.Match{CapacityType: "spot"}})
	fallback, err := s.Create(t.Context(), s.claim("fallback", spotOrNot))
	require.NoError(t, err)
	require.Equal(t, karpv1.CapacityTypeOnDemand, fallback.Labels[karpv1.CapacityTypeLabelKey])
}

func TestCreateUsesAnotherSubnetWhenOneIsFull(t *testing.T) {
	s := newSuite(t, ocisim.Options{NodeSubnetCIDRs: []string{"10.0.16.0/29", "10.0.32.0/24"}})
	for i := range 8 { // a /29 has five free addresses
		_, err := s.Create(t.Context(), s.claim("n"+string(rune('a'+i))))
		require.NoError(t, err)
	}
	for i := range 8 {
		_, err := s.Create(t.Context(), s.claim("m"+string(rune('a'+i))))
		require.NoError(t, err)
	}
	require.Len(t, s.live(), 16)
	require.Empty(t, s.unavailable.Entries(), "a lack of addresses is not a lack of capacity")
}

func TestCapacityIsThatOfTheInstanceThatOCIGave(t *testing.T) {
	s := newSuite(t, ocisim.Options{})
	large := func(name string) *karpv1.NodeClaim { // more than the 6 GB an OCPU that OCI sometimes gives instead
		claim := s.claim(name)
		claim.Spec.Resources.Requests[corev1.ResourceMemory] = resource.MustParse("20Gi")
		return claim
	}
	asked, err := s.Create(t.Context(), large("asked"))
	require.NoError(t, err)
	s.region.Fail(ocisim.Fault{Kind: ocisim.MemoryRewritten})
	given, err := s.Create(t.Context(), large("given"))
	require.NoError(t, err)
	require.NotEqual(t, asked.Status.Capacity.Memory().Value(), given.Status.Capacity.Memory().Value())
	require.NotEqual(t, asked.Annotations[v1alpha1.AnnotationInstanceMemoryGB], given.Annotations[v1alpha1.AnnotationInstanceMemoryGB])
}

func TestCreateForAClassThatIsNotReady(t *testing.T) {
	s := newSuite(t, ocisim.Options{})
	claim := s.claim("one")
	s.nodeClass.StatusConditions().SetFalse(v1alpha1.ConditionTypeSubnetsReady, "NothingSelected", "no subnet is named x")
	require.NoError(t, s.kube.Status().Update(t.Context(), s.nodeClass))
	_, err := s.Create(t.Context(), claim)
	require.True(t, corecloudprovider.IsNodeClassNotReadyError(err), "%v", err)
	claim.Spec.NodeClassRef = &karpv1.NodeClassReference{Name: "gone"}
	_, err = s.Create(t.Context(), claim)
	require.True(t, corecloudprovider.IsNodeClassNotReadyError(err), "%v", err)
	require.Empty(t, s.region.Instances())
}
