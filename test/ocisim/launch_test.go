package ocisim_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/oracle/oci-go-sdk/v65/core"
	"github.com/samber/lo"
	"github.com/stretchr/testify/require"

	"github.com/karpenter-oke/karpenter-oke/test/ocisim"
)

type change = func(*core.LaunchInstanceDetails)

func shaped(shape string, ocpus, gb float32) change {
	return func(d *core.LaunchInstanceDetails) {
		d.Shape, d.ShapeConfig = &shape, &core.LaunchInstanceShapeConfigDetails{Ocpus: &ocpus, MemoryInGBs: &gb}
	}
}

func source(edit func(*core.InstanceSourceViaImageDetails)) change {
	return func(d *core.LaunchInstanceDetails) {
		s := d.SourceDetails.(core.InstanceSourceViaImageDetails)
		edit(&s)
		d.SourceDetails = s
	}
}

func TestALaunchThatCannotWorkIsRefusedAsOCIDoes(t *testing.T) {
	r := newRegion(t, ocisim.Options{})
	elsewhere, err := r.AddSubnet(ocisim.SubnetSpec{Name: "ad2", CIDR: "10.0.240.0/24", AvailabilityDomain: r.world.ADs[1]})
	require.NoError(t, err)
	require.NoError(t, r.SetShapeOffered("VM.Standard.A1.Flex", r.world.ADs[0], false))
	cases := map[string]struct {
		change  change
		status  int
		code    string
		message string
	}{
		"an unknown availability domain":             {func(d *core.LaunchInstanceDetails) { d.AvailabilityDomain = lo.ToPtr("PHX-AD-1") }, 400, "InvalidParameter", "PHX-AD-1"},
		"an unknown fault domain":                    {func(d *core.LaunchInstanceDetails) { d.FaultDomain = lo.ToPtr("FAULT-DOMAIN-4") }, 400, "InvalidParameter", "FAULT-DOMAIN-4"},
		"an unknown compartment":                     {func(d *core.LaunchInstanceDetails) { d.CompartmentId = lo.ToPtr("ocid1.compartment.oc1..x") }, 404, "NotAuthorizedOrNotFound", "ocid1.compartment.oc1..x"},
		"no shape":                                   {func(d *core.LaunchInstanceDetails) { d.Shape = nil }, 400, "MissingParameter", "shape"},
		"an unknown shape":                           {shaped("VM.Standard.E9.Flex", 1, 8), 404, "NotAuthorizedOrNotFound", "shape VM.Standard.E9.Flex not found"},
		"a shape the AD does not have":               {shaped("VM.Standard.A1.Flex", 1, 8), 404, "NotAuthorizedOrNotFound", "shape VM.Standard.A1.Flex not found"},
		"a flexible shape without size":              {func(d *core.LaunchInstanceDetails) { d.ShapeConfig = nil }, 400, "InvalidParameter", "shapeConfig.ocpus is required"},
		"too many OCPUs":                             {shaped("VM.Standard.E5.Flex", 127, 200), 400, "InvalidParameter", "ocpus 127"},
		"half an OCPU":                               {shaped("VM.Standard.E5.Flex", 1.5, 16), 400, "InvalidParameter", "ocpus 1.5"},
		"less than 1 GB per OCPU":                    {shaped("VM.Standard.E5.Flex", 4, 3), 400, "InvalidParameter", "memoryInGBs 3"},
		"more than 64 GB per OCPU":                   {shaped("VM.Standard.E5.Flex", 1, 65), 400, "InvalidParameter", "memoryInGBs 65"},
		"a DenseIO size between the documented ones": {shaped("VM.DenseIO.E4.Flex", 9, 144), 400, "InvalidParameter", "not available"},
		"a size for a fixed shape":                   {shaped("VM.Standard2.1", 2, 15), 400, "InvalidParameter", "fixed shape"},
		"a baseline the shape does not know": {func(d *core.LaunchInstanceDetails) {
			shaped("VM.Standard.E6.Flex", 1, 8)(d)
			d.ShapeConfig.BaselineOcpuUtilization = core.LaunchInstanceShapeConfigDetailsBaselineOcpuUtilization8
		}, 400, "InvalidParameter", "BASELINE_1_8"},
		"no image":                        {source(func(s *core.InstanceSourceViaImageDetails) { s.ImageId = nil }), 400, "MissingParameter", "imageId"},
		"an unknown image":                {source(func(s *core.InstanceSourceViaImageDetails) { s.ImageId = lo.ToPtr("ocid1.image.oc1.phx.x") }), 400, "RelatedResourceNotAuthorizedOrNotFound", "ocid1.image.oc1.phx.x"},
		"an image of another CPU":         {shaped("VM.Standard.A2.Flex", 1, 8), 400, "InvalidParameter", "not valid for image"},
		"a plain image on a GPU":          {func(d *core.LaunchInstanceDetails) { d.Shape, d.ShapeConfig = lo.ToPtr("VM.GPU.A10.1"), nil }, 400, "InvalidParameter", "not valid for image"},
		"a small boot volume":             {source(func(s *core.InstanceSourceViaImageDetails) { s.BootVolumeSizeInGBs = lo.ToPtr(int64(49)) }), 400, "InvalidParameter", "49"},
		"odd boot volume VPUs":            {source(func(s *core.InstanceSourceViaImageDetails) { s.BootVolumeVpusPerGB = lo.ToPtr(int64(15)) }), 400, "InvalidParameter", "15"},
		"no subnet":                       {func(d *core.LaunchInstanceDetails) { d.CreateVnicDetails = nil }, 400, "MissingParameter", "subnetId"},
		"an unknown subnet":               {func(d *core.LaunchInstanceDetails) { d.CreateVnicDetails.SubnetId = lo.ToPtr("ocid1.subnet.oc1.phx.x") }, 400, "RelatedResourceNotAuthorizedOrNotFound", "ocid1.subnet.oc1.phx.x"},
		"a subnet of another AD":          {func(d *core.LaunchInstanceDetails) { d.CreateVnicDetails.SubnetId = &elsewhere }, 400, "InvalidParameter", "does not match"},
		"an unknown NSG":                  {func(d *core.LaunchInstanceDetails) { d.CreateVnicDetails.NsgIds = []string{"ocid1.nsg.x"} }, 400, "RelatedResourceNotAuthorizedOrNotFound", "ocid1.nsg.x"},
		"a public IP on a private subnet": {func(d *core.LaunchInstanceDetails) { d.CreateVnicDetails.AssignPublicIp = lo.ToPtr(true) }, 400, "InvalidParameter", "assignPublicIp"},
		"metadata above 32,000 bytes": {func(d *core.LaunchInstanceDetails) {
			d.Metadata, d.ExtendedMetadata = map[string]string{"user_data": strings.Repeat("x", 31_000)}, map[string]any{"more": strings.Repeat("y", 1_000)}
		}, 400, "InvalidParameter", "32000"},
		"eleven freeform tags": {func(d *core.LaunchInstanceDetails) {
			for n := range 11 {
				d.FreeformTags[fmt.Sprint("key", n)] = "v"
			}
		}, 400, "InvalidParameter", "at most 10"},
		"a tag key above 100 characters": {func(d *core.LaunchInstanceDetails) { d.FreeformTags = map[string]string{strings.Repeat("k", 101): "v"} }, 400, "InvalidParameter", "freeform tag"},
		"a preemptible bare metal shape": {func(d *core.LaunchInstanceDetails) {
			d.Shape, d.ShapeConfig = lo.ToPtr("BM.Standard.E5.192"), nil
			asSpot(d)
		}, 400, "InvalidParameter", "preemptible"},
		"a preemptible burstable one":     {func(d *core.LaunchInstanceDetails) { asSpot(d); d.ShapeConfig.BaselineOcpuUtilization = "BASELINE_1_2" }, 400, "InvalidParameter", "burstable"},
		"an unknown capacity reservation": {func(d *core.LaunchInstanceDetails) { d.CapacityReservationId = lo.ToPtr("ocid1.capacityreservation.x") }, 400, "RelatedResourceNotAuthorizedOrNotFound", "ocid1.capacityreservation.x"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := r.launch(c.change)
			requireError(t, err, c.status, c.code, c.message)
		})
	}
	require.Empty(t, r.Instances(), "a refused launch leaves nothing")
	subnet := r.privateIPs(r.world.NodeSubnetIDs[0])
	require.Empty(t, subnet, "a refused launch takes no address")
}

