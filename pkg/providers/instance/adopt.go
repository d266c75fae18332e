package instance

import (
	"context"
	"fmt"
	"time"

	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/log"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/cloudprovider"

	"github.com/karpenter-oke/karpenter-oke/pkg/oci"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/inventory"
)

// adopt finds the instance that was launched for a NodeClaim already. A NodeClaim that is older than this process's first launch may
// have been launched by another process, whose last writes were lost, so then the list is taken anew, once for all of them. The first
// launch counts and not the start: a second replica starts long before it leads.
func (p *DefaultProvider) adopt(ctx context.Context, nodeClaim *karpv1.NodeClaim) (inventory.Instance, bool, error) {
	snapshot, began := p.inventory.Current(), p.firstLaunch()
	if !nodeClaim.CreationTimestamp.After(began) && snapshot.Taken.Before(began) {
		var err error
		if snapshot, err = p.inventory.Fresh(ctx, p.clock.Since(began)); err != nil {
			return inventory.Instance{}, false, fmt.Errorf("looking for an instance that another process launched: %w", err)
		}
	}
	instance, found := snapshot.ByNodeClaim(string(nodeClaim.UID))
	if found {
		log.FromContext(ctx).Info("adopted instance", "NodeClaim", klog.KObj(nodeClaim), "instance", instance.ID)
	}
	return instance, found, nil
}

// firstLaunch is when this process was first asked to launch, which is when it leads.
func (p *DefaultProvider) firstLaunch() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.began.IsZero() {
		p.began = p.clock.Now()
	}
	return p.began
}

// candidateOf finds what an instance was launched from, by the type's name in its tags, its zone, its capacity type and its reservation.
// An instance in a reservation that the class does not select has come there by itself, and was launched as on-demand.
func candidateOf(found inventory.Instance, types []*cloudprovider.InstanceType) (candidate Candidate) {
	for _, t := range types {
		if t.Name != found.Owner.InstanceType {
			continue
		}
		for _, o := range t.Offerings {
			if o.Zone() != oci.Zone(found.AvailabilityDomain) {
				continue
			}
			switch o.CapacityType() {
			case karpv1.CapacityTypeReserved:
				if drawsOn(found, o) {
					return Candidate{Type: t, Offering: o}
				}
			case karpv1.CapacityTypeSpot:
				if found.CapacityType == karpv1.CapacityTypeSpot {
					return Candidate{Type: t, Offering: o}
				}
			default:
				if found.CapacityType != karpv1.CapacityTypeSpot {
					candidate = Candidate{Type: t, Offering: o}
				}
			}
		}
	}
	return candidate
}

// before is the launch to repeat before anything new is tried: one that this process does not know the outcome of, or one that an earlier process
// wrote down. nil when there is none.
func (p *DefaultProvider) before(ctx context.Context, r request, types []*cloudprovider.InstanceType) (*plan, error) {
	if unknown, ok := p.unknownLaunchOf(r.nodeClaim); ok {
		replay := unknown.plan
		r.ledger.last = &entry{Attempt: replay.attempt, Token: replay.token, At: unknown.at.UTC()} // written before; the NodeClaim that was given may be older
		replay.repeated = true
		return &replay, nil
	}
	return p.unfinished(ctx, r, types)
}

// keepUnknown remembers a launch whose outcome is not known, so that it is repeated as it was: with the same token OCI gives
// back the instance if there is one.
func (p *DefaultProvider) keepUnknown(nodeClaim *karpv1.NodeClaim, failed plan) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.clock.Now()
	for uid, launch := range p.unknown {
		if now.Sub(launch.at) > replayFor {
			delete(p.unknown, uid)
		}
	}
	key := string(nodeClaim.UID)
	at := now
	if before, ok := p.unknown[key]; ok && before.plan.token == failed.token {
		at = before.at // the token's age counts from its first use
	}
	p.unknown[key] = unknownLaunch{plan: failed, at: at}
}

// unknownLaunchOf is the launch to repeat for a NodeClaim, if there is one.
func (p *DefaultProvider) unknownLaunchOf(nodeClaim *karpv1.NodeClaim) (unknownLaunch, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	launch, ok := p.unknown[string(nodeClaim.UID)]
	if !ok || p.clock.Since(launch.at) > replayFor {
		return unknownLaunch{}, false
	}
	return launch, true
}

// forgetUnknown is called when OCI has answered, either way.
func (p *DefaultProvider) forgetUnknown(nodeClaim *karpv1.NodeClaim) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.unknown, string(nodeClaim.UID))
}
