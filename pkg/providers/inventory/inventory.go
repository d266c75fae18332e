// Package inventory holds the truth about this cluster's instances: one paged list of the compartment, taken at an adaptive
// interval and on demand. Everything that asks about instances reads it, so the cost in calls follows the number of pages and
// not the number of nodes.
package inventory

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/oracle/oci-go-sdk/v65/core"
	"golang.org/x/sync/singleflight"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/utils/clock"

	"github.com/karpenter-oke/karpenter-oke/pkg/oci"
)

const (
	// BusyInterval is how often the list is taken while an instance is starting or ending: a boot takes a minute or more, so
	// a launch costs a few lists, which all launches of that minute share.
	BusyInterval = 10 * time.Second
	// SettlingInterval is how often it is taken while instances run whose nodes have not come yet: few of them fail so late.
	SettlingInterval = 30 * time.Second
	// IdleInterval is how often it is taken otherwise, when it is one page long. A list of several pages is taken every
	// IdleIntervalOfMany, and a very long one as rarely as makes 300 calls an hour, up to IdleIntervalMost.
	IdleInterval       = time.Minute
	IdleIntervalOfMany = 2 * time.Minute
	IdleIntervalMost   = 4 * time.Minute
	idlePerPage        = 12 * time.Second
	// soonest is the shortest wait of Due; timers are not exact.
	soonest = time.Second
	// ListLag is how long a launched instance may be missing from lists before its absence is believed. OCI's lists are
	// eventually consistent and no figure is published; five minutes is generous.
	ListLag = 5 * time.Minute
)

// API is the part of the OCI client that this package calls.
type API interface {
	ListInstances(ctx context.Context, compartmentID string) ([]core.Instance, error)
}

// Provider serves the instances of this cluster.
type Provider interface {
	// Current is the newest snapshot; its Taken is zero before the first list.
	Current() Snapshot
	// Fresh gives a snapshot whose list began at most maxAge ago, and takes one when there is none. Callers that come at the
	// same time share one list. On an error there is no snapshot: a part of the truth is never given out.
	Fresh(ctx context.Context, maxAge time.Duration) (Snapshot, error)
	// NoteLaunched adds an instance that was just launched, which lists may not show yet.
	NoteLaunched(instance Instance)
	// NoteTerminating marks an instance whose termination OCI has just accepted.
	NoteTerminating(id string)
	// NoteTags replaces the tags of an instance that OCI has just accepted, so that they are not sent again before the next list.
	NoteTags(id string, freeform map[string]string, defined map[string]map[string]interface{})
}

// Snapshot is an immutable view of the instances at one moment.
type Snapshot struct {
	Taken     time.Time // when the list began
	instances map[string]Instance
	unread    []string
}

// Unread are the compartments with instances of this cluster that OCI refused to list, in order of their OCIDs: what is not in the snapshot may be
// in one of them, and what is there of them is as it was last seen.
func (s Snapshot) Unread() []string { return s.unread }

// Get finds an instance by its OCID.
func (s Snapshot) Get(id string) (Instance, bool) {
	instance, ok := s.instances[id]
	return instance, ok
}

// All gives every instance, those that OCI still lists as TERMINATED included, in order of their OCIDs.
func (s Snapshot) All() []Instance {
	out := make([]Instance, 0, len(s.instances))
	for _, id := range slices.Sorted(maps.Keys(s.instances)) {
		out = append(out, s.instances[id])
	}
	return out
}

// ByNodeClaim finds the instance that was launched for a NodeClaim and is not ending; of several the oldest, so that all who ask get the same.
func (s Snapshot) ByNodeClaim(uid string) (oldest Instance, found bool) {
	for _, instance := range s.instances {
		if instance.Owner.NodeClaim.UID != uid || instance.Ending() {
			continue
		}
		if !found || cmp.Or(instance.Created.Compare(oldest.Created), cmp.Compare(instance.ID, oldest.ID)) < 0 {
			oldest, found = instance, true
		}
	}
	return oldest, found
}

// Claims tells which instances the NodeClaims of this cluster name: owners by the instances' OCIDs. It is asked before each list.
type Claims interface {
	Claimed(ctx context.Context) (map[string]Owner, error)
}

