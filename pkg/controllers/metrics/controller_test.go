package metrics

import (
	"context"
	"errors"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/oracle/oci-go-sdk/v65/core"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/scheme"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	crmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/cloudprovider"
	"sigs.k8s.io/karpenter/pkg/scheduling"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/pkg/inspect"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/capacity"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/inventory"
)

// world answers the controller from fields.
type world struct {
	picture   *inspect.Layers
	fails     error
	types     map[string][]*cloudprovider.InstanceType
	marks     *capacity.Unavailable
	instances []inventory.Instance
}

func (w *world) Layers(context.Context) (*inspect.Layers, error) { return w.picture, w.fails }

func (w *world) GetInstanceTypes(_ context.Context, pool *karpv1.NodePool) ([]*cloudprovider.InstanceType, error) {
	types, ok := w.types[pool.Name]
	if !ok {
		return nil, errors.New("no list")
	}
	return types, nil
}

func (w *world) Entries() []capacity.Entry { return w.marks.Entries() }

func instanceType(name, shape string, offerings ...*cloudprovider.Offering) *cloudprovider.InstanceType {
	return &cloudprovider.InstanceType{
		Name: name, Offerings: offerings,
		Requirements: scheduling.NewRequirements(
			scheduling.NewRequirement(v1alpha1.LabelInstanceShapeName, corev1.NodeSelectorOpIn, shape),
			scheduling.NewRequirement(karpv1.CapacityTypeLabelKey, corev1.NodeSelectorOpIn, "on-demand", "spot"),
		),
	}
}

func offering(zone, capacityType string, price float64, available bool) *cloudprovider.Offering {
	return &cloudprovider.Offering{
		Requirements: scheduling.NewLabelRequirements(map[string]string{corev1.LabelTopologyZone: zone, karpv1.CapacityTypeLabelKey: capacityType}),
		Price:        price, Available: available,
	}
}

func pool(name string, capacityTypes ...string) *karpv1.NodePool {
	p := &karpv1.NodePool{ObjectMeta: metav1.ObjectMeta{Name: name}}
	p.Spec.Template.Spec.Requirements = []karpv1.NodeSelectorRequirementWithMinValues{
		{Key: karpv1.CapacityTypeLabelKey, Operator: corev1.NodeSelectorOpIn, Values: capacityTypes},
	}
	return p
}

// shown are the series of some families that are served now, as name{label values in the order of their names} to value.
func shown(t *testing.T, prefixes ...string) map[string]float64 {
	t.Helper()
	families, err := crmetrics.Registry.Gather()
	require.NoError(t, err)
	out := map[string]float64{}
	for _, f := range families {
		for _, prefix := range prefixes {
			if !strings.HasPrefix(f.GetName(), prefix) {
				continue
			}
			for _, m := range f.GetMetric() {
				labels := m.GetLabel()
				sort.Slice(labels, func(a, b int) bool { return labels[a].GetName() < labels[b].GetName() })
				values := make([]string, len(labels))
				for k, l := range labels {
					values[k] = l.GetValue()
				}
				out[strings.TrimPrefix(f.GetName(), "karpenter_oke_")+"{"+strings.Join(values, ",")+"}"] = m.GetGauge().GetValue()
			}
		}
	}
	return out
}

func newWorld() *world {
	return &world{
		picture: &inspect.Layers{Currency: "USD"}, types: map[string][]*cloudprovider.InstanceType{},
		marks: capacity.NewUnavailable(clocktesting.NewFakeClock(time.Unix(1_800_000_000, 0))),
	}
}

func (w *world) controller(t *testing.T, builder *fake.ClientBuilder) *Controller {
	t.Helper()
	c := NewController(Dependencies{Kube: builder.WithScheme(scheme.Scheme).Build(), Layers: w, InstanceTypes: w, Marks: w, Instances: func() []inventory.Instance { return w.instances }})
	t.Cleanup(func() { c.store.ReplaceAll(nil) })
	return c
}

func TestLayersAreShownWithTheirCost(t *testing.T) {
	w := newWorld()
	cpu := func(cores string) corev1.ResourceList {
		return corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cores)}
	}
	w.picture = &inspect.Layers{
		Currency: "USD", Pending: map[string]int{"managed": 2, "virtual": 3},
		Layers: []inspect.Layer{
			{Name: "karpenter", Nodes: 3, NotReady: 1, Pods: 7, Requests: cpu("2500m"), Allocatable: cpu("4"), Price: 1.5, Unpriced: 1,
				Parts: []inspect.Layer{{Name: "general", Price: 1.25, FitSavings: 0.5}}},
			{Name: "virtual", Nodes: 1, Pods: 1, Price: 0.25},
		},
	}
	c := w.controller(t, fake.NewClientBuilder())
	_, err := c.Reconcile(t.Context())
	require.NoError(t, err)
	require.Equal(t, map[string]float64{
		"layer_nodes{karpenter,ready}": 2, "layer_nodes{karpenter,not_ready}": 1, "layer_pods{karpenter}": 7, "layer_cost_per_hour{karpenter}": 1.5,
		"layer_unpriced_nodes{karpenter}": 1, "layer_requested{karpenter,cpu}": 2.5, "layer_allocatable{karpenter,cpu}": 4,
		"layer_nodes{virtual,ready}": 1, "layer_nodes{virtual,not_ready}": 0, "layer_pods{virtual}": 1, "layer_cost_per_hour{virtual}": 0.25,
		"layer_unpriced_nodes{virtual}": 0, "layer_pending_pods{managed}": 2, "layer_pending_pods{virtual}": 3, "fleet_cost_per_hour{USD}": 1.75,
		"nodepool_cost_per_hour{general}": 1.25, "nodepool_fit_savings_per_hour{general}": 0.5,
	}, shown(t, "karpenter_oke_layer", "karpenter_oke_fleet", "karpenter_oke_nodepool"))

	w.picture = &inspect.Layers{Currency: "EUR", Layers: w.picture.Layers[1:]}
	_, err = c.Reconcile(t.Context())
	require.NoError(t, err)
	require.Equal(t, map[string]float64{"fleet_cost_per_hour{EUR}": 0.25}, shown(t, "karpenter_oke_fleet"), "what is gone is not shown")
	require.Empty(t, shown(t, "karpenter_oke_nodepool"))
}

