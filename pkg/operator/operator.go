// Package operator wires the controller: it makes the providers from the options, checks at start what can be checked, and
// lists the controllers that run beside Karpenter core's.
package operator

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/awslabs/operatorpkg/controller"
	"github.com/awslabs/operatorpkg/status"
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/log"
	crmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"
	coreoperator "sigs.k8s.io/karpenter/pkg/operator"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/pkg/cloudprovider"
	"github.com/karpenter-oke/karpenter-oke/pkg/controllers/breaker"
	"github.com/karpenter-oke/karpenter-oke/pkg/controllers/learn"
	"github.com/karpenter-oke/karpenter-oke/pkg/controllers/metrics"
	"github.com/karpenter-oke/karpenter-oke/pkg/controllers/nodeclaim"
	"github.com/karpenter-oke/karpenter-oke/pkg/controllers/nodeclass"
	"github.com/karpenter-oke/karpenter-oke/pkg/controllers/refresh"
	"github.com/karpenter-oke/karpenter-oke/pkg/controllers/registration"
	"github.com/karpenter-oke/karpenter-oke/pkg/controllers/repair"
	"github.com/karpenter-oke/karpenter-oke/pkg/inspect"
	"github.com/karpenter-oke/karpenter-oke/pkg/memory"
	"github.com/karpenter-oke/karpenter-oke/pkg/oci"
	"github.com/karpenter-oke/karpenter-oke/pkg/operator/options"
	"github.com/karpenter-oke/karpenter-oke/pkg/operator/preflight"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/capacity"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/cluster"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/image"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/instance"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/instancetype"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/instancetype/resources"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/inventory"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/learned"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/network"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/placement"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/pricing"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/pricing/feed"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/quota"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/reservation"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/shape"
	"github.com/karpenter-oke/karpenter-oke/pkg/virtualnode"
)

const (
	// shapesEvery and clusterEvery: Oracle ships shapes a few times a year, and a control plane upgrade takes many minutes.
	shapesEvery  = 6 * time.Hour
	clusterEvery = 10 * time.Minute
	// rightsEvery: policies change rarely, and what is refused meanwhile says so by itself.
	rightsEvery = time.Hour
)

// Operator is everything that the controller is made of.
type Operator struct {
	*coreoperator.Operator

	OCI           *oci.Client
	Cluster       *cluster.DefaultProvider
	Shapes        *shape.DefaultProvider
	Inventory     *inventory.DefaultProvider
	Images        image.Provider
	Network       network.Provider
	Placement     placement.Provider
	Launches      *nodeclass.LaunchOutcomes
	Holds         *nodeclass.Holds
	Registrations *registration.Health
	ClassStatus   *nodeclass.StatusController
	Unavailable   *capacity.Unavailable
	Reservations  *reservation.DefaultProvider
	Addresses     *network.Addresses
	Prices        *pricing.DefaultProvider
	PriceFeed     *feed.Feed // nil when the price list is not read
	InUse         *nodeclaim.InUseController
	Learned       *learned.Store
	Breaker       *breaker.Breaker
	InstanceTypes *instancetype.DefaultProvider
	Instances     instance.Provider
	CloudProvider *cloudprovider.CloudProvider
	Filter        *virtualnode.Filter
	// Reports and Limits are nil when the credentials name no tenancy.
	Reports *capacity.Reports
	Limits  *quota.Provider

	interruption options.Interruption
	loops        *loops
	rights       []preflight.Right
	reporter     *preflight.Reporter
	priceRefresh time.Duration
	namespace    string // of the controller's own objects
	clusterID    string
	// compartmentID is the controller's own; node classes may name others.
	compartmentID string
}

