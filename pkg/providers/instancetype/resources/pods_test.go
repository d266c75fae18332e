package resources_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/karpenter-oke/karpenter-oke/pkg/providers/instancetype/resources"
)

func TestPodsFollowTheNetworkAndTheKubelet(t *testing.T) {
	for _, tc := range []struct {
		says         string
		vnics, vcpus int
		limits       resources.PodLimits
		want         int
	}{
		{"flannel", 2, 4, resources.PodLimits{}, 110},
		{"flannel has no more addresses than OKE says", 2, 4, resources.PodLimits{MaxPods: 200}, 110},
		{"native with one pod VNIC", 2, 4, resources.PodLimits{VCNNative: true}, 31},
		{"native with three pod VNICs", 4, 4, resources.PodLimits{VCNNative: true}, 93},
		{"native is capped like flannel", 24, 4, resources.PodLimits{VCNNative: true}, 110},
		{"native without a VNIC for pods", 1, 4, resources.PodLimits{VCNNative: true}, 0},
		{"native without any VNIC known", 0, 4, resources.PodLimits{VCNNative: true}, 0},
		{"a lower limit of the user", 8, 4, resources.PodLimits{MaxPods: 40}, 40},
		{"a higher limit of the user changes nothing", 2, 4, resources.PodLimits{VCNNative: true, MaxPods: 100}, 31},
		{"pods per core of a small machine", 2, 2, resources.PodLimits{PodsPerCore: 10}, 20},
		{"pods per core of a large machine", 2, 64, resources.PodLimits{PodsPerCore: 10}, 110},
		{"the lower of pods per core and the limit", 2, 4, resources.PodLimits{PodsPerCore: 10, MaxPods: 30}, 30},
		{"few addresses for each VNIC", 2, 4, resources.PodLimits{VCNNative: true, AddressesPerVNIC: 16}, 15},
		{"many addresses for each VNIC", 2, 4, resources.PodLimits{VCNNative: true, AddressesPerVNIC: 256}, 110},
		{"many addresses, and a limit that needs them", 2, 4, resources.PodLimits{VCNNative: true, AddressesPerVNIC: 256, MaxPods: 250}, 250},
		{"never more than a node can have", 24, 4, resources.PodLimits{VCNNative: true, AddressesPerVNIC: 256, MaxPods: 1000}, 256},
	} {
		require.Equal(t, tc.want, resources.Pods(tc.vnics, tc.vcpus, tc.limits), tc.says)
	}
}

func TestPodVNICsAreAsFewAsHoldThePods(t *testing.T) {
	for _, tc := range []struct {
		says                string
		vnics, pods         int
		limits              resources.PodLimits
		wantCount, wantEach int
	}{
		{"none with flannel", 8, 110, resources.PodLimits{}, 0, 0},
		{"OKE's default for 31 pods", 8, 31, resources.PodLimits{VCNNative: true}, 1, 32},
		{"one more pod takes another", 8, 32, resources.PodLimits{VCNNative: true}, 2, 32},
		{"one for all", 8, 110, resources.PodLimits{VCNNative: true, AddressesPerVNIC: 128}, 1, 128},
		{"no more than the instance has", 3, 110, resources.PodLimits{VCNNative: true}, 2, 32},
		{"no more addresses than a node can have", 24, 256, resources.PodLimits{VCNNative: true, AddressesPerVNIC: 64}, 4, 64},
		{"one at least", 1, 0, resources.PodLimits{VCNNative: true}, 1, 32},
		{"of an instance of which nothing is known", 0, 60, resources.PodLimits{VCNNative: true, AddressesPerVNIC: 16}, 4, 16},
		{"of a single address each", 8, 3, resources.PodLimits{VCNNative: true, AddressesPerVNIC: 1}, 3, 1},
	} {
		count, each := resources.PodVNICs(tc.vnics, tc.pods, tc.limits)
		require.Equal(t, []int{tc.wantCount, tc.wantEach}, []int{count, each}, tc.says)
	}
}
