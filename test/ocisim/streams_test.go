package ocisim_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/core"
	"github.com/oracle/oci-go-sdk/v65/streaming"
	"github.com/samber/lo"
	"github.com/stretchr/testify/require"

	"github.com/karpenter-oke/karpenter-oke/test/ocisim"
)

// consumer reads the region's stream with the SDK, as one instance of one group.
type consumer struct {
	*region
	client   streaming.StreamClient
	group    string
	instance string
	cursor   string
}

func newConsumer(r *region, group, instance string) *consumer {
	provider, err := anyKey()
	require.NoError(r.t, err)
	client := lo.Must(streaming.NewStreamClientWithConfigurationProvider(provider, r.url))
	client.Configuration.RetryPolicy = lo.ToPtr(common.NoRetryPolicy())
	return &consumer{region: r, client: client, group: group, instance: instance}
}

func (c *consumer) open(kind streaming.CreateGroupCursorDetailsTypeEnum, change ...func(*streaming.CreateGroupCursorDetails)) {
	c.t.Helper()
	d := streaming.CreateGroupCursorDetails{Type: kind, GroupName: &c.group, InstanceName: &c.instance, CommitOnGet: lo.ToPtr(false)}
	for _, f := range change {
		f(&d)
	}
	answer, err := c.client.CreateGroupCursor(ctx, streaming.CreateGroupCursorRequest{StreamId: &c.world.StreamID, CreateGroupCursorDetails: d})
	require.NoError(c.t, err)
	c.cursor = *answer.Value
}

func (c *consumer) get(limit int) ([]string, error) {
	answer, err := c.client.GetMessages(ctx, streaming.GetMessagesRequest{StreamId: &c.world.StreamID, Cursor: &c.cursor, Limit: &limit})
	if err != nil {
		return nil, err
	}
	c.cursor = *answer.OpcNextCursor
	return lo.Map(answer.Items, func(m streaming.Message, _ int) string { return string(m.Value) }), nil
}

// drain reads until nothing comes any more, slowly enough for the limit.
func (c *consumer) drain() []string {
	c.t.Helper()
	all := []string{}
	for empty := 0; empty < 2; {
		c.clock.Step(time.Second)
		got, err := c.get(3)
		require.NoError(c.t, err)
		all = append(all, got...)
		empty = lo.Ternary(len(got) == 0, empty+1, 0)
	}
	slices.Sort(all)
	return all
}

func (c *consumer) commit() {
	c.t.Helper()
	answer, err := c.client.ConsumerCommit(ctx, streaming.ConsumerCommitRequest{StreamId: &c.world.StreamID, Cursor: &c.cursor})
	require.NoError(c.t, err)
	c.cursor = *answer.Value
}

func (r *region) publish(values ...string) {
	r.t.Helper()
	require.NoError(r.t, r.Publish(r.world.StreamID, lo.Map(values, func(v string, _ int) []byte { return []byte(v) })...))
}

func numbers(from, to int) []string {
	return lo.Map(lo.RangeFrom(from, to-from), func(n, _ int) string { return fmt.Sprintf("%03d", n) })
}

func TestAGroupReadsAllPartitionsOnceAndAgainWhatWasNotCommitted(t *testing.T) {
	r := newRegion(t, ocisim.Options{StreamPartitions: 3})
	c := newConsumer(r, "g", "a")
	r.publish("before")
	c.open(streaming.CreateGroupCursorDetailsTypeLatest)
	r.publish(numbers(0, 20)...)
	require.Equal(t, numbers(0, 20), c.drain(), "nothing from before the group was made")
	c.open(streaming.CreateGroupCursorDetailsTypeTrimHorizon)
	require.Equal(t, numbers(0, 20), c.drain(), "nothing was committed, and the type counts for new groups only")
	c.commit()
	r.publish(numbers(20, 25)...)
	require.Equal(t, numbers(20, 25), c.drain(), "the cursor that a commit answers goes on")
	c.open(streaming.CreateGroupCursorDetailsTypeTrimHorizon)
	require.Equal(t, numbers(20, 25), c.drain())
	other := newConsumer(r, "other", "a")
	other.open(streaming.CreateGroupCursorDetailsTypeTrimHorizon)
	require.Len(t, other.drain(), 26, "groups do not share offsets")
	require.Equal(t, []string{"g", "other"}, r.Groups(r.world.StreamID))
}

