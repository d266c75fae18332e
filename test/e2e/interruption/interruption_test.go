//go:build e2e

// Package interruption_test preempts, announces maintenance and takes the stream away under the real controller on a real control plane.
package interruption_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/samber/lo"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/test/environment"
	"github.com/karpenter-oke/karpenter-oke/test/live"
	"github.com/karpenter-oke/karpenter-oke/test/ocisim"
)

// pool is a NodePool with a class and a workload of one pod, all of the same name.
type pool struct {
	Name, Shape, CapacityTypes string
	DoNotDisrupt               bool
}

const poolManifest = `
apiVersion: karpenter.k8s.oracle/v1alpha1
kind: OciNodeClass
metadata: {name: {{.Name}}}
spec:
  imageSelector:
    - {osFamily: Oracle Linux, osVersion: "8"}
  subnetSelector:
    - freeFormTags: {role: nodes}
---
apiVersion: karpenter.sh/v1
kind: NodePool
metadata: {name: {{.Name}}}
spec:
  template:
    spec:
      nodeClassRef: {group: karpenter.k8s.oracle, kind: OciNodeClass, name: {{.Name}}}
      requirements:
        - {key: karpenter.k8s.oracle/instance-shape-name, operator: In, values: [{{.Shape}}]}
        - {key: kubernetes.io/arch, operator: In, values: [amd64]}
        - {key: karpenter.sh/capacity-type, operator: In, values: [{{.CapacityTypes}}]}
  disruption: {consolidationPolicy: WhenEmpty, consolidateAfter: Never}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: {{.Name}}, namespace: default}
spec:
  replicas: 1
  selector: {matchLabels: {app: {{.Name}}}}
  template:
    metadata:
      labels: {app: {{.Name}}}
      {{- if .DoNotDisrupt}}
      annotations: {karpenter.sh/do-not-disrupt: "true"}
      {{- end}}
    spec:
      terminationGracePeriodSeconds: 1
      nodeSelector: {karpenter.sh/nodepool: {{.Name}}}
      containers:
        - {name: main, image: registry.example/app:1, resources: {requests: {cpu: 500m, memory: 1Gi}}}
`

// spec is a cluster whose controller reads the stream of interruptions.
type spec struct{ *live.Spec }

// add makes a pool and returns the NodeClaim that its pod runs on.
func (s *spec) add(p pool) *karpv1.NodeClaim {
	s.Helper()
	s.Create(poolManifest, p)
	return s.runsOn(p.Name, "")
}

// runsOn waits until the pool's workload runs on a NodeClaim other than the one before, and returns it.
func (s *spec) runsOn(name, before string) (claim *karpv1.NodeClaim) {
	s.Helper()
	s.Eventually(fmt.Sprintf("%s to run", name), func() string {
		d := &appsv1.Deployment{}
		s.Get(d, "default", name)
		pods := &corev1.PodList{}
		require.NoError(s.T, s.Client().List(s.Context(), pods, client.InNamespace("default"), client.MatchingLabels{"app": name}))
		running := lo.Filter(pods.Items, func(p corev1.Pod, _ int) bool {
			return p.Status.Phase == corev1.PodRunning && p.DeletionTimestamp.IsZero()
		})
		if len(running) != 1 {
			return fmt.Sprintf("%d of %d pods run", len(running), len(pods.Items))
		}
		for _, c := range s.Claims(name) {
			if c.Status.NodeName == running[0].Spec.NodeName && c.Name != before && c.StatusConditions().Get(karpv1.ConditionTypeInitialized).IsTrue() {
				claim = c.DeepCopy()
				return ""
			}
		}
		return fmt.Sprintf("it runs on %s, and there are %v", running[0].Spec.NodeName, lo.Map(s.Claims(name), func(c karpv1.NodeClaim, _ int) string { return c.Name + " on " + c.Status.NodeName }))
	})
	return claim
}

func (s *spec) messages(kind, outcome string) func() float64 {
	return func() float64 {
		return s.Metric(fmt.Sprintf(`karpenter_oke_interruption_messages_total{kind=%q,outcome=%q}`, kind, outcome))
	}
}

// current is the NodeClaim as it is now; ok is false when it is gone.
func (s *spec) current(claim *karpv1.NodeClaim) (*karpv1.NodeClaim, bool) {
	s.Helper()
	now := &karpv1.NodeClaim{}
	err := s.Client().Get(s.Context(), client.ObjectKeyFromObject(claim), now)
	require.NoError(s.T, client.IgnoreNotFound(err))
	return now, err == nil
}