// DefaultProvider lists the compartments one after another.
type DefaultProvider struct {
	api          API
	compartments Compartments
	claims       Claims // nil: tags alone say whose an instance is
	clusterID    string
	clock        clock.Clock
	flight       singleflight.Group
	current      atomic.Pointer[Snapshot]
	asked        atomic.Pointer[time.Time] // when the first list was wanted

	mu          sync.Mutex // guards what follows and the making of snapshots; never held during a call
	stale       bool       // said in the log that the list is old
	listed      map[string]Instance
	unread      []string         // of the newest list
	refused     sets.Set[string] // compartments of which the log says that they are refused
	pages       int              // of the newest list
	taken       time.Time
	launched    map[string]noted // not seen in a list yet
	terminating map[string]noted // accepted, not seen as ending in a list yet
}

type noted struct {
	at       time.Time
	instance Instance
}

var _ Provider = (*DefaultProvider)(nil)

// Option changes how a DefaultProvider works.
type Option func(*DefaultProvider)

// WithClaims makes an instance that a NodeClaim names one of ours also after its tags were edited by hand.
func WithClaims(claims Claims) Option { return func(p *DefaultProvider) { p.claims = claims } }

// NewProvider makes an empty inventory of the instances that carry the cluster's tag in the compartments.
func NewProvider(api API, compartments Compartments, clusterID string, clk clock.Clock, options ...Option) *DefaultProvider {
	p := &DefaultProvider{
		api: api, compartments: compartments, clusterID: clusterID, clock: clk,
		listed: map[string]Instance{}, refused: sets.New[string](), launched: map[string]noted{}, terminating: map[string]noted{},
	}
	for _, option := range options {
		option(p)
	}
	p.current.Store(&Snapshot{})
	return p
}

// Current implements Provider.
func (p *DefaultProvider) Current() Snapshot { return *p.current.Load() }

// Fresh implements Provider.
func (p *DefaultProvider) Fresh(ctx context.Context, maxAge time.Duration) (Snapshot, error) {
	if s := p.Current(); !s.Taken.IsZero() && p.clock.Since(s.Taken) <= maxAge {
		return s, nil
	}
	// A list that is under way is shared. When it began too long ago for this caller, one more is taken, which began after the call
	// however many callers share it.
	wanted := p.clock.Now().Add(-max(maxAge, 0))
	s, err := p.shared(ctx)
	if err == nil && s.Taken.Before(wanted) {
		s, err = p.shared(ctx)
	}
	return s, err
}

// shared takes a list, or joins the one that is being taken.
func (p *DefaultProvider) shared(ctx context.Context) (Snapshot, error) {
	result := p.flight.DoChan("list", func() (any, error) {
		return p.list(context.WithoutCancel(ctx))
	})
	select {
	case <-ctx.Done():
		return Snapshot{}, ctx.Err()
	case r := <-result:
		if r.Err != nil {
			return Snapshot{}, r.Err
		}
		return r.Val.(Snapshot), nil
	}
}

// Due is how long to wait until the list is as old as it may become: none is taken for its own sake while others have it taken more often.
func (p *DefaultProvider) Due() time.Duration {
	return max(p.NextInterval()-p.clock.Since(p.Current().Taken), soonest)
}

// NextInterval is how old the list may become.
func (p *DefaultProvider) NextInterval() time.Duration {
	p.mu.Lock()
	pending, pages := len(p.launched)+len(p.terminating), p.pages
	p.mu.Unlock()
	if pending > 0 {
		return BusyInterval
	}
	current := p.Current()
	for _, instance := range current.instances {
		if instance.inTransit() && !slices.Contains(current.unread, instance.CompartmentID) {
			return BusyInterval
		}
	}
	if pages <= 1 {
		return IdleInterval
	}
	return min(max(IdleIntervalOfMany, time.Duration(pages)*idlePerPage), IdleIntervalMost)
}

// Keep takes a list when the newest one has become as old as it may. It is to be called again when one is due.
func (p *DefaultProvider) Keep(ctx context.Context) error {
	_, err := p.Fresh(ctx, p.NextInterval()-soonest)
	return err
}

// NoteLaunched implements Provider.
func (p *DefaultProvider) NoteLaunched(instance Instance) {
	p.mu.Lock()
	defer p.mu.Unlock()
	instance.Unlisted = true
	p.launched[instance.ID] = noted{at: p.clock.Now(), instance: instance}
	p.publish()
}

