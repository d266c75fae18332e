package network

import (
	"testing"
	"time"

	"github.com/samber/lo"
	"github.com/stretchr/testify/require"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
)

func TestLaunchesCountUntilTheStatusIsSureToHaveThem(t *testing.T) {
	clock := clocktesting.NewFakePassiveClock(time.Unix(1000, 0))
	a := NewAddresses(clock)
	subnet := v1alpha1.Subnet{ID: "s", AvailableIPAddresses: lo.ToPtr(int64(2))}
	requireFree := func(want int64) {
		t.Helper()
		free, known := a.Free(subnet)
		require.True(t, known)
		require.Equal(t, want, free)
	}
	first, second := a.Begin("s", 1), a.Begin("s", 1)
	requireFree(0)
	second(false)
	requireFree(1)
	first(true)
	requireFree(1)
	clock.SetTime(clock.Now().Add(countedFor))
	requireFree(2)
	_, known := a.Free(v1alpha1.Subnet{ID: "s"})
	require.False(t, known)
}

func TestAnExhaustedSubnetComesBackByItself(t *testing.T) {
	clock := clocktesting.NewFakePassiveClock(time.Unix(1000, 0))
	a := NewAddresses(clock)
	before := a.Generation()
	a.Exhaust("s")
	require.True(t, a.Exhausted("s"))
	require.False(t, a.Exhausted("other"))
	marked := a.Generation()
	require.Greater(t, marked, before)
	a.Exhaust("s")
	require.Equal(t, marked, a.Generation(), "what is known already changes nothing")
	clock.SetTime(clock.Now().Add(exhaustedFor))
	require.Greater(t, a.Generation(), marked)
	require.False(t, a.Exhausted("s"))
}

func TestPodVNICsTakeTheirAddressesWhereMostAreLeft(t *testing.T) {
	clock := clocktesting.NewFakePassiveClock(time.Unix(1000, 0))
	a := NewAddresses(clock)
	subnets := []v1alpha1.Subnet{{ID: "small", AvailableIPAddresses: lo.ToPtr(int64(40))}, {ID: "large", AvailableIPAddresses: lo.ToPtr(int64(100))}}
	left := func() []int64 {
		return lo.Map(subnets, func(s v1alpha1.Subnet, _ int) int64 {
			free, _ := a.Free(s)
			return free
		})
	}
	refused, enough := a.BeginPods(subnets, 3, 32)
	require.True(t, enough)
	require.Equal(t, []int64{8, 36}, left())
	refused(false)
	require.Equal(t, []int64{40, 100}, left(), "a launch that OCI refused takes nothing")

	_, enough = a.BeginPods(subnets, 3, 32)
	require.True(t, enough)
	_, enough = a.BeginPods(subnets, 2, 32)
	require.False(t, enough, "two at the same time would take more than there is")
	require.Equal(t, []int64{8, 36}, left(), "what was refused is not counted")
	require.True(t, a.Exhausted("small"))
	require.False(t, a.Exhausted("large"), "a smaller node finds its addresses there")
	_, enough = a.BeginPods(subnets, 1, 32)
	require.True(t, enough)
	_, enough = a.BeginPods(subnets, 1, 32)
	require.False(t, enough)
	require.True(t, a.Exhausted("large"))
	clock.SetTime(clock.Now().Add(countedFor))
	_, enough = a.BeginPods(subnets, 4, 32)
	require.True(t, enough, "by then the status has them")
}

func TestPodAddressesOfWhichNothingIsKnownAreEnough(t *testing.T) {
	a := NewAddresses(clocktesting.NewFakePassiveClock(time.Unix(1000, 0)))
	full := v1alpha1.Subnet{ID: "full", AvailableIPAddresses: lo.ToPtr(int64(0))}
	for name, tt := range map[string]struct {
		subnets []v1alpha1.Subnet
		vnics   int
		enough  bool
	}{
		"no subnet for pods alone":         {nil, 3, true},
		"pods without addresses":           {[]v1alpha1.Subnet{full}, 0, true},
		"one that is full":                 {[]v1alpha1.Subnet{full}, 1, false},
		"one of which nothing is known":    {[]v1alpha1.Subnet{{ID: "unread"}}, 8, true},
		"one of which nothing, and a full": {[]v1alpha1.Subnet{full, {ID: "unread"}}, 8, true},
	} {
		_, enough := a.BeginPods(tt.subnets, tt.vnics, 256)
		require.Equal(t, tt.enough, enough, name)
	}
	_, enough := (*Addresses)(nil).BeginPods([]v1alpha1.Subnet{full}, 1, 1)
	require.True(t, enough)
}
