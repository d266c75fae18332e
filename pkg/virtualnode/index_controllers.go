package virtualnode

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	controllerruntime "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
)

const (
	// recountDelay gathers the pods that come and go on a virtual node into one count.
	recountDelay = time.Second
	// graceSlack lets a deadline be surely past when it is looked at.
	graceSlack = 100 * time.Millisecond
)

type queue = workqueue.TypedRateLimitingInterface[reconcile.Request]

// nodeController keeps virtual nodes and their free pods in the index.
type nodeController struct {
	index  *Index
	reader client.Reader
}

func (c *nodeController) Name() string { return "virtualnode.node" }

func (c *nodeController) Register(_ context.Context, m manager.Manager) error {
	c.reader = m.GetClient()
	return controllerruntime.NewControllerManagedBy(m).
		Named("virtualnode.node").
		For(&corev1.Node{}).
		Watches(&corev1.Pod{}, c.podHandler()).
		Complete(c)
}

// Reconcile reads the node. When the node is away it comes back at the end of the grace period, where decisions may turn.
func (c *nodeController) Reconcile(ctx context.Context, req reconcile.Request) (reconcile.Result, error) {
	if err := c.index.Ensure(ctx, c.reader); err != nil {
		return reconcile.Result{}, err
	}
	node := &corev1.Node{}
	if err := c.reader.Get(ctx, req.NamespacedName, node); client.IgnoreNotFound(err) != nil {
		return reconcile.Result{}, fmt.Errorf("getting node %s, %w", req.Name, err)
	} else if err != nil {
		return after(c.index.deleteNode(req.Name)), nil
	}
	var taken load
	if c.index.config.IsVirtual(node) {
		var err error
		if taken, err = readLoad(ctx, c.reader, node.Name); err != nil {
			return reconcile.Result{}, err
		}
	}
	c.index.setNode(node, taken)
	return after(c.index.graceLeft(req.Name)), nil
}

func after(left time.Duration) reconcile.Result {
	if left <= 0 {
		return reconcile.Result{}
	}
	return reconcile.Result{RequeueAfter: left + graceSlack}
}

// podHandler recounts a virtual node some time after a pod on it came, ended or went.
func (c *nodeController) podHandler() handler.EventHandler {
	recount := func(q queue, o client.Object) {
		if p, ok := o.(*corev1.Pod); ok && p.Spec.NodeName != "" && c.index.knows(p.Spec.NodeName) {
			q.AddAfter(reconcile.Request{NamespacedName: types.NamespacedName{Name: p.Spec.NodeName}}, recountDelay)
		}
	}
	return handler.Funcs{
		CreateFunc: func(_ context.Context, e event.CreateEvent, q queue) { recount(q, e.Object) },
		UpdateFunc: func(_ context.Context, e event.UpdateEvent, q queue) {
			if changesCount(e.ObjectOld, e.ObjectNew) {
				recount(q, e.ObjectNew)
			}
		},
		DeleteFunc: func(_ context.Context, e event.DeleteEvent, q queue) { recount(q, e.Object) },
	}
}

// changesCount tells whether the update bound, started or ended the pod, or says why it does not start.
func changesCount(before, now client.Object) bool {
	a, okA := before.(*corev1.Pod)
	b, okB := now.(*corev1.Pod)
	return !okA || !okB || a.Spec.NodeName != b.Spec.NodeName || a.Status.Phase != b.Status.Phase || a.Status.Reason != b.Status.Reason ||
		b.Status.Reason == reasonProviderFailed && a.Status.Message != b.Status.Message
}

// poolController keeps NodePools in the index.
type poolController struct {
	index  *Index
	reader client.Reader
}

func (c *poolController) Name() string { return "virtualnode.nodepool" }

func (c *poolController) Register(_ context.Context, m manager.Manager) error {
	c.reader = m.GetClient()
	return controllerruntime.NewControllerManagedBy(m).
		Named("virtualnode.nodepool").
		For(&karpv1.NodePool{}, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Complete(c)
}

func (c *poolController) Reconcile(ctx context.Context, req reconcile.Request) (reconcile.Result, error) {
	if err := c.index.Ensure(ctx, c.reader); err != nil {
		return reconcile.Result{}, err
	}
	np := &karpv1.NodePool{}
	if err := c.reader.Get(ctx, req.NamespacedName, np); client.IgnoreNotFound(err) != nil {
		return reconcile.Result{}, fmt.Errorf("getting nodepool %s, %w", req.Name, err)
	} else if err != nil {
		np = nil
	}
	c.index.setPool(req.Name, np)
	return reconcile.Result{}, nil
}

// namespaceController keeps the namespaces that state a layer in the index.
type namespaceController struct {
	index  *Index
	reader client.Reader
}

func (c *namespaceController) Name() string { return "virtualnode.namespace" }

func (c *namespaceController) Register(_ context.Context, m manager.Manager) error {
	c.reader = m.GetClient()
	return controllerruntime.NewControllerManagedBy(m).
		Named("virtualnode.namespace").
		For(&corev1.Namespace{}).
		Complete(c)
}

func (c *namespaceController) Reconcile(ctx context.Context, req reconcile.Request) (reconcile.Result, error) {
	if err := c.index.Ensure(ctx, c.reader); err != nil {
		return reconcile.Result{}, err
	}
	ns := &corev1.Namespace{}
	if err := c.reader.Get(ctx, req.NamespacedName, ns); client.IgnoreNotFound(err) != nil {
		return reconcile.Result{}, fmt.Errorf("getting namespace %s, %w", req.Name, err)
	} else if err != nil {
		c.index.setNamespace(req.Name, stated{})
		return reconcile.Result{}, nil
	}
	c.index.setNamespace(req.Name, statedBy(ns))
	return reconcile.Result{}, nil
}
