// Package plan decides what goes wrong in a run of chaos, and when. A plan depends on its seed and its length alone, so a run that found something can be
// played again.
package plan

import (
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// Kind is a kind of step.
type Kind string

// The kinds of steps. Scale and Evict are no faults: they are what the cluster's users do meanwhile.
const (
	Scale Kind = "scale" // the workload gets Replicas

	Kill       Kind = "kill"          // kill -9 of every controller, now
	KillAt     Kind = "kill-at"       // kill -9 of the working controller when Point is reached
	KillLeader Kind = "kill-leader"   // kill -9 of the leader of two; the other one takes over
	APIServer  Kind = "api-server"    // kill -9 of the Kubernetes API server; it is back after Delay
	DeleteOne  Kind = "delete-claim"  // somebody deletes a NodeClaim while no controller runs
	CutBefore  Kind = "cut-before"    // connections are cut before the call has an effect
	CutAfter   Kind = "cut-after"     // connections are cut when the call has had its effect
	Broken     Kind = "error-500"     // 500 InternalError
	Throttled  Kind = "error-429"     // 429 with a Retry-After of Delay
	Slow       Kind = "timeout"       // answers come Delay later
	NoCapacity Kind = "no-capacity"   // 500 Out of host capacity.
	LateNo     Kind = "late-capacity" // the launch is accepted and fails afterwards
	Limit      Kind = "limit"         // 400 LimitExceeded
	SlowBoot   Kind = "slow-boot"     // the instance needs Delay longer
	ListLag    Kind = "list-lag"      // lists do not show a new instance for Delay
	ClockJump  Kind = "clock-jump"    // the clock of the cloud jumps by Delay, which may be negative
	Terminated Kind = "terminated"    // the cloud ends an instance by itself
	Preempted  Kind = "preempted"     // the cloud announces that it takes Count preemptible instances back, and does so soon after
	Wave       Kind = "wave"          // as Preempted, of all preemptible instances, once Count run; with a Point the controller is killed on the way
	BadNews    Kind = "bad-news"      // Count messages come through the stream that say nothing, or speak of others' instances
)

// Point is a moment at which a controller is killed.
type Point string

// The moments: around a call to OCI, or when the cluster first shows something.
const (
	LaunchBefore     Point = "launch-before"     // the request is out and has had no effect
	LaunchDone       Point = "launch-done"       // the instance is there, the answer was not sent
	LaunchUnlisted   Point = "launch-unlisted"   // as before, and lists do not show the instance for unlistedFor
	LaunchAnswered   Point = "launch-answered"   // the answer was sent; Delay later
	TerminateBefore  Point = "terminate-before"  // as for launches
	TerminateDone    Point = "terminate-done"    //
	TerminateAnswers Point = "terminate-answers" //
	DuringList       Point = "during-list"       // a list of instances is asked for
	DuringStart      Point = "during-start"      // the controller comes up and lists shapes
	ClaimCreated     Point = "claim-created"     // a NodeClaim exists
	ClaimPlanned     Point = "claim-planned"     // the NodeClaim says what OCI is about to be asked for
	ClaimLaunched    Point = "claim-launched"    // the NodeClaim's status knows its instance
	ClaimRegistered  Point = "claim-registered"  // the Node is there and bound to its NodeClaim
	ClaimDeleting    Point = "claim-deleting"    // the NodeClaim is being deleted
	CommitBefore     Point = "commit-before"     // messages of the stream were handled, and the request that says so has had no effect
)

// Points are all moments of KillAt.
var Points = []Point{
	LaunchBefore, LaunchDone, LaunchUnlisted, LaunchAnswered, TerminateBefore, TerminateDone, TerminateAnswers, DuringList, DuringStart,
	ClaimCreated, ClaimPlanned, ClaimLaunched, ClaimRegistered, ClaimDeleting,
}

// wavePoints are the moments of a Wave: nobody is killed, or somebody when the first of many NodeClaims is deleted, or when all have been
// and the stream does not know it yet.
var wavePoints = []Point{"", ClaimDeleting, CommitBefore}

// Operations are the calls to OCI that faults of any operation fall upon: those that the controller makes for a cluster of ordinary node classes.
var Operations = []string{
	"LaunchInstance", "TerminateInstance", "ListInstances", "GetInstance", "ListShapes", "ListImages", "ListSubnets", "ListNetworkSecurityGroups",
	"GetCluster", "ListAvailabilityDomains", "ListWorkRequestErrors", "GetNodePoolOptions",
	"GetStream", "CreateGroupCursor", "GetMessages", "ConsumerCommit", "ListInstanceMaintenanceEvents",
}

// Step is one thing that happens.
type Step struct {
	At        time.Duration // since the plan began
	Kind      Kind
	Operation string        // of the faults of an operation
	Point     Point         // of KillAt, and of some Waves
	Count     int           // so many calls or launches are hit
	Delay     time.Duration // see the kinds; for kills, how long the controller stays away
	Replicas  []int         // of Scale: one for each workload
}

// String is one line of a printed plan.
func (s Step) String() string {
	var words []string
	for _, w := range []string{s.Operation, string(s.Point)} {
		if w != "" {
			words = append(words, w)
		}
	}
	if s.Count > 0 {
		words = append(words, fmt.Sprintf("x%d", s.Count))
	}
	if s.Delay != 0 {
		words = append(words, s.Delay.String())
	}
	if s.Replicas != nil {
		words = append(words, fmt.Sprint(s.Replicas))
	}
	return strings.TrimRight(fmt.Sprintf("%7.1fs  %-13s %s", s.At.Seconds(), s.Kind, strings.Join(words, " ")), " ")
}

// Plan is everything that happens in a run.
type Plan struct {
	Seed        uint64
	Duration    time.Duration
	Controllers int // 2 with leader election, or 1 without
	Steps       []Step
	Final       []int // replicas at the end
}

// Workloads is how many workloads a plan scales.
const Workloads = 2

const (
	maxReplicas = 8
	// stepEvery is the mean time between two steps.
	stepEvery = 2500 * time.Millisecond
	// lastKill is the share of the run after which nobody is killed any more, so that the last process lives through faults for a while.
	lastKill = 0.65
)

// New makes the plan of a seed. Runs below two minutes have one controller, no API server that goes away and only what is over within seconds.
func New(seed uint64, duration time.Duration) Plan {
	rng := rand.New(rand.NewPCG(seed, 0x6f6b65))
	p := Plan{Seed: seed, Duration: duration, Controllers: 1}
	long := duration >= 2*time.Minute
	if long {
		p.Controllers = 1 + int(seed%2)
	}
	points := newDeck(rng, Points)
	operations := newDeck(rng, Operations)
	kinds := newDeck(rng, faults(long, p.Controllers))
	p.Steps = append(p.Steps, Step{Kind: Scale, Replicas: replicas(rng, 2)})
	for n, at := 1, stepEvery; at < duration; n, at = n+1, at+between(rng, stepEvery/2, stepEvery*3/2) {
		if n%3 == 0 {
			p.Steps = append(p.Steps, Step{At: at, Kind: Scale, Replicas: replicas(rng, 0)})
			continue
		}
		kind := kinds.next()
		late := at > time.Duration(lastKill*float64(duration))
		for late && isKill(kind) {
			kind = kinds.next()
		}
		s := detail(rng, Step{At: at, Kind: kind}, points, operations, long)
		if late {
			s.Point = "" // of a Wave
		}
		p.Steps = append(p.Steps, s)
	}
	p.Final = replicas(rng, 2)
	return p
}

// faults are the kinds that a plan draws from; what matters most is there more than once.
func faults(long bool, controllers int) []Kind {
	kinds := []Kind{
		KillAt, KillAt, KillAt, CutBefore, CutAfter, CutAfter, Broken, Throttled, Slow, NoCapacity, LateNo, SlowBoot, ListLag, Kill, Preempted, BadNews,
	}
	if long {
		kinds = append(kinds, KillAt, Limit, APIServer, ClockJump, Terminated, DeleteOne, Wave, Wave)
	}
	if controllers > 1 {
		kinds = append(kinds, KillLeader, KillLeader)
	}
	return kinds
}

func isKill(k Kind) bool {
	return slices.Contains([]Kind{Kill, KillAt, KillLeader, DeleteOne, APIServer}, k)
}

// detail fills in what a kind needs.
func detail(rng *rand.Rand, s Step, points *deck[Point], operations *deck[string], long bool) Step {
	slow := 3 * time.Second
	if long {
		slow = 20 * time.Second
	}
	switch s.Kind {
	case Kill, KillLeader, DeleteOne:
		s.Delay = between(rng, 0, 3*time.Second)
	case KillAt:
		s.Point, s.Delay = points.next(), between(rng, 0, 400*time.Millisecond)
	case APIServer:
		s.Delay = between(rng, 500*time.Millisecond, 15*time.Second)
	case CutBefore, CutAfter, Broken:
		s.Operation, s.Count = operations.next(), 1+rng.IntN(4)
	case Throttled:
		s.Operation, s.Count, s.Delay = operations.next(), 1+rng.IntN(4), between(rng, time.Second, 3*time.Second)
	case Slow:
		s.Operation, s.Count, s.Delay = operations.next(), 1+rng.IntN(2), between(rng, time.Second, slow)
	case NoCapacity, Limit, LateNo:
		s.Count = 1 + rng.IntN(2)
	case Wave:
		s.Point, s.Count = wavePoints[rng.IntN(len(wavePoints))], 2+rng.IntN(2)
	case Preempted, BadNews:
		s.Count = 1 + rng.IntN(maxReplicas)
	case SlowBoot, ListLag:
		s.Count, s.Delay = 1+rng.IntN(3), between(rng, time.Second, slow)
	case ClockJump:
		s.Delay = between(rng, time.Second, 10*time.Minute)
		if rng.IntN(2) == 0 {
			s.Delay = -between(rng, time.Second, 20*time.Second)
		}
	}
	return s
}

func replicas(rng *rand.Rand, least int) []int {
	out := make([]int, Workloads)
	for i := range out {
		out[i] = least + rng.IntN(maxReplicas+1-least)
	}
	return out
}

// between is a time in tenths of a second.
func between(rng *rand.Rand, least, most time.Duration) time.Duration {
	return (least + time.Duration(rng.Int64N(int64(most-least)+1))).Round(100 * time.Millisecond)
}

// deck deals everything once before anything comes a second time.
type deck[T any] struct {
	rng   *rand.Rand
	all   []T
	cards []T
}

func newDeck[T any](rng *rand.Rand, all []T) *deck[T] { return &deck[T]{rng: rng, all: all} }

func (d *deck[T]) next() T {
	if len(d.cards) == 0 {
		d.cards = slices.Clone(d.all)
		d.rng.Shuffle(len(d.cards), func(i, j int) { d.cards[i], d.cards[j] = d.cards[j], d.cards[i] })
	}
	card := d.cards[0]
	d.cards = d.cards[1:]
	return card
}

// Print writes the plan for people.
func (p Plan) Print(w io.Writer) {
	fmt.Fprintf(w, "seed %d, %s, %d controller(s), %d steps, at the end %v replicas\n", p.Seed, p.Duration, p.Controllers, len(p.Steps), p.Final)
	for _, s := range p.Steps {
		fmt.Fprintln(w, s)
	}
}
