package cloudprovider

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/samber/lo"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/log"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/cloudprovider"
	"sigs.k8s.io/karpenter/pkg/events"
	"sigs.k8s.io/karpenter/pkg/scheduling"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/image"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/instance"
)

// Reasons for which a NodeClaim is replaced. Changes of a static part of the node class are named after the part, such as
// BootVolumeDrifted; see driftReasonOf.
const (
	// DriftReasonImage says that the node's image is none of the class's any more.
	DriftReasonImage cloudprovider.DriftReason = "ImageDrifted"
	// DriftReasonSubnet says that the node's subnet is none of the class's any more.
	DriftReasonSubnet cloudprovider.DriftReason = "SubnetDrifted"
	// DriftReasonCompartment says that the class launches in another compartment.
	DriftReasonCompartment cloudprovider.DriftReason = "CompartmentDrifted"
	// DriftReasonFaultDomain says that the class does not allow the node's fault domain any more.
	DriftReasonFaultDomain cloudprovider.DriftReason = "FaultDomainDrifted"
	// DriftReasonPlacement says that the node is in a compute cluster, cluster placement group or on a dedicated VM host that is
	// none of the class's any more.
	DriftReasonPlacement cloudprovider.DriftReason = "PlacementDrifted"
	// DriftReasonFlex says that the class does not allow the node's size any more.
	DriftReasonFlex cloudprovider.DriftReason = "FlexDrifted"
	// DriftReasonMaintenance says that Oracle works on the host of the node's instance soon. An event has told the date before.
	DriftReasonMaintenance cloudprovider.DriftReason = "MaintenanceDue"
)

// driftReasonOf is the reason for a change of one static part of the class.
func driftReasonOf(concern v1alpha1.Concern) cloudprovider.DriftReason {
	return cloudprovider.DriftReason(string(concern) + "Drifted")
}

// drift is a difference between a NodeClaim and its class, with both values for the log and the event.
type drift struct {
	reason   cloudprovider.DriftReason
	was, now string
}

// driftChecks are asked in this order; the first that finds something is reported. Each reads memory only, and each finds
// nothing while it lacks a value: a field that is missing must not hide the other checks, and must not replace nodes.
var driftChecks = []func(*karpv1.NodeClaim, *v1alpha1.OciNodeClass) *drift{staticDrift, imageDrift, subnetDrift, compartmentDrift, faultDomainDrift, placementDrift, flexDrift}

// launchRecord is what a NodeClaim remembers of its launch for the checks above.
func launchRecord(nodeClass *v1alpha1.OciNodeClass, launched instance.Launched) map[string]string {
	record := map[string]string{
		v1alpha1.AnnotationNodeClassHash:        nodeClass.Hash(),
		v1alpha1.AnnotationNodeClassHashVersion: v1alpha1.HashVersion,
		v1alpha1.AnnotationCompartmentID:        launched.Instance.CompartmentID,
	}
	if launched.SubnetID != "" {
		record[v1alpha1.AnnotationSubnetID] = launched.SubnetID
		record[v1alpha1.AnnotationPlacementIDs] = strings.Join(launched.PlacementIDs, ",")
		record[v1alpha1.AnnotationSecurityGroupIDs] = strings.Join(instance.SecurityGroupIDs(nodeClass), ",")
	}
	return record
}

// IsDrifted implements core's CloudProvider from memory alone.
func (c *CloudProvider) IsDrifted(ctx context.Context, nodeClaim *karpv1.NodeClaim) (cloudprovider.DriftReason, error) {
	if c.maintenance.ReplaceNow(nodeClaim) {
		return DriftReasonMaintenance, nil
	}
	nodeClass, err := c.nodeClass(ctx, nodeClaim.Spec.NodeClassRef)
	if err != nil {
		if cloudprovider.IsNodeClassNotReadyError(err) {
			return "", nil
		}
		return "", err
	}
	for _, check := range driftChecks {
		if d := check(nodeClaim, nodeClass); d != nil && c.mayReplace(nodeClaim, nodeClass, d) {
			c.tellDrift(ctx, nodeClaim, d)
			return d.reason, nil
		}
	}
	return "", nil
}

