//go:build e2e

package prometheus_test

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"

	"github.com/karpenter-oke/karpenter-oke/test/environment"
	"github.com/karpenter-oke/karpenter-oke/test/live"
	"github.com/karpenter-oke/karpenter-oke/test/ocisim"
)

// failingRule can not be evaluated on pods that a ReplicaSet made.
const failingRule = `[{name: fails, expression: "has(pod.metadata.generateName) && int(pod.metadata.generateName) > 3", message: is odd}]`

// shapePool is a NodePool of one shape, and a pod that wants a node of it.
const shapePool = `
apiVersion: karpenter.sh/v1
kind: NodePool
metadata: {name: {{.Name}}}
spec:
  template:
    spec:
      nodeClassRef: {group: karpenter.k8s.oracle, kind: OciNodeClass, name: {{.Class}}}
      requirements:
        - {key: karpenter.k8s.oracle/instance-shape-name, operator: In, values: [{{.Shape}}]}
        - {key: karpenter.sh/capacity-type, operator: In, values: [{{.CapacityType}}]}
---
apiVersion: v1
kind: Pod
metadata: {name: {{.Name}}, namespace: default}
spec:
  nodeSelector: {karpenter.sh/nodepool: {{.Name}}}
  containers:
    - {name: c, image: registry.example/c:1, resources: {requests: {cpu: "1", memory: 1Gi}, limits: {cpu: "1", memory: 1Gi}}}
`

// brokenClass selects no subnet.
const brokenClass = `
apiVersion: karpenter.k8s.oracle/v1alpha1
kind: OciNodeClass
metadata: {name: broken}
spec:
  imageSelector:
    - {osFamily: Oracle Linux, osVersion: "8"}
  subnetSelector:
    - freeFormTags: {role: nowhere}
`

// reservedClass selects a capacity reservation, whose places are counted from then on.
const reservedClass = live.FlexClass + `
  placement: {capacityReservationSelector: [{name: batch}]}
`

type shaped struct{ Name, Class, Shape, CapacityType string }

// One cluster for everything: faults are brought about in an order in which none hides another.
func TestDashboardsHaveDataAndAlertsFireOnARunningController(t *testing.T) {
	program(t, "prometheus")                    // before a cluster is started in vain
	region, err := ocisim.New(ocisim.Options{}) // every simulator's OCIDs are the same
	require.NoError(t, err)
	stream := region.World().StreamID
	s := live.Start(t, environment.Options{Name: "e2e-prometheus", ControllerArgs: []string{
		"--virtual-node-extra-rules", failingRule, "--interruption-stream-id", stream,
	}})
	p := startPrometheus(s)
	fault := func(f ocisim.Fault) (id string) {
		id, err := s.Simulator().Faults().Add(f)
		require.NoError(t, err)
		return id
	}
	alerts := func(names ...string) {
		t.Helper()
		for _, name := range names {
			s.Eventually("alert "+name, func() string {
				fires, err := p.fires(t.Context(), name)
				require.NoError(t, err)
				return missing(fires, "it does not fire")
			})
		}
	}

	// Nothing has been launched yet, and nothing can be.
	fault(ocisim.Fault{Kind: ocisim.OutOfHostCapacity, Match: ocisim.Match{Shape: "VM.Standard3.Flex"}})
	s.Create(live.FlexClass, map[string]string{"Name": "plain", "Sizing": "Fit"})
	s.Create(shapePool, shaped{"scarce", "plain", "VM.Standard3.Flex", "on-demand"})
	alerts("KarpenterOkeNoCapacity", "KarpenterOkePodsPending")

	fault(ocisim.Fault{Kind: ocisim.ErrorAnswer, Operation: "LaunchInstance", Match: ocisim.Match{Shape: "VM.Optimized3.Flex"}, Status: 404, Code: "NotAuthorizedOrNotFound", Message: "Authorization failed or requested resource not found."})
	fault(ocisim.Fault{Kind: ocisim.OutOfHostCapacityLater, Match: ocisim.Match{Shape: "VM.Standard.E4.Flex"}, Times: 3})
	_, err = s.Simulator().SetReservation(ocisim.ReservationSpec{
		Name: "batch", AvailabilityDomain: region.World().ADs[0], Shape: "VM.Standard.E5.Flex", OCPUs: 2, MemoryGB: 16, Count: 3,
	})
	require.NoError(t, err)
	s.Create(reservedClass, map[string]string{"Name": "reserved", "Sizing": "Fit"})
	s.Create(brokenClass, nil)
	s.Create(live.FlexClass, map[string]string{"Name": "forbidden", "Sizing": "Fit"}) // which such a launch makes not ready
	s.Create(shapePool, shaped{"forbidden", "forbidden", "VM.Optimized3.Flex", "on-demand"})
	s.Create(shapePool, shaped{"guessed", "plain", "VM.Standard.E6.Ax.Flex", "on-demand"})
	s.Create(shapePool, shaped{"spotty", "plain", "VM.Standard.E5.Flex", "spot"})
	applyScenario(s, "ocinodeclass.yaml", "nodepool.yaml", "api-service.yaml", "karpenter-cpu-demo.yaml", "report-builder-managed.yaml")
	scale(s, "karpenter-cpu-demo", 8)
	scale(s, "api-service", 12)
	alerts("KarpenterOkeNodeClassNotReady", "KarpenterOkePriceGuessed", "KarpenterOkeLaunchesFail", "KarpenterOkeLaunchesFailLate")

	s.Eventually("nodes for the stateful pods", func() string { return missing(running(s, "karpenter-cpu-demo") == 8, "they do not all run") })
	limitToUsage(s, "managed-burst-pool")
	alerts("KarpenterOkeNodePoolNearLimit")

	s.Runs("spotty")
	require.NoError(t, s.Simulator().PreemptInstance(s.Claims("spotty")[0].Status.ProviderID))
	cordon(s)
	scale(s, "api-service", 20)
	alerts("KarpenterOkeNoVirtualNodeUsable", "KarpenterOkeRuleErrors")

	throttled := fault(ocisim.Fault{Kind: ocisim.TooManyRequests, Operation: "ListInstances"})
	alerts("KarpenterOkeOciThrottled", "KarpenterOkeOciRequestsFail")
	require.True(t, s.Simulator().Faults().Remove(throttled))

	scale(s, "karpenter-cpu-demo", 0) // nodes go, which some panels show
	requireData(s, p)
	requireReference(s, p)

	require.NoError(t, s.Simulator().DeleteStream(stream))
	alerts("KarpenterOkeInterruptionStreamDown")

	require.NoError(t, s.KillController())
	alerts("KarpenterOkeAbsent")
}

