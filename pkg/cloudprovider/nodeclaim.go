package cloudprovider

import (
	"maps"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/utils/resources"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/pkg/oci"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/instance"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/instancetype"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/inventory"
)

// toNodeClaim describes an instance as core wants it. candidate is what it was launched from, zero when that is not known; only
// a launch needs every label. Capacity is that of the size which OCI really gave, not of the one that was asked for.
func (c *CloudProvider) toNodeClaim(i inventory.Instance, candidate instance.Candidate, nodeClass *v1alpha1.OciNodeClass) *karpv1.NodeClaim {
	labels := map[string]string{}
	if candidate.Type != nil {
		maps.Copy(labels, instance.Labels(candidate))
	}
	setIfKnown := func(key, value string) {
		if value != "" {
			labels[key] = value
		}
	}
	setIfKnown(corev1.LabelInstanceTypeStable, i.Owner.InstanceType)
	setIfKnown(corev1.LabelTopologyZone, oci.Zone(i.AvailabilityDomain))
	setIfKnown(karpv1.CapacityTypeLabelKey, i.CapacityType)
	setIfKnown(karpv1.NodePoolLabelKey, i.Owner.NodePool.Name)
	setIfKnown(v1alpha1.LabelFaultDomain, i.FaultDomain)

	nodeClaim := &karpv1.NodeClaim{
		ObjectMeta: metav1.ObjectMeta{
			Name:              i.Owner.NodeClaim.Name,
			Labels:            labels,
			CreationTimestamp: metav1.NewTime(i.Created),
			Annotations: map[string]string{
				v1alpha1.AnnotationInstanceOCPUs:    strconv.FormatFloat(i.OCPUs, 'f', -1, 64),
				v1alpha1.AnnotationInstanceMemoryGB: strconv.FormatFloat(i.MemoryGB, 'f', -1, 64),
			},
		},
		Status: karpv1.NodeClaimStatus{ProviderID: i.ID, ImageID: i.ImageID},
	}
	if i.Ending() {
		// Core's garbage collection leaves out what is on its way out; the moment itself is not read.
		ended := metav1.NewTime(i.Created)
		nodeClaim.DeletionTimestamp = &ended
	}
	// A shape that the region does not list any more has no prediction; what the NodeClaim was created with stays then.
	if r, err := c.instanceTypes.Resources(instancetype.Size{ShapeName: i.Shape, OCPUs: i.OCPUs, MemoryGB: i.MemoryGB}, nodeClass); err == nil {
		nodeClaim.Status.Capacity = r.Capacity
		nodeClaim.Status.Allocatable = resources.Subtract(r.Capacity, r.Overhead.Total())
		addOverlaid(nodeClaim, candidate)
	}
	return nodeClaim
}

// addOverlaid adds the resources that a NodeOverlay gives to the type and that no machine has by itself. The maps are shared with the
// prediction, so they are copied.
func addOverlaid(nodeClaim *karpv1.NodeClaim, candidate instance.Candidate) {
	if candidate.Type == nil || !candidate.Type.IsCapacityOverlayApplied() {
		return
	}
	capacity, allocatable := maps.Clone(nodeClaim.Status.Capacity), maps.Clone(nodeClaim.Status.Allocatable)
	for name, quantity := range candidate.Type.Capacity {
		if _, own := capacity[name]; !own {
			capacity[name], allocatable[name] = quantity, quantity
		}
	}
	nodeClaim.Status.Capacity, nodeClaim.Status.Allocatable = capacity, allocatable
}