// mayReplace keeps nodes for which a new image is the only drift until the first nodes of that image have registered.
func (c *CloudProvider) mayReplace(nodeClaim *karpv1.NodeClaim, nodeClass *v1alpha1.OciNodeClass, d *drift) bool {
	if d.reason != DriftReasonImage || c.registrations == nil {
		return true
	}
	next, found := image.ForInstanceType(nodeClass.Status.Images, scheduling.NewLabelRequirements(nodeClaim.Labels))
	return !found || c.registrations.MayReplace(nodeClass, nodeClaim.UID, next.ID)
}

// tellDrift says what changed, once: core sets the Drifted condition and asks again every few minutes.
func (c *CloudProvider) tellDrift(ctx context.Context, nodeClaim *karpv1.NodeClaim, d *drift) {
	if nodeClaim.StatusConditions().Get(karpv1.ConditionTypeDrifted).IsTrue() {
		return
	}
	log.FromContext(ctx).Info("node differs from its class and will be replaced", "NodeClaim", klog.KObj(nodeClaim), "reason", d.reason, "was", d.was, "now", d.now)
	c.recorder.Publish(events.Event{
		InvolvedObject: nodeClaim, Type: corev1.EventTypeNormal, Reason: string(d.reason),
		Message: fmt.Sprintf("The node will be replaced: it has %s and its OciNodeClass says %s", d.was, d.now), DedupeValues: []string{string(nodeClaim.UID)},
	})
}

// staticDrift compares what the class said at launch with what it says now. A NodeClaim stamped under another hash version is
// stamped anew elsewhere and never replaced for it. Tags and security groups are brought up to date on the instance instead.
func staticDrift(nodeClaim *karpv1.NodeClaim, nodeClass *v1alpha1.OciNodeClass) *drift {
	stamped, found := nodeClaim.Annotations[v1alpha1.AnnotationNodeClassHash]
	if !found || nodeClaim.Annotations[v1alpha1.AnnotationNodeClassHashVersion] != v1alpha1.HashVersion {
		return nil
	}
	changed := lo.Reject(v1alpha1.ChangedConcerns(stamped, nodeClass.Hash()), func(concern v1alpha1.Concern, _ int) bool {
		return concern == v1alpha1.ConcernTags ||
			(concern == v1alpha1.ConcernLocalNVMe && nodeClaim.Labels[v1alpha1.LabelInstanceLocalNVMe] == "") ||
			(concern == v1alpha1.ConcernPreemptible && nodeClaim.Labels[karpv1.CapacityTypeLabelKey] != karpv1.CapacityTypeSpot)
	})
	if len(changed) == 0 {
		return nil
	}
	names := lo.Map(changed, func(concern v1alpha1.Concern, _ int) string { return string(concern) })
	return &drift{
		reason: driftReasonOf(changed[0]),
		was:    fmt.Sprintf("the %s of an earlier generation", strings.Join(names, ", ")), now: fmt.Sprintf("otherwise since generation %d", nodeClass.Generation),
	}
}

// imageDrift: the node's image is none of those that the class resolves to. The status follows the image policy, so an image
// that was just published is not there before its soak, and a pinned class never moves.
func imageDrift(nodeClaim *karpv1.NodeClaim, nodeClass *v1alpha1.OciNodeClass) *drift {
	is, images := nodeClaim.Status.ImageID, nodeClass.Status.Images
	if is == "" || len(images) == 0 || slices.ContainsFunc(images, func(i v1alpha1.Image) bool { return i.ID == is }) {
		return nil
	}
	return &drift{reason: DriftReasonImage, was: "image " + is, now: strings.Join(lo.Map(images, func(i v1alpha1.Image, _ int) string {
		return fmt.Sprintf("%s (%s)", i.Name, i.ID)
	}), " or ")}
}

func subnetDrift(nodeClaim *karpv1.NodeClaim, nodeClass *v1alpha1.OciNodeClass) *drift {
	is, subnets := nodeClaim.Annotations[v1alpha1.AnnotationSubnetID], nodeClass.Status.Subnets
	if is == "" || len(subnets) == 0 || slices.ContainsFunc(subnets, func(s v1alpha1.Subnet) bool { return s.ID == is }) {
		return nil
	}
	return &drift{reason: DriftReasonSubnet, was: "subnet " + is, now: strings.Join(lo.Map(subnets, func(s v1alpha1.Subnet, _ int) string { return s.ID }), " or ")}
}

