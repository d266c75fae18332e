package memory

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
)

// many are the kinds of objects of which a cluster has many.
var many = []client.Object{&corev1.Pod{}, &corev1.Node{}, &karpv1.NodeClaim{}}

// informers is the part of a cache that StripCopies works on.
type informers interface {
	GetInformer(ctx context.Context, object client.Object, options ...cache.InformerGetOption) (cache.Informer, error)
}

// StripCopies keeps out of the cache what nobody here reads: it is most of each object, and core copies each object again and again. settled
// tells of a pod that nothing in its containers and volumes is asked for any more but what they request. StripCopies must be called before
// the cache is started; core offers no setting for it.
func StripCopies(ctx context.Context, from informers, settled func(*corev1.Pod) bool) error {
	strip := (&stripper{settled: settled, shared: newSharer()}).strip
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

// stripper takes from objects that arrive what nobody here reads.
type stripper struct {
	settled func(*corev1.Pod) bool
	shared  *sharer
}

// strip takes away who manages which field, the copy that kubectl leaves of what was applied, and of pods what stripPod says.
func (s *stripper) strip(object any) (any, error) {
	if o, is := object.(client.Object); is {
		o.SetManagedFields(nil)
		if annotations := o.GetAnnotations(); annotations[corev1.LastAppliedConfigAnnotation] != "" {
			delete(annotations, corev1.LastAppliedConfigAnnotation)
			o.SetAnnotations(annotations)
		}
	}
	if pod, is := object.(*corev1.Pod); is {
		s.stripPod(pod)
	}
	return object, nil
}
