package instancetype

import (
	"strconv"
	"strings"

	"github.com/karpenter-oke/karpenter-oke/pkg/providers/shape"
)

// Size is what a launch tells OCI.
type Size struct {
	ShapeName string
	OCPUs     float64
	MemoryGB  float64
	// Baseline is OCI's name of a burstable utilisation (BASELINE_1_8); empty for an instance that is not burstable.
	Baseline string
}

// typeName is the instance type's name of a flexible shape at a size: VM.Standard.E5.Flex.2o.16g.
func typeName(shapeName string, ocpus, memoryGB float64) string {
	return shapeName + "." + strconv.FormatFloat(ocpus, 'f', -1, 64) + "o." + strconv.FormatFloat(memoryGB, 'f', -1, 64) + "g"
}

// parseTypeName finds shape and size of an instance type's name. The size need not be one that is offered now, but the shape must be
// known and able to have it.
func parseTypeName(name string, snapshot *shape.Snapshot) (Size, *shape.Shape, bool) {
	if s, ok := snapshot.Shape(name); ok && !s.Flexible {
		return Size{ShapeName: s.Name, OCPUs: s.OCPUs, MemoryGB: s.MemoryGB}, s, true
	}
	size := Size{}
	if dot := strings.LastIndexByte(name, '.'); dot > 0 {
		for _, b := range burstables {
			if name[dot+1:] == b.suffix {
				size.Baseline, name = string(b.baseline), name[:dot]
				break
			}
		}
	}
	rest, ok := strings.CutSuffix(name, "g")
	if !ok {
		return Size{}, nil, false
	}
	split := strings.LastIndex(rest, "o.")
	if split < 0 {
		return Size{}, nil, false
	}
	memoryGB, err := strconv.ParseFloat(rest[split+len("o."):], 64)
	if err != nil {
		return Size{}, nil, false
	}
	// Before the "o." stand shape and OCPUs; both may hold dots, so the shape that exists decides where the one ends.
	before := rest[:split]
	for dot := strings.LastIndexByte(before, '.'); dot > 0; dot = strings.LastIndexByte(before[:dot], '.') {
		ocpus, err := strconv.ParseFloat(before[dot+1:], 64)
		if err != nil {
			return Size{}, nil, false
		}
		s, ok := snapshot.Shape(before[:dot])
		if ok && s.Flexible && s.Offers(ocpus, memoryGB) && typeName(s.Name, ocpus, memoryGB) == name {
			size.ShapeName, size.OCPUs, size.MemoryGB = s.Name, ocpus, memoryGB
			return size, s, true
		}
	}
	return Size{}, nil, false
}
