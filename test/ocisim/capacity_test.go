package ocisim_test

import (
	"testing"

	"github.com/oracle/oci-go-sdk/v65/core"
	"github.com/oracle/oci-go-sdk/v65/limits"
	"github.com/samber/lo"
	"github.com/stretchr/testify/require"

	"github.com/karpenter-oke/karpenter-oke/test/ocisim"
)

func (r *region) availability(shape string, ocpus float32, fd *string) string {
	r.t.Helper()
	answer, err := r.compute.CreateComputeCapacityReport(ctx, core.CreateComputeCapacityReportRequest{CreateComputeCapacityReportDetails: core.CreateComputeCapacityReportDetails{
		CompartmentId: &r.world.TenancyID, AvailabilityDomain: &r.world.ADs[0], ShapeAvailabilities: []core.CreateCapacityReportShapeAvailabilityDetails{
			{InstanceShape: &shape, FaultDomain: fd, InstanceShapeConfig: &core.CapacityReportInstanceShapeConfig{Ocpus: &ocpus, MemoryInGBs: lo.ToPtr(ocpus * 8)}}}}})
	require.NoError(r.t, err)
	require.Len(r.t, answer.ShapeAvailabilities, 1)
	return string(answer.ShapeAvailabilities[0].AvailabilityStatus)
}

func TestHostsRunOutAndCapacityReportsSaySo(t *testing.T) {
	r := newRegion(t, ocisim.Options{})
	require.NoError(t, r.SetHostCapacity(ocisim.HostCapacity{Shape: "*.Standard.E5.*", AvailabilityDomain: r.world.ADs[0], OCPUs: 5}))
	require.Equal(t, "AVAILABLE", r.availability("VM.Standard.E5.Flex", 5, nil))
	require.Equal(t, "OUT_OF_HOST_CAPACITY", r.availability("VM.Standard.E5.Flex", 6, nil))
	first := r.mustLaunch()
	r.mustLaunch()
	require.Equal(t, "AVAILABLE", r.availability("VM.Standard.E5.Flex", 1, nil))
	_, err := r.launch()
	requireError(t, err, 500, "InternalError", "Out of host capacity")
	r.mustLaunch(shaped("VM.Standard.E4.Flex", 8, 64))
	r.mustLaunch(func(d *core.LaunchInstanceDetails) { d.AvailabilityDomain = &r.world.ADs[1] })

	require.NoError(t, r.TerminateInstance(*first.Id))
	_, err = r.launch()
	requireError(t, err, 500, "InternalError", "Out of host capacity")
	r.run()
	r.mustLaunch()
	r.ClearHostCapacity()
	r.mustLaunch()
}

func TestALaunchWithoutFaultDomainGoesWhereThereIsRoom(t *testing.T) {
	r := newRegion(t, ocisim.Options{})
	for _, fd := range []string{"FAULT-DOMAIN-1", "FAULT-DOMAIN-3"} {
		require.NoError(t, r.SetHostCapacity(ocisim.HostCapacity{Shape: "VM.*", FaultDomain: fd, OCPUs: 0}))
	}
	for range 4 {
		require.Equal(t, "FAULT-DOMAIN-2", *r.mustLaunch().FaultDomain)
	}
	_, err := r.launch(func(d *core.LaunchInstanceDetails) { d.FaultDomain = lo.ToPtr("FAULT-DOMAIN-1") })
	requireError(t, err, 500, "InternalError", "Out of host capacity")
	require.Equal(t, "OUT_OF_HOST_CAPACITY", r.availability("VM.Standard.E5.Flex", 1, lo.ToPtr("FAULT-DOMAIN-1")))
}

func TestCapacityReportsKnowMissingHardwareAndScriptedShortage(t *testing.T) {
	r := newRegion(t, ocisim.Options{})
	require.NoError(t, r.SetShapeOffered("VM.Standard.A1.Flex", r.world.ADs[0], false))
	require.Equal(t, "HARDWARE_NOT_SUPPORTED", r.availability("VM.Standard.A1.Flex", 1, nil))
	r.fault(ocisim.Fault{Kind: ocisim.OutOfHostCapacity, Match: ocisim.Match{Shape: "VM.Standard.E4.Flex"}})
	require.Equal(t, "OUT_OF_HOST_CAPACITY", r.availability("VM.Standard.E4.Flex", 1, nil))
	require.Zero(t, r.Faults().List()[0].Hits, "asking is no hit")
	_, err := r.compute.CreateComputeCapacityReport(ctx, core.CreateComputeCapacityReportRequest{CreateComputeCapacityReportDetails: core.CreateComputeCapacityReportDetails{
		CompartmentId: &r.world.CompartmentID, AvailabilityDomain: &r.world.ADs[0], ShapeAvailabilities: []core.CreateCapacityReportShapeAvailabilityDetails{{InstanceShape: lo.ToPtr("VM.Standard.E5.Flex")}}}})
	requireError(t, err, 404, "NotAuthorizedOrNotFound", "tenancy")
}

