package instance

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/oracle/oci-go-sdk/v65/core"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/karpenter/pkg/cloudprovider"

	"github.com/karpenter-oke/karpenter-oke/pkg/oci"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/inventory"
)

// endingAge is how old a list may be that tells whether an instance is gone. Core asks every 5 seconds, and nothing but the NodeClaim's
// finalizer waits for the answer.
const endingAge = inventory.BusyInterval

// Terminate implements Provider. Core calls it every few seconds until the instance is gone; all calls but the first read the
// inventory, which is listed anew for them at most once in an endingAge however many instances are ending. The boot volume and the data
// volumes made with the instance go with it: a class can keep the boot volume only for when OCI takes a preemptible instance back.
func (p *DefaultProvider) Terminate(ctx context.Context, id string) error {
	err := p.terminate(ctx, id)
	if !cloudprovider.IsNodeClaimNotFoundError(err) {
		return err
	}
	if left := p.releaseVolumes(ctx, id); left != nil {
		return left // the finalizer stays, and core calls again
	}
	if gone, known := p.inventory.Current().Get(id); known && gone.CapacityReservationID != "" && p.reservations != nil {
		p.reservations.Freed(gone.CapacityReservationID)
	}
	return err
}

func (p *DefaultProvider) terminate(ctx context.Context, id string) error {
	instance, known := p.inventory.Current().Get(id)
	var err error
	if !known || (instance.Ending() && !instance.Gone()) {
		instance, err = p.find(ctx, id, endingAge)
	} else if instance.Gone() {
		err = notFound(id)
	}
	if err != nil || instance.Ending() {
		return err
	}
	err = p.api.TerminateInstance(ctx, id)
	switch oci.ClassOf(err) {
	case oci.ClassNotFound:
		// OCI answers the same when the controller has lost its rights; only a list tells the two apart.
		return p.gone(ctx, id)
	case oci.ClassConflict:
		// The instance is between two states, or ending already; core calls again, and the next list says which.
		log.FromContext(ctx).V(1).Info("instance can not be terminated yet", "instance", id, "reason", err.Error())
		return nil
	}
	if err != nil {
		return fmt.Errorf("terminating instance %s: %w", id, err)
	}
	p.inventory.NoteTerminating(id)
	p.noteEnded(id)
	log.FromContext(ctx).Info("terminating instance", "instance", id)
	return nil
}

// Find implements Provider.
func (p *DefaultProvider) Find(ctx context.Context, id string) (inventory.Instance, error) {
	instance, known := p.inventory.Current().Get(id)
	switch {
	case !known:
		return p.find(ctx, id, 0)
	case instance.Gone():
		return inventory.Instance{}, notFound(id)
	default:
		return instance, nil
	}
}

// find looks for an instance in a list of at most this age and, when it is not there, by its OCID: lists lag behind launches, and tags
// can be edited by hand. An instance is gone only when OCI says so.
func (p *DefaultProvider) find(ctx context.Context, id string, maxAge time.Duration) (inventory.Instance, error) {
	snapshot, err := p.inventory.Fresh(ctx, maxAge)
	if err != nil {
		return inventory.Instance{}, err
	}
	if instance, known := snapshot.Get(id); known {
		if instance.Gone() {
			return inventory.Instance{}, notFound(id)
		}
		return instance, nil
	}
	return p.look(ctx, id)
}

// look reads one instance that no list shows. A 404 says nothing while there are compartments that may have it and that OCI refuses to list.
func (p *DefaultProvider) look(ctx context.Context, id string) (inventory.Instance, error) {
	raw, err := p.api.GetInstance(ctx, id)
	if unread := p.inventory.Current().Unread(); oci.ClassOf(err) == oci.ClassNotFound && len(unread) > 0 {
		return inventory.Instance{}, fmt.Errorf("instance %s may be in compartment %s, whose instances the controller may not list (policy: manage instances): %w",
			id, strings.Join(unread, " or "), err)
	}
	if oci.ClassOf(err) == oci.ClassNotFound || (err == nil && raw.LifecycleState == core.InstanceLifecycleStateTerminated) {
		return inventory.Instance{}, notFound(id)
	}
	if err != nil {
		return inventory.Instance{}, fmt.Errorf("looking for instance %s: %w", id, err)
	}
	instance, ours := inventory.FromSDK(raw, p.cfg.ClusterID)
	if !ours {
		return inventory.Instance{}, fmt.Errorf("instance %s is %s but does not carry this cluster's tag, so it is not touched; end it by hand or restore its tags", id, raw.LifecycleState)
	}
	return instance, nil
}

// gone says what it means that OCI does not know an instance that it is asked to end: NodeClaimNotFoundError when a list and the instance's
// own record agree, and else that the rights to end it are missing. It never returns nil.
func (p *DefaultProvider) gone(ctx context.Context, id string) error {
	instance, err := p.find(ctx, id, 0)
	if err == nil && instance.Unlisted {
		instance, err = p.look(ctx, id)
	}
	if err != nil {
		return err
	}
	return fmt.Errorf("OCI lists instance %s as %s but says that it does not exist; check the controller's right to terminate it", id, instance.State)
}

func notFound(id string) error {
	return cloudprovider.NewNodeClaimNotFoundError(fmt.Errorf("instance %s is gone", id))
}
