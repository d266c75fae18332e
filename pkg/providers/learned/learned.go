// Package learned remembers by how much nodes came up smaller than the resource model says.
//
// The model is an upper bound of what was published and measured, but the image and the host decide. A prediction that is too large makes
// core buy nodes on which the pods it bought them for do not fit; so what real nodes lack is remembered for each size and taken from
// predictions. Figures only ever make a prediction smaller, outlive the process (Entries, Restore) and expire when no node shows them.
package learned

import (
	"math"
	"time"
)

// DefaultTTL is for how long a figure holds that no node has shown again. Clusters that use a size see it anew within days; a host
// or an image that was mended is believed after a month.
const DefaultTTL = 30 * 24 * time.Hour

// Size is a shape at a size, in OCI's own numbers; its GB are GiB.
type Size struct {
	Shape    string  `json:"shape"`
	OCPUs    float64 `json:"ocpus"`
	MemoryGB float64 `json:"memoryGB"`
}

// Shortfall is by how much a node is smaller than the model; no field is below 0.
type Shortfall struct {
	// Memory is what the node's memory capacity lacks, in bytes. Firmware, hypervisor and the image's kernel take it, so it holds for every
	// node class with the image.
	Memory int64 `json:"memory,omitempty"`
	// Rest is what pods get less beyond Memory. Settings and scripts of a node class decide it too, so it holds for that class only.
	Rest Amounts `json:"rest,omitzero"`
}

// Amounts of a node's resources: bytes, millicores, and a number of pods.
type Amounts struct {
	Memory    int64 `json:"memory,omitempty"`
	CPUMillis int64 `json:"cpuMillis,omitempty"`
	Disk      int64 `json:"disk,omitempty"`
	Pods      int64 `json:"pods,omitempty"`
}

// Zero says that nothing is lacking.
func (s Shortfall) Zero() bool { return s == Shortfall{} }

// covers says that s is at least as large as o in everything.
func (s Shortfall) covers(o Shortfall) bool { return s.max(o) == s }

// max takes the larger of each field.
func (s Shortfall) max(o Shortfall) Shortfall {
	return Shortfall{Memory: max(s.Memory, o.Memory), Rest: Amounts{
		Memory: max(s.Rest.Memory, o.Rest.Memory), CPUMillis: max(s.Rest.CPUMillis, o.Rest.CPUMillis),
		Disk: max(s.Rest.Disk, o.Rest.Disk), Pods: max(s.Rest.Pods, o.Rest.Pods),
	}}
}

// step is what observed bytes are rounded up to: nodes of one size differ by some KiB, which is not worth a change.
const step = int64(1) << 20

// tidy rounds bytes up and drops what is below 0.
func (s Shortfall) tidy() Shortfall {
	up := func(bytes int64) int64 { return (max(bytes, 0) + step - 1) / step * step }
	return Shortfall{Memory: up(s.Memory), Rest: Amounts{
		Memory: up(s.Rest.Memory), CPUMillis: max(s.Rest.CPUMillis, 0), Disk: up(s.Rest.Disk), Pods: max(s.Rest.Pods, 0),
	}}
}

// at is what the shortfall seen at one size lets expect at another one. What a machine lacks grows with its memory (page tables, reserved
// regions) or stays the same (firmware), but does not grow faster: so a smaller one may lack as much, a larger one as much in proportion.
func (s Shortfall) at(seen, size Size) Shortfall {
	s.Memory = grown(s.Memory, seen.MemoryGB, size.MemoryGB)
	s.Rest.Memory = grown(s.Rest.Memory, seen.MemoryGB, size.MemoryGB)
	s.Rest.CPUMillis = grown(s.Rest.CPUMillis, seen.OCPUs, size.OCPUs)
	return s
}

func grown(amount int64, from, to float64) int64 {
	if from <= 0 || to <= from {
		return amount
	}
	return int64(math.Ceil(float64(amount) * to / from))
}

// Observation is what one node showed.
type Observation struct {
	// Class is the node class's name, Image the image's OCID.
	Class string `json:"class"`
	Image string `json:"image"`
	Size
	Shortfall
}

// Entry is what is remembered of the nodes of one size, class and image.
type Entry struct {
	// Observation is the worst that was seen.
	Observation
	// Seen is when a node last showed it.
	Seen time.Time `json:"seen"`
	// Later is the worst since then, which takes its place when it expires.
	Later     Shortfall `json:"later,omitzero"`
	LaterSeen time.Time `json:"laterSeen,omitzero"`
}

type key struct {
	class, image string
	size         Size
}

func (o *Observation) key() key { return key{o.Class, o.Image, o.Size} }

// lastSeen is when any node of the entry's kind was last seen.
func (e *Entry) lastSeen() time.Time {
	if e.LaterSeen.After(e.Seen) {
		return e.LaterSeen
	}
	return e.Seen
}

// valid says that an entry that was read from outside makes sense.
func (e *Entry) valid() bool {
	return e.Image != "" && e.Shape != "" && e.OCPUs > 0 && e.MemoryGB > 0 && !e.Seen.IsZero() && e.Shortfall == e.tidy() && e.Later == e.Later.tidy()
}
