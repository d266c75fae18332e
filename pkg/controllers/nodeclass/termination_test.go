package nodeclass

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/samber/lo"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/test"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
)

// holding is a class with the controller that holds it and lets it go.
type holding struct {
	*testing.T
	kube     client.Client
	recorder *test.EventRecorder
	holds    *Holds
	control  *TerminationController
}

func newHolding(t *testing.T, between interceptor.Funcs) *holding {
	t.Helper()
	byClass := func(field func(*karpv1.NodeClassReference) string) client.IndexerFunc {
		return func(o client.Object) []string { return []string{field(o.(*karpv1.NodeClaim).Spec.NodeClassRef)} }
	}
	if between.Apply == nil {
		between.Apply = applyFinalizers
	}
	h := &holding{T: t, recorder: test.NewEventRecorder()}
	h.kube = fake.NewClientBuilder().WithScheme(scheme.Scheme).WithInterceptorFuncs(between).
		WithObjects(&v1alpha1.OciNodeClass{ObjectMeta: metav1.ObjectMeta{Name: "class", UID: "uid", Finalizers: []string{"somebody.example/else"}}}).
		WithIndex(&karpv1.NodeClaim{}, "spec.nodeClassRef.group", byClass(func(r *karpv1.NodeClassReference) string { return r.Group })).
		WithIndex(&karpv1.NodeClaim{}, "spec.nodeClassRef.kind", byClass(func(r *karpv1.NodeClassReference) string { return r.Kind })).
		WithIndex(&karpv1.NodeClaim{}, "spec.nodeClassRef.name", byClass(func(r *karpv1.NodeClassReference) string { return r.Name })).
		Build()
	h.holds = NewHolds(h.kube)
	h.control = NewTerminationController(h.kube, h.recorder, h.holds)
	return h
}

// applyFinalizers applies as the API server does, for which finalizers are a set; the fake client takes them for one value.
func applyFinalizers(ctx context.Context, c client.WithWatch, o runtime.ApplyConfiguration, _ ...client.ApplyOption) error {
	applied, ok := o.(metav1.Object)
	if !ok {
		return fmt.Errorf("%T has no metadata", o)
	}
	class := &v1alpha1.OciNodeClass{}
	if err := c.Get(ctx, client.ObjectKey{Name: applied.GetName()}, class); err != nil {
		return err
	}
	if class.UID != applied.GetUID() {
		return apierrors.NewConflict(v1alpha1.GroupVersion.WithResource("ocinodeclasses").GroupResource(), class.Name, errors.New("uid mismatch"))
	}
	for _, finalizer := range applied.GetFinalizers() {
		controllerutil.AddFinalizer(class, finalizer)
	}
	return c.Update(ctx, class)
}

func (h *holding) class() *v1alpha1.OciNodeClass {
	h.Helper()
	class := &v1alpha1.OciNodeClass{}
	require.NoError(h.T, h.kube.Get(h.Context(), client.ObjectKey{Name: "class"}, class))
	return class
}

func (h *holding) held() bool {
	h.Helper()
	class := h.class()
	require.Contains(h.T, class.Finalizers, "somebody.example/else", "those of others stay")
	return lo.Contains(class.Finalizers, v1alpha1.TerminationFinalizer)
}

// reconcile runs the controller on the class, and says whether it wants to come again.
func (h *holding) reconcile(class *v1alpha1.OciNodeClass) (again bool) {
	h.Helper()
	result, err := h.control.Reconcile(h.Context(), class)
	require.NoError(h.T, err)
	return result.RequeueAfter > 0
}

func (h *holding) claim(name, class string) *karpv1.NodeClaim {
	h.Helper()
	claim := &karpv1.NodeClaim{ObjectMeta: metav1.ObjectMeta{Name: name}}
	claim.Spec.NodeClassRef = &karpv1.NodeClassReference{Group: v1alpha1.Group, Kind: "OciNodeClass", Name: class}
	require.NoError(h.T, h.kube.Create(h.Context(), claim))
	return claim
}

// launches holds the class as a launch does; the returned function ends the launch.
func (h *holding) launches(class *v1alpha1.OciNodeClass) func() {
	h.Helper()
	launched, err := h.holds.Hold(h.Context(), class)
	require.NoError(h.T, err)
	require.True(h.T, h.held())
	return launched
}

func TestAClassIsHeldExactlyWhileNodeClaimsUseIt(t *testing.T) {
	h := newHolding(t, interceptor.Funcs{})
	h.claim("stranger", "other")
	h.reconcile(h.class())
	require.False(t, h.held(), "nothing uses it: it may be deleted where no controller runs")
	user := h.claim("user", "class")
	h.reconcile(h.class())
	require.True(t, h.held())
	before := h.class().ResourceVersion
	h.reconcile(h.class())
	require.Equal(t, before, h.class().ResourceVersion, "nothing changed, nothing is written")
	require.NoError(t, h.kube.Delete(t.Context(), user))
	h.reconcile(h.class())
	require.False(t, h.held())
}

