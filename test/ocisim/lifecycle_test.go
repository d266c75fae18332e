package ocisim_test

import (
	"context"
	"testing"
	"time"

	"github.com/oracle/oci-go-sdk/v65/core"
	"github.com/oracle/oci-go-sdk/v65/workrequests"
	"github.com/samber/lo"
	"github.com/stretchr/testify/require"

	"github.com/karpenter-oke/karpenter-oke/test/ocisim"
)

var ctx = context.Background()

func TestAnInstanceGoesThroughItsLifeAndTakesItsPartsAlong(t *testing.T) {
	r := newRegion(t, ocisim.Options{})
	launched, err := r.launch()
	require.NoError(t, err)
	require.Equal(t, core.InstanceLifecycleStateProvisioning, launched.LifecycleState)
	require.NotEmpty(t, lo.FromPtr(launched.OpcWorkRequestId))
	require.NotEmpty(t, lo.FromPtr(launched.Etag))
	require.Equal(t, "phx", *launched.Region)
	require.Equal(t, 4, *launched.ShapeConfig.Vcpus)
	id := *launched.Id

	vnic := r.vnicOf(id)
	require.True(t, *vnic.IsPrimary)
	require.Equal(t, "10.0.16.2", *vnic.PrivateIp)
	require.Equal(t, r.world.NSGIDs[:1], vnic.NsgIds)

	r.clock.Step(1499 * time.Millisecond)
	require.Equal(t, core.InstanceLifecycleStateProvisioning, r.get(id).LifecycleState)
	require.Equal(t, workrequests.WorkRequestStatusInProgress, r.workRequest(*launched.OpcWorkRequestId).Status)
	r.clock.Step(time.Millisecond)
	require.Equal(t, core.InstanceLifecycleStateRunning, r.get(id).LifecycleState)
	require.Equal(t, workrequests.WorkRequestStatusSucceeded, r.workRequest(*launched.OpcWorkRequestId).Status)
	boot := r.bootVolumeOf(id)
	require.Equal(t, int64(60), *boot.SizeInGBs)
	require.Equal(t, core.BootVolumeLifecycleStateAvailable, boot.LifecycleState)

	_, err = r.compute.TerminateInstance(ctx, core.TerminateInstanceRequest{InstanceId: &id})
	require.NoError(t, err)
	require.Equal(t, core.InstanceLifecycleStateTerminating, r.get(id).LifecycleState)
	r.clock.Step(2 * time.Second)
	require.Equal(t, core.InstanceLifecycleStateTerminated, r.get(id).LifecycleState)
	require.Len(t, r.list(), 1, "a TERMINATED record stays listed")
	_, err = r.network.GetVnic(ctx, core.GetVnicRequest{VnicId: vnic.Id})
	requireError(t, err, 404, "NotAuthorizedOrNotFound", *vnic.Id)
	require.Equal(t, core.BootVolumeLifecycleStateTerminated, r.bootVolumeOf(id).LifecycleState)
	_, err = r.compute.TerminateInstance(ctx, core.TerminateInstanceRequest{InstanceId: &id})
	requireError(t, err, 404, "NotAuthorizedOrNotFound", id)

	r.clock.Step(12 * time.Hour)
	require.Empty(t, r.list(), "the record goes after its retention")
	_, err = r.compute.GetInstance(ctx, core.GetInstanceRequest{InstanceId: &id})
	requireError(t, err, 404, "NotAuthorizedOrNotFound", id)
}

func (r *region) vnicOf(instance string) core.Vnic {
	r.t.Helper()
	links, err := r.compute.ListVnicAttachments(ctx, core.ListVnicAttachmentsRequest{CompartmentId: &r.world.CompartmentID, InstanceId: &instance})
	require.NoError(r.t, err)
	require.Len(r.t, links.Items, 1)
	vnic, err := r.network.GetVnic(ctx, core.GetVnicRequest{VnicId: links.Items[0].VnicId})
	require.NoError(r.t, err)
	return vnic.Vnic
}

func (r *region) bootVolumeOf(instance string) core.BootVolume {
	r.t.Helper()
	ad := r.get(instance).AvailabilityDomain
	links, err := r.compute.ListBootVolumeAttachments(ctx, core.ListBootVolumeAttachmentsRequest{CompartmentId: &r.world.CompartmentID, AvailabilityDomain: ad, InstanceId: &instance})
	require.NoError(r.t, err)
	require.Len(r.t, links.Items, 1)
	boot, err := r.storage.GetBootVolume(ctx, core.GetBootVolumeRequest{BootVolumeId: links.Items[0].BootVolumeId})
	require.NoError(r.t, err)
	return boot.BootVolume
}

