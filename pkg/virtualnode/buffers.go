package virtualnode

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	controllerruntime "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	autoscalingv1beta1 "sigs.k8s.io/karpenter/pkg/apis/autoscaling/v1beta1"
	"sigs.k8s.io/karpenter/pkg/events"
	"sigs.k8s.io/karpenter/pkg/operator/options"
	"sigs.k8s.io/karpenter/pkg/utils/apps"
)

// EventBufferSkipped is on a CapacityBuffer whose pods virtual nodes take, so that no node is kept for them.
const EventBufferSkipped = "BufferSkippedForVirtualNode"

// A CapacityBuffer asks for room for pods that do not exist yet. Core makes such pods up and adds them after it has listed the pending
// ones, so that marking a list does not reach them. Buffers of pods that virtual nodes take are therefore not shown to core at all:
// virtual nodes need no room prepared, and a node bought for such a buffer would stay empty and stay billed.

// bufferPod is a pod as the buffer's template makes it.
func bufferPod(ctx context.Context, reader client.Client, b *autoscalingv1beta1.CapacityBuffer) (*corev1.Pod, error) {
	resolved, err := apps.ResolveCapacityBuffer(ctx, reader, b)
	if err != nil {
		return nil, err
	}
	p := &corev1.Pod{ObjectMeta: *resolved.PodTemplateSpec.ObjectMeta.DeepCopy(), Spec: resolved.PodTemplateSpec.Spec}
	p.Name, p.Namespace = "capacity-buffer-"+b.Name, b.Namespace
	return p, nil
}

// hidesBuffer tells whether virtual nodes take the buffer's pods, by what the pods say of themselves: it must not change with the state
// of the virtual nodes, because core asks again only when the buffer changes. So a blanket toleration, which goes by their room, is
// left to core, and so is a buffer whose pods are not known: core says so in the buffer's conditions.
func (f *Filter) hidesBuffer(ctx context.Context, reader client.Client, b *autoscalingv1beta1.CapacityBuffer) (Decision, bool) {
	p, err := bufferPod(ctx, reader, b)
	if err != nil {
		return Decision{}, false
	}
	d := f.Decide(p)
	return d, d.Skip() && d.Rule != RuleToleratesAll
}

// getBuffer is Get of a CapacityBuffer: a hidden one does not exist.
func (c *filteringClient) getBuffer(ctx context.Context, key client.ObjectKey, b *autoscalingv1beta1.CapacityBuffer, opts ...client.GetOption) error {
	if err := c.filter.index.Ensure(ctx, c.Client); err != nil {
		return err
	}
	if err := c.Client.Get(ctx, key, b, opts...); err != nil {
		return err
	}
	if _, hidden := c.filter.hidesBuffer(ctx, c.Client, b); hidden {
		return apierrors.NewNotFound(schema.GroupResource{Group: autoscalingv1beta1.Group, Resource: "capacitybuffers"}, key.Name)
	}
	return nil
}

// listBuffers is List of CapacityBuffers without the hidden ones.
func (c *filteringClient) listBuffers(ctx context.Context, list *autoscalingv1beta1.CapacityBufferList, opts ...client.ListOption) error {
	if err := c.filter.index.Ensure(ctx, c.Client); err != nil {
		return err
	}
	if err := c.Client.List(ctx, list, opts...); err != nil {
		return err
	}
	kept := make([]autoscalingv1beta1.CapacityBuffer, 0, len(list.Items))
	for i := range list.Items {
		if _, hidden := c.filter.hidesBuffer(ctx, c.Client, &list.Items[i]); !hidden {
			kept = append(kept, list.Items[i])
		}
	}
	list.Items = kept
	return nil
}

// bufferController tells the owners of hidden buffers so, since core writes no condition on what it does not see.
type bufferController struct {
	filter *Filter
	client client.Client
}

func (c *bufferController) Name() string { return "virtualnode.capacitybuffer" }

// Register does nothing where core's feature is off: the kind may then not exist.
func (c *bufferController) Register(ctx context.Context, m manager.Manager) error {
	if !options.FromContext(ctx).FeatureGates.CapacityBuffer {
		return nil
	}
	c.client = m.GetClient()
	return controllerruntime.NewControllerManagedBy(m).
		Named("virtualnode.capacitybuffer").
		For(&autoscalingv1beta1.CapacityBuffer{}).
		Complete(c)
}

func (c *bufferController) Reconcile(ctx context.Context, req reconcile.Request) (reconcile.Result, error) {
	if err := c.filter.index.Ensure(ctx, c.client); err != nil {
		return reconcile.Result{}, err
	}
	b := &autoscalingv1beta1.CapacityBuffer{}
	if err := c.client.Get(ctx, req.NamespacedName, b); err != nil {
		if client.IgnoreNotFound(err) == nil {
			return reconcile.Result{}, nil
		}
		return reconcile.Result{}, fmt.Errorf("getting capacitybuffer %s, %w", req, err)
	}
	if d, hidden := c.filter.hidesBuffer(ctx, c.client, b); hidden && c.filter.recorder != nil {
		c.filter.recorder.Publish(events.Event{
			InvolvedObject: b,
			Type:           corev1.EventTypeNormal,
			Reason:         EventBufferSkipped,
			Message: fmt.Sprintf("Karpenter keeps no node for this buffer, because virtual nodes take its pods (rule %s: %s). "+
				"For managed nodes instead, set the annotation %s=managed on its pods.", d.Rule, c.filter.ruleText(d), LayerKey),
			DedupeValues:  []string{string(b.UID), d.Rule},
			DedupeTimeout: eventTimeout,
		})
	}
	return reconcile.Result{RequeueAfter: reminderInterval}, nil
}