// requireData waits until every query of every dashboard has given data.
func requireData(s *live.Spec, p *server) {
	s.Helper()
	left := map[query]bool{}
	for _, q := range readDashboards(s.T) {
		left[q] = true
	}
	all := len(left)
	s.Eventually("every query of the dashboards to have data", func() string {
		for q := range left {
			ok, err := p.hasData(s.Context(), strings.ReplaceAll(q.Expr, "$__rate_interval", "5m"))
			require.NoError(s.T, err, "%s: %s", q.Dashboard, q.Panel)
			if ok {
				delete(left, q)
			}
		}
		var names []string
		for q := range maps.Keys(left) {
			names = append(names, fmt.Sprintf("%s: %s: %s", q.Dashboard, q.Panel, q.Expr))
		}
		slices.Sort(names)
		return strings.Join(names, "\n")
	})
	s.Logf("%d queries of the dashboards have data", all)
}

func applyScenario(s *live.Spec, files ...string) {
	s.Helper()
	for _, file := range files {
		data, err := os.ReadFile("../../scenarios/mixed/" + file)
		require.NoError(s.T, err)
		require.NoError(s.T, s.Apply(s.Context(), string(data)))
	}
}

func scale(s *live.Spec, deployment string, replicas int) {
	s.Helper()
	patch(s, &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: deployment}}, fmt.Sprintf(`{"spec":{"replicas":%d}}`, replicas))
}

func patch(s *live.Spec, object client.Object, merge string) {
	s.Helper()
	require.NoError(s.T, s.Client().Patch(s.Context(), object, client.RawPatch(types.MergePatchType, []byte(merge))))
}

// cordon keeps new pods from the virtual nodes.
func cordon(s *live.Spec) {
	s.Helper()
	nodes := &corev1.NodeList{}
	require.NoError(s.T, s.Client().List(s.Context(), nodes, client.MatchingLabels{"type": "virtual-node"}))
	require.NotEmpty(s.T, nodes.Items)
	for k := range nodes.Items {
		patch(s, &nodes.Items[k], `{"spec":{"unschedulable":true}}`)
	}
}

// running counts the pods of an app that run.
func running(s *live.Spec, app string) (n int) {
	pods := &corev1.PodList{}
	require.NoError(s.T, s.Client().List(s.Context(), pods, client.InNamespace("default"), client.MatchingLabels{"app": app}))
	for k := range pods.Items {
		if pods.Items[k].Status.Phase == corev1.PodRunning {
			n++
		}
	}
	return n
}

// limitToUsage sets a NodePool's limit of CPU to what it uses.
func limitToUsage(s *live.Spec, name string) {
	s.Helper()
	pool := &karpv1.NodePool{}
	s.Eventually("NodePool "+name+" to tell what it uses", func() string {
		s.Get(pool, "", name)
		return missing(pool.Status.Resources.Cpu().Cmp(resource.MustParse("1")) > 0, "nothing")
	})
	patch(s, pool, fmt.Sprintf(`{"spec":{"limits":{"cpu":%q}}}`, pool.Status.Resources.Cpu().String()))
}
