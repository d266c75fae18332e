//go:build e2e

package capacity_test

import (
	"fmt"
	"strings"

	"github.com/samber/lo"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/pkg/controllers/nodeclaim"
	"github.com/karpenter-oke/karpenter-oke/test/ocisim"
)

func (s *suite) reservation() {
	id, err := s.Simulator().SetReservation(ocisim.ReservationSpec{
		Name: "batch", AvailabilityDomain: s.world.ADs[1], FaultDomain: "FAULT-DOMAIN-2", Shape: "VM.Standard.E5.Flex", OCPUs: 3, MemoryGB: 20, Count: 2,
	})
	require.NoError(s.T, err)
	s.use(kind{Name: "reserved", Class: "placement: {capacityReservationSelector: [{name: batch}]}", Requirements: []string{
		"{key: karpenter.sh/capacity-type, operator: In, values: [reserved, on-demand]}",
		"{key: karpenter.k8s.oracle/instance-shape-name, operator: In, values: [VM.Standard.E5.Flex]}",
	}})
	// Four pods that fill a node each; two find room in the reservation.
	for n := range 4 {
		s.pod(pod{Name: fmt.Sprint("reserved-", n), Kind: "reserved", Requests: "cpu: 3500m, memory: 8Gi"})
	}
	var nodes []*corev1.Node
	for n := range 4 {
		nodes = append(nodes, s.Runs(fmt.Sprint("reserved-", n)))
	}
	nodes = lo.UniqBy(nodes, func(n *corev1.Node) string { return n.Name })
	inside := lo.Filter(nodes, func(n *corev1.Node, _ int) bool {
		return n.Labels[karpv1.CapacityTypeLabelKey] == karpv1.CapacityTypeReserved
	})
	require.Len(s.T, inside, 2, "the reservation is used to the last place")
	require.Equal(s.T, 2, s.running(func(i ocisim.Instance) bool { return i.ReservationID == id }))
	for _, node := range inside {
		i := s.Instance(node.Spec.ProviderID)
		require.Equal(s.T, []any{3.0, 20.0, "FAULT-DOMAIN-2"}, []any{i.OCPUs, i.MemoryGB, i.FD})
		require.Equal(s.T, v1alpha1.ReservationLabel(id), node.Labels[v1alpha1.LabelCapacityReservationID])
	}
	require.NotEmpty(s.T, lo.Without(nodes, inside...), "the rest is on-demand")
	slot := inside[0].Labels[v1alpha1.LabelCapacityReservationSlot]
	s.EventuallyMetric(`karpenter_oke_capacity_reservation_free{reservation="batch",slot="`+slot+`"}`, func(free float64) bool { return free == 0 })
	require.Zero(s.T, s.refusedLaunches(), "no launch was sent to a full reservation")

	require.NoError(s.T, s.Simulator().EndReservation(id))
	for _, node := range inside {
		s.Eventually("node "+node.Name+" to be on-demand", func() string {
			now := &corev1.Node{}
			s.Get(now, "", node.Name)
			if now.Labels[karpv1.CapacityTypeLabelKey] != karpv1.CapacityTypeOnDemand {
				return fmt.Sprint(now.Labels)
			}
			require.NotContains(s.T, now.Labels, v1alpha1.LabelCapacityReservationID)
			require.Equal(s.T, "RUNNING", s.Instance(node.Spec.ProviderID).State)
			return ""
		})
		s.EventuallyEvent(nodeclaim.ReasonReservationEnded, "Node", node.Name)
	}
	s.end("reserved")
}

func (s *suite) refusedLaunches() int {
	return lo.CountBy(s.Simulator().Journal().Entries(0), func(e ocisim.Entry) bool { return e.Operation == "LaunchInstance" && e.Status >= 400 })
}

func (s *suite) preemptible() {
	// A shape that no other spec uses: what OCI refused is remembered for minutes.
	shape := "{key: karpenter.k8s.oracle/instance-shape-name, operator: In, values: [VM.Standard3.Flex]}"
	s.use(kind{Name: "spot", Requirements: []string{shape, "{key: karpenter.sh/capacity-type, operator: In, values: [spot, on-demand]}"}})
	node, i := s.runs(pod{Name: "spot", Kind: "spot"})
	require.Equal(s.T, karpv1.CapacityTypeSpot, node.Labels[karpv1.CapacityTypeLabelKey], "the cheaper of both")
	require.True(s.T, i.Preemptible)
	require.Empty(s.T, node.Spec.Taints, "OKE's own taint is not set, so pods need no toleration")
	s.end("spot")

	fault, err := s.Simulator().Faults().Add(ocisim.Fault{Kind: ocisim.OutOfHostCapacity, Match: ocisim.Match{CapacityType: "spot"}})
	require.NoError(s.T, err)
	for name, types := range map[string]string{"both": "[spot, on-demand]", "preemptible": "[spot]"} {
		s.use(kind{Name: name, Requirements: []string{shape, "{key: karpenter.sh/capacity-type, operator: In, values: " + types + "}"}})
	}
	node, i = s.runs(pod{Name: "both", Kind: "both"})
	require.Equal(s.T, karpv1.CapacityTypeOnDemand, node.Labels[karpv1.CapacityTypeLabelKey])
	require.False(s.T, i.Preemptible)
	s.pod(pod{Name: "preemptible", Kind: "preemptible"})
	s.unschedulable("preemptible")
	require.Zero(s.T, s.running(func(i ocisim.Instance) bool { return strings.Contains(i.DisplayName, "preemptible") }), "nothing is bought that the NodePool does not list")
	require.True(s.T, s.Simulator().Faults().Remove(fault))
	s.end("both", "preemptible")
}
