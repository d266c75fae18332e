package instancetype

import (
	"math"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/cloudprovider"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/instancetype/resources"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/pricing"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/shape"
)

// Slack is what a fitted node has above its claim's requests at least. A node that is smaller than predicted by more than this does not
// take the pods it was bought for, and core buys the next one; and a node without room for the next pod is bought and consolidated more
// often. Figures and reasons are in designs/0004-instance-types.md.
const (
	slackCPUMillis = 50
	slackMemory    = 128 << 20 // bytes
	slackPercent   = 3         // of the requested CPU and memory, where that is more
	slackPods      = 2
)

// FitOutcome says whether an instance type was fitted to a claim, and if not why. The set is closed: it is a metric label.
type FitOutcome string

// Outcomes.
const (
	// Fitted: the node is smaller than its instance type.
	Fitted FitOutcome = "Fitted"
	// FitFull: nothing smaller holds the requests.
	FitFull FitOutcome = "Full"
	// FitOff: the node class, or the controller's setting, says Grid.
	FitOff FitOutcome = "Off"
	// FitStatic: the claim says nothing of what will run on the node.
	FitStatic FitOutcome = "NoRequests"
	// FitFixed: the shape has one size, or a few documented ones.
	FitFixed FitOutcome = "FixedShape"
	// FitNamed: the instance type was asked for by its name.
	FitNamed FitOutcome = "NamedType"
	// FitReserved: a capacity reservation takes its own size only.
	FitReserved FitOutcome = "Reserved"
	// FitBound: the claim has requirements on all that could shrink.
	FitBound FitOutcome = "SizeRequirements"
)

// Fit is the size at which a claim's node of some instance type is launched.
type Fit struct {
	Outcome FitOutcome
	// Cell is the instance type's size, Size the one to launch: the same, or smaller in OCPUs, memory or both.
	Cell, Size Size
	// Resources are those of a node of Size.
	Resources resources.Resources

	shape  *shape.Shape
	prices pricing.Provider
	pods   resources.PodLimits
}

// PodVNICs is how many VNICs a node of the fitted size gets for its pods, and how many addresses each of them takes in advance; both are 0
// where pods have no addresses of the VCN.
func (f *Fit) PodVNICs() (count, each int) {
	return resources.PodVNICs(f.shape.MaxVNICs(f.Size.OCPUs), int(f.Resources.Capacity.Pods().Value()), f.pods)
}

// Price is what a node of the fitted size costs in an offering of its instance type, per hour in the price list's currency.
func (f *Fit) Price(offering *cloudprovider.Offering) float64 {
	if f.Size == f.Cell {
		return offering.Price
	}
	compute := func(size Size) float64 {
		price, _ := f.prices.OnDemand(f.shape, size.OCPUs, size.MemoryGB, pricing.Baseline(size.Baseline))
		if offering.CapacityType() == karpv1.CapacityTypeSpot {
			price, _ = f.prices.Spot(f.shape, size.OCPUs, size.MemoryGB)
		}
		return price
	}
	return offering.Price - compute(f.Cell) + compute(f.Size)
}

// Fitter finds the size to launch for one claim among the sizes within each instance type. It answers from the claim, its node class and
// the NodePool that it is made from, so that a repeated launch asks for the same size. It is for one goroutine.
type Fitter struct {
	provider  *DefaultProvider
	snapshot  *shape.Snapshot
	nodeClass *v1alpha1.OciNodeClass
	bounds    bounds
	requests  corev1.ResourceList
	// off is why no type is fitted; empty when types are.
	off                   FitOutcome
	keepOCPUs, keepMemory bool
	known                 map[string]*Fit
}

// Fitter implements Provider.
func (p *DefaultProvider) Fitter(nodeClaim *karpv1.NodeClaim, nodeClass *v1alpha1.OciNodeClass, nodePool *karpv1.NodePool) *Fitter {
	if nodeClass == nil {
		nodeClass = &v1alpha1.OciNodeClass{}
	}
	f := &Fitter{
		provider: p, snapshot: p.deps.Shapes.Snapshot(), nodeClass: nodeClass, bounds: boundsOf(nodeClass),
		requests: nodeClaim.Spec.Resources.Requests, known: map[string]*Fit{},
	}
	f.keepOCPUs, f.keepMemory = boundDimensions(nodeClaim)
	switch {
	case nodeClass.FlexSizing(p.settings.Sizing) != v1alpha1.FlexSizingFit:
		f.off = FitOff
	case len(f.requests) == 0:
		f.off = FitStatic
	case named(nodeClaim, nodePool):
		f.off = FitNamed
	case f.keepOCPUs && f.keepMemory:
		f.off = FitBound
	}
	return f
}

