package instancetype

import (
	"slices"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/pricing"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/shape"
)

// baseline is the share of its OCPUs that an instance is sure to have; the empty one is all of them.
type baseline string

const (
	whole  baseline = ""
	half   baseline = baseline(v1alpha1.BaselineHalf)
	eighth baseline = baseline(v1alpha1.BaselineEighth)
)

// burstables are the baselines of burstable instances with how they stand in names and labels. The label is a whole number of percent, for
// Gt and Lt, and never more than there is: an eighth is 12.5.
var burstables = []struct {
	baseline
	suffix, percent string
}{{half, "b2", "50"}, {eighth, "b8", "12"}}

func (b baseline) burstable() bool { return b != whole }

// suffix ends the type name of a size with the baseline.
func (b baseline) suffix() string {
	for i := range burstables {
		if burstables[i].baseline == b {
			return "." + burstables[i].suffix
		}
	}
	return ""
}

// percent is the baseline's label, empty for whole OCPUs.
func (b baseline) percent() string {
	for i := range burstables {
		if burstables[i].baseline == b {
			return burstables[i].percent
		}
	}
	return ""
}

// offeredBy says whether a shape can have the baseline at a size.
func (b baseline) offeredBy(s *shape.Shape, ocpus float64) bool {
	return !b.burstable() || (s.Flexible && slices.Contains(s.Baselines, string(b)) && ocpus*pricing.Baseline(b).Share() >= s.MinBaselineOCPUs)
}

// baselines is a set of baselines. It is comparable, so that it can be part of a key.
type baselines struct{ whole, half, eighth bool }

func baselinesOf(nodeClass *v1alpha1.OciNodeClass) (set baselines) {
	if nodeClass.Spec.Flex == nil || len(nodeClass.Spec.Flex.Baselines) == 0 {
		return baselines{whole: true}
	}
	for _, b := range nodeClass.Spec.Flex.Baselines {
		switch b {
		case v1alpha1.BaselineWhole:
			set.whole = true
		case v1alpha1.BaselineHalf:
			set.half = true
		case v1alpha1.BaselineEighth:
			set.eighth = true
		}
	}
	return set
}

func (s baselines) has(b baseline) bool {
	switch b {
	case whole:
		return s.whole
	case half:
		return s.half
	case eighth:
		return s.eighth
	default:
		return false
	}
}

// list are the baselines of the set.
func (s baselines) list() (out []baseline) {
	for _, b := range []baseline{whole, half, eighth} {
		if s.has(b) {
			out = append(out, b)
		}
	}
	return out
}
