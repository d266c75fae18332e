// Package metrics tells Prometheus what no single part of the controller knows: what each layer of the cluster holds and costs, what can
// be bought at which price, and how far new images have come. Everything is read from memory.
package metrics

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/awslabs/operatorpkg/reconciler"
	"github.com/awslabs/operatorpkg/singleton"
	controllerruntime "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/cloudprovider"
	coremetrics "sigs.k8s.io/karpenter/pkg/metrics"

	"github.com/karpenter-oke/karpenter-oke/pkg/inspect"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/capacity"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/inventory"
)

// interval is how often the figures are taken: about as often as Prometheus reads them.
const interval = 15 * time.Second

// Layers draws the picture of the cluster.
type Layers interface {
	Layers(ctx context.Context) (*inspect.Layers, error)
}

// InstanceTypes lists what core is given for a NodePool.
type InstanceTypes interface {
	GetInstanceTypes(ctx context.Context, nodePool *karpv1.NodePool) ([]*cloudprovider.InstanceType, error)
}

// Marks are the offerings that can not be had now.
type Marks interface {
	Entries() []capacity.Entry
}

// Dependencies are what the figures are made from. All of them serve memory.
type Dependencies struct {
	Kube          client.Reader
	Layers        Layers
	InstanceTypes InstanceTypes
	Marks         Marks
	// Instances gives the newest list of this cluster's instances.
	Instances func() []inventory.Instance
}

// Controller takes the figures again and again. It runs on the leader only, so that sums over replicas count once.
type Controller struct {
	Dependencies
	store *coremetrics.Store
	parts []part
}

// part is one group of figures; series go to the store by key, and those that a key does not have any more are dropped.
type part struct {
	name string
	// take gives the figures, and an error for what is missing in them; nil figures for none at all.
	take func(context.Context) (map[string][]*coremetrics.StoreMetric, error)
	last map[string][]*coremetrics.StoreMetric
}

// NewController makes the controller.
func NewController(d Dependencies) *Controller {
	c := &Controller{Dependencies: d, store: coremetrics.NewStore()}
	c.parts = []part{{name: "layers", take: c.layers}, {name: "offerings", take: c.offerings}, {name: "images", take: c.images}}
	return c
}

// Name is the controller's name in logs and metrics.
func (c *Controller) Name() string { return "metrics.fleet" }

// Register adds the controller to a manager.
func (c *Controller) Register(_ context.Context, m manager.Manager) error {
	return controllerruntime.NewControllerManagedBy(m).
		Named(c.Name()).
		WatchesRawSource(singleton.Source()).
		Complete(singleton.AsReconciler(c))
}

// Reconcile takes all figures once. A group that can not be taken keeps its last figures and costs the others nothing.
func (c *Controller) Reconcile(ctx context.Context) (reconciler.Result, error) {
	var errs []error
	all := map[string][]*coremetrics.StoreMetric{}
	for k := range c.parts {
		p := &c.parts[k]
		figures, err := p.take(ctx)
		if err != nil {
			errs = append(errs, fmt.Errorf("taking the figures of %s: %w", p.name, err))
		}
		if figures != nil {
			p.last = figures
		}
		for key, series := range p.last {
			all[p.name+"/"+key] = series
		}
	}
	c.store.ReplaceAll(all)
	return reconciler.Result{RequeueAfter: interval}, errors.Join(errs...)
}