func (r *region) privateIPs(subnet string) []core.PrivateIp {
	r.t.Helper()
	answer, err := r.network.ListPrivateIps(ctx, core.ListPrivateIpsRequest{SubnetId: &subnet})
	require.NoError(r.t, err)
	return answer.Items
}

func TestALaunchOfExactly32000BytesOfMetadataIsAccepted(t *testing.T) {
	r := newRegion(t, ocisim.Options{})
	r.mustLaunch(func(d *core.LaunchInstanceDetails) {
		d.Metadata = map[string]string{"user_data": strings.Repeat("x", 32_000-len("user_data"))}
	})
}

func TestSizesAreWorkedOutFromTheShape(t *testing.T) {
	cases := map[string]struct {
		change      change
		gb          float32
		vcpus, vnic int
	}{
		"memory defaults to the shape's share per OCPU": {func(d *core.LaunchInstanceDetails) { d.ShapeConfig.MemoryInGBs = nil }, 24, 4, 2},
		"eight OCPUs of E5 carry eight VNICs":           {shaped("VM.Standard.E5.Flex", 8, 64), 64, 16, 8},
		"an OCPU of A1 is one vCPU":                     {arm("VM.Standard.A1.Flex", 4, 24), 24, 4, 4},
		"an OCPU of A2 is two vCPUs":                    {arm("VM.Standard.A2.Flex", 4, 24), 24, 8, 4},
		"vCPUs stand for OCPUs": {func(d *core.LaunchInstanceDetails) {
			d.ShapeConfig = &core.LaunchInstanceShapeConfigDetails{Vcpus: lo.ToPtr(6), MemoryInGBs: lo.ToPtr(float32(30))}
		}, 30, 6, 3},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			r := newRegion(t, ocisim.Options{})
			i := r.mustLaunch(withArmImage(r), c.change)
			require.Equal(t, c.gb, *i.ShapeConfig.MemoryInGBs)
			require.Equal(t, c.vcpus, *i.ShapeConfig.Vcpus)
			require.Equal(t, c.vnic, *i.ShapeConfig.MaxVnicAttachments)
		})
	}
}

