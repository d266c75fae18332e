package virtualnodes_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/utils/ptr"

	"github.com/karpenter-oke/karpenter-oke/test/cluster"
	"github.com/karpenter-oke/karpenter-oke/test/cluster/clustertest"
	"github.com/karpenter-oke/karpenter-oke/test/cluster/virtualnodes"
)

// tolerate makes a pod one for virtual nodes.
func tolerate(p *corev1.Pod) {
	p.Spec.NodeSelector = map[string]string{"type": "virtual-node"}
	p.Spec.Tolerations = []corev1.Toleration{{Key: "virtual-kubelet.io/provider", Operator: corev1.TolerationOpExists}}
}

type world struct {
	client kubernetes.Interface
	plane  *cluster.Plane
	pool   *virtualnodes.Pool
}

func TestPool(t *testing.T) {
	plane := clustertest.Plane(t, cluster.Options{})
	pool, err := virtualnodes.New(virtualnodes.Options{Plane: plane, StartDelay: 200 * time.Millisecond})
	require.NoError(t, err)
	clustertest.Run(t, "virtual nodes", pool.Run)
	w := &world{client: clustertest.Client(t, plane), plane: plane, pool: pool}
	t.Run("nodes register with the marks of OKE's virtual nodes", w.registers)
	t.Run("a plain pod runs, is billed in whole units and ends within its grace period", w.plainPod)
	t.Run("a pod with an init container stays pending with a reason and an event", w.initContainer)
	t.Run("a pod with a block volume stays pending with a reason", w.blockVolume)
	t.Run("a cordoned pool takes no pod until it is uncordoned", w.cordon)
	t.Run("a node can be switched to not ready and back", w.readiness)
}

func (w *world) registers(t *testing.T) {
	for _, name := range w.pool.Names() {
		clustertest.Eventually(t, 20*time.Second, "the node is ready and untainted", func(ctx context.Context) (bool, string) {
			node, err := w.client.CoreV1().Nodes().Get(ctx, name, metav1.GetOptions{})
			if err != nil {
				return false, err.Error()
			}
			_, role := node.Labels["node-role.kubernetes.io/virtual-node"]
			return role && node.Labels["type"] == "virtual-node" && node.Labels["topology.kubernetes.io/zone"] != "" && node.Annotations["oci.oraclecloud.com/virtual-node-pool-id"] != "" &&
				node.Status.Allocatable.Pods().Value() == 1000 && len(node.Spec.Taints) == 1 && node.Spec.Taints[0].ToString() == "virtual-kubelet.io/provider=oracle:NoSchedule", fmt.Sprint(node.Spec.Taints, node.Labels)
		})
		clustertest.Eventually(t, 20*time.Second, "the node has a lease", func(ctx context.Context) (bool, string) {
			_, err := w.client.CoordinationV1().Leases("kube-node-lease").Get(ctx, name, metav1.GetOptions{})
			return err == nil, fmt.Sprint(err)
		})
	}
}

func (w *world) plainPod(t *testing.T) {
	pods := w.client.CoreV1().Pods(metav1.NamespaceDefault)
	_, err := pods.Create(t.Context(), clustertest.Pod("plain", tolerate, func(p *corev1.Pod) {
		p.Spec.Containers[0].Resources.Requests = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("250m"), corev1.ResourceMemory: resource.MustParse("1Gi")}
		p.Spec.Containers[0].Lifecycle = &corev1.Lifecycle{PreStop: &corev1.LifecycleHandler{Exec: &corev1.ExecAction{Command: []string{"sleep", "60"}}}}
		p.Spec.TerminationGracePeriodSeconds = ptr.To[int64](2)
	}), metav1.CreateOptions{})
	require.NoError(t, err)
	pod := clustertest.PodPhase(t, w.client, "plain", corev1.PodRunning, 20*time.Second)
	require.Contains(t, w.pool.Names(), pod.Spec.NodeName)
	require.NotEmpty(t, pod.Status.PodIP)
	bill := w.pool.Bills()[0]
	require.Equal(t, virtualnodes.Size{OCPUs: 1, MemoryGB: 2}, bill.Size)
	require.True(t, bill.Until.IsZero())
	begin := time.Now()
	require.NoError(t, pods.Delete(t.Context(), "plain", metav1.DeleteOptions{}))
	clustertest.Eventually(t, 20*time.Second, "the deleted pod goes and its bill ends", func(ctx context.Context) (bool, string) {
		_, err := pods.Get(ctx, "plain", metav1.GetOptions{})
		return apierrors.IsNotFound(err) && !w.pool.Bills()[0].Until.IsZero(), fmt.Sprint(err)
	})
	require.GreaterOrEqual(t, time.Since(begin), 1900*time.Millisecond, "the preStop holds it")
	require.Less(t, time.Since(begin), 10*time.Second, "the grace period cuts it")
}

