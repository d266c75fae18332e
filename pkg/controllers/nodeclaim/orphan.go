// Package nodeclaim holds the controllers that keep NodeClaims, Nodes and OCI instances in step beyond what Karpenter core does.
package nodeclaim

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/awslabs/operatorpkg/reconciler"
	"github.com/awslabs/operatorpkg/singleton"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/utils/clock"
	controllerruntime "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/cloudprovider"

	"github.com/karpenter-oke/karpenter-oke/pkg/providers/instance"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/inventory"
)

const (
	// orphanAge is how old an instance must be before nobody owning it means anything: the launch's answer may still be on its
	// way into the NodeClaim.
	orphanAge = 3 * time.Minute
	// orphanInterval is how often instances are compared with NodeClaims.
	orphanInterval = 2 * time.Minute
)

// OrphanController ends instances of this cluster that no NodeClaim owns, such as those whose launch was never recorded.
type OrphanController struct {
	kube      client.Reader
	inventory inventory.Provider
	instances instance.Provider
	clock     clock.Clock
}

// NewOrphanController makes the controller. kube must read the API server's own state, not a cache that may lag behind.
func NewOrphanController(kube client.Reader, inv inventory.Provider, instances instance.Provider, clk clock.Clock) *OrphanController {
	return &OrphanController{kube: kube, inventory: inv, instances: instances, clock: clk}
}

// Name is the controller's name in logs and metrics.
func (c *OrphanController) Name() string { return "nodeclaim.orphan" }

// Register adds the controller to a manager.
func (c *OrphanController) Register(_ context.Context, m manager.Manager) error {
	return controllerruntime.NewControllerManagedBy(m).
		Named(c.Name()).
		WatchesRawSource(singleton.Source()).
		Complete(singleton.AsReconciler(c))
}

// Reconcile compares once. The order matters: the cloud is read before the cluster, so that a NodeClaim created in between can
// only make an instance look owned, never orphaned.
func (c *OrphanController) Reconcile(ctx context.Context) (reconciler.Result, error) {
	snapshot, err := c.inventory.Fresh(ctx, orphanInterval)
	if err != nil {
		return reconciler.Result{}, err
	}
	claims := &karpv1.NodeClaimList{}
	if err := c.kube.List(ctx, claims); err != nil {
		return reconciler.Result{}, fmt.Errorf("listing NodeClaims: %w", err)
	}
	owners, providerIDs := sets.New[string](), sets.New[string]()
	for i := range claims.Items {
		owners.Insert(string(claims.Items[i].UID))
		providerIDs.Insert(claims.Items[i].Status.ProviderID)
	}
	var errs []error
	for _, i := range snapshot.All() {
		// Tags can be edited by hand, so the provider ID counts as ownership as well.
		if i.Ending() || owners.Has(i.Owner.NodeClaim.UID) || providerIDs.Has(i.ID) || c.clock.Since(i.Created) < orphanAge {
			continue
		}
		log.FromContext(ctx).Info("terminating an instance that no NodeClaim owns", "instance", i.ID, "nodeClaim", i.Owner.NodeClaim.Name, "created", i.Created)
		errs = append(errs, cloudprovider.IgnoreNodeClaimNotFoundError(c.instances.Terminate(ctx, i.ID)))
	}
	if err := errors.Join(errs...); err != nil {
		return reconciler.Result{}, err
	}
	return reconciler.Result{RequeueAfter: orphanInterval}, nil
}