func TestOfferingsAreSummedUpByShapeOverWhatNodePoolsAllow(t *testing.T) {
	w := newWorld()
	w.types["on-demand-only"] = []*cloudprovider.InstanceType{
		instanceType("E5.1", "E5", offering("AD-1", "on-demand", 0.1, true), offering("AD-1", "spot", 0.05, true), offering("AD-2", "on-demand", 0.1, false)),
		instanceType("E5.2", "E5", offering("AD-1", "on-demand", 0.2, true), offering("AD-2", "on-demand", 0.2, false)),
	}
	w.types["same-again"] = w.types["on-demand-only"]
	w.marks.MarkUnavailable(t.Context(), capacity.ReasonOutOfHostCapacity, capacity.Offering{Shape: "E5", Zone: "AD-2", OCPUs: 1}, time.Minute)
	w.marks.MarkUnavailable(t.Context(), capacity.ReasonOutOfHostCapacity, capacity.Offering{Shape: "E5", Zone: "AD-2", OCPUs: 2}, time.Minute)
	c := w.controller(t, fake.NewClientBuilder().WithObjects(pool("on-demand-only", "on-demand"), pool("same-again", "on-demand"), pool("broken", "on-demand")))
	_, err := c.Reconcile(t.Context())
	require.ErrorContains(t, err, "NodePool broken: no list")
	require.Equal(t, map[string]float64{
		"offerings_available{on-demand,E5,AD-1}": 2, "offerings_lowest_price_per_hour{on-demand,E5,AD-1}": 0.1,
		"offerings_available{on-demand,E5,AD-2}": 0, "offerings_lowest_price_per_hour{on-demand,E5,AD-2}": 0.1,
		"offerings_unavailable{,OutOfHostCapacity,E5,AD-2}": 2,
	}, shown(t, "karpenter_oke_offerings"), "a NodePool that can not be listed costs the others nothing, and what no NodePool allows is not shown")
}

func TestInstancesAreComparedWithTheImagesOfTheirClass(t *testing.T) {
	class := &v1alpha1.OciNodeClass{ObjectMeta: metav1.ObjectMeta{Name: "general"}}
	class.Status.Images = []v1alpha1.Image{{ID: "new", Successor: &v1alpha1.ImageSuccessor{ID: "newer"}}, {ID: "arm"}}
	w := newWorld()
	for _, i := range [][3]string{
		{"new", "general", "RUNNING"}, {"old", "general", "RUNNING"}, {"old", "general", "TERMINATING"},
		{"old", "gone", "RUNNING"}, {"", "general", "RUNNING"}, {"arm", "general", "PROVISIONING"},
	} {
		w.instances = append(w.instances, inventory.Instance{
			ImageID: i[0], Owner: inventory.Owner{NodeClass: i[1]}, State: core.InstanceLifecycleStateEnum(i[2]),
		})
	}
	c := w.controller(t, fake.NewClientBuilder().WithObjects(class))
	_, err := c.Reconcile(t.Context())
	require.NoError(t, err)
	require.Equal(t, map[string]float64{
		"nodeclass_instances{current,general}": 2, "nodeclass_instances{other,general}": 1, "nodeclass_images_waiting{general}": 1,
	}, shown(t, "karpenter_oke_nodeclass"))
}

func TestAGroupThatFailsKeepsItsLastFigures(t *testing.T) {
	w := newWorld()
	c := w.controller(t, fake.NewClientBuilder().WithObjects(&v1alpha1.OciNodeClass{ObjectMeta: metav1.ObjectMeta{Name: "late"}}))
	w.fails = errors.New("no cache")
	_, err := c.Reconcile(t.Context())
	require.ErrorContains(t, err, "layers: no cache")
	require.Contains(t, shown(t, "karpenter_oke_nodeclass"), "nodeclass_images_waiting{late}", "the others are taken")
	w.fails = nil
	_, err = c.Reconcile(t.Context())
	require.NoError(t, err)
	w.fails = errors.New("no cache")
	_, err = c.Reconcile(t.Context())
	require.Error(t, err)
	require.Equal(t, map[string]float64{"fleet_cost_per_hour{USD}": 0}, shown(t, "karpenter_oke_fleet"))
}