func (r *region) workRequest(id string) workrequests.WorkRequest {
	r.t.Helper()
	answer, err := r.work.GetWorkRequest(ctx, workrequests.GetWorkRequestRequest{WorkRequestId: &id})
	require.NoError(r.t, err)
	return answer.WorkRequest
}

func TestTerminationKeepsAndDropsVolumesAsAsked(t *testing.T) {
	cases := map[string]struct {
		request core.TerminateInstanceRequest
		boot    core.BootVolumeLifecycleStateEnum
		data    core.VolumeLifecycleStateEnum
	}{
		"by default the boot volume goes and data volumes made at launch leak": {
			core.TerminateInstanceRequest{}, core.BootVolumeLifecycleStateTerminated, core.VolumeLifecycleStateAvailable},
		"preserveBootVolume keeps the boot volume": {
			core.TerminateInstanceRequest{PreserveBootVolume: lo.ToPtr(true)}, core.BootVolumeLifecycleStateAvailable, core.VolumeLifecycleStateAvailable},
		"preserveDataVolumesCreatedAtLaunch=false drops the data volumes": {
			core.TerminateInstanceRequest{PreserveDataVolumesCreatedAtLaunch: lo.ToPtr(false)}, core.BootVolumeLifecycleStateTerminated, core.VolumeLifecycleStateTerminated},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			r := newRegion(t, ocisim.Options{})
			i := r.mustLaunch(func(d *core.LaunchInstanceDetails) {
				d.LaunchVolumeAttachments = []core.LaunchAttachVolumeDetails{core.LaunchAttachParavirtualizedVolumeDetails{
					LaunchCreateVolumeDetails: core.LaunchCreateVolumeFromAttributes{SizeInGBs: lo.ToPtr(int64(100))}}}
			})
			r.run()
			links, err := r.compute.ListVolumeAttachments(ctx, core.ListVolumeAttachmentsRequest{CompartmentId: &r.world.CompartmentID, InstanceId: i.Id})
			require.NoError(t, err)
			require.Len(t, links.Items, 1)
			boot := r.bootVolumeOf(*i.Id)

			c.request.InstanceId = i.Id
			_, err = r.compute.TerminateInstance(ctx, c.request)
			require.NoError(t, err)
			r.run()
			after, err := r.storage.GetBootVolume(ctx, core.GetBootVolumeRequest{BootVolumeId: boot.Id})
			require.NoError(t, err)
			require.Equal(t, c.boot, after.LifecycleState)
			volume, err := r.storage.GetVolume(ctx, core.GetVolumeRequest{VolumeId: links.Items[0].GetVolumeId()})
			require.NoError(t, err)
			require.Equal(t, c.data, volume.LifecycleState)
		})
	}
}

func TestATerminationNeedsTheRightEtag(t *testing.T) {
	r := newRegion(t, ocisim.Options{})
	i := r.mustLaunch()
	r.run()
	_, err := r.compute.TerminateInstance(ctx, core.TerminateInstanceRequest{InstanceId: i.Id, IfMatch: lo.ToPtr("0")})
	requireError(t, err, 412, "NoEtagMatch", "etag")
	got, err := r.compute.GetInstance(ctx, core.GetInstanceRequest{InstanceId: i.Id})
	require.NoError(t, err)
	_, err = r.compute.TerminateInstance(ctx, core.TerminateInstanceRequest{InstanceId: i.Id, IfMatch: got.Etag})
	require.NoError(t, err)
	_, err = r.compute.TerminateInstance(ctx, core.TerminateInstanceRequest{InstanceId: i.Id})
	requireError(t, err, 409, "IncorrectState", "TERMINATING")
}

func TestTagsAndMetadataAreReplacedAsAWhole(t *testing.T) {
	r := newRegion(t, ocisim.Options{})
	i := r.mustLaunch(func(d *core.LaunchInstanceDetails) { d.FreeformTags = map[string]string{"a": "1", "b": "2"} })
	r.run()
	updated, err := r.compute.UpdateInstance(ctx, core.UpdateInstanceRequest{InstanceId: i.Id, UpdateInstanceDetails: core.UpdateInstanceDetails{FreeformTags: map[string]string{"c": "3"}}})
	require.NoError(t, err)
	require.Equal(t, map[string]string{"c": "3"}, updated.FreeformTags)
	require.Equal(t, "node-1", *updated.DisplayName, "what is not named stays")
	require.Equal(t, map[string]string{"c": "3"}, r.get(*i.Id).FreeformTags)
	_, err = r.compute.UpdateInstance(ctx, core.UpdateInstanceRequest{InstanceId: i.Id, UpdateInstanceDetails: core.UpdateInstanceDetails{Metadata: map[string]string{"user_data": "other"}}})
	requireError(t, err, 400, "InvalidParameter", "user_data")
}

