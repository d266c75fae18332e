// Package inspect lets people ask the running controller what it knows: instance types with prices and availability, why a pod goes
// where it goes, and what each layer of the cluster holds and costs. It serves JSON beside the metrics, reads memory only, and
// changes nothing. The kubectl plugin is its client.
package inspect

import (
	"time"

	corev1 "k8s.io/api/core/v1"
)

// Paths of the answers. The version is raised when an answer loses or changes a field; new fields do not raise it.
const (
	// Root is what every path begins with.
	Root = "/inspect/v1/"
	// TypesPath takes GET with the name of a NodePool in the query parameter NodePoolParameter, and answers with Types.
	TypesPath = Root + "types"
	// ExplainPath takes POST with a Pod as JSON, and answers with Explanation. The caller reads the pod with the caller's own rights,
	// so that the controller tells nobody of pods that they may not see.
	ExplainPath = Root + "explain"
	// LayersPath takes GET and answers with Layers.
	LayersPath = Root + "layers"

	// NodePoolParameter is the query parameter of TypesPath.
	NodePoolParameter = "nodepool"
)

// Problem is the answer when there is no other; the HTTP status says of which kind it is.
type Problem struct {
	// Error says what is wrong, as a sentence without a capital.
	Error string `json:"error"`
	// Known are the names that exist where an unknown one was asked for, the most similar first.
	Known []string `json:"known,omitempty"`
}

// Types are the instance types of a NodePool.
type Types struct {
	NodePool  string `json:"nodePool"`
	NodeClass string `json:"nodeClass"`
	// Currency of all prices, which are per hour and include the boot volume.
	Currency string `json:"currency"`
	// Notes say what keeps the NodePool from launching anything; empty when nothing does.
	Notes []string `json:"notes,omitempty"`
	// Daemons is how many DaemonSets run on every node of the NodePool.
	Daemons int    `json:"daemons"`
	Types   []Type `json:"types"`
}

// Type is one instance type: a shape at a size.
type Type struct {
	Name     string  `json:"name"`
	Shape    string  `json:"shape"`
	Arch     string  `json:"arch"`
	OCPUs    float64 `json:"ocpus"`
	VCPUs    int     `json:"vcpus"`
	MemoryGB float64 `json:"memoryGB"` // OCI's GB, which is 2^30 bytes
	// Baseline is the share of the OCPUs that a burstable instance always has, in percent; 0 for one that is not burstable.
	Baseline int    `json:"baselinePercent,omitempty"`
	GPUs     int    `json:"gpus,omitempty"`
	GPU      string `json:"gpu,omitempty"`
	// Capacity is what the kubelet reports, Allocatable what pods can have of it, Daemons what DaemonSets take of that.
	Capacity    corev1.ResourceList `json:"capacity"`
	Allocatable corev1.ResourceList `json:"allocatable"`
	Daemons     corev1.ResourceList `json:"daemons,omitempty"`
	Offerings   []Offering          `json:"offerings"`
}

// Reasons why an offering can not be had, beside those of the package capacity.
const (
	// ReasonNotInZone: OCI does not have the shape in the zone.
	ReasonNotInZone = "NotInZone"
	// ReasonClassNotInZone: the node class has no subnet, or its placement no room, in the zone.
	ReasonClassNotInZone = "ClassNotInZone"
	// ReasonUnknown: the controller does not offer it, and nothing says why any more, as when a mark has just expired.
	ReasonUnknown = "Unknown"
)

// Offering is a type in a zone, bought in one way.
type Offering struct {
	Zone         string  `json:"zone"`
	CapacityType string  `json:"capacityType"`
	Price        float64 `json:"pricePerHour"`
	Available    bool    `json:"available"`
	// Reason and Until are set for what is not available. Until is nil when time alone changes nothing.
	Reason string     `json:"reason,omitempty"`
	Until  *time.Time `json:"until,omitempty"`
}