// sizeLabels are the labels whose value follows from the size, and the dimension that it follows from. A node keeps the labels of its
// instance type, so what a claim requires of one of them is only true while that dimension is the type's.
var sizeLabels = map[string]struct{ ocpus, memory bool }{
	v1alpha1.LabelInstanceCPU:              {ocpus: true},
	v1alpha1.LabelInstanceOCPU:             {ocpus: true},
	v1alpha1.LabelInstanceMemory:           {memory: true},
	v1alpha1.LabelInstanceNetworkBandwidth: {ocpus: true},
	v1alpha1.LabelInstanceMaxVNICs:         {ocpus: true},
	v1alpha1.LabelInstanceLocalNVMe:        {ocpus: true},
}

func boundDimensions(nodeClaim *karpv1.NodeClaim) (ocpus, memory bool) {
	for i := range nodeClaim.Spec.Requirements {
		bound := sizeLabels[nodeClaim.Spec.Requirements[i].Key]
		ocpus, memory = ocpus || bound.ocpus, memory || bound.memory
	}
	return ocpus, memory
}

// named says whether somebody chose the instance type by name. Core writes the names of all types that would do into every claim, so the
// claim alone tells it only where a single name is left, which is what a pod's selector makes of it. A list of names in the NodePool is
// read there.
func named(nodeClaim *karpv1.NodeClaim, nodePool *karpv1.NodePool) bool {
	for i := range nodeClaim.Spec.Requirements {
		r := &nodeClaim.Spec.Requirements[i]
		if r.Key == corev1.LabelInstanceTypeStable && r.Operator == corev1.NodeSelectorOpIn && len(r.Values) == 1 {
			return true
		}
	}
	if nodePool == nil {
		return false
	}
	for i := range nodePool.Spec.Template.Spec.Requirements {
		r := &nodePool.Spec.Template.Spec.Requirements[i]
		if r.Key == corev1.LabelInstanceTypeStable && r.Operator == corev1.NodeSelectorOpIn {
			return true
		}
	}
	return false
}

// Fit gives the smallest size within an instance type on which the claim's requests and the slack fit. The type's own size is the answer
// where nothing may or can shrink. false means that no shape of this name is known.
func (f *Fitter) Fit(typeName string) (*Fit, bool) {
	if fit, ok := f.known[typeName]; ok {
		return fit, fit != nil
	}
	fit := f.find(typeName)
	f.known[typeName] = fit
	return fit, fit != nil
}

// FitIn is Fit for a launch in one of the type's offerings: from a capacity reservation the type's own size is launched.
func (f *Fitter) FitIn(typeName string, offering *cloudprovider.Offering) (*Fit, bool) {
	fit, ok := f.Fit(typeName)
	if !ok || offering.CapacityType() != karpv1.CapacityTypeReserved {
		return fit, ok
	}
	predicted, err := f.provider.Resources(fit.Cell, f.nodeClass)
	if err != nil {
		return nil, false
	}
	whole := *fit
	whole.Outcome, whole.Size, whole.Resources = FitReserved, fit.Cell, predicted
	return &whole, true
}

func (f *Fitter) find(typeName string) *Fit {
	if f.snapshot == nil {
		return nil
	}
	cell, s, ok := parseTypeName(typeName, f.snapshot)
	if !ok {
		return nil
	}
	predicted, err := f.provider.Resources(cell, f.nodeClass)
	if err != nil {
		return nil
	}
	fit := &Fit{Outcome: f.off, Cell: cell, Size: cell, Resources: predicted, shape: s, prices: f.provider.deps.Prices,
		pods: podLimitsOf(f.nodeClass, f.provider.settings.Pods)}
	switch {
	case !s.Flexible || len(s.Sizes) > 0:
		fit.Outcome = FitFixed
	case f.off == "":
		fit.Outcome = FitFull
		f.shrink(fit)
	}
	return fit
}

