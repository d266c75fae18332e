package nodeclaim

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/karpenter-oke/karpenter-oke/pkg/providers/capacity"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/inventory"
	"github.com/karpenter-oke/karpenter-oke/test/ocisim"
)

func TestALateLackOfHostsIsThatOfTheFaultDomainThatTheLaunchNamed(t *testing.T) {
	l := newLate(t, ocisim.Options{})
	l.Fail(ocisim.Fault{Kind: ocisim.OutOfHostCapacityLater})
	id := l.start("a")
	i, known := l.inv.Current().Get(id)
	require.True(t, known)
	i.NamedFaultDomain = "FAULT-DOMAIN-2"
	l.inv.NoteLaunched(i)
	l.pass(inventory.BusyInterval + 4*time.Second)
	require.Empty(t, l.claims())
	entries := l.unavailable.Entries()
	require.Len(t, entries, 1)
	require.Equal(t, capacity.ReasonOutOfHostCapacity, entries[0].Reason)
	require.Equal(t, "FAULT-DOMAIN-2", entries[0].FaultDomain)
	require.Empty(t, l.reason(), "the rest of the zone is left")
}
