package nodeclaim

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/samber/lo"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"
	controllerruntime "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/events"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/instance"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/instancetype/resources"
)

// NativePodNetworkKind is the object by which OKE's CNI add-on is told what VNICs a node's pods get.
var NativePodNetworkKind = schema.GroupVersionKind{Group: "oci.oraclecloud.com", Version: "v1beta1", Kind: "NativePodNetwork"}

// ReasonPodNetwork is the reason of the event on a NodeClaim whose NativePodNetwork can not be made, or tells of a problem.
const ReasonPodNetwork = "PodNetworkNotReady"

// familyIPv6 is how OKE spells the IP family whose addresses a VNIC has only when it is asked for them.
const familyIPv6 = "IPv6"

// stateBackoff is the state in which OKE's controller waits after a failure.
const stateBackoff = "BACKOFF"

// PodNetworkController makes the NativePodNetwork of nodes whose class gives an ipCount. How many addresses a VNIC takes in advance can not
// be said in the metadata of an instance, only in this object, which is there before the instance has booted. The NodeClaim owns it, so it
// goes with it. Classes without an ipCount leave the object to OKE's image.
type PodNetworkController struct {
	kube     client.Client
	recorder events.Recorder
	// families are the cluster's IP families; nil while they are not known.
	families func() []string
}

// NewPodNetworkController makes the controller. families tells the cluster's IP families, such as IPv4.
func NewPodNetworkController(kube client.Client, recorder events.Recorder, families func() []string) *PodNetworkController {
	return &PodNetworkController{kube: kube, recorder: recorder, families: families}
}

// Name is the controller's name in logs and metrics.
func (c *PodNetworkController) Name() string { return "nodeclaim.podnetwork" }

// Register adds the controller to a manager; only NodeClaims of our classes that were launched are looked at.
func (c *PodNetworkController) Register(_ context.Context, m manager.Manager) error {
	launched := predicate.NewPredicateFuncs(func(o client.Object) bool {
		claim, ok := o.(*karpv1.NodeClaim)
		return ok && claim.Status.ProviderID != "" && claim.Spec.NodeClassRef != nil && claim.Spec.NodeClassRef.Group == v1alpha1.Group
	})
	return controllerruntime.NewControllerManagedBy(m).
		Named(c.Name()).
		For(&karpv1.NodeClaim{}, builder.WithPredicates(launched)).
		Complete(reconcile.AsReconciler(m.GetClient(), c))
}

