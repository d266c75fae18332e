package play

import (
	"testing"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/test/chaos/plan"
	"github.com/karpenter-oke/karpenter-oke/test/ocisim"
)

func event(id, claim, state, previous string) ocisim.InstanceEvent {
	return ocisim.InstanceEvent{Previous: previous, Instance: ocisim.Instance{
		ID: id, State: state, FreeformTags: map[string]string{v1alpha1.TagClusterID: "ours", v1alpha1.TagNodeClaim: claim},
	}}
}

func TestTheWitnessSeesTwoInstancesOfOneNodeClaimOnlyWhenTheyOverlap(t *testing.T) {
	cases := []struct {
		name   string
		events []ocisim.InstanceEvent
		want   int
	}{
		{"one that changes its state", []ocisim.InstanceEvent{event("i1", "a/1", "PROVISIONING", ""), event("i1", "a/1", "RUNNING", "PROVISIONING")}, 0},
		{"one of each NodeClaim", []ocisim.InstanceEvent{event("i1", "a/1", "PROVISIONING", ""), event("i2", "b/2", "PROVISIONING", "")}, 0},
		{"one after the other", []ocisim.InstanceEvent{event("i1", "a/1", "PROVISIONING", ""), event("i1", "a/1", "TERMINATING", "RUNNING"), event("i2", "a/1", "PROVISIONING", "")}, 0},
		{"two at once", []ocisim.InstanceEvent{event("i1", "a/1", "PROVISIONING", ""), event("i2", "a/1", "PROVISIONING", "")}, 1},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w := newWitness("ours")
			for _, e := range c.events {
				w.seeInstance(e)
			}
			require.Len(t, w.doubles, c.want)
		})
	}
}

func TestTheWitnessSeesThatAnInstanceOfOthersIsEnded(t *testing.T) {
	w := newWitness("ours")
	w.protect([]foreigner{{what: "of another cluster", id: "f"}})
	w.seeInstance(event("f", "a/1", "RUNNING", "PROVISIONING"))
	require.Empty(t, w.touched)
	w.seeInstance(event("f", "a/1", "TERMINATING", "RUNNING"))
	require.Equal(t, []string{"the instance of another cluster is TERMINATING"}, w.touched)
}

func TestWhatIsArmedHappensOnceForTheNextNodeClaimThatReachesThePoint(t *testing.T) {
	w := newWitness("ours")
	claim := func(uid, providerID string) *karpv1.NodeClaim {
		return &karpv1.NodeClaim{ObjectMeta: metav1.ObjectMeta{UID: types.UID(uid)}, Status: karpv1.NodeClaimStatus{ProviderID: providerID}}
	}
	w.seeClaim(claim("old", "i0"))
	n := 0
	w.arm(plan.ClaimLaunched, func() { n++ })
	w.seeClaim(claim("old", "i0"))
	w.seeClaim(claim("new", ""))
	require.Zero(t, n, "the old one was there before, the new one is not launched")
	w.seeClaim(claim("new", "i1"))
	w.seeClaim(claim("newer", "i2"))
	require.Equal(t, 1, n)
}

func TestAWaveComesOnceWhenEnoughPreemptibleInstancesRun(t *testing.T) {
	w := newWitness("ours")
	n := 0
	see := func(id, claim, state string, preemptible bool) {
		e := event(id, claim, state, "PROVISIONING")
		e.Instance.Preemptible = preemptible
		w.seeInstance(e)
		for _, do := range w.dueWaves() {
			do()
		}
	}
	w.armWave(2, func() { n++ })
	see("i1", "a/1", "RUNNING", true)
	see("i2", "b/2", "RUNNING", false)
	see("i3", "c/3", "PROVISIONING", true)
	see("i1", "a/1", "TERMINATING", true)
	see("i3", "c/3", "RUNNING", true)
	require.Zero(t, n, "one is on-demand, one has ended")
	see("i4", "d/4", "RUNNING", true)
	see("i5", "e/5", "RUNNING", true)
	require.Equal(t, 1, n)
	w.armWave(1, func() { n++ })
	w.disarm()
	see("i6", "f/6", "RUNNING", true)
	require.Equal(t, 1, n)
}
