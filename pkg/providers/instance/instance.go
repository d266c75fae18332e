// Package instance launches and ends instances: the choice of the offering, the request, and what each class of error means for
// the next try.
package instance

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/oracle/oci-go-sdk/v65/core"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/log"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/cloudprovider"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/pkg/oci"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/capacity"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/cluster"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/instancetype"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/inventory"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/network"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/reservation"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/shape"
)

const (
	// maxLaunches bounds the offerings that one Launch tries before it reports that there is no capacity; the offerings that
	// failed are unavailable by then, so that the next NodeClaim begins further on.
	maxLaunches = 10
	// launchFor bounds the time after which one Launch begins no further try. OCI refuses within a second or two; a round of slow answers
	// must not keep the claim, and the pods behind it, from the scheduler.
	launchFor = 30 * time.Second
	// replayFor is how long a launch of unknown outcome is repeated with the same token; OCI keeps tokens for 24 hours.
	replayFor = 23 * time.Hour
)

// API is the part of the OCI client that this package calls.
type API interface {
	LaunchInstance(ctx context.Context, details core.LaunchInstanceDetails, retryToken string) (core.Instance, string, error)
	TerminateInstance(ctx context.Context, id string) error
	InstanceAction(ctx context.Context, id string, action core.InstanceActionActionEnum, retryToken string) (core.Instance, error)
	GetInstance(ctx context.Context, id string) (core.Instance, error)
	ListVolumeAttachments(ctx context.Context, compartmentID, instanceID string) ([]core.VolumeAttachment, error)
	DeleteVolume(ctx context.Context, id string) error
}

// Sizes is what this package needs to know of instance types.
type Sizes interface {
	// Fitter finds what OCI is asked for when one of a NodeClaim's instance types is launched.
	Fitter(nodeClaim *karpv1.NodeClaim, nodeClass *v1alpha1.OciNodeClass, nodePool *karpv1.NodePool) *instancetype.Fitter
}

// Request is what one Launch is for.
type Request struct {
	NodeClass *v1alpha1.OciNodeClass
	NodeClaim *karpv1.NodeClaim
	NodePool  *karpv1.NodePool // nil when the NodeClaim has none
	// Types are the NodePool's instance types; those that the NodeClaim allows are launched.
	Types []*cloudprovider.InstanceType
}

// Provider launches and ends instances.
type Provider interface {
	// Launch starts one instance for a NodeClaim and returns as soon as OCI has given it an OCID. Called again for the same
	// NodeClaim, also by another process, it returns the same instance. It returns Karpenter's InsufficientCapacityError when no
	// offering can be had now, and its CreateError with a reason for anything that a person must mend.
	Launch(ctx context.Context, r Request) (Launched, error)
	// Terminate asks OCI to end an instance. It returns Karpenter's NodeClaimNotFoundError once the instance is gone.
	Terminate(ctx context.Context, id string) error
	// ReleaseVolumes deletes the data volumes that were made with instances which are gone and which no NodeClaim names, as after a launch
	// that failed late while no controller ran. It costs one list for each of their compartments, and nothing for an instance that this process
	// has ended or seen to before. An error names what is still to be deleted.
	ReleaseVolumes(ctx context.Context, gone []inventory.Instance) error
	// Find gives an instance of this cluster. It returns Karpenter's NodeClaimNotFoundError only when a fresh list and OCI itself say that
	// the instance is gone, and another error when it is there but is not this cluster's any more.
	Find(ctx context.Context, id string) (inventory.Instance, error)
	// Reboot asks OCI to restart an instance in place and returns when OCI has accepted it. The operation id makes it safe to repeat, also
	// by another process: within 24 hours the same id never restarts anything twice. It returns Karpenter's NodeRebootFailedError when
	// asking again can not help, and NodeClaimNotFoundError when the instance is gone.
	Reboot(ctx context.Context, id, operationID string, kind RebootKind) error
}

// Launched is an instance together with the candidate it was launched from. Candidate is zero for an instance that was adopted
// and whose type is not offered any more.
type Launched struct {
	Instance  inventory.Instance
	Candidate Candidate
	// SubnetID and PlacementIDs are what was asked for: the subnet; compute cluster, cluster placement group or dedicated VM host
	// where the class has one. Both are empty for an instance that was adopted.
	SubnetID     string
	PlacementIDs []string
}

// Config are the settings of a DefaultProvider.
type Config struct {
	ClusterID     string // OCID
	CompartmentID string // where instances are launched
}

