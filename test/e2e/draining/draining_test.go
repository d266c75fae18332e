//go:build e2e

// Package draining_test runs the real controller with pods that have block volumes and pods that do not want to go.
package draining_test

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/samber/lo"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"

	"github.com/karpenter-oke/karpenter-oke/test/cluster/kubelets"
	"github.com/karpenter-oke/karpenter-oke/test/environment"
	"github.com/karpenter-oke/karpenter-oke/test/live"
)

// driver is OCI's CSI driver; detaching is what holds a VolumeAttachment until the volume is off the instance.
const (
	driver    = "blockvolume.csi.oraclecloud.com"
	detaching = "external-attacher/blockvolume-csi-oraclecloud-com"
)

const driverManifest = `
apiVersion: storage.k8s.io/v1
kind: CSIDriver
metadata: {name: blockvolume.csi.oraclecloud.com}
spec: {attachRequired: true, podInfoOnMount: false}
`

const poolManifest = `
apiVersion: karpenter.sh/v1
kind: NodePool
metadata: {name: {{.Name}}}
spec:
  template:
    spec:
      nodeClassRef: {group: karpenter.k8s.oracle, kind: OciNodeClass, name: nodes}
      {{- with .Grace}}
      terminationGracePeriod: {{.}}
      {{- end}}
      requirements:
        - {key: karpenter.k8s.oracle/instance-shape-name, operator: In, values: [VM.Standard.E5.Flex]}
        - {key: karpenter.sh/capacity-type, operator: In, values: [on-demand]}
  disruption: {consolidationPolicy: WhenEmpty, consolidateAfter: Never}
`

type pool struct{ Name, Grace string }

// volumePod is a pod with a volume of its own, which is there and waits for a node.
const volumePod = `
apiVersion: v1
kind: PersistentVolume
metadata: {name: {{.}}}
spec:
  capacity: {storage: 50Gi}
  accessModes: [ReadWriteOnce]
  persistentVolumeReclaimPolicy: Retain
  storageClassName: ""
  claimRef: {namespace: default, name: {{.}}}
  csi: {driver: blockvolume.csi.oraclecloud.com, volumeHandle: ocid1.volume.oc1.phx.{{.}}}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: {{.}}, namespace: default}
spec:
  accessModes: [ReadWriteOnce]
  storageClassName: ""
  volumeName: {{.}}
  resources: {requests: {storage: 50Gi}}
---
apiVersion: v1
kind: Pod
metadata: {name: {{.}}, namespace: default}
spec:
  terminationGracePeriodSeconds: 1
  nodeSelector: {karpenter.sh/nodepool: volumes}
  containers:
    - name: main
      image: registry.example/app:1
      resources: {requests: {cpu: 50m, memory: 64Mi}}
  volumes:
    - {name: data, persistentVolumeClaim: {claimName: {{.}}}}
`

// stubborn is a pod that nobody may evict, and that takes its time.
const stubborn = `
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: stubborn, namespace: default}
spec:
  maxUnavailable: 0
  selector: {matchLabels: {app: stubborn}}
---
apiVersion: v1
kind: Pod
metadata: {name: stubborn, namespace: default, labels: {app: stubborn}}
spec:
  terminationGracePeriodSeconds: 5
  nodeSelector: {karpenter.sh/nodepool: graceful}
  containers:
    - name: main
      image: registry.example/app:1
      resources: {requests: {cpu: 50m, memory: 64Mi}}
`

// plugDriver is the CSI driver's part of a node that comes up: it tells kube-scheduler how many volumes the node takes.
func plugDriver(s *live.Spec, node string) {
	csi := &storagev1.CSINode{}
	csi.Name = node
	csi.Spec.Drivers = []storagev1.CSINodeDriver{{Name: driver, NodeID: node, Allocatable: &storagev1.VolumeNodeResources{Count: lo.ToPtr(int32(32))}}}
	if err := s.Client().Create(s.Context(), csi); err != nil {
		s.Errorf("making the CSINode of %s: %v", node, err)
	}
}

func attachments(s *live.Spec) []storagev1.VolumeAttachment {
	s.Helper()
	list := &storagev1.VolumeAttachmentList{}
	require.NoError(s.T, s.Client().List(s.Context(), list))
	return list.Items
}

// nodes of pods of namespace default that are bound, by pod.
func nodes(s *live.Spec) map[string]string {
	s.Helper()
	pods := &corev1.PodList{}
	require.NoError(s.T, s.Client().List(s.Context(), pods, client.InNamespace("default")))
	return lo.FilterSliceToMap(pods.Items, func(p corev1.Pod) (string, string, bool) { return p.Name, p.Spec.NodeName, p.Spec.NodeName != "" })
}