// refused creates a pod and waits for the virtual node's refusal.
func (w *world) refused(t *testing.T, pod *corev1.Pod, feature string) {
	t.Helper()
	_, err := w.client.CoreV1().Pods(metav1.NamespaceDefault).Create(t.Context(), pod, metav1.CreateOptions{})
	require.NoError(t, err)
	clustertest.Eventually(t, 30*time.Second, "the pod is refused", func(ctx context.Context) (bool, string) {
		got, err := w.client.CoreV1().Pods(metav1.NamespaceDefault).Get(ctx, pod.Name, metav1.GetOptions{})
		if err != nil {
			return false, err.Error()
		}
		return got.Status.Phase == corev1.PodPending && got.Status.Reason == virtualnodes.ReasonProviderFailed, fmt.Sprint(got.Spec.NodeName, got.Status)
	})
	got, err := w.client.CoreV1().Pods(metav1.NamespaceDefault).Get(t.Context(), pod.Name, metav1.GetOptions{})
	require.NoError(t, err)
	require.Contains(t, got.Status.Message, feature)
	clustertest.Eventually(t, 10*time.Second, "an event tells it", func(ctx context.Context) (bool, string) {
		events, err := w.client.CoreV1().Events(metav1.NamespaceDefault).List(ctx, metav1.ListOptions{FieldSelector: "type=Warning,involvedObject.name=" + pod.Name})
		if err != nil {
			return false, err.Error()
		}
		for _, e := range events.Items {
			if e.Message == got.Status.Message {
				return true, ""
			}
		}
		return false, fmt.Sprintf("%d events", len(events.Items))
	})
}

func (w *world) initContainer(t *testing.T) {
	w.refused(t, clustertest.Pod("with-init", tolerate, func(p *corev1.Pod) {
		p.Spec.InitContainers = []corev1.Container{{Name: "init", Image: "registry.example/init:1"}}
	}), "init containers")
}

func (w *world) blockVolume(t *testing.T) {
	require.NoError(t, w.plane.Apply(t.Context(), `
apiVersion: v1
kind: PersistentVolume
metadata: {name: block}
spec:
  capacity: {storage: 50Gi}
  accessModes: [ReadWriteOnce]
  storageClassName: ""
  csi: {driver: blockvolume.csi.oraclecloud.com, volumeHandle: ocid1.volume.oc1.phx.a}
  claimRef: {namespace: default, name: block}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: block, namespace: default}
spec:
  accessModes: [ReadWriteOnce]
  storageClassName: ""
  volumeName: block
  resources: {requests: {storage: 50Gi}}
`))
	w.refused(t, clustertest.Pod("with-block", tolerate, func(p *corev1.Pod) {
		p.Spec.Volumes = []corev1.Volume{{Name: "data", VolumeSource: corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "block"}}}}
	}), "blockvolume.csi.oraclecloud.com")
}

func (w *world) cordon(t *testing.T) {
	require.NoError(t, w.pool.Cordon(t.Context(), true))
	_, err := w.client.CoreV1().Pods(metav1.NamespaceDefault).Create(t.Context(), clustertest.Pod("waits", tolerate), metav1.CreateOptions{})
	require.NoError(t, err)
	clustertest.Eventually(t, 20*time.Second, "the scheduler gives up on the pod", func(ctx context.Context) (bool, string) {
		pod, err := w.client.CoreV1().Pods(metav1.NamespaceDefault).Get(ctx, "waits", metav1.GetOptions{})
		if err != nil {
			return false, err.Error()
		}
		for _, c := range pod.Status.Conditions {
			if c.Type == corev1.PodScheduled && c.Reason == corev1.PodReasonUnschedulable {
				return true, ""
			}
		}
		return false, fmt.Sprint(pod.Status.Conditions)
	})
	require.NoError(t, w.pool.Cordon(t.Context(), false))
	clustertest.PodPhase(t, w.client, "waits", corev1.PodRunning, 30*time.Second)
}

func (w *world) readiness(t *testing.T) {
	name := w.pool.Names()[0]
	tainted := func(want bool) func(context.Context) (bool, string) {
		return func(ctx context.Context) (bool, string) {
			node, err := w.client.CoreV1().Nodes().Get(ctx, name, metav1.GetOptions{})
			if err != nil {
				return false, err.Error()
			}
			for _, taint := range node.Spec.Taints {
				if taint.Key == corev1.TaintNodeNotReady && taint.Effect == corev1.TaintEffectNoSchedule {
					return want, "it is tainted"
				}
			}
			return !want, "it is not tainted"
		}
	}
	require.NoError(t, w.pool.SetReady(t.Context(), name, false))
	clustertest.Eventually(t, 20*time.Second, "Kubernetes taints the node", tainted(true))
	require.NoError(t, w.pool.SetReady(t.Context(), name, true))
	clustertest.Eventually(t, 20*time.Second, "Kubernetes removes the taint", tainted(false))
	require.ErrorContains(t, w.pool.SetReady(t.Context(), "10.1.1.1", true), "no virtual node")
}
