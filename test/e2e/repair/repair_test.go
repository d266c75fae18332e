//go:build e2e

// Package repair_test runs the real controller with Karpenter's gate NodeRepair on, and plays node-problem-detector on its nodes.
package repair_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/samber/lo"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"

	"github.com/karpenter-oke/karpenter-oke/pkg/controllers/repair"
	"github.com/karpenter-oke/karpenter-oke/test/environment"
	"github.com/karpenter-oke/karpenter-oke/test/live"
)

// patience bounds a repair: the condition is tolerated for two minutes, and a machine that hangs for five more.
const patience = 15 * time.Minute

// A pool has one node, made for the one pod of a Deployment.
const pool = `
apiVersion: karpenter.sh/v1
kind: NodePool
metadata: {name: {{.}}}
spec:
  template:
    spec:
      nodeClassRef: {group: karpenter.k8s.oracle, kind: OciNodeClass, name: nodes}
      requirements:
        - {key: karpenter.k8s.oracle/instance-shape-name, operator: In, values: [VM.Standard.E5.Flex]}
        - {key: karpenter.sh/capacity-type, operator: In, values: [on-demand]}
  disruption: {consolidationPolicy: WhenEmpty, consolidateAfter: Never}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: {{.}}, namespace: default}
spec:
  selector: {matchLabels: {app: {{.}}}}
  template:
    metadata: {labels: {app: {{.}}}}
    spec:
      terminationGracePeriodSeconds: 1
      nodeSelector: {karpenter.sh/nodepool: {{.}}}
      containers:
        - name: main
          image: registry.example/app:1
          resources: {requests: {cpu: 500m, memory: 1Gi}}
`

// node of a pool's oldest claim.
func node(s *live.Spec, name string) (*corev1.Node, *karpv1.NodeClaim) {
	s.Helper()
	found, claim := &corev1.Node{}, &karpv1.NodeClaim{}
	s.Eventually("a node of NodePool "+name, func() string {
		claims := s.Claims(name)
		if len(claims) == 0 || !claims[0].StatusConditions().Get(karpv1.ConditionTypeInitialized).IsTrue() {
			return fmt.Sprintf("%d claims, none initialized", len(claims))
		}
		claim = &claims[0]
		return ""
	})
	s.Get(found, "", claim.Status.NodeName)
	return found, claim
}

// report is what node-problem-detector writes.
func report(s *live.Spec, name string, condition corev1.NodeConditionType, status corev1.ConditionStatus, reason string) {
	s.Helper()
	now := metav1.Now()
	patch, err := json.Marshal(map[string]any{"status": map[string]any{"conditions": []corev1.NodeCondition{
		{Type: condition, Status: status, Reason: reason, Message: "seen in the kernel's log", LastHeartbeatTime: now, LastTransitionTime: now},
	}}})
	require.NoError(s.T, err)
	target := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}}
	require.NoError(s.T, s.Client().Status().Patch(s.Context(), target, client.RawPatch(types.StrategicMergePatchType, patch)))
}

// runs says what is missing until the pool's Deployment has a pod that runs.
func runs(s *live.Spec, app string) string {
	s.Helper()
	pods := &corev1.PodList{}
	require.NoError(s.T, s.Client().List(s.Context(), pods, client.InNamespace("default"), client.MatchingLabels{"app": app}))
	return lo.Ternary(lo.SomeBy(pods.Items, func(p corev1.Pod) bool { return p.Status.Phase == corev1.PodRunning && p.DeletionTimestamp == nil }), "", "no pod of it runs")
}