func TestInterruptions(t *testing.T) {
	s := &spec{live.Start(t, environment.Options{
		Name: "e2e-interruption", FixedNodes: live.None(), VirtualNodes: live.None(), InterruptionStream: true, OCISim: ocisim.Options{StreamPartitions: 3, TerminationDelay: 15 * time.Second}, // so that a list can see the end
		ControllerArgs: []string{"--preemption-poll-interval", "5s"},
	})}
	for _, step := range []struct {
		says string
		do   func(*spec)
	}{
		{"a preempted node is drained within its notice and replaced elsewhere", preemption},
		{"a preemption that is announced while no controller runs is not lost", whileAway},
		{"bad messages are counted and block nothing", badMessages},
		{"maintenance is told at once, replaces a day ahead and can be called off", maintenance},
		{"maintenance waits for do-not-disrupt until it can not wait any longer", doNotDisrupt},
		{"without the stream the condition says so and preemptions are found in the list", withoutStream},
	} {
		if !t.Run(step.says, func(t *testing.T) { step.do(&spec{&live.Spec{T: t, Environment: s.Environment}}) }) {
			return
		}
	}
}

func preemption(s *spec) {
	claim := s.add(pool{Name: "both", Shape: "VM.Standard.E5.Flex", CapacityTypes: "spot, on-demand"})
	require.Equal(s.T, karpv1.CapacityTypeSpot, claim.Labels[karpv1.CapacityTypeLabelKey], "the cheaper one is bought")
	require.NoError(s.T, s.Simulator().PreemptInstance(claim.Status.ProviderID))
	var deadline time.Time
	s.Eventually("the NodeClaim to be deleted with a deadline", func() string {
		now, there := s.current(claim)
		text := now.Annotations[karpv1.NodeClaimTerminationTimestampAnnotationKey]
		if there && (now.DeletionTimestamp.IsZero() || text == "") {
			return fmt.Sprintf("deleted at %v, annotations %v", now.DeletionTimestamp, now.Annotations)
		}
		if there {
			var err error
			deadline, err = time.Parse(time.RFC3339, text)
			require.NoError(s.T, err)
		}
		return ""
	})
	if !deadline.IsZero() { // it may have been gone by the first look
		require.WithinDuration(s.T, time.Now().Add(time.Minute), deadline, time.Minute)
	}
	next := s.runsOn("both", claim.Name)
	before, after := s.InstanceOf(claim), s.InstanceOf(next)
	require.NotEqual(s.T, []any{before.AD, true}, []any{after.AD, after.Preemptible}, "not again as preemptible in the domain that wants its hosts back")
	require.Contains(s.T, s.EventuallyEvent("Preempted", "NodeClaim", claim.Name), "OCI takes the preemptible instance back in about")
	s.EventuallyEvent("Preempted", "Node", claim.Status.NodeName)
	s.EventuallyMetric(`karpenter_oke_interruption_messages_total{kind="preemption",outcome="handled"}`, func(v float64) bool { return v == 1 })
	s.EventuallyMetric(`karpenter_oke_interruption_reaction_seconds_count{kind="preemption"}`, func(v float64) bool { return v == 1 })
	s.EventuallyMetric(`karpenter_oke_interruption_stream_healthy`, func(v float64) bool { return v == 1 })
	s.Eventually("the class to say that the stream is read", func() string { return s.stream("both", "True", "Readable") })
}

// stream says what is missing for a class' condition of the stream to be so.
func (s *spec) stream(class, status, reason string) string {
	s.Helper()
	c := &v1alpha1.OciNodeClass{}
	s.Get(c, "", class)
	is := c.StatusConditions().Get(v1alpha1.ConditionTypeInterruptionStreamReadable)
	if is != nil && string(is.Status) == status && is.Reason == reason && c.StatusConditions().Root().IsTrue() {
		return ""
	}
	return fmt.Sprintf("%v", c.Status.Conditions)
}

func whileAway(s *spec) {
	claim := s.add(pool{Name: "away", Shape: "VM.Standard.E4.Flex", CapacityTypes: "spot, on-demand"})
	require.NoError(s.T, s.KillController())
	require.NoError(s.T, s.Simulator().PreemptInstance(claim.Status.ProviderID))
	require.NoError(s.T, s.RestartController(s.Context()))
	s.runsOn("away", claim.Name)
	s.EventuallyEvent("Preempted", "NodeClaim", claim.Name)
	require.InDelta(s.T, 1, s.messages("preemption", "handled")(), 0, "what the process before had committed does not come again")
}

func badMessages(s *spec) {
	claim := s.add(pool{Name: "bad", Shape: "VM.Standard3.Flex", CapacityTypes: "spot, on-demand"})
	w := s.Simulator().World()
	for _, text := range []string{
		"nonsense", `{"eventType":"com.oraclecloud.computeapi.instancepreemptionaction","data":{"resourceId":"` + claim.Status.ProviderID + `","compartmentId":"ocid1.compartment.oc1..other"}}`,
		`{"eventType":"com.oraclecloud.computeapi.instancepreemptionaction","data":{"resourceId":"ocid1.instance.oc1.phx.gone","compartmentId":"` + w.CompartmentID + `"}}`,
	} {
		require.NoError(s.T, s.Simulator().Publish(w.StreamID, []byte(text)))
	}
	for kind, outcome := range map[string]string{"malformed": "malformed", "preemption": "foreign"} {
		s.EventuallyMetric(fmt.Sprintf(`karpenter_oke_interruption_messages_total{kind=%q,outcome=%q}`, kind, outcome), func(v float64) bool { return v == 1 })
	}
	s.EventuallyMetric(`karpenter_oke_interruption_messages_total{kind="preemption",outcome="unknown"}`, func(v float64) bool { return v == 1 })
	now, there := s.current(claim)
	require.True(s.T, there && now.DeletionTimestamp.IsZero())
	require.NoError(s.T, s.Simulator().PreemptInstance(claim.Status.ProviderID))
	s.runsOn("bad", claim.Name)
}

