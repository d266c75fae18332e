package virtualnode

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
)

// Index keeps virtual nodes, NodePools, File Storage claims and the namespaces that state a layer in memory, and publishes them as
// snapshots. Its controllers feed it; Ensure fills it before they have run, so that no decision is ever taken on an empty cluster after a restart.
type Index struct {
	config Config
	clock  clock.PassiveClock

	filled atomic.Bool
	fill   singleflight.Group

	snapshot atomic.Pointer[Snapshot]

	mu          sync.Mutex // guards what follows; never held across I/O or callbacks
	nodes       map[string]*virtualNode
	namespaces  map[string]stated
	pools       map[string]*pool
	fileStorage map[types.NamespacedName]struct{}
	generation  uint64
	listeners   []func()
}

// stated is what a namespace says about the layer of its pods.
type stated struct {
	layer Layer
	// unknown is the word that is no layer; the namespace then states none.
	unknown string
}

// NewIndex returns an empty index for settings that have passed Config.Validate.
func NewIndex(cfg Config, clk clock.PassiveClock) *Index {
	i := &Index{
		config:     cfg,
		clock:      clk,
		nodes:      map[string]*virtualNode{},
		namespaces: map[string]stated{},
		pools:      map[string]*pool{},
	}
	i.snapshot.Store(&Snapshot{})
	return i
}

// Snapshot returns the present state. It never blocks and is never nil.
func (i *Index) Snapshot() *Snapshot { return i.snapshot.Load() }

// Generation grows with every change that could turn a decision.
func (i *Index) Generation() uint64 { return i.Snapshot().generation }

// OnChange adds a function that is called after each change that could turn a decision. It must return quickly.
func (i *Index) OnChange(fn func()) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.listeners = append(i.listeners, fn)
}

// Ensure fills the index once from the reader, which must be a cache that waits for its own sync. What controllers have put in
// meanwhile is newer and stays. It returns the reader's error, and tries again at the next call.
func (i *Index) Ensure(ctx context.Context, reader client.Reader) error {
	if i.filled.Load() {
		return nil
	}
	_, err, _ := i.fill.Do("fill", func() (any, error) {
		if i.filled.Load() {
			return nil, nil
		}
		if err := i.fillFrom(ctx, reader); err != nil {
			return nil, fmt.Errorf("reading virtual nodes, %w", err)
		}
		i.filled.Store(true)
		return nil, nil
	})
	return err
}

func (i *Index) fillFrom(ctx context.Context, reader client.Reader) error {
	nodes, pools, namespaces := &corev1.NodeList{}, &karpv1.NodePoolList{}, &corev1.NamespaceList{}
	for _, list := range []client.ObjectList{nodes, pools, namespaces} {
		if err := reader.List(ctx, list); err != nil {
			return fmt.Errorf("listing %T, %w", list, err)
		}
	}
	virtual := map[string]*virtualNode{}
	for k := range nodes.Items {
		node := &nodes.Items[k]
		if !i.config.IsVirtual(node) {
			continue
		}
		taken, err := readLoad(ctx, reader, node.Name)
		if err != nil {
			return err
		}
		n := newVirtualNode(node, taken)
		n.counted = n.present(i.clock.Now(), i.config.GracePeriod)
		virtual[node.Name] = n
	}
	claims, err := fileStorageClaims(ctx, reader)
	if err != nil {
		return err
	}
	i.change(func() bool {
		for key := range i.fileStorage {
			claims[key] = struct{}{}
		}
		i.fileStorage = claims
		for name, n := range virtual {
			if i.nodes[name] == nil {
				i.nodes[name] = n
			}
		}
		for k := range pools.Items {
			if pl := newPool(&pools.Items[k]); pl != nil && i.pools[pl.name] == nil {
				i.pools[pl.name] = pl
			}
		}
		for k := range namespaces.Items {
			ns := &namespaces.Items[k]
			if says := statedBy(ns); says != (stated{}) && i.namespaces[ns.Name] == (stated{}) {
				i.namespaces[ns.Name] = says
			}
		}
		return true
	})
	return nil
}

// setNode takes a Node's state, virtual or not, and what the pods on it take.
func (i *Index) setNode(node *corev1.Node, taken load) {
	if !i.config.IsVirtual(node) {
		i.change(func() bool {
			_, known := i.nodes[node.Name]
			delete(i.nodes, node.Name)
			return known
		})
		return
	}
	next := newVirtualNode(node, taken)
	next.counted = next.present(i.clock.Now(), i.config.GracePeriod)
	i.change(func() bool {
		last := i.nodes[node.Name]
		i.nodes[node.Name] = next
		return last == nil || !last.sameTo(next)
	})
}