func arm(shape string, ocpus, gb float32) change {
	return func(d *core.LaunchInstanceDetails) {
		shaped(shape, ocpus, gb)(d)
		source(func(s *core.InstanceSourceViaImageDetails) { s.ImageId = d.ImageId })(d)
	}
}

// withArmImage puts an arm image where arm finds it; the launch reads sourceDetails first.
func withArmImage(r *region) change {
	images := lo.Must(r.compute.ListImages(ctx, core.ListImagesRequest{CompartmentId: &r.world.ImageCompartmentID, Shape: lo.ToPtr("VM.Standard.A1.Flex")}))
	return func(d *core.LaunchInstanceDetails) { d.ImageId = images.Items[0].Id }
}

func TestARetryTokenLaunchesOnce(t *testing.T) {
	r := newRegion(t, ocisim.Options{})
	send := func(token string, change ...change) (core.LaunchInstanceResponse, error) {
		return r.compute.LaunchInstance(ctx, core.LaunchInstanceRequest{OpcRetryToken: &token, LaunchInstanceDetails: r.launchDetails(change...)})
	}
	first, err := send("one")
	require.NoError(t, err)
	again, err := send("one")
	require.NoError(t, err)
	require.Equal(t, *first.Id, *again.Id)
	other, err := send("two")
	require.NoError(t, err)
	require.NotEqual(t, *first.Id, *other.Id)
	require.Len(t, r.Instances(), 2)

	_, err = send("one", func(d *core.LaunchInstanceDetails) { d.DisplayName = lo.ToPtr("another") })
	requireError(t, err, 409, "InvalidatedRetryToken", "different request body")

	require.NoError(t, r.TerminateInstance(*first.Id))
	r.run()
	_, err = send("one")
	requireError(t, err, 409, "InvalidatedRetryToken", "terminated")

	r.clock.Step(24 * time.Hour)
	fresh, err := send("two")
	require.NoError(t, err)
	require.NotEqual(t, *other.Id, *fresh.Id, "a token is forgotten after 24 hours")
}

