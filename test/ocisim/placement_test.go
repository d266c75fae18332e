package ocisim_test

import (
	"context"
	"net/http"
	"testing"

	"github.com/oracle/oci-go-sdk/v65/core"
	"github.com/samber/lo"
	"github.com/stretchr/testify/require"

	"github.com/karpenter-oke/karpenter-oke/test/ocisim"
)

func TestALaunchIsHeldAgainstItsHostAndItsGroup(t *testing.T) {
	r := newRegion(t, ocisim.Options{})
	host, err := r.AddDedicatedVMHost(ocisim.PlaceSpec{Labelled: ocisim.Labelled{Name: "host"}, AvailabilityDomain: r.world.ADs[0]})
	require.NoError(t, err)
	group, err := r.AddClusterPlacementGroup(ocisim.PlaceSpec{Labelled: ocisim.Labelled{Name: "group"}, AvailabilityDomain: r.world.ADs[0]})
	require.NoError(t, err)
	on := func(host, group *string, ad string) func(*core.LaunchInstanceDetails) {
		return func(d *core.LaunchInstanceDetails) {
			d.DedicatedVmHostId, d.ClusterPlacementGroupId, d.AvailabilityDomain = host, group, &ad
		}
	}
	_, err = r.launch(on(&host, &group, r.world.ADs[0]))
	require.NoError(t, err)
	_, err = r.launch(on(&host, nil, r.world.ADs[1]))
	requireError(t, err, http.StatusBadRequest, "InvalidParameter", "is not in availability domain")
	_, err = r.launch(on(nil, &group, r.world.ADs[1]))
	requireError(t, err, http.StatusBadRequest, "InvalidParameter", "is not in availability domain")
	_, err = r.launch(on(lo.ToPtr("ocid1.dedicatedvmhost.oc1.phx.none"), nil, r.world.ADs[0]))
	requireError(t, err, http.StatusBadRequest, "RelatedResourceNotAuthorizedOrNotFound", "dedicated VM host")
}

func TestHowFullASubnetIsIsAPercentage(t *testing.T) {
	r := newRegion(t, ocisim.Options{})
	id, err := r.AddSubnet(ocisim.SubnetSpec{Name: "tiny", CIDR: "10.0.250.0/29"}) // 5 addresses
	require.NoError(t, err)
	r.mustLaunch(func(d *core.LaunchInstanceDetails) { d.CreateVnicDetails.SubnetId = &id })
	answer, err := r.network.GetSubnetCidrUtilization(context.Background(), core.GetSubnetCidrUtilizationRequest{SubnetId: &id})
	require.NoError(t, err)
	require.InDelta(t, 20, *answer.IpInventoryCidrUtilizationSummary[0].Utilization, 0.001)
}
