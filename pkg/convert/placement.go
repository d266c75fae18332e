package convert

import (
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"

	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
)

const pathShapes = "spec.shapeConfigs"

// placement is on whose capacity nodes run.
func (c *classConversion) placement() {
	to := v1alpha1.Placement{}
	add := func(list *[]v1alpha1.PlacementSelectorTerm, id string, filter *sourceFilter, path, field string) {
		if s, ok := c.selector(id, filter, path, field); ok {
			*list = append(*list, v1alpha1.PlacementSelectorTerm(s))
		}
	}
	for i, r := range c.from.CapacityReservationConfigs {
		add(&to.CapacityReservationSelector, r.CapacityReservationID, r.CapacityReservationFilter, fmt.Sprintf("spec.capacityReservationConfigs[%d]", i), "capacityReservationFilter")
	}
	for i, g := range c.from.ClusterPlacementGroupConfigs {
		add(&to.ClusterPlacementGroupSelector, g.ClusterPlacementGroupID, g.ClusterPlacementGroupFilter, fmt.Sprintf("spec.clusterPlacementGroupConfigs[%d]", i), "clusterPlacementGroupFilter")
	}
	if cluster := c.from.ComputeClusterConfig; cluster != nil {
		add(&to.ComputeClusterSelector, cluster.ComputeClusterID, cluster.ComputeClusterFilter, "spec.computeClusterConfig", "computeClusterFilter")
	}
	if !reflect.DeepEqual(to, v1alpha1.Placement{}) {
		c.to.Placement = &to
	}
}

// flex bounds flexible shapes by the sizes that the source lists one by one.
func (c *classConversion) flex() {
	if len(c.from.ShapeConfigs) == 0 {
		c.warn(pathShapes, "without it Oracle's provider uses no flexible shapes, unless its chart sets flexibleShapeConfigs; here they are offered in all sizes: bound them by spec.flex, "+
			"or require %s In [\"false\"] in the NodePools", v1alpha1.LabelIsFlexible)
		return
	}
	to := v1alpha1.Flex{OCPUs: c.ocpus(), MemoryPerOCPU: c.memoryPerOCPU(), Baselines: c.baselines()}
	if reflect.DeepEqual(to, v1alpha1.Flex{}) {
		return
	}
	c.to.Flex = &to
	if len(c.from.ShapeConfigs) > 1 {
		c.warn(pathShapes, "%d sizes become a range, and the sizes between are offered too; for these alone require %s in the NodePools", len(c.from.ShapeConfigs), v1alpha1.LabelInstanceOCPU)
	}
}

func (c *classConversion) ocpus() *v1alpha1.OCPURange {
	least, most := math.Inf(1), 0.0
	for i, s := range c.from.ShapeConfigs {
		if s.Ocpus == nil {
			c.warn(fmt.Sprintf("%s[%d]", pathShapes, i), "has no ocpus; OCPUs are not bounded")
			return nil
		}
		if *s.Ocpus != math.Trunc(*s.Ocpus) {
			c.warn(fmt.Sprintf("%s[%d].ocpus", pathShapes, i), "%v is no whole number; the range is rounded outwards", *s.Ocpus)
		}
		least, most = math.Min(least, *s.Ocpus), math.Max(most, *s.Ocpus)
	}
	lower, upper := withinSchema(math.Floor(least)), withinSchema(math.Ceil(most))
	return &v1alpha1.OCPURange{Min: &lower, Max: &upper}
}

// withinSchema keeps a number of OCPUs within what the schema takes.
func withinSchema(ocpus float64) int64 { return int64(math.Min(math.Max(ocpus, 1), 1024)) }

func (c *classConversion) memoryPerOCPU() *v1alpha1.MemoryRange {
	least, most := math.Inf(1), 0.0
	for i, s := range c.from.ShapeConfigs {
		if s.Ocpus == nil || s.MemoryInGbs == nil || *s.Ocpus <= 0 {
			c.warn(fmt.Sprintf("%s[%d]", pathShapes, i), "does not give both ocpus and memoryInGbs; the memory for each OCPU is not bounded")
			return nil
		}
		ratio := *s.MemoryInGbs / *s.Ocpus
		least, most = math.Min(least, ratio), math.Max(most, ratio)
	}
	return &v1alpha1.MemoryRange{Min: mebibytes(math.Floor(least * 1024)), Max: mebibytes(math.Ceil(most * 1024))}
}

// mebibytes is an amount of memory, at least the 1 GiB for each OCPU that OCI asks for.
func mebibytes(mib float64) *resource.Quantity {
	q := resource.NewQuantity(int64(math.Min(math.Max(mib, 1024), 1<<30))<<20, resource.BinarySI)
	return q
}

func (c *classConversion) baselines() []v1alpha1.Baseline {
	found := map[v1alpha1.Baseline]bool{}
	for _, s := range c.from.ShapeConfigs {
		baseline := v1alpha1.Baseline(s.BaselineOcpuUtilization)
		if baseline == "" {
			baseline = v1alpha1.BaselineWhole
		}
		found[baseline] = true
	}
	if len(found) == 1 && found[v1alpha1.BaselineWhole] {
		return nil // the default
	}
	return slices.Sorted(maps.Keys(found))
}

// tagSelector is a map of defined tags as the target has it; nil when it is empty.
func tagSelector(from map[string]map[string]string) v1alpha1.DefinedTagSelector {
	var out v1alpha1.DefinedTagSelector
	for namespace, keys := range from {
		if len(keys) == 0 {
			continue
		}
		if out == nil {
			out = v1alpha1.DefinedTagSelector{}
		}
		out[namespace] = keys
	}
	return out
}

// appendNew appends what is not in the list.
func appendNew[T any](list []T, item T) []T {
	for _, have := range list {
		if reflect.DeepEqual(have, item) {
			return list
		}
	}
	return append(list, item)
}
