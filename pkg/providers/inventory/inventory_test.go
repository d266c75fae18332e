package inventory

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/core"
	"github.com/stretchr/testify/require"
	testclock "k8s.io/utils/clock/testing"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
)

const clusterID = "ocid1.cluster.oc1.phx.mine"

// cloud answers lists; before, when set, runs while a list is on its way.
type cloud struct {
	mu        sync.Mutex
	instances []core.Instance
	err       error
	lists     int
	before    func()
}

func (c *cloud) ListInstances(context.Context, string) ([]core.Instance, error) {
	c.mu.Lock()
	c.lists++
	instances, err, before := c.instances, c.err, c.before
	c.mu.Unlock()
	if before != nil {
		before()
	}
	return instances, err
}

func sdkInstance(id string, state core.InstanceLifecycleStateEnum) core.Instance {
	return core.Instance{
		Id: &id, LifecycleState: state, AvailabilityDomain: common.String("Uocm:PHX-AD-1"),
		FreeformTags: Owner{NodePool: NamedUID{"pool", "pu"}, NodeClaim: NamedUID{"claim-" + id, "uid-" + id}, NodeClass: "class", InstanceType: "t"}.Tags(clusterID),
	}
}

func start(t *testing.T, instances ...core.Instance) (*DefaultProvider, *cloud, *testclock.FakeClock) {
	t.Helper()
	clk := testclock.NewFakeClock(time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC))
	c := &cloud{instances: instances}
	p := NewProvider(c, OneCompartment("compartment"), clusterID, clk)
	require.NoError(t, p.Refresh(t.Context()))
	return p, c, clk
}

func launched(id string) Instance {
	i, _ := FromSDK(sdkInstance(id, core.InstanceLifecycleStateProvisioning), clusterID)
	i.WorkRequestID, i.NamedFaultDomain = "wr-"+id, "FAULT-DOMAIN-2"
	return i
}

func TestOnlyThisClustersInstancesAreSeen(t *testing.T) {
	foreign := sdkInstance("foreign", core.InstanceLifecycleStateRunning)
	foreign.FreeformTags[v1alpha1.TagClusterID] = "ocid1.cluster.oc1.phx.other"
	untagged := sdkInstance("untagged", core.InstanceLifecycleStateRunning)
	untagged.FreeformTags = nil
	p, _, _ := start(t, foreign, untagged, sdkInstance("mine", core.InstanceLifecycleStateRunning))
	require.Len(t, p.Current().All(), 1)
	require.Equal(t, "mine", p.Current().All()[0].ID)
	require.Equal(t, NamedUID{"claim-mine", "uid-mine"}, p.Current().All()[0].Owner.NodeClaim)
}

func TestTheBaselineOfABurstableInstanceIsRead(t *testing.T) {
	for baseline, want := range map[core.InstanceShapeConfigBaselineOcpuUtilizationEnum]string{
		"": "", core.InstanceShapeConfigBaselineOcpuUtilization1: "", core.InstanceShapeConfigBaselineOcpuUtilization8: "BASELINE_1_8",
	} {
		raw := sdkInstance("x", core.InstanceLifecycleStateRunning)
		raw.ShapeConfig = &core.InstanceShapeConfig{BaselineOcpuUtilization: baseline}
		i, ours := FromSDK(raw, clusterID)
		require.True(t, ours)
		require.Equal(t, want, i.Baseline, "%q is whole OCPUs unless it names a part", baseline)
	}
}

func TestAnInstanceIsReadWithoutPanicWhateverIsMissing(t *testing.T) {
	i, ours := FromSDK(core.Instance{FreeformTags: map[string]string{v1alpha1.TagClusterID: clusterID}}, clusterID)
	require.True(t, ours)
	require.Equal(t, karpv1.CapacityTypeOnDemand, i.CapacityType)
	_, ours = FromSDK(core.Instance{}, "")
	require.False(t, ours, "no cluster is nobody's cluster")
	i, _ = FromSDK(core.Instance{
		FreeformTags:  map[string]string{v1alpha1.TagClusterID: clusterID, v1alpha1.TagNodeClaim: "no-uid"},
		SourceDetails: core.InstanceSourceViaBootVolumeDetails{}, PreemptibleInstanceConfig: &core.PreemptibleInstanceConfigDetails{},
	}, clusterID)
	require.Equal(t, NamedUID{Name: "no-uid"}, i.Owner.NodeClaim)
	require.Equal(t, karpv1.CapacityTypeSpot, i.CapacityType)
}

