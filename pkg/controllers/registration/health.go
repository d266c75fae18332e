package registration

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/awslabs/operatorpkg/status"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/event"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/events"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
)

// Events on an OciNodeClass.
const (
	EventStopped      = "LaunchesStopped"
	EventResumed      = "LaunchesResumed"
	EventImageHeld    = "ImageHeldBack"
	reasonTrying      = "Trying"
	reasonTryingAgain = "TryingAgain"
	reasonStopped     = "NodesDoNotRegister"
)

// Health is the memory of this package. It is safe for concurrent use, asks no service, and holds its lock over memory only. A process that
// starts knows what the conditions of the classes say.
type Health struct {
	clock    clock.PassiveClock
	recorder events.Recorder
	changed  chan event.GenericEvent

	mu      sync.Mutex
	classes map[types.UID]*record
	reasons map[types.UID]string // explanations of NodeClaims that have not failed yet, by their UIDs
}

// NewHealth makes a memory that knows nothing.
func NewHealth(recorder events.Recorder, c clock.PassiveClock) *Health {
	return &Health{clock: c, recorder: recorder, changed: make(chan event.GenericEvent, 64), classes: map[types.UID]*record{}, reasons: map[types.UID]string{}}
}

// Changed tells of classes whose condition is to be set anew.
func (h *Health) Changed() <-chan event.GenericEvent { return h.changed }

func (h *Health) tell(nodeClass *v1alpha1.OciNodeClass) {
	select {
	case h.changed <- event.GenericEvent{Object: nodeClass.DeepCopy()}:
	default: // many classes changed at once; this one is looked at when it is next resolved
	}
}

// of gives the record of a class as it is now. The caller holds the lock.
func (h *Health) of(nodeClass *v1alpha1.OciNodeClass) *record {
	r, known := h.classes[nodeClass.UID]
	if !known {
		r = &record{name: nodeClass.Name, generation: nodeClass.Generation, failed: map[types.UID]time.Time{}, images: map[string]*imageRecord{}}
		r.restore(nodeClass)
		h.classes[nodeClass.UID] = r
	}
	if r.generation < nodeClass.Generation {
		r.newGeneration(nodeClass.Generation, h.clock.Now())
	}
	return r
}

// restore takes over what an earlier process found: a class that it had stopped stays so for the first backoff. The failures that it counted were of
// NodeClaims made at least givenUpAfter before; nodes that are older excuse none of them.
func (r *record) restore(nodeClass *v1alpha1.OciNodeClass) {
	for _, c := range nodeClass.Status.Conditions {
		if c.Type == v1alpha1.ConditionTypeNodesRegister && c.Status == "False" && c.ObservedGeneration == nodeClass.Generation {
			r.trips, r.until = 1, c.LastTransitionTime.Add(firstBackoff)
			r.failed["before the restart"] = c.LastTransitionTime.Add(-givenUpAfter)
		}
	}
}

// Registered notes that a NodeClaim of the class has become a node.
func (h *Health) Registered(nodeClass *v1alpha1.OciNodeClass, claim *karpv1.NodeClaim) {
	h.mu.Lock()
	r := h.of(nodeClass)
	if claim.Status.ImageID != "" {
		r.image(claim.Status.ImageID).registered = true
	}
	resumed := r.succeed(claim.UID, claim.CreationTimestamp.Time)
	delete(h.reasons, claim.UID)
	h.mu.Unlock()
	if resumed {
		h.tell(nodeClass)
		h.recorder.Publish(events.Event{
			InvolvedObject: nodeClass, Type: corev1.EventTypeNormal, Reason: EventResumed,
			Message: fmt.Sprintf("NodeClaim %s registered; the class is launched from again", claim.Name), DedupeValues: []string{string(claim.UID)},
		})
	}
}

// Failed notes that core gave a NodeClaim up because its node had not registered.
func (h *Health) Failed(nodeClass *v1alpha1.OciNodeClass, claim *karpv1.NodeClaim) {
	now := h.clock.Now()
	h.mu.Lock()
	r := h.of(nodeClass)
	if why := h.reasons[claim.UID]; why != "" {
		r.why = why
	}
	delete(h.reasons, claim.UID)
	blamed, held := r.failImage(claim.Status.ImageID, claim.UID)
	stopped := false
	if blamed {
		r.release(claim.UID)
	} else {
		stopped = r.fail(claim.UID, claim.CreationTimestamp.Time, now)
	}
	failures, why, wait := max(len(r.failed), r.trips), r.why, r.until.Sub(now)
	h.mu.Unlock()
	failuresCounter.Inc(map[string]string{labelNodeClass: nodeClass.Name})
	switch {
	case held:
		h.tell(nodeClass)
		h.recorder.Publish(events.Event{
			InvolvedObject: nodeClass, Type: corev1.EventTypeWarning, Reason: EventImageHeld,
			Message: fmt.Sprintf("%d nodes of image %s did not register while those of another image do; the class goes back to that. "+
				"To try the image again set the annotation %s to its OCID. %s", imageFailuresAllowed, claim.Status.ImageID, v1alpha1.AnnotationAdoptImage, why),
			DedupeValues: []string{string(nodeClass.UID), claim.Status.ImageID},
		})
	case stopped:
		h.tell(nodeClass)
		h.recorder.Publish(events.Event{
			InvolvedObject: nodeClass, Type: corev1.EventTypeWarning, Reason: EventStopped,
			Message: fmt.Sprintf("%d nodes in a row did not register (the last: NodeClaim %s); nothing is launched from this class for %s. %s",
				failures, claim.Name, wait.Round(time.Second), why),
			DedupeValues: []string{string(nodeClass.UID), string(claim.UID)},
		})
	}
}