// rebooted waits until a node has come back from one reboot in place, and says so to node-problem-detector.
func rebooted(s *live.Spec, before *corev1.Node, claim *karpv1.NodeClaim, condition corev1.NodeConditionType) {
	s.Helper()
	now := &corev1.Node{}
	s.Within(patience, "another boot of "+before.Name, func() string {
		s.Get(now, "", before.Name)
		return lo.Ternary(now.Status.NodeInfo.BootID != before.Status.NodeInfo.BootID, "", "still the first boot")
	})
	report(s, before.Name, condition, corev1.ConditionFalse, "Gone")
	same := &karpv1.NodeClaim{}
	s.Eventually("the reboot of "+claim.Name+" to end", func() string {
		s.Get(same, "", claim.Name)
		rebooting := same.StatusConditions().Get(karpv1.ConditionTypeRebooting)
		if rebooting == nil || rebooting.Reason != karpv1.RebootReasonSucceeded || !same.StatusConditions().Get(karpv1.ConditionTypeInitialized).IsTrue() {
			return fmt.Sprintf("%v", same.Status.Conditions)
		}
		return ""
	})
	require.Equal(s.T, claim.UID, same.UID)
	require.Equal(s.T, claim.Status.ProviderID, same.Status.ProviderID, "the machine is the same")
	s.Get(now, "", before.Name)
	require.False(s.T, lo.ContainsBy(now.Spec.Taints, func(t corev1.Taint) bool { return t.Key == karpv1.RebootingTaintKey }), "pods may come again")
	require.Equal(s.T, 2, s.InstanceOf(same).Boots, "it came up once more, not twice")
}

func TestBrokenNodesHealByWhatIsWrongWithThem(t *testing.T) {
	s := live.Start(t, environment.Options{
		Name: "e2e-repair", FixedNodes: live.None(), SystemNodes: live.None(), VirtualNodes: live.None(),
		ControllerArgs: []string{"--feature-gates", "NodeRepair=true"},
	})
	s.Create(live.FlexClass, map[string]string{"Name": "nodes", "Sizing": "Fit"})
	pools := []string{"kernel", "disk", "hung", "hardware", "kept"}
	for _, name := range pools {
		s.Create(pool, name)
	}
	nodes, claims := map[string]*corev1.Node{}, map[string]*karpv1.NodeClaim{}
	for _, name := range pools {
		nodes[name], claims[name] = node(s, name)
	}

	report(s, nodes["kernel"].Name, "KernelDeadlock", corev1.ConditionTrue, "DockerHung")
	report(s, nodes["disk"].Name, "ReadonlyFilesystem", corev1.ConditionTrue, "FilesystemIsReadOnly")
	report(s, nodes["hung"].Name, "XfsShutdown", corev1.ConditionTrue, "XfsHasShutDown")
	require.NoError(t, s.Simulator().HangInstance(claims["hung"].Status.ProviderID))
	report(s, nodes["hardware"].Name, "CperHardwareErrorFatal", corev1.ConditionTrue, "CperHardwareErrorFatal")
	vetoed := nodes["kept"].DeepCopy()
	vetoed.Annotations[karpv1.DoNotRepairAnnotationKey] = "true"
	require.NoError(t, s.Client().Patch(s.Context(), vetoed, client.MergeFrom(nodes["kept"])))
	report(s, nodes["kept"].Name, "KernelDeadlock", corev1.ConditionTrue, "DockerHung")

	rebooted(s, nodes["kernel"], claims["kernel"], "KernelDeadlock")
	rebooted(s, nodes["disk"], claims["disk"], "ReadonlyFilesystem")
	s.EventuallyMetric(`karpenter_oke_instance_reboot_requests_total{kind="hard",outcome="accepted"}`, func(n float64) bool { return n >= 1 })
	s.EventuallyMetric(`karpenter_oke_instance_reboot_requests_total{kind="soft",outcome="accepted"}`, func(n float64) bool { return n >= 2 })

	s.Within(patience, "another node of NodePool hardware", func() string {
		for _, c := range s.Claims("hardware") {
			if c.Name == claims["hardware"].Name {
				return "the broken one is still there"
			}
		}
		return runs(s, "hardware")
	})
	require.Equal(t, 1, s.Instance(claims["hardware"].Status.ProviderID).Boots, "what a reboot does not mend is not rebooted")

	rebooted(s, nodes["hung"], claims["hung"], "XfsShutdown")
	s.EventuallyEvent(repair.EventReset, "NodeClaim", claims["hung"].Name)

	require.Equal(t, 1, s.InstanceOf(claims["kept"]).Boots, "karpenter.sh/do-not-repair keeps a node as it is")
	for _, name := range pools {
		s.Eventually("the pods of NodePool "+name, func() string { return runs(s, name) })
	}
}
