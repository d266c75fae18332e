package ocisim

import (
	"net/http"
	"time"

	"github.com/oracle/oci-go-sdk/v65/core"
	"github.com/samber/lo"
)

// volumeLink is the attachment of a data volume. The API shows it as one of several kinds; this simulator makes paravirtualized ones.
type volumeLink struct {
	id, instanceID, volumeID string
	device                   string
	compartment, ad          string
	state                    core.VolumeAttachmentLifecycleStateEnum
	atLaunch                 bool
	created                  time.Time
}

func (l *volumeLink) render() core.ParavirtualizedVolumeAttachment {
	return core.ParavirtualizedVolumeAttachment{AvailabilityDomain: lo.ToPtr(l.ad), CompartmentId: lo.ToPtr(l.compartment), Id: lo.ToPtr(l.id),
		InstanceId: lo.ToPtr(l.instanceID), Device: lo.EmptyableToPtr(l.device), VolumeId: lo.ToPtr(l.volumeID), TimeCreated: stamp(l.created), LifecycleState: l.state,
		IsVolumeCreatedDuringLaunch: lo.ToPtr(l.atLaunch), IsReadOnly: lo.ToPtr(false), IsShareable: lo.ToPtr(false)}
}

// makeBootVolume creates the boot volume (PROVISIONING) and its attachment (ATTACHING).
func (s *Simulator) makeBootVolume(p *launchPlan, i *instance, now time.Time) (*core.BootVolume, *core.BootVolumeAttachment) {
	m := i.model
	i.bootVolumeID = s.newID("bootvolume")
	boot := &core.BootVolume{AvailabilityDomain: m.AvailabilityDomain, CompartmentId: m.CompartmentId, Id: lo.ToPtr(i.bootVolumeID),
		LifecycleState: core.BootVolumeLifecycleStateProvisioning, SizeInMBs: lo.ToPtr(p.bootVolumeGB * 1024), SizeInGBs: lo.ToPtr(p.bootVolumeGB),
		TimeCreated: stamp(now), DisplayName: lo.ToPtr(*m.DisplayName + " (Boot Volume)"), ImageId: m.ImageId, VpusPerGB: lo.ToPtr(p.bootVolumeVPUs), KmsKeyId: lo.EmptyableToPtr(p.bootVolumeKey),
		IsHydrated: lo.ToPtr(true), FreeformTags: m.FreeformTags, DefinedTags: m.DefinedTags}
	s.state.bootVolumes.put(i.bootVolumeID, boot)
	link := &core.BootVolumeAttachment{AvailabilityDomain: m.AvailabilityDomain, BootVolumeId: boot.Id, CompartmentId: m.CompartmentId,
		Id:         m.Id, // as in OCI: the attachment of a boot volume has the instance's OCID
		InstanceId: m.Id, LifecycleState: core.BootVolumeAttachmentLifecycleStateAttaching, TimeCreated: stamp(now), TimeUpdated: stamp(now),
		DisplayName: lo.ToPtr("Remote boot attachment for instance")}
	s.state.bootLinks.put(*link.Id, link)
	return boot, link
}

// makeDataVolumes creates the data volumes of a launch, attached at once.
func (s *Simulator) makeDataVolumes(p *launchPlan, i *instance, now time.Time) {
	m := i.model
	for n, d := range p.volumes {
		volume := &core.Volume{AvailabilityDomain: m.AvailabilityDomain, CompartmentId: lo.CoalesceOrEmpty(d.CompartmentId, m.CompartmentId),
			DisplayName: lo.CoalesceOrEmpty(d.DisplayName, m.DisplayName), Id: lo.ToPtr(s.newID("volume")), LifecycleState: core.VolumeLifecycleStateAvailable,
			SizeInMBs: lo.ToPtr(*d.SizeInGBs * 1024), SizeInGBs: d.SizeInGBs, TimeCreated: stamp(now), KmsKeyId: d.KmsKeyId,
			VpusPerGB: lo.CoalesceOrEmpty(d.VpusPerGB, lo.ToPtr(int64(standardVPUsPerGB))), FreeformTags: map[string]string{}, DefinedTags: map[string]map[string]any{}}
		s.state.volumes.put(*volume.Id, volume)
		link := &volumeLink{id: s.newID("volumeattachment"), instanceID: *m.Id, volumeID: *volume.Id, compartment: *m.CompartmentId,
			ad: *m.AvailabilityDomain, state: core.VolumeAttachmentLifecycleStateAttached, atLaunch: true, created: now, device: p.devices[n]}
		s.state.volumeLinks.put(link.id, link)
	}
}