// due says what is missing for a NodeClaim to bear a date, or none with "".
func (s *spec) due(claim *karpv1.NodeClaim, want string) string {
	s.Helper()
	now, there := s.current(claim)
	if is := now.Annotations[v1alpha1.AnnotationMaintenanceDue]; there && is == want {
		return ""
	}
	return fmt.Sprintf("there %v, annotations %v", there, now.Annotations)
}

func (s *spec) announce(claim *karpv1.NodeClaim, after time.Duration) (id, date string) {
	s.Helper()
	id, err := s.Simulator().ScheduleMaintenance(ocisim.MaintenanceSpec{InstanceID: claim.Status.ProviderID, StartsAfter: after})
	require.NoError(s.T, err)
	s.Eventually("the NodeClaim to bear the date", func() string {
		now, _ := s.current(claim)
		date = now.Annotations[v1alpha1.AnnotationMaintenanceDue]
		return lo.Ternary(date == "", "no date", "")
	})
	return id, date
}

func maintenance(s *spec) {
	claim := s.add(pool{Name: "due", Shape: "VM.Standard.E5.Flex", CapacityTypes: "on-demand"})
	id, date := s.announce(claim, 14*24*time.Hour)
	at, err := time.Parse(time.RFC3339, date)
	require.NoError(s.T, err)
	require.Contains(s.T, s.EventuallyEvent("MaintenanceAnnounced", "NodeClaim", claim.Name), at.UTC().Format("2006-01-02 15:04 UTC"))
	now, _ := s.current(claim)
	require.False(s.T, now.StatusConditions().Get(karpv1.ConditionTypeDrifted).IsTrue(), "weeks ahead nothing happens")
	require.NoError(s.T, s.Simulator().EndMaintenance(id, "CANCELED"))
	s.Eventually("the date to go", func() string { return s.due(claim, "") })
	s.announce(claim, 20*time.Hour)
	s.Eventually("the node to be replaced as drifted", func() string {
		now, there := s.current(claim)
		if drifted := now.StatusConditions().Get(karpv1.ConditionTypeDrifted); there && (!drifted.IsTrue() || drifted.Reason != "MaintenanceDue") {
			return fmt.Sprintf("Drifted is %v", drifted)
		}
		return ""
	})
	s.runsOn("due", claim.Name)
	require.Zero(s.T, s.Metric(`karpenter_oke_interruption_nodeclaims_deleted_total{kind="maintenance",source="list"}`), "it was core's replacement")
}

func doNotDisrupt(s *spec) {
	claim := s.add(pool{Name: "held", Shape: "VM.Standard.E4.Flex", CapacityTypes: "on-demand", DoNotDisrupt: true})
	s.announce(claim, 20*time.Hour)
	s.EventuallyEvent("DisruptionBlocked", "NodeClaim", claim.Name)
	now, there := s.current(claim)
	require.True(s.T, there && now.DeletionTimestamp.IsZero(), "the pod may stay where it is")
	_, err := s.Simulator().ScheduleMaintenance(ocisim.MaintenanceSpec{InstanceID: claim.Status.ProviderID, StartsAfter: 30 * time.Minute})
	require.NoError(s.T, err)
	s.Eventually("the NodeClaim to be deleted before it is too late", func() string {
		now, there := s.current(claim)
		return lo.Ternary(there && now.DeletionTimestamp.IsZero(), fmt.Sprintf("annotations %v", now.Annotations), "")
	})
	require.Contains(s.T, s.EventuallyEvent("MaintenanceDue", "NodeClaim", claim.Name), "so it is deleted")
}

func withoutStream(s *spec) {
	claim := s.add(pool{Name: "list", Shape: "VM.Standard3.Flex", CapacityTypes: "spot, on-demand"})
	require.Equal(s.T, karpv1.CapacityTypeSpot, claim.Labels[karpv1.CapacityTypeLabelKey], "one domain of three is avoided")
	require.NoError(s.T, s.Simulator().DeleteStream(s.Simulator().World().StreamID))
	s.Eventually("the class to say that the stream is gone", func() string { return s.stream("list", "False", "StreamNotFoundOrNotAllowed") })
	s.EventuallyEvent("InterruptionStreamUnreadable", "OciNodeClass", "list")
	s.EventuallyMetric(`karpenter_oke_interruption_stream_healthy`, func(v float64) bool { return v == 0 })
	require.NoError(s.T, s.Simulator().TerminateInstance(claim.Status.ProviderID))
	s.runsOn("list", claim.Name)
	s.EventuallyMetric(`karpenter_oke_interruption_nodeclaims_deleted_total{kind="preemption",source="list"}`, func(v float64) bool { return v == 1 })
}