// Dependencies are what a DefaultProvider works with.
type Dependencies struct {
	API         API
	Sizes       Sizes
	Shapes      shape.Provider
	Cluster     cluster.Provider
	Inventory   inventory.Provider
	Claims      Claims
	Unavailable *capacity.Unavailable
	Reports     *capacity.Reports // may be nil
	// Reservations counts what is left in capacity reservations; nil launches into none.
	Reservations reservation.Provider
	Addresses    *network.Addresses // may be nil
	Clock        clock.Clock
}

// DefaultProvider launches through OCI's compute service.
type DefaultProvider struct {
	cfg          Config
	api          API
	sizes        Sizes
	shapes       shape.Provider
	cluster      cluster.Provider
	inventory    inventory.Provider
	claims       Claims
	unavailable  *capacity.Unavailable
	reports      *capacity.Reports
	reservations reservation.Provider
	addresses    *network.Addresses
	clock        clock.Clock

	mu        sync.Mutex               // only memory is touched under it
	began     time.Time                // when this process first launched; zero before
	unknown   map[string]unknownLaunch // by NodeClaim UID
	ended     map[string]time.Time     // when this process had OCI end an instance or saw to its volumes, by OCID
	launching map[place]int            // launches under way
}

// unknownLaunch is a launch that may or may not have happened: OCI did not answer.
type unknownLaunch struct {
	plan plan
	at   time.Time
}

var _ Provider = (*DefaultProvider)(nil)

// NewProvider makes a provider.
func NewProvider(cfg Config, d Dependencies) *DefaultProvider {
	return &DefaultProvider{
		cfg: cfg, api: d.API, sizes: d.Sizes, shapes: d.Shapes, cluster: d.Cluster, inventory: d.Inventory, claims: d.Claims,
		unavailable: d.Unavailable, reports: d.Reports, reservations: d.Reservations, addresses: d.Addresses, clock: d.Clock,
		unknown: map[string]unknownLaunch{}, ended: map[string]time.Time{}, launching: map[place]int{},
	}
}

// Launch implements Provider.
func (p *DefaultProvider) Launch(ctx context.Context, r Request) (Launched, error) {
	current := p.cluster.Get()
	if current == nil {
		return Launched{}, errors.New("the OKE cluster has not been read yet")
	}
	if instance, found, err := p.adopt(ctx, r.NodeClaim); err != nil || found {
		candidate := candidateOf(instance, r.Types)
		return Launched{Instance: asBought(instance, candidate), Candidate: candidate}, err
	}
	planned := request{nodeClass: r.NodeClass, nodeClaim: r.NodeClaim, cluster: current, sizes: p.sizes.Fitter(r.NodeClaim, r.NodeClass, r.NodePool), ledger: p.open(r.NodeClaim)}
	launched, err := p.launch(ctx, planned, r.Types)
	if err != nil && !cloudprovider.IsInsufficientCapacityError(err) { // with which core deletes the NodeClaim
		planned.ledger.close(ctx)
	}
	return launched, err
}

// launch repeats what may have been launched before, and else chooses.
func (p *DefaultProvider) launch(ctx context.Context, r request, types []*cloudprovider.InstanceType) (Launched, error) {
	before, err := p.before(ctx, r, types)
	if err != nil {
		return Launched{}, err
	}
	if before != nil {
		launched, err := p.attempt(ctx, r, *before)
		if err == nil || !tryAnother(err) {
			return launched, createError(err)
		}
	}
	candidates, release, err := p.chooseFor(r.nodeClaim, types, r.sizes)
	if err != nil {
		return Launched{}, err
	}
	defer release()
	return p.launchFirst(ctx, r, candidates)
}

// chooseFor orders the candidates of a NodeClaim and counts it in the zone of the best one until release is called: NodeClaims
// of one scheduling round are launched at the same time, and would all choose the same zone.
func (p *DefaultProvider) chooseFor(nodeClaim *karpv1.NodeClaim, types []*cloudprovider.InstanceType, sizes *instancetype.Fitter) (candidates []Candidate, release func(), err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	nodePool := nodeClaim.Labels[karpv1.NodePoolLabelKey]
	candidates, emptiedBy := choose(nodeClaim, types, p.nodesByZone(nodePool), sizes)
	if len(candidates) == 0 {
		return nil, nil, cloudprovider.NewInsufficientCapacityError(fmt.Errorf("of %d instance types none %s", len(types), emptiedBy))
	}
	here := place{nodePool: nodePool, zone: candidates[0].Offering.Zone()}
	p.launching[here]++
	return candidates, func() { p.landed(here) }, nil
}