func volumeOperations() []operation {
	return []operation{
		{name: "ListBootVolumeAttachments", method: http.MethodGet, path: "/20160918/bootVolumeAttachments", handle: listBootVolumeAttachments},
		{name: "ListBootVolumes", method: http.MethodGet, path: "/20160918/bootVolumes", handle: listBootVolumes},
		{name: "GetBootVolume", method: http.MethodGet, path: "/20160918/bootVolumes/{id}", handle: getBootVolume},
		{name: "DeleteBootVolume", method: http.MethodDelete, path: "/20160918/bootVolumes/{id}", handle: deleteBootVolume},
		{name: "ListVolumeAttachments", method: http.MethodGet, path: "/20160918/volumeAttachments", handle: listVolumeAttachments},
		{name: "ListVolumes", method: http.MethodGet, path: "/20160918/volumes", handle: listVolumes},
		{name: "GetVolume", method: http.MethodGet, path: "/20160918/volumes/{id}", handle: getVolume},
		{name: "DeleteVolume", method: http.MethodDelete, path: "/20160918/volumes/{id}", handle: deleteVolume},
	}
}

func listBootVolumeAttachments(s *Simulator, c *call) (*reply, error) {
	compartment, err := s.inCompartment(c)
	if err != nil {
		return nil, err
	}
	if _, err := c.required("availabilityDomain"); err != nil {
		return nil, err
	}
	var out []core.BootVolumeAttachment
	for _, l := range s.state.bootLinks.all() {
		if *l.CompartmentId == compartment && c.is("availabilityDomain", *l.AvailabilityDomain) && c.is("instanceId", *l.InstanceId) && c.is("bootVolumeId", *l.BootVolumeId) {
			out = append(out, *l)
		}
	}
	return list(c, out, func(l core.BootVolumeAttachment) string { return *l.Id })
}

func listBootVolumes(s *Simulator, c *call) (*reply, error) {
	var out []core.BootVolume
	for _, b := range s.state.bootVolumes.all() {
		if c.is("compartmentId", *b.CompartmentId) && c.is("availabilityDomain", *b.AvailabilityDomain) {
			out = append(out, *b)
		}
	}
	return list(c, out, func(b core.BootVolume) string { return *b.Id })
}

func getBootVolume(s *Simulator, c *call) (*reply, error) {
	b, known := s.state.bootVolumes.get(c.path("id"))
	if !known {
		return nil, notFound("boot volume %s", c.path("id"))
	}
	return ok(*b).with("etag", string(b.LifecycleState)), nil
}

func deleteBootVolume(s *Simulator, c *call) (*reply, error) {
	b, known := s.state.bootVolumes.get(c.path("id"))
	if !known || b.LifecycleState == core.BootVolumeLifecycleStateTerminated {
		return nil, notFound("boot volume %s", c.path("id"))
	}
	for _, l := range s.state.bootLinks.all() {
		if *l.BootVolumeId == *b.Id && l.LifecycleState != core.BootVolumeAttachmentLifecycleStateDetached {
			return nil, conflict("IncorrectState", "boot volume %s is attached to instance %s", *b.Id, *l.InstanceId)
		}
	}
	b.LifecycleState = core.BootVolumeLifecycleStateTerminated
	return &reply{status: http.StatusNoContent}, nil
}

func listVolumeAttachments(s *Simulator, c *call) (*reply, error) {
	compartment, err := s.inCompartment(c)
	if err != nil {
		return nil, err
	}
	var out []core.ParavirtualizedVolumeAttachment
	for _, l := range s.state.volumeLinks.all() {
		if l.compartment == compartment && c.is("instanceId", l.instanceID) && c.is("volumeId", l.volumeID) && c.is("availabilityDomain", l.ad) {
			out = append(out, l.render())
		}
	}
	return list(c, out, func(l core.ParavirtualizedVolumeAttachment) string { return *l.Id })
}

func listVolumes(s *Simulator, c *call) (*reply, error) {
	var out []core.Volume
	for _, v := range s.state.volumes.all() {
		if c.is("compartmentId", *v.CompartmentId) && c.is("availabilityDomain", *v.AvailabilityDomain) && c.is("lifecycleState", string(v.LifecycleState)) {
			out = append(out, *v)
		}
	}
	return list(c, out, func(v core.Volume) string { return *v.Id })
}

func deleteVolume(s *Simulator, c *call) (*reply, error) {
	v, known := s.state.volumes.get(c.path("id"))
	if !known || v.LifecycleState == core.VolumeLifecycleStateTerminated {
		return nil, notFound("volume %s", c.path("id"))
	}
	for _, l := range s.state.volumeLinks.all() {
		if l.volumeID == *v.Id && l.state != core.VolumeAttachmentLifecycleStateDetached {
			return nil, conflict("IncorrectState", "volume %s is attached to instance %s", *v.Id, l.instanceID)
		}
	}
	v.LifecycleState = core.VolumeLifecycleStateTerminated
	return &reply{status: http.StatusNoContent}, nil
}

func getVolume(s *Simulator, c *call) (*reply, error) {
	v, known := s.state.volumes.get(c.path("id"))
	if !known {
		return nil, notFound("volume %s", c.path("id"))
	}
	return ok(*v).with("etag", string(v.LifecycleState)), nil
}
