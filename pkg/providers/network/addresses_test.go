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
	first, second := a.Begin("s"), a.Begin("s")
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
