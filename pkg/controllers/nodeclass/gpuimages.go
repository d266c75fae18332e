package nodeclass

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/samber/lo"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	controllerruntime "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/cloudprovider"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/image"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/instancetype"
)

// reasonNoDrivers is the reason of a False GPUImageReady.
const reasonNoDrivers = "NoImageWithDrivers"

// shapesAgain is when a class is looked at again that came before the region's shapes.
const shapesAgain = 15 * time.Second

// InstanceTypes lists the instance types of a NodePool.
type InstanceTypes interface {
	List(ctx context.Context, nodeClass *v1alpha1.OciNodeClass, nodePool *karpv1.NodePool) ([]*cloudprovider.InstanceType, error)
}

// GPUImagesController tells in the condition GPUImageReady when NodePools ask a class for machines with GPUs and none of the class's images is
// made for them. Nothing is launched then, because no instance type is offered, and without the condition nothing would say why. It asks OCI
// nothing.
type GPUImagesController struct {
	kube  client.Client
	types InstanceTypes
}

// NewGPUImagesController makes the controller.
func NewGPUImagesController(kube client.Client, types InstanceTypes) *GPUImagesController {
	return &GPUImagesController{kube: kube, types: types}
}

// Name is the controller's name in logs and metrics.
func (c *GPUImagesController) Name() string { return "nodeclass.gpuimages" }

// Register adds the controller to a manager: a class is looked at when its images change, or a NodePool that uses it.
func (c *GPUImagesController) Register(_ context.Context, m manager.Manager) error {
	images := predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		was, okWas := e.ObjectOld.(*v1alpha1.OciNodeClass)
		is, okIs := e.ObjectNew.(*v1alpha1.OciNodeClass)
		return !okWas || !okIs || was.Generation != is.Generation || !equality.Semantic.DeepEqual(was.Status.Images, is.Status.Images)
	}}
	ofPool := func(_ context.Context, o client.Object) []reconcile.Request {
		pool, ok := o.(*karpv1.NodePool)
		if !ok || pool.Spec.Template.Spec.NodeClassRef == nil {
			return nil
		}
		return []reconcile.Request{{NamespacedName: client.ObjectKey{Name: pool.Spec.Template.Spec.NodeClassRef.Name}}}
	}
	return controllerruntime.NewControllerManagedBy(m).
		Named(c.Name()).
		For(&v1alpha1.OciNodeClass{}, builder.WithPredicates(images)).
		Watches(&karpv1.NodePool{}, handler.EnqueueRequestsFromMapFunc(ofPool), builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Complete(reconcile.AsReconciler(m.GetClient(), c))
}

func uses(pool *karpv1.NodePool, className string) bool {
	ref := pool.Spec.Template.Spec.NodeClassRef
	return ref != nil && ref.Group == v1alpha1.Group && ref.Name == className
}

// Reconcile sets the condition of one class, or takes it away where no NodePool asks the class for GPUs.
func (c *GPUImagesController) Reconcile(ctx context.Context, nodeClass *v1alpha1.OciNodeClass) (reconcile.Result, error) {
	if !nodeClass.DeletionTimestamp.IsZero() || len(nodeClass.Status.Images) == 0 {
		return reconcile.Result{}, nil // ImageReady tells of a class without any image
	}
	pools := &karpv1.NodePoolList{}
	if err := c.kube.List(ctx, pools); err != nil {
		return reconcile.Result{}, fmt.Errorf("listing NodePools: %w", err)
	}
	stored, found := nodeClass.DeepCopy(), verdictOnImages{}
	for i := range pools.Items {
		if pool := &pools.Items[i]; pool.DeletionTimestamp.IsZero() && uses(pool, nodeClass.Name) {
			if err := c.look(ctx, nodeClass, pool, &found); err != nil {
				if errors.Is(err, instancetype.ErrNotLoaded) {
					return reconcile.Result{RequeueAfter: shapesAgain}, nil
				}
				return reconcile.Result{}, err
			}
		}
	}
	found.write(nodeClass)
	if equality.Semantic.DeepEqual(stored.Status, nodeClass.Status) {
		return reconcile.Result{}, nil
	}
	if err := c.kube.Status().Patch(ctx, nodeClass, client.MergeFromWithOptions(stored, client.MergeFromWithOptimisticLock{})); err != nil {
		return again(err)
	}
	return reconcile.Result{}, nil
}

