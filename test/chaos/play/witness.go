package play

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/test/chaos/plan"
	"github.com/karpenter-oke/karpenter-oke/test/ocisim"
)

// witness sees every change of every instance and of every NodeClaim, in order, and remembers what must never be.
type witness struct {
	clusterID string

	mu       sync.Mutex
	alive    map[string]map[string]bool // by UID of the NodeClaim, the instances that are not ending
	doubles  []string
	foreign  map[string]string // OCIDs and what they are
	touched  []string
	launched int // instances of this cluster so far
	reached  map[plan.Point]map[types.UID]bool
	armed    map[plan.Point][]func()
	spot     map[string]bool // preemptible instances of this cluster that run
	waves    []wave
}

// wave is something that is done as soon as so many preemptible instances run.
type wave struct {
	least int
	do    func()
}

func newWitness(clusterID string) *witness {
	w := &witness{
		clusterID: clusterID, alive: map[string]map[string]bool{}, foreign: map[string]string{}, reached: map[plan.Point]map[types.UID]bool{},
		armed: map[plan.Point][]func(){}, spot: map[string]bool{},
	}
	for point := range claimPoints {
		w.reached[point] = map[types.UID]bool{}
	}
	return w
}

// protect makes instances ones that must stay as they are.
func (w *witness) protect(all []foreigner) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, f := range all {
		w.foreign[f.id] = f.what
	}
}

// ending are the states in which an instance is on its way out or gone.
var ending = []string{"TERMINATING", "TERMINATED"}

// watchInstances reads the simulator's events until ctx ends.
func (w *witness) watchInstances(ctx context.Context, sim *ocisim.Simulator) {
	for e := range sim.Watch(ctx) {
		w.seeInstance(e)
		for _, do := range w.dueWaves() {
			do()
		}
	}
}

// dueWaves are those that enough preemptible instances run for; each comes once.
func (w *witness) dueWaves() (due []func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.waves = slices.DeleteFunc(w.waves, func(of wave) bool {
		if len(w.spot) < of.least {
			return false
		}
		due = append(due, of.do)
		return true
	})
	return due
}

// armWave has something done once when so many preemptible instances run, at the next change of any.
func (w *witness) armWave(least int, do func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.waves = append(w.waves, wave{least: least, do: do})
}

func (w *witness) seeInstance(e ocisim.InstanceEvent) {
	w.mu.Lock()
	defer w.mu.Unlock()
	i := e.Instance
	if what, foreign := w.foreign[i.ID]; foreign {
		if slices.Contains(append(ending, "STOPPING", "STOPPED"), i.State) {
			w.touched = append(w.touched, fmt.Sprintf("the instance %s is %s", what, i.State))
		}
		return
	}
	if i.FreeformTags[v1alpha1.TagClusterID] != w.clusterID {
		return
	}
	if i.Preemptible && i.State == "RUNNING" {
		w.spot[i.ID] = true
	} else {
		delete(w.spot, i.ID)
	}
	name, uid, _ := strings.Cut(i.FreeformTags[v1alpha1.TagNodeClaim], "/")
	of := w.alive[uid]
	if of == nil {
		of = map[string]bool{}
		w.alive[uid] = of
	}
	if slices.Contains(ending, i.State) {
		delete(of, i.ID)
		return
	}
	if e.Previous == "" && !of[i.ID] {
		w.launched++
	}
	of[i.ID] = true
	if e.Previous == "" && len(of) > 1 {
		w.doubles = append(w.doubles, fmt.Sprintf("NodeClaim %s has %d at %s", name, len(of), e.At.Format("15:04:05.0")))
	}
}

// claimPoints are the moments that NodeClaims show.
var claimPoints = map[plan.Point]func(*karpv1.NodeClaim) bool{
	plan.ClaimCreated: func(*karpv1.NodeClaim) bool { return true },
	plan.ClaimPlanned: func(c *karpv1.NodeClaim) bool {
		return c.Annotations[v1alpha1.AnnotationLaunchAttempt] != "" && c.Status.ProviderID == ""
	},
	plan.ClaimLaunched: func(c *karpv1.NodeClaim) bool { return c.Status.ProviderID != "" },
	plan.ClaimRegistered: func(c *karpv1.NodeClaim) bool {
		return c.StatusConditions().Get(karpv1.ConditionTypeRegistered).IsTrue()
	},
	plan.ClaimDeleting: func(c *karpv1.NodeClaim) bool { return !c.DeletionTimestamp.IsZero() },
}

// arm has something done once when the next NodeClaim reaches the point.
func (w *witness) arm(point plan.Point, do func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.armed[point] = append(w.armed[point], do)
}

// disarm forgets what has not happened.
func (w *witness) disarm() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.armed, w.waves = map[plan.Point][]func(){}, nil
}

// watchClaims follows the NodeClaims until ctx ends. again is called before each new attempt after the API server went away.
func (w *witness) watchClaims(ctx context.Context, kube client.WithWatch, again func()) {
	for ; ctx.Err() == nil; again() {
		claims := &karpv1.NodeClaimList{}
		if kube.List(ctx, claims) != nil {
			continue
		}
		for i := range claims.Items {
			w.seeClaim(&claims.Items[i])
		}
		changes, err := kube.Watch(ctx, &karpv1.NodeClaimList{}, &client.ListOptions{Raw: rawSince(claims.ResourceVersion)})
		if err != nil {
			continue
		}
		for change := range changes.ResultChan() {
			if claim, ok := change.Object.(*karpv1.NodeClaim); ok && change.Type != watch.Deleted {
				w.seeClaim(claim)
			}
		}
	}
}

func (w *witness) seeClaim(claim *karpv1.NodeClaim) {
	var due []func()
	w.mu.Lock()
	for point, there := range claimPoints {
		if w.reached[point][claim.UID] || !there(claim) {
			continue
		}
		w.reached[point][claim.UID] = true
		due = append(due, w.armed[point]...)
		delete(w.armed, point)
	}
	w.mu.Unlock()
	for _, do := range due {
		do()
	}
}
