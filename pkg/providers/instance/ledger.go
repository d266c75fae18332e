package instance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/samber/lo"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/cloudprovider"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/inventory"
)

// settleFor is how old a launch must be before a list may tell what became of it: a request of a process that ended meanwhile arrives within
// seconds or never. Core plans nothing while a NodeClaim has no instance, so this is as long as a NodeClaim may hold everything up.
const settleFor = 15 * time.Second

// Claims writes the annotations of NodeClaims, and deletes those whose launch can not be followed up.
type Claims interface {
	Patch(ctx context.Context, obj client.Object, patch client.Patch, opts ...client.PatchOption) error
	Delete(ctx context.Context, obj client.Object, opts ...client.DeleteOption) error
}

// entry is what a NodeClaim remembers of the launch that OCI was last asked for: enough to ask for exactly the same again, and the token
// that tells whether what is put together from it is the same.
type entry struct {
	Attempt      int       `json:"attempt"` // 1 for the first; each has a token of its own
	Token        string    `json:"token"`
	At           time.Time `json:"at"`
	InstanceType string    `json:"instanceType"`
	Zone         string    `json:"zone"`
	CapacityType string    `json:"capacityType"`
	Reservation  string    `json:"reservation,omitempty"`
	FaultDomain  string    `json:"faultDomain,omitempty"`
	Subnet       string    `json:"subnet"`
	// Answered says that OCI has refused, so that there is no instance. An instance that was launched stands in the NodeClaim's status.
	Answered bool `json:"answered,omitempty"`
	// Disputed says that OCI does not take the token any more, since something has come of the launch: only lists tell what.
	Disputed bool `json:"disputed,omitempty"`
}

// ledger writes down on a NodeClaim what OCI is about to be asked for, before it is asked. A process that takes over after a kill thus repeats
// the launch with its token instead of choosing again, whatever lists show by then. Each entry is written on condition that nobody has changed
// the NodeClaim meanwhile: of two processes that both believe to lead, one launches.
type ledger struct {
	kube   Claims
	clock  clock.PassiveClock
	claim  types.NamespacedName
	uid    types.UID
	at     string // resource version of the last read or write
	last   *entry // nil before the first
	broken bool   // what was found can not be read
	// known and disputed are what OCI said of the last launch that was sent: it has refused it, or its token.
	known, disputed bool
}

// open reads what a NodeClaim remembers.
func (p *DefaultProvider) open(nodeClaim *karpv1.NodeClaim) *ledger {
	l := &ledger{kube: p.claims, clock: p.clock, claim: client.ObjectKeyFromObject(nodeClaim), uid: nodeClaim.UID, at: nodeClaim.ResourceVersion}
	if text, found := nodeClaim.Annotations[v1alpha1.AnnotationLaunchAttempt]; found {
		l.last = &entry{}
		if err := json.Unmarshal([]byte(text), l.last); err != nil {
			// Edited by hand. Something was asked for, at the latest when the NodeClaim had just been made.
			l.last, l.broken = &entry{At: nodeClaim.CreationTimestamp.Time}, true
		}
	}
	return l
}

// attempt is the number of the next one.
func (l *ledger) attempt() int {
	if l.last == nil {
		return 1
	}
	return l.last.Attempt + 1
}

// begin writes a launch down that is about to be sent. One that stands there already, because it is repeated, costs nothing.
func (l *ledger) begin(ctx context.Context, next plan) error {
	l.known, l.disputed = false, false
	if l.last != nil && l.last.Token == next.token && !l.last.Answered {
		return nil
	}
	offering := next.candidate.Offering
	e := entry{
		Attempt: next.attempt, Token: next.token, At: l.clock.Now().UTC(), InstanceType: next.candidate.Type.Name, Zone: offering.Zone(), CapacityType: offering.CapacityType(),
		FaultDomain: lo.FromPtr(next.details.FaultDomain), Subnet: next.subnet.ID,
	}
	if e.CapacityType == karpv1.CapacityTypeReserved {
		e.Reservation = offering.ReservationID()
	}
	if err := l.write(ctx, e); err != nil {
		return &notRecordedError{nodeClaim: l.claim.Name, cause: err}
	}
	return nil
}

// close writes down that OCI has refused the last launch or its token, if it has. When that fails, the next process repeats a launch that OCI refuses
// again, or waits for an instance that is not there; both end.
func (l *ledger) close(ctx context.Context) {
	if !l.known && !l.disputed {
		return
	}
	e := *l.last
	e.Answered, e.Disputed = l.known, l.disputed
	if err := l.write(ctx, e); err != nil {
		log.FromContext(ctx).V(1).Info("the outcome of a launch is not written down", "NodeClaim", klog.KRef("", l.claim.Name), "error", err.Error())
	}
}

func (l *ledger) write(ctx context.Context, e entry) error {
	text, err := json.Marshal(e)
	if err != nil {
		return err
	}
	metadata := map[string]any{"uid": l.uid, "annotations": map[string]string{v1alpha1.AnnotationLaunchAttempt: string(text)}}
	if l.at != "" {
		metadata["resourceVersion"] = l.at
	}
	body, err := json.Marshal(map[string]any{"metadata": metadata})
	if err != nil {
		return err
	}
	written := &karpv1.NodeClaim{ObjectMeta: metav1.ObjectMeta{Name: l.claim.Name}}
	if err := l.kube.Patch(ctx, written, client.RawPatch(types.MergePatchType, body)); err != nil {
		return err
	}
	l.last, l.at, l.broken = &e, written.ResourceVersion, false
	if !written.DeletionTimestamp.IsZero() && !e.Answered && !e.Disputed {
		return errors.New("it is being deleted")
	}
	return nil
}

