package nodeclaim

import (
	"context"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"sync"

	corev1 "k8s.io/api/core/v1"
	controllerruntime "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"

	"github.com/karpenter-oke/karpenter-oke/pkg/providers/instancetype"
)

// InUseController keeps an index of the instance types that NodeClaims have, so that they stay listed for as long as a node has
// them: core replaces nodes whose type has vanished.
type InUseController struct {
	kube client.Client

	mu         sync.RWMutex
	types      map[string][]string // NodePool -> sorted names
	generation uint64
}

var _ instancetype.InUse = (*InUseController)(nil)

// NewInUseController makes an empty index.
func NewInUseController(kube client.Client) *InUseController { return &InUseController{kube: kube} }

// Name is the controller's name in logs and metrics.
func (c *InUseController) Name() string { return "nodeclaim.inuse" }

// Register adds the controller to a manager. Every event leads to the same request, so a burst costs one pass; the index is
// kept on every replica, so that a new leader has it.
func (c *InUseController) Register(_ context.Context, m manager.Manager) error {
	everywhere := false
	return controllerruntime.NewControllerManagedBy(m).
		Named(c.Name()).
		WithOptions(controller.Options{NeedLeaderElection: &everywhere}).
		Watches(&karpv1.NodeClaim{}, handler.EnqueueRequestsFromMapFunc(func(context.Context, client.Object) []reconcile.Request {
			return []reconcile.Request{{}}
		})).
		Complete(c)
}

// Reconcile builds the index anew.
func (c *InUseController) Reconcile(ctx context.Context, _ reconcile.Request) (reconcile.Result, error) {
	claims := &karpv1.NodeClaimList{}
	if err := c.kube.List(ctx, claims, client.UnsafeDisableDeepCopy); err != nil {
		return reconcile.Result{}, fmt.Errorf("listing NodeClaims: %w", err)
	}
	sets := map[string]map[string]struct{}{}
	for i := range claims.Items {
		nodePool, name := claims.Items[i].Labels[karpv1.NodePoolLabelKey], claims.Items[i].Labels[corev1.LabelInstanceTypeStable]
		if nodePool == "" || name == "" {
			continue
		}
		if sets[nodePool] == nil {
			sets[nodePool] = map[string]struct{}{}
		}
		sets[nodePool][name] = struct{}{}
	}
	types := make(map[string][]string, len(sets))
	for nodePool, names := range sets {
		types[nodePool] = slices.Sorted(maps.Keys(names))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !reflect.DeepEqual(types, c.types) {
		c.types = types
		c.generation++
	}
	return reconcile.Result{}, nil
}

// TypeNames implements instancetype.InUse.
func (c *InUseController) TypeNames(nodePoolName string) []string {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.types[nodePoolName]
}

// Generation implements instancetype.InUse.
func (c *InUseController) Generation() uint64 {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.generation
}