// tries are what one Launch has behind it.
type tries struct {
	failures []error
	until    time.Time // when no further one begins
	asked    bool      // for a capacity report
}

func (p *DefaultProvider) exhausted(t *tries) bool {
	return len(t.failures) >= maxLaunches || (len(t.failures) > 0 && !p.clock.Now().Before(t.until))
}

// launchFirst tries the candidates in their order until one is launched.
func (p *DefaultProvider) launchFirst(ctx context.Context, r request, candidates []Candidate) (Launched, error) {
	t := &tries{until: p.clock.Now().Add(launchFor)}
	for left := p.byReports(r, candidates); len(left) > 0 && !p.exhausted(t); {
		launched, err := p.launchCandidate(ctx, r, left[0], t)
		if err != nil || launched.Instance.ID != "" {
			return launched, createError(err)
		}
		if left = left[1:]; !t.asked {
			if p.ask(ctx, r, left, t); t.asked {
				left = p.byReports(r, left)
			}
		}
	}
	if len(t.failures) == 0 {
		return Launched{}, cloudprovider.NewInsufficientCapacityError(errors.New("every offering that would do was refused a moment ago, is a capacity reservation that others have filled, or has its hosts in other fault domains"))
	}
	return Launched{}, cloudprovider.NewInsufficientCapacityError(fmt.Errorf("tried %d offerings: %w", len(t.failures), errors.Join(t.failures...)))
}

// launchCandidate tries one candidate, in one fault domain after another where several will do. Neither an instance nor an error means
// that another candidate is to be tried.
func (p *DefaultProvider) launchCandidate(ctx context.Context, r request, candidate Candidate, t *tries) (Launched, error) {
	fit, ok := r.sizes.FitIn(candidate.Type.Name, candidate.Offering)
	if !ok {
		return Launched{}, fmt.Errorf("instance type %s has no known shape", candidate.Type.Name)
	}
	launch := offeringOf(candidate, fit)
	for _, faultDomain := range p.faultDomains(r, candidate, launch) {
		// A failure before may have ruled this one out: the same shape in a smaller size, the same limit.
		launch.FaultDomain = faultDomain
		if _, gone := p.unavailable.IsUnavailable(launch); gone || p.exhausted(t) {
			continue
		}
		taken, ok := p.take(r, candidate)
		if !ok {
			return Launched{}, nil // others were faster
		}
		release := p.depart(place{nodePool: r.nodeClaim.Labels[karpv1.NodePoolLabelKey], zone: launch.Zone, faultDomain: faultDomain})
		launched, err := p.launchWithPods(ctx, r, candidate, faultDomain, fit)
		release()
		taken(err)
		if err == nil || !tryAnother(err) {
			return launched, err
		}
		t.failures = append(t.failures, err)
	}
	return Launched{}, nil
}

// launchWithPods launches where the class's pod subnets have the addresses that the node's pods take in advance: a node without would be
// bought in vain. Where pods share the node's subnet, theirs are counted with the node's, and nothing is refused.
func (p *DefaultProvider) launchWithPods(ctx context.Context, r request, candidate Candidate, faultDomain string, fit *instancetype.Fit) (Launched, error) {
	vnics, each := fit.PodVNICs()
	if len(r.nodeClass.Status.PodSubnets) == 0 {
		return p.launchInSubnets(ctx, r, candidate, faultDomain, 1+int64(vnics*each))
	}
	end, enough := p.addresses.BeginPods(r.nodeClass.Status.PodSubnets, vnics, int64(each))
	if !enough {
		return Launched{}, &noPodAddressesError{nodeClass: r.nodeClass.Name, vnics: vnics, each: each}
	}
	launched, err := p.launchInSubnets(ctx, r, candidate, faultDomain, 1)
	end(err == nil || oci.ClassOf(err) == oci.ClassTransient)
	return launched, err
}

