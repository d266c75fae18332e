// Package inventory holds the truth about this cluster's instances: one paged list of the compartment, taken at an adaptive
// interval and on demand. Everything that asks about instances reads it, so the cost in calls follows the number of pages and
// not the number of nodes.
package inventory

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/oracle/oci-go-sdk/v65/core"
	"golang.org/x/sync/singleflight"
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
}

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

// ByNodeClaim finds the instance that was launched for a NodeClaim and is not ending.
func (s Snapshot) ByNodeClaim(uid string) (Instance, bool) {
	for _, instance := range s.instances {
		if instance.Owner.NodeClaim.UID == uid && !instance.Ending() {
			return instance, true
		}
	}
	return Instance{}, false
}

// Compartments tells which compartments have instances of this cluster. It is asked before each list.
type Compartments interface {
	Compartments(ctx context.Context) ([]string, error)
}

// Claims tells which instances the NodeClaims of this cluster name: owners by the instances' OCIDs. It is asked before each list.
type Claims interface {
	Claimed(ctx context.Context) (map[string]Owner, error)
}

// OneCompartment is a Compartments that never changes.
type OneCompartment string

// Compartments implements the interface of the same name.
func (c OneCompartment) Compartments(context.Context) ([]string, error) {
	return []string{string(c)}, nil
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
	pages       int // of the newest list
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
		listed: map[string]Instance{}, launched: map[string]noted{}, terminating: map[string]noted{},
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
	for _, instance := range p.Current().instances {
		if instance.inTransit() {
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
	listed, err := p.read(oci.WithAnswers(ctx, answers))
	p.mu.Lock()
	defer p.mu.Unlock()
	if err != nil {
		return Snapshot{}, p.failed(ctx, err)
	}
	p.succeeded(ctx)
	p.carryOver(listed)
	p.listed, p.pages, p.taken = listed, answers.Count(), began
	p.settle(began)
	p.publish()
	return p.Current(), nil
}

// read asks OCI for all pages of all compartments; what fails in part fails as a whole.
func (p *DefaultProvider) read(ctx context.Context) (map[string]Instance, error) {
	compartments, err := p.compartments.Compartments(ctx)
	if err != nil {
		return nil, fmt.Errorf("finding the compartments of this cluster's instances: %w", err)
	}
	claimed := map[string]Owner{}
	if p.claims != nil {
		if claimed, err = p.claims.Claimed(ctx); err != nil {
			return nil, fmt.Errorf("finding the instances that NodeClaims name: %w", err)
		}
	}
	listed := map[string]Instance{}
	for _, compartment := range compartments {
		raw, err := p.api.ListInstances(ctx, compartment)
		if err != nil {
			return nil, fmt.Errorf("listing the instances of compartment %s: %w", compartment, err)
		}
		for _, r := range raw {
			instance, ours := FromSDK(r, p.clusterID)
			if owner, named := claimed[oci.Value(r.Id)]; named {
				instance, ours = fromClaim(r, p.clusterID, owner)
			}
			if ours {
				listed[instance.ID] = instance
			}
		}
	}
	return listed, nil
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
		if !seen || instance.Ending() || began.Sub(note.at) > ListLag {
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
	p.current.Store(&Snapshot{Taken: p.taken, instances: instances})
}

// Refresh takes a list now, whatever the age of the last one.
func (p *DefaultProvider) Refresh(ctx context.Context) error {
	_, err := p.Fresh(ctx, -1)
	return err
}
