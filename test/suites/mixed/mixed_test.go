// Package mixed_test plays the main scenario on a real control plane with the real controller, as `make demo` does.
package mixed_test

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"k8s.io/utils/clock"

	"github.com/karpenter-oke/karpenter-oke/test/environment"
	"github.com/karpenter-oke/karpenter-oke/test/scenarios/mixed"
)

// patience multiplies the scenario's time limits; continuous integration on slow machines sets it.
func patience(t *testing.T) float64 {
	t.Helper()
	text := os.Getenv("SCENARIO_PATIENCE")
	if text == "" {
		return 1
	}
	f, err := strconv.ParseFloat(text, 64)
	require.NoError(t, err, "SCENARIO_PATIENCE")
	return f
}

func TestMixedClusterScalesBothLayersWithoutMixingThemUp(t *testing.T) {
	if testing.Short() {
		t.Skip("plays for two minutes")
	}
	e, err := environment.Start(t.Context(), environment.Options{Name: "test-mixed", Controller: true, Say: func(line string) { t.Log(line) }})
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 30*time.Second)
		defer cancel()
		require.NoError(t, e.Stop(ctx))
		if !t.Failed() {
			require.NoError(t, os.RemoveAll(e.Dir()))
		}
	})
	<-e.Recorder().Synced()

	err = mixed.Play(t.Context(), &mixed.Stage{
		Client: e.Client(), Recorder: e.Recorder(), Apply: e.Apply, Delete: e.Delete, Leftovers: e.Leftovers, Alive: e.Err,
		Say: func(line string) { t.Log(line) }, Logs: e.ControllerLog(), Clock: clock.RealClock{}, Patience: patience(t),
	})
	recording := e.Recorder().Recording()
	if err != nil {
		require.NoError(t, recording.Write(filepath.Join(e.Dir(), "recording.json")))
	}
	require.NoError(t, err, "end of the controller's log:\n%s", e.ControllerLogTail(15))
	for _, check := range mixed.Judge(recording) {
		require.True(t, check.Passed, "%s: %s", check.Name, check.Detail)
	}
}
