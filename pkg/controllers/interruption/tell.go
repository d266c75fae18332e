package interruption

import (
	"context"
	"fmt"
	"hash/fnv"
	"strings"
	"time"

	"github.com/awslabs/operatorpkg/object"
	"github.com/samber/lo"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/log"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/events"
)

const (
	// loggedAtOnce is how many NodeClaims one line of the log names: few enough for the 16 KiB at which container runtimes break lines.
	loggedAtOnce = 25
	// component is the source of events, as core's own are signed.
	component = "karpenter"
	// longestName keeps an event's name within what names may have, its suffix included.
	longestName = 230
)

// interrupted is what the log says of a NodeClaim that was deleted.
type interrupted struct {
	NodeClaim string `json:"nodeClaim"`
	Node      string `json:"node,omitempty"`
	Instance  string `json:"instance"`
	Kind      kind   `json:"kind"`
	Source    source `json:"source"`
	Deadline  string `json:"deadline"`
}

// logTakedowns names every NodeClaim that was deleted. Lines name several, since Karpenter's logger writes no more than a hundred lines of
// one text in a second, and every hundredth from there on.
func logTakedowns(ctx context.Context, downs []takedown) {
	done := lo.FilterMap(downs, func(d takedown, _ int) (interrupted, bool) {
		return interrupted{
			NodeClaim: d.claim.Name, Node: d.claim.Status.NodeName, Instance: d.claim.Status.ProviderID, Kind: d.kind, Source: d.source,
			Deadline: d.deadline.UTC().Format(time.RFC3339),
		}, d.deleted
	})
	for _, some := range lo.Chunk(done, loggedAtOnce) {
		log.FromContext(ctx).Info("deleted NodeClaims whose instances are interrupted", "count", len(some), "interrupted", some)
	}
}

func reasonOf(k kind) string {
	if k == kindMaintenance {
		return "MaintenanceDue"
	}
	return "Preempted"
}

// tell writes the events of a NodeClaim that goes, and of its node. They are written here and not through the recorder, whose queue is
// shared with thousands of events of other kinds and drops what does not fit: in a wave of preemptions most of these would be lost. The name
// is the same each time, so a message that is handled again tells nothing twice. An event that is refused is left to the recorder: it is no
// reason to handle a message again.
func (t *taker) tell(ctx context.Context, d *takedown) error {
	if !d.deleted && d.claim.DeletionTimestamp.IsZero() {
		return nil // it was gone, or could not be deleted
	}
	reason := reasonOf(d.kind)
	for _, about := range subjects(d.claim) {
		err := t.kube.Create(ctx, t.event(about, d.claim.UID, reason, d.says))
		if err != nil && !apierrors.IsAlreadyExists(err) {
			publish(t.recorder, d.claim, corev1.EventTypeWarning, reason, d.says)
			return nil
		}
	}
	return nil
}

func (t *taker) event(about corev1.ObjectReference, claim types.UID, reason, message string) *corev1.Event {
	now := metav1.NewTime(t.clock.Now())
	sum := fnv.New64a()
	_, _ = fmt.Fprint(sum, about.Kind, claim, reason) // a hash takes everything
	name := strings.TrimRight(about.Name[:min(len(about.Name), longestName)], ".-")
	return &corev1.Event{
		ObjectMeta:     metav1.ObjectMeta{Namespace: metav1.NamespaceDefault, Name: fmt.Sprintf("%s.%x", name, sum.Sum64())}, // as of all objects without a namespace
		InvolvedObject: about, Type: corev1.EventTypeWarning, Reason: reason, Message: message,
		FirstTimestamp: now, LastTimestamp: now, Count: 1,
		Source: corev1.EventSource{Component: component}, ReportingController: component,
	}
}

// subjects are what an event of a NodeClaim is about: itself and its node. Events of nodes carry the name as the UID, as the kubelet's do.
func subjects(claim *karpv1.NodeClaim) []corev1.ObjectReference {
	version, kindOf := object.GVK(claim).ToAPIVersionAndKind()
	all := []corev1.ObjectReference{{APIVersion: version, Kind: kindOf, Name: claim.Name, UID: claim.UID}}
	if claim.Status.NodeName != "" {
		all = append(all, corev1.ObjectReference{APIVersion: "v1", Kind: "Node", Name: claim.Status.NodeName, UID: types.UID(claim.Status.NodeName)})
	}
	return all
}

// publish tells the same of a NodeClaim and of its node, when there is time.
func publish(recorder events.Recorder, claim *karpv1.NodeClaim, eventType, reason, message string) {
	recorder.Publish(events.Event{InvolvedObject: claim, Type: eventType, Reason: reason, Message: message, DedupeValues: []string{string(claim.UID), message}})
	if claim.Status.NodeName != "" {
		node := &corev1.Node{}
		node.Name, node.UID = claim.Status.NodeName, types.UID(claim.Status.NodeName)
		recorder.Publish(events.Event{InvolvedObject: node, Type: eventType, Reason: reason, Message: message, DedupeValues: []string{"node", string(claim.UID), message}})
	}
}