func TestALaunchIsSeenBeforeListsShowIt(t *testing.T) {
	p, c, clk := start(t)
	p.NoteLaunched(launched("a"))
	_, found := p.Current().ByNodeClaim("uid-a")
	require.True(t, found)
	require.NoError(t, p.Refresh(t.Context()))
	i, found := p.Current().Get("a")
	require.True(t, found, "a list that lags does not lose it")
	require.True(t, i.Unlisted)
	require.Equal(t, BusyInterval, p.NextInterval())

	c.instances = []core.Instance{sdkInstance("a", core.InstanceLifecycleStateRunning)}
	require.NoError(t, p.Refresh(t.Context()))
	i, _ = p.Current().Get("a")
	require.False(t, i.Unlisted)
	require.Equal(t, core.InstanceLifecycleStateRunning, i.State)
	require.Equal(t, "wr-a", i.WorkRequestID, "what only this process knows is kept")
	require.Equal(t, "FAULT-DOMAIN-2", i.NamedFaultDomain)
	require.Equal(t, IdleInterval, p.NextInterval())

	p.NoteLaunched(launched("never"))
	clk.Step(ListLag + time.Second)
	require.NoError(t, p.Refresh(t.Context()))
	_, found = p.Current().Get("never")
	require.False(t, found, "after long enough its absence is believed")
}

func TestATerminationHoldsAgainstAListThatLags(t *testing.T) {
	p, c, _ := start(t, sdkInstance("a", core.InstanceLifecycleStateRunning))
	p.NoteTerminating("a")
	require.NoError(t, p.Refresh(t.Context()))
	i, _ := p.Current().Get("a")
	require.True(t, i.Ending())
	require.Equal(t, BusyInterval, p.NextInterval())
	c.instances = []core.Instance{sdkInstance("a", core.InstanceLifecycleStateTerminated)}
	require.NoError(t, p.Refresh(t.Context()))
	i, _ = p.Current().Get("a")
	require.True(t, i.Gone())
	require.Equal(t, IdleInterval, p.NextInterval())
}

func TestALaunchDuringAListIsNotLost(t *testing.T) {
	p, c, _ := start(t)
	c.before = func() { p.NoteLaunched(launched("a")) }
	require.NoError(t, p.Refresh(t.Context()))
	_, found := p.Current().Get("a")
	require.True(t, found)
}

func TestFreshTakesAListOnlyWhenItMust(t *testing.T) {
	p, c, clk := start(t)
	_, err := p.Fresh(t.Context(), time.Minute)
	require.NoError(t, err)
	require.Equal(t, 1, c.lists)
	clk.Step(2 * time.Minute)
	_, err = p.Fresh(t.Context(), time.Minute)
	require.NoError(t, err)
	require.Equal(t, 2, c.lists)
}

func TestAFailedListGivesNoSnapshotAndKeepsTheOldOne(t *testing.T) {
	p, c, _ := start(t, sdkInstance("a", core.InstanceLifecycleStateRunning))
	c.err = errors.New("page 2 failed")
	_, err := p.Fresh(t.Context(), -1)
	require.ErrorContains(t, err, "page 2 failed")
	require.Len(t, p.Current().All(), 1)
}

func TestCallersThatComeTogetherShareOneList(t *testing.T) {
	p, c, _ := start(t)
	release, entered := make(chan struct{}), make(chan struct{}, 1)
	c.before = func() { entered <- struct{}{}; <-release }
	var wg sync.WaitGroup
	wg.Go(func() { _, _ = p.Fresh(t.Context(), -1) })
	<-entered
	for range 20 {
		wg.Go(func() { _, _ = p.Fresh(t.Context(), -1) })
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := p.Fresh(ctx, -1)
	require.ErrorIs(t, err, context.Canceled, "a caller that gives up does not wait for the list")
	time.Sleep(20 * time.Millisecond)
	close(release)
	wg.Wait()
	require.LessOrEqual(t, c.lists, 3)
}
