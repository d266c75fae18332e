package instancetype

import (
	"slices"
	"strconv"
	"strings"

	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/pkg/oci"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/instancetype/resources"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/network"
)

// faultDomains are the fault domains that every availability domain has.
var faultDomains = []string{"FAULT-DOMAIN-1", "FAULT-DOMAIN-2", "FAULT-DOMAIN-3"}

// params is what an instance type depends on besides its cell, prices and unavailable offerings. It is part of the cache key as a whole:
// a field added here is a field of the key.
type params struct {
	// threads tells apart cells of one name: without multithreading a size has half the vCPUs.
	threads threading
	disks   disks
	// storageGB and storageVPUGB are what the boot volume and all block devices are billed by: GB, and VPUs times GB.
	storageGB, storageVPUGB int64
	blockDevices            int
	// zones are the zones that nodes can be in, joined; not bound when every zone will do.
	zones      string
	zonesBound bool
	// faultDomains are those that nodes may be in, joined.
	faultDomains string
	// onDemandOnly: OCI sells no preemptible capacity for such instances.
	onDemandOnly bool
	kubelet      resources.Kubelet
	pods         resources.PodLimits
	// slots are those of the node class's capacity reservations, joined; how full they are is not part of it.
	slots string
	// learned tells apart node classes whose nodes are known to lack different things; empty as long as nothing is known.
	learned string
}

// threading is the number of threads that run on a core.
type threading bool

const (
	threadsOfShape threading = false
	singleThread   threading = true
)

// separator joins lists in params; no name in them has it.
const separator = ","

// Metadata keys of OKE's images that a node class may set by itself and that decide how many pods a node takes.
const (
	metadataNativePods = "oke-native-pod-networking"
	metadataMaxPods    = "oke-max-pods"
)

// paramsOf reads from a node class what types depend on; cluster is the cluster's own bound of pods.
func paramsOf(nodeClass *v1alpha1.OciNodeClass, cluster resources.PodLimits) params {
	bootVolumeGB := nodeClass.BootVolumeSizeInGBs()
	p := params{
		threads: threadsOf(nodeClass),
		disks:   disksOf(nodeClass), storageGB: bootVolumeGB, storageVPUGB: bootVolumeGB * nodeClass.BootVolumeVpusPerGB(),
		blockDevices: len(nodeClass.Spec.BlockDevices),
		faultDomains: faultDomainsOf(nodeClass),
		onDemandOnly: isTrue(platformOf(nodeClass).IsMemoryEncryptionEnabled) || onDedicatedHosts(nodeClass),
		kubelet:      resources.KubeletOf(nodeClass.Spec.Kubelet),
		pods:         podLimitsOf(nodeClass, cluster),
	}
	for _, d := range nodeClass.Spec.BlockDevices {
		p.storageGB += d.SizeInGBs
		p.storageVPUGB += d.SizeInGBs * d.VolumeVpusPerGB()
	}
	zones, bound := zonesOf(nodeClass)
	p.zones, p.zonesBound = strings.Join(zones, separator), bound
	return p
}

// zonesOf are the zones in which the node class can launch: those of its subnets, and of what its placement was resolved to. What is not
// resolved bounds nothing: the node class is not ready then and nothing is launched. Capacity reservations bound nothing either, they add
// capacity of their own. bound is false when every zone will do.
func zonesOf(nodeClass *v1alpha1.OciNodeClass) (zones []string, bound bool) {
	narrow := func(domains []string) {
		if len(domains) == 0 || slices.Contains(domains, "") { // a regional subnet serves every zone
			return
		}
		here := make([]string, 0, len(domains))
		for _, domain := range domains {
			if zone := oci.Zone(domain); !bound || slices.Contains(zones, zone) {
				here = append(here, zone)
			}
		}
		slices.Sort(here)
		zones, bound = slices.Compact(here), true
	}
	s := &nodeClass.Status
	narrow(domainsOf(s.Subnets, func(o v1alpha1.Subnet) string { return o.AvailabilityDomain }))
	narrow(domainsOf(s.ComputeClusters, func(o v1alpha1.ZonalResource) string { return o.AvailabilityDomain }))
	narrow(domainsOf(s.ClusterPlacementGroups, func(o v1alpha1.ZonalResource) string { return o.AvailabilityDomain }))
	narrow(domainsOf(s.DedicatedVMHosts, func(o v1alpha1.DedicatedVMHost) string { return o.AvailabilityDomain }))
	return zones, bound
}

// nowhere is a domain that no zone has.
const nowhere = "-"