// giveUp deletes the NodeClaim, on condition that nobody has changed it since it was read: core makes another one at once where it is needed.
func (l *ledger) giveUp(ctx context.Context) error {
	only := client.Preconditions{UID: &l.uid}
	if l.at != "" {
		only.ResourceVersion = &l.at
	}
	if err := l.kube.Delete(ctx, &karpv1.NodeClaim{ObjectMeta: metav1.ObjectMeta{Name: l.claim.Name}}, only); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("deleting NodeClaim %s, whose earlier launch can not be repeated: %w", l.claim.Name, err)
	}
	return &GivenUpError{NodeClaim: l.claim.Name, Attempt: l.last.Attempt, At: l.last.At}
}

// unfinished is the launch of an earlier process whose outcome nobody wrote down, put together anew; nil when there is none. What can not be
// put together as it was, because the class or what is known of sizes has changed, can not be repeated, nor can one whose token OCI refuses.
// Then a list decides that began when the launch had settled. It has the instance; or it is so young that the instance may come yet, and the NodeClaim is given up, since nothing
// is planned while it waits: should there be an instance after all, the orphan collector ends it; or it is old enough to say that there is none.
func (p *DefaultProvider) unfinished(ctx context.Context, r request, types []*cloudprovider.InstanceType) (*plan, error) {
	e := r.ledger.last
	if e == nil || e.Answered {
		return nil, nil
	}
	if e.Disputed {
		if ended, err := p.hasEnded(ctx, r, *e); ended || err != nil {
			return nil, err
		}
	} else if again, ok := p.rebuild(r, *e, types); ok {
		log.FromContext(ctx).Info("repeating a launch whose outcome was not recorded", "NodeClaim", klog.KObj(r.nodeClaim), "attempt", e.Attempt, "at", e.At)
		return again, nil
	}
	settled, shown := e.At.Add(settleFor), e.At.Add(inventory.ListLag)
	switch now := p.clock.Now(); {
	case now.Before(settled):
		return nil, cloudprovider.NewCreateError(fmt.Errorf("attempt %d was sent at %s and can not be repeated as it was", e.Attempt, e.At.Format(time.RFC3339)),
			ReasonUnfinished, "an earlier launch may have succeeded; OCI's list is looked at after "+settled.UTC().Format(time.RFC3339))
	case now.Before(shown):
		if err := p.notShown(ctx, r, settled); err != nil {
			return nil, err
		}
		err := r.ledger.giveUp(ctx)
		log.FromContext(ctx).Info("an earlier launch can not be repeated as it was, and no list shows its instance: the NodeClaim is replaced",
			"NodeClaim", klog.KObj(r.nodeClaim), "attempt", e.Attempt, "at", e.At, "outcome", err.Error())
		return nil, err
	default:
		return nil, p.notShown(ctx, r, shown)
	}
}

// hasEnded says whether a list of now shows the instance of a launch as one that has ended, so that there can be another one.
func (p *DefaultProvider) hasEnded(ctx context.Context, r request, e entry) (bool, error) {
	snapshot, err := p.inventory.Fresh(ctx, 0)
	if err != nil {
		return false, fmt.Errorf("looking for an instance whose launch OCI does not repeat: %w", err)
	}
	if _, there := snapshot.ByNodeClaim(string(r.nodeClaim.UID)); there {
		return false, nil
	}
	return lo.ContainsBy(snapshot.All(), func(i inventory.Instance) bool {
		return i.Owner.NodeClaim.UID == string(r.nodeClaim.UID) && i.Created.After(e.At.Add(-settleFor))
	}), nil
}

// notShown makes sure that a list which began after shown does not have the instance. An error means that it does, or that none could be taken.
func (p *DefaultProvider) notShown(ctx context.Context, r request, shown time.Time) error {
	snapshot, err := p.inventory.Fresh(ctx, max(0, p.clock.Since(shown)))
	if err != nil {
		return fmt.Errorf("looking for an instance that another process launched: %w", err)
	}
	if found, there := snapshot.ByNodeClaim(string(r.nodeClaim.UID)); there {
		return fmt.Errorf("instance %s was launched for NodeClaim %s before; it is adopted next time", found.ID, r.nodeClaim.Name)
	}
	if unread := snapshot.Unread(); len(unread) > 0 {
		return fmt.Errorf("an instance of NodeClaim %s may be in compartment %s, which OCI refuses to list", r.nodeClaim.Name, strings.Join(unread, " or "))
	}
	return nil
}

// rebuild plans a recorded launch again; false when the result is not the same to the last byte.
func (p *DefaultProvider) rebuild(r request, e entry, types []*cloudprovider.InstanceType) (*plan, bool) {
	candidate, found := candidateFor(e, types)
	subnet, serves := lo.Find(r.nodeClass.Status.Subnets, func(s v1alpha1.Subnet) bool { return s.ID == e.Subnet })
	if r.ledger.broken || !found || !serves {
		return nil, false
	}
	again, err := p.plan(r, candidate, subnet, e.FaultDomain, e.Attempt)
	if err != nil || again.token != e.Token {
		return nil, false
	}
	again.repeated = true
	return &again, true
}

func candidateFor(e entry, types []*cloudprovider.InstanceType) (Candidate, bool) {
	for _, t := range types {
		if t.Name != e.InstanceType {
			continue
		}
		for _, o := range t.Offerings {
			if o.Zone() == e.Zone && o.CapacityType() == e.CapacityType && (e.Reservation == "" || o.ReservationID() == e.Reservation) {
				return Candidate{Type: t, Offering: o}, true
			}
		}
	}
	return Candidate{}, false
}
