package ocisim

import (
	"fmt"
	"path"
	"strconv"
	"sync"
	"time"
)

// FaultKind says what goes wrong.
type FaultKind string

// The kinds of faults. Those of a launch act after the request has been found valid, as in the real service, so an idempotent retry of a launch that
// succeeded still gets its instance; for another operation, the kinds that are a plain answer are given at once.
const (
	OutOfHostCapacity      FaultKind = "OutOfHostCapacity"      // 500 InternalError "Out of host capacity."
	OutOfHostCapacityLater FaultKind = "OutOfHostCapacityLater" // launch answers 200, its work request FAILS after LateFailureDelay and the instance terminates
	LimitExceeded          FaultKind = "LimitExceeded"          // 400, names the shape's limits (or Message)
	QuotaExceeded          FaultKind = "QuotaExceeded"          // 400, names the shape's limits (or Message)
	TooManyRequests        FaultKind = "TooManyRequests"        // 429 with Retry-After Delay (in whole seconds, rounded up)
	ShapeNotFound          FaultKind = "ShapeNotFound"          // launch: 404 naming the shape; ListShapes of the AD omits it
	MemoryRewritten        FaultKind = "MemoryRewritten"        // launch: memory silently becomes 6 GB per OCPU, as seen with free A1 instances
	SlowProvisioning       FaultKind = "SlowProvisioning"       // launch: Delay is added before RUNNING
	StuckProvisioning      FaultKind = "StuckProvisioning"      // launch: never leaves PROVISIONING by itself
	ListLag                FaultKind = "ListLag"                // launch: the new instance is absent from lists for Delay
	Latency                FaultKind = "Latency"                // the answer comes Delay later
	CutBefore              FaultKind = "CutBefore"              // the connection is cut before the request has any effect
	CutAfter               FaultKind = "CutAfter"               // the request has its effect, then the connection is cut
	ErrorAnswer            FaultKind = "Error"                  // Status, Code and Message as given
	Answered               FaultKind = "Answered"               // nothing goes wrong; it is for what Then does
)

// launchKinds act inside LaunchInstance; plainKinds can answer any other operation too.
var (
	launchKinds = kindSet(OutOfHostCapacity, OutOfHostCapacityLater, LimitExceeded, QuotaExceeded, ShapeNotFound, MemoryRewritten, SlowProvisioning,
		StuckProvisioning, ListLag)
	anyKinds   = kindSet(TooManyRequests, Latency, CutBefore, CutAfter, ErrorAnswer, Answered)
	plainKinds = kindSet(OutOfHostCapacity, LimitExceeded, QuotaExceeded)
)

const launchOperation = "LaunchInstance"

func kindSet(kinds ...FaultKind) map[FaultKind]bool {
	set := map[FaultKind]bool{}
	for _, k := range kinds {
		set[k] = true
	}
	return set
}

// Match narrows a fault. Every field that is set must match; texts are shell globs. What a request does not say (a list has no shape) matches only an
// unset field.
type Match struct {
	Shape              string  `json:"shape,omitempty"`
	AvailabilityDomain string  `json:"availabilityDomain,omitempty"` // full (Uocm:PHX-AD-1) or short (PHX-AD-1)
	FaultDomain        string  `json:"faultDomain,omitempty"`
	CapacityType       string  `json:"capacityType,omitempty"` // on-demand, spot or reserved
	CompartmentID      string  `json:"compartmentId,omitempty"`
	ResourceID         string  `json:"resourceId,omitempty"` // the OCID in the path
	DisplayName        string  `json:"displayName,omitempty"`
	MinOCPUs           float64 `json:"minOcpus,omitempty"` // at least so many asked for
}

// Fault is one scripted fault. Faults are tried in the order of their making; each request meets at most one fault of each stage.
type Fault struct {
	ID        string        `json:"id"`                  // given by Add
	Operation string        `json:"operation,omitempty"` // glob over operation names; empty means LaunchInstance for launch kinds and every operation otherwise
	Match     Match         `json:"match"`
	Skip      int           `json:"skip,omitempty"`  // so many matching requests pass unharmed first
	Times     int           `json:"times,omitempty"` // so many requests are hit; 0 means until removed
	Kind      FaultKind     `json:"kind"`
	Delay     time.Duration `json:"-"`
	Status    int           `json:"status,omitempty"`
	Code      string        `json:"code,omitempty"`
	Message   string        `json:"message,omitempty"`
	Hits      int           `json:"hits"` // requests hit so far
	// Then, if set, is called for each request that is hit, without any lock: with CutBefore before the request has an effect and with CutAfter when it
	// has had it, each time before the connection is cut; with Answered when the whole answer has been sent. It lets a test end the client at a moment
	// that is known exactly.
	Then func() `json:"-"`
}

// Faults is the script of a simulator. Safe for concurrent use.
type Faults struct {
	mu    sync.Mutex
	next  int
	list  []*Fault
	known func(operation string) bool
}

