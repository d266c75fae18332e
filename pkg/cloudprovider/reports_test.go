package cloudprovider_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	corecloudprovider "sigs.k8s.io/karpenter/pkg/cloudprovider"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/test/ocisim"
)

const report = "CreateComputeCapacityReport"

// inOneZone are requirements of claims that five shapes can meet, in one availability domain.
func (s *suite) inOneZone() karpv1.NodeSelectorRequirementWithMinValues {
	s.t.Helper()
	s.nodePool.Spec.Template.Spec.Requirements = []karpv1.NodeSelectorRequirementWithMinValues{in(v1alpha1.LabelInstanceShapeName,
		"VM.Standard.E4.Flex", "VM.Standard.E5.Flex", "VM.Standard.E6.Flex", "VM.Standard3.Flex", "VM.Optimized3.Flex")}
	require.NoError(s.t, s.kube.Update(s.t.Context(), s.nodePool))
	return in(corev1.LabelTopologyZone, "PHX-AD-1")
}

func TestACapacityReportLeadsToWhereHostsAre(t *testing.T) {
	s := newSuite(t, ocisim.Options{})
	zone := s.inOneZone()
	require.NoError(t, s.region.SetHostCapacity(ocisim.HostCapacity{Shape: "VM.Standard*", AvailabilityDomain: "Uocm:PHX-AD-1"}))
	created, err := s.Create(t.Context(), s.claim("one", zone))
	require.NoError(t, err)
	require.Equal(t, "VM.Optimized3.Flex", created.Labels[v1alpha1.LabelInstanceShapeName])
	require.Equal(t, 1, s.calls(report))
	require.Equal(t, 2, s.calls("LaunchInstance"), "one that failed, and one where the report found hosts")

	s.region.Journal().Reset()
	_, err = s.Create(t.Context(), s.claim("two", zone))
	require.NoError(t, err)
	require.Zero(t, s.calls(report), "the report counts for the next launches")
	require.Equal(t, 1, s.calls("LaunchInstance"))
}

func TestACapacityReportThatIsWrongKeepsNothingFromBeingLaunched(t *testing.T) {
	s := newSuite(t, ocisim.Options{})
	zone := s.inOneZone()
	s.region.Fail(ocisim.Fault{Kind: ocisim.OutOfHostCapacity, Times: 1})
	s.region.Fail(ocisim.Fault{Kind: ocisim.OutOfHostCapacity, Skip: 1000}) // reports say short, launches succeed
	_, err := s.Create(t.Context(), s.claim("one", zone))
	require.NoError(t, err)
	require.Equal(t, 1, s.calls(report))
	require.Equal(t, 2, s.calls("LaunchInstance"))
}

func TestLaunchesGoOnWithoutTheRightToCapacityReports(t *testing.T) {
	s := newSuite(t, ocisim.Options{})
	zone := s.inOneZone()
	s.region.Fail(ocisim.Fault{Operation: report, Kind: ocisim.ErrorAnswer, Status: 404, Code: "NotAuthorizedOrNotFound", Message: "x"})
	for i := range 3 {
		s.region.Fail(ocisim.Fault{Kind: ocisim.OutOfHostCapacity, Times: 1})
		_, err := s.Create(t.Context(), s.claim(fmt.Sprint("n", i), zone))
		require.NoError(t, err)
	}
	require.Equal(t, 1, s.calls(report), "and do not ask again")
}

func TestALaunchThatSucceedsAsksForNoReport(t *testing.T) {
	s := newSuite(t, ocisim.Options{})
	_, err := s.Create(t.Context(), s.claim("one", s.inOneZone()))
	require.NoError(t, err)
	require.Zero(t, s.calls(report))
}

func TestLaunchesOfOneRoundShareOneReport(t *testing.T) {
	s := newSuite(t, ocisim.Options{})
	zone := s.inOneZone()
	s.region.Fail(ocisim.Fault{Kind: ocisim.OutOfHostCapacity})
	var wg sync.WaitGroup
	for i := range 4 {
		claim := s.claim(fmt.Sprint("n", i), zone)
		wg.Go(func() {
			_, err := s.Create(t.Context(), claim)
			if !corecloudprovider.IsInsufficientCapacityError(err) {
				t.Errorf("want a lack of capacity, got %v", err)
			}
		})
	}
	wg.Wait()
	require.LessOrEqual(t, s.calls(report), 1)
}