// verdictOnImages is what was found about a class's images.
type verdictOnImages struct {
	asked     bool     // a NodePool has nothing but machines with GPUs
	lacking   []string // NodePools for whose machines no image is made
	makers    []string // of the GPUs in them
	unchecked []string // images that do not say whether they have drivers
}

// look asks what a NodePool would be offered if every image would do. One that has nothing but machines with GPUs asks for them.
func (c *GPUImagesController) look(ctx context.Context, nodeClass *v1alpha1.OciNodeClass, pool *karpv1.NodePool, found *verdictOnImages) error {
	withAnyImage := nodeClass.DeepCopy()
	withAnyImage.Status.Images = nil
	types, err := c.types.List(ctx, withAnyImage, pool)
	if err != nil {
		return fmt.Errorf("listing the instance types of NodePool %s: %w", pool.Name, err)
	}
	maker := func(t *cloudprovider.InstanceType) string {
		return t.Requirements.Get(v1alpha1.LabelInstanceGPUManufacturer).Any()
	}
	hasGPU := func(t *cloudprovider.InstanceType) bool {
		return t.Requirements.Get(v1alpha1.LabelInstanceGPUManufacturer).Len() > 0
	}
	if len(types) == 0 || !lo.EveryBy(types, hasGPU) {
		return nil
	}
	found.asked = true
	served := false
	for _, t := range types {
		img, ok := image.ForInstanceType(nodeClass.Status.Images, t.Requirements)
		served = served || ok
		if ok && !slices.ContainsFunc(img.Requirements, func(r corev1.NodeSelectorRequirement) bool { return r.Key == v1alpha1.LabelInstanceGPUManufacturer }) {
			found.unchecked = append(found.unchecked, img.Name)
		}
	}
	if !served {
		found.lacking, found.makers = append(found.lacking, pool.Name), append(found.makers, lo.Map(types, func(t *cloudprovider.InstanceType, _ int) string { return maker(t) })...)
	}
	return nil
}

// write sets the condition.
func (v *verdictOnImages) write(nodeClass *v1alpha1.OciNodeClass) {
	conditions := nodeClass.StatusConditions()
	switch {
	case !v.asked:
		// Only conditions that Ready waits for can not be cleared, and this is none.
		_ = conditions.Clear(v1alpha1.ConditionTypeGPUImageReady)
	case len(v.lacking) > 0:
		conditions.SetFalse(v1alpha1.ConditionTypeGPUImageReady, reasonNoDrivers, bounded(fmt.Sprintf(
			"NodePool %s asks for machines with GPUs (%s), and no image of the class is made for them, so none is launched; imageSelector finds: %s. "+
				"Add a term that finds an image with their drivers; {osFamily: Oracle Linux, osVersion: \"8\"} finds OKE's own",
			join(v.lacking), join(v.makers), join(names(nodeClass.Status.Images, func(i v1alpha1.Image) string { return i.Name })))))
	case len(v.unchecked) > 0:
		conditions.SetTrueWithReason(v1alpha1.ConditionTypeGPUImageReady, reasonUnchecked, bounded(
			"the name of the image does not say whether it has drivers for GPUs: "+join(v.unchecked)))
	default:
		conditions.SetTrue(v1alpha1.ConditionTypeGPUImageReady)
	}
}

// join makes a stable text of names.
func join(list []string) string {
	sorted := slices.Sorted(slices.Values(list))
	return strings.Join(slices.Compact(sorted), ", ")
}
