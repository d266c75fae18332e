package operator

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/samber/lo"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/inventory"
)

// compartments are those that may hold instances of this cluster: the controller's own, those that node classes name, and those
// that NodeClaims were launched in, since a class may have moved or gone.
type compartments struct {
	kube client.Reader
	own  string
}

// Compartments implements inventory.Compartments.
func (c compartments) Compartments(ctx context.Context) ([]inventory.Compartment, error) {
	all := map[string]inventory.Compartment{}
	classes, claims := &v1alpha1.OciNodeClassList{}, &karpv1.NodeClaimList{}
	if err := c.kube.List(ctx, classes, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("listing OciNodeClasses: %w", err)
	}
	for i := range classes.Items {
		id := classes.Items[i].CompartmentIDOr(c.own)
		all[id] = inventory.Compartment{ID: id}
	}
	if err := c.kube.List(ctx, claims, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("listing NodeClaims: %w", err)
	}
	for i := range claims.Items {
		if id := claims.Items[i].Annotations[v1alpha1.AnnotationCompartmentID]; id != "" {
			all[id] = inventory.Compartment{ID: id, Occupied: true}
		}
	}
	all[c.own] = inventory.Compartment{ID: c.own, Essential: true, Occupied: true}
	return slices.SortedFunc(maps.Values(all), func(a, b inventory.Compartment) int { return cmp.Compare(a.ID, b.ID) }), nil
}

// occupied are those of them that have instances, by their OCIDs: a class whose compartment is wrong has none.
type occupied struct{ all compartments }

// Compartments implements interruption.Compartments.
func (o occupied) Compartments(ctx context.Context) ([]string, error) {
	all, err := o.all.Compartments(ctx)
	return lo.FilterMap(all, func(c inventory.Compartment, _ int) (string, bool) { return c.ID, c.Occupied }), err
}

// claimed tells which instances NodeClaims name.
type claimed struct{ kube client.Reader }

// Claimed implements inventory.Claims.
func (c claimed) Claimed(ctx context.Context) (map[string]inventory.Owner, error) {
	claims := &karpv1.NodeClaimList{}
	if err := c.kube.List(ctx, claims, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("listing NodeClaims: %w", err)
	}
	owners := map[string]inventory.Owner{}
	for i := range claims.Items {
		claim := &claims.Items[i]
		if claim.Status.ProviderID == "" || claim.Spec.NodeClassRef == nil || claim.Spec.NodeClassRef.Group != v1alpha1.Group {
			continue
		}
		owner := inventory.OwnerOf(claim)
		owner.NodeClass, owner.InstanceType = claim.Spec.NodeClassRef.Name, claim.Labels[corev1.LabelInstanceTypeStable]
		owners[claim.Status.ProviderID] = owner
	}
	return owners, nil
}