// deleteNode keeps a deleted virtual node for the grace period, and returns how long that still is; 0 when it is over.
func (i *Index) deleteNode(name string) time.Duration {
	now := i.clock.Now()
	var left time.Duration
	i.change(func() bool {
		n := i.nodes[name]
		if n == nil {
			return false
		}
		if n.forgotten(now, i.config.GracePeriod) {
			delete(i.nodes, name)
			return true
		}
		changed := !n.gone
		if changed {
			gone := *n
			gone.gone = true
			if gone.ready {
				gone.ready, gone.since = false, now
			}
			i.nodes[name] = &gone
			n = &gone
		}
		left = n.since.Add(i.config.GracePeriod).Sub(now)
		if left <= 0 {
			delete(i.nodes, name)
			left, changed = 0, true
		}
		return changed
	})
	return left
}

// graceLeft is how long a known node that is not Ready still counts as usable; 0 when it is Ready or the grace is over.
func (i *Index) graceLeft(name string) time.Duration {
	now := i.clock.Now()
	i.mu.Lock()
	defer i.mu.Unlock()
	n := i.nodes[name]
	if n == nil || n.ready {
		return 0
	}
	return max(0, n.since.Add(i.config.GracePeriod).Sub(now))
}

// setPool takes a NodePool's state; nil is a deleted one.
func (i *Index) setPool(name string, np *karpv1.NodePool) {
	var next *pool
	if np != nil {
		next = newPool(np)
	}
	i.change(func() bool {
		last := i.pools[name]
		if next == nil {
			delete(i.pools, name)
			return last != nil
		}
		i.pools[name] = next
		return last == nil || last.generation != next.generation || last.uid != next.uid
	})
}

// setNamespace takes what a namespace states; the zero value for nothing.
func (i *Index) setNamespace(name string, says stated) {
	i.change(func() bool {
		last := i.namespaces[name]
		if says == (stated{}) {
			delete(i.namespaces, name)
		} else {
			i.namespaces[name] = says
		}
		return last != says
	})
}

// setClaim takes whether File Storage stands behind a claim. Nearly all claims are others, and cost nothing here.
func (i *Index) setClaim(key types.NamespacedName, fileStorage bool) {
	i.mu.Lock()
	_, last := i.fileStorage[key]
	i.mu.Unlock()
	if last == fileStorage {
		return
	}
	i.change(func() bool {
		next := make(map[types.NamespacedName]struct{}, len(i.fileStorage)+1)
		maps.Copy(next, i.fileStorage)
		if delete(next, key); fileStorage {
			next[key] = struct{}{}
		}
		i.fileStorage = next
		return true
	})
}

// knows tells whether the name is a virtual node's.
func (i *Index) knows(name string) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.nodes[name] != nil
}

// change applies an edit under the lock and publishes the result; when the edit says that decisions may turn, listeners are told.
func (i *Index) change(edit func() bool) {
	i.mu.Lock()
	turned := edit()
	if turned {
		i.generation++
	}
	i.snapshot.Store(i.build())
	listeners := i.listeners
	i.mu.Unlock()
	if !turned {
		return
	}
	for _, fn := range listeners {
		fn()
	}
}

// build makes a snapshot; the caller holds the lock. Maps are copied, their values are never changed in place.
func (i *Index) build() *Snapshot {
	s := &Snapshot{
		generation:  i.generation,
		nodes:       make([]*virtualNode, 0, len(i.nodes)),
		namespaces:  maps.Clone(i.namespaces),
		pools:       make([]*pool, 0, len(i.pools)),
		fileStorage: i.fileStorage,
	}
	for _, n := range i.nodes {
		s.nodes = append(s.nodes, n)
	}
	slices.SortFunc(s.nodes, func(a, b *virtualNode) int { return strings.Compare(a.node.Name, b.node.Name) })
	for _, pl := range i.pools {
		s.pools = append(s.pools, pl)
	}
	slices.SortFunc(s.pools, func(a, b *pool) int { return strings.Compare(a.name, b.name) })
	return s
}

// statedBy reads what a namespace states by annotation or label.
func statedBy(ns *corev1.Namespace) stated {
	value, ok := ns.Annotations[LayerKey]
	if !ok {
		value, ok = ns.Labels[LayerKey]
	}
	if !ok {
		return stated{}
	}
	if layer, known := parseLayer(value); known {
		return stated{layer: layer}
	}
	return stated{unknown: value}
}

// Register starts the controllers that keep the index: of nodes, NodePools, namespaces and claims. They write nothing.
func (i *Index) Register(ctx context.Context, m manager.Manager) error {
	for _, c := range []interface {
		Register(context.Context, manager.Manager) error
	}{
		&nodeController{index: i}, &poolController{index: i}, &namespaceController{index: i}, &claimController{index: i},
	} {
		if err := c.Register(ctx, m); err != nil {
			return err
		}
	}
	return nil
}
