// Package record keeps the history of a cluster while something is played on it: every pod, node, NodeClaim, event and
// OCI instance with the times of its steps, and a sample of the whole twice a second.
//
// A Recording is plain data. Judging (the scenario's checks) and drawing (the report) are pure functions of it, so they are
// tested on hand-made recordings, and a stored recording can be drawn again later.
package record

import (
	"maps"
	"slices"
	"time"
)

// Layer is one of the sources of capacity of a mixed cluster.
type Layer string

// The layers. LayerSystem and LayerFixed are both node pools with a size that somebody has set; the first runs the
// cluster's own services, the second the baseline of stateful pods.
const (
	LayerSystem    Layer = "system"
	LayerFixed     Layer = "fixed"
	LayerVirtual   Layer = "virtual"
	LayerKarpenter Layer = "karpenter"
)

// Layers in the order in which people want to see them.
var Layers = []Layer{LayerVirtual, LayerKarpenter, LayerFixed, LayerSystem}

// Title is the layer's name in tables and plots.
func (l Layer) Title() string {
	switch l {
	case LayerVirtual:
		return "virtual nodes"
	case LayerKarpenter:
		return "Karpenter nodes"
	case LayerFixed:
		return "fixed nodes"
	default:
		return "system nodes"
	}
}

// Phase is a named stretch of the play.
type Phase struct {
	Name  string    `json:"name"`
	Start time.Time `json:"start"`
	End   time.Time `json:"end,omitzero"`
	Error string    `json:"error,omitempty"` // why the phase did not reach its goal
}

// Pod is the history of one pod. Times are when the recorder saw the step; zero means never.
type Pod struct {
	Namespace        string    `json:"namespace"`
	Name             string    `json:"name"`
	UID              string    `json:"uid"`
	App              string    `json:"app"` // label app, or k8s-app
	ToleratesVirtual bool      `json:"toleratesVirtual"`
	Layer            Layer     `json:"layer"` // of its node; before it has one, the layer that would have to grow for it
	Node             string    `json:"node,omitempty"`
	Waiting          string    `json:"waiting,omitempty"` // the scheduler's or the kubelet's latest word on why it does not run
	Created          time.Time `json:"created"`
	Bound            time.Time `json:"bound,omitzero"`
	Running          time.Time `json:"running,omitzero"`
	Deleting         time.Time `json:"deleting,omitzero"`
	Gone             time.Time `json:"gone,omitzero"`
}

// Node is the history of one node.
type Node struct {
	Name         string            `json:"name"`
	ProviderID   string            `json:"providerID,omitempty"`
	Layer        Layer             `json:"layer"`
	InstanceType string            `json:"instanceType,omitempty"`
	Zone         string            `json:"zone,omitempty"`
	Labels       map[string]string `json:"labels,omitempty"`
	Taints       []string          `json:"taints,omitempty"`
	Cordoned     bool              `json:"cordoned,omitempty"`
	Registered   time.Time         `json:"registered"`
	Ready        time.Time         `json:"ready,omitzero"`
	Gone         time.Time         `json:"gone,omitzero"`
}

// Size is how large a node is.
type Size struct {
	OCPUs    float64 `json:"ocpus"`
	MemoryGB float64 `json:"memoryGB"`
}

// Within says whether a size is at most another one in both dimensions.
func (s Size) Within(o Size) bool { return s.OCPUs <= o.OCPUs && s.MemoryGB <= o.MemoryGB }

// NodeClaim is the history of one NodeClaim.
type NodeClaim struct {
	Name         string    `json:"name"`
	NodePool     string    `json:"nodePool"`
	ProviderID   string    `json:"providerID,omitempty"`
	NodeName     string    `json:"nodeName,omitempty"`
	InstanceType string    `json:"instanceType,omitempty"`
	TypeSize     Size      `json:"typeSize,omitzero"` // of the instance type, by the labels
	Size         Size      `json:"size,omitzero"`     // of the instance, by the annotations: fitted to the pods, so perhaps smaller
	Reason       string    `json:"reason,omitempty"`  // of its latest condition that is not true
	Created      time.Time `json:"created"`
	Launched     time.Time `json:"launched,omitzero"`
	Registered   time.Time `json:"registered,omitzero"`
	Initialized  time.Time `json:"initialized,omitzero"`
	Deleting     time.Time `json:"deleting,omitzero"`
	Gone         time.Time `json:"gone,omitzero"`
}

// Instance is the history of one OCI instance.
type Instance struct {
	ID           string            `json:"id"`
	DisplayName  string            `json:"displayName"`
	Shape        string            `json:"shape"`
	OCPUs        float64           `json:"ocpus"`
	MemoryGB     float64           `json:"memoryGB"`
	BootVolumeGB int64             `json:"bootVolumeGB"`
	AD           string            `json:"availabilityDomain"`
	State        string            `json:"state"`
	Preemptible  bool              `json:"preemptible,omitempty"`
	Fixed        bool              `json:"fixed"` // launched with the cluster, not by the controller
	Tags         map[string]string `json:"tags,omitempty"`
	Launched     time.Time         `json:"launched"`
	Running      time.Time         `json:"running,omitzero"`
	Terminating  time.Time         `json:"terminating,omitzero"`
	Terminated   time.Time         `json:"terminated,omitzero"`
}