// compartmentDrift follows a class that names a compartment; one that does not keeps the nodes where they are.
func compartmentDrift(nodeClaim *karpv1.NodeClaim, nodeClass *v1alpha1.OciNodeClass) *drift {
	is, want := nodeClaim.Annotations[v1alpha1.AnnotationCompartmentID], nodeClass.Spec.CompartmentID
	if is == "" || want == "" || is == want {
		return nil
	}
	return &drift{reason: DriftReasonCompartment, was: "compartment " + is, now: want}
}

func faultDomainDrift(nodeClaim *karpv1.NodeClaim, nodeClass *v1alpha1.OciNodeClass) *drift {
	is := nodeClaim.Labels[v1alpha1.LabelFaultDomain]
	if is == "" || nodeClass.Spec.Placement == nil || len(nodeClass.Spec.Placement.FaultDomains) == 0 || slices.Contains(nodeClass.Spec.Placement.FaultDomains, is) {
		return nil
	}
	return &drift{reason: DriftReasonFaultDomain, was: is, now: strings.Join(nodeClass.Spec.Placement.FaultDomains, " or ")}
}

// placementDrift looks at what the node was launched into. A class that begins to select a place moves no node that has none:
// which zones it would move to is not known before it launches.
func placementDrift(nodeClaim *karpv1.NodeClaim, nodeClass *v1alpha1.OciNodeClass) *drift {
	is := nodeClaim.Annotations[v1alpha1.AnnotationPlacementIDs]
	if is == "" || !nodeClass.StatusConditions().Get(v1alpha1.ConditionTypePlacementReady).IsTrue() {
		return nil
	}
	var allowed []string
	for _, z := range slices.Concat(nodeClass.Status.ComputeClusters, nodeClass.Status.ClusterPlacementGroups) {
		allowed = append(allowed, z.ID)
	}
	for _, h := range nodeClass.Status.DedicatedVMHosts {
		allowed = append(allowed, h.ID)
	}
	for _, id := range strings.Split(is, ",") {
		if !slices.Contains(allowed, id) {
			return &drift{reason: DriftReasonPlacement, was: id, now: cmp.Or(strings.Join(allowed, " or "), "nothing of the kind")}
		}
	}
	return nil
}

// flexDrift holds the size that was launched against the class's bounds for flexible shapes.
func flexDrift(nodeClaim *karpv1.NodeClaim, nodeClass *v1alpha1.OciNodeClass) *drift {
	flex := nodeClass.Spec.Flex
	if nodeClaim.Labels[v1alpha1.LabelInstanceExtendedMemory] == "true" && !nodeClass.ExtendedMemory() {
		return &drift{reason: DriftReasonFlex, was: "extended memory", now: "none"}
	}
	ocpus, errOCPUs := strconv.ParseFloat(nodeClaim.Annotations[v1alpha1.AnnotationInstanceOCPUs], 64)
	memoryGB, errMemory := strconv.ParseFloat(nodeClaim.Annotations[v1alpha1.AnnotationInstanceMemoryGB], 64)
	if flex == nil || errOCPUs != nil || errMemory != nil || ocpus <= 0 || nodeClaim.Labels[v1alpha1.LabelIsFlexible] != "true" {
		return nil
	}
	was := fmt.Sprintf("%g OCPUs and %g GB", ocpus, memoryGB)
	if r := flex.OCPUs; r != nil && ((r.Min != nil && ocpus < float64(*r.Min)) || (r.Max != nil && ocpus > float64(*r.Max))) {
		return &drift{reason: DriftReasonFlex, was: was, now: "other bounds of OCPUs"}
	}
	perOCPU := memoryGB / ocpus * (1 << 30)
	if r := flex.MemoryPerOCPU; r != nil && ((r.Min != nil && perOCPU < r.Min.AsApproximateFloat64()) || (r.Max != nil && perOCPU > r.Max.AsApproximateFloat64())) {
		return &drift{reason: DriftReasonFlex, was: was, now: "other bounds of memory for each OCPU"}
	}
	return nil
}
