//go:build e2e

// Package registration_test runs the real controller with instances that never become nodes.
package registration_test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/samber/lo"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/pkg/controllers/registration"
	"github.com/karpenter-oke/karpenter-oke/test/cluster/kubelets"
	"github.com/karpenter-oke/karpenter-oke/test/environment"
	"github.com/karpenter-oke/karpenter-oke/test/live"
	"github.com/karpenter-oke/karpenter-oke/test/ocisim"
)

// broken is a class whose nodes run a script of their own that joins no cluster.
const broken = `
apiVersion: karpenter.k8s.oracle/v1alpha1
kind: OciNodeClass
metadata: {name: broken}
spec:
  imageFamily: Custom
  imageSelector:
    - {osFamily: Oracle Linux, osVersion: "8"}
  subnetSelector:
    - freeFormTags: {role: nodes}
  userData: |
    #!/bin/bash
    true
`

// moving takes up new images at once.
const moving = `
apiVersion: karpenter.k8s.oracle/v1alpha1
kind: OciNodeClass
metadata: {name: moving}
spec:
  imageSelector:
    - {osFamily: Oracle Linux, osVersion: "9"}
  imagePolicy: {soak: 0s}
  subnetSelector:
    - freeFormTags: {role: nodes}
`

// badImage is the name of an image whose nodes never register.
const badImage = "Oracle-Linux-9.8-2027.01.01-0-OKE-1.36.3-9001"

type pool struct {
	Name     string
	Replicas int
}

const poolManifest = `
apiVersion: karpenter.sh/v1
kind: NodePool
metadata: {name: {{.Name}}}
spec:
  template:
    spec:
      nodeClassRef: {group: karpenter.k8s.oracle, kind: OciNodeClass, name: {{.Name}}}
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
metadata: {name: {{.Name}}, namespace: default}
spec:
  replicas: {{.Replicas}}
  selector: {matchLabels: {app: {{.Name}}}}
  template:
    metadata: {labels: {app: {{.Name}}}}
    spec:
      terminationGracePeriodSeconds: 1
      nodeSelector: {karpenter.sh/nodepool: {{.Name}}}
      affinity:
        podAntiAffinity:
          requiredDuringSchedulingIgnoredDuringExecution:
            - {topologyKey: kubernetes.io/hostname, labelSelector: {matchLabels: {app: {{.Name}}}}}
      containers:
        - name: main
          image: registry.example/app:1
          resources: {requests: {cpu: 500m, memory: 1Gi}}
`

// bad is the OCID of that image, once it is published.
var bad atomic.Value

func start(t *testing.T, name string) *live.Spec {
	t.Helper()
	return live.Start(t, environment.Options{
		Name: name, FixedNodes: live.None(), SystemNodes: live.None(), VirtualNodes: live.None(),
		AlterNode: func(i kubelets.Instance, node *corev1.Node) {
			if i.ImageID == bad.Load() { // a node that names another machine than it is on belongs to no NodeClaim
				node.Spec.ProviderID += "x"
			}
		},
	})
}

// age makes a NodeClaim look as if it had waited so long for its node; core and this controller both count from there.
func age(s *live.Spec, name string, by time.Duration) {
	s.Helper()
	s.Eventually("NodeClaim "+name+" to look older", func() string {
		claim := &karpv1.NodeClaim{}
		if err := s.Client().Get(s.Context(), client.ObjectKey{Name: name}, claim); err != nil {
			return lo.Ternary(client.IgnoreNotFound(err) == nil, "", fmt.Sprint(err))
		}
		stored := claim.DeepCopy()
		for i := range claim.Status.Conditions {
			if claim.Status.Conditions[i].Type == karpv1.ConditionTypeRegistered {
				claim.Status.Conditions[i].LastTransitionTime = metav1.NewTime(time.Now().Add(-by))
			}
		}
		if err := s.Client().Status().Patch(s.Context(), claim, client.MergeFromWithOptions(stored, client.MergeFromWithOptimisticLock{})); err != nil {
			return err.Error()
		}
		return ""
	})
}

// waiting is a NodeClaim of the pool whose instance runs and that has no node, other than those that were seen.
func waiting(s *live.Spec, pool string, seen map[string]bool) *karpv1.NodeClaim {
	s.Helper()
	var found *karpv1.NodeClaim
	s.Within(2*live.Patience, "an instance of NodePool "+pool+" that does not become a node", func() string {
		for _, c := range s.Claims(pool) {
			if !seen[c.Name] && c.DeletionTimestamp.IsZero() && c.Status.ProviderID != "" && !c.StatusConditions().Get(karpv1.ConditionTypeRegistered).IsTrue() &&
				s.InstanceOf(&c).State == "RUNNING" {
				found = &c
				return ""
			}
		}
		return fmt.Sprintf("%d NodeClaims", len(s.Claims(pool)))
	})
	seen[found.Name] = true
	return found
}

func class(s *live.Spec, name string) *v1alpha1.OciNodeClass {
	s.Helper()
	c := &v1alpha1.OciNodeClass{}
	s.Get(c, "", name)
	return c
}

func edit(s *live.Spec, name string, change func(*v1alpha1.OciNodeClass)) {
	s.Helper()
	c := class(s, name)
	stored := c.DeepCopy()
	change(c)
	require.NoError(s.T, s.Client().Patch(s.Context(), c, client.MergeFrom(stored)))
}

func running(s *live.Spec, app string) int {
	s.Helper()
	pods := &corev1.PodList{}
	require.NoError(s.T, s.Client().List(s.Context(), pods, client.InNamespace("default"), client.MatchingLabels{"app": app}))
	return lo.CountBy(pods.Items, func(p corev1.Pod) bool { return p.Status.Phase == corev1.PodRunning && p.DeletionTimestamp == nil })
}

