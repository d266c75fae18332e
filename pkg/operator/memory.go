package operator

import (
	"context"
	"fmt"
	"os"
	"runtime/debug"

	corev1 "k8s.io/api/core/v1"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
)

// gcPercent makes the heap grow by a third, and not to twice its size, before garbage is collected: most of the controller's garbage are
// copies of pods and nodes that live for a moment, and memory is what nodes for it are sized by.
const gcPercent = 30

// SpareMemory is to be called before anything else. GOGC in the environment has the last word.
func SpareMemory() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
}

// many are the kinds of objects of which a cluster has many.
var many = []client.Object{&corev1.Pod{}, &corev1.Node{}, &karpv1.NodeClaim{}}

// informers is the part of a cache that stripCopies works on.
type informers interface {
	GetInformer(ctx context.Context, object client.Object, options ...cache.InformerGetOption) (cache.Informer, error)
}

// stripCopies keeps out of the cache who manages which field of an object, and what containers of pods do at the moment. Nobody here reads it,
// it is a good part of each object, and core copies each object again and again. It must be called before the cache is started; core offers no
// setting for it.
func stripCopies(ctx context.Context, from informers) error {
	for _, object := range many {
		informer, err := from.GetInformer(ctx, object, cache.BlockUntilSynced(false))
		if err != nil {
			return fmt.Errorf("making the cache of %T: %w", object, err)
		}
		transformer, ok := informer.(interface {
			SetTransform(transform toolscache.TransformFunc) error
		})
		if !ok {
			continue // it works all the same, with more memory
		}
		if err := transformer.SetTransform(strip); err != nil {
			return fmt.Errorf("preparing the cache of %T: %w", object, err)
		}
	}
	return nil
}

// strip takes from an object what nobody here reads.
func strip(object any) (any, error) {
	if pod, is := object.(*corev1.Pod); is {
		stripContainers(pod.Status.InitContainerStatuses)
		stripContainers(pod.Status.ContainerStatuses)
		stripContainers(pod.Status.EphemeralContainerStatuses)
	}
	return cache.TransformStripManagedFields()(object)
}

// stripContainers leaves of each container what tells how much it has been given, which core counts where it differs from what was asked for.
func stripContainers(all []corev1.ContainerStatus) {
	for i, c := range all {
		all[i] = corev1.ContainerStatus{Name: c.Name, AllocatedResources: c.AllocatedResources, Resources: c.Resources}
	}
}