// NoteTerminating implements Provider.
func (p *DefaultProvider) NoteTerminating(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.terminating[id] = noted{at: p.clock.Now()}
	p.publish()
}

// NoteTags implements Provider.
func (p *DefaultProvider) NoteTags(id string, freeform map[string]string, defined map[string]map[string]interface{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if instance, ok := p.listed[id]; ok {
		instance.FreeformTags, instance.DefinedTags, instance.TagsEdited = freeform, defined, false
		p.listed = maps.Clone(p.listed)
		p.listed[id] = instance
		p.publish()
	}
}

func (p *DefaultProvider) list(ctx context.Context) (Snapshot, error) {
	began, answers := p.clock.Now(), &oci.Answers{}
	p.asked.CompareAndSwap(nil, &began)
	listed, unread, err := p.read(oci.WithAnswers(ctx, answers))
	p.mu.Lock()
	defer p.mu.Unlock()
	if err != nil {
		return Snapshot{}, p.failed(ctx, err)
	}
	p.succeeded(ctx)
	p.carryOver(listed)
	p.keepUnread(listed, unread)
	unreadGauge.Set(float64(len(unread)), nil)
	p.listed, p.unread, p.pages, p.taken = listed, unread, answers.Count(), began
	p.settle(began)
	p.publish()
	return p.Current(), nil
}

// read asks OCI for all pages of all compartments; what fails in part fails as a whole.
func (p *DefaultProvider) read(ctx context.Context) (listed map[string]Instance, unread []string, err error) {
	compartments, err := p.compartments.Compartments(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("finding the compartments of this cluster's instances: %w", err)
	}
	claimed := map[string]Owner{}
	if p.claims != nil {
		if claimed, err = p.claims.Claimed(ctx); err != nil {
			return nil, nil, fmt.Errorf("finding the instances that NodeClaims name: %w", err)
		}
	}
	raw, unread, err := p.readCompartments(ctx, compartments)
	if err != nil {
		return nil, nil, err
	}
	listed = map[string]Instance{}
	for _, r := range raw {
		instance, ours := FromSDK(r, p.clusterID)
		if owner, named := claimed[oci.Value(r.Id)]; named {
			instance, ours = fromClaim(r, p.clusterID, owner)
		}
		if ours {
			listed[instance.ID] = instance
		}
	}
	return listed, unread, nil
}

// carryOver keeps what only this process knows about instances that are listed again; mu is held.
func (p *DefaultProvider) carryOver(listed map[string]Instance) {
	for id, instance := range listed {
		if note, ok := p.launched[id]; ok {
			instance.WorkRequestID, instance.NamedFaultDomain = note.instance.WorkRequestID, note.instance.NamedFaultDomain
		} else if old, ok := p.listed[id]; ok {
			instance.WorkRequestID, instance.NamedFaultDomain = old.WorkRequestID, old.NamedFaultDomain
		}
		listed[id] = instance
	}
}

// settle drops the notes that the new list has caught up with; mu is held.
func (p *DefaultProvider) settle(began time.Time) {
	for id, note := range p.launched {
		if _, seen := p.listed[id]; seen || began.Sub(note.at) > ListLag {
			delete(p.launched, id)
		}
	}
	for id, note := range p.terminating {
		instance, seen := p.listed[id]
		_, unlisted := p.launched[id] // ended before any list showed it: lists that still do not show it say nothing
		if (!seen && !unlisted) || instance.Ending() || began.Sub(note.at) > ListLag {
			delete(p.terminating, id)
		}
	}
}

// publish builds the snapshot from the list and the notes; mu is held.
func (p *DefaultProvider) publish() {
	instances := maps.Clone(p.listed)
	for id, note := range p.launched {
		if _, seen := instances[id]; !seen {
			instances[id] = note.instance
		}
	}
	for id := range p.terminating {
		if instance, ok := instances[id]; ok && !instance.Ending() {
			instance.State = core.InstanceLifecycleStateTerminating
			instances[id] = instance
		}
	}
	p.current.Store(&Snapshot{Taken: p.taken, instances: instances, unread: p.unread})
}

// Refresh takes a list now, whatever the age of the last one.
func (p *DefaultProvider) Refresh(ctx context.Context) error {
	_, err := p.Fresh(ctx, -1)
	return err
}
