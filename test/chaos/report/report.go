// Package report writes down what a run of chaos found.
package report

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
)

// Invariant is something that must be true whatever goes wrong.
type Invariant struct {
	Name   string `json:"name"`
	Passed bool   `json:"passed"`
	Detail string `json:"detail"`
}

// Report is the outcome of a run.
type Report struct {
	Seed       uint64         `json:"seed"`
	Faults     map[string]int `json:"faults"` // kinds and how often they took place
	Invariants []Invariant    `json:"invariants"`
}

// Passed says that every invariant held, and that there were any.
func (r *Report) Passed() bool {
	return len(r.Invariants) > 0 && !slices.ContainsFunc(r.Invariants, func(i Invariant) bool { return !i.Passed })
}

// Write stores the report as JSON.
func (r *Report) Write(path string) error {
	raw, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("encoding the report: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("making the report's folder: %w", err)
	}
	if err := os.WriteFile(path, append(raw, '\n'), 0o600); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	return nil
}

// Print writes the report for people.
func (r *Report) Print(w io.Writer) {
	fmt.Fprintf(w, "seed %d\n", r.Seed)
	for _, kind := range slices.Sorted(maps.Keys(r.Faults)) {
		fmt.Fprintf(w, "%6d  %s\n", r.Faults[kind], kind)
	}
	for _, i := range r.Invariants {
		word := "ok    "
		if !i.Passed {
			word = "FAILED"
		}
		fmt.Fprintf(w, "%s  %s\n        %s\n", word, i.Name, i.Detail)
	}
}
