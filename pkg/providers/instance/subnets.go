package instance

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"math"
	"slices"

	"github.com/samber/lo"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/network"
)

// subnetsFor orders the subnets that serve an availability domain for one NodeClaim, without those that had no address a moment ago. Over many NodeClaims the first one is spread
// in proportion to the free addresses, and evenly while those of any subnet are not known; for one NodeClaim the order is always
// the same, so that a repeated launch begins where the first did.
func subnetsFor(nodeClass *v1alpha1.OciNodeClass, availabilityDomain string, uid string, addresses *network.Addresses) []v1alpha1.Subnet {
	usable := lo.Filter(nodeClass.Status.Subnets, func(s v1alpha1.Subnet, _ int) bool {
		return (s.AvailabilityDomain == "" || s.AvailabilityDomain == availabilityDomain) && !addresses.Exhausted(s.ID)
	})
	known := !slices.ContainsFunc(usable, func(s v1alpha1.Subnet) bool { return s.AvailableIPAddresses == nil })
	score := func(s v1alpha1.Subnet) float64 {
		if !known {
			return rendezvous(uid, s.ID, 1)
		}
		free, _ := addresses.Free(s)
		return rendezvous(uid, s.ID, float64(free))
	}
	slices.SortFunc(usable, func(a, b v1alpha1.Subnet) int {
		return cmp.Or(cmp.Compare(score(b), score(a)), cmp.Compare(a.ID, b.ID))
	})
	return usable
}

// rendezvous is the score of a choice in weighted rendezvous hashing: over many keys, the choice with the highest score is
// distributed in proportion to the weights.
func rendezvous(key, choice string, weight float64) float64 {
	sum := sha256.Sum256([]byte(key + "\n" + choice))
	// 53 bits make a float strictly between 0 and 1.
	uniform := (float64(binary.BigEndian.Uint64(sum[:8])>>11) + 0.5) / (1 << 53)
	return -weight / math.Log(uniform)
}
