package inspect

import (
	"context"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/awslabs/operatorpkg/status"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/scheme"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/cloudprovider"
	"sigs.k8s.io/karpenter/pkg/scheduling"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/capacity"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/instancetype"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/pricing"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/shape"
	"github.com/karpenter-oke/karpenter-oke/pkg/virtualnode"
)

var now = time.Date(2026, 10, 1, 12, 0, 0, 0, time.UTC)

// world is a small cluster with its catalogue: two shapes in two zones.
type world struct {
	*Inspector
	types map[string][]*cloudprovider.InstanceType
	marks *capacity.Unavailable
	clock *clocktesting.FakeClock
}

// GetInstanceTypes implements InstanceTypes.
func (w *world) GetInstanceTypes(_ context.Context, np *karpv1.NodePool) ([]*cloudprovider.InstanceType, error) {
	return w.types[np.Name], nil
}

// Size implements Sizes.
func (w *world) Size(name string) (instancetype.Size, bool) {
	var shapeName string
	var ocpus, memory float64
	if _, err := fmt.Sscanf(name, "%11s.%fo.%fg", &shapeName, &ocpus, &memory); err != nil {
		return instancetype.Size{}, false
	}
	return instancetype.Size{ShapeName: shapeName, OCPUs: ocpus, MemoryGB: memory}, true
}

// Snapshot implements Shapes.
func (w *world) Snapshot() *shape.Snapshot {
	return shape.NewSnapshot(1, nil, []*shape.Shape{
		{Name: "VM.A.E4Flex", Arch: "amd64", VCPUsPerOCPU: 2, Flexible: true, Zones: []string{"AD-1", "AD-2"}},
		{Name: "VM.B.E5Flex", Arch: "amd64", VCPUsPerOCPU: 2, Flexible: true, Zones: []string{"AD-1"}},
		{Name: "VM.Standard.E4.Flex", Arch: "amd64", VCPUsPerOCPU: 2, Flexible: true, Zones: []string{"AD-1", "AD-2"}},
		{Name: "VM.Fixed.8", Arch: "amd64", VCPUsPerOCPU: 2, OCPUs: 8, MemoryGB: 120, Zones: []string{"AD-1"}},
	})
}

// flatPrices cost 0.02 an OCPU and 0.001 a GB; shapes of the name VM.Unknown have none.
type flatPrices struct{}

func (flatPrices) OnDemand(_ *shape.Shape, ocpus, memoryGB float64, _ pricing.Baseline) (float64, bool) {
	return ocpus*0.02 + memoryGB*0.001, true
}

func (p flatPrices) Spot(s *shape.Shape, ocpus, memoryGB float64) (float64, bool) {
	full, known := p.OnDemand(s, ocpus, memoryGB, "")
	return full / 2, known
}

func (flatPrices) VirtualNode() float64 { return 0.015 }
func (flatPrices) Currency() string     { return "USD" }

// instanceType makes a type of a shape with 2 vCPUs an OCPU; 100m CPU and 1Gi are not allocatable, and a boot volume costs 0.003.
func instanceType(shapeName string, ocpus, memoryGB int, unavailable ...string) *cloudprovider.InstanceType {
	it := &cloudprovider.InstanceType{
		Name: fmt.Sprintf("%s.%do.%dg", shapeName, ocpus, memoryGB),
		Requirements: scheduling.NewRequirements(
			scheduling.NewRequirement(v1alpha1.LabelInstanceShapeName, corev1.NodeSelectorOpIn, shapeName),
			scheduling.NewRequirement(v1alpha1.LabelInstanceCPU, corev1.NodeSelectorOpIn, strconv.Itoa(2*ocpus)),
			scheduling.NewRequirement(corev1.LabelArchStable, corev1.NodeSelectorOpIn, "amd64"),
			scheduling.NewRequirement(corev1.LabelTopologyZone, corev1.NodeSelectorOpIn, "AD-1", "AD-2"),
			scheduling.NewRequirement(karpv1.CapacityTypeLabelKey, corev1.NodeSelectorOpIn, "on-demand", "spot"),
			scheduling.NewRequirement(v1alpha1.LabelInstanceGPU, corev1.NodeSelectorOpDoesNotExist),
		),
		Capacity: list("cpu", strconv.Itoa(2*ocpus), "memory", strconv.Itoa(memoryGB)+"Gi", "pods", "110"),
		Overhead: &cloudprovider.InstanceTypeOverhead{KubeReserved: list("cpu", "100m", "memory", "1Gi")},
	}
	for _, zone := range []string{"AD-1", "AD-2"} {
		for _, capacityType := range []string{"on-demand", "spot"} {
			price, _ := flatPrices{}.OnDemand(nil, float64(ocpus), float64(memoryGB), "")
			if capacityType == "spot" {
				price /= 2
			}
			gone := false
			for _, u := range unavailable {
				gone = gone || u == zone || u == zone+"/"+capacityType
			}
			it.Offerings = append(it.Offerings, &cloudprovider.Offering{
				Requirements: scheduling.NewLabelRequirements(map[string]string{corev1.LabelTopologyZone: zone, karpv1.CapacityTypeLabelKey: capacityType}),
				Price:        price + 0.003, Available: !gone,
			})
		}
	}
	return it
}

