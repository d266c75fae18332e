package instance

import (
	"context"
	"fmt"
	"time"

	"github.com/oracle/oci-go-sdk/v65/core"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/karpenter/pkg/cloudprovider"

	"github.com/karpenter-oke/karpenter-oke/pkg/oci"
)

// endingAge is how old a list may be that tells whether an instance is gone; core asks every 5 seconds.
const endingAge = 5 * time.Second

// Terminate implements Provider. Core calls it every few seconds until the instance is gone; all calls but the first read the
// inventory, which is listed anew for them at most once in an endingAge however many instances are ending.
func (p *DefaultProvider) Terminate(ctx context.Context, id string) error {
	instance, known := p.inventory.Current().Get(id)
	if known && instance.Ending() && !instance.Gone() {
		snapshot, err := p.inventory.Fresh(ctx, endingAge)
		if err != nil {
			return err
		}
		instance, known = snapshot.Get(id)
	}
	switch {
	case known && instance.Gone():
		return notFound(id)
	case known && instance.Ending():
		return nil
	case !known:
		return p.confirmGone(ctx, id)
	}
	err := p.api.TerminateInstance(ctx, id)
	switch oci.ClassOf(err) {
	case oci.ClassNotFound:
		// OCI answers the same when the controller has lost its rights; only a list tells the two apart.
		return p.confirmGone(ctx, id)
	case oci.ClassConflict:
		// The instance is between two states; core calls again.
		log.FromContext(ctx).Info("instance can not be terminated yet", "instance", id, "reason", err.Error())
		return nil
	}
	if err != nil {
		return fmt.Errorf("terminating instance %s: %w", id, err)
	}
	p.inventory.NoteTerminating(id)
	log.FromContext(ctx).Info("terminating instance", "instance", id)
	return nil
}

// confirmGone believes that an instance is gone only when a fresh list, which itself succeeded, does not show it alive and OCI
// does not know it either.
func (p *DefaultProvider) confirmGone(ctx context.Context, id string) error {
	snapshot, err := p.inventory.Fresh(ctx, endingAge)
	if err != nil {
		return err
	}
	if instance, known := snapshot.Get(id); known && !instance.Unlisted {
		if instance.Gone() {
			return notFound(id)
		}
		return fmt.Errorf("OCI lists instance %s as %s but says that it does not exist; check the controller's right to terminate it", id, instance.State)
	}
	raw, err := p.api.GetInstance(ctx, id)
	if oci.ClassOf(err) == oci.ClassNotFound {
		return notFound(id)
	}
	if err != nil {
		return err
	}
	if raw.LifecycleState == core.InstanceLifecycleStateTerminated {
		return notFound(id)
	}
	return fmt.Errorf("instance %s is %s but does not carry this cluster's tag, so it is not touched; end it by hand or restore its tags", id, raw.LifecycleState)
}

func notFound(id string) error {
	return cloudprovider.NewNodeClaimNotFoundError(fmt.Errorf("instance %s is gone", id))
}
