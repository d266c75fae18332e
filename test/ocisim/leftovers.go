package ocisim

import (
	"github.com/oracle/oci-go-sdk/v65/core"
	"github.com/samber/lo"
)

// VNIC is a network card that is attached to an instance, or is being attached or detached.
type VNIC struct {
	ID         string
	InstanceID string
}

// VNICs returns all network cards that have not been detached, oldest first.
func (s *Simulator) VNICs() []VNIC {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.advance(s.clock.Now())
	var out []VNIC
	for _, link := range s.state.vnicLinks.all() {
		if link.LifecycleState != core.VnicAttachmentLifecycleStateDetached {
			out = append(out, VNIC{ID: lo.FromPtr(link.VnicId), InstanceID: lo.FromPtr(link.InstanceId)})
		}
	}
	return out
}
