package metrics

import (
	opmetrics "github.com/awslabs/operatorpkg/metrics"
	"github.com/prometheus/client_golang/prometheus"
	crmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"
)

const (
	namespace = "karpenter_oke"

	labelLayer        = "layer"
	labelState        = "state"
	labelResource     = "resource_type"
	labelNodePool     = "nodepool"
	labelNodeClass    = "nodeclass"
	labelCurrency     = "currency"
	labelShape        = "shape"
	labelZone         = "zone"
	labelCapacityType = "capacity_type"
	labelReason       = "reason"
	labelImage        = "image"
)

// Values of labels.
const (
	stateReady    = "ready"
	stateNotReady = "not_ready"
	imageCurrent  = "current"
	imageOther    = "other"
)

var (
	layerLabel        = opmetrics.Label{Name: labelLayer, Help: "fixed (managed nodes that are not Karpenter's), karpenter (nodes with a NodeClaim) or virtual (virtual nodes)."}
	resourceLabel     = opmetrics.Label{Name: labelResource, Help: "cpu (cores), memory (bytes), nvidia_com_gpu or amd_com_gpu."}
	nodePoolLabel     = opmetrics.Label{Name: labelNodePool, Help: "Name of the NodePool."}
	nodeClassLabel    = opmetrics.Label{Name: labelNodeClass, Help: "Name of the OciNodeClass."}
	shapeLabel        = opmetrics.Label{Name: labelShape, Help: "OCI's shape, such as VM.Standard.E5.Flex."}
	zoneLabel         = opmetrics.Label{Name: labelZone, Help: "Availability domain without its prefix, such as PHX-AD-1."}
	capacityTypeLabel = opmetrics.Label{Name: labelCapacityType, Help: "on-demand, spot (preemptible) or reserved."}
)

// What the layers hold and cost.
var (
	layerNodes = opmetrics.NewPrometheusGauge(crmetrics.Registry, prometheus.GaugeOpts{
		Namespace: namespace, Subsystem: "layer", Name: "nodes",
		Help: "Nodes of a layer.",
	}, []opmetrics.Label{layerLabel, {Name: labelState, Help: "ready or not_ready, after the node's Ready condition."}}, opmetrics.Alpha)
	layerPods = opmetrics.NewPrometheusGauge(crmetrics.Registry, prometheus.GaugeOpts{
		Namespace: namespace, Subsystem: "layer", Name: "pods",
		Help: "Pods that are bound to nodes of a layer and have not ended.",
	}, []opmetrics.Label{layerLabel}, opmetrics.Alpha)
	layerPendingPods = opmetrics.NewPrometheusGauge(crmetrics.Registry, prometheus.GaugeOpts{
		Namespace: namespace, Subsystem: "layer", Name: "pending_pods",
		Help: "Pods without a node, by what is to take them.",
	}, []opmetrics.Label{{Name: labelLayer, Help: "managed or virtual, as the filter decides."}}, opmetrics.Alpha)
	layerRequested = opmetrics.NewPrometheusGauge(crmetrics.Registry, prometheus.GaugeOpts{
		Namespace: namespace, Subsystem: "layer", Name: "requested",
		Help: "What the pods of a layer ask for.",
	}, []opmetrics.Label{layerLabel, resourceLabel}, opmetrics.Alpha)
	layerAllocatable = opmetrics.NewPrometheusGauge(crmetrics.Registry, prometheus.GaugeOpts{
		Namespace: namespace, Subsystem: "layer", Name: "allocatable",
		Help: "What pods can have of a layer's nodes; none for virtual nodes, whose room is Oracle's.",
	}, []opmetrics.Label{layerLabel, resourceLabel}, opmetrics.Alpha)
	layerCost = opmetrics.NewPrometheusGauge(crmetrics.Registry, prometheus.GaugeOpts{
		Namespace: namespace, Subsystem: "layer", Name: "cost_per_hour",
		Help: "Price of a layer's nodes an hour, in the currency of the price list: Karpenter's with their boot volumes, fixed ones without, virtual nodes with their pods.",
	}, []opmetrics.Label{layerLabel}, opmetrics.Alpha)
	layerUnpriced = opmetrics.NewPrometheusGauge(crmetrics.Registry, prometheus.GaugeOpts{
		Namespace: namespace, Subsystem: "layer", Name: "unpriced_nodes",
		Help: "Nodes of a layer that have no known price and are missing in its cost.",
	}, []opmetrics.Label{layerLabel}, opmetrics.Alpha)
	fleetCost = opmetrics.NewPrometheusGauge(crmetrics.Registry, prometheus.GaugeOpts{
		Namespace: namespace, Subsystem: "fleet", Name: "cost_per_hour",
		Help: "Sum of the layers' costs an hour.",
	}, []opmetrics.Label{{Name: labelCurrency, Help: "ISO 4217 code of the currency of all prices and costs."}}, opmetrics.Alpha)
	poolCost = opmetrics.NewPrometheusGauge(crmetrics.Registry, prometheus.GaugeOpts{
		Namespace: namespace, Subsystem: "nodepool", Name: "cost_per_hour",
		Help: "Price of a NodePool's nodes an hour, boot volumes included.",
	}, []opmetrics.Label{nodePoolLabel}, opmetrics.Alpha)
	poolSavings = opmetrics.NewPrometheusGauge(crmetrics.Registry, prometheus.GaugeOpts{
		Namespace: namespace, Subsystem: "nodepool", Name: "fit_savings_per_hour",
		Help: "What a NodePool's nodes would cost more an hour at the full sizes of their instance types.",
	}, []opmetrics.Label{nodePoolLabel}, opmetrics.Alpha)
)