func TestPowerActionsMoveAnInstanceAndCountItsBoots(t *testing.T) {
	r := newRegion(t, ocisim.Options{})
	i := r.mustLaunch()
	r.run()
	act := func(action core.InstanceActionActionEnum) error {
		_, err := r.compute.InstanceAction(ctx, core.InstanceActionRequest{InstanceId: i.Id, Action: action})
		return err
	}
	require.NoError(t, act(core.InstanceActionActionReset))
	require.Equal(t, core.InstanceLifecycleStateStopping, r.get(*i.Id).LifecycleState)
	r.run()
	require.Equal(t, core.InstanceLifecycleStateRunning, r.get(*i.Id).LifecycleState)
	require.Equal(t, 2, r.Instances()[0].Boots)
	requireError(t, act(core.InstanceActionActionStart), 409, "IncorrectState", "STOPPED")
	require.NoError(t, act(core.InstanceActionActionStop))
	r.run()
	require.Equal(t, core.InstanceLifecycleStateStopped, r.get(*i.Id).LifecycleState)
	require.NoError(t, act(core.InstanceActionActionStart))
	r.run()
	require.Equal(t, 3, r.Instances()[0].Boots)
}

func TestAPreemptionComesAfterItsNotice(t *testing.T) {
	r := newRegion(t, ocisim.Options{})
	plain := r.mustLaunch()
	spot := r.mustLaunch(asSpot)
	r.run()
	require.ErrorContains(t, r.PreemptInstance(*plain.Id), "not preemptible")
	require.NoError(t, r.PreemptInstance(*spot.Id))
	r.clock.Step(119 * time.Second)
	require.Equal(t, core.InstanceLifecycleStateRunning, r.get(*spot.Id).LifecycleState)
	r.clock.Step(time.Second)
	require.Equal(t, core.InstanceLifecycleStateTerminating, r.get(*spot.Id).LifecycleState)
}

func asSpot(d *core.LaunchInstanceDetails) {
	d.PreemptibleInstanceConfig = &core.PreemptibleInstanceConfigDetails{PreemptionAction: core.TerminatePreemptionAction{PreserveBootVolume: lo.ToPtr(false)}}
}

func TestAWatchTellsEveryChangeInOrderStartingWithWhatIsThere(t *testing.T) {
	r := newRegion(t, ocisim.Options{})
	first := r.mustLaunch()
	r.run()
	r.Instances()
	watching, stop := context.WithCancel(ctx)
	events := r.Watch(watching)
	second := r.mustLaunch()
	r.run()
	require.NoError(t, r.TerminateInstance(*second.Id))
	r.run()
	r.Instances()

	var got []string
	for range 5 {
		select {
		case e := <-events:
			got = append(got, map[string]string{*first.Id: "first", *second.Id: "second"}[e.Instance.ID]+" "+e.Previous+">"+e.Instance.State)
		case <-time.After(5 * time.Second):
			require.Fail(t, "an event is missing", "%v", got)
		}
	}
	require.Equal(t, []string{"first >RUNNING", "second >PROVISIONING", "second PROVISIONING>RUNNING", "second RUNNING>TERMINATING", "second TERMINATING>TERMINATED"}, got)
	stop()
	_, open := <-events
	require.False(t, open, "the channel closes with its context")
}

func TestRunAppliesChangesWhileNobodyAsks(t *testing.T) {
	r := newRegion(t, ocisim.Options{})
	running, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- r.Run(running) }()
	events := r.Watch(running)
	r.mustLaunch()
	require.Equal(t, "PROVISIONING", (<-events).Instance.State)
	require.Eventually(t, r.clock.HasWaiters, 5*time.Second, time.Millisecond)
	r.clock.Step(1500 * time.Millisecond)
	require.Equal(t, "RUNNING", (<-events).Instance.State)
	stop()
	require.ErrorIs(t, <-ended, context.Canceled)
}
