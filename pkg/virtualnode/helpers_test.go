package virtualnode

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	clocktesting "k8s.io/utils/clock/testing"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
)

var testStart = time.Date(2026, 10, 1, 12, 0, 0, 0, time.UTC)

func testClock() *clocktesting.FakeClock { return clocktesting.NewFakeClock(testStart) }

// vnode returns a Ready virtual node as OKE's users set them up, with room for 1,000 pods.
func vnode(name string, edits ...func(*corev1.Node)) *corev1.Node {
	n := &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{
			Name: name, UID: types.UID("uid-" + name), CreationTimestamp: metav1.NewTime(testStart.Add(-time.Hour)),
			Labels: map[string]string{
				"type": "virtual-node", corev1.LabelHostname: name, corev1.LabelArchStable: "amd64", corev1.LabelTopologyZone: "PHX-AD-1",
			},
		},
		Spec: corev1.NodeSpec{
			ProviderID: "ocid1.virtualnode." + name,
			Taints:     []corev1.Taint{{Key: "virtual-kubelet.io/provider", Value: "oracle", Effect: corev1.TaintEffectNoSchedule}},
		},
		Status: corev1.NodeStatus{
			Capacity: corev1.ResourceList{
				corev1.ResourceCPU: resource.MustParse("128"), corev1.ResourceMemory: resource.MustParse("1Ti"), corev1.ResourcePods: resource.MustParse("1000"),
			},
			Conditions: []corev1.NodeCondition{{
				Type: corev1.NodeReady, Status: corev1.ConditionTrue, LastTransitionTime: metav1.NewTime(testStart.Add(-time.Hour)),
			}},
		},
	}
	n.Status.Allocatable = n.Status.Capacity.DeepCopy()
	for _, edit := range edits {
		edit(n)
	}
	return n
}

func cordoned(n *corev1.Node) { n.Spec.Unschedulable = true }

func full(n *corev1.Node) { n.Status.Allocatable[corev1.ResourcePods] = resource.MustParse("0") }

func notReadySince(t time.Time) func(*corev1.Node) {
	return func(n *corev1.Node) {
		n.Status.Conditions[0].Status = corev1.ConditionUnknown
		n.Status.Conditions[0].LastTransitionTime = metav1.NewTime(t)
		n.Spec.Taints = append(n.Spec.Taints, corev1.Taint{Key: corev1.TaintNodeUnreachable, Effect: corev1.TaintEffectNoSchedule})
	}
}

func nodeLabel(key, value string) func(*corev1.Node) {
	return func(n *corev1.Node) { n.Labels[key] = value }
}

func nodeTaint(key, value string) func(*corev1.Node) {
	return func(n *corev1.Node) {
		n.Spec.Taints = append(n.Spec.Taints, corev1.Taint{Key: key, Value: value, Effect: corev1.TaintEffectNoSchedule})
	}
}

// pendingPod returns a pod that kube-scheduler has just given up on.
func pendingPod(name string, edits ...func(*corev1.Pod)) *corev1.Pod {
	p := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Name: name, Namespace: "default", UID: types.UID("uid-" + name), CreationTimestamp: metav1.NewTime(testStart),
			Annotations: map[string]string{}, Labels: map[string]string{"app": "web"},
		},
		Spec: corev1.PodSpec{Containers: []corev1.Container{{
			Name: "main", Image: "web",
			Resources: corev1.ResourceRequirements{
				Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("250m"), corev1.ResourceMemory: resource.MustParse("256Mi")},
				Limits:   corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("250m"), corev1.ResourceMemory: resource.MustParse("256Mi")},
			},
		}}},
		Status: corev1.PodStatus{
			Phase: corev1.PodPending,
			Conditions: []corev1.PodCondition{{
				Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonUnschedulable, LastTransitionTime: metav1.NewTime(testStart),
			}},
		},
	}
	for _, edit := range edits {
		edit(p)
	}
	return p
}