func list(pairs ...string) corev1.ResourceList {
	out := corev1.ResourceList{}
	for k := 0; k < len(pairs); k += 2 {
		out[corev1.ResourceName(pairs[k])] = resource.MustParse(pairs[k+1])
	}
	return out
}

// nodePool is ready and on demand only.
func nodePool(name string, edits ...func(*karpv1.NodePool)) *karpv1.NodePool {
	np := &karpv1.NodePool{ObjectMeta: metav1.ObjectMeta{Name: name, UID: "uid"}}
	np.Spec.Template.Spec.NodeClassRef = &karpv1.NodeClassReference{Group: v1alpha1.Group, Kind: "OciNodeClass", Name: "class"}
	np.Spec.Template.Spec.Requirements = []karpv1.NodeSelectorRequirementWithMinValues{
		{Key: karpv1.CapacityTypeLabelKey, Operator: corev1.NodeSelectorOpIn, Values: []string{"on-demand"}},
	}
	for _, kind := range []string{karpv1.ConditionTypeNodeClassReady, karpv1.ConditionTypeValidationSucceeded, karpv1.ConditionTypeNodeRegistrationHealthy} {
		np.StatusConditions().SetTrue(kind)
	}
	np.StatusConditions().SetTrue(status.ConditionReady)
	for _, edit := range edits {
		edit(np)
	}
	return np
}

func readyClass() *v1alpha1.OciNodeClass {
	class := &v1alpha1.OciNodeClass{ObjectMeta: metav1.ObjectMeta{Name: "class"}}
	for _, c := range class.StatusConditions().List() {
		class.StatusConditions().SetTrue(c.Type)
	}
	class.StatusConditions().SetTrue(status.ConditionReady)
	return class
}

func pod(name string, requests corev1.ResourceList, edits ...func(*corev1.Pod)) *corev1.Pod {
	p := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "default"},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Resources: corev1.ResourceRequirements{Requests: requests, Limits: requests}}}},
		Status:     corev1.PodStatus{Phase: corev1.PodPending},
	}
	for _, edit := range edits {
		edit(p)
	}
	return p
}

func tolerating(key string) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		p.Spec.Tolerations = append(p.Spec.Tolerations, corev1.Toleration{Key: key, Operator: corev1.TolerationOpExists})
	}
}

func selecting(key, value string) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		if p.Spec.NodeSelector == nil {
			p.Spec.NodeSelector = map[string]string{}
		}
		p.Spec.NodeSelector[key] = value
	}
}

func node(name string, labels map[string]string, edits ...func(*corev1.Node)) *corev1.Node {
	n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels}}
	n.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}
	n.Status.Capacity = list("cpu", "8", "memory", "31Gi", "pods", "110")
	n.Status.Allocatable = list("cpu", "7", "memory", "28Gi", "pods", "110")
	for _, edit := range edits {
		edit(n)
	}
	return n
}

func virtualNode(name string) *corev1.Node {
	return node(name, map[string]string{"type": "virtual-node", corev1.LabelArchStable: "amd64"}, func(n *corev1.Node) {
		n.Spec.Taints = []corev1.Taint{{Key: "virtual-kubelet.io/provider", Value: "oracle", Effect: corev1.TaintEffectNoSchedule}}
	})
}

func newWorld(t *testing.T, objects ...client.Object) *world {
	t.Helper()
	kube := fake.NewClientBuilder().WithScheme(scheme.Scheme).WithObjects(objects...).WithStatusSubresource().
		WithIndex(&corev1.Pod{}, "spec.nodeName", func(o client.Object) []string {
			p, ok := o.(*corev1.Pod)
			require.True(t, ok)
			return []string{p.Spec.NodeName}
		}).Build()
	clock := clocktesting.NewFakeClock(now)
	w := &world{types: map[string][]*cloudprovider.InstanceType{}, marks: capacity.NewUnavailable(clock), clock: clock}
	elected := make(chan struct{})
	close(elected)
	config := virtualnode.DefaultConfig()
	w.Inspector = New(Dependencies{
		Kube: kube, InstanceTypes: w, Sizes: w, Shapes: w, Prices: flatPrices{}, Marks: w.marks, Elected: elected, Clock: clock,
		Filter: virtualnode.NewFilter(config, virtualnode.NewIndex(config, clock), clock), VirtualNode: config,
	})
	return w
}