func TestADeletedClassWaitsForItsNodeClaimsAndSaysSo(t *testing.T) {
	h := newHolding(t, interceptor.Funcs{})
	user := h.claim("user", "class")
	h.reconcile(h.class())
	require.NoError(t, h.kube.Delete(t.Context(), h.class()))
	require.True(t, h.reconcile(h.class()))
	require.Equal(t, "Deletion waits for NodeClaims that use this class: user", h.recorder.Events()[0].Message)
	require.True(t, h.held())
	require.NoError(t, h.kube.Delete(t.Context(), user))
	h.reconcile(h.class())
	require.False(t, h.held())
	require.False(t, h.reconcile(h.class()), "the rest is somebody else's")
}

func TestALaunchHoldsTheClassBeforeItsNodeClaimIsKnown(t *testing.T) {
	h := newHolding(t, interceptor.Funcs{})
	launched := h.launches(h.class())
	require.True(t, h.reconcile(h.class()), "it is looked at again")
	require.True(t, h.held(), "it is not let go while something is launched from it")
	launched()
	h.reconcile(h.class())
	require.False(t, h.held(), "the launch came to nothing")
}

func TestACopyFromBeforeTheClassWasLetGoIsNotBelieved(t *testing.T) {
	h := newHolding(t, interceptor.Funcs{})
	h.launches(h.class())()
	old := h.class()
	h.reconcile(h.class())
	require.False(t, h.held())
	defer h.launches(old)()
}

func TestALaunchWaitsForTheEndOfLettingGo(t *testing.T) {
	entered, leave := make(chan struct{}), make(chan struct{})
	var block atomic.Bool
	h := newHolding(t, interceptor.Funcs{Patch: func(ctx context.Context, c client.WithWatch, o client.Object, p client.Patch, opts ...client.PatchOption) error {
		if block.CompareAndSwap(true, false) {
			close(entered)
			<-leave
		}
		return c.Patch(ctx, o, p, opts...)
	}})
	h.launches(h.class())()
	class := h.class()
	block.Store(true)
	both := errgroup.Group{}
	both.Go(func() error {
		_, err := h.control.Reconcile(t.Context(), class.DeepCopy())
		return err
	})
	<-entered // the finalizer is being taken off
	short, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := h.holds.Hold(short, class)
	require.ErrorIs(t, err, context.Canceled, "it does not launch meanwhile")
	both.Go(func() error {
		_, err := h.holds.Hold(t.Context(), class)
		return err
	})
	close(leave)
	require.NoError(t, both.Wait())
	require.True(t, h.held(), "whoever came last, the class is held for the launch")
}

// The first nodes of a class come in bursts.
func TestManyLaunchesAtOnceWriteOnceAndDoNotHinderEachOther(t *testing.T) {
	var writes atomic.Int32
	h := newHolding(t, interceptor.Funcs{Apply: func(ctx context.Context, c client.WithWatch, o runtime.ApplyConfiguration, opts ...client.ApplyOption) error {
		writes.Add(1)
		return applyFinalizers(ctx, c, o, opts...)
	}})
	class := h.class() // a copy that stays as it is, as the cache does for a moment
	all := errgroup.Group{}
	for range 100 {
		all.Go(func() error {
			launched, err := h.holds.Hold(t.Context(), class)
			if err == nil {
				launched()
			}
			return err
		})
	}
	require.NoError(t, all.Wait())
	require.True(t, h.held())
	require.EqualValues(t, 1, writes.Load())
}

func TestNothingIsLaunchedFromAClassThatCanNotBeHeld(t *testing.T) {
	refused := errors.New("no new finalizers can be added if the object is being deleted")
	h := newHolding(t, interceptor.Funcs{Apply: func(context.Context, client.WithWatch, runtime.ApplyConfiguration, ...client.ApplyOption) error {
		return refused
	}})
	_, err := h.holds.Hold(t.Context(), h.class())
	require.ErrorIs(t, err, refused)
	require.ErrorContains(t, err, "OciNodeClass class")
	require.False(t, h.reconcile(h.class()), "the launch that did not begin is not waited for")
}

func TestAnotherClassOfTheSameNameIsNotHeld(t *testing.T) {
	h := newHolding(t, interceptor.Funcs{})
	before := h.class()
	before.UID = "gone"
	_, err := h.holds.Hold(t.Context(), before)
	require.True(t, apierrors.IsConflict(err), "%v", err)
	require.False(t, h.held())
}

func TestAFinalizerThatSomebodyTookOffComesBackWhileTheClassIsUsed(t *testing.T) {
	h := newHolding(t, interceptor.Funcs{})
	h.claim("user", "class")
	h.reconcile(h.class())
	class := h.class()
	class.Finalizers = []string{"somebody.example/else"}
	require.NoError(t, h.kube.Update(t.Context(), class))
	h.reconcile(h.class())
	require.True(t, h.held())
}

func TestLettingGoThatFailsIsTriedAgain(t *testing.T) {
	fails := true
	h := newHolding(t, interceptor.Funcs{Patch: func(ctx context.Context, c client.WithWatch, o client.Object, p client.Patch, opts ...client.PatchOption) error {
		if fails {
			return apierrors.NewConflict(v1alpha1.GroupVersion.WithResource("ocinodeclasses").GroupResource(), "class", errors.New("written meanwhile"))
		}
		return c.Patch(ctx, o, p, opts...)
	}})
	h.launches(h.class())()
	require.True(t, h.reconcile(h.class()))
	require.True(t, h.held())
	fails = false
	h.reconcile(h.class())
	require.False(t, h.held())
}
