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

// gcPercent makes the heap grow by half, and not to twice its size, before garbage is collected: most of the controller's garbage are copies
// of pods and nodes that live for a moment, and memory is what nodes for it are sized by.
const gcPercent = 50

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

// stripCopies keeps out of the cache who manages which field of an object. Nobody here reads it, it is a good part of each object, and core
// copies each object again and again. It must be called before the cache is started; core offers no setting for it.
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
		if err := transformer.SetTransform(cache.TransformStripManagedFields()); err != nil {
			return fmt.Errorf("preparing the cache of %T: %w", object, err)
		}
	}
	return nil
}