func TestAGroupCommitsOnTheNextGetUnlessToldOtherwise(t *testing.T) {
	r := newRegion(t, ocisim.Options{StreamPartitions: 1})
	c := newConsumer(r, "g", "a")
	onGet := func(d *streaming.CreateGroupCursorDetails) { d.CommitOnGet = nil }
	c.open(streaming.CreateGroupCursorDetailsTypeTrimHorizon, onGet)
	r.publish(numbers(0, 4)...)
	first, err := c.get(2)
	require.NoError(t, err)
	require.Equal(t, numbers(0, 2), first)
	c.open(streaming.CreateGroupCursorDetailsTypeTrimHorizon, onGet)
	again, err := c.get(2)
	require.NoError(t, err)
	require.Equal(t, first, again, "the get that would have committed was not made")
	_, err = c.get(2)
	require.NoError(t, err)
	waiting, err := r.Waiting(r.world.StreamID, "g")
	require.NoError(t, err)
	require.Equal(t, 2, waiting)
}

func TestTwoInstancesOfAGroupShareThePartitionsUntilOneIsSilent(t *testing.T) {
	r := newRegion(t, ocisim.Options{StreamPartitions: 2})
	a, b := newConsumer(r, "g", "a"), newConsumer(r, "g", "b")
	a.open(streaming.CreateGroupCursorDetailsTypeTrimHorizon)
	b.open(streaming.CreateGroupCursorDetailsTypeTrimHorizon)
	r.publish(numbers(0, 10)...)
	ofA, ofB := a.drain(), b.drain()
	require.Len(t, ofA, 5)
	require.ElementsMatch(t, numbers(0, 10), append(ofA, ofB...))
	a.commit()
	r.clock.Step(31 * time.Second) // a is silent for longer than its timeout
	require.Empty(t, b.drain(), "the cursor of b knows what b has read")
	r.publish(numbers(10, 14)...)
	require.Equal(t, numbers(10, 14), b.drain(), "the partitions of a are b's now")
}

func TestAnExpiredCursorIsRefusedAndANewOneGoesOn(t *testing.T) {
	r := newRegion(t, ocisim.Options{StreamPartitions: 1})
	c := newConsumer(r, "g", "a")
	c.open(streaming.CreateGroupCursorDetailsTypeTrimHorizon)
	r.publish("x")
	r.clock.Step(5*time.Minute + time.Second)
	_, err := c.get(1)
	requireError(t, err, http.StatusBadRequest, "InvalidParameter", "cursor")
	c.open(streaming.CreateGroupCursorDetailsTypeLatest)
	require.Equal(t, []string{"x"}, c.drain())
	c.cursor = "nonsense"
	_, err = c.get(1)
	requireError(t, err, http.StatusBadRequest, "InvalidParameter", "cursor")
}

func TestAGroupMayReadFiveTimesASecondForEachPartition(t *testing.T) {
	r := newRegion(t, ocisim.Options{StreamPartitions: 2})
	c := newConsumer(r, "g", "a")
	c.open(streaming.CreateGroupCursorDetailsTypeTrimHorizon)
	for range 10 {
		_, err := c.get(1)
		require.NoError(t, err)
	}
	_, err := c.get(1)
	requireError(t, err, http.StatusTooManyRequests, "TooManyRequests", "")
	r.clock.Step(time.Second)
	_, err = c.get(1)
	require.NoError(t, err)
}

