package instance

import (
	"context"
	"fmt"
	"maps"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/karpenter-oke/karpenter-oke/pkg/oci"
)

// releaseVolumes deletes the data volumes that were made with an instance which is gone without this process having ended it: when OCI
// takes an instance back, when a launch fails late or when somebody ends it in the console, OCI keeps them. Volumes that were attached
// later are other people's. A missing right must not hold the NodeClaim up; it is reported.
func (p *DefaultProvider) releaseVolumes(ctx context.Context, id string) error {
	if p.endedHere(id) {
		return nil
	}
	compartmentID := p.cfg.CompartmentID
	if instance, known := p.inventory.Current().Get(id); known && instance.CompartmentID != "" {
		compartmentID = instance.CompartmentID
	}
	attachments, err := p.api.ListVolumeAttachments(ctx, compartmentID, id)
	if refused(err) {
		log.FromContext(ctx).Info("data volumes of a node that OCI ended may be left behind: the controller may not inspect volume-attachments", "instance", id, "reason", err.Error())
		return nil
	}
	if err != nil {
		return fmt.Errorf("looking for volumes that instance %s left: %w", id, err)
	}
	for _, a := range attachments {
		volumeID := oci.Value(a.GetVolumeId())
		if !oci.Value(a.GetIsVolumeCreatedDuringLaunch()) || volumeID == "" {
			continue
		}
		switch err := p.api.DeleteVolume(ctx, volumeID); {
		case oci.ClassOf(err) == oci.ClassNotFound:
			// Deleted already; OCI lists the attachments of such volumes for a while. A missing right looks the same.
			log.FromContext(ctx).V(1).Info("a data volume is gone, or the controller may not manage volumes", "instance", id, "volume", volumeID)
		case refused(err):
			log.FromContext(ctx).Info("a data volume is left behind: the controller may not manage volumes", "instance", id, "volume", volumeID, "reason", err.Error())
		case err != nil:
			return fmt.Errorf("deleting volume %s that instance %s left: %w", volumeID, id, err)
		default:
			log.FromContext(ctx).Info("deleted a data volume that outlived its instance", "instance", id, "volume", volumeID)
		}
	}
	return nil
}

// refused says that the controller lacks a right.
func refused(err error) bool {
	class := oci.ClassOf(err)
	return class == oci.ClassNotFound || class == oci.ClassNotAuthorized
}

// endedFor is how long it is remembered that this process ended an instance. A node and its NodeClaim both ask when it is gone, some
// seconds apart.
const endedFor = time.Hour

// noteEnded remembers that OCI has accepted this process's request to end an instance, with its volumes.
func (p *DefaultProvider) noteEnded(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.clock.Now()
	maps.DeleteFunc(p.ended, func(_ string, at time.Time) bool { return now.Sub(at) > endedFor })
	p.ended[id] = now
}

// endedHere says whether noteEnded was called of late.
func (p *DefaultProvider) endedHere(id string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, ended := p.ended[id]
	return ended
}
