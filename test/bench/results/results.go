// Package results keeps the project's figures: one list of what was measured, with goals and peers' figures beside. Whoever measures
// something adds one line:
//
//	figures.Add("OCI calls to launch a node", 1.2, "calls", results.AtMost(1.5), results.Peer(12, "Oracle's provider v1.0.0"))
//
// and writes the list to out/bench/results.json, where figures of several runs merge by name.
package results

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"text/tabwriter"
)

// Figure is one thing that was measured.
type Figure struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
	Unit  string  `json:"unit"`
	// Goal is what Value may be at most; nil for a figure that is only reported.
	Goal *float64 `json:"goal"`
	// Peer is the best peer's figure in the same unit, PeerName whose it is; nil when no peer published or measured one.
	Peer     *float64 `json:"peer"`
	PeerName string   `json:"peerName,omitempty"`
	// Note says what a reader must know to compare, such as the number of nodes.
	Note string `json:"note,omitempty"`
}

// Met says whether the goal is reached; true without a goal.
func (f Figure) Met() bool { return f.Goal == nil || f.Value <= *f.Goal }

// Option adds to a Figure.
type Option func(*Figure)

// AtMost sets the goal.
func AtMost(goal float64) Option { return func(f *Figure) { f.Goal = &goal } }

// Peer sets the figure of somebody else.
func Peer(value float64, name string) Option {
	return func(f *Figure) { f.Peer, f.PeerName = &value, name }
}

// Note adds an explanation.
func Note(text string) Option { return func(f *Figure) { f.Note = text } }

// Figures is a list without repeated names.
type Figures []Figure

// Add appends a figure, or replaces the one of the same name in its place.
func (fs *Figures) Add(name string, value float64, unit string, options ...Option) {
	f := Figure{Name: name, Value: value, Unit: unit}
	for _, o := range options {
		o(&f)
	}
	fs.put(f)
}

func (fs *Figures) put(f Figure) {
	if i := slices.IndexFunc(*fs, func(old Figure) bool { return old.Name == f.Name }); i >= 0 {
		(*fs)[i] = f
		return
	}
	*fs = append(*fs, f)
}

// Read reads a list; a file that is not there is an empty list.
func Read(path string) (Figures, error) {
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var out Figures
	if err := json.Unmarshal(raw, &out); err != nil {
		return nil, fmt.Errorf("reading figures from %s: %w", path, err)
	}
	return out, nil
}

// Merge puts the figures into the list at path and gives the whole list: those of the same name are replaced, the others stay. A value
// that JSON has no number for is refused, since a figure that could not be taken must not look like one.
func (fs Figures) Merge(path string) (Figures, error) {
	all, err := Read(path)
	if err != nil {
		return nil, err
	}
	for _, f := range fs {
		if math.IsNaN(f.Value) || math.IsInf(f.Value, 0) {
			return nil, fmt.Errorf("figure %q is %v", f.Name, f.Value)
		}
		all.put(f)
	}
	raw, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	next := path + ".next"
	if err := os.WriteFile(next, append(raw, '\n'), 0o644); err != nil {
		return nil, err
	}
	return all, os.Rename(next, path)
}

// Print writes the list as a table for people.
func (fs Figures) Print(to io.Writer) error {
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "figure\tvalue\tgoal\t\tpeers\tnote")
	for _, f := range fs {
		goal, met, peer := "", "", ""
		if f.Goal != nil {
			goal = "<= " + number(*f.Goal)
			met = "met"
			if !f.Met() {
				met = "MISSED"
			}
		}
		if f.Peer != nil {
			peer = number(*f.Peer) + " (" + f.PeerName + ")"
		}
		fmt.Fprintf(w, "%s\t%s %s\t%s\t%s\t%s\t%s\n", f.Name, number(f.Value), f.Unit, goal, met, peer, f.Note)
	}
	return w.Flush()
}

// number has three significant digits, and all digits before the point.
func number(v float64) string {
	if math.Abs(v) >= 100 || v == math.Trunc(v) {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return strconv.FormatFloat(v, 'g', 3, 64)
}
