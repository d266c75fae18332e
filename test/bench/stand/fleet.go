package stand

import (
	"context"
	"fmt"

	"github.com/samber/lo"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	podutils "sigs.k8s.io/karpenter/pkg/utils/pod"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
)

// Pool is the name of the one NodePool, its node class and the Deployment that needs its nodes.
const Pool = "bench"

// poolManifest makes nodes of one size, 1 OCPU and 8 GB, so that the number of nodes follows from the number of pods.
const poolManifest = `
apiVersion: karpenter.k8s.oracle/v1alpha1
kind: OciNodeClass
metadata: {name: {{.}}}
spec:
  imageSelector:
    - {osFamily: Oracle Linux, osVersion: "8"}
  subnetSelector:
    - freeFormTags: {role: nodes}
  securityGroupSelector:
    - freeFormTags: {role: nodes}
  flex: {sizing: Grid}
---
apiVersion: karpenter.sh/v1
kind: NodePool
metadata: {name: {{.}}}
spec:
  template:
    spec:
      expireAfter: Never
      nodeClassRef: {group: karpenter.k8s.oracle, kind: OciNodeClass, name: {{.}}}
      requirements:
        - {key: karpenter.sh/capacity-type, operator: In, values: [on-demand]}
        - {key: karpenter.k8s.oracle/instance-shape-name, operator: In, values: [VM.Standard.E5.Flex]}
        - {key: karpenter.k8s.oracle/instance-ocpu, operator: In, values: ["1"]}
        - {key: karpenter.k8s.oracle/instance-memory, operator: In, values: ["8192"]}
  disruption: {consolidationPolicy: WhenEmpty, consolidateAfter: Never}
`

// CPUPerNode is what pods request on a node, in millicores, so that not one pod more fits: of its 2000, OKE and the node agents keep some.
const CPUPerNode = 1700

// InstallPool makes the NodePool and its class, and waits until nodes can be launched.
func (s *Stand) InstallPool(ctx context.Context) error {
	if err := s.Create(ctx, poolManifest, Pool); err != nil {
		return err
	}
	return s.Wait(ctx, "the node class to be ready", func(ctx context.Context) (string, error) {
		class := &v1alpha1.OciNodeClass{}
		if err := s.Client().Get(ctx, client.ObjectKey{Name: Pool}, class); err != nil {
			return "", err
		}
		root := class.StatusConditions().Root()
		return lo.Ternary(root.IsTrue(), "", root.Reason+": "+root.Message), nil
	})
}

// Grow asks for so many nodes with so many pods each, through one Deployment that is scaled when it is there.
func (s *Stand) Grow(ctx context.Context, nodes, podsPerNode int) error {
	labels := map[string]string{"app": Pool}
	request := corev1.ResourceList{corev1.ResourceCPU: *resource.NewMilliQuantity(int64(CPUPerNode/podsPerNode), resource.DecimalSI), corev1.ResourceMemory: resource.MustParse("64Mi")}
	want := &appsv1.Deployment{
		TypeMeta:   metav1.TypeMeta{APIVersion: "apps/v1", Kind: "Deployment"},
		ObjectMeta: metav1.ObjectMeta{Namespace: corev1.NamespaceDefault, Name: Pool},
		Spec: appsv1.DeploymentSpec{
			Replicas: ptr.To(int32(nodes * podsPerNode)),
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec: corev1.PodSpec{
					TerminationGracePeriodSeconds: ptr.To[int64](0), NodeSelector: map[string]string{karpv1.NodePoolLabelKey: Pool},
					Containers: []corev1.Container{{Name: "main", Image: "phx.ocir.io/acme/web:1.0.0", Resources: corev1.ResourceRequirements{Requests: request}}},
				},
			},
		},
	}
	err := s.Client().Patch(ctx, want, client.Apply, client.FieldOwner(Pool), client.ForceOwnership) //nolint:staticcheck // typed objects are enough here
	if err != nil {
		return fmt.Errorf("asking for %d nodes with %d pods each: %w", nodes, podsPerNode, err)
	}
	return nil
}

