// Package live is what specs on a running cluster ask again and again: start one and end it, wait, read a pod, a claim, an event, a metric.
package live

import (
	"bytes"
	"context"
	"os"
	"testing"
	"text/template"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/karpenter-oke/karpenter-oke/test/environment"
)

// Patience bounds a wait. The steps themselves take seconds; a loaded machine takes much longer.
const Patience = 4 * time.Minute

// Spec is a test with a cluster of its own.
type Spec struct {
	*testing.T
	*environment.Environment
}

// None is no node of a kind, for environment.Options.
func None() *int { return new(int) }

// Start starts a cluster with the real controller, and ends it with the test. What it wrote stays when the test fails, and the end of the
// controller's log is told. With `go test -short` the test is skipped.
func Start(t *testing.T, o environment.Options) *Spec {
	t.Helper()
	o.Controller = true
	return StartBare(t, o)
}

// StartBare starts a cluster without the controller unless o asks for it, for specs that bring their own. For the rest it is as Start.
func StartBare(t *testing.T, o environment.Options) *Spec {
	t.Helper()
	if testing.Short() {
		t.Skip("runs a cluster")
	}
	if o.Say == nil {
		o.Say = func(line string) { t.Log(line) }
	}
	e, err := environment.Start(t.Context(), o)
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
		defer cancel()
		if t.Failed() && o.Controller {
			t.Log("end of the controller's log:\n" + e.ControllerLogTail(40))
		}
		require.NoError(t, e.Stop(ctx))
		if !t.Failed() {
			require.NoError(t, os.RemoveAll(e.Dir()))
		}
	})
	return &Spec{T: t, Environment: e}
}

// In is the same cluster within a subtest.
func (s *Spec) In(t *testing.T) *Spec { return &Spec{T: t, Environment: s.Environment} }

// Eventually waits until ask finds nothing missing any more, and fails with what was missing last.
func (s *Spec) Eventually(what string, ask func() (missing string)) {
	s.Helper()
	s.Within(Patience, what, ask)
}

// Within is Eventually with a patience of its own, for what the cluster itself waits minutes with.
func (s *Spec) Within(patience time.Duration, what string, ask func() (missing string)) {
	s.Helper()
	for start := time.Now(); ; time.Sleep(200 * time.Millisecond) {
		missing := ask()
		if missing == "" {
			if waited := time.Since(start); waited > time.Second {
				s.Logf("waited %.1f s for %s", waited.Seconds(), what)
			}
			return
		}
		if err := s.Err(); err != nil {
			require.NoError(s.T, err, "waited for %s: %s", what, missing)
		}
		if time.Since(start) > patience {
			require.FailNow(s.T, "waited for "+what, missing)
		}
	}
}

// Create applies a manifest, a template filled with data.
func (s *Spec) Create(manifest string, data any) {
	s.Helper()
	text := s.fill(manifest, data)
	require.NoError(s.T, s.Apply(s.Context(), text), "applying\n"+text)
}

// Remove deletes what Create made of the same manifest and data.
func (s *Spec) Remove(manifest string, data any) {
	s.Helper()
	require.NoError(s.T, s.Delete(s.Context(), s.fill(manifest, data)))
}

func (s *Spec) fill(manifest string, data any) string {
	s.Helper()
	out := &bytes.Buffer{}
	parsed, err := template.New("manifest").Option("missingkey=error").Parse(manifest)
	require.NoError(s.T, err)
	require.NoError(s.T, parsed.Execute(out, data))
	return out.String()
}