// Ended notes that a NodeClaim went for another reason: it proves nothing.
func (h *Health) Ended(nodeClass *v1alpha1.OciNodeClass, claim types.UID) {
	h.mu.Lock()
	released := h.of(nodeClass).release(claim)
	delete(h.reasons, claim)
	h.mu.Unlock()
	if released {
		h.tell(nodeClass)
	}
}

// release lets another NodeClaim be the one that tries.
func (r *record) release(claim types.UID) bool {
	if claim == "" || r.probe.claim != claim {
		return false
	}
	r.probe = probe{}
	return true
}

// Explain notes why a NodeClaim's instance probably does not become a node, for when it is given up.
func (h *Health) Explain(claim types.UID, why string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.reasons[claim] = why
}

// Admit says whether an instance may be launched for a NodeClaim: one at a time while the class tries whether nodes register again.
func (h *Health) Admit(nodeClass *v1alpha1.OciNodeClass, claim *karpv1.NodeClaim) error {
	h.mu.Lock()
	r := h.of(nodeClass)
	now := h.clock.Now()
	switch r.state(now) {
	case stateClosed:
		h.mu.Unlock()
		return nil
	case stateReady:
		r.probe = probe{claim: claim.UID, name: claim.Name}
		h.mu.Unlock()
		h.tell(nodeClass)
		return nil
	case stateProbing:
		defer h.mu.Unlock()
		if r.probe.claim == claim.UID { // core asks again for the same NodeClaim
			return nil
		}
		return fmt.Errorf("nodes of OciNodeClass %s did not register; NodeClaim %s tries whether they do now", nodeClass.Name, r.probe.name)
	default:
		defer h.mu.Unlock()
		return errors.New("nodes of OciNodeClass " + nodeClass.Name + " do not register; nothing is launched from it for a while")
	}
}

// MayReplace says whether a node may be replaced by one of another image now. A new image replaces few nodes until one of its own is there.
func (h *Health) MayReplace(nodeClass *v1alpha1.OciNodeClass, claim types.UID, imageID string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.of(nodeClass).mayReplace(imageID, claim, h.clock.Now())
}

// FailedImages are the images whose nodes do not register while those of others do.
func (h *Health) FailedImages(nodeClass *v1alpha1.OciNodeClass) []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	r := h.of(nodeClass)
	var out []string
	for id, i := range r.images {
		if !i.registered && len(i.failed) >= imageFailuresAllowed && r.otherRegistered(id) {
			out = append(out, id)
		}
	}
	slices.Sort(out)
	return out
}

// Excuse forgets what was held against an image.
func (h *Health) Excuse(nodeClass *v1alpha1.OciNodeClass, imageID string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.of(nodeClass).image(imageID).failed = map[types.UID]bool{}
}

// Forget drops a class that is being deleted.
func (h *Health) Forget(nodeClass *v1alpha1.OciNodeClass) {
	h.mu.Lock()
	delete(h.classes, nodeClass.UID)
	h.mu.Unlock()
	stoppedGauge.Delete(map[string]string{labelNodeClass: nodeClass.Name})
	heldGauge.Delete(map[string]string{labelNodeClass: nodeClass.Name})
}

// Apply sets the condition NodesRegister and returns when it will change by itself; 0 when it will not. Messages hold no times, so that a
// state that lasts writes nothing.
func (h *Health) Apply(nodeClass *v1alpha1.OciNodeClass) time.Duration {
	const condition = v1alpha1.ConditionTypeNodesRegister
	now := h.clock.Now()
	h.mu.Lock()
	r := h.of(nodeClass)
	is, trips, try, why, left := r.state(now), r.trips, r.probe.name, r.why, r.until.Sub(now)
	ids := make([]string, 0, len(nodeClass.Status.Images)+len(nodeClass.Status.HeldImages))
	for _, i := range nodeClass.Status.Images {
		ids = append(ids, i.ID)
	}
	for _, i := range nodeClass.Status.HeldImages {
		ids = append(ids, i.ID)
	}
	r.keepImages(ids)
	h.mu.Unlock()
	h.measure(nodeClass, is)
	conditions := nodeClass.StatusConditions()
	switch is {
	case stateOpen:
		if stored := conditions.Get(condition); why == "" && stored.IsFalse() && stored.Reason == reasonStopped {
			why = explanationOf(stored)
		}
		conditions.SetFalse(condition, reasonStopped, fmt.Sprintf("instances run and do not become nodes; the next try follows after %s%s", backoff(trips), because(why)))
		return left
	case stateProbing:
		conditions.SetFalse(condition, reasonTrying, fmt.Sprintf("NodeClaim %s tries whether nodes register now%s", try, because(why)))
	case stateReady:
		conditions.SetTrueWithReason(condition, reasonTryingAgain, "earlier nodes did not register; the next one tells whether they do now")
	default:
		conditions.SetTrue(condition)
	}
	return 0
}

// whySeparator stands before the explanation in a condition's message.
const whySeparator = ": "

func because(why string) string {
	if why == "" {
		return ""
	}
	return whySeparator + why
}

// explanationOf reads back what an earlier process explained a failure with.
func explanationOf(c *status.Condition) string {
	_, why, _ := cut(c.Message)
	return why
}
