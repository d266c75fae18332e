package instancetype

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/cloudprovider"
	"sigs.k8s.io/karpenter/pkg/scheduling"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/capacity"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/instancetype/resources"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/learned"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/pricing"
)

// builder makes instance types for one set of params. Requirements and offerings' requirements that are equal are shared between types:
// core only reads them, and sharing is what makes a rebuild cheap.
type builder struct {
	params      params
	zones       []string
	prices      pricing.Provider
	unavailable *capacity.Unavailable

	reservations Reservations
	// slots are those of the node class's reservations, by instance type.
	slots map[string][]slot
	// served are the zones that nodes of the params can be in; storage is what their volumes cost.
	served map[string]bool
	// faultDomains are those that nodes may be in.
	faultDomains []string
	storage      float64
	// values interns one-value requirements, by key and value.
	values map[[2]string]*scheduling.Requirement
	// common are the requirements that all types share, by capacity types that a shape has.
	zone, regionIn, faultDomain *scheduling.Requirement
	capacityTypes               map[int]*scheduling.Requirement
	offerings                   map[[2]string]scheduling.Requirements
}

func newBuilder(p params, zones []string, settings Settings, deps Dependencies, slots map[string][]slot) *builder {
	prices := deps.Prices
	b := &builder{
		params: p, zones: zones, prices: prices, unavailable: deps.Unavailable, reservations: deps.Reservations, slots: slots,
		served:        map[string]bool{},
		faultDomains:  strings.Split(p.faultDomains, separator),
		storage:       prices.BlockStorage(p.storageGB, p.storageVPUGB),
		values:        map[[2]string]*scheduling.Requirement{},
		zone:          scheduling.NewRequirement(corev1.LabelTopologyZone, corev1.NodeSelectorOpIn, zones...),
		regionIn:      scheduling.NewRequirement(corev1.LabelTopologyRegion, corev1.NodeSelectorOpIn, settings.Region),
		faultDomain:   scheduling.NewRequirement(v1alpha1.LabelFaultDomain, corev1.NodeSelectorOpIn, strings.Split(p.faultDomains, separator)...),
		capacityTypes: map[int]*scheduling.Requirement{},
		offerings:     map[[2]string]scheduling.Requirements{},
	}
	for n := 1; n <= len(allCapacityTypes); n++ {
		b.capacityTypes[n] = scheduling.NewRequirement(karpv1.CapacityTypeLabelKey, corev1.NodeSelectorOpIn, allCapacityTypes[:n]...)
	}
	within := strings.Split(p.zones, separator)
	for _, zone := range zones {
		b.served[zone] = !p.zonesBound || slices.Contains(within, zone)
		for _, capacityType := range allCapacityTypes {
			b.offerings[[2]string{zone, capacityType}] = scheduling.NewRequirements(
				scheduling.NewRequirement(corev1.LabelTopologyZone, corev1.NodeSelectorOpIn, zone),
				scheduling.NewRequirement(karpv1.CapacityTypeLabelKey, corev1.NodeSelectorOpIn, capacityType),
				scheduling.NewRequirement(v1alpha1.LabelCapacityReservationID, corev1.NodeSelectorOpDoesNotExist),
				scheduling.NewRequirement(v1alpha1.LabelCapacityReservationSlot, corev1.NodeSelectorOpDoesNotExist),
			)
		}
	}
	return b
}

// build makes the instance type of a cell, smaller than the model says by what its nodes are known to lack.
func (b *builder) build(c *cell, lacking learned.Shortfall) *cloudprovider.InstanceType {
	predicted := less(resources.Predict(c.machine(b.params.disks), b.params.pods, b.params.kubelet), lacking)
	return &cloudprovider.InstanceType{
		Name:                   c.name,
		Requirements:           b.requirements(c),
		Offerings:              b.offer(c),
		Capacity:               predicted.Capacity,
		Overhead:               predicted.Overhead,
		VolumeAttachmentLimits: map[string]int{resources.VolumeDriver: max(resources.VolumesPerNode-b.params.blockDevices, 0)},
	}
}

// withOfferings makes the type anew with today's offerings; all else is shared with the old one, which stays as it is for those who
// still hold it.
func (b *builder) withOfferings(c *cell, old *cloudprovider.InstanceType) *cloudprovider.InstanceType {
	return &cloudprovider.InstanceType{
		Name: old.Name, Requirements: old.Requirements, Offerings: b.offer(c),
		Capacity: old.Capacity, Overhead: old.Overhead, VolumeAttachmentLimits: old.VolumeAttachmentLimits,
	}
}

// requirements defines every well-known label, with DoesNotExist where a node of this type will not have it.
func (b *builder) requirements(c *cell) scheduling.Requirements {
	out := make(scheduling.Requirements, len(ownLabels)+len(karpv1.WellKnownLabels)/2)
	for _, key := range ownLabels {
		value, _ := c.label(key)
		out[key] = b.value(key, value)
	}
	out[corev1.LabelTopologyZone] = b.zone
	out[corev1.LabelTopologyRegion] = b.regionIn
	out[v1alpha1.LabelFaultDomain] = b.faultDomain
	out[karpv1.CapacityTypeLabelKey] = b.capacityTypes[len(b.params.capacityTypes(c))]
	b.reserveRequirements(out, b.slots[c.name])
	return out
}

func (b *builder) value(key, value string) *scheduling.Requirement {
	id := [2]string{key, value}
	if r, ok := b.values[id]; ok {
		return r
	}
	r := scheduling.NewRequirement(key, corev1.NodeSelectorOpDoesNotExist)
	if value != "" {
		r = scheduling.NewRequirement(key, corev1.NodeSelectorOpIn, value)
	}
	b.values[id] = r
	return r
}

// offer makes an offering for every zone and capacity type. One that cannot be had is there with Available false: core needs it to price
// nodes that exist, and its absence would be drift.
func (b *builder) offer(c *cell) cloudprovider.Offerings {
	onDemand, _ := b.prices.OnDemand(c.shape, c.ocpus, c.memoryGB, pricing.Baseline(c.baseline))
	spot, _ := b.prices.Spot(c.shape, c.ocpus, c.memoryGB)
	types := b.params.capacityTypes(c)
	out := make(cloudprovider.Offerings, 0, len(b.zones)*len(types))
	all := make([]cloudprovider.Offering, len(b.zones)*len(types)) // one allocation for all
	for _, zone := range b.zones {
		here := c.shape.InZone(zone) && b.served[zone] && !c.reservedOnly
		for _, capacityType := range types {
			price := onDemand
			if capacityType == karpv1.CapacityTypeSpot {
				price = spot
			}
			available := here
			if available {
				_, gone := b.unavailable.IsUnavailableIn(capacity.Offering{
					Shape: c.shape.Name, OCPUs: c.ocpus, MemoryGB: c.memoryGB, Baseline: string(c.baseline), Zone: zone, CapacityType: capacityType,
				}, b.faultDomains)
				available = !gone
			}
			offering := &all[len(out)]
			offering.Requirements = b.offerings[[2]string{zone, capacityType}]
			offering.Price = price + b.storage
			offering.Available = available
			out = append(out, offering)
		}
	}
	return append(out, b.reservedOfferings(c, onDemand)...)
}
