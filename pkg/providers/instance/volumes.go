package instance

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/oracle/oci-go-sdk/v65/core"
	"k8s.io/apimachinery/pkg/util/sets"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/karpenter-oke/karpenter-oke/pkg/oci"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/inventory"
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
		if err := p.deleteLeft(ctx, id, a); err != nil {
			return err
		}
	}
	p.noteEnded(id)
	return nil
}

// ReleaseVolumes implements Provider.
func (p *DefaultProvider) ReleaseVolumes(ctx context.Context, gone []inventory.Instance) error {
	byCompartment := map[string]sets.Set[string]{}
	for _, i := range gone {
		if p.endedHere(i.ID) {
			continue
		}
		if byCompartment[i.CompartmentID] == nil {
			byCompartment[i.CompartmentID] = sets.New[string]()
		}
		byCompartment[i.CompartmentID].Insert(i.ID)
	}
	var errs []error
	for compartment, ids := range byCompartment {
		errs = append(errs, p.releaseIn(ctx, compartment, ids))
	}
	return errors.Join(errs...)
}

// releaseIn deletes what the instances of one compartment have left. One whose volumes can not be deleted now is looked at again next time.
func (p *DefaultProvider) releaseIn(ctx context.Context, compartmentID string, ids sets.Set[string]) error {
	attachments, err := p.api.ListVolumeAttachments(ctx, compartmentID, "")
	if refused(err) {
		log.FromContext(ctx).Info("data volumes of instances that no NodeClaim names may be left behind: the controller may not inspect volume-attachments",
			"compartment", compartmentID, "instances", ids.Len(), "reason", err.Error())
	} else if err != nil {
		return fmt.Errorf("looking for volumes that ended instances left in compartment %s: %w", compartmentID, err)
	}
	var errs []error
	kept := sets.New[string]()
	for _, a := range attachments {
		id := oci.Value(a.GetInstanceId())
		if !ids.Has(id) {
			continue
		}
		if err := p.deleteLeft(ctx, id, a); err != nil {
			errs = append(errs, err)
			kept.Insert(id)
		}
	}
	for id := range ids.Difference(kept) {
		p.noteEnded(id)
	}
	return errors.Join(errs...)
}

// deleteLeft deletes the volume of an attachment if it was made with its instance, which is gone.
func (p *DefaultProvider) deleteLeft(ctx context.Context, id string, a core.VolumeAttachment) error {
	volumeID := oci.Value(a.GetVolumeId())
	if !oci.Value(a.GetIsVolumeCreatedDuringLaunch()) || volumeID == "" {
		return nil
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
	return nil
}

// refused says that the controller lacks a right.
func refused(err error) bool {
	class := oci.ClassOf(err)
	return class == oci.ClassNotFound || class == oci.ClassNotAuthorized
}

// endedFor is how long it is remembered at least that the volumes of an instance are seen to. A node and its NodeClaim both ask when it is
// gone, some seconds apart; the collector of what nobody owns asks as long as OCI lists it.
const endedFor = time.Hour

// noteEnded remembers that OCI has accepted this process's request to end an instance with its volumes, or that they are seen to.
func (p *DefaultProvider) noteEnded(id string) {
	listed := p.inventory.Current()
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.clock.Now()
	maps.DeleteFunc(p.ended, func(id string, at time.Time) bool {
		_, still := listed.Get(id)
		return !still && now.Sub(at) > endedFor
	})
	p.ended[id] = now
}

// endedHere says whether noteEnded was called of late.
func (p *DefaultProvider) endedHere(id string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, ended := p.ended[id]
	return ended
}