func TestMessagesAndGroupsAreForgottenAfterTheRetention(t *testing.T) {
	r := newRegion(t, ocisim.Options{StreamPartitions: 1})
	c := newConsumer(r, "g", "a")
	c.open(streaming.CreateGroupCursorDetailsTypeTrimHorizon)
	r.publish("old")
	r.clock.Step(25 * time.Hour)
	r.publish("new")
	c.open(streaming.CreateGroupCursorDetailsTypeAtTime, func(d *streaming.CreateGroupCursorDetails) { d.Time = &common.SDKTime{Time: noon} })
	require.Equal(t, []string{"new"}, c.drain())
}

func TestADeletedStreamIsNotFound(t *testing.T) {
	r := newRegion(t, ocisim.Options{})
	c := newConsumer(r, "g", "a")
	c.open(streaming.CreateGroupCursorDetailsTypeLatest)
	require.NoError(t, r.DeleteStream(r.world.StreamID))
	_, err := c.get(1)
	requireError(t, err, http.StatusNotFound, "NotAuthorizedOrNotFound", "stream")
}

func TestEventsOfInstancesReachTheStreamOfTheirCompartmentsRule(t *testing.T) {
	r := newRegion(t, ocisim.Options{StreamPartitions: 1, EventDelay: 2 * time.Second, ProvisioningDelay: -1})
	c := newConsumer(r, "g", "a")
	c.open(streaming.CreateGroupCursorDetailsTypeTrimHorizon)
	elsewhere := r.AddCompartment("elsewhere")
	spot := func(d *core.LaunchInstanceDetails) {
		d.PreemptibleInstanceConfig = &core.PreemptibleInstanceConfigDetails{PreemptionAction: core.TerminatePreemptionAction{}}
	}
	mine := r.mustLaunch(spot)
	foreign := r.mustLaunch(spot, func(d *core.LaunchInstanceDetails) { d.CompartmentId = &elsewhere })
	r.clock.Step(time.Second)
	require.NoError(t, r.PreemptInstance(*mine.Id))
	require.NoError(t, r.PreemptInstance(*foreign.Id))
	none, err := c.get(10)
	require.NoError(t, err)
	require.Empty(t, none, "events take a while")
	maintenance, err := r.ScheduleMaintenance(ocisim.MaintenanceSpec{InstanceID: *mine.Id, StartsAfter: time.Hour})
	require.NoError(t, err)
	require.NoError(t, r.EndMaintenance(maintenance, "CANCELED"))
	r.clock.Step(2 * time.Second)
	events := lo.Map(c.drain(), func(text string, _ int) (e ocisim.Event) {
		require.NoError(t, json.Unmarshal([]byte(text), &e))
		return e
	})
	byType := lo.KeyBy(events, func(e ocisim.Event) string { return e.EventType })
	require.Len(t, events, 3)
	require.Equal(t, *mine.Id, byType[ocisim.EventPreemption].Data.ResourceID)
	require.Equal(t, "TERMINATE", byType[ocisim.EventPreemption].Data.AdditionalDetails["preemptionAction"])
	require.Equal(t, "2026-11-01T12:00:01Z", byType[ocisim.EventPreemption].EventTime)
	require.Equal(t, *mine.Id, byType[ocisim.EventMaintenance].Data.AdditionalDetails["instanceId"])
	require.Equal(t, "2026-11-01T13:00:01Z", byType[ocisim.EventMaintenance].Data.AdditionalDetails["timeWindowStart"])
	require.Equal(t, "CANCELED", byType[ocisim.EventMaintenanceEnd].Data.AdditionalDetails["lifecycleState"])
	require.Nil(t, r.get(*mine.Id).TimeMaintenanceRebootDue)
	require.NoError(t, r.AddEventRule(ocisim.EventRule{CompartmentID: r.world.TenancyID, StreamID: r.world.StreamID}))
	third := r.mustLaunch(spot, func(d *core.LaunchInstanceDetails) { d.CompartmentId = &elsewhere })
	r.clock.Step(time.Second)
	require.NoError(t, r.PreemptInstance(*third.Id))
	r.clock.Step(2 * time.Second)
	require.Len(t, c.drain(), 1, "a rule of the tenancy sees every compartment, and no other rule this one")
}
