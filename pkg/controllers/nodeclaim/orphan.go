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

// OrphanController ends instances of this cluster that no NodeClaim owns, such as those whose launch was never recorded, with their
// volumes and VNICs. Of those that have ended without anybody having asked for it, such as a launch that failed late while no controller ran, it
// deletes the data volumes, which OCI keeps.
//
// Tags can be edited by hand and are copied with instances, so an instance is ended only when all of this holds: its tags carry this
// cluster's OCID; they carry the UID of a NodePool that this cluster has, or had while this process ran; its name is that of the NodeClaim in
// the tags, as this controller launches them; no NodeClaim has its OCID; none that has no instance yet has the UID or the name in the tags, or
// the instance's name; and it is old enough. What carries the cluster's OCID and an unknown NodePool, as after a cluster was restored from a
// backup, or another name, as a machine that somebody made by hand with the tags of a node, is left alone and reported: a leak costs money,
// a wrong end costs data.
type OrphanController struct {
	kube      client.Reader
	inventory inventory.Provider
	instances instance.Provider
	clock     clock.Clock

	nodePools sets.Set[string] // UIDs seen since the start
	reported  sets.Set[string] // OCIDs of instances left alone
}

// NewOrphanController makes the controller. kube must read the API server's own state, not a cache that may lag behind.
func NewOrphanController(kube client.Reader, inv inventory.Provider, instances instance.Provider, clk clock.Clock) *OrphanController {
	return &OrphanController{kube: kube, inventory: inv, instances: instances, clock: clk, nodePools: sets.New[string](), reported: sets.New[string]()}
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
	snapshot, err := c.inventory.Fresh(ctx, inventory.StaleAge)
	if err != nil {
		return reconciler.Result{}, err
	}
	owners, err := c.owners(ctx)
	if err != nil {
		return reconciler.Result{}, err
	}
	var errs []error
	var gone []inventory.Instance
	left := sets.New[string]()
	for _, i := range snapshot.All() {
		if i.Created.IsZero() || c.clock.Since(i.Created) < orphanAge {
			continue
		}
		made := c.madeHere(i)
		if i.Gone() && made && !owners.providerIDs.Has(i.ID) {
			gone = append(gone, i) // a NodeClaim that names it sees to its volumes by itself
		}
		if i.Ending() || owners.own(i) {
			continue
		}
		if !made {
			left.Insert(i.ID)
			c.report(ctx, i)
			continue
		}
		log.FromContext(ctx).Info("terminating an instance that no NodeClaim owns", "instance", i.ID, "nodeClaim", i.Owner.NodeClaim.Name, "created", i.Created)
		errs = append(errs, c.end(ctx, i))
	}
	errs = append(errs, c.instances.ReleaseVolumes(ctx, gone))
	c.reported = left
	orphansLeft.Set(float64(left.Len()), nil)
	if err := errors.Join(errs...); err != nil {
		return reconciler.Result{}, err
	}
	return reconciler.Result{RequeueAfter: orphanInterval}, nil
}

func (c *OrphanController) end(ctx context.Context, i inventory.Instance) error {
	err := c.instances.Terminate(ctx, i.ID)
	if err == nil {
		orphansTerminated.Inc(nil)
	}
	return cloudprovider.IgnoreNodeClaimNotFoundError(err)
}

// madeHere says whether an instance is one that a controller of this cluster has launched, as far as anybody can tell.
func (c *OrphanController) madeHere(i inventory.Instance) bool {
	return c.nodePools.Has(i.Owner.NodePool.UID) && i.Name == i.Owner.NodeClaim.Name
}

// report says once that an instance is left alone.
func (c *OrphanController) report(ctx context.Context, i inventory.Instance) {
	if !c.reported.Has(i.ID) {
		log.FromContext(ctx).Info("an instance carries this cluster's tag, no NodeClaim owns it, and its NodePool is not known here or its name is not its NodeClaim's: it is left alone; end it by hand if it is not needed",
			"instance", i.ID, "name", i.Name, "NodePool", i.Owner.NodePool.String(), "nodeClaim", i.Owner.NodeClaim.Name, "created", i.Created)
	}
}

// owners are all that NodeClaims say about which instances are theirs.
type owners struct{ uids, names, providerIDs sets.Set[string] }

// own says whether any NodeClaim may own the instance. A name counts only for a NodeClaim that has no instance yet.
func (o owners) own(i inventory.Instance) bool {
	return o.uids.Has(i.Owner.NodeClaim.UID) || o.providerIDs.Has(i.ID) || o.names.Has(i.Owner.NodeClaim.Name) || o.names.Has(i.Name)
}

// owners reads the NodeClaims, and notes the NodePools.
func (c *OrphanController) owners(ctx context.Context) (owners, error) {
	claims, pools := &karpv1.NodeClaimList{}, &karpv1.NodePoolList{}
	if err := errors.Join(c.kube.List(ctx, claims), c.kube.List(ctx, pools)); err != nil {
		return owners{}, fmt.Errorf("listing NodeClaims and NodePools: %w", err)
	}
	o := owners{uids: sets.New[string](), names: sets.New[string](), providerIDs: sets.New[string]()}
	for i := range claims.Items {
		claim := &claims.Items[i]
		// A NodeClaim that knows its instance owns no other one, whatever the tags say: two processes may both have launched for it.
		if claim.Status.ProviderID == "" {
			o.uids.Insert(string(claim.UID))
			o.names.Insert(claim.Name)
		} else {
			o.providerIDs.Insert(claim.Status.ProviderID)
		}
		if uid := inventory.OwnerOf(claim).NodePool.UID; uid != "" {
			c.nodePools.Insert(uid)
		}
	}
	for i := range pools.Items {
		c.nodePools.Insert(string(pools.Items[i].UID))
	}
	return o, nil
}
