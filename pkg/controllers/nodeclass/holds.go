package nodeclass

import (
	"context"
	"fmt"
	"sync"

	"golang.org/x/sync/singleflight"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
)

// fieldOwner is who the API server says has written the finalizer.
const fieldOwner = client.FieldOwner("karpenter-oke")

// Holds puts the finalizer on an OciNodeClass before anything is launched from it, and takes it off when no NodeClaim uses it any more. So a class
// in use outlives its nodes, and one that is not used can be deleted also where no controller runs.
//
// Both directions meet here because neither can tell from the cache alone: a class that was just let go still has the finalizer there, and a NodeClaim
// that is about to launch may not be there yet.
type Holds struct {
	kube   client.Client
	writes singleflight.Group // the first launches of a class come together

	mu      sync.Mutex // memory only
	classes map[types.UID]*hold
}

// hold is what is known of a class. Without one the cache is believed.
type hold struct {
	launching int           // launches under way
	written   bool          // the finalizer is there, whatever the cache shows
	letGo     chan struct{} // closed when it was taken off, so that a copy that has it is old; nil if it was not
}

// NewHolds makes the guard of all classes; kube may read from a cache.
func NewHolds(kube client.Client) *Holds { return &Holds{kube: kube, classes: map[types.UID]*hold{}} }

// Hold makes sure of the finalizer and keeps it until launched is called, when the NodeClaim that the launch is for stands in for it. An error
// means that nothing may be launched: the class is gone, is being deleted, or can not be written.
func (h *Holds) Hold(ctx context.Context, nodeClass *v1alpha1.OciNodeClass) (launched func(), err error) {
	h.count(nodeClass.UID, 1)
	if err := h.ensure(ctx, nodeClass); err != nil {
		h.count(nodeClass.UID, -1)
		return nil, err
	}
	return func() { h.count(nodeClass.UID, -1) }, nil
}

func (h *Holds) count(class types.UID, by int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.of(class).launching += by
}

// of is the class's entry; mu is held.
func (h *Holds) of(class types.UID) *hold {
	if h.classes[class] == nil {
		h.classes[class] = &hold{}
	}
	return h.classes[class]
}

// ensure writes the finalizer where it is missing, after it has been taken off if that is under way.
func (h *Holds) ensure(ctx context.Context, nodeClass *v1alpha1.OciNodeClass) error {
	h.mu.Lock()
	known := *h.of(nodeClass.UID)
	h.mu.Unlock()
	if known.written || known.letGo == nil && controllerutil.ContainsFinalizer(nodeClass, v1alpha1.TerminationFinalizer) {
		return nil
	}
	if known.letGo != nil {
		select {
		case <-known.letGo:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	_, err, _ := h.writes.Do(string(nodeClass.UID), func() (any, error) {
		h.mu.Lock()
		written := h.of(nodeClass.UID).written // by the one before
		h.mu.Unlock()
		if written {
			return nil, nil
		}
		return nil, h.write(ctx, nodeClass)
	})
	return err
}

// write adds the finalizer to this very class; where it is there, nothing changes. Other finalizers, and writers, are not touched.
func (h *Holds) write(ctx context.Context, nodeClass *v1alpha1.OciNodeClass) error {
	held := &unstructured.Unstructured{}
	held.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("OciNodeClass"))
	held.SetName(nodeClass.Name)
	held.SetUID(nodeClass.UID) // one of the same name that came after it is not meant
	held.SetFinalizers([]string{v1alpha1.TerminationFinalizer})
	if err := h.kube.Apply(ctx, client.ApplyConfigurationFromUnstructured(held), fieldOwner); err != nil {
		return fmt.Errorf("holding OciNodeClass %s while it is in use: %w", nodeClass.Name, err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	known := h.of(nodeClass.UID)
	known.written, known.letGo = true, nil
	return nil
}

// release takes the finalizer off a class that nothing uses. It returns false when a launch is under way, and changes nothing then.
func (h *Holds) release(ctx context.Context, nodeClass *v1alpha1.OciNodeClass) (bool, error) {
	h.mu.Lock()
	known := h.of(nodeClass.UID)
	if known.launching > 0 {
		h.mu.Unlock()
		return false, nil
	}
	letGo := make(chan struct{})
	known.written, known.letGo = false, letGo
	h.mu.Unlock()
	defer close(letGo)
	after := nodeClass.DeepCopy()
	controllerutil.RemoveFinalizer(after, v1alpha1.TerminationFinalizer)
	err := h.kube.Patch(ctx, after, client.MergeFromWithOptions(nodeClass, client.MergeFromWithOptimisticLock{}))
	return true, client.IgnoreNotFound(err)
}

// Forget drops what is remembered of a class that is gone.
func (h *Holds) Forget(class types.UID) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.classes, class)
}