func TestAClassWhoseNodesNeverRegisterIsExplainedAndStopped(t *testing.T) {
	s := start(t, "e2e-registration")
	s.Create(broken, nil)
	s.Create(poolManifest, pool{"broken", 1})
	seen := map[string]bool{}
	for i := range 3 {
		claim := waiting(s, "broken", seen)
		require.NoError(t, s.Simulator().SetConsole(claim.Status.ProviderID, "kubelet: unable to register node: dial tcp 10.0.0.14:6443: i/o timeout"))
		if i == 0 {
			age(s, claim.Name, 14*time.Minute)
			message := s.EventuallyEvent("NodeNotRegistered", "NodeClaim", claim.Name)
			require.Contains(t, message, "route table")
			require.Contains(t, message, "dial tcp 10.0.0.14:6443")
		}
		age(s, claim.Name, 16*time.Minute)
	}
	require.Contains(t, s.EventuallyEvent(registration.EventStopped, "OciNodeClass", "broken"), "route table")
	s.Eventually("the class to say that its nodes do not register", func() string {
		condition := class(s, "broken").StatusConditions().Get(v1alpha1.ConditionTypeNodesRegister)
		return lo.Ternary(condition.IsFalse() && strings.Contains(condition.Message, "route table"), "", fmt.Sprint(condition))
	})
	require.False(t, class(s, "broken").StatusConditions().Root().IsTrue())
	s.EventuallyMetric(`karpenter_oke_registration_stopped{nodeclass="broken"}`, func(v float64) bool { return v == 1 })
	s.EventuallyMetric(`karpenter_oke_registration_failures_total{nodeclass="broken"}`, func(v float64) bool { return v == 3 })
	s.Eventually("the instances to go", func() string {
		left := lo.CountBy(s.Simulator().Instances(), func(i ocisim.Instance) bool { return i.State != "TERMINATED" })
		return lo.Ternary(left == 0, "", fmt.Sprintf("%d are there", left))
	})
	launched := len(s.Simulator().Instances())

	edit(s, "broken", func(c *v1alpha1.OciNodeClass) { c.Spec.ImageFamily, c.Spec.UserData = "OracleOKELinux", nil })
	s.Within(2*live.Patience, "the pod to run after the class was mended", func() string {
		return lo.Ternary(running(s, "broken") == 1, "", fmt.Sprint(class(s, "broken").Status.Conditions))
	})
	require.Equal(t, launched+1, len(s.Simulator().Instances()), "nothing was launched while the class was stopped")
	s.EventuallyMetric(`karpenter_oke_registration_stopped{nodeclass="broken"}`, func(v float64) bool { return v == 0 })
}

func TestAnImageWhoseNodesNeverRegisterIsHeldBack(t *testing.T) {
	s := start(t, "e2e-adoption")
	s.Create(moving, nil)
	s.Create(poolManifest, pool{"moving", 4})
	s.Within(2*live.Patience, "four nodes", func() string { return lo.Ternary(running(s, "moving") == 4, "", fmt.Sprint(running(s, "moving"))) })
	good := class(s, "moving").Status.Images[0].ID
	badID, err := s.Simulator().PublishImage(ocisim.ImageSpec{DisplayName: badImage, OperatingSystemVersion: "9"})
	require.NoError(t, err)
	bad.Store(badID)
	edit(s, "moving", func(c *v1alpha1.OciNodeClass) { c.Annotations = map[string]string{"example.com/look": "again"} })
	s.Eventually("the class to take up the image", func() string {
		return lo.Ternary(class(s, "moving").Status.Images[0].ID == badID, "", class(s, "moving").Status.Images[0].Name)
	})
	// Core asks every five minutes whether a node drifted, and at once when its NodeClaim changes.
	for _, c := range s.Claims("moving") {
		stored := c.DeepCopy()
		c.Annotations["example.com/look"] = "again"
		require.NoError(t, s.Client().Patch(s.Context(), &c, client.MergeFrom(stored)))
	}
	seen := map[string]bool{}
	for range 2 {
		claim := waiting(s, "moving", seen)
		require.Equal(t, badID, s.InstanceOf(claim).ImageID)
		drifted := lo.CountBy(s.Claims("moving"), func(c karpv1.NodeClaim) bool { return c.StatusConditions().Get(karpv1.ConditionTypeDrifted).IsTrue() })
		require.LessOrEqual(t, drifted, 2, "the first nodes tell whether the others may follow")
		age(s, claim.Name, 16*time.Minute)
	}
	require.Contains(t, s.EventuallyEvent(registration.EventImageHeld, "OciNodeClass", "moving"), v1alpha1.AnnotationAdoptImage)
	s.Eventually("the class to go back", func() string {
		c := class(s, "moving")
		if len(c.Status.HeldImages) != 1 || c.Status.HeldImages[0].ID != badID || c.Status.Images[0].ID != good {
			return fmt.Sprintf("%v %v", c.Status.Images, c.Status.HeldImages)
		}
		return ""
	})
	require.True(t, class(s, "moving").StatusConditions().Root().IsTrue(), "pods get nodes of the image before")
	s.EventuallyMetric(`karpenter_oke_registration_held_images{nodeclass="moving"}`, func(v float64) bool { return v == 1 })
	require.Equal(t, 4, running(s, "moving"), "nobody noticed")

	edit(s, "moving", func(c *v1alpha1.OciNodeClass) { c.Annotations[v1alpha1.AnnotationAdoptImage] = badImage })
	s.Eventually("the class to try again", func() string {
		return lo.Ternary(class(s, "moving").Status.Images[0].ID == badID, "", class(s, "moving").Status.Images[0].Name)
	})
}
