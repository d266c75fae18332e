package world

import (
	"context"
	"fmt"
	"maps"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	corecloud "sigs.k8s.io/karpenter/pkg/cloudprovider"
	"sigs.k8s.io/karpenter/pkg/scheduling"

	"github.com/karpenter-oke/karpenter-oke/pkg/providers/inventory"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/pricing"
)

// buy launches a NodeClaim through the cloud provider and registers its node.
func (w *World) buy(ctx context.Context, claim *karpv1.NodeClaim) (*Node, error) {
	w.named++
	claim.Name, claim.GenerateName = nodeName(w.named), ""
	claim.UID = types.UID("uid-" + claim.Name)
	claim.CreationTimestamp = metav1.NewTime(w.Clock.Now())
	created, err := w.cloud.Create(ctx, claim)
	if err != nil {
		return nil, fmt.Errorf("launching %s: %w", claim.Name, err)
	}
	// What core's lifecycle controller takes over from the provider's answer: labels, of which the claim's own win.
	claim.Labels = merged(created.Labels, claim.Labels)
	claim.Annotations = merged(claim.Annotations, created.Annotations)
	claim.Status.ProviderID, claim.Status.NodeName = created.Status.ProviderID, claim.Name
	claim.Status.Capacity, claim.Status.Allocatable = created.Status.Capacity, created.Status.Allocatable
	claim.Status.LastPodEventTime = metav1.NewTime(w.Clock.Now())
	for _, condition := range []string{karpv1.ConditionTypeLaunched, karpv1.ConditionTypeRegistered, karpv1.ConditionTypeInitialized} {
		claim.StatusConditions().SetTrue(condition)
	}
	instance, ok := w.inventory.Current().Get(claim.Status.ProviderID)
	if !ok {
		return nil, fmt.Errorf("the inventory does not know instance %s", claim.Status.ProviderID)
	}
	node, err := w.newNode(claim, instance)
	if err != nil {
		return nil, err
	}
	w.nodes[node.Name], w.store.nodes[node.Name], w.store.nodeClaims[node.Name] = node, node.object, claim
	for i := range w.store.daemonSets {
		w.store.podsOn[node.Name] = append(w.store.podsOn[node.Name], daemonPod(&w.store.daemonSets[i], node.Name))
	}
	w.cluster.UpdateNodeClaim(claim.DeepCopy())
	if err := w.cluster.UpdateNode(ctx, node.object.DeepCopy()); err != nil {
		return nil, fmt.Errorf("registering %s: %w", node.Name, err)
	}
	return node, nil
}

func (w *World) newNode(claim *karpv1.NodeClaim, i inventory.Instance) (*Node, error) {
	s, ok := w.Shapes.snapshot.Shape(i.Shape)
	if !ok {
		return nil, fmt.Errorf("%s was launched with the unknown shape %s", claim.Name, i.Shape)
	}
	n := &Node{
		Name: claim.Name, InstanceType: claim.Labels[corev1.LabelInstanceTypeStable], Zone: claim.Labels[corev1.LabelTopologyZone],
		Shape: i.Shape, OCPUs: i.OCPUs, MemoryGB: i.MemoryGB, claim: claim,
	}
	if !s.Flexible {
		n.OCPUs, n.MemoryGB = s.OCPUs, s.MemoryGB
	}
	compute, known := w.Prices.OnDemand(s, n.OCPUs, n.MemoryGB, pricing.BaselineFull)
	if claim.Labels[karpv1.CapacityTypeLabelKey] != karpv1.CapacityTypeOnDemand || !known {
		return nil, fmt.Errorf("%s is %s and %s: not what these runs buy", claim.Name, claim.Labels[karpv1.CapacityTypeLabelKey], i.Shape)
	}
	n.PricePerHour = compute + w.BootVolumePerHour()
	cell, err := w.typeOf(claim)
	if err != nil {
		return nil, err
	}
	n.CellPrice = cell.Offerings.Compatible(scheduling.NewLabelRequirements(claim.Labels)).Cheapest().Price
	labels := merged(claim.Labels, map[string]string{
		corev1.LabelHostname: claim.Name, karpv1.NodeRegisteredLabelKey: "true", karpv1.NodeInitializedLabelKey: "true",
	})
	n.object = &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: claim.Name, UID: claim.UID, Labels: labels, Annotations: claim.Annotations, CreationTimestamp: claim.CreationTimestamp},
		Spec:       corev1.NodeSpec{ProviderID: claim.Status.ProviderID, Taints: claim.Spec.Taints},
		Status: corev1.NodeStatus{
			Capacity: claim.Status.Capacity, Allocatable: claim.Status.Allocatable,
			Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}},
		},
	}
	return n, nil
}

// BootVolumePerHour is the price of a node's boot volume.
func (w *World) BootVolumePerHour() float64 {
	gb := w.store.nodeClass.BootVolumeSizeInGBs()
	return w.Prices.BootVolume(gb, w.store.nodeClass.BootVolumeVpusPerGB())
}

func (w *World) typeOf(claim *karpv1.NodeClaim) (*corecloud.InstanceType, error) {
	types, err := w.cloud.GetInstanceTypes(context.Background(), w.store.nodePool)
	if err != nil {
		return nil, err
	}
	wanted := claim.Labels[corev1.LabelInstanceTypeStable]
	for _, it := range types {
		if it.Name == wanted {
			return it, nil
		}
	}
	return nil, fmt.Errorf("%s was launched as %s, which the NodePool is not offered", claim.Name, wanted)
}

// end takes a node away; its pods wait for another.
func (w *World) end(ctx context.Context, n *Node) error {
	pods := w.store.podsOn[n.Name]
	delete(w.store.podsOn, n.Name)
	for _, p := range pods[len(w.store.daemonSets):] {
		p.Spec.NodeName, p.Status = "", NewPod("", epoch, Requests{}).Status
		w.store.podsOn[""] = append(w.store.podsOn[""], p)
		w.cluster.DeletePod(types.NamespacedName{Namespace: p.Namespace, Name: p.Name})
		if err := w.cluster.UpdatePod(ctx, p); err != nil {
			return fmt.Errorf("unbinding pod %s: %w", p.Name, err)
		}
	}
	delete(w.nodes, n.Name)
	delete(w.store.nodes, n.Name)
	delete(w.store.nodeClaims, n.Name)
	w.cluster.DeleteNode(n.Name)
	w.cluster.DeleteNodeClaim(n.Name)
	if err := w.cloud.Delete(ctx, n.claim); err != nil && !corecloud.IsNodeClaimNotFoundError(err) {
		return fmt.Errorf("ending %s: %w", n.Name, err)
	}
	return nil
}

// merged is the union of maps; later ones win.
func merged(all ...map[string]string) map[string]string {
	out := map[string]string{}
	for _, m := range all {
		maps.Copy(out, m)
	}
	return out
}
