// Package registration remembers whether the instances of a node class become nodes, and stops buying more of what never does.
//
// Core gives a NodeClaim up whose node has not registered after 15 minutes, and makes the next one, for ever: a wrong policy, security rule
// or image costs an instance all the time and gives no pod a place. Here failures are held against what they have in common. When nodes of
// one image fail and those of another one are there, the image is held back (see held.go). When nothing of a class registers, the class is
// not launched from for a time that doubles with each further failure; then one node, and no more, tries whether that is over.
//
// Success counts by when a NodeClaim was made: one that registers excuses every failure of NodeClaims that were made before it, so that a
// few bad hosts among many good ones stop nothing.
package registration

import (
	"time"

	"k8s.io/apimachinery/pkg/types"
)

const (
	// failuresAllowed is how many NodeClaims of a class may fail in a row.
	failuresAllowed = 3
	// firstBackoff is for how long nothing is launched then; it doubles with each try that fails, up to maxBackoff. A try itself takes 15
	// minutes to fail.
	firstBackoff = 5 * time.Minute
	maxBackoff   = time.Hour
)

// record is what is known of one class.
type record struct {
	name       string
	generation int64
	// since is when the generation was first seen; NodeClaims from before it say nothing about it. Zero for the first that a process sees.
	since time.Time
	// newest is when the newest NodeClaim was made that registered.
	newest time.Time
	// failed are the NodeClaims that were made after that and failed.
	failed map[types.UID]time.Time
	// trips counts the failures of the class as a whole: the first row of failures, and each single try after it.
	trips int
	until time.Time
	probe probe
	why   string // what the last failure was explained with

	images map[string]*imageRecord
}

// probe is the NodeClaim that tries whether nodes register again.
type probe struct {
	claim types.UID
	name  string
}

// state of a record.
type state string

const (
	stateClosed  state = "closed"  // launches are allowed
	stateOpen    state = "open"    // nothing is launched
	stateReady   state = "ready"   // one launch is allowed
	stateProbing state = "probing" // that launch has not come to an end
)

func (r *record) state(now time.Time) state {
	switch {
	case r.trips == 0:
		return stateClosed
	case r.probe.claim != "":
		return stateProbing
	case now.Before(r.until):
		return stateOpen
	default:
		return stateReady
	}
}

// backoff is for how long nothing is launched after so many trips.
func backoff(trips int) time.Duration {
	d := firstBackoff
	for i := 1; i < trips && d < maxBackoff; i++ {
		d *= 2
	}
	return min(d, maxBackoff)
}

// newGeneration forgets what was held against the spec before.
func (r *record) newGeneration(generation int64, now time.Time) {
	r.generation, r.since = generation, now
	r.failed, r.trips, r.until, r.probe, r.why = map[types.UID]time.Time{}, 0, time.Time{}, probe{}, ""
}

// succeed notes that a NodeClaim registered which was made at this time; true when the class is launched from again for it.
func (r *record) succeed(claim types.UID, made time.Time) bool {
	if made.After(r.newest) {
		r.newest = made
	}
	for uid, at := range r.failed {
		if !at.After(r.newest) {
			delete(r.failed, uid)
		}
	}
	if r.trips == 0 || (r.probe.claim != claim && len(r.failed) > 0) {
		return false
	}
	r.failed, r.trips, r.until, r.probe, r.why = map[types.UID]time.Time{}, 0, time.Time{}, probe{}, ""
	return true
}

// fail notes that a NodeClaim did not register; true when it is what stops launches.
func (r *record) fail(claim types.UID, made, now time.Time) bool {
	if _, counted := r.failed[claim]; counted || made.Before(r.since) || !made.After(r.newest) {
		return false
	}
	r.failed[claim] = made
	switch {
	case r.trips == 0 && len(r.failed) >= failuresAllowed:
		r.trips = 1
	case r.trips > 0 && r.probe.claim == claim:
		r.trips++
		r.probe = probe{}
	default:
		return false
	}
	r.until = now.Add(backoff(r.trips))
	return true
}