// burst is the toleration and selector of a workload that is meant for virtual nodes.
func burst(p *corev1.Pod) {
	byKey(p)
	p.Spec.NodeSelector = map[string]string{"type": "virtual-node"}
}

func byKey(p *corev1.Pod) {
	p.Spec.Tolerations = append(p.Spec.Tolerations, corev1.Toleration{Key: "virtual-kubelet.io/provider", Operator: corev1.TolerationOpExists})
}

func tolerateAll(p *corev1.Pod) {
	p.Spec.Tolerations = append(p.Spec.Tolerations, corev1.Toleration{Operator: corev1.TolerationOpExists})
}

func toleration(t corev1.Toleration) func(*corev1.Pod) {
	return func(p *corev1.Pod) { p.Spec.Tolerations = append(p.Spec.Tolerations, t) }
}

func selector(key, value string) func(*corev1.Pod) {
	return func(p *corev1.Pod) { p.Spec.NodeSelector = map[string]string{key: value} }
}

func annotation(key, value string) func(*corev1.Pod) {
	return func(p *corev1.Pod) { p.Annotations[key] = value }
}

func affinity(terms ...corev1.NodeSelectorTerm) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		p.Spec.Affinity = &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{
			RequiredDuringSchedulingIgnoredDuringExecution: &corev1.NodeSelector{NodeSelectorTerms: terms},
		}}
	}
}

func term(key string, op corev1.NodeSelectorOperator, values ...string) corev1.NodeSelectorTerm {
	return corev1.NodeSelectorTerm{MatchExpressions: []corev1.NodeSelectorRequirement{{Key: key, Operator: op, Values: values}}}
}

func pvc(p *corev1.Pod) { claim("data")(p) }

// nodePool returns a Ready NodePool; labels are those of its nodes.
func nodePool(name string, labels map[string]string, taints ...corev1.Taint) *karpv1.NodePool {
	np := &karpv1.NodePool{ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID("uid-" + name), Generation: 1}}
	np.Spec.Template.Labels = labels
	np.Spec.Template.Spec.Taints = taints
	np.Spec.Template.Spec.NodeClassRef = &karpv1.NodeClassReference{Group: "karpenter.test.sh", Kind: "TestNodeClass", Name: "default"}
	np.Spec.Template.Spec.Requirements = []karpv1.NodeSelectorRequirementWithMinValues{}
	np.StatusConditions().SetTrue(karpv1.ConditionTypeValidationSucceeded)
	np.StatusConditions().SetTrue(karpv1.ConditionTypeNodeClassReady)
	np.StatusConditions().SetUnknown(karpv1.ConditionTypeNodeRegistrationHealthy)
	return np
}

// sharedClaim is the claim that File Storage stands behind in testFilter's index.
var sharedClaim = types.NamespacedName{Namespace: "default", Name: "shared"}

func claim(name string) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		p.Spec.Volumes = append(p.Spec.Volumes, corev1.Volume{Name: name, VolumeSource: corev1.VolumeSource{
			PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: name},
		}})
	}
}

// testFilter returns a filter over the given nodes, NodePools and namespaces, which are given as objects, and sharedClaim.
func testFilter(cfg Config, clk clock.PassiveClock, objects ...any) *Filter {
	index := NewIndex(cfg, clk)
	index.filled.Store(true)
	index.setClaim(sharedClaim, true)
	for _, o := range objects {
		switch o := o.(type) {
		case *corev1.Node:
			index.setNode(o, load{})
		case *karpv1.NodePool:
			index.setPool(o.Name, o)
		case *corev1.Namespace:
			index.setNamespace(o.Name, statedBy(o))
		default:
			panic(fmt.Sprintf("testFilter does not take a %T", o))
		}
	}
	return NewFilter(cfg, index, clk)
}

func resourceOf(n int64) *resource.Quantity { return resource.NewQuantity(n, resource.DecimalSI) }
