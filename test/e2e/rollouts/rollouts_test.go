//go:build e2e

// Package rollouts_test runs the real controller through a change of a node class, and watches how many nodes go at a time.
package rollouts_test

import (
	"fmt"
	"testing"

	"github.com/samber/lo"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/test/environment"
	"github.com/karpenter-oke/karpenter-oke/test/live"
)

const nodes = 4

// poolManifest replaces one node at a time; each has one pod.
const poolManifest = `
apiVersion: karpenter.sh/v1
kind: NodePool
metadata: {name: steady}
spec:
  template:
    spec:
      nodeClassRef: {group: karpenter.k8s.oracle, kind: OciNodeClass, name: steady}
      requirements:
        - {key: karpenter.k8s.oracle/instance-shape-name, operator: In, values: [VM.Standard.E5.Flex]}
        - {key: karpenter.sh/capacity-type, operator: In, values: [on-demand]}
  disruption:
    consolidationPolicy: WhenEmpty
    consolidateAfter: Never
    budgets: [{nodes: "1"}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: steady, namespace: default}
spec:
  replicas: 4
  selector: {matchLabels: {app: steady}}
  template:
    metadata: {labels: {app: steady}}
    spec:
      terminationGracePeriodSeconds: 1
      nodeSelector: {karpenter.sh/nodepool: steady}
      affinity:
        podAntiAffinity:
          requiredDuringSchedulingIgnoredDuringExecution:
            - {topologyKey: kubernetes.io/hostname, labelSelector: {matchLabels: {app: steady}}}
      containers:
        - name: main
          image: registry.example/app:1
          resources: {requests: {cpu: 500m, memory: 1Gi}}
`

func running(s *live.Spec) int {
	s.Helper()
	pods := &corev1.PodList{}
	require.NoError(s.T, s.Client().List(s.Context(), pods, client.InNamespace("default")))
	return lo.CountBy(pods.Items, func(p corev1.Pod) bool { return p.Status.Phase == corev1.PodRunning && p.DeletionTimestamp == nil })
}

// names of the NodeClaims whose nodes are complete and not on their way out.
func standing(s *live.Spec) []string {
	s.Helper()
	return lo.FilterMap(s.Claims("steady"), func(c karpv1.NodeClaim, _ int) (string, bool) {
		return c.Name, c.DeletionTimestamp.IsZero() && c.StatusConditions().Get(karpv1.ConditionTypeInitialized).IsTrue()
	})
}

func TestAChangedClassReplacesNodesWithinTheBudget(t *testing.T) {
	s := live.Start(t, environment.Options{Name: "e2e-rollouts", FixedNodes: live.None(), SystemNodes: live.None(), VirtualNodes: live.None()})
	s.Create(live.FlexClass, map[string]string{"Name": "steady", "Sizing": "Fit"})
	s.Create(poolManifest, nil)
	s.Within(2*live.Patience, "four nodes", func() string {
		return lo.Ternary(len(standing(s)) == nodes && running(s) == nodes, "", fmt.Sprintf("%d nodes, %d pods", len(standing(s)), running(s)))
	})
	before := standing(s)

	s.Log("the controller is started anew: nothing may move")
	require.NoError(t, s.KillController())
	require.NoError(t, s.RestartController(s.Context()))
	class := &v1alpha1.OciNodeClass{}
	s.Get(class, "", "steady")
	stored := class.DeepCopy()
	class.Spec.BootConfig = &v1alpha1.BootConfig{BootVolumeSizeInGBs: lo.ToPtr(int64(100))}
	require.ElementsMatch(t, before, standing(s))
	require.NoError(t, s.Client().Patch(s.Context(), class, client.MergeFrom(stored)))

	fewest := nodes
	s.Within(5*live.Patience, "every node to be another one", func() string {
		now := standing(s)
		fewest = min(fewest, len(now))
		// Core asks every five minutes whether a node drifted, and at once when its NodeClaim changes.
		for _, c := range s.Claims("steady") {
			if lo.Contains(before, c.Name) && c.DeletionTimestamp.IsZero() && c.Annotations["example.com/look"] == "" {
				old := c.DeepCopy()
				c.Annotations["example.com/look"] = "again"
				require.NoError(s.T, client.IgnoreNotFound(s.Client().Patch(s.Context(), &c, client.MergeFrom(old))))
			}
		}
		left := len(lo.Intersect(before, now))
		return lo.Ternary(left == 0 && len(now) == nodes && running(s) == nodes, "", fmt.Sprintf("%d of them are left, %d stand, %d pods run", left, len(now), running(s)))
	})
	require.GreaterOrEqual(t, fewest, nodes-1, "one node went at a time, and its replacement came first")
	for _, c := range s.Claims("steady") {
		if c.DeletionTimestamp.IsZero() { // the last of the old nodes may be on its way out still
			require.EqualValues(t, 100, s.InstanceOf(&c).BootVolumeSizeGB)
		}
	}
}
