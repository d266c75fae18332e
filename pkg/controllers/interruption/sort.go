package interruption

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/inventory"
)

const (
	// preemptionNotice is how long after its announcement OCI takes an instance back ("about two minutes", D-PRE).
	preemptionNotice = 2 * time.Minute
	// margin is the part of the notice in which nothing is left to run: pods have ended when the instance goes.
	margin = 10 * time.Second
	// outdatedAfter is the age from which an announcement of an instance that still runs has come to nothing.
	outdatedAfter = 10 * time.Minute
)

// sorter says of each message of one batch what it asks for.
type sorter struct {
	*StreamController
	snapshot     inventory.Snapshot
	compartments sets.Set[string]
	err          error               // of reading the compartments
	taken        sets.Set[types.UID] // NodeClaims that a message of this batch takes down already
}

func (c *StreamController) sorter(ctx context.Context) *sorter {
	known, err := c.Compartments.Compartments(ctx)
	return &sorter{StreamController: c, snapshot: c.Inventory.Current(), compartments: sets.New(known...), err: err, taken: sets.New[types.UID]()}
}

// sort says what becomes of a message: a NodeClaim to take down, or an outcome. Maintenance is noted on the way.
func (s *sorter) sort(ctx context.Context, i *item) (*takedown, outcome, error) {
	n := i.notice
	switch n.kind {
	case kindMalformed:
		return nil, outcomeMalformed, nil
	case kindOther:
		return nil, outcomeIgnored, nil
	}
	if s.err != nil {
		return nil, "", fmt.Errorf("finding the compartments of this cluster: %w", s.err)
	}
	if !s.compartments.Has(n.compartmentID) {
		return nil, outcomeForeign, nil
	}
	claim, err := claimOf(ctx, s.Kube, n.instanceID, s.snapshot)
	if err != nil {
		return nil, "", err
	}
	if claim == nil {
		return nil, outcomeUnknown, nil
	}
	found, listed := s.snapshot.Get(n.instanceID)
	// Whoever may write to the stream could name an instance of ours in an event of another compartment.
	if at := claim.Annotations[v1alpha1.AnnotationCompartmentID]; (at != "" && at != n.compartmentID) || (listed && found.CompartmentID != n.compartmentID) {
		return nil, outcomeForeign, nil
	}
	if n.kind == kindMaintenance {
		result, err := s.maintenance.heard(ctx, claim, n)
		return nil, result, err
	}
	return s.preempted(ctx, i, claim, found, listed)
}

// preempted says what an announced preemption of our own instance asks for.
func (s *sorter) preempted(ctx context.Context, i *item, claim *karpv1.NodeClaim, found inventory.Instance, listed bool) (*takedown, outcome, error) {
	if kindOf := claim.Labels[karpv1.CapacityTypeLabelKey]; kindOf != "" && kindOf != karpv1.CapacityTypeSpot {
		return nil, outcomeRefuted, nil
	}
	age := i.age(s.Clock.Now())
	if age > outdatedAfter && claim.DeletionTimestamp.IsZero() && listed && !found.Ending() {
		return nil, outcomeOutdated, nil
	}
	if s.taken.Has(claim.UID) {
		return nil, outcomeRepeated, nil
	}
	s.taken.Insert(claim.UID)
	if claim.DeletionTimestamp.IsZero() {
		avoid(ctx, s.Unavailable, claim, found)
	}
	now := s.Clock.Now()
	left := min(max(preemptionNotice-age, 0), preemptionNotice)
	return &takedown{
		kind: kindPreemption, source: sourceStream, claim: claim, deadline: now.Add(max(left-margin, 0)), published: i.message.Received.Add(-i.message.Waited),
		says: fmt.Sprintf("OCI takes the preemptible instance back in about %.0f s; its pods are moved away and it is replaced", left.Seconds()),
	}, "", nil
}

// age is how long ago the event happened. It is put together from differences of times that one clock told, so that a clock that is wrong
// does no harm: from the event to its publication and from there to the read by the service's, and since the read by this process'.
func (i *item) age(now time.Time) time.Duration {
	before := time.Duration(0)
	if !i.notice.at.IsZero() && !i.message.Published.IsZero() {
		// An event that claims to be from long before its publication, or from after it, is not believed.
		before = min(max(i.message.Published.Sub(i.notice.at), 0), preemptionNotice)
	}
	return before + i.message.Waited + max(now.Sub(i.message.Received), 0)
}
