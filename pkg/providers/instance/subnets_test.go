package instance

import (
	"fmt"
	"testing"
	"time"

	"github.com/samber/lo"
	"github.com/stretchr/testify/require"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/network"
)

func class(subnets ...v1alpha1.Subnet) *v1alpha1.OciNodeClass {
	c := &v1alpha1.OciNodeClass{}
	c.Status.Subnets = subnets
	return c
}

func subnet(id string, free int64) v1alpha1.Subnet {
	s := v1alpha1.Subnet{ID: id}
	if free >= 0 {
		s.AvailableIPAddresses = &free
	}
	return s
}

// firsts counts which subnet comes first over many NodeClaims.
func firsts(c *v1alpha1.OciNodeClass) map[string]int {
	counts := map[string]int{}
	for i := range 4000 {
		counts[subnetsFor(c, "AD-1", fmt.Sprint("uid-", i), nil)[0].ID]++
	}
	return counts
}

func TestSubnetsAreChosenByTheirFreeAddresses(t *testing.T) {
	counts := firsts(class(subnet("large", 3000), subnet("small", 1000), subnet("full", 0)))
	require.InDelta(t, 3000, counts["large"], 150)
	require.InDelta(t, 1000, counts["small"], 150)
	require.Zero(t, counts["full"])
}

func TestSubnetsAreChosenEvenlyWhileAddressesAreNotKnown(t *testing.T) {
	counts := firsts(class(subnet("a", 3000), subnet("b", -1)))
	require.InDelta(t, 2000, counts["a"], 150)
}

func TestSubnetsOfANodeClaimAreAlwaysInTheSameOrder(t *testing.T) {
	c := class(subnet("a", 10), subnet("b", 10), subnet("c", 10))
	first := subnetsFor(c, "AD-1", "uid", nil)
	require.Len(t, first, 3, "a full one leads to the next")
	require.Equal(t, first, subnetsFor(class(c.Status.Subnets[2], c.Status.Subnets[0], c.Status.Subnets[1]), "AD-1", "uid", nil))
}

func TestASubnetOfAnotherDomainIsNotUsed(t *testing.T) {
	elsewhere := subnet("elsewhere", 10)
	elsewhere.AvailabilityDomain = "AD-2"
	ids := lo.Map(subnetsFor(class(subnet("regional", 1), elsewhere), "AD-1", "uid", nil), func(s v1alpha1.Subnet, _ int) string { return s.ID })
	require.Equal(t, []string{"regional"}, ids)
	require.Empty(t, subnetsFor(class(elsewhere), "AD-1", "uid", nil))
}

func TestSubnetsWithoutAddressesAreLeftAloneForAWhile(t *testing.T) {
	clock := clocktesting.NewFakePassiveClock(time.Unix(1000, 0))
	addresses := network.NewAddresses(clock)
	c := class(subnet("a", 10), subnet("b", 1))
	addresses.Exhaust("a")
	require.Equal(t, []v1alpha1.Subnet{c.Status.Subnets[1]}, subnetsFor(c, "AD-1", "uid", addresses))
	addresses.Begin("b", 1) // under way
	addresses.Exhaust("b")
	require.Empty(t, subnetsFor(c, "AD-1", "uid", addresses))
	clock.SetTime(clock.Now().Add(4 * time.Minute))
	for i := range 100 {
		require.Equal(t, "a", subnetsFor(c, "AD-1", fmt.Sprint(i), addresses)[0].ID, "the only address of the other is taken by a launch that no figure shows yet")
	}
}
