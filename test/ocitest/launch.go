package ocitest

import (
	"strings"

	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/core"
	"github.com/samber/lo"
	"github.com/stretchr/testify/require"

	"github.com/karpenter-oke/karpenter-oke/pkg/oci"
)

// Launch starts a small instance with a data volume and these freeform tags, as some other program than the controller would. It returns
// the instance as OCI answered it and the work request's OCID.
func (r *Region) Launch(name string, tags map[string]string, changes ...func(*core.LaunchInstanceDetails)) (core.Instance, string) {
	r.t.Helper()
	details := core.LaunchInstanceDetails{
		AvailabilityDomain: &r.World.ADs[0], CompartmentId: &r.World.CompartmentID, Shape: lo.ToPtr("VM.Standard.E5.Flex"), DisplayName: &name,
		ShapeConfig:       &core.LaunchInstanceShapeConfigDetails{Ocpus: lo.ToPtr(float32(2)), MemoryInGBs: lo.ToPtr(float32(16))},
		CreateVnicDetails: &core.CreateVnicDetails{SubnetId: &r.World.NodeSubnetIDs[0]},
		SourceDetails:     core.InstanceSourceViaImageDetails{ImageId: lo.ToPtr(r.anImage())},
		LaunchVolumeAttachments: []core.LaunchAttachVolumeDetails{core.LaunchAttachParavirtualizedVolumeDetails{
			LaunchCreateVolumeDetails: core.LaunchCreateVolumeFromAttributes{SizeInGBs: lo.ToPtr(int64(50))},
		}},
		FreeformTags: tags,
	}
	for _, change := range changes {
		change(&details)
	}
	launched, workRequest, err := r.Client.LaunchInstance(r.t.Context(), details, common.RetryToken())
	require.NoError(r.t, err)
	return launched, workRequest
}

// anImage is any image of the region that runs on x86.
func (r *Region) anImage() string {
	r.t.Helper()
	if r.image == "" {
		images, err := r.Client.ListImages(r.t.Context(), r.World.ImageCompartmentID)
		require.NoError(r.t, err)
		image, found := lo.Find(images, func(i core.Image) bool {
			return !strings.Contains(oci.Value(i.DisplayName), "aarch64") && !strings.Contains(oci.Value(i.DisplayName), "GPU")
		})
		require.True(r.t, found)
		r.image = oci.Value(image.Id)
	}
	return r.image
}

// Left are the boot volumes, data volumes and VNICs that exist now, by OCID: what instances that have ended should not leave behind.
func (r *Region) Left() (bootVolumes, volumes, vnics []string) {
	r.t.Helper()
	provider, err := r.ConfigurationProvider()
	require.NoError(r.t, err)
	storage, err := core.NewBlockstorageClientWithConfigurationProvider(provider)
	require.NoError(r.t, err)
	storage.Host = r.URL
	compute, err := core.NewComputeClientWithConfigurationProvider(provider)
	require.NoError(r.t, err)
	compute.Host = r.URL
	ctx, compartment := r.t.Context(), &r.World.CompartmentID
	boots, err := storage.ListBootVolumes(ctx, core.ListBootVolumesRequest{CompartmentId: compartment, Limit: lo.ToPtr(1000)})
	require.NoError(r.t, err)
	data, err := storage.ListVolumes(ctx, core.ListVolumesRequest{CompartmentId: compartment, Limit: lo.ToPtr(1000)})
	require.NoError(r.t, err)
	links, err := compute.ListVnicAttachments(ctx, core.ListVnicAttachmentsRequest{CompartmentId: compartment, Limit: lo.ToPtr(1000)})
	require.NoError(r.t, err)
	for _, b := range boots.Items {
		if b.LifecycleState != core.BootVolumeLifecycleStateTerminated {
			bootVolumes = append(bootVolumes, oci.Value(b.Id))
		}
	}
	for _, v := range data.Items {
		if v.LifecycleState != core.VolumeLifecycleStateTerminated {
			volumes = append(volumes, oci.Value(v.Id))
		}
	}
	for _, l := range links.Items {
		if l.LifecycleState != core.VnicAttachmentLifecycleStateDetached {
			vnics = append(vnics, oci.Value(l.VnicId))
		}
	}
	return bootVolumes, volumes, vnics
}