// Event is a Kubernetes event as last seen.
type Event struct {
	At        time.Time `json:"at"`
	Type      string    `json:"type"`
	Reason    string    `json:"reason"`
	Message   string    `json:"message"`
	Kind      string    `json:"kind"`
	Namespace string    `json:"namespace,omitempty"`
	Name      string    `json:"name"`
	Source    string    `json:"source"`
}

// Call is one request to OCI that was answered with an error or that changes something.
type Call struct {
	At        time.Time `json:"at"`
	Operation string    `json:"operation"`
	Method    string    `json:"method"`
	Path      string    `json:"path"`
	Status    int       `json:"status"`
	Code      string    `json:"code,omitempty"`
}

// PodCounts splits the pods of a layer by how far they are.
type PodCounts struct {
	Pending  int `json:"pending"`  // no node yet
	Starting int `json:"starting"` // has a node, not ready
	Running  int `json:"running"`
	Ending   int `json:"ending"`
}

// Total is the number of pods.
func (c PodCounts) Total() int { return c.Pending + c.Starting + c.Running + c.Ending }

// Sample is the state of everything at one moment.
type Sample struct {
	At         time.Time           `json:"at"`
	Pods       map[Layer]PodCounts `json:"pods"`
	NodesReady map[Layer]int       `json:"nodesReady"`
	NodesOther map[Layer]int       `json:"nodesOther"` // not ready, or cordoned
	Claims     ClaimCounts         `json:"nodeClaims"`
	Instances  map[string]int      `json:"instances"` // those of the controller, by lifecycle state
	OCICalls   int                 `json:"ociCalls"`  // since the controller's start
	OCIErrors  int                 `json:"ociErrors"`
	Calls      map[string]int      `json:"-"`    // OCI calls by operation; in memory only, the recording has the totals
	Cost       map[Layer]float64   `json:"cost"` // US dollars per hour at list price
}

// ClaimCounts splits the NodeClaims by how far they are.
type ClaimCounts struct {
	Launching int `json:"launching"` // no instance yet
	Joining   int `json:"joining"`   // instance, node not initialized
	Ready     int `json:"ready"`
	Ending    int `json:"ending"`
}

// Total is the number of NodeClaims.
func (c ClaimCounts) Total() int { return c.Launching + c.Joining + c.Ready + c.Ending }

// Leftovers is what still exists in OCI on behalf of the controller's instances at the end; all empty is right.
type Leftovers struct {
	Instances   []string `json:"instances,omitempty"`
	VNICs       []string `json:"vnics,omitempty"`
	BootVolumes []string `json:"bootVolumes,omitempty"`
}

// Recording is the whole history.
type Recording struct {
	Started    time.Time         `json:"started"`
	Ended      time.Time         `json:"ended"`
	Phases     []Phase           `json:"phases"`
	Samples    []Sample          `json:"samples"`
	Pods       []Pod             `json:"pods"`
	Nodes      []Node            `json:"nodes"`
	NodeClaims []NodeClaim       `json:"nodeClaims"`
	Instances  []Instance        `json:"instances"`
	Events     []Event           `json:"events"`
	Calls      []Call            `json:"calls"`
	OCICalls   map[string]int    `json:"ociCalls"`
	Leftovers  *Leftovers        `json:"leftovers,omitempty"` // nil when nobody looked
	Versions   map[string]string `json:"versions"`
	Failure    string            `json:"failure,omitempty"` // why the play stopped early
	LogTail    string            `json:"logTail,omitempty"` // last lines of the controller's log, kept when something failed
}

// Phase finds a phase by name; false when the play did not get there.
func (r *Recording) Phase(name string) (Phase, bool) {
	i := slices.IndexFunc(r.Phases, func(p Phase) bool { return p.Name == name })
	if i < 0 {
		return Phase{}, false
	}
	return r.Phases[i], true
}

// PodsRunningAt lists the pods of an app that were running at a moment.
func (r *Recording) PodsRunningAt(app string, at time.Time) []Pod {
	var out []Pod
	for _, p := range r.Pods {
		if p.App == app && happened(p.Running, at) && !happened(p.Deleting, at) && !happened(p.Gone, at) {
			out = append(out, p)
		}
	}
	return out
}

// NodeClaimsCreated lists the NodeClaims created after the one moment and not after the other.
func (r *Recording) NodeClaimsCreated(after, until time.Time) []NodeClaim {
	var out []NodeClaim
	for _, c := range r.NodeClaims {
		if c.Created.After(after) && !c.Created.After(until) {
			out = append(out, c)
		}
	}
	return out
}

// OwnInstances lists the instances that the controller launched.
func (r *Recording) OwnInstances() []Instance {
	return slices.DeleteFunc(slices.Clone(r.Instances), func(i Instance) bool { return i.Fixed })
}

// OCICallTotal is the number of all requests to OCI.
func (r *Recording) OCICallTotal() int {
	total := 0
	for n := range maps.Values(r.OCICalls) {
		total += n
	}
	return total
}

// TotalCost is the cost of all layers of a sample in US dollars per hour.
func (s Sample) TotalCost() float64 {
	total := 0.0
	for _, c := range s.Cost {
		total += c
	}
	return total
}

func happened(t, at time.Time) bool { return !t.IsZero() && !t.After(at) }
