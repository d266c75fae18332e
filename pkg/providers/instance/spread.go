package instance

import (
	"cmp"
	"slices"

	"github.com/samber/lo"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/scheduling"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/pkg/oci"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/capacity"
)

// allFaultDomains are the fault domains of every availability domain (OCI documentation, "Regions and Availability Domains").
var allFaultDomains = []string{"FAULT-DOMAIN-1", "FAULT-DOMAIN-2", "FAULT-DOMAIN-3"}

// unevenBy is how many more nodes of a NodePool one fault domain of a zone must have than another before a launch names the emptiest. OCI
// chooses among those that have room, and spreads by itself most of the time; to name one can only make a launch fail that would not.
const unevenBy = 2

// place is where a NodePool's nodes are counted; launches for which OCI chooses the fault domain are counted with none.
type place struct{ nodePool, zone, faultDomain string }

// depart counts a launch where it goes until the returned function is called.
func (p *DefaultProvider) depart(to place) (release func()) {
	if to.faultDomain == "" {
		return func() {} // the zone is counted already
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.launching[to]++
	return func() { p.landed(to) }
}

// landed ends the counting of a launch under way: the inventory has it, or it failed.
func (p *DefaultProvider) landed(there place) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.launching[there]--; p.launching[there] == 0 {
		delete(p.launching, there)
	}
}

// nodesByZone counts the NodePool's instances and launches by zone; mu is held.
func (p *DefaultProvider) nodesByZone(nodePool string) map[string]int {
	zones := map[string]int{}
	for _, i := range p.inventory.Current().All() {
		if i.Owner.NodePool.Name == nodePool && !i.Ending() {
			zones[oci.Zone(i.AvailabilityDomain)]++
		}
	}
	for to, n := range p.launching {
		if to.nodePool == nodePool && to.faultDomain == "" {
			zones[to.zone] += n
		}
	}
	return zones
}

// nodesByFaultDomain counts them by the fault domains of one zone.
func (p *DefaultProvider) nodesByFaultDomain(nodePool, zone string) map[string]int {
	domains := map[string]int{}
	for _, i := range p.inventory.Current().All() {
		if i.Owner.NodePool.Name == nodePool && !i.Ending() && oci.Zone(i.AvailabilityDomain) == zone {
			domains[i.FaultDomain]++
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for to, n := range p.launching {
		if to.nodePool == nodePool && to.zone == zone {
			domains[to.faultDomain] += n
		}
	}
	return domains
}

// faultDomains are the fault domains to try for a launch, in order; an empty one leaves the choice to OCI. Where the NodeClaim or the class
// allows only some, they are named, the one with the fewest nodes of the NodePool first. Where all will do, OCI chooses, unless the NodePool
// is spread unevenly: then the emptiest is tried before. No element means that the launch can go nowhere in this zone.
func (p *DefaultProvider) faultDomains(r request, candidate Candidate, launch capacity.Offering) []string {
	domain, _ := p.availabilityDomain(candidate.Offering.Zone())
	allowed := allowedFaultDomains(r, domain)
	if bound := boundFaultDomain(candidate.Offering); bound != "" {
		allowed = lo.Filter(allowed, func(d string, _ int) bool { return d == bound })
	}
	nodes := p.nodesByFaultDomain(r.nodeClaim.Labels[karpv1.NodePoolLabelKey], launch.Zone)
	uid := string(r.nodeClaim.UID)
	slices.SortFunc(allowed, func(a, b string) int {
		return cmp.Or(cmp.Compare(nodes[a], nodes[b]), cmp.Compare(rendezvous(uid, a, 1), rendezvous(uid, b, 1)))
	})
	if len(allowed) < len(allFaultDomains) {
		return allowed
	}
	if emptiest := allowed[0]; nodes[allowed[len(allowed)-1]]-nodes[emptiest] >= unevenBy {
		return []string{emptiest, ""}
	}
	return []string{""}
}

// allowedFaultDomains are those that class, NodeClaim and, where the launch goes to a dedicated host, the host leave in an availability
// domain. A requirement that no fault domain meets, such as DoesNotExist or Gt, leaves none.
func allowedFaultDomains(r request, domain string) []string {
	allowed := allFaultDomains
	if placement := r.nodeClass.Spec.Placement; placement != nil && len(placement.FaultDomains) > 0 {
		allowed = lo.Uniq(placement.FaultDomains)
	}
	required := scheduling.NewNodeSelectorRequirementsWithMinValues(r.nodeClaim.Spec.Requirements...).Get(v1alpha1.LabelFaultDomain)
	host, onHost := dedicatedHost(r.nodeClass, domain)
	return lo.Filter(allowed, func(d string, _ int) bool {
		return required.Has(d) && (!onHost || host.FaultDomain == "" || host.FaultDomain == d)
	})
}

func dedicatedHost(nodeClass *v1alpha1.OciNodeClass, domain string) (v1alpha1.DedicatedVMHost, bool) {
	return lo.Find(nodeClass.Status.DedicatedVMHosts, func(h v1alpha1.DedicatedVMHost) bool { return h.AvailabilityDomain == domain })
}