// New makes the operator and reads the cluster and the shapes once: a controller that can not is not started, and says what is
// missing.
func New(ctx context.Context, core *coreoperator.Operator) (*Operator, error) {
	opts := options.FromContext(ctx)
	if opts == nil {
		return nil, errors.New("the options were not parsed")
	}
	if err := memory.StripCopies(ctx, core.GetCache(), opts.VirtualNode.Settled); err != nil {
		return nil, err
	}
	client, err := oci.New(opts.OCI, core.Clock)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, opts.StartTimeout+startMargin)
	defer cancel()
	if err := checkCluster(ctx, core, opts); err != nil {
		return nil, err
	}
	overrides, err := discover(ctx, core, opts)
	if err != nil {
		return nil, err
	}
	op := &Operator{
		Operator:      core,
		OCI:           client,
		Cluster:       cluster.NewProvider(client, opts.ClusterID, overrides),
		Inventory:     inventory.NewProvider(client, compartments{kube: core.GetClient(), own: opts.CompartmentID}, opts.ClusterID, core.Clock, inventory.WithClaims(claimed{kube: core.GetClient()})),
		Images:        image.NewProvider(client, image.Config{ClusterID: opts.ClusterID, CompartmentID: opts.CompartmentID, OKEImageCompartmentID: opts.OKEImageCompartmentID, Clock: core.Clock}),
		Network:       network.NewProvider(client, opts.CompartmentID),
		Addresses:     network.NewAddresses(core.Clock),
		Placement:     placement.NewProvider(client),
		Launches:      nodeclass.NewLaunchOutcomes(core.Clock),
		Holds:         nodeclass.NewHolds(core.GetClient()),
		Registrations: registration.NewHealth(core.EventRecorder, core.Clock),
		Learned:       learned.NewStore(core.Clock, learned.DefaultTTL),
		Breaker:       breaker.New(),
		loops:         &loops{clock: core.Clock, leads: func() bool { return closed(core.Elected()) }},
		reporter:      &preflight.Reporter{Recorder: core.EventRecorder, Pod: ownPod()},
		interruption:  opts.Interruption,
		clusterID:     opts.ClusterID,
		compartmentID: opts.CompartmentID,
		namespace:     opts.SystemNamespace,
		Filter:        virtualnode.NewFilter(opts.VirtualNode, virtualnode.NewIndex(opts.VirtualNode, core.Clock), core.Clock),
	}
	if op.Shapes, err = shape.NewProvider(client, opts.CompartmentID, opts.ShapeOverrides...); err != nil {
		return nil, err
	}
	op.Reservations = reservation.NewProvider(client, selectedReservations{kube: core.GetClient()}, core.Clock)
	op.Unavailable = capacity.NewUnavailable(core.Clock).WithShapes(op.Shapes)
	if err := op.firstReads(ctx, opts.StartTimeout); err != nil {
		return nil, err
	}
	if err := learn.Load(ctx, core.GetAPIReader(), op.namespace, op.Learned); err != nil {
		log.FromContext(ctx).Error(err, "starting without what earlier processes learned of nodes; reading it is tried again")
	}
	op.Filter.HoldBack(op.Breaker)
	if err := replaceMetric(op.Inventory.AgeMetric()); err != nil {
		return nil, fmt.Errorf("registering the metric of the inventory's age: %w", err)
	}
	if err := replaceMetric(op.Reservations.Metrics()); err != nil {
		return nil, fmt.Errorf("registering the metrics of capacity reservations: %w", err)
	}
	op.readTenancy(ctx, opts.CompartmentID)
	if err := preflight.CheckRights(ctx, op.rights, op.classes); err != nil {
		return nil, err
	}
	op.ClassStatus = nodeclass.NewStatusController(nodeclass.Dependencies{
		Kube: core.GetClient(), OCI: client, Cluster: op.Cluster, Images: op.Images, Network: op.Network, Placement: op.Placement,
		Bootstrap: instance.BootstrapCheck{Cluster: op.Cluster}, Launches: op.Launches, Registrations: op.Registrations, CompartmentID: opts.CompartmentID, Clock: core.Clock,
	})
	return op, op.makeProviders(opts)
}

// replaceMetric registers a metric of this operator in place of an earlier operator's.
func replaceMetric(metric prometheus.Collector) error {
	crmetrics.Registry.Unregister(metric)
	return crmetrics.Registry.Register(metric)
}

func (o *Operator) makeProviders(opts *options.Options) error {
	prices, err := pricing.NewProvider(opts.Prices.Settings)
	if err != nil {
		return err
	}
	o.Prices = prices
	if opts.Prices.Refresh {
		if o.PriceFeed, err = feed.New(opts.Prices.Feed, prices, o.Clock); err != nil {
			return err
		}
		o.priceRefresh = opts.Prices.Every
	}
	o.InUse = nodeclaim.NewInUseController(o.GetClient())
	o.InstanceTypes = instancetype.NewProvider(
		instancetype.Dependencies{Shapes: o.Shapes, Prices: prices, Unavailable: o.Unavailable, InUse: o.InUse, Learned: o.Learned, Reservations: o.Reservations, Addresses: o.Addresses},
		instancetype.Settings{
			Region: oci.RegionLabel(o.OCI.Region()),
			Pods:   resources.PodLimits{VCNNative: o.Cluster.Get().Pods == cluster.VCNNative},
			Sizing: opts.FlexSizing,
		})
	o.Instances = instance.NewProvider(
		instance.Config{ClusterID: opts.ClusterID, CompartmentID: opts.CompartmentID},
		instance.Dependencies{
			API: o.OCI, Sizes: o.InstanceTypes, Shapes: o.Shapes, Cluster: o.Cluster, Inventory: o.Inventory, Claims: o.GetClient(),
			Unavailable: o.Unavailable, Reports: o.Reports, Reservations: o.Reservations, Addresses: o.Addresses, Clock: o.Clock,
		})
	o.CloudProvider = cloudprovider.New(cloudprovider.Dependencies{
		Kube: o.GetClient(), Recorder: o.EventRecorder, Launches: o.Launches, InstanceTypes: o.InstanceTypes, Instances: o.Instances, Inventory: o.Inventory,
		Maintenance:   o.maintenancePolicy(),
		Registrations: o.Registrations,
		Holds:         o.Holds,
		Overlays:      o.InstanceTypeStore,
	})
	return nil
}

