package ocisim

import (
	"net/http"
	"strconv"
	"time"

	"github.com/oracle/oci-go-sdk/v65/core"
	"github.com/samber/lo"
)

func attachmentOperations() []operation {
	return []operation{
		{name: "ListVnicAttachments", method: http.MethodGet, path: "/20160918/vnicAttachments", handle: listVNICAttachments},
		{name: "GetVnicAttachment", method: http.MethodGet, path: "/20160918/vnicAttachments/{id}", handle: getVNICAttachment},
		{name: "AttachVnic", method: http.MethodPost, path: "/20160918/vnicAttachments", handle: attachVNIC},
		{name: "DetachVnic", method: http.MethodDelete, path: "/20160918/vnicAttachments/{id}", handle: detachVNIC},
	}
}

// listVNICAttachments answers DETACHED ones too, as long as their instance is remembered.
func listVNICAttachments(s *Simulator, c *call) (*reply, error) {
	compartment, err := s.inCompartment(c)
	if err != nil {
		return nil, err
	}
	var out []core.VnicAttachment
	for _, l := range s.state.vnicLinks.all() {
		if *l.CompartmentId == compartment && c.is("availabilityDomain", *l.AvailabilityDomain) && c.is("instanceId", *l.InstanceId) && c.is("vnicId", *l.VnicId) {
			out = append(out, *l)
		}
	}
	return list(c, out, func(l core.VnicAttachment) string { return *l.Id })
}

func getVNICAttachment(s *Simulator, c *call) (*reply, error) {
	l, known := s.state.vnicLinks.get(c.path("id"))
	if !known {
		return nil, notFound("VNIC attachment %s", c.path("id"))
	}
	return ok(*l).with("etag", string(l.LifecycleState)), nil
}

// attachVNIC adds a secondary VNIC to a running instance, as far as its shape allows.
func attachVNIC(s *Simulator, c *call) (*reply, error) {
	var d core.AttachVnicDetails
	if err := c.decode(&d); err != nil {
		return nil, err
	}
	if id, repeated, err := s.state.tokens.seen(c); err != nil {
		return nil, err
	} else if l, known := s.state.vnicLinks.get(id); repeated && known {
		return ok(*l).with("etag", string(l.LifecycleState)), nil
	}
	i, known := s.state.instances.get(lo.FromPtr(d.InstanceId))
	if !known {
		return nil, relatedNotFound("instance %s", lo.FromPtr(d.InstanceId))
	}
	if i.model.LifecycleState != core.InstanceLifecycleStateRunning && i.model.LifecycleState != core.InstanceLifecycleStateStopped {
		return nil, conflict("IncorrectState", "instance %s is %s", *d.InstanceId, i.model.LifecycleState)
	}
	request, err := s.checkVNIC(d.CreateVnicDetails, *i.model.AvailabilityDomain)
	if err != nil {
		return nil, err
	}
	if most := maxVNICs(i.shape, i.size.ocpus); s.attached(*d.InstanceId) >= most {
		return nil, limitExceeded("vnic-attachment-count (" + *i.model.Shape + " allows " + strconv.Itoa(most) + " VNICs)")
	}
	v, link, err := s.makeVNIC(request, i, lo.FromPtr(d.DisplayName), false, c.now)
	if err != nil {
		return nil, err
	}
	s.state.tokens.remember(c, *link.Id)
	s.later(c.now.Add(s.options.ActionDelay), func(time.Time) {
		if link.LifecycleState == core.VnicAttachmentLifecycleStateAttaching {
			v.model.LifecycleState, link.LifecycleState = core.VnicLifecycleStateAvailable, core.VnicAttachmentLifecycleStateAttached
		}
	})
	return ok(*link).with("etag", string(link.LifecycleState)), nil
}

// attached counts the VNICs an instance holds.
func (s *Simulator) attached(instance string) int {
	return lo.CountBy(s.state.vnicLinks.all(), func(l *core.VnicAttachment) bool {
		return *l.InstanceId == instance && l.LifecycleState != core.VnicAttachmentLifecycleStateDetached
	})
}

func detachVNIC(s *Simulator, c *call) (*reply, error) {
	l, known := s.state.vnicLinks.get(c.path("id"))
	if !known || l.LifecycleState == core.VnicAttachmentLifecycleStateDetached {
		return nil, notFound("VNIC attachment %s", c.path("id"))
	}
	if v, there := s.state.vnics.get(*l.VnicId); there && *v.model.IsPrimary {
		return nil, invalid("the primary VNIC of an instance cannot be detached")
	}
	l.LifecycleState = core.VnicAttachmentLifecycleStateDetaching
	s.later(c.now.Add(s.options.ActionDelay), func(time.Time) {
		l.LifecycleState = core.VnicAttachmentLifecycleStateDetached
		s.dropVNIC(*l.VnicId)
	})
	return &reply{status: http.StatusNoContent}, nil
}
