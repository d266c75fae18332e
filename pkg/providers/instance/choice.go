package instance

import (
	"cmp"
	"math"
	"slices"

	corev1 "k8s.io/api/core/v1"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/cloudprovider"
	"sigs.k8s.io/karpenter/pkg/scheduling"
	coreresources "sigs.k8s.io/karpenter/pkg/utils/resources"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/instancetype"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/instancetype/resources"
)

// Candidate is one way to launch a NodeClaim: an instance type in one of its offerings.
type Candidate struct {
	Type     *cloudprovider.InstanceType
	Offering *cloudprovider.Offering
}

// claim is what the filters need to know of a NodeClaim, read once.
type claim struct {
	requirements scheduling.Requirements
	requests     corev1.ResourceList
	gpusWanted   bool
}

func newClaim(nodeClaim *karpv1.NodeClaim) claim {
	c := claim{
		requirements: scheduling.NewNodeSelectorRequirementsWithMinValues(nodeClaim.Spec.Requirements...),
		requests:     nodeClaim.Spec.Resources.Requests,
	}
	// Pods that ask for a GPU, or requirements that speak of GPUs.
	c.gpusWanted = slices.ContainsFunc(gpuResources, func(name corev1.ResourceName) bool { return has(c.requests, name) }) ||
		slices.ContainsFunc(gpuLabels, c.requirements.Has)
	return c
}

var (
	gpuResources = []corev1.ResourceName{resources.ResourceNVIDIAGPU, resources.ResourceAMDGPU}
	gpuLabels    = []string{
		v1alpha1.LabelInstanceGPU, v1alpha1.LabelInstanceGPUName, v1alpha1.LabelInstanceGPUManufacturer, v1alpha1.LabelInstanceGPUMemory,
		v1alpha1.LabelInstanceGPUDescription,
		v1alpha1.LabelInstanceCategory, v1alpha1.LabelInstanceFamily, v1alpha1.LabelInstanceShapeName,
	}
)

// filter keeps the candidates that pass, in their order.
type filter struct {
	name string // for the message when nothing is left
	keep func(claim, Candidate) bool
}

// filters are applied in this order; the first that leaves nothing names the reason.
var filters = []filter{
	{name: "meets the NodeClaim's requirements", keep: claim.compatible},
	{name: "is available", keep: func(_ claim, o Candidate) bool { return o.Offering.Launchable() }},
	{name: "is large enough for its pods", keep: func(c claim, o Candidate) bool { return coreresources.Fits(c.requests, o.Type.Allocatable()) }},
	{name: "does without the GPUs that no pod asks for", keep: claim.wantsType},
	{name: "has a capacity type that the NodePool asks for", keep: claim.wantsCapacityType},
}

// compatible has the claim on the left side: it has labels of the NodePool's own that no instance type defines.
func (c claim) compatible(o Candidate) bool {
	return c.requirements.IsCompatible(o.Type.Requirements, scheduling.AllowUndefinedWellKnownLabels) &&
		c.requirements.IsCompatible(o.Offering.Requirements, scheduling.AllowUndefinedWellKnownLabels)
}

// wantsCapacityType: preemptible capacity can vanish at any time, so it is bought only when the NodePool names it, or rules out all else.
func (c claim) wantsCapacityType(o Candidate) bool {
	if o.Offering.CapacityType() != karpv1.CapacityTypeSpot {
		return true
	}
	asked := c.requirements.Get(karpv1.CapacityTypeLabelKey)
	return asked.Operator() == corev1.NodeSelectorOpIn || !asked.Has(karpv1.CapacityTypeOnDemand)
}

func has(list corev1.ResourceList, name corev1.ResourceName) bool {
	q, ok := list[name]
	return ok && !q.IsZero()
}

// hasGPU says whether a type has GPUs.
func hasGPU(t *cloudprovider.InstanceType) bool {
	return slices.ContainsFunc(gpuResources, func(name corev1.ResourceName) bool { return has(t.Capacity, name) })
}

// wantsType: GPUs cost many times what the rest of a machine does, so they are not bought for pods that ask for none, also when nothing
// else can be had now. A NodePool that has nothing but machines with GPUs has chosen.
func (c claim) wantsType(o Candidate) bool { return c.gpusWanted || !hasGPU(o.Type) }

// capacityTypeRank orders what is paid already before what can be taken away, before the rest.
var capacityTypeRank = map[string]int{karpv1.CapacityTypeReserved: 0, karpv1.CapacityTypeSpot: 1, karpv1.CapacityTypeOnDemand: 2}

// choose orders the ways to launch a NodeClaim from the best: by capacity type, then price, then by how few nodes its NodePool
// has in the zone. The price is the instance type's, which is what core reckons with ever after: a node of a dearer type would be replaced
// by a cheaper one, however much less its fitted size costs. Among types of one price, that of the fitted size decides. When nothing is
// left it names the filter that emptied the list.
func choose(nodeClaim *karpv1.NodeClaim, types []*cloudprovider.InstanceType, zones map[string]int, sizes *instancetype.Fitter) (candidates []Candidate, emptiedBy string) {
	c := newClaim(nodeClaim)
	c.gpusWanted = c.gpusWanted || !slices.ContainsFunc(types, func(t *cloudprovider.InstanceType) bool { return !hasGPU(t) })
	for _, t := range types {
		for _, o := range t.Offerings {
			candidates = append(candidates, Candidate{Type: t, Offering: o})
		}
	}
	for _, f := range filters {
		candidates = slices.DeleteFunc(candidates, func(o Candidate) bool { return !f.keep(c, o) })
		if len(candidates) == 0 {
			return nil, f.name
		}
	}
	slices.SortStableFunc(candidates, func(a, b Candidate) int {
		if byPrice := cmp.Or(
			cmp.Compare(capacityTypeRank[a.Offering.CapacityType()], capacityTypeRank[b.Offering.CapacityType()]),
			cmp.Compare(a.Offering.Price, b.Offering.Price),
		); byPrice != 0 {
			return byPrice // most differ here, and what follows costs more to find out
		}
		if byFittedPrice := compareFitted(sizes, a, b); byFittedPrice != 0 {
			return byFittedPrice
		}
		return cmp.Or(
			cmp.Compare(zones[a.Offering.Zone()], zones[b.Offering.Zone()]),
			cmp.Compare(a.Type.Name, b.Type.Name),
			cmp.Compare(a.Offering.Zone(), b.Offering.Zone()),
		)
	})
	return candidates, ""
}

// compareFitted compares the prices of the sizes that are launched. Offerings of one type in several zones are the most frequent equals,
// and their sizes are equal too.
func compareFitted(sizes *instancetype.Fitter, a, b Candidate) int {
	if a.Type == b.Type {
		return 0
	}
	return cmp.Compare(fittedPrice(sizes, a), fittedPrice(sizes, b))
}

// fittedPrice is what a candidate costs at the size that is launched, rounded so that equal sizes have equal prices.
func fittedPrice(sizes *instancetype.Fitter, o Candidate) float64 {
	fit, ok := sizes.FitIn(o.Type.Name, o.Offering)
	if !ok {
		return o.Offering.Price
	}
	return math.Round(fit.Price(o.Offering)*1e9) / 1e9
}