func TestAReservationServesItsExactSizeUntilItIsFull(t *testing.T) {
	r := newRegion(t, ocisim.Options{})
	id, err := r.SetReservation(ocisim.ReservationSpec{Name: "gold", AvailabilityDomain: r.world.ADs[0], Shape: "VM.Standard.E5.Flex", OCPUs: 2, MemoryGB: 16, Count: 1})
	require.NoError(t, err)
	require.NoError(t, r.SetHostCapacity(ocisim.HostCapacity{Shape: "*", OCPUs: 0}))
	reserved := func(d *core.LaunchInstanceDetails) { d.CapacityReservationId = &id }
	_, err = r.launch(reserved, shaped("VM.Standard.E5.Flex", 2, 17))
	requireError(t, err, 500, "InternalError", "Out of host capacity")
	i := r.mustLaunch(reserved)
	_, err = r.launch(reserved)
	requireError(t, err, 500, "InternalError", "Out of host capacity")
	got, err := r.compute.GetComputeCapacityReservation(ctx, core.GetComputeCapacityReservationRequest{CapacityReservationId: &id})
	require.NoError(t, err)
	require.Equal(t, int64(1), *got.InstanceReservationConfigs[0].UsedCount)
	require.NoError(t, r.TerminateInstance(*i.Id))
	r.run()
	r.mustLaunch(reserved)
	_, err = r.SetReservation(ocisim.ReservationSpec{ID: id, Count: 2})
	require.NoError(t, err)
	r.mustLaunch(reserved)
	listed, err := r.compute.ListComputeCapacityReservations(ctx, core.ListComputeCapacityReservationsRequest{CompartmentId: &r.world.CompartmentID, AvailabilityDomain: &r.world.ADs[0]})
	require.NoError(t, err)
	require.Len(t, listed.Items, 1)
	require.Equal(t, int64(2), *listed.Items[0].UsedInstanceCount)
}

func TestServiceLimitsAndQuotasAreCountedFromTheInstances(t *testing.T) {
	r := newRegion(t, ocisim.Options{})
	require.NoError(t, r.SetLimit("standard-e5-core-count", r.world.ADs[0], 4))
	require.NoError(t, r.SetQuota("standard-e5-memory-count", "", 40))
	available := func(ad *string) limits.ResourceAvailability {
		answer, err := r.limits.GetResourceAvailability(ctx, limits.GetResourceAvailabilityRequest{ServiceName: lo.ToPtr("compute"), LimitName: lo.ToPtr("standard-e5-core-count"),
			CompartmentId: &r.world.TenancyID, AvailabilityDomain: ad})
		require.NoError(t, err)
		return answer.ResourceAvailability
	}
	require.Equal(t, int64(4), *available(&r.world.ADs[0]).Available)
	r.mustLaunch()
	require.Equal(t, int64(2), *available(&r.world.ADs[0]).Used)
	require.Equal(t, int64(2), *available(&r.world.ADs[0]).Available)
	_, err := r.launch(shaped("VM.Standard.E5.Flex", 3, 16))
	requireError(t, err, 400, "LimitExceeded", "exceeded: standard-e5-core-count.")
	_, err = r.launch(shaped("VM.Standard.E5.Flex", 2, 25))
	requireError(t, err, 400, "QuotaExceeded", "standard-e5-memory-count")
	values, err := r.limits.ListLimitValues(ctx, limits.ListLimitValuesRequest{CompartmentId: &r.world.TenancyID, ServiceName: lo.ToPtr("compute"), Name: lo.ToPtr("standard-e5-core-count")})
	require.NoError(t, err)
	require.Len(t, values.Items, 3, "one value for each AD")
	require.Equal(t, int64(4), *values.Items[0].Value)
	_, err = r.limits.GetResourceAvailability(ctx, limits.GetResourceAvailabilityRequest{ServiceName: lo.ToPtr("compute"), LimitName: lo.ToPtr("standard-e5-core-count"), CompartmentId: &r.world.TenancyID})
	requireError(t, err, 400, "InvalidParameter", "availabilityDomain")
	require.ErrorContains(t, r.SetLimit("no-such-limit", "", 1), "not known")
}
