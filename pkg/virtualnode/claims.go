package virtualnode

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/types"
	controllerruntime "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// fileStorageDriver is the CSI driver and provisioner of OCI File Storage in OKE, the one kind of claim that virtual nodes mount.
const fileStorageDriver = "fss.csi.oraclecloud.com"

// claimController keeps the claims of File Storage in the index. Core reads the same three kinds, so its watches cost nothing more.
type claimController struct {
	index  *Index
	reader client.Reader
}

func (c *claimController) Name() string { return "virtualnode.claim" }

func (c *claimController) Register(_ context.Context, m manager.Manager) error {
	c.reader = m.GetClient()
	return controllerruntime.NewControllerManagedBy(m).
		Named("virtualnode.claim").
		For(&corev1.PersistentVolumeClaim{}).
		Watches(&corev1.PersistentVolume{}, handler.EnqueueRequestsFromMapFunc(claimOfVolume)).
		Watches(&storagev1.StorageClass{}, handler.EnqueueRequestsFromMapFunc(c.claimsOfClass)).
		Complete(c)
}

func (c *claimController) Reconcile(ctx context.Context, req reconcile.Request) (reconcile.Result, error) {
	if err := c.index.Ensure(ctx, c.reader); err != nil {
		return reconcile.Result{}, err
	}
	claim := &corev1.PersistentVolumeClaim{}
	if err := c.reader.Get(ctx, req.NamespacedName, claim); client.IgnoreNotFound(err) != nil {
		return reconcile.Result{}, fmt.Errorf("getting claim %s, %w", req, err)
	} else if err != nil {
		c.index.setClaim(req.NamespacedName, false)
		return reconcile.Result{}, nil
	}
	driver, err := driverOf(ctx, c.reader, claim)
	if err != nil {
		return reconcile.Result{}, err
	}
	c.index.setClaim(req.NamespacedName, driver == fileStorageDriver)
	return reconcile.Result{}, nil
}

func claimOfVolume(_ context.Context, o client.Object) []reconcile.Request {
	volume, ok := o.(*corev1.PersistentVolume)
	if !ok || volume.Spec.ClaimRef == nil {
		return nil
	}
	return []reconcile.Request{{NamespacedName: types.NamespacedName{Namespace: volume.Spec.ClaimRef.Namespace, Name: volume.Spec.ClaimRef.Name}}}
}

func (c *claimController) claimsOfClass(ctx context.Context, o client.Object) []reconcile.Request {
	claims := &corev1.PersistentVolumeClaimList{}
	if err := c.reader.List(ctx, claims, client.UnsafeDisableDeepCopy); err != nil {
		return nil // the cache was not there; its own first events bring every claim
	}
	var requests []reconcile.Request
	for i := range claims.Items {
		if name := claims.Items[i].Spec.StorageClassName; name != nil && *name == o.GetName() {
			requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&claims.Items[i])})
		}
	}
	return requests
}

// fileStorageClaims finds every claim that File Storage stands behind.
func fileStorageClaims(ctx context.Context, reader client.Reader) (map[types.NamespacedName]struct{}, error) {
	claims := &corev1.PersistentVolumeClaimList{}
	if err := reader.List(ctx, claims); err != nil {
		return nil, fmt.Errorf("listing claims, %w", err)
	}
	found := map[types.NamespacedName]struct{}{}
	for i := range claims.Items {
		driver, err := driverOf(ctx, reader, &claims.Items[i])
		if err != nil {
			return nil, err
		}
		if driver == fileStorageDriver {
			found[client.ObjectKeyFromObject(&claims.Items[i])] = struct{}{}
		}
	}
	return found, nil
}

// driverOf is the CSI driver behind a claim: its volume's, or before it has one its class's. Empty when none is known.
func driverOf(ctx context.Context, reader client.Reader, claim *corev1.PersistentVolumeClaim) (string, error) {
	if name := claim.Spec.VolumeName; name != "" {
		volume := &corev1.PersistentVolume{}
		if err := reader.Get(ctx, client.ObjectKey{Name: name}, volume); err != nil {
			return "", ignoreMissing(err, "volume "+name)
		}
		if volume.Spec.CSI == nil {
			return "", nil
		}
		return volume.Spec.CSI.Driver, nil
	}
	if claim.Spec.StorageClassName == nil || *claim.Spec.StorageClassName == "" {
		return "", nil
	}
	class := &storagev1.StorageClass{}
	if err := reader.Get(ctx, client.ObjectKey{Name: *claim.Spec.StorageClassName}, class); err != nil {
		return "", ignoreMissing(err, "storage class "+*claim.Spec.StorageClassName)
	}
	return class.Provisioner, nil
}

// ignoreMissing lets what does not exist pass: the claim is then of no known kind.
func ignoreMissing(err error, what string) error {
	if client.IgnoreNotFound(err) == nil {
		return nil
	}
	return fmt.Errorf("getting %s, %w", what, err)
}
