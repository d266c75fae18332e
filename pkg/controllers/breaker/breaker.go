// Package breaker stops buying nodes for pods that the nodes bought for them did not take.
//
// Core buys from predictions. When a prediction is wrong for a reason that core can not learn, it sees a pending pod that does not fit on
// the node that has just come up for it, and buys the next one, again and again. The breaker counts for each pod the nodes that came up
// for it in vain. The first one is free: what it taught (package learn) usually makes the second one right. While the second and any later
// one is under way the pod is on probation: core does not see it, so that nothing more is bought before the verdict. A pod that is still
// pending then is kept from core for a time that doubles with each further node.
//
// Holding a pod back keeps nobody from binding it: kube-scheduler sees it as ever, and a pod that was bound is forgotten here. So a wrong
// verdict costs time, never a place to run.
package breaker

import (
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
)

const (
	// patience is for how long a node may be ready without the pod being bound to it before it counts as bought in vain. kube-scheduler
	// retries a pod within 10 seconds of a new node.
	patience = 30 * time.Second
	// firstBackoff is for how long nothing is bought after two nodes in vain; it doubles with each further one, up to maxBackoff.
	firstBackoff = time.Minute
	maxBackoff   = time.Hour
	// inVainAllowed is how many nodes may come up in vain before buying backs off.
	inVainAllowed = 2
	// remembered bounds the purchases that are kept of a pod; those before are only counted.
	remembered = 4
)

// Reasons for which a pod is held.
const (
	// ReasonProbation: a node is under way for a pod that an earlier one did not take.
	ReasonProbation = "probation"
	// ReasonBackoff: too many nodes were bought in vain.
	ReasonBackoff = "backoff"
)

// reasons are all of them, for metrics.
var reasons = []string{ReasonProbation, ReasonBackoff}

// purchase is a NodeClaim that was made for a pod.
type purchase struct {
	claim    string
	nodePool string
	// up says that its node came up: from then on core knows what it really has.
	up bool
}

// record is what is known of a pod without a node.
type record struct {
	pod       types.NamespacedName
	uid       types.UID
	purchases []purchase
	// dropped counts the purchases in vain that are not among purchases any more.
	dropped int
	// judged says that the last purchase is known to be in vain.
	judged bool
	// reason is why the pod is held; empty while it is not.
	reason string
	until  time.Time
}

func (r *record) last() *purchase { return &r.purchases[len(r.purchases)-1] }

// inVain is how many nodes came up for the pod and did not take it. The last one counts when it was judged.
func (r *record) inVain() int {
	n := r.dropped
	for i := range r.purchases[:len(r.purchases)-1] {
		if r.purchases[i].up {
			n++
		}
	}
	if r.judged {
		n++
	}
	return n
}

// backoff is for how long nothing is bought after so many nodes in vain.
func backoff(inVain int) time.Duration {
	d := firstBackoff
	for i := inVainAllowed; i < inVain && d < maxBackoff; i++ {
		d *= 2
	}
	return min(d, maxBackoff)
}

// Breaker is the memory of the breaker. It is safe for concurrent use.
type Breaker struct {
	mu   sync.RWMutex
	pods map[types.UID]*record
}

// New makes a breaker that knows nothing.
func New() *Breaker { return &Breaker{pods: map[types.UID]*record{}} }

// Held says whether core must not see the pod as pending. It allocates nothing and does not wait for anything but memory.
func (b *Breaker) Held(p *corev1.Pod) (reason string, held bool) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	if r, ok := b.pods[p.UID]; ok {
		return r.reason, r.reason != ""
	}
	return "", false
}

// bought notes that a NodeClaim was made for a pending pod. A NodeClaim that is known already changes nothing.
func (b *Breaker) bought(p *corev1.Pod, claim, nodePool string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	r, ok := b.pods[p.UID]
	if !ok {
		r = &record{pod: types.NamespacedName{Namespace: p.Namespace, Name: p.Name}, uid: p.UID}
		b.pods[p.UID] = r
	}
	if slices.ContainsFunc(r.purchases, func(known purchase) bool { return known.claim == claim }) {
		return
	}
	if r.judged {
		r.last().up, r.judged = true, false
	}
	r.purchases = append(r.purchases, purchase{claim: claim, nodePool: nodePool})
	if len(r.purchases) > remembered {
		if r.purchases[0].up {
			r.dropped++
		}
		r.purchases = slices.Clone(r.purchases[1:])
	}
	r.watch()
}

// cameUp notes that the node of a NodeClaim is there.
func (b *Breaker) cameUp(claim string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, r := range b.pods {
		for i := range r.purchases {
			if r.purchases[i].claim == claim {
				r.purchases[i].up = true
				r.watch()
			}
		}
	}
}

// watch puts the pod on probation if a node was bought for it in vain and another one is under way; the lock is held.
func (r *record) watch() {
	if r.reason == "" && !r.judged && r.inVain() > 0 {
		r.reason = ReasonProbation
	}
}

// forget drops a pod that needs no node any more.
func (b *Breaker) forget(uid types.UID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.pods, uid)
}

// free lets core see the pod again. excused says that its last node is no proof against buying: it is forgotten.
func (b *Breaker) free(uid types.UID, excused bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	r, ok := b.pods[uid]
	if !ok {
		return
	}
	r.reason = ""
	if !excused {
		r.watch() // core may have bought another one just before the pod was held
		return
	}
	if r.purchases = r.purchases[:len(r.purchases)-1]; len(r.purchases) == 0 {
		delete(b.pods, uid)
		return
	}
	// The node before it is the last one now, and known to have been in vain if it came up.
	r.judged = r.last().up
}

// trip notes that the pod's last node was bought in vain, and holds the pod if there were too many. It returns how many there were.
func (b *Breaker) trip(uid types.UID, now time.Time) (inVain int, until time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	r, ok := b.pods[uid]
	if !ok {
		return 0, time.Time{}
	}
	r.judged = true
	inVain = r.inVain()
	r.reason, r.until = ReasonBackoff, now.Add(backoff(inVain))
	return inVain, r.until
}

// list copies the records of held pods, or of all.
func (b *Breaker) list(all bool) []record {
	b.mu.RLock()
	defer b.mu.RUnlock()
	var out []record
	for _, r := range b.pods {
		if all || r.reason != "" {
			c := *r
			c.purchases = slices.Clone(r.purchases)
			out = append(out, c)
		}
	}
	return out
}

// buyers is for how many pods the NodeClaim is the last that was made.
func (b *Breaker) buyers(claim string) int {
	b.mu.RLock()
	defer b.mu.RUnlock()
	n := 0
	for _, r := range b.pods {
		if r.last().claim == claim {
			n++
		}
	}
	return n
}
