package ocisim_test

import (
	"testing"

	"github.com/oracle/oci-go-sdk/v65/containerengine"
	"github.com/oracle/oci-go-sdk/v65/core"
	"github.com/oracle/oci-go-sdk/v65/identity"
	"github.com/samber/lo"
	"github.com/stretchr/testify/require"

	"github.com/karpenter-oke/karpenter-oke/test/ocisim"
)

func TestAComputeClusterTakesInstancesOfItsAD(t *testing.T) {
	r := newRegion(t, ocisim.Options{})
	id, err := r.AddComputeCluster("rdma", r.world.ADs[1])
	require.NoError(t, err)
	listed, err := r.compute.ListComputeClusters(ctx, core.ListComputeClustersRequest{CompartmentId: &r.world.CompartmentID})
	require.NoError(t, err)
	require.Equal(t, id, *listed.Items[0].Id, "this list is wrapped in items")
	got, err := r.compute.GetComputeCluster(ctx, core.GetComputeClusterRequest{ComputeClusterId: &id})
	require.NoError(t, err)
	require.Equal(t, r.world.ADs[1], *got.AvailabilityDomain)

	inside := func(d *core.LaunchInstanceDetails) {
		d.ComputeClusterId, d.Shape, d.ShapeConfig = &id, lo.ToPtr("BM.Optimized3.36"), nil
	}
	_, err = r.launch(inside)
	requireError(t, err, 400, "InvalidParameter", "not in availability domain")
	i := r.mustLaunch(inside, func(d *core.LaunchInstanceDetails) { d.AvailabilityDomain = &r.world.ADs[1] })
	r.mustLaunch()
	_, err = r.launch(func(d *core.LaunchInstanceDetails) {
		d.ComputeClusterId, d.AvailabilityDomain = &id, &r.world.ADs[1]
	})
	requireError(t, err, 400, "InvalidParameter", "VM.Standard.E5.Flex has no RDMA network")
	members := r.list(func(q *core.ListInstancesRequest) { q.ComputeClusterId = &id })
	require.Len(t, members, 1)
	require.Equal(t, *i.Id, *members[0].Id)
}

func TestSingleResourcesAreFoundOrNot(t *testing.T) {
	r := newRegion(t, ocisim.Options{})
	i := r.mustLaunch()
	r.run()
	link := lo.Must(r.compute.ListVnicAttachments(ctx, core.ListVnicAttachmentsRequest{CompartmentId: &r.world.CompartmentID})).Items[0]
	address := r.privateIPs(r.world.NodeSubnetIDs[0])[0]
	unknown := lo.ToPtr("ocid1.x.oc1.phx.unknown")
	cases := map[string]func(id *string) error{
		"instance": func(id *string) error {
			_, err := r.compute.GetInstance(ctx, core.GetInstanceRequest{InstanceId: id})
			return err
		},
		"image": func(id *string) error {
			_, err := r.compute.GetImage(ctx, core.GetImageRequest{ImageId: id})
			return err
		},
		"subnet": func(id *string) error {
			_, err := r.network.GetSubnet(ctx, core.GetSubnetRequest{SubnetId: id})
			return err
		},
		"vcn": func(id *string) error { _, err := r.network.GetVcn(ctx, core.GetVcnRequest{VcnId: id}); return err },
		"security group": func(id *string) error {
			_, err := r.network.GetNetworkSecurityGroup(ctx, core.GetNetworkSecurityGroupRequest{NetworkSecurityGroupId: id})
			return err
		},
		"VNIC attachment": func(id *string) error {
			_, err := r.compute.GetVnicAttachment(ctx, core.GetVnicAttachmentRequest{VnicAttachmentId: id})
			return err
		},
		"private IP": func(id *string) error {
			_, err := r.network.GetPrivateIp(ctx, core.GetPrivateIpRequest{PrivateIpId: id})
			return err
		},
		"tenancy": func(id *string) error {
			_, err := r.who.GetTenancy(ctx, identity.GetTenancyRequest{TenancyId: id})
			return err
		},
		"cluster": func(id *string) error {
			_, err := r.oke.GetCluster(ctx, containerengine.GetClusterRequest{ClusterId: id})
			return err
		},
		"virtual node pool": func(id *string) error {
			_, err := r.oke.GetVirtualNodePool(ctx, containerengine.GetVirtualNodePoolRequest{VirtualNodePoolId: id})
			return err
		},
	}
	known := map[string]*string{"instance": i.Id, "image": &r.imageID, "subnet": &r.world.NodeSubnetIDs[0], "vcn": &r.world.VCNID, "security group": &r.world.NSGIDs[0],
		"VNIC attachment": link.Id, "private IP": address.Id, "tenancy": &r.world.TenancyID, "cluster": &r.world.ClusterID, "virtual node pool": &r.world.VirtualNodePoolIDs[0]}
	for name, get := range cases {
		t.Run(name, func(t *testing.T) {
			require.NoError(t, get(known[name]))
			requireError(t, get(unknown), 404, "NotAuthorizedOrNotFound", *unknown)
		})
	}
}

func TestAddonsAndImageShapesAreListed(t *testing.T) {
	r := newRegion(t, ocisim.Options{CNI: ocisim.CNIFlannel})
	addons, err := r.oke.ListAddons(ctx, containerengine.ListAddonsRequest{ClusterId: &r.world.ClusterID})
	require.NoError(t, err)
	require.Equal(t, []string{"CoreDNS", "KubeProxy", "Flannel"}, lo.Map(addons.Items, func(a containerengine.AddonSummary, _ int) string { return *a.Name }))
	shapes, err := r.compute.ListImageShapeCompatibilityEntries(ctx, core.ListImageShapeCompatibilityEntriesRequest{ImageId: &r.imageID})
	require.NoError(t, err)
	names := lo.Map(shapes.Items, func(e core.ImageShapeCompatibilitySummary, _ int) string { return *e.Shape })
	require.Contains(t, names, "BM.Standard.E5.192")
	require.NotContains(t, names, "VM.Standard.A1.Flex")
}

func TestABootVolumeThatWasKeptCanBeDeleted(t *testing.T) {
	r := newRegion(t, ocisim.Options{})
	i := r.mustLaunch()
	r.run()
	boot := r.bootVolumeOf(*i.Id)
	remove := func() error {
		_, err := r.storage.DeleteBootVolume(ctx, core.DeleteBootVolumeRequest{BootVolumeId: boot.Id})
		return err
	}
	requireError(t, remove(), 409, "IncorrectState", "attached")
	_, err := r.compute.TerminateInstance(ctx, core.TerminateInstanceRequest{InstanceId: i.Id, PreserveBootVolume: lo.ToPtr(true)})
	require.NoError(t, err)
	r.run()
	require.NoError(t, remove())
	requireError(t, remove(), 404, "NotAuthorizedOrNotFound", *boot.Id)
	all, err := r.storage.ListBootVolumes(ctx, core.ListBootVolumesRequest{CompartmentId: &r.world.CompartmentID, AvailabilityDomain: i.AvailabilityDomain})
	require.NoError(t, err)
	require.Equal(t, core.BootVolumeLifecycleStateTerminated, all.Items[0].LifecycleState)
}