func TestAFailedLaunchLeavesItsRetryTokenFree(t *testing.T) {
	r := newRegion(t, ocisim.Options{})
	_, err := r.Faults().Add(ocisim.Fault{Kind: ocisim.OutOfHostCapacity, Times: 1})
	require.NoError(t, err)
	request := core.LaunchInstanceRequest{OpcRetryToken: lo.ToPtr("token"), LaunchInstanceDetails: r.launchDetails()}
	_, err = r.compute.LaunchInstance(ctx, request)
	requireError(t, err, 500, "InternalError", "Out of host capacity")
	_, err = r.compute.LaunchInstance(ctx, request)
	require.NoError(t, err)
}

func TestASubnetRunsOutOfAddressesAndGetsThemBack(t *testing.T) {
	r := newRegion(t, ocisim.Options{})
	tiny, err := r.AddSubnet(ocisim.SubnetSpec{Name: "tiny", CIDR: "10.0.250.0/29"})
	require.NoError(t, err)
	inTiny := func(d *core.LaunchInstanceDetails) { d.CreateVnicDetails.SubnetId = &tiny }
	var first string
	var addresses []string
	for n := range 5 { // 8 addresses, three of them OCI's
		i := r.mustLaunch(inTiny)
		if n == 0 {
			first = *i.Id
		}
		addresses = append(addresses, *r.vnicOf(*i.Id).PrivateIp)
	}
	require.Equal(t, []string{"10.0.250.2", "10.0.250.3", "10.0.250.4", "10.0.250.5", "10.0.250.6"}, addresses)
	_, err = r.launch(inTiny)
	requireError(t, err, 400, "LimitExceeded", tiny)
	require.Len(t, r.Instances(), 5)

	require.NoError(t, r.TerminateInstance(first))
	r.run()
	again := r.mustLaunch(inTiny)
	require.Equal(t, "10.0.250.2", *r.vnicOf(*again.Id).PrivateIp)
	_, err = r.AddSubnet(ocisim.SubnetSpec{Name: "over", CIDR: "10.0.250.0/28"})
	require.ErrorContains(t, err, "overlaps")
}

func TestAnAddressIsNotReusedAtOnce(t *testing.T) {
	r := newRegion(t, ocisim.Options{})
	a := r.mustLaunch()
	require.NoError(t, r.TerminateInstance(*a.Id))
	r.run()
	b := r.mustLaunch()
	require.Equal(t, "10.0.16.3", *r.vnicOf(*b.Id).PrivateIp)
}

func TestSecondaryVNICsStayWithinTheShape(t *testing.T) {
	r := newRegion(t, ocisim.Options{})
	i := r.mustLaunch()
	attach := func() (core.AttachVnicResponse, error) {
		return r.compute.AttachVnic(ctx, core.AttachVnicRequest{AttachVnicDetails: core.AttachVnicDetails{InstanceId: i.Id,
			CreateVnicDetails: &core.CreateVnicDetails{SubnetId: &r.world.PodSubnetIDs[0]}}})
	}
	_, err := attach()
	requireError(t, err, 409, "IncorrectState", "PROVISIONING")
	r.run()
	link, err := attach()
	require.NoError(t, err)
	require.Equal(t, core.VnicAttachmentLifecycleStateAttaching, link.LifecycleState)
	_, err = attach()
	requireError(t, err, 400, "LimitExceeded", "2 VNICs")

	_, err = r.network.CreatePrivateIp(ctx, core.CreatePrivateIpRequest{CreatePrivateIpDetails: core.CreatePrivateIpDetails{VnicId: link.VnicId}})
	require.NoError(t, err)
	require.Len(t, r.privateIPs(r.world.PodSubnetIDs[0]), 2)
	_, err = r.compute.DetachVnic(ctx, core.DetachVnicRequest{VnicAttachmentId: link.Id})
	require.NoError(t, err)
	r.run()
	require.Empty(t, r.privateIPs(r.world.PodSubnetIDs[0]))
}
