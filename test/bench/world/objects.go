package world

import (
	"cmp"
	"fmt"
	"time"

	"github.com/oracle/oci-go-sdk/v65/core"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
)

// name is what the one NodePool and the one node class are called.
const name = "bench"

// Requests are what a pod asks for.
type Requests struct {
	CPUMillis, MemoryMiB int64
}

func (r Requests) list() corev1.ResourceList {
	return corev1.ResourceList{
		corev1.ResourceCPU:    *resource.NewMilliQuantity(r.CPUMillis, resource.DecimalSI),
		corev1.ResourceMemory: *resource.NewQuantity(r.MemoryMiB<<20, resource.BinarySI),
	}
}

func containers(r Requests) []corev1.Container {
	return []corev1.Container{{Name: "main", Image: "example", Resources: corev1.ResourceRequirements{Requests: r.list()}}}
}

// daemons are the DaemonSets that every node runs: what OKE itself puts there (network, proxy, storage) and an agent for logs and metrics.
// Their requests are assumptions in the usual order of magnitude; together 250 millicores and 414 MiB.
var daemons = []struct {
	name string
	Requests
}{
	{"network", Requests{50, 50}},
	{"proxy", Requests{50, 64}},
	{"storage", Requests{50, 100}},
	{"telemetry", Requests{100, 200}},
}

// DaemonRequests is what one node's DaemonSets ask for together.
func DaemonRequests() (total Requests, pods int) {
	for _, d := range daemons {
		total.CPUMillis += d.CPUMillis
		total.MemoryMiB += d.MemoryMiB
	}
	return total, len(daemons)
}

// DaemonSets are the DaemonSets of a World.
func DaemonSets() []appsv1.DaemonSet {
	out := make([]appsv1.DaemonSet, 0, len(daemons))
	for _, d := range daemons {
		set := appsv1.DaemonSet{ObjectMeta: metav1.ObjectMeta{Name: d.name, Namespace: "kube-system", UID: types.UID(d.name)}}
		set.Spec.Template.Spec = corev1.PodSpec{
			Containers: containers(d.Requests), Tolerations: []corev1.Toleration{{Operator: corev1.TolerationOpExists}},
		}
		out = append(out, set)
	}
	return out
}

// NewPod is a pod of a ReplicaSet that waits for a node. Equal names give equal pods.
func NewPod(podName string, created time.Time, r Requests) *corev1.Pod {
	isController := true
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Name: podName, Namespace: "default", UID: types.UID("uid-" + podName), CreationTimestamp: metav1.NewTime(created),
			OwnerReferences: []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "ReplicaSet", Name: "set", UID: "set", Controller: &isController}},
		},
		Spec: corev1.PodSpec{Containers: containers(r)},
		Status: corev1.PodStatus{Phase: corev1.PodPending, Conditions: []corev1.PodCondition{{
			Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonUnschedulable,
		}}},
	}
}

func newNodeClass(o Options) *v1alpha1.OciNodeClass {
	nc := &v1alpha1.OciNodeClass{ObjectMeta: metav1.ObjectMeta{Name: name, UID: "class"}}
	if o.Sizing != "" {
		nc.Spec.Flex = &v1alpha1.Flex{Sizing: o.Sizing}
	}
	noGPU := corev1.NodeSelectorRequirement{Key: v1alpha1.LabelInstanceGPUManufacturer, Operator: corev1.NodeSelectorOpDoesNotExist}
	for _, arch := range []string{karpv1.ArchitectureAmd64, karpv1.ArchitectureArm64} {
		nc.Status.Images = append(nc.Status.Images, v1alpha1.Image{
			ID: "ocid1.image.oc1.phx." + arch, KubernetesVersion: "v1.34.1", Requirements: []corev1.NodeSelectorRequirement{
				{Key: corev1.LabelArchStable, Operator: corev1.NodeSelectorOpIn, Values: []string{arch}}, noGPU,
			},
		})
	}
	nc.Status.Subnets = []v1alpha1.Subnet{{ID: "ocid1.subnet.oc1.phx.nodes"}}
	for _, condition := range v1alpha1.ReadyConditionTypes {
		nc.StatusConditions().SetTrue(condition)
	}
	return nc
}

func newNodePool(o Options) *karpv1.NodePool {
	np := &karpv1.NodePool{ObjectMeta: metav1.ObjectMeta{Name: name, UID: "pool"}}
	np.Spec.Template.Spec.NodeClassRef = &karpv1.NodeClassReference{Group: v1alpha1.Group, Kind: "OciNodeClass", Name: name}
	np.Spec.Template.Spec.Requirements = append([]karpv1.NodeSelectorRequirementWithMinValues{
		{Key: karpv1.CapacityTypeLabelKey, Operator: corev1.NodeSelectorOpIn, Values: []string{karpv1.CapacityTypeOnDemand}},
	}, o.Requirements...)
	np.Spec.Template.Spec.ExpireAfter = karpv1.NillableDuration{}
	after := o.ConsolidateAfter
	np.Spec.Disruption = karpv1.Disruption{
		ConsolidationPolicy: karpv1.ConsolidationPolicyWhenEmptyOrUnderutilized,
		ConsolidateAfter:    karpv1.NillableDuration{Duration: &after},
		Budgets:             []karpv1.Budget{{Nodes: "10%"}}, // Karpenter's default
	}
	np.StatusConditions().SetTrue(karpv1.ConditionTypeValidationSucceeded)
	np.StatusConditions().SetTrue(karpv1.ConditionTypeNodeClassReady)
	return np
}

func newInstances() map[string]*core.Instance { return map[string]*core.Instance{} }

func compareNames(a, b string) int { return cmp.Compare(a, b) }

func nodeName(number int) string { return fmt.Sprintf("node-%06d", number) }
