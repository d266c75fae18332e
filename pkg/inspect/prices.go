package inspect

import (
	"context"
	"math"
	"strconv"

	"github.com/samber/lo"
	corev1 "k8s.io/api/core/v1"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/cloudprovider"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/pricing"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/shape"
)

// The compute shapes at whose prices pods on virtual nodes are billed: the pod shapes E3, E4 and A1 use the same parts of the price
// list, and E3 costs what E4 does.
var (
	x86PodShapes = []string{"VM.Standard.E4.Flex", "VM.Standard.E3.Flex"}
	armPodShapes = []string{"VM.Standard.A1.Flex"}
)

// nodePrices prices nodes; it keeps the lists of instance types for the time of one answer.
type nodePrices struct {
	*Inspector
	types map[string]map[string]*cloudprovider.InstanceType // by NodePool, by name
}

func (i *Inspector) newNodePrices() *nodePrices {
	return &nodePrices{Inspector: i, types: map[string]map[string]*cloudprovider.InstanceType{}}
}

// ofNode is the price of a node per hour, and what it would cost more at its instance type's full size; ok is false when none is known.
func (p *nodePrices) ofNode(ctx context.Context, layer string, node *corev1.Node) (price, saved float64, ok bool) {
	if layer == LayerKarpenter {
		return p.ofKarpenter(ctx, node)
	}
	s := p.shape(node.Labels[corev1.LabelInstanceTypeStable])
	if s == nil {
		return 0, 0, false
	}
	ocpus, memoryGB := s.OCPUs, s.MemoryGB
	if s.Flexible {
		ocpus = float64(node.Status.Capacity.Cpu().MilliValue()) / 1000 / float64(max(s.VCPUsPerOCPU, 1))
		memoryGB = math.Ceil(float64(node.Status.Capacity.Memory().Value()) / bytesPerGiB) // the kernel keeps a part of the last GB
	}
	if ocpus <= 0 || memoryGB <= 0 {
		return 0, 0, false // not registered yet
	}
	price, ok = p.compute(s, ocpus, memoryGB, pricing.BaselineFull, false)
	return price, 0, ok
}

// ofKarpenter is the price of the node's offering. Where the launch took less than the type's full size, the difference in compute is
// taken off.
func (p *nodePrices) ofKarpenter(ctx context.Context, node *corev1.Node) (price, saved float64, ok bool) {
	name, capacityType := node.Labels[corev1.LabelInstanceTypeStable], node.Labels[karpv1.CapacityTypeLabelKey]
	it := p.typesOf(ctx, node.Labels[karpv1.NodePoolLabelKey])[name]
	if it == nil {
		return 0, 0, false
	}
	price, ok = it.OfferingPrice(node.Labels[corev1.LabelTopologyZone], capacityType)
	if !ok {
		return 0, 0, false
	}
	size, known := p.Sizes.Size(name)
	s := p.shape(size.ShapeName)
	ocpus, memoryGB := decimal(node.Annotations[v1alpha1.AnnotationInstanceOCPUs]), decimal(node.Annotations[v1alpha1.AnnotationInstanceMemoryGB])
	if !known || s == nil || ocpus <= 0 || memoryGB <= 0 || (ocpus == size.OCPUs && memoryGB == size.MemoryGB) {
		return price, 0, true
	}
	spot := capacityType == karpv1.CapacityTypeSpot
	full, _ := p.compute(s, size.OCPUs, size.MemoryGB, pricing.Baseline(size.Baseline), spot)
	launched, _ := p.compute(s, ocpus, memoryGB, pricing.Baseline(size.Baseline), spot)
	return max(price-full+launched, 0), full - launched, true
}

func (p *nodePrices) compute(s *shape.Shape, ocpus, memoryGB float64, baseline pricing.Baseline, spot bool) (float64, bool) {
	price, ok := p.Prices.OnDemand(s, ocpus, memoryGB, baseline)
	if spot {
		price, ok = p.Prices.Spot(s, ocpus, memoryGB)
	}
	return price, ok
}

// typesOf lists a NodePool's types by name; none for a NodePool that is gone or can not be listed.
func (p *nodePrices) typesOf(ctx context.Context, pool string) map[string]*cloudprovider.InstanceType {
	if types, done := p.types[pool]; done {
		return types
	}
	var types map[string]*cloudprovider.InstanceType
	if nodePool, err := p.nodePool(ctx, pool); err == nil {
		if list, err := p.listTypes(ctx, nodePool); err == nil {
			types = lo.KeyBy(list, func(it *cloudprovider.InstanceType) string { return it.Name })
		}
	}
	p.types[pool] = types
	return types
}

func (p *nodePrices) shape(name string) *shape.Shape {
	if snapshot := p.Shapes.Snapshot(); snapshot != nil {
		if s, ok := snapshot.Shape(name); ok {
			return s
		}
	}
	return nil
}

// podPrice prices pods on a virtual node.
type podPrice struct {
	prices *nodePrices
	shape  *shape.Shape
}

// ofVirtualPods is nil when the region has no shape that the node's pods could be billed as.
func (p *nodePrices) ofVirtualPods(node *corev1.Node) *podPrice {
	names := x86PodShapes
	if node.Labels[corev1.LabelArchStable] == shape.ArchARM64 {
		names = armPodShapes
	}
	for _, name := range names {
		if s := p.shape(name); s != nil {
			return &podPrice{p, s}
		}
	}
	return nil
}

func (p *podPrice) of(pod *corev1.Pod) float64 {
	ocpus, memoryGB := virtualPodSize(pod, p.shape.VCPUsPerOCPU)
	price, _ := p.prices.compute(p.shape, ocpus, memoryGB, pricing.BaselineFull, false)
	return price
}

// decimal reads a number; what is none is 0.
func decimal(text string) float64 {
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return 0
	}
	return f
}
