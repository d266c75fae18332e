// Package nodeclass holds the controllers of OciNodeClass: what its selectors resolve to, and its deletion.
package nodeclass

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	controllerruntime "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/pkg/oci"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/cluster"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/image"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/network"
)

const (
	// revalidateAfter is how often a class that is ready is resolved anew: images, subnets and groups change in the cloud.
	revalidateAfter = 10 * time.Minute
	// retryAfter is how soon a class that is not ready is resolved anew.
	retryAfter = 30 * time.Second
)

// StatusController resolves the selectors of an OciNodeClass into its status, one condition each. A class that can not be
// resolved affects the NodePools that use it and no other.
type StatusController struct {
	kube    client.Client
	cluster cluster.Provider
	images  image.Provider
	network network.Provider
}

// NewStatusController makes the controller.
func NewStatusController(kube client.Client, clusters cluster.Provider, images image.Provider, networks network.Provider) *StatusController {
	return &StatusController{kube: kube, cluster: clusters, images: images, network: networks}
}

// Name is the controller's name in logs and metrics.
func (c *StatusController) Name() string { return "nodeclass.status" }

// Register adds the controller to a manager.
func (c *StatusController) Register(_ context.Context, m manager.Manager) error {
	return controllerruntime.NewControllerManagedBy(m).
		Named(c.Name()).
		For(&v1alpha1.OciNodeClass{}, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Complete(reconcile.AsReconciler(m.GetClient(), c))
}

// subReconciler resolves one selector into one field of the status.
type subReconciler struct {
	condition string
	resolve   func(context.Context, *v1alpha1.OciNodeClass, *cluster.Cluster) error
}

func (c *StatusController) subReconcilers() []subReconciler {
	return []subReconciler{
		{condition: v1alpha1.ConditionTypeImageReady, resolve: c.resolveImages},
		{condition: v1alpha1.ConditionTypeSubnetsReady, resolve: c.resolveSubnets},
		{condition: v1alpha1.ConditionTypeSecurityGroupsReady, resolve: c.resolveSecurityGroups},
	}
}

// Reconcile resolves the class and writes what changed.
func (c *StatusController) Reconcile(ctx context.Context, nodeClass *v1alpha1.OciNodeClass) (reconcile.Result, error) {
	if !nodeClass.DeletionTimestamp.IsZero() {
		return reconcile.Result{}, nil
	}
	stored := nodeClass.DeepCopy()
	if controllerutil.AddFinalizer(nodeClass, v1alpha1.TerminationFinalizer) {
		if err := c.kube.Patch(ctx, nodeClass, client.MergeFromWithOptions(stored, client.MergeFromWithOptimisticLock{})); err != nil {
			return reconcile.Result{}, client.IgnoreNotFound(err)
		}
		stored = nodeClass.DeepCopy()
	}
	current := c.cluster.Get()
	for _, sub := range c.subReconcilers() {
		c.apply(ctx, nodeClass, sub, current)
	}
	if !equality.Semantic.DeepEqual(stored.Status, nodeClass.Status) {
		c.logChange(ctx, stored, nodeClass)
		if err := c.kube.Status().Patch(ctx, nodeClass, client.MergeFromWithOptions(stored, client.MergeFromWithOptimisticLock{})); err != nil {
			return reconcile.Result{}, client.IgnoreNotFound(err)
		}
	}
	wait := revalidateAfter
	if !nodeClass.StatusConditions().Root().IsTrue() {
		wait = retryAfter
	}
	return reconcile.Result{RequeueAfter: wait + rand.N(wait/10)}, nil //nolint:gosec // jitter is no secret
}

// apply resolves one selector and sets its condition. When OCI can not be asked, what was resolved before stays good: a cloud
// that does not answer must not stop NodePools that could launch when it does.
func (c *StatusController) apply(ctx context.Context, nodeClass *v1alpha1.OciNodeClass, sub subReconciler, current *cluster.Cluster) {
	conditions := nodeClass.StatusConditions()
	if current == nil {
		conditions.SetUnknownWithReason(sub.condition, "ClusterUnknown", "the OKE cluster has not been read yet")
		return
	}
	err := sub.resolve(ctx, nodeClass, current)
	var nothing *image.NothingFoundError
	var unresolved *network.UnresolvedError
	switch {
	case err == nil:
		conditions.SetTrue(sub.condition)
	case errors.As(err, &nothing), errors.As(err, &unresolved):
		conditions.SetFalse(sub.condition, "NothingSelected", err.Error())
	case oci.ClassOf(err) == oci.ClassNotAuthorized, oci.ClassOf(err) == oci.ClassNotFound:
		conditions.SetFalse(sub.condition, "NotAuthorized", "the controller may not read this in OCI; check its IAM policies: "+err.Error())
	default:
		log.FromContext(ctx).Error(err, "resolving failed", "condition", sub.condition)
		if condition := conditions.Get(sub.condition); !condition.IsTrue() || condition.ObservedGeneration != nodeClass.Generation {
			conditions.SetUnknownWithReason(sub.condition, "OCIUnavailable", "OCI did not answer; it is asked again: "+err.Error())
		}
	}
}

func (c *StatusController) resolveImages(ctx context.Context, nodeClass *v1alpha1.OciNodeClass, current *cluster.Cluster) error {
	images, err := c.images.Resolve(ctx, nodeClass.Spec.ImageSelector, current.Version)
	if err == nil {
		nodeClass.Status.Images = images
	}
	return err
}

func (c *StatusController) resolveSubnets(ctx context.Context, nodeClass *v1alpha1.OciNodeClass, current *cluster.Cluster) error {
	subnets, err := c.network.Subnets(ctx, nodeClass.Spec.SubnetSelector, vcn(nodeClass, current))
	if err == nil {
		nodeClass.Status.Subnets = subnets
	}
	return err
}

func (c *StatusController) resolveSecurityGroups(ctx context.Context, nodeClass *v1alpha1.OciNodeClass, current *cluster.Cluster) error {
	groups, err := c.network.SecurityGroups(ctx, nodeClass.Spec.SecurityGroupSelector, vcn(nodeClass, current))
	if err == nil {
		nodeClass.Status.SecurityGroups = groups
	}
	return err
}

func vcn(nodeClass *v1alpha1.OciNodeClass, current *cluster.Cluster) string {
	if nodeClass.Spec.VCNID != "" {
		return nodeClass.Spec.VCNID
	}
	return current.VCNID
}

// logChange tells in one line what a class resolves to now.
func (c *StatusController) logChange(ctx context.Context, before, after *v1alpha1.OciNodeClass) {
	if reflect.DeepEqual(before.Status.Images, after.Status.Images) && reflect.DeepEqual(before.Status.Subnets, after.Status.Subnets) &&
		reflect.DeepEqual(before.Status.SecurityGroups, after.Status.SecurityGroups) {
		return
	}
	names := func(n int, name func(int) string) []string {
		out := make([]string, 0, n)
		for i := range n {
			out = append(out, name(i))
		}
		return out
	}
	s := after.Status
	log.FromContext(ctx).Info("resolved node class",
		"images", names(len(s.Images), func(i int) string { return fmt.Sprintf("%s (%s)", s.Images[i].Name, s.Images[i].ID) }),
		"subnets", names(len(s.Subnets), func(i int) string { return s.Subnets[i].Name }),
		"securityGroups", names(len(s.SecurityGroups), func(i int) string { return s.SecurityGroups[i].Name }))
}
