package report_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/karpenter-oke/karpenter-oke/test/chaos/report"
)

func TestAReportPassesOnlyWhenEverythingWasLookedAtAndHeld(t *testing.T) {
	cases := []struct {
		name       string
		invariants []report.Invariant
		want       bool
	}{
		{"nothing was looked at", nil, false},
		{"all held", []report.Invariant{{Name: "a", Passed: true}, {Name: "b", Passed: true}}, true},
		{"one did not", []report.Invariant{{Name: "a", Passed: true}, {Name: "b"}}, false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) { require.Equal(t, c.want, (&report.Report{Invariants: c.invariants}).Passed()) })
	}
}

func TestAReportIsWrittenForProgramsAndForPeople(t *testing.T) {
	r := &report.Report{Seed: 9, Faults: map[string]int{"kill": 3}, Invariants: []report.Invariant{{Name: "no leak", Detail: "2 volumes are left"}}}
	path := filepath.Join(t.TempDir(), "deep", "report.json")
	require.NoError(t, r.Write(path))
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	var back map[string]any
	require.NoError(t, json.Unmarshal(raw, &back))
	require.Equal(t, map[string]any{
		"seed": 9.0, "faults": map[string]any{"kill": 3.0},
		"invariants": []any{map[string]any{"name": "no leak", "passed": false, "detail": "2 volumes are left"}},
	}, back)
	var text bytes.Buffer
	r.Print(&text)
	require.Contains(t, text.String(), "3  kill")
	require.Contains(t, text.String(), "FAILED  no leak")
}
