package interruption

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/events"
	coremetrics "sigs.k8s.io/karpenter/pkg/metrics"
	nodeclaimutils "sigs.k8s.io/karpenter/pkg/utils/nodeclaim"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/pkg/oci"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/capacity"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/inventory"
)

const (
	// preemptedFor is how long a shape is not launched as preemptible in a domain after OCI took an instance of it back there. Hosts that are
	// wanted for others are not free again within minutes, and a node that is preempted again costs its pods more than the discount is worth.
	preemptedFor = 10 * time.Minute
	// atOnce bounds the writes to the API server that are under way. Core answers each deletion with a handful of calls through the same
	// limited client, so a whole wave of deletions gets in line before the first of those.
	atOnce = 256
)

// takedown is a NodeClaim whose instance goes away at a moment that is known.
type takedown struct {
	kind     kind
	source   source
	claim    *karpv1.NodeClaim
	deadline time.Time // by which pods must have ended
	says     string    // for people: what happens to the instance
	// published is set for messages: since when the interruption could be known, by this process' clock.
	published time.Time
	deleted   bool // the NodeClaim was deleted here and now
}

// taker takes NodeClaims down. All steps can be repeated.
type taker struct {
	kube     client.Client
	recorder events.Recorder
	clock    clock.PassiveClock
}

// take removes and finishes. errs has the error of each, nil where all was done.
func (t *taker) take(ctx context.Context, downs []takedown) (errs []error) {
	errs = t.remove(ctx, downs)
	for i, err := range t.finish(ctx, downs) {
		errs[i] = errors.Join(errs[i], err)
	}
	return errs
}

// remove deletes the NodeClaims. That is what has replacements bought and nodes drained, so of many it is done for all first.
func (t *taker) remove(ctx context.Context, downs []takedown) (errs []error) {
	errs = t.each(ctx, downs, t.delete)
	logTakedowns(ctx, downs)
	return errs
}

// finish bounds the grace of the pods of removed NodeClaims by the deadlines, taints their nodes, and tells people.
func (t *taker) finish(ctx context.Context, downs []takedown) (errs []error) {
	return t.each(ctx, downs, t.bound, t.taint, t.tell)
}

// each makes every step for all before it makes the next for any.
func (t *taker) each(ctx context.Context, downs []takedown, steps ...func(context.Context, *takedown) error) (errs []error) {
	errs = make([]error, len(downs))
	for _, step := range steps {
		group := errgroup.Group{}
		group.SetLimit(atOnce)
		for i := range downs {
			group.Go(func() error {
				errs[i] = errors.Join(errs[i], step(ctx, &downs[i]))
				return nil
			})
		}
		_ = group.Wait() // every error is in errs
	}
	return errs
}

func (t *taker) delete(ctx context.Context, d *takedown) error {
	if !d.claim.DeletionTimestamp.IsZero() {
		return nil
	}
	err := t.kube.Delete(ctx, d.claim, client.Preconditions{UID: &d.claim.UID})
	if apierrors.IsNotFound(err) || apierrors.IsConflict(err) { // gone, or another of the same name
		return nil
	}
	if err != nil {
		return fmt.Errorf("deleting NodeClaim %s: %w", d.claim.Name, err)
	}
	d.deleted = true
	t.count(d)
	return nil
}

func (t *taker) count(d *takedown) {
	if !d.published.IsZero() {
		reactionSeconds.Observe(max(t.clock.Since(d.published), 0).Seconds(), map[string]string{labelKind: string(d.kind)})
	}
	actionsTotal.Inc(map[string]string{labelKind: string(d.kind), labelSource: string(d.source)})
	coremetrics.NodeClaimsDisruptedTotal.Inc(map[string]string{
		coremetrics.ReasonLabel: string(d.kind), coremetrics.NodePoolLabel: d.claim.Labels[karpv1.NodePoolLabelKey],
		coremetrics.CapacityTypeLabel: d.claim.Labels[karpv1.CapacityTypeLabelKey], coremetrics.ConsolidationPolicyLabel: "",
		coremetrics.TerminationModeLabel: coremetrics.TerminationModeEventual,
	})
}

