//go:build e2e

package capacity_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/samber/lo"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/pkg/controllers/nodeclaim"
	"github.com/karpenter-oke/karpenter-oke/test/live"
	"github.com/karpenter-oke/karpenter-oke/test/ocisim"
)

// ownPodNetwork gives pods subnets and groups that are not the node's.
const ownPodNetwork = `securityGroupSelector: [{freeFormTags: {role: nodes}}]
podNetworking:
  ipCount: 16
  podSubnetSelector: [{freeFormTags: {role: pods}}]
  podSecurityGroupSelector: [{freeFormTags: {role: pods}}]`

// podNetworkObjects are the NativePodNetworks of the cluster.
func (s *suite) podNetworkObjects() []unstructured.Unstructured {
	s.Helper()
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(nodeclaim.NativePodNetworkKind)
	require.NoError(s.T, s.Client().List(s.Context(), list))
	return list.Items
}

func (s *suite) podNetworks() {
	s.Create(live.PodNetworkDefinition, nil)
	s.use(kind{Name: "addresses", Class: ownPodNetwork, Requirements: []string{e5, alwaysThere}})
	node, i := s.runs(pod{Name: "addresses", Kind: "addresses"})
	s.Eventually("the node's pod network", func() string {
		return lo.Ternary(len(s.podNetworkObjects()) == 1, "", fmt.Sprintf("%d objects", len(s.podNetworkObjects())))
	})
	object := s.podNetworkObjects()[0]
	claim := s.Claims("addresses")[0]
	require.Equal(s.T, claim.UID, object.GetOwnerReferences()[0].UID, "it goes with its NodeClaim")
	spec := object.Object["spec"].(map[string]any)
	require.Equal(s.T, i.ID, spec["id"])
	require.Equal(s.T, node.Status.Capacity.Pods().Value(), spec["maxPodCount"], "what the kubelet takes")
	require.Subset(s.T, s.world.PodSubnetIDs, spec["podSubnetIds"])
	groups := []any{s.world.NSGIDs[1]}
	require.Equal(s.T, s.world.NSGIDs[:1], i.NSGIDs, "the node's VNIC has the node's groups")
	require.Equal(s.T, groups, spec["networkSecurityGroupIds"], "and pods have theirs")
	vnics := spec["secondaryVnics"].([]any)
	require.NotEmpty(s.T, vnics)
	for _, vnic := range vnics {
		require.Equal(s.T, map[string]any{"createVnicDetails": map[string]any{"ipCount": int64(16), "nsgIds": groups, "subnetId": s.world.PodSubnetIDs[0]}}, vnic)
	}
	require.LessOrEqual(s.T, node.Status.Capacity.Pods().Value(), int64(15*len(vnics)), "an address for every pod")
	s.end("addresses")
	s.Eventually("the pod network to go with the node", func() string {
		return lo.Ternary(len(s.podNetworkObjects()) == 0, "", fmt.Sprintf("%d objects left", len(s.podNetworkObjects())))
	})
}

func (s *suite) addresses() {
	tiny, err := s.Simulator().AddSubnet(ocisim.SubnetSpec{Name: "tiny", CIDR: "10.0.250.0/30", FreeformTags: map[string]string{"role": "tiny"}})
	require.NoError(s.T, err)
	small := `{key: karpenter.k8s.oracle/instance-cpu, operator: Lt, values: ["5"]}`
	s.use(kind{Name: "tiny", Label: "crowded", Weight: 50, Subnets: "{freeFormTags: {role: tiny}}", Requirements: []string{e5, alwaysThere, small}})
	s.use(kind{Name: "roomy", Label: "crowded", Requirements: []string{e5, alwaysThere, small}})
	refusedBefore := s.refusedLaunches()
	full := "cpu: 3, memory: 4Gi" // a node each
	_, i := s.runs(pod{Name: "first", Kind: "crowded", Requests: full})
	require.Equal(s.T, tiny, i.SubnetID, "its NodePool comes first")
	_, i = s.runs(pod{Name: "second", Kind: "crowded", Requests: full})
	require.Greater(s.T, s.refusedLaunches(), refusedBefore, "the one address is taken")
	require.Contains(s.T, s.world.NodeSubnetIDs, i.SubnetID, "the other NodePool has its turn, for the same shape in the same zones")

	s.make(kind{Name: "podless", Class: "podNetworking: {podSubnetSelector: [{freeFormTags: {role: tiny}}]}", Requirements: []string{e5}})
	s.refused("podless", v1alpha1.ConditionTypeSubnetsReady, "podSubnetSelector", "no address is free in tiny")
	s.end("tiny", "roomy", "podless")
}