// Controllers are the controllers of this project that begin at once; Karpenter core's are its own. They are what nodes are launched by: what is
// read of OCI, node classes, what virtual nodes are, what was learned and what is held back; and what hears of interruptions. purchases is core's
// cluster state, which knows for which pods nodes are bought.
func (o *Operator) Controllers(purchases breaker.Mapping) []controller.Controller {
	all := []controller.Controller{
		o.refresher(refresh.Task{Name: "refresh.shapes", Do: o.Shapes.Refresh, Every: refresh.Fixed(shapesEvery), Spread: true, AlreadyRead: true}),
		o.refresher(refresh.Task{Name: "refresh.cluster", Do: o.Cluster.Refresh, Every: refresh.Fixed(clusterEvery), Spread: true, AlreadyRead: true}),
		o.refresher(refresh.Task{Name: "refresh.inventory", Every: o.Inventory.NextInterval, Due: o.Inventory.Due, Do: o.Inventory.Keep, LeaderOnly: true}),
		o.refresher(refresh.Task{Name: "refresh.rights", Every: refresh.Fixed(rightsEvery), Spread: true, LeaderOnly: true, Do: func(ctx context.Context) error {
			o.reporter.Report(ctx, o.rights, o.classes)
			return nil
		}}),
		o.refresher(refresh.Task{Name: "refresh.reservations", Every: refresh.Fixed(reservation.Interval), Do: o.Reservations.Refresh}),
		o.ClassStatus,
		o.InUse,
		learn.NewStoreController(o.GetClient(), o.GetAPIReader(), o.namespace, o.Learned),
		breaker.NewPurchasesController(o.GetClient(), purchases, o.Breaker),
		breaker.NewVerdictsController(o.GetClient(), o.EventRecorder, purchases, o.Breaker, o.Filter, o.Clock),
	}
	all = append(all, o.limitControllers()...)
	all = append(all, o.interruptionControllers()...)
	if o.PriceFeed != nil {
		all = append(all, o.refresher(refresh.Task{Name: "refresh.prices", Do: o.PriceFeed.Refresh, Every: refresh.Fixed(o.priceRefresh), Spread: true}))
	}
	return append(all, o.Filter.Controllers()...)
}

// LaterControllers are those that look after nodes which are there, and can wait a moment after a start. types is the cloud provider that core is
// given.
func (o *Operator) LaterControllers(ctx context.Context, types inspect.InstanceTypes) []controller.Controller {
	return []controller.Controller{
		nodeclass.NewLaunchesController(o.ClassStatus),
		nodeclass.NewNodesController(o.GetClient()),
		nodeclass.NewGPUImagesController(o.GetClient(), o.InstanceTypes),
		nodeclass.NewTerminationController(o.GetClient(), o.EventRecorder, o.Holds),
		nodeclaim.NewOrphanController(o.GetAPIReader(), o.Inventory, o.Instances, clock.RealClock{}),
		nodeclaim.NewLaunchWatchController(o.GetClient(), o.EventRecorder, o.Inventory, o.OCI, o.Unavailable, o.Clock).Explaining(o.Registrations.Explain).Noting(o.Addresses),
		repair.NewResetController(o.GetClient(), o.EventRecorder, o.Inventory, o.Instances, o.Clock),
		registration.NewClaimsController(o.GetClient(), o.Registrations, o.Clock),
		nodeclaim.NewLabelsController(o.GetClient()),
		nodeclaim.NewDeadlineController(o.GetClient(), o.EventRecorder, o.Inventory, o.Clock),
		nodeclaim.NewTaintsController(o.GetClient()),
		nodeclaim.NewPodNetworkController(o.GetClient(), o.EventRecorder, o.ipFamilies),
		nodeclaim.NewReservationController(o.GetClient(), o.EventRecorder, o.Inventory),
		nodeclaim.NewSyncController(o.GetClient(), o.OCI, o.Inventory, o.clusterID),
		learn.NewNodesController(o.GetClient(), o.EventRecorder, o.Inventory, o.InstanceTypes, o.Learned),
		// The metrics of conditions that core has for NodePools and NodeClaims.
		status.NewController[*v1alpha1.OciNodeClass](o.GetClient(), o.GetEventRecorderFor("karpenter")), //nolint:staticcheck // operatorpkg takes no other recorder yet
		metrics.NewController(metrics.Dependencies{
			Kube: o.GetClient(), Layers: o.inspector(ctx, types), InstanceTypes: types, Marks: o.Unavailable,
			Instances: func() []inventory.Instance { return o.Inventory.Current().All() },
		}),
	}
}

// refresher is the controller of a task whose runs tell whether the process is alive.
func (o *Operator) refresher(task refresh.Task) *refresh.Controller {
	return refresh.NewController(o.loops.watch(task))
}