// Explanation says why a pod goes where it goes.
type Explanation struct {
	// Layer is managed or virtual; Rule is the name of the rule that decided.
	Layer string `json:"layer"`
	Rule  string `json:"rule"`
	// Warning is true when a person must act.
	Warning bool `json:"warning"`
	// Summary, Cause, Advice and Conflict are the decision in words; all but Summary may be empty.
	Summary  string `json:"summary"`
	Cause    string `json:"cause,omitempty"`
	Advice   string `json:"advice,omitempty"`
	Conflict string `json:"conflict,omitempty"`
	// Blockers are the features of the pod that virtual nodes refuse, Advisories those that they ignore.
	Blockers   []Feature `json:"blockers"`
	Advisories []Feature `json:"advisories"`
	// VirtualNodes are the cluster's virtual nodes, those with the same verdict together.
	VirtualNodes []VirtualNodes `json:"virtualNodes"`
	// Requests is what the pod asks for, itself included as one of the node's pods.
	Requests corev1.ResourceList `json:"requests"`
	// NodePools are in the order in which Karpenter tries them.
	NodePools []PoolVerdict `json:"nodePools"`
	// Notes name what decides too and is not looked at here.
	Notes []string `json:"notes,omitempty"`
	// Do is what to change so that the pod can run; empty when nothing need be.
	Do []string `json:"do,omitempty"`
}

// Feature is a row of the rule table.
type Feature struct {
	Name string `json:"name"`
	// Message completes the sentence "the pod ...".
	Message string `json:"message"`
	Source  string `json:"source"`
}

// VirtualNodes are virtual nodes with the same verdict.
type VirtualNodes struct {
	Count int `json:"count"`
	// Names are at most MaxNames of them.
	Names []string `json:"names"`
	// Matches tells whether selectors, affinity and tolerations of the pod choose the nodes; Why says what does not.
	Matches bool   `json:"matches"`
	Why     string `json:"why,omitempty"`
	// State is ready, cordoned, full or not ready.
	State string `json:"state"`
}

// MaxNames bounds the lists of names in an Explanation.
const MaxNames = 5

// PoolVerdict says whether a NodePool could make a node for the pod.
type PoolVerdict struct {
	Name  string `json:"name"`
	Takes bool   `json:"takes"`
	// Blocks say what is in the way; empty when Takes.
	Blocks []Block `json:"blocks,omitempty"`
	// Types counts how many instance types are left after each question, in the order of asking.
	Types []Stage `json:"types,omitempty"`
	// Cheapest are at most MaxCheapest types that could take the pod now.
	Cheapest []Fit `json:"cheapest,omitempty"`
}

// MaxCheapest bounds PoolVerdict.Cheapest.
const MaxCheapest = 3

// Block is something in the way, and what to do about it.
type Block struct {
	Why string `json:"why"`
	Do  string `json:"do,omitempty"`
}

// Stage is how many instance types pass a question and all before it.
type Stage struct {
	Question string `json:"question"`
	Left     int    `json:"left"`
}

// Fit is an instance type that could take the pod, at the cheapest offering that the pod and the NodePool allow.
type Fit struct {
	Type         string  `json:"type"`
	Zone         string  `json:"zone"`
	CapacityType string  `json:"capacityType"`
	Price        float64 `json:"pricePerHour"`
}

// Names of the layers of a cluster.
const (
	LayerFixed     = "fixed"     // managed nodes that are not Karpenter's
	LayerKarpenter = "karpenter" // nodes with a NodeClaim
	LayerVirtual   = "virtual"   // virtual nodes
)

// Layers is the picture of a cluster.
type Layers struct {
	Currency string  `json:"currency"`
	Layers   []Layer `json:"layers"`
	// Pending counts the pods without a node by the layer that they are for: managed or virtual.
	Pending map[string]int `json:"pending"`
	// Notes say what the prices are made of, and what has none.
	Notes []string `json:"notes,omitempty"`
}

// Layer is one layer, or one part of it: a NodePool, or the fixed nodes of a shape.
type Layer struct {
	Name     string `json:"name"`
	Nodes    int    `json:"nodes"`
	NotReady int    `json:"notReady"`
	// Pods that are bound and have not ended, and what they ask for.
	Pods     int                 `json:"pods"`
	Requests corev1.ResourceList `json:"requests"`
	// Allocatable of the nodes; empty for virtual nodes, whose room is Oracle's.
	Allocatable corev1.ResourceList `json:"allocatable,omitempty"`
	// Price per hour of what has a price; Unpriced counts the nodes that have none.
	Price    float64 `json:"pricePerHour"`
	Unpriced int     `json:"unpricedNodes"`
	// FitSavings is what the nodes would cost more per hour at the full sizes of their instance types.
	FitSavings float64 `json:"fitSavingsPerHour,omitempty"`
	Parts      []Layer `json:"parts,omitempty"`
}