func TestANodeOfADualStackClusterHasAddressesOfBothFamilies(t *testing.T) {
	s := startIn(t, ocisim.Options{IPFamilies: []string{"IPv4", "IPv6"}})
	s.Create(live.PodNetworkDefinition, nil)
	s.use(kind{Name: "dual", Class: ownPodNetwork, Requirements: []string{e5, alwaysThere}})
	_, i := s.runs(pod{Name: "dual", Kind: "dual"})
	addresses := s.Simulator().Addresses(i.ID)
	require.Len(t, addresses, 2)
	require.Contains(t, addresses[1], ":", "an IPv6 address")
	require.Equal(t, "IPv4,IPv6", i.Metadata["ip-families"])
	s.Eventually("the node's pod network", func() string {
		return lo.Ternary(len(s.podNetworkObjects()) == 1, "", fmt.Sprintf("%d objects", len(s.podNetworkObjects())))
	})
	spec := s.podNetworkObjects()[0].Object["spec"].(map[string]any)
	require.Equal(t, []any{"IPv4", "IPv6"}, spec["ipFamilies"])
	for _, vnic := range spec["secondaryVnics"].([]any) {
		require.Equal(t, true, vnic.(map[string]any)["createVnicDetails"].(map[string]any)["assignIpv6Ip"])
	}
	_, err := s.Simulator().AddSubnet(ocisim.SubnetSpec{Name: "old", CIDR: "10.0.250.0/29", FreeformTags: map[string]string{"role": "old"}})
	require.NoError(t, err)
	s.make(kind{Name: "old", Subnets: "{freeFormTags: {role: old}}", Requirements: []string{e5}})
	s.refused("old", v1alpha1.ConditionTypeSubnetsReady, "old has no IPv6 prefix")
}

func TestANodeOfAFlannelClusterHasPodsOnTheOverlay(t *testing.T) {
	s := startIn(t, ocisim.Options{CNI: ocisim.CNIFlannel})
	s.use(kind{Name: "overlay", Requirements: []string{e5, alwaysThere}})
	node, i := s.runs(pod{Name: "overlay", Kind: "overlay"})
	require.EqualValues(t, 110, node.Status.Capacity.Pods().Value(), "pods take no addresses of the VCN")
	for key := range i.Metadata {
		require.False(t, strings.HasPrefix(key, "pod-") || key == "oke-native-pod-networking", key)
	}
	s.make(kind{Name: "native", Class: "podNetworking: {podSubnetSelector: [{freeFormTags: {role: pods}}]}", Requirements: []string{e5}})
	s.refused("native", v1alpha1.ConditionTypeBootstrapReady, "Flannel", "remove podSubnetSelector")
}

func (s *suite) badInput() {
	onHosts := "placement: {dedicatedVmHostSelector: [{name: host}]}"
	for class, says := range map[string]string{
		"placement: {dedicatedVmHostSelector: [{name: host}], capacityReservationSelector: [{name: batch}]}": "remove dedicatedVmHostSelector or capacityReservationSelector",
		"placement: {dedicatedVmHostSelector: [{name: host}], computeClusterSelector: [{name: training}]}":   "remove dedicatedVmHostSelector or computeClusterSelector",
		onHosts + "\nflex: {baselines: [BASELINE_1_2]}":                                                      "OCI runs no burstable instances on a dedicated VM host",
		onHosts + "\nflex: {extendedMemory: true}":                                                           "not launched on dedicated VM hosts",
	} {
		require.ErrorContains(s.T, s.Apply(s.Context(), fmt.Sprintf(refusedClass, indent(class))), says, class)
	}
	launched := s.Simulator().Journal().Counts()["LaunchInstance"]
	_, err := s.Simulator().AddSubnet(ocisim.SubnetSpec{Name: "first", CIDR: "10.0.251.0/28", AvailabilityDomain: s.world.ADs[0], FreeformTags: map[string]string{"role": "first"}})
	require.NoError(s.T, err)
	_, err = s.Simulator().SetReservation(ocisim.ReservationSpec{Name: "elsewhere", AvailabilityDomain: s.world.ADs[1], Shape: "VM.Standard.E5.Flex", OCPUs: 2, MemoryGB: 16, Count: 2})
	require.NoError(s.T, err)
	reserved := "{key: karpenter.sh/capacity-type, operator: In, values: [reserved]}"
	s.make(kind{Name: "elsewhere", Subnets: "{freeFormTags: {role: first}}", Class: "placement: {capacityReservationSelector: [{name: elsewhere}]}", Requirements: []string{reserved}})
	s.refused("elsewhere", v1alpha1.ConditionTypeCapacityReservationsReady, `"elsewhere" is in `+s.world.ADs[1], "subnetSelector finds no subnet")
	s.pod(pod{Name: "elsewhere", Kind: "elsewhere"})
	s.unschedulable("elsewhere")
	require.Equal(s.T, launched, s.Simulator().Journal().Counts()["LaunchInstance"], "nothing is launched")
	s.end("elsewhere")
}

// refusedClass is a class that the API server does not take.
const refusedClass = `
apiVersion: karpenter.k8s.oracle/v1alpha1
kind: OciNodeClass
metadata: {name: refused}
spec:
  imageSelector: [{osFamily: Oracle Linux, osVersion: "8"}]
  subnetSelector: [{freeFormTags: {role: nodes}}]
%s
`
