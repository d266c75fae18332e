package nodeclass

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/pkg/oci"
)

const (
	// refusedFor is how long a class is not launched from after OCI refused it: the right may be back, which only a launch can
	// tell. NodePools with other classes take the pods meanwhile.
	refusedFor = 3 * time.Minute

	reasonNoLaunchYet = "NoLaunchYet"
	reasonTryingAgain = "TryingAgain"
	tryingAgain       = "the last launch was refused; the next one tells whether it is allowed now"
)

// mayNotRead words an answer that may mean a right is missing, with the statements that give it.
func mayNotRead(resources []string, err error) string {
	statements := make([]string, 0, len(resources))
	for _, resource := range resources {
		statements = append(statements, oci.Statement("read", resource, "<where it is looked up>"))
	}
	return fmt.Sprintf("OCI does not show this to the controller: it does not exist, or a policy statement is missing (%s): %s", strings.Join(statements, "; "), oci.StableText(err))
}

// LaunchOutcomes carries what launches say about the controller's rights from the launch path to the StatusController, which
// writes it into the condition LaunchAuthorized. Recording asks no service and never blocks.
type LaunchOutcomes struct {
	clock   clock.PassiveClock
	changed chan event.GenericEvent

	mu      sync.Mutex // only memory is touched under it
	byClass map[types.UID]launchOutcome
}

// launchOutcome is the last outcome of a class that says something about rights.
type launchOutcome struct {
	generation int64
	at         time.Time
	refusal    error // nil: a launch was accepted
}

// NewLaunchOutcomes makes an empty record.
func NewLaunchOutcomes(clk clock.PassiveClock) *LaunchOutcomes {
	return &LaunchOutcomes{clock: clk, changed: make(chan event.GenericEvent, 64), byClass: map[types.UID]launchOutcome{}}
}

// Record notes the outcome of one LaunchInstance for a class; err is nil for a launch that OCI accepted, and may be wrapped.
// Errors that say nothing about rights, such as a lack of capacity, change nothing. A refusal stands until a launch is accepted,
// the class's spec changes, or it may be tried again.
func (l *LaunchOutcomes) Record(nodeClass *v1alpha1.OciNodeClass, err error) {
	_, refused := oci.RefusalOf(err)
	if err != nil && !refused {
		return
	}
	l.mu.Lock()
	last, known := l.byClass[nodeClass.UID]
	same := known && last.generation == nodeClass.Generation && (last.refusal != nil) == refused
	if !same {
		l.byClass[nodeClass.UID] = launchOutcome{generation: nodeClass.Generation, at: l.clock.Now(), refusal: err}
	}
	l.mu.Unlock()
	if same {
		return
	}
	select {
	case l.changed <- event.GenericEvent{Object: nodeClass.DeepCopy()}:
	default: // many classes changed at once; this one is looked at when it is next resolved
	}
}

func (l *LaunchOutcomes) get(class types.UID) (launchOutcome, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	o, ok := l.byClass[class]
	return o, ok
}

func (l *LaunchOutcomes) forget(class types.UID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.byClass, class)
}

// applyLaunches sets LaunchAuthorized. A class that nothing was launched from yet is not held up by it, nor is one whose refusal
// is old enough to be tried again.
func (c *StatusController) applyLaunches(nodeClass *v1alpha1.OciNodeClass) {
	const condition = v1alpha1.ConditionTypeLaunchAuthorized
	conditions := nodeClass.StatusConditions()
	outcome, known := c.Launches.get(nodeClass.UID)
	now := c.Clock.Now()
	switch {
	case known && outcome.refusal == nil:
		conditions.SetTrue(condition)
	case known && outcome.generation == nodeClass.Generation && now.Before(outcome.at.Add(refusedFor)):
		conditions.SetFalse(condition, reasonNotAuthorized, bounded(c.refusalMessage(nodeClass, outcome.refusal)))
	case known:
		c.Launches.forget(nodeClass.UID)
		conditions.SetTrueWithReason(condition, reasonTryingAgain, tryingAgain)
	default:
		c.applyStoredLaunches(nodeClass, now)
	}
}

// applyStoredLaunches does the same for a condition that a controller wrote which has ended since. What stays is written again, as
// Ready waits for conditions of the class's present generation.
func (c *StatusController) applyStoredLaunches(nodeClass *v1alpha1.OciNodeClass, now time.Time) {
	const condition = v1alpha1.ConditionTypeLaunchAuthorized
	conditions := nodeClass.StatusConditions()
	stored := conditions.Get(condition)
	switch {
	case stored.IsUnknown():
		conditions.SetTrueWithReason(condition, reasonNoLaunchYet, "")
	case stored.IsTrue():
		conditions.SetTrueWithReason(condition, stored.Reason, stored.Message)
	case stored.ObservedGeneration != nodeClass.Generation || !now.Before(stored.LastTransitionTime.Add(refusedFor)):
		conditions.SetTrueWithReason(condition, reasonTryingAgain, tryingAgain)
	}
}

// refusalMessage names the statement that is missing, or where OCI does not say which, all that a launch from the class needs.
func (c *StatusController) refusalMessage(nodeClass *v1alpha1.OciNodeClass, err error) string {
	var failure *oci.Error
	text := oci.StableText(err)
	if errors.As(err, &failure) {
		text = oci.StableText(failure) // without the type and zone of the launch, which differ from one to the next
	}
	compartment := nodeClass.CompartmentIDOr(c.CompartmentID)
	statements := launchStatements(nodeClass, compartment)
	if refusal, _ := oci.RefusalOf(err); refusal.Resource != "" {
		statements = []string{oci.Statement(refusal.Verb, refusal.Resource, "<of the "+strings.ReplaceAll(refusal.Resource, "-", " ")+">")}
	}
	return fmt.Sprintf("OCI refused a launch: what it names is gone, or a policy statement is missing (%s): %s", strings.Join(statements, "; "), text)
}

// launchStatements are the rights that a launch from the class needs (Core Services policy reference, LaunchInstance).
func launchStatements(nodeClass *v1alpha1.OciNodeClass, compartment string) []string {
	out := []string{
		oci.Statement("manage", "instances", compartment), oci.Statement("read", "instance-images", compartment),
		oci.Statement("use", "vnics", "<of the subnets>"), oci.Statement("use", "subnets", "<of the subnets>"),
	}
	if len(nodeClass.Status.SecurityGroups) > 0 {
		out = append(out, oci.Statement("use", "network-security-groups", "<of the groups>"))
	}
	if len(nodeClass.Spec.BlockDevices) > 0 {
		out = append(out, oci.Statement("manage", "volumes", compartment), oci.Statement("manage", "volume-attachments", compartment))
	}
	if len(nodeClass.KMSKeyIDs()) > 0 {
		out = append(out, oci.Statement("use", "key-delegate", "<of the key>"))
	}
	if len(nodeClass.Spec.DefinedTags) > 0 {
		out = append(out, oci.Statement("use", "tag-namespaces", "<of the tag namespaces>"))
	}
	if p := nodeClass.Spec.Placement; p != nil {
		for _, use := range []struct {
			terms    []v1alpha1.PlacementSelectorTerm
			resource string
		}{
			{p.CapacityReservationSelector, "compute-capacity-reservations"}, {p.ComputeClusterSelector, "compute-clusters"},
			{p.ClusterPlacementGroupSelector, "cluster-placement-groups"}, {p.DedicatedVMHostSelector, "dedicated-vm-hosts"},
		} {
			if len(use.terms) > 0 {
				out = append(out, oci.Statement("use", use.resource, compartment))
			}
		}
	}
	return out
}
