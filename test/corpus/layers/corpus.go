// Package layers is a corpus of workloads, each with the layer that it belongs to and the reason, decided by people from what OKE
// documents and how the filter is meant to work. A header of comments in each file states it; README.md lists all.
package layers

import (
	"embed"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/karpenter-oke/karpenter-oke/pkg/manifest"
)

//go:embed */*.yaml
var files embed.FS

// Outcome is a decision.
type Outcome struct {
	// Layer is managed or virtual, Rule the name of what decides.
	Layer, Rule string
}

// Spec is one workload and what is expected of it.
type Spec struct {
	// File is the path of the manifest in this folder.
	File string
	// X86, Arm and None are what is decided in a cluster with a Ready virtual node of that architecture, or with none; each has a
	// NodePool that makes nodes of every kind.
	X86, Arm, None Outcome
	// Blockers are the features that virtual nodes refuse, Advisories those that they ignore or treat in their own way.
	Blockers, Advisories []string
	// Conflict is the contradiction that the filter tells, if any.
	Conflict string
	// Problem is true where lint must find fault.
	Problem bool
	// Refused says why an API server does not take the manifest; empty when it does.
	Refused string
	// Why is the reason, for people.
	Why string
	// Documents are the manifest: one workload, and what belongs to it.
	Documents []manifest.Document
}

// Load reads the corpus, sorted by file. The error names what in a header or a manifest can not be read.
func Load() ([]Spec, error) {
	names, err := fs.Glob(files, "*/*.yaml")
	if err != nil {
		return nil, err
	}
	specs := make([]Spec, 0, len(names))
	for _, name := range names {
		text, err := files.ReadFile(name)
		if err != nil {
			return nil, err
		}
		spec, err := parse(name, text)
		if err != nil {
			return nil, err
		}
		specs = append(specs, spec)
	}
	return specs, nil
}

func parse(name string, text []byte) (Spec, error) {
	fields, err := header(string(text))
	if err != nil {
		return Spec{}, fmt.Errorf("%s: %w", name, err)
	}
	spec := Spec{File: name, X86: Outcome{fields["layer"], fields["rule"]}}
	spec.Arm, spec.None = spec.X86, spec.X86
	for key, value := range fields {
		switch key {
		case "layer", "rule":
		case "arm":
			spec.Arm = outcome(value)
		case "none":
			spec.None = outcome(value)
		case "blockers":
			spec.Blockers = strings.Split(value, ", ")
		case "warnings":
			spec.Advisories = strings.Split(value, ", ")
		case "conflict":
			spec.Conflict = value
		case "lint":
			spec.Problem = value == "problem"
		case "api-server":
			spec.Refused = value
		case "why":
			spec.Why = value
		default:
			return Spec{}, fmt.Errorf("%s: the header has an unknown field %q", name, key)
		}
	}
	if spec.X86.Layer == "" || spec.X86.Rule == "" || spec.Why == "" {
		return Spec{}, fmt.Errorf("%s: the header must say layer, rule and why", name)
	}
	spec.Documents, err = manifest.Read(path.Base(name), text)
	return spec, err
}

// header reads the comments that a file begins with: "# key: value", where a line that is indented goes on.
func header(text string) (map[string]string, error) {
	fields, last := map[string]string{}, ""
	for line := range strings.Lines(text) {
		comment, ok := strings.CutPrefix(strings.TrimSpace(line), "#")
		if !ok {
			break
		}
		if strings.HasPrefix(comment, "   ") && last != "" {
			fields[last] += " " + strings.TrimSpace(comment)
			continue
		}
		key, value, ok := strings.Cut(strings.TrimSpace(comment), ": ")
		if !ok || fields[key] != "" {
			return nil, fmt.Errorf("header line %q: want a key once, a colon and a value", strings.TrimSpace(line))
		}
		fields[key], last = value, key
	}
	return fields, nil
}

func outcome(s string) Outcome {
	layer, rule, _ := strings.Cut(s, ", ")
	return Outcome{layer, rule}
}
