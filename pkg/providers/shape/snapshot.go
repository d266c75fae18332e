package shape

import (
	"cmp"
	"slices"
)

// AvailabilityDomain is one availability domain under both of its names.
type AvailabilityDomain struct {
	// Zone is the part after the colon, as nodes carry it in topology.kubernetes.io/zone: PHX-AD-1.
	Zone string
	// Name is what OCI's API wants: Uocm:PHX-AD-1.
	Name string
}

// Snapshot is one consistent view of a region's shapes. It never changes after it was published.
type Snapshot struct {
	generation uint64
	domains    []AvailabilityDomain
	zones      []string
	shapes     []*Shape
	byName     map[string]*Shape
}

// NewSnapshot makes a snapshot of the given domains and shapes, ordered by name. Tests and tools use it; the provider publishes its own.
func NewSnapshot(generation uint64, domains []AvailabilityDomain, shapes []*Shape) *Snapshot {
	s := &Snapshot{generation: generation, domains: slices.Clone(domains), shapes: slices.Clone(shapes), byName: make(map[string]*Shape, len(shapes))}
	slices.SortFunc(s.domains, func(a, b AvailabilityDomain) int { return cmp.Compare(a.Zone, b.Zone) })
	slices.SortFunc(s.shapes, func(a, b *Shape) int { return cmp.Compare(a.Name, b.Name) })
	for _, d := range s.domains {
		s.zones = append(s.zones, d.Zone)
	}
	for _, shape := range s.shapes {
		s.byName[shape.Name] = shape
	}
	return s
}

// Generation grows whenever the content differs from the snapshot before; equal numbers mean equal content.
func (s *Snapshot) Generation() uint64 { return s.generation }

// Shapes are all shapes ordered by name. The slice is shared: read only.
func (s *Snapshot) Shapes() []*Shape { return s.shapes }

// Shape finds a shape by OCI's name.
func (s *Snapshot) Shape(name string) (*Shape, bool) {
	shape, ok := s.byName[name]
	return shape, ok
}

// Zones are the short names of the region's availability domains in order. The slice is shared: read only.
func (s *Snapshot) Zones() []string { return s.zones }

// AvailabilityDomains are the region's availability domains in the order of their zones. The slice is shared: read only.
func (s *Snapshot) AvailabilityDomains() []AvailabilityDomain { return s.domains }

// AvailabilityDomain gives the full name of a zone, for calls to OCI.
func (s *Snapshot) AvailabilityDomain(zone string) (string, bool) {
	for _, d := range s.domains {
		if d.Zone == zone {
			return d.Name, true
		}
	}
	return "", false
}
