package operator

import (
	"context"
	"fmt"
	"maps"
	"slices"

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
func (c compartments) Compartments(ctx context.Context) ([]string, error) {
	all := map[string]struct{}{c.own: {}}
	classes, claims := &v1alpha1.OciNodeClassList{}, &karpv1.NodeClaimList{}
	if err := c.kube.List(ctx, classes, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("listing OciNodeClasses: %w", err)
	}
	for i := range classes.Items {
		all[classes.Items[i].CompartmentIDOr(c.own)] = struct{}{}
	}
	if err := c.kube.List(ctx, claims, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("listing NodeClaims: %w", err)
	}
	for i := range claims.Items {
		if id := claims.Items[i].Annotations[v1alpha1.AnnotationCompartmentID]; id != "" {
			all[id] = struct{}{}
		}
	}
	return slices.Sorted(maps.Keys(all)), nil
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