// AwaitNodes waits until so many NodeClaims are initialized, and, where settled is asked for, until each has had its first look for drift
// and for tags that differ.
func (s *Stand) AwaitNodes(ctx context.Context, nodes int, settled bool) error {
	return s.Wait(ctx, fmt.Sprintf("%d nodes to be initialized", nodes), func(ctx context.Context) (string, error) {
		claims, err := s.Claims(ctx)
		if err != nil {
			return "", err
		}
		done := lo.CountBy(claims, func(c karpv1.NodeClaim) bool {
			return c.StatusConditions().Get(karpv1.ConditionTypeInitialized).IsTrue()
		})
		looked := lo.CountBy(claims, func(c karpv1.NodeClaim) bool { return c.Annotations[v1alpha1.AnnotationAppliedTags] != "" })
		if done < nodes || (settled && looked < nodes) {
			return fmt.Sprintf("%d claims, %d initialized, %d compared with their class", len(claims), done, looked), nil
		}
		if !settled {
			return "", nil
		}
		drift, err := s.Metric(ctx, "karpenter_cloudprovider_duration_seconds", map[string]string{"method": "IsDrifted"})
		return lo.Ternary(drift >= float64(nodes), "", fmt.Sprintf("%.0f looks for drift", drift)), err
	})
}

// AwaitPods waits until so many pods run. Their phase is counted, not their readiness: where a busy machine lets a node's heartbeat come late,
// Kubernetes takes the readiness of its pods away, and simulated kubelets do not give it back.
func (s *Stand) AwaitPods(ctx context.Context, pods int) error {
	return s.Wait(ctx, fmt.Sprintf("%d pods to run", pods), func(ctx context.Context) (string, error) {
		running := &metav1.PartialObjectMetadataList{}
		running.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("PodList"))
		err := s.Client().List(ctx, running, client.InNamespace(corev1.NamespaceDefault), client.MatchingLabels{"app": Pool},
			client.MatchingFields{"status.phase": string(corev1.PodRunning)})
		if err != nil {
			return "", fmt.Errorf("listing pods: %w", err)
		}
		return lo.Ternary(len(running.Items) >= pods, "", fmt.Sprintf("%d of %d", len(running.Items), pods)), nil
	})
}

// AwaitPending waits until kube-scheduler has found so many pods to fit nowhere.
func (s *Stand) AwaitPending(ctx context.Context, pods int) error {
	return s.Wait(ctx, fmt.Sprintf("%d pods to be found unschedulable", pods), func(ctx context.Context) (string, error) {
		waiting := &corev1.PodList{}
		err := s.Client().List(ctx, waiting, client.InNamespace(corev1.NamespaceDefault), client.MatchingLabels{"app": Pool},
			client.MatchingFields{"spec.nodeName": ""})
		if err != nil {
			return "", fmt.Errorf("listing pods: %w", err)
		}
		found := lo.CountBy(waiting.Items, func(p corev1.Pod) bool { return podutils.FailedToSchedule(&p) })
		return lo.Ternary(found >= pods, "", fmt.Sprintf("%d of %d", found, pods)), nil
	})
}

// Shrink takes the pods away and lets every node go, and waits until NodeClaims and instances are gone.
func (s *Stand) Shrink(ctx context.Context) error {
	if err := s.Client().Delete(ctx, &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: corev1.NamespaceDefault, Name: Pool}}); client.IgnoreNotFound(err) != nil {
		return err
	}
	if err := s.Client().DeleteAllOf(ctx, &karpv1.NodeClaim{}); err != nil {
		return err
	}
	return s.Wait(ctx, "every NodeClaim and instance to be gone", func(ctx context.Context) (string, error) {
		claims, err := s.Claims(ctx)
		if err != nil {
			return "", err
		}
		left := 0
		for _, i := range s.Simulator().Instances() {
			if i.FreeformTags[v1alpha1.TagClusterID] != "" && i.State != "TERMINATED" {
				left++
			}
		}
		return lo.Ternary(len(claims)+left == 0, "", fmt.Sprintf("%d NodeClaims, %d instances", len(claims), left)), nil
	})
}
