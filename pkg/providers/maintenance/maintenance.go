// Package maintenance knows when Oracle will work on the host of a node, and what that means for the node: replaced under the rules of
// disruption once the time has come, deleted when it is about to run out, and left alone before.
package maintenance

import (
	"time"

	"k8s.io/utils/clock"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
)

// Defaults of the settings of a Policy. OCI announces most maintenance two to four weeks ahead. A day is enough for a fleet to be replaced
// under common budgets, and an hour for pods that end in order.
const (
	DefaultReplaceBefore = 24 * time.Hour
	DefaultDeleteBefore  = time.Hour
)

// Policy says how long before a maintenance something is done.
type Policy struct {
	Clock clock.PassiveClock
	// ReplaceBefore: from so long before the start on, the node counts as drifted, so that core replaces it as budgets and do-not-disrupt allow.
	ReplaceBefore time.Duration
	// DeleteBefore: from so long before the start on, the NodeClaim is deleted whatever budgets say; 0 leaves the node to the maintenance.
	DeleteBefore time.Duration
}

// StartOf is when the maintenance of a NodeClaim's instance may begin, as the NodeClaim's annotation says; ok is false when none is known.
func StartOf(nodeClaim *karpv1.NodeClaim) (start time.Time, ok bool) {
	text, found := nodeClaim.Annotations[v1alpha1.AnnotationMaintenanceDue]
	if !found {
		return time.Time{}, false
	}
	start, err := time.Parse(time.RFC3339, text)
	return start, err == nil
}

// ReplaceNow says whether the node is to be replaced under the rules of disruption.
func (p Policy) ReplaceNow(nodeClaim *karpv1.NodeClaim) bool {
	start, ok := StartOf(nodeClaim)
	return ok && p.Clock != nil && !p.Clock.Now().Before(start.Add(-p.ReplaceBefore))
}

// DeleteNow says whether the NodeClaim is to be deleted whatever the rules of disruption say.
func (p Policy) DeleteNow(start time.Time) bool {
	return p.DeleteBefore > 0 && !p.Clock.Now().Before(start.Add(-p.DeleteBefore))
}
