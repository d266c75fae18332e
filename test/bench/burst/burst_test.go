package burst

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/test/bench/stand"
	"github.com/karpenter-oke/karpenter-oke/test/ocisim"
)

func TestABurstIsReadOffTheJournal(t *testing.T) {
	at := func(seconds int, operation string, status int) ocisim.Entry {
		return ocisim.Entry{Time: time.Unix(int64(1000+seconds), 0), Operation: operation, Status: status}
	}
	claimed := func(claim string) ocisim.Instance {
		return ocisim.Instance{FreeformTags: map[string]string{v1alpha1.TagNodeClaim: claim}}
	}
	o := judge([]ocisim.Entry{
		at(0, "ListInstances", 200), at(2, "LaunchInstance", 429), at(3, "LaunchInstance", 200), at(10, "LaunchInstance", 200), at(12, "LaunchInstance", 500), at(60, "ListInstances", 200),
	}, []ocisim.Instance{claimed("a/1"), claimed("b/2"), claimed("a/1"), claimed("a/1"), {}})
	require.Equal(t, 8*time.Second, o.took, "from the first that was sent to the last that was accepted")
	require.Equal(t, 1, o.throttled)
	require.Equal(t, 2, o.duplicates)
	require.Equal(t, stand.Calls{"ListInstances": 2, "LaunchInstance": 4}, o.calls)
	require.InDelta(t, 1.0/6, o.refused(), 1e-9)
}