// What can be bought.
var (
	offeringsAvailable = opmetrics.NewPrometheusGauge(crmetrics.Registry, prometheus.GaugeOpts{
		Namespace: namespace, Subsystem: "offerings", Name: "available",
		Help: "Instance types of a shape that at least one NodePool could launch now; 0 where NodePools allow the shape and none can be had.",
	}, []opmetrics.Label{shapeLabel, zoneLabel, capacityTypeLabel}, opmetrics.Alpha)
	offeringsPrice = opmetrics.NewPrometheusGauge(crmetrics.Registry, prometheus.GaugeOpts{
		Namespace: namespace, Subsystem: "offerings", Name: "lowest_price_per_hour",
		Help: "Price an hour of the cheapest instance type of a shape that NodePools allow, boot volume included, available or not.",
	}, []opmetrics.Label{shapeLabel, zoneLabel, capacityTypeLabel}, opmetrics.Alpha)
	offeringsUnavailable = opmetrics.NewPrometheusGauge(crmetrics.Registry, prometheus.GaugeOpts{
		Namespace: namespace, Subsystem: "offerings", Name: "unavailable",
		Help: "Marks that keep sizes of a shape from being bought for a while; an empty zone or capacity type means all.",
	}, []opmetrics.Label{shapeLabel, zoneLabel, capacityTypeLabel, {Name: labelReason, Help: "OutOfHostCapacity, LimitExceeded, QuotaExceeded, ShapeNotFound, LimitReached, EndedEarly or Preempted."}}, opmetrics.Alpha)
)

// How far images have come.
var (
	classInstances = opmetrics.NewPrometheusGauge(crmetrics.Registry, prometheus.GaugeOpts{
		Namespace: namespace, Subsystem: "nodeclass", Name: "instances",
		Help: "Instances of an OciNodeClass by their image.",
	}, []opmetrics.Label{nodeClassLabel, {Name: labelImage, Help: "current (one that the class would launch with now) or other (an instance to be replaced by drift)."}}, opmetrics.Alpha)
	classWaiting = opmetrics.NewPrometheusGauge(crmetrics.Registry, prometheus.GaugeOpts{
		Namespace: namespace, Subsystem: "nodeclass", Name: "images_waiting",
		Help: "Newer images that an OciNodeClass has found and not adopted yet: they soak, or the class is pinned.",
	}, []opmetrics.Label{nodeClassLabel}, opmetrics.Alpha)
)