// bound has core end the pods by the deadline. The NodeClaim's own terminationGracePeriod is never made longer.
func (t *taker) bound(ctx context.Context, d *takedown) error {
	deadline := d.deadline
	if grace := d.claim.Spec.TerminationGracePeriod; grace != nil {
		begin := t.clock.Now()
		if !d.claim.DeletionTimestamp.IsZero() {
			begin = d.claim.DeletionTimestamp.Time
		}
		if own := begin.Add(grace.Duration); own.Before(deadline) {
			deadline = own
		}
	}
	if is, err := time.Parse(time.RFC3339, d.claim.Annotations[karpv1.NodeClaimTerminationTimestampAnnotationKey]); err == nil && !is.After(deadline.Add(time.Second)) {
		return nil
	}
	return client.IgnoreNotFound(annotate(ctx, t.kube, d.claim, karpv1.NodeClaimTerminationTimestampAnnotationKey, deadline.UTC().Format(time.RFC3339)))
}

// annotate sets one annotation and touches nothing else; empty removes it.
func annotate(ctx context.Context, kube client.Client, claim *karpv1.NodeClaim, key, value string) error {
	var written any
	if value != "" {
		written = value
	}
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"annotations": map[string]any{key: written}}})
	if err != nil {
		return fmt.Errorf("encoding an annotation: %w", err)
	}
	// A copy, since the answer is written into what is patched and the one at hand may belong to a cache.
	if err := kube.Patch(ctx, claim.DeepCopy(), client.RawPatch(types.MergePatchType, patch)); err != nil {
		return fmt.Errorf("annotating NodeClaim %s: %w", claim.Name, err)
	}
	return nil
}

// taint keeps new pods off the node. Core does the same when it begins to drain, so whoever is first is right.
func (t *taker) taint(ctx context.Context, d *takedown) error {
	if d.claim.Status.NodeName == "" {
		return nil
	}
	node := &corev1.Node{}
	if err := t.kube.Get(ctx, types.NamespacedName{Name: d.claim.Status.NodeName}, node); err != nil {
		return client.IgnoreNotFound(fmt.Errorf("reading node %s: %w", d.claim.Status.NodeName, err))
	}
	if node.Spec.ProviderID != d.claim.Status.ProviderID {
		return nil // another machine of the same name
	}
	for i := range node.Spec.Taints {
		if node.Spec.Taints[i].MatchTaint(&karpv1.DisruptedNoScheduleTaint) {
			return nil
		}
	}
	stored := node.DeepCopy()
	node.Spec.Taints = append(node.Spec.Taints, karpv1.DisruptedNoScheduleTaint)
	err := t.kube.Patch(ctx, node, client.MergeFromWithOptions(stored, client.MergeFromWithOptimisticLock{}))
	if apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
		return nil // somebody wrote the node meanwhile; core's own taint comes with the drain
	}
	if err != nil {
		return fmt.Errorf("tainting node %s: %w", node.Name, err)
	}
	return nil
}

// avoid keeps replacements from being bought where an instance was just taken back.
func avoid(ctx context.Context, unavailable *capacity.Unavailable, claim *karpv1.NodeClaim, found inventory.Instance) {
	unavailable.MarkUnavailable(ctx, capacity.ReasonPreempted, capacity.Offering{
		Shape:        cmp.Or(claim.Labels[v1alpha1.LabelInstanceShapeName], found.Shape),
		Zone:         cmp.Or(claim.Labels[corev1.LabelTopologyZone], oci.Zone(found.AvailabilityDomain)),
		CapacityType: karpv1.CapacityTypeSpot,
	}, preemptedFor)
}

// claimOf finds the NodeClaim of an instance: by the OCID in its status, or, of one that was launched a moment ago, by the owner that the
// instance's tags name. nil when there is none.
func claimOf(ctx context.Context, kube client.Reader, instanceID string, snapshot inventory.Snapshot) (*karpv1.NodeClaim, error) {
	list := &karpv1.NodeClaimList{}
	if err := kube.List(ctx, list, nodeclaimutils.ForProviderID(instanceID)); err != nil {
		return nil, fmt.Errorf("finding the NodeClaim of instance %s: %w", instanceID, err)
	}
	for i := range list.Items {
		if ours(&list.Items[i]) {
			return &list.Items[i], nil
		}
	}
	found, known := snapshot.Get(instanceID)
	if !known {
		return nil, nil
	}
	claim := &karpv1.NodeClaim{}
	err := kube.Get(ctx, types.NamespacedName{Name: found.Owner.NodeClaim.Name}, claim)
	if apierrors.IsNotFound(err) || (err == nil && (string(claim.UID) != found.Owner.NodeClaim.UID || claim.Status.ProviderID != "" || !ours(claim))) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("finding the NodeClaim of instance %s: %w", instanceID, err)
	}
	return claim, nil
}
