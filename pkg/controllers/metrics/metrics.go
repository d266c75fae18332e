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
	layerNodes = gauge("layer", "nodes", "Nodes of a layer.", layerLabel,
		opmetrics.Label{Name: labelState, Help: "ready or not_ready, after the node's Ready condition."})
	layerPods        = gauge("layer", "pods", "Pods that are bound to nodes of a layer and have not ended.", layerLabel)
	layerPendingPods = gauge("layer", "pending_pods", "Pods without a node, by what is to take them.",
		opmetrics.Label{Name: labelLayer, Help: "managed or virtual, as the filter decides."})
	layerRequested   = gauge("layer", "requested", "What the pods of a layer ask for.", layerLabel, resourceLabel)
	layerAllocatable = gauge("layer", "allocatable", "What pods can have of a layer's nodes; none for virtual nodes, whose room is Oracle's.", layerLabel, resourceLabel)
	layerCost        = gauge("layer", "cost_per_hour",
		"Price of a layer's nodes an hour, in the currency of the price list: Karpenter's with their boot volumes, fixed ones without, virtual nodes with their pods.", layerLabel)
	layerUnpriced = gauge("layer", "unpriced_nodes", "Nodes of a layer that have no known price and are missing in its cost.", layerLabel)
	fleetCost     = gauge("fleet", "cost_per_hour", "Sum of the layers' costs an hour.",
		opmetrics.Label{Name: labelCurrency, Help: "ISO 4217 code of the currency of all prices and costs."})
	poolCost    = gauge("nodepool", "cost_per_hour", "Price of a NodePool's nodes an hour, boot volumes included.", nodePoolLabel)
	poolSavings = gauge("nodepool", "fit_savings_per_hour", "What a NodePool's nodes would cost more an hour at the full sizes of their instance types.", nodePoolLabel)
)

// What can be bought.
var (
	offeringsAvailable = gauge("offerings", "available",
		"Instance types of a shape that at least one NodePool could launch now; 0 where NodePools allow the shape and none can be had.", shapeLabel, zoneLabel, capacityTypeLabel)
	offeringsPrice = gauge("offerings", "lowest_price_per_hour",
		"Price an hour of the cheapest instance type of a shape that NodePools allow, boot volume included, available or not.", shapeLabel, zoneLabel, capacityTypeLabel)
	offeringsUnavailable = gauge("offerings", "unavailable",
		"Marks that keep sizes of a shape from being bought for a while; an empty zone or capacity type means all.", shapeLabel, zoneLabel, capacityTypeLabel,
		opmetrics.Label{Name: labelReason, Help: "OutOfHostCapacity, LimitExceeded, QuotaExceeded, ShapeNotFound, LimitReached or EndedEarly."})
)

// How far images have come.
var (
	classInstances = gauge("nodeclass", "instances", "Instances of an OciNodeClass by their image.", nodeClassLabel,
		opmetrics.Label{Name: labelImage, Help: "current (one that the class would launch with now) or other (an instance to be replaced by drift)."})
	classWaiting = gauge("nodeclass", "images_waiting", "Newer images that an OciNodeClass has found and not adopted yet: they soak, or the class is pinned.", nodeClassLabel)
)

func gauge(subsystem, name, help string, labels ...opmetrics.Label) opmetrics.GaugeMetric {
	return opmetrics.NewPrometheusGauge(crmetrics.Registry, prometheus.GaugeOpts{Namespace: namespace, Subsystem: subsystem, Name: name, Help: help}, labels, opmetrics.Alpha)
}