// withAddresses is the node class without the subnets that have no address left: a zone that has no other is none for now, for this class
// alone. Without any subnet left there is no zone at all, and without any for pods neither.
func withAddresses(nodeClass *v1alpha1.OciNodeClass, addresses *network.Addresses) *v1alpha1.OciNodeClass {
	gone := func(s v1alpha1.Subnet) bool { return addresses.Exhausted(s.ID) }
	pods := nodeClass.Status.PodSubnets
	podsGone := len(pods) > 0 && !slices.ContainsFunc(pods, func(s v1alpha1.Subnet) bool { return !gone(s) })
	if !podsGone && !slices.ContainsFunc(nodeClass.Status.Subnets, gone) {
		return nodeClass
	}
	changed := *nodeClass
	changed.Status.Subnets = slices.DeleteFunc(slices.Clone(nodeClass.Status.Subnets), gone)
	if podsGone || len(changed.Status.Subnets) == 0 {
		changed.Status.Subnets = []v1alpha1.Subnet{{AvailabilityDomain: nowhere}}
	}
	return &changed
}

func domainsOf[T any](objects []T, domain func(T) string) []string {
	out := make([]string, 0, len(objects))
	for _, o := range objects {
		out = append(out, domain(o))
	}
	return out
}

func faultDomainsOf(nodeClass *v1alpha1.OciNodeClass) string {
	if nodeClass.Spec.Placement == nil || len(nodeClass.Spec.Placement.FaultDomains) == 0 {
		return strings.Join(faultDomains, separator)
	}
	wanted := slices.Sorted(slices.Values(nodeClass.Spec.Placement.FaultDomains))
	return strings.Join(slices.Compact(wanted), separator)
}

// podLimitsOf is the cluster's bound of pods with what the node class says of it. Of two numbers the smaller counts: which of them a node
// goes by is up to its image.
func podLimitsOf(nodeClass *v1alpha1.OciNodeClass, cluster resources.PodLimits) resources.PodLimits {
	limits := cluster
	switch nodeClass.Status.PodNetworking {
	case v1alpha1.PodNetworkingFlannel:
		limits.VCNNative = false
	case v1alpha1.PodNetworkingVCNNative:
		limits.VCNNative = true
	}
	if native, err := strconv.ParseBool(nodeClass.Spec.MetaData[metadataNativePods]); err == nil {
		limits.VCNNative = native
	}
	if n := nodeClass.Spec.PodNetworking; n != nil && n.IPCount != nil {
		limits.AddressesPerVNIC = int(*n.IPCount)
	}
	lower := func(n int) {
		if n > 0 && (limits.MaxPods == 0 || n < limits.MaxPods) {
			limits.MaxPods = n
		}
	}
	if n, err := strconv.Atoi(nodeClass.Spec.MetaData[metadataMaxPods]); err == nil {
		lower(n)
	}
	if k := nodeClass.Spec.Kubelet; k != nil {
		if k.MaxPods != nil {
			lower(int(*k.MaxPods))
		}
		if k.PodsPerCore != nil {
			limits.PodsPerCore = int(*k.PodsPerCore)
		}
	}
	return limits
}

func threadsOf(nodeClass *v1alpha1.OciNodeClass) threading {
	on := platformOf(nodeClass).IsSymmetricMultiThreadingEnabled
	return threading(on != nil && !*on)
}

func platformOf(nodeClass *v1alpha1.OciNodeClass) v1alpha1.PlatformConfig {
	if nodeClass.Spec.PlatformConfig == nil {
		return v1alpha1.PlatformConfig{}
	}
	return *nodeClass.Spec.PlatformConfig
}

func onDedicatedHosts(nodeClass *v1alpha1.OciNodeClass) bool {
	return nodeClass.Spec.Placement != nil && len(nodeClass.Spec.Placement.DedicatedVMHostSelector) > 0
}

func inComputeClusters(nodeClass *v1alpha1.OciNodeClass) bool {
	return nodeClass.Spec.Placement != nil && len(nodeClass.Spec.Placement.ComputeClusterSelector) > 0
}

func isTrue(b *bool) bool { return b != nil && *b }

// capacityTypes are the ways in which a cell can be bought: what OCI sells as preemptible capacity is neither burstable, nor confidential,
// nor on a dedicated host, nor has it extended memory (documentation of preemptible instances).
func (p *params) capacityTypes(c *cell) []string {
	if c.shape.Preemptible && !c.baseline.burstable() && !p.onDemandOnly && !c.extended() {
		return allCapacityTypes
	}
	return allCapacityTypes[:1]
}

// allCapacityTypes are all ways to buy; what is bought already, in capacity reservations, comes on top.
var allCapacityTypes = []string{karpv1.CapacityTypeOnDemand, karpv1.CapacityTypeSpot}