func TestVolumesAndGraceAreHonoured(t *testing.T) {
	var cluster atomic.Pointer[live.Spec]
	s := live.Start(t, environment.Options{
		Name: "e2e-draining", FixedNodes: live.None(), SystemNodes: live.None(), VirtualNodes: live.None(),
		AlterNode: func(_ kubelets.Instance, node *corev1.Node) { plugDriver(cluster.Load(), node.Name) },
	})
	cluster.Store(s)
	s.Create(live.FlexClass, map[string]string{"Name": "nodes", "Sizing": "Fit"})
	s.Create(driverManifest, nil)
	s.Create(poolManifest, pool{"volumes", ""})
	s.Create(poolManifest, pool{"graceful", "20s"})
	s.Create(stubborn, nil)

	// One instance takes 32 volumes besides its boot volume, so 34 pods need two nodes however small they are.
	names := lo.Times(34, func(i int) string { return fmt.Sprintf("data-%02d", i) })
	for _, name := range names {
		s.Create(volumePod, name)
	}
	s.Within(2*live.Patience, "every pod with a volume to have a node", func() string {
		bound := lo.PickBy(nodes(s), func(pod, _ string) bool { return pod != "stubborn" })
		return lo.Ternary(len(bound) == len(names), "", fmt.Sprintf("%d have", len(bound)))
	})
	perNode := lo.CountValues(lo.Values(lo.OmitByKeys(nodes(s), []string{"stubborn"})))
	require.Len(t, perNode, 2, "the volumes of one pod more than a node takes are on another")
	for node, n := range perNode {
		require.LessOrEqual(t, n, 32, node)
	}

	t.Run("an instance stays until its volumes are detached", func(t *testing.T) { detachFirst(s.In(t)) })
	t.Run("terminationGracePeriod ends a drain that nobody allows", func(t *testing.T) { graceEnds(s.In(t)) })
}

// detachFirst deletes a NodeClaim whose pod's volume is attached, and lets the volume go later.
func detachFirst(s *live.Spec) {
	s.Helper()
	claim := s.Claims("volumes")[0]
	node := claim.Status.NodeName
	pod, _ := lo.FindKey(nodes(s), node)
	held := &storagev1.VolumeAttachment{}
	held.Name, held.Finalizers = "csi-"+pod, []string{detaching}
	held.Spec = storagev1.VolumeAttachmentSpec{Attacher: driver, NodeName: node, Source: storagev1.VolumeAttachmentSource{PersistentVolumeName: &pod}}
	require.NoError(s.T, s.Client().Create(s.Context(), held))
	require.NoError(s.T, s.Client().Delete(s.Context(), &claim))
	s.Within(2*live.Patience, "the node to be drained", func() string {
		left := lo.CountBy(lo.Values(nodes(s)), func(n string) bool { return n == node })
		return lo.Ternary(left == 0, "", fmt.Sprintf("%d pods are there", left))
	})
	s.Eventually("core to wait for the volume", func() string {
		now := &karpv1.NodeClaim{}
		s.Get(now, "", claim.Name)
		condition := now.StatusConditions().Get(karpv1.ConditionTypeVolumesDetached)
		return lo.Ternary(condition.IsFalse() || condition.IsUnknown(), "", fmt.Sprint(condition))
	})
	require.Equal(s.T, "RUNNING", s.InstanceOf(&claim).State, "what is attached can not be attached elsewhere")

	for _, a := range attachments(s) {
		if a.Spec.NodeName == node {
			stored := a.DeepCopy()
			a.Finalizers = nil
			require.NoError(s.T, client.IgnoreNotFound(s.Client().Patch(s.Context(), &a, client.MergeFrom(stored))))
			require.NoError(s.T, client.IgnoreNotFound(s.Client().Delete(s.Context(), &a)))
		}
	}
	s.Within(2*live.Patience, "the instance to go", func() string {
		state := s.Instance(claim.Status.ProviderID).State
		return lo.Ternary(state == "TERMINATING" || state == "TERMINATED", "", state)
	})
}

// graceEnds deletes the NodeClaim of a pod that a PodDisruptionBudget protects.
func graceEnds(s *live.Spec) {
	s.Helper()
	s.Runs("stubborn")
	claim := s.Claims("graceful")[0]
	require.Equal(s.T, 20*time.Second, claim.Spec.TerminationGracePeriod.Duration)
	require.NoError(s.T, s.Client().Delete(s.Context(), &claim))
	s.Within(2*live.Patience, "the instance to go although the pod may not be evicted", func() string {
		state := s.Instance(claim.Status.ProviderID).State
		return lo.Ternary(state == "TERMINATING" || state == "TERMINATED", "", state)
	})
	ended := s.Instance(claim.Status.ProviderID)
	deleted := &karpv1.NodeClaim{}
	if err := s.Client().Get(s.Context(), client.ObjectKey{Name: claim.Name}, deleted); err == nil {
		require.NotEmpty(s.T, deleted.Annotations[karpv1.NodeClaimTerminationTimestampAnnotationKey])
	}
	require.NotEqual(s.T, "RUNNING", ended.State)
}
