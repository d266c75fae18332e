package lint

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// WriteTable writes the report for people: a line for each workload, then problems and warnings with their places, then the sums.
func WriteTable(w io.Writer, r *Report) error {
	var out bytes.Buffer
	if len(r.Results) > 0 {
		table := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(table, "LAYER\tKIND\tNAMESPACE\tNAME\tRULE\tVIRTUAL NODES REFUSE")
		for i := range r.Results {
			row := &r.Results[i]
			refused := "-"
			if len(row.Blockers) > 0 {
				refused = strings.Join(row.Blockers, ", ")
			}
			fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\n", row.Layer, row.Kind, row.Namespace, row.Name, row.Rule, refused)
		}
		if err := table.Flush(); err != nil {
			return err
		}
		out.WriteByte('\n')
	}
	problems, warnings := r.Count()
	for _, p := range r.Problems {
		fmt.Fprintln(&out, "problem: "+p)
	}
	for i := range r.Results {
		for _, p := range r.Results[i].Problems {
			fmt.Fprintf(&out, "problem: %s: %s\n", r.Results[i].title(), p)
		}
	}
	for i := range r.Results {
		for _, p := range r.Results[i].Warnings {
			fmt.Fprintf(&out, "warning: %s: %s\n", r.Results[i].title(), p)
		}
	}
	if problems+warnings > 0 {
		out.WriteByte('\n')
	}
	for _, note := range r.Notes() {
		fmt.Fprintln(&out, note)
	}
	_, err := w.Write(out.Bytes())
	return err
}

// title names the workload and its place.
func (r *Result) title() string {
	return fmt.Sprintf("%s: %s %s/%s", r.Source, r.Kind, r.Namespace, r.Name)
}

// Notes returns the sums, what was left alone, and what was assumed, a line each.
func (r *Report) Notes() []string {
	problems, warnings := r.Count()
	virtual, managed := r.Layers()
	notes := []string{fmt.Sprintf("%s: %d virtual, %d managed; %s, %s.",
		plural(len(r.Results), "workload"), virtual, managed, plural(problems, "problem"), plural(warnings, "warning"))}
	if len(r.Ignored) > 0 {
		var parts []string
		for _, kind := range r.Kinds() {
			if kind != "" {
				parts = append(parts, fmt.Sprintf("%d %s", r.Ignored[kind], kind))
			}
		}
		switch n := r.Ignored[""]; n {
		case 0:
		case 1:
			parts = append(parts, "1 document that is no Kubernetes object")
		default:
			parts = append(parts, fmt.Sprintf("%d documents that are no Kubernetes objects", n))
		}
		notes = append(notes, "Left alone: "+strings.Join(parts, ", ")+".")
	}
	if len(r.Results) > 0 && len(r.Assumptions) > 0 {
		notes = append(notes, "Assumed: "+strings.Join(r.Assumptions, "; ")+".")
	}
	return notes
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