// Reconcile makes the object of one NodeClaim, and looks at it until the node has joined.
func (c *PodNetworkController) Reconcile(ctx context.Context, claim *karpv1.NodeClaim) (reconcile.Result, error) {
	if !claim.DeletionTimestamp.IsZero() || claim.StatusConditions().Get(karpv1.ConditionTypeInitialized).IsTrue() {
		return reconcile.Result{}, nil
	}
	nodeClass := &v1alpha1.OciNodeClass{}
	if err := c.kube.Get(ctx, types.NamespacedName{Name: claim.Spec.NodeClassRef.Name}, nodeClass); err != nil {
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	if nodeClass.Status.PodNetworking != v1alpha1.PodNetworkingVCNNative || nodeClass.Spec.PodNetworking == nil || nodeClass.Spec.PodNetworking.IPCount == nil {
		return reconcile.Result{}, nil
	}
	want := c.podNetwork(claim, nodeClass)
	found := &unstructured.Unstructured{}
	found.SetGroupVersionKind(NativePodNetworkKind)
	err := c.kube.Get(ctx, client.ObjectKeyFromObject(want), found)
	if apierrors.IsNotFound(err) {
		if err = c.kube.Create(ctx, want); err == nil {
			log.FromContext(ctx).Info("made the pod network of a node", "NodeClaim", klog.KObj(claim), "NativePodNetwork", want.GetName())
		}
	}
	switch {
	case meta.IsNoMatchError(err):
		c.tell(claim, "the cluster does not serve NativePodNetwork objects, which podNetworking.ipCount needs; update OKE's CNI add-on to 3.0.0 or newer, or remove ipCount")
	case apierrors.IsAlreadyExists(err), err == nil:
		c.tellState(claim, found)
	default:
		return reconcile.Result{}, fmt.Errorf("making the NativePodNetwork of NodeClaim %s: %w", claim.Name, err)
	}
	return reconcile.Result{RequeueAfter: syncInterval}, nil
}

// tellState tells what OKE's controller says about an object that it can not fulfil, such as a subnet without addresses.
func (c *PodNetworkController) tellState(claim *karpv1.NodeClaim, found *unstructured.Unstructured) {
	state, _, _ := unstructured.NestedString(found.Object, "status", "state")
	reason, _, _ := unstructured.NestedString(found.Object, "status", "reason")
	if state == stateBackoff {
		c.tell(claim, "OKE can not set up the node's pod network: "+reason)
	}
}

func (c *PodNetworkController) tell(claim *karpv1.NodeClaim, message string) {
	c.recorder.Publish(events.Event{
		InvolvedObject: claim, Type: corev1.EventTypeWarning, Reason: ReasonPodNetwork, Message: message, DedupeValues: []string{string(claim.UID), message},
	})
}

// podNetwork is the object: the VNICs that so many pods need, spread over the pod subnets.
func (c *PodNetworkController) podNetwork(claim *karpv1.NodeClaim, nodeClass *v1alpha1.OciNodeClass) *unstructured.Unstructured {
	id, ipCount := claim.Status.ProviderID, int64(*nodeClass.Spec.PodNetworking.IPCount)
	pods := claim.Status.Capacity.Pods().Value()
	subnets := podSubnets(nodeClass, ipCount)
	if len(subnets) == 0 {
		subnets = lo.Compact([]string{claim.Annotations[v1alpha1.AnnotationSubnetID]})
	}
	groups := instance.PodSecurityGroupIDs(nodeClass)
	var vnics []any
	for n := range podVNICs(claim, int(ipCount), int(pods)) {
		details := map[string]any{"ipCount": ipCount, "nsgIds": anyOf(groups)}
		if slices.Contains(c.families(), familyIPv6) {
			details["assignIpv6Ip"] = true
		}
		if len(subnets) > 0 {
			details["subnetId"] = subnets[n%len(subnets)]
		}
		vnics = append(vnics, map[string]any{"createVnicDetails": details})
	}
	spec := map[string]any{
		"id": id, "maxPodCount": pods, "podSubnetIds": anyOf(subnets), "networkSecurityGroupIds": anyOf(groups), "secondaryVnics": vnics,
	}
	if families := c.families(); len(families) > 0 {
		spec["ipFamilies"] = anyOf(families)
	}
	o := &unstructured.Unstructured{Object: map[string]any{"spec": spec}}
	o.SetGroupVersionKind(NativePodNetworkKind)
	o.SetName(strings.ToLower(id[strings.LastIndexByte(id, '.')+1:]))
	o.SetLabels(map[string]string{karpv1.NodePoolLabelKey: claim.Labels[karpv1.NodePoolLabelKey]})
	o.SetOwnerReferences([]metav1.OwnerReference{{APIVersion: "karpenter.sh/v1", Kind: "NodeClaim", Name: claim.Name, UID: claim.UID}})
	return o
}

// podSubnets are the class's pod subnets that have the addresses of one VNIC as far as is known; all of them where none has.
func podSubnets(nodeClass *v1alpha1.OciNodeClass, ipCount int64) []string {
	roomy := lo.Filter(nodeClass.Status.PodSubnets, func(s v1alpha1.Subnet, _ int) bool {
		return s.AvailableIPAddresses == nil || *s.AvailableIPAddresses >= ipCount
	})
	if len(roomy) == 0 {
		roomy = nodeClass.Status.PodSubnets
	}
	return lo.Map(roomy, func(s v1alpha1.Subnet, _ int) string { return s.ID })
}

// podVNICs is how many VNICs hold the pods' addresses.
func podVNICs(claim *karpv1.NodeClaim, ipCount, pods int) int {
	vnics, err := strconv.Atoi(claim.Labels[v1alpha1.LabelInstanceMaxVNICs])
	if err != nil {
		vnics = 0 // not known, so no bound
	}
	count, _ := resources.PodVNICs(vnics, pods, resources.PodLimits{VCNNative: true, AddressesPerVNIC: ipCount})
	return count
}

func anyOf(list []string) []any {
	return lo.Map(slices.Clone(list), func(s string, _ int) any { return s })
}
