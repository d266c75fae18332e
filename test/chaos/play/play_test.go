package play_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"k8s.io/utils/clock"

	"github.com/karpenter-oke/karpenter-oke/test/chaos/plan"
	"github.com/karpenter-oke/karpenter-oke/test/chaos/play"
)

const (
	// The seed's plan kills the controller between a launch's answer and its writing down, cuts the answers of terminations, refuses capacity
	// at once and late, and takes preemptible instances back. `go run ./test/chaos -plan -seed 385 -duration 24s` prints it.
	seed     = 385
	duration = 24 * time.Second
	// patience bounds a wait on a machine that does other things; on an idle one things come to rest within seconds.
	patience = 5 * time.Minute
)

func TestAShortRunOfChaosLeavesEverythingAsItMustBe(t *testing.T) {
	if testing.Short() {
		t.Skip("plays for more than a minute")
	}
	dir, err := filepath.Abs(filepath.Join("..", "..", "..", "out", "test-chaos"))
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 4*patience)
	defer cancel()
	report, err := play.Run(ctx, plan.New(seed, duration), play.Options{
		Name: "test-chaos", Dir: dir, Patience: patience, Clock: clock.RealClock{}, Say: func(line string) { t.Log(line) },
	})
	require.NoError(t, err, "logs are in %s", dir)
	for _, i := range report.Invariants {
		require.True(t, i.Passed, "%s: %s; logs are in %s", i.Name, i.Detail, dir)
	}
	require.GreaterOrEqual(t, len(report.Invariants), 10)
	for _, kind := range []plan.Kind{"kill-at launch-answered", plan.CutAfter, plan.Preempted} {
		require.Positive(t, report.Faults[string(kind)], "the fault %s took place: %v", kind, report.Faults)
	}
	require.NoError(t, os.RemoveAll(dir))
}