// Add puts a fault into the script and returns its id. It refuses a fault that could never act.
func (f *Faults) Add(fault Fault) (string, error) {
	if fault.Operation == "" && launchKinds[fault.Kind] {
		fault.Operation = launchOperation
	}
	if err := f.validate(fault); err != nil {
		return "", err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.next++
	fault.ID, fault.Hits = "fault-"+strconv.Itoa(f.next), 0
	f.list = append(f.list, &fault)
	return fault.ID, nil
}

func (f *Faults) validate(fault Fault) error {
	if !launchKinds[fault.Kind] && !anyKinds[fault.Kind] {
		return fmt.Errorf("fault kind %q is unknown", fault.Kind)
	}
	for _, glob := range []string{fault.Operation, fault.Match.Shape, fault.Match.AvailabilityDomain, fault.Match.FaultDomain, fault.Match.DisplayName} {
		if _, err := path.Match(glob, ""); err != nil {
			return fmt.Errorf("pattern %q: %w", glob, err)
		}
	}
	if fault.Operation != "" && !f.known(fault.Operation) {
		return fmt.Errorf("no operation matches %q", fault.Operation)
	}
	if launchKinds[fault.Kind] && !plainKinds[fault.Kind] && !globMatches(fault.Operation, launchOperation) {
		return fmt.Errorf("a fault of kind %s acts on %s only, not on %q", fault.Kind, launchOperation, fault.Operation)
	}
	if fault.Kind == ErrorAnswer && (fault.Status < 400 || fault.Status > 599 || fault.Code == "") {
		return fmt.Errorf("a fault of kind %s needs a status within 400..599 and a code", fault.Kind)
	}
	if needsDelay := kindSet(Latency, SlowProvisioning, ListLag); needsDelay[fault.Kind] && fault.Delay <= 0 {
		return fmt.Errorf("a fault of kind %s needs a delay", fault.Kind)
	}
	if acts := kindSet(CutBefore, CutAfter, Answered); fault.Then != nil && !acts[fault.Kind] {
		return fmt.Errorf("a fault of kind %s can not do anything else then", fault.Kind)
	}
	if fault.Times < 0 || fault.Skip < 0 {
		return fmt.Errorf("times and skip must not be negative")
	}
	return nil
}

// Remove takes a fault out of the script and says whether it was there.
func (f *Faults) Remove(id string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, fault := range f.list {
		if fault.ID == id {
			f.list = append(f.list[:i:i], f.list[i+1:]...)
			return true
		}
	}
	return false
}

// Clear empties the script.
func (f *Faults) Clear() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.list = nil
}

// List returns the script with the hits so far; faults that have been used up stay in it.
func (f *Faults) List() []Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := make([]Fault, 0, len(f.list))
	for _, fault := range f.list {
		out = append(out, *fault)
	}
	return out
}

// subject is what a fault is matched against.
type subject struct {
	operation, shape, ad, fd, capacityType, compartment, resource, displayName string
	ocpus                                                                      float64
}

// take returns the first fault of the wanted kinds that the subject meets, and counts the hit.
func (f *Faults) take(s subject, wanted func(Fault) bool) (Fault, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, fault := range f.list {
		if (fault.Times > 0 && fault.Hits >= fault.Times) || !wanted(*fault) || !fault.matches(s) {
			continue
		}
		if fault.Skip > 0 {
			fault.Skip--
			continue
		}
		fault.Hits++
		return *fault, true
	}
	return Fault{}, false
}

// hides says whether a ShapeNotFound fault that is not used up takes the shape out of the AD. Asking is no hit.
func (f *Faults) hides(shape, ad string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, fault := range f.list {
		used := fault.Times > 0 && fault.Hits >= fault.Times
		if fault.Kind == ShapeNotFound && !used && fault.matches(subject{operation: launchOperation, shape: shape, ad: ad}) {
			return true
		}
	}
	return false
}

func (f *Fault) matches(s subject) bool {
	m := f.Match
	return globMatches(f.Operation, s.operation) && globMatches(m.Shape, s.shape) && globMatches(m.FaultDomain, s.fd) &&
		(globMatches(m.AvailabilityDomain, s.ad) || globMatches(adPrefix+m.AvailabilityDomain, s.ad)) &&
		globMatches(m.CapacityType, s.capacityType) && globMatches(m.DisplayName, s.displayName) && s.ocpus >= m.MinOCPUs &&
		(m.CompartmentID == "" || m.CompartmentID == s.compartment) && (m.ResourceID == "" || m.ResourceID == s.resource)
}

// globMatches says whether the text matches the shell glob; an empty glob matches everything. Globs have been checked when the fault was made.
func globMatches(glob, text string) bool {
	if glob == "" {
		return true
	}
	ok, err := path.Match(glob, text)
	return ok && err == nil
}

// atTheDoor are the faults that act before an operation's own code.
func atTheDoor(operation string) func(Fault) bool {
	return func(f Fault) bool {
		if anyKinds[f.Kind] {
			return f.Kind != Latency
		}
		return operation != launchOperation && plainKinds[f.Kind]
	}
}

// then does what the fault was given to do, if anything.
func (f Fault) then() {
	if f.Then != nil {
		f.Then()
	}
}

func isLatency(f Fault) bool { return f.Kind == Latency }

// answer is the error a plain fault gives. names are the limits of the shape asked for, if any.
func (f Fault) answer(shape, names string) *apiError {
	var e *apiError
	switch f.Kind {
	case OutOfHostCapacity:
		e = outOfHostCapacity()
	case LimitExceeded:
		e = limitExceeded(names)
	case QuotaExceeded:
		e = quotaExceeded(names)
	case TooManyRequests:
		e = tooManyRequests(f.Delay)
	case ShapeNotFound:
		e = shapeNotFound(shape)
	case ErrorAnswer:
		return &apiError{Status: f.Status, Code: f.Code, Message: f.Message, RetryAfter: f.Delay}
	default:
		return nil
	}
	if f.Message != "" {
		e.Message = f.Message
	}
	return e
}
