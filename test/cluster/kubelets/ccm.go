package kubelets

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"
)

// resync is how often the cloud controller looks at every node without being asked.
const resync = 10 * time.Second

// runCloudController plays OKE's cloud controller manager: it initialises new Nodes from their instance and deletes Nodes whose instance is gone.
func (f *Fleet) runCloudController(ctx context.Context) error {
	factory := informers.NewSharedInformerFactory(f.admin, resync)
	informer := factory.Core().V1().Nodes().Informer()
	queue := workqueue.NewTypedRateLimitingQueue(workqueue.NewTypedItemExponentialFailureRateLimiter[string](100*time.Millisecond, 5*time.Second))
	defer queue.ShutDown()
	enqueue := func(obj any) {
		if node, ok := obj.(*corev1.Node); ok {
			queue.Add(node.Name)
		}
	}
	if _, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{AddFunc: enqueue, UpdateFunc: func(_, obj any) { enqueue(obj) }}); err != nil {
		return fmt.Errorf("cloud controller: watching nodes: %w", err)
	}
	factory.Start(ctx.Done())
	defer factory.Shutdown()
	if !cache.WaitForCacheSync(ctx.Done(), informer.HasSynced) {
		return nil
	}
	go func() {
		for {
			select {
			case <-ctx.Done():
				queue.ShutDown()
				return
			case name := <-f.nodeKick:
				queue.Add(name)
			}
		}
	}()
	for {
		name, quit := queue.Get()
		if quit {
			return nil
		}
		obj, exists, err := informer.GetStore().GetByKey(name)
		if err == nil && exists {
			if node, ok := obj.(*corev1.Node); ok {
				err = f.reconcileNode(ctx, node)
			}
		}
		if err != nil && ctx.Err() == nil {
			f.o.Logger.Error("cloud controller", "node", name, "error", err)
			queue.AddRateLimited(name)
		} else {
			queue.Forget(name)
		}
		queue.Done(name)
	}
}

func (f *Fleet) reconcileNode(ctx context.Context, node *corev1.Node) error {
	inst, ok := f.instanceOf(node.Spec.ProviderID)
	if !ok {
		return nil // not a compute instance: a virtual node, or one made by hand
	}
	if inst.State == "TERMINATED" {
		err := f.admin.CoreV1().Nodes().Delete(ctx, node.Name, metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &node.UID}})
		if apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
			return nil
		}
		return err
	}
	patch, err := f.initialise(node, inst)
	if err != nil || patch == nil {
		return err
	}
	_, err = f.admin.CoreV1().Nodes().Patch(ctx, node.Name, types.MergePatchType, patch, metav1.PatchOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if apierrors.IsConflict(err) {
		return fmt.Errorf("node changed meanwhile: %w", err)
	}
	return err
}

// initialise returns the patch that OKE's controller writes, or nil when the node has been initialised. Taints are a plain list in
// a merge patch, so the patch is bound to the version that was read.
func (f *Fleet) initialise(node *corev1.Node, inst Instance) ([]byte, error) {
	var taints []corev1.Taint
	found := false
	for _, t := range node.Spec.Taints {
		if t.Key == taintUninitialized {
			found = true
			continue
		}
		taints = append(taints, t)
	}
	if !found {
		return nil, nil
	}
	zone := inst.AvailabilityDomain[strings.LastIndex(inst.AvailabilityDomain, ":")+1:]
	labels := map[string]string{
		corev1.LabelTopologyZone: zone, corev1.LabelFailureDomainBetaZone: zone,
		corev1.LabelTopologyRegion: inst.Region, corev1.LabelFailureDomainBetaRegion: inst.Region,
		labelFaultDomain: inst.FaultDomain,
	}
	if !f.o.KeepInstanceType || node.Labels[corev1.LabelInstanceTypeStable] == "" {
		labels[corev1.LabelInstanceTypeStable], labels[corev1.LabelInstanceType] = inst.Shape, inst.Shape
	}
	annotations := map[string]string{annotationCompart: inst.CompartmentID}
	if pool := inst.Metadata[metadataNodePool]; pool != "" {
		annotations[annotationNodePool] = pool
	}
	patch, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"resourceVersion": node.ResourceVersion, "labels": labels, "annotations": annotations},
		"spec":     map[string]any{"taints": taints},
	})
	if err != nil {
		return nil, fmt.Errorf("encoding the patch of %s: %w", node.Name, err)
	}
	return patch, nil
}
