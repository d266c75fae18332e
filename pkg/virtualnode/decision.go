package virtualnode

import (
	"strings"
	"time"
)

// Layer is where a pod belongs.
type Layer string

const (
	// LayerManaged pods are Karpenter's: core looks at them as it always does.
	LayerManaged Layer = "managed"
	// LayerVirtual pods are left to virtual nodes.
	LayerVirtual Layer = "virtual"
)

// parseLayer reads a stated layer; ok is false for a word that is none.
func parseLayer(s string) (Layer, bool) {
	switch Layer(s) {
	case LayerManaged:
		return LayerManaged, true
	case LayerVirtual:
		return LayerVirtual, true
	}
	return "", false
}

// What decided. Each is stable: events, metrics and documents use it.
const (
	RuleStatedManaged = "stated-managed"          // the pod or its namespace says managed
	RuleStatedVirtual = "stated-virtual"          // the pod or its namespace says virtual
	RuleNotTolerated  = "taint-not-tolerated"     // it does not tolerate the virtual nodes' taint
	RuleNeedsManaged  = "needs-managed-node"      // it uses a feature that virtual nodes refuse; Decision.Feature says which
	RuleNamesTaint    = "names-taint"             // its toleration names the virtual nodes' taint
	RuleToleratesAll  = "tolerates-all"           // it tolerates every taint, and a usable virtual node matches it
	RuleAllNoRoom     = "tolerates-all-no-room"   // it tolerates every taint, and no usable virtual node matches it
	RuleNoMatch       = "no-virtual-node-matches" // its selectors or taints exclude every virtual node, and a NodePool could take it
	RuleNothingFits   = "nothing-matches"         // neither a virtual node nor a NodePool could ever take it
	RuleOverflow      = "overflow"                // it waited for virtual nodes for too long
	RuleBadAffinity   = "unreadable-affinity"     // its affinity cannot be read
)

// Cause says why a pod left to virtual nodes is not running there yet.
type Cause string

const (
	// CauseScheduler means a usable virtual node matches: what is missing only kube-scheduler knows, and its event says it.
	CauseScheduler Cause = "scheduler"
	// CauseCordoned means that of the matching nodes the ones that are Ready are cordoned.
	CauseCordoned Cause = "cordoned"
	// CauseFull means that the matching nodes have no pod free.
	CauseFull Cause = "full"
	// CauseNoRoom means that the matching nodes have too little CPU or memory left for the pod. OKE's virtual nodes also show this
	// while their pod subnet has no address left.
	CauseNoRoom Cause = "no-room"
	// CauseTooLarge means that the pod asks for more than a matching node has in all: it is too large for the pod shape.
	CauseTooLarge Cause = "too-large"
	// CauseNoAddress means that the newest pod on the matching nodes did not start for want of an address in the pod subnet.
	CauseNoAddress Cause = "no-address"
	// CauseQuota means that the newest pod on the matching nodes did not start because of a quota or service limit.
	CauseQuota Cause = "quota"
	// CauseNoCapacity means that the newest pod on the matching nodes did not start because OCI had no capacity for it.
	CauseNoCapacity Cause = "no-capacity"
	// CauseNotReady means that no matching node is Ready.
	CauseNotReady Cause = "not-ready"
	// CauseNoMatch means that virtual nodes exist and the pod's selectors, affinity or tolerations exclude all of them.
	CauseNoMatch Cause = "no-match"
	// CauseAbsent means that no virtual node exists.
	CauseAbsent Cause = "absent"
)

// Causes lists every cause. Of several nodes' obstacles the first in this list is the pod's cause: what may pass soonest, so that the
// advice that goes with it helps.
var Causes = []Cause{
	CauseScheduler, CauseNoAddress, CauseQuota, CauseNoCapacity, CauseFull, CauseNoRoom, CauseCordoned, CauseNotReady, CauseTooLarge,
	CauseNoMatch, CauseAbsent,
}

// Conflict is a contradiction or a mistake in what the pod says about itself. The decision stands in spite of it.
type Conflict string

const (
	// ConflictNeedsManaged: says virtual, and uses a feature that virtual nodes refuse.
	ConflictNeedsManaged Conflict = "says-virtual-needs-managed"
	// ConflictNotTolerated: says virtual, and does not tolerate the taint of virtual nodes.
	ConflictNotTolerated Conflict = "says-virtual-does-not-tolerate"
	// ConflictBadLayer: states a layer that does not exist.
	ConflictBadLayer Conflict = "unknown-layer"
	// ConflictBadNamespace: its namespace states a layer that does not exist.
	ConflictBadNamespace Conflict = "unknown-namespace-layer"
	// ConflictOnlyVirtual: says managed, and only virtual nodes match it.
	ConflictOnlyVirtual Conflict = "says-managed-only-virtual-matches"
	// ConflictBadOverflow: its overflow annotation is no duration.
	ConflictBadOverflow Conflict = "bad-overflow-duration"
)

// Decision is what becomes of a pod, and why.
type Decision struct {
	Layer Layer
	// Rule is the constant above that decided.
	Rule string
	// Feature is the row of the rule table, when Rule is RuleNeedsManaged. Else nil.
	Feature *Rule
	// Cause is set for skipped and for overflowed pods.
	Cause Cause
	// Conflict is empty for a pod that does not contradict itself.
	Conflict Conflict
	// RecheckAfter is when the decision may be another without an event to tell so; 0 when only events can change it.
	RecheckAfter time.Duration
	// Overflow is how long it still is until Karpenter takes a skipped pod over; 0 when it never does.
	Overflow time.Duration
}

// Skip tells whether Karpenter leaves the pod alone.
func (d Decision) Skip() bool { return d.Layer == LayerVirtual }

// overflowSetting reads the pod's own overflow annotation. set is false when there is none, ok is false when it cannot be read;
// a duration of 0 means never.
func overflowSetting(annotations map[string]string) (after time.Duration, set, ok bool) {
	value, set := annotations[OverflowAfterKey]
	if !set {
		return 0, false, true
	}
	value = strings.TrimSpace(value)
	if value == "never" {
		return 0, true, true
	}
	after, err := time.ParseDuration(value)
	if err != nil || after < 0 {
		return 0, false, false
	}
	return after, true, true
}
