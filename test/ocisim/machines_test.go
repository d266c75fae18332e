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

func TestSizesBeyondOneSocketAreNeitherPreemptibleNorBurstableNorNarrow(t *testing.T) {
	r := newRegion(t, ocisim.Options{})
	size := func(ocpus, memoryGB float32, more ...func(*core.LaunchInstanceDetails)) func(*core.LaunchInstanceDetails) {
		return func(d *core.LaunchInstanceDetails) {
			d.Shape, d.ShapeConfig = lo.ToPtr("VM.Standard.E4.Flex"), &core.LaunchInstanceShapeConfigDetails{Ocpus: &ocpus, MemoryInGBs: &memoryGB}
			for _, m := range more {
				m(d)
			}
		}
	}
	spot := func(d *core.LaunchInstanceDetails) {
		d.PreemptibleInstanceConfig = &core.PreemptibleInstanceConfigDetails{PreemptionAction: core.TerminatePreemptionAction{}}
	}
	burst := func(d *core.LaunchInstanceDetails) {
		d.ShapeConfig.BaselineOcpuUtilization = core.LaunchInstanceShapeConfigDetailsBaselineOcpuUtilization2
	}
	i := r.mustLaunch(size(114, 1760))
	require.EqualValues(t, 1760, *i.ShapeConfig.MemoryInGBs)
	for message, change := range map[string]func(*core.LaunchInstanceDetails){
		"Preemptible instances cannot have": size(114, 1760, spot), "Burstable instances cannot have": size(114, 1760, burst), "27 is too few": size(27, 1100), "is not a whole number within": size(114, 1761),
	} {
		_, err := r.launch(change)
		requireError(t, err, http.StatusBadRequest, "InvalidParameter", message)
	}
}

func TestAVolumeIsEncryptedWithAKeyThatIsThere(t *testing.T) {
	r := newRegion(t, ocisim.Options{})
	key, err := r.AddKey("volumes", "")
	require.NoError(t, err)
	boot := func(id string) func(*core.LaunchInstanceDetails) {
		return func(d *core.LaunchInstanceDetails) {
			d.SourceDetails = core.InstanceSourceViaImageDetails{ImageId: &r.imageID, KmsKeyId: &id}
		}
	}
	data := func(id string) func(*core.LaunchInstanceDetails) {
		return func(d *core.LaunchInstanceDetails) {
			d.LaunchVolumeAttachments = []core.LaunchAttachVolumeDetails{core.LaunchAttachParavirtualizedVolumeDetails{
				LaunchCreateVolumeDetails: core.LaunchCreateVolumeFromAttributes{SizeInGBs: lo.ToPtr(int64(50)), KmsKeyId: &id},
			}}
		}
	}
	i := r.mustLaunch(boot(key), data(key))
	for _, volume := range r.Volumes() {
		require.Equal(t, key, volume.KMSKeyID)
	}
	asked, known := r.LaunchOf(*i.Id)
	require.True(t, known)
	require.Len(t, asked.LaunchVolumeAttachments, 1)
	_, err = r.launch(boot("ocid1.key.oc1.phx.vault.none"))
	requireError(t, err, http.StatusBadRequest, "RelatedResourceNotAuthorizedOrNotFound", "key")
	require.NoError(t, r.SetKeyState(key, "DISABLED"))
	_, err = r.launch(data(key))
	requireError(t, err, http.StatusBadRequest, "InvalidParameter", "is DISABLED")
}

func TestAnInstanceHasAnIPv6AddressWhereItsSubnetHasAPrefix(t *testing.T) {
	r := newRegion(t, ocisim.Options{IPFamilies: []string{"IPv4", "IPv6"}})
	both := func(d *core.LaunchInstanceDetails) { d.CreateVnicDetails.AssignIpv6Ip = lo.ToPtr(true) }
	first, second := r.mustLaunch(both), r.mustLaunch(both)
	require.Len(t, r.Addresses(*first.Id), 2)
	require.NotEqual(t, r.Addresses(*first.Id), r.Addresses(*second.Id))
	require.Len(t, r.Addresses(*r.mustLaunch().Id), 1, "only where it is asked for")
	listed, err := r.network.ListIpv6s(context.Background(), core.ListIpv6sRequest{SubnetId: &r.world.NodeSubnetIDs[0]})
	require.NoError(t, err)
	require.Equal(t, r.Addresses(*first.Id)[1], *listed.Items[0].IpAddress)
	plain, err := r.AddSubnet(ocisim.SubnetSpec{Name: "plain", CIDR: "10.0.250.0/29"})
	require.NoError(t, err)
	_, err = r.launch(both, func(d *core.LaunchInstanceDetails) { d.CreateVnicDetails.SubnetId = &plain })
	requireError(t, err, http.StatusBadRequest, "InvalidParameter", "has no IPv6 prefix")
	for _, prefix := range []string{"10.0.250.8/29", "2603:c020::/56", "2603:c020::1/64", "six"} {
		_, err = r.AddSubnet(ocisim.SubnetSpec{Name: "wrong", CIDR: "10.0.250.16/29", IPv6CIDR: prefix})
		require.Error(t, err, prefix)
	}
}

func TestADedicatedHostTakesOrdinaryVirtualMachines(t *testing.T) {
	r := newRegion(t, ocisim.Options{})
	host, err := r.AddDedicatedVMHost(ocisim.PlaceSpec{Labelled: ocisim.Labelled{Name: "host"}, AvailabilityDomain: r.world.ADs[0]})
	require.NoError(t, err)
	on := func(d *core.LaunchInstanceDetails) { d.DedicatedVmHostId = &host }
	r.mustLaunch(on)
	_, err = r.launch(on, func(d *core.LaunchInstanceDetails) { d.Shape, d.ShapeConfig = lo.ToPtr("BM.Standard.E5.192"), nil })
	requireError(t, err, http.StatusBadRequest, "InvalidParameter", "is not a virtual machine")
	_, err = r.launch(on, func(d *core.LaunchInstanceDetails) {
		d.ShapeConfig.BaselineOcpuUtilization = core.LaunchInstanceShapeConfigDetailsBaselineOcpuUtilization2
	})
	requireError(t, err, http.StatusBadRequest, "InvalidParameter", "burstable")
}