// launchInSubnets tries one candidate in each subnet that serves its zone, of which it takes so many addresses; only a lack of them leads to
// the next subnet.
func (p *DefaultProvider) launchInSubnets(ctx context.Context, r request, candidate Candidate, faultDomain string, addresses int64) (Launched, error) {
	domain, _ := p.availabilityDomain(candidate.Offering.Zone())
	err := error(&noSubnetError{nodeClass: r.nodeClass.Name, zone: candidate.Offering.Zone()})
	for _, subnet := range subnetsFor(r.nodeClass, domain, string(r.nodeClaim.UID), p.addresses) {
		var next plan
		if next, err = p.plan(r, candidate, subnet, faultDomain, r.ledger.attempt()); err != nil {
			return Launched{}, err
		}
		var launched Launched
		end := p.addresses.Begin(subnet.ID, addresses)
		launched, err = p.attempt(ctx, r, next)
		end(err == nil || oci.ClassOf(err) == oci.ClassTransient)
		if err == nil || oci.ClassOf(err) != oci.ClassAddresses {
			return launched, err
		}
		p.addresses.Exhaust(subnet.ID)
	}
	return Launched{}, err
}

// attempt writes one launch down, sends it and notes what its outcome teaches.
func (p *DefaultProvider) attempt(ctx context.Context, r request, next plan) (Launched, error) {
	nodeClaim := r.nodeClaim
	if err := r.ledger.begin(ctx, next); err != nil {
		return Launched{}, err
	}
	raw, workRequest, err := p.api.LaunchInstance(ctx, next.details, next.token)
	reportLaunch(offeringOf(next.candidate, next.fit), err)
	if err == nil {
		p.forgetUnknown(nodeClaim)
		instance, ok := inventory.FromSDK(raw, p.cfg.ClusterID)
		if !ok {
			return Launched{}, fmt.Errorf("OCI launched instance %s without its ownership tags; end it by hand", oci.Value(raw.Id))
		}
		if instance.Ending() { // OCI has answered a repeat with what an earlier try launched
			r.ledger.known = true
			return Launched{}, fmt.Errorf("instance %s, which was launched before, has ended; it is launched anew", instance.ID)
		}
		instance = asBought(instance, next.candidate)
		instance.WorkRequestID, instance.NamedFaultDomain = workRequest, oci.Value(next.details.FaultDomain)
		p.inventory.NoteLaunched(instance)
		reportFit(next.fit)
		log.FromContext(ctx).Info("launched instance", "NodeClaim", klog.KObj(nodeClaim), "instance", instance.ID, "instance-type", next.candidate.Type.Name,
			"zone", next.candidate.Offering.Zone(), "capacity-type", instance.CapacityType, "ocpus", instance.OCPUs, "memoryGB", instance.MemoryGB,
			"fit", next.fit.Outcome, "type-ocpus", next.fit.Cell.OCPUs, "type-memoryGB", next.fit.Cell.MemoryGB)
		return Launched{Instance: instance, Candidate: next.candidate, SubnetID: next.subnet.ID, PlacementIDs: placementIDs(next.details)}, nil
	}
	p.learn(ctx, r, next, err)
	return Launched{}, fmt.Errorf("launching %s in %s: %w", next.candidate.Type.Name, next.candidate.Offering.Zone(), err)
}

// learn remembers what a failed launch says about other launches. What could not be had is the fitted size: nothing at or above it can,
// and a smaller one still may.
func (p *DefaultProvider) learn(ctx context.Context, r request, failed plan, err error) {
	launch := offeringOf(failed.candidate, failed.fit)
	launch.FaultDomain = oci.Value(failed.details.FaultDomain)
	p.unavailable.Learn(ctx, launch, err)
	class := oci.ClassOf(err)
	if class == oci.ClassTransient || class == oci.ClassThrottled {
		p.keepUnknown(r.nodeClaim, failed)
		return
	}
	p.forgetUnknown(r.nodeClaim)
	r.ledger.disputed = oci.MayBeDone(err) || (failed.repeated && class == oci.ClassConflict)
	r.ledger.known = !r.ledger.disputed
}

// offeringOf is the launch of a candidate at its fitted size, in a fault domain of OCI's choice.
func offeringOf(candidate Candidate, fit *instancetype.Fit) capacity.Offering {
	o := capacity.Offering{
		Shape: fit.Size.ShapeName, OCPUs: fit.Size.OCPUs, MemoryGB: fit.Size.MemoryGB, Baseline: fit.Size.Baseline,
		Zone: candidate.Offering.Zone(), CapacityType: candidate.Offering.CapacityType(),
	}
	if o.CapacityType == karpv1.CapacityTypeReserved {
		o.Reservation = candidate.Offering.ReservationID()
	}
	return o
}