// shrink sets the smallest size. It climbs from the shape's smallest one, in each step by what is missing at least, so that it finds the
// size at which nothing is missing that is smallest in both dimensions.
func (f *Fitter) shrink(fit *Fit) {
	s, cell := fit.shape, fit.Cell
	need := needs(f.requests, fit.Resources.Allocatable())
	least := max(f.bounds.memoryPerOCPU.Min, s.MemoryPerOCPU.Min)
	most := min(f.bounds.memoryPerOCPU.Max, s.MemoryPerOCPU.Max)
	ocpus, memoryGB := f.smallest(s, cell)
	for most > 0 {
		// Memory for these OCPUs, and OCPUs for this memory.
		if memoryGB = max(memoryGB, math.Ceil(ocpus*least)); memoryGB > ocpus*most {
			ocpus = math.Ceil(memoryGB / most)
			memoryGB = max(memoryGB, math.Ceil(ocpus*least))
		}
		if s.Extended != nil && s.IsExtended(ocpus, memoryGB) {
			ocpus = max(ocpus, s.Extended.OCPURange.Min)
			memoryGB = max(memoryGB, math.Ceil(ocpus*least))
		}
		size := Size{ShapeName: cell.ShapeName, OCPUs: ocpus, MemoryGB: memoryGB, Baseline: cell.Baseline}
		if ocpus > cell.OCPUs || memoryGB > cell.MemoryGB || size == cell {
			return
		}
		predicted, err := f.provider.Resources(size, f.nodeClass)
		if err != nil {
			return
		}
		short := missing(need, predicted.Allocatable())
		if len(short) == 0 {
			if s.Offers(ocpus, memoryGB) && f.bounds.contain(newCell(s, ocpus, memoryGB, baseline(cell.Baseline), 0)) {
				fit.Outcome, fit.Size, fit.Resources = Fitted, size, predicted
			}
			return
		}
		moreOCPUs, moreMemoryGB := steps(short, float64(max(s.VCPUsPerOCPU, 1)))
		if moreOCPUs == 0 && moreMemoryGB == 0 {
			return // size does not help
		}
		ocpus, memoryGB = ocpus+moreOCPUs, memoryGB+moreMemoryGB
	}
}

// smallest is where the search begins: the least that shape, baseline and node class allow, and the type's own in a dimension that stays.
func (f *Fitter) smallest(s *shape.Shape, cell Size) (ocpus, memoryGB float64) {
	ocpus, memoryGB = math.Ceil(max(s.OCPURange.Min, f.bounds.ocpus.Min, 1)), math.Ceil(max(s.MemoryRange.Min, 1))
	if share := pricing.Baseline(cell.Baseline).Share(); cell.Baseline != "" && share > 0 {
		ocpus = max(ocpus, math.Ceil(s.MinBaselineOCPUs/share))
	}
	if f.keepOCPUs {
		ocpus = cell.OCPUs
	}
	if f.keepMemory {
		memoryGB = cell.MemoryGB
	}
	return ocpus, memoryGB
}

// needs are what a fitted node must leave for pods: the requests and the slack, but no more than the instance type itself leaves.
func needs(requests, ofType corev1.ResourceList) corev1.ResourceList {
	need := corev1.ResourceList{
		corev1.ResourceCPU: *resource.NewMilliQuantity(0, resource.DecimalSI), corev1.ResourceMemory: *resource.NewQuantity(0, resource.BinarySI),
	}
	for name, q := range requests {
		need[name] = q.DeepCopy()
	}
	for name, q := range need {
		q.Add(slackOf(name, q))
		if least := *resource.NewQuantity(minAllocatableMemory, resource.BinarySI); name == corev1.ResourceMemory && q.Cmp(least) < 0 {
			q = least
		}
		if limit := ofType[name]; q.Cmp(limit) > 0 {
			q = limit.DeepCopy()
		}
		need[name] = q
	}
	return need
}

// slackOf is the slack above requests of a resource. Disk does not depend on the size, and devices are counted.
func slackOf(name corev1.ResourceName, requested resource.Quantity) resource.Quantity {
	switch name {
	case corev1.ResourceCPU:
		return *resource.NewMilliQuantity(max(slackCPUMillis, requested.MilliValue()*slackPercent/100), resource.DecimalSI)
	case corev1.ResourceMemory:
		return *resource.NewQuantity(max(slackMemory, requested.Value()*slackPercent/100), resource.BinarySI)
	case corev1.ResourcePods:
		return *resource.NewQuantity(slackPods, resource.DecimalSI)
	default:
		return resource.Quantity{}
	}
}

// missing is by how much the needs exceed what there is.
func missing(need, have corev1.ResourceList) corev1.ResourceList {
	short := corev1.ResourceList{}
	for name, q := range need {
		if q = q.DeepCopy(); q.Cmp(have[name]) > 0 {
			q.Sub(have[name])
			short[name] = q
		}
	}
	return short
}

// steps are how much larger a node that is short must at least be: one OCPU gives no more than its vCPUs, a GB no more than a GiB. Pods
// follow the VNICs, which follow the OCPUs.
func steps(short corev1.ResourceList, vcpusPerOCPU float64) (ocpus, memoryGB float64) {
	if q, ok := short[corev1.ResourceCPU]; ok {
		ocpus = max(1, math.Floor(q.AsApproximateFloat64()/vcpusPerOCPU))
	}
	if _, ok := short[corev1.ResourcePods]; ok {
		ocpus = max(1, ocpus)
	}
	if q, ok := short[corev1.ResourceMemory]; ok {
		memoryGB = max(1, math.Floor(q.AsApproximateFloat64()/bytesPerGB))
	}
	return ocpus, memoryGB
}
