package capacity

import (
	"regexp"
	"slices"
	"strings"

	"github.com/samber/lo"

	"github.com/karpenter-oke/karpenter-oke/pkg/providers/shape"
)

// Unit is what a service limit counts. OCI does not say; it stands in the limit's name.
type Unit string

// Units.
const (
	UnitOCPUs    Unit = "ocpus"
	UnitMemoryGB Unit = "memoryGB"
	UnitGPUs     Unit = "gpus"
	// UnitStorage is what every instance needs, whatever its shape: boot volumes.
	UnitStorage Unit = "storage"
	// UnitInstances is the guess for names that tell nothing: an instance takes one at least.
	UnitInstances Unit = "instances"
)

// UnitOf reads the unit from a limit's name, such as standard-e5-core-count, standard-a1-memory-regional-count or gpu-a10-count.
func UnitOf(limit string) Unit {
	switch {
	case strings.Contains(limit, "storage"), strings.Contains(limit, "volume"):
		return UnitStorage
	case strings.Contains(limit, "memory"):
		return UnitMemoryGB
	case strings.Contains(limit, "core"):
		return UnitOCPUs
	case strings.HasPrefix(limit, "gpu"), strings.Contains(limit, "-gpu"):
		return UnitGPUs
	default:
		return UnitInstances
	}
}

// Regional says whether a limit counts the whole region and not each availability domain by itself, by its name.
func Regional(limit string) bool { return strings.Contains(limit, "regional") }

var limitName = regexp.MustCompile(`\b[a-z0-9]+(?:-[a-z0-9]+)*-(?:count|gb|bytes)(?:-regional)?\b`)

// LimitNames finds the limits that an error of OCI names, each once.
func LimitNames(message string) []string {
	return lo.Uniq(limitName.FindAllString(strings.ToLower(message), -1))
}

// limitMarks are the offerings that a used-up limit leaves out, by an offering that it refused: what takes as much of it or more, of every
// shape that counts against it. Zone and capacity type go as the limit counts.
func limitMarks(limit string, refused Offering, snapshot *shape.Snapshot) []Offering {
	zone := refused.Zone
	if Regional(limit) {
		zone = ""
	}
	unit := UnitOf(limit)
	var marks []Offering
	for _, name := range shapesOf(limit, unit, refused.Shape, snapshot) {
		mark := Offering{Shape: name, Zone: zone}
		switch unit {
		case UnitOCPUs:
			mark.OCPUs, mark.Baseline = refused.OCPUs, refused.Baseline
		case UnitMemoryGB:
			mark.MemoryGB = refused.MemoryGB
		case UnitGPUs:
			if gpus(snapshot, name) < gpus(snapshot, refused.Shape) {
				continue
			}
		}
		marks = append(marks, mark)
	}
	return marks
}

// shapesOf are the shapes that count against a limit. The refused one does, whatever the catalogue says.
func shapesOf(limit string, unit Unit, refused string, snapshot *shape.Snapshot) []string {
	names := []string{refused}
	if snapshot == nil {
		return names
	}
	for _, s := range snapshot.Shapes() {
		if s.Name != refused && (unit == UnitStorage || slices.Contains(s.QuotaNames, limit)) {
			names = append(names, s.Name)
		}
	}
	return names
}

func gpus(snapshot *shape.Snapshot, name string) int {
	if snapshot == nil {
		return 0
	}
	if s, ok := snapshot.Shape(name); ok {
		return s.GPUs
	}
	return 0
}
