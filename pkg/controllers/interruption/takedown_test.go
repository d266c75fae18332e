package interruption

import (
	"fmt"
	"testing"
	"time"

	"github.com/go-logr/zapr"
	"github.com/samber/lo"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
	"sigs.k8s.io/controller-runtime/pkg/log"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/operator/logging"
	coreoptions "sigs.k8s.io/karpenter/pkg/operator/options"
)

// TestTheLogNamesEachOfManyInterruptedNodeClaims logs as many as may wait at once through the sampling that core's logger has.
func TestTheLogNamesEachOfManyInterruptedNodeClaims(t *testing.T) {
	sampling := logging.DefaultZapConfig(coreoptions.ToContext(t.Context(), &coreoptions.Options{}), "controller").Sampling
	require.NotNil(t, sampling, "core does not sample any more: lines may name one NodeClaim each again")
	watched, lines := observer.New(zapcore.InfoLevel)
	logger := zapr.NewLogger(zap.New(zapcore.NewSamplerWithOptions(watched, time.Minute, sampling.Initial, sampling.Thereafter)))
	downs := lo.Times(mostPending, func(n int) takedown {
		claim := &karpv1.NodeClaim{}
		claim.Name, claim.Status.NodeName, claim.Status.ProviderID = fmt.Sprint("claim-", n), fmt.Sprint("node-", n), fmt.Sprint("ocid1.instance.", n)
		return takedown{kind: kindPreemption, source: sourceStream, claim: claim, deadline: noon, deleted: n%10 != 0}
	})
	logTakedowns(log.IntoContext(t.Context(), logger), downs)
	named := map[string]interrupted{}
	for _, line := range lines.All() {
		fields := line.ContextMap()
		some, ok := fields["interrupted"].([]interrupted)
		require.True(t, ok, "%T", fields["interrupted"])
		require.EqualValues(t, len(some), fields["count"])
		for _, one := range some {
			require.NotContains(t, named, one.NodeClaim)
			named[one.NodeClaim] = one
		}
	}
	require.Len(t, named, mostPending*9/10, "those that were being deleted before are not named")
	require.Equal(t, interrupted{
		NodeClaim: "claim-1999", Node: "node-1999", Instance: "ocid1.instance.1999", Kind: kindPreemption, Source: sourceStream, Deadline: "2026-11-01T12:00:00Z",
	}, named["claim-1999"])
}
