// Package live shows a running play: a table that is redrawn in place on a terminal, plain lines with times elsewhere.
package live

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/karpenter-oke/karpenter-oke/test/environment/record"
)

// View is what the table shows at one moment.
type View struct {
	Phase   string // what is being played; empty while the cluster comes up or stands by
	Number  int    // of the phase, from 1
	Phases  int    // how many there are
	Elapsed time.Duration
	Sample  record.Sample
	Calls   map[string]int // OCI calls by operation
}

// The instance states a person wants to follow, in the order of an instance's life.
var states = []string{"PROVISIONING", "RUNNING", "TERMINATING", "TERMINATED"}

// style marks parts of the table: number of an ANSI "select graphic rendition" sequence.
type style string

const (
	plain  style = ""
	bold   style = "1"
	dim    style = "2"
	green  style = "32"
	yellow style = "33"
	cyan   style = "36"
)

// cell is a piece of a line; its text is padded before it is styled, so that styles do not disturb the columns.
type cell struct {
	text  string
	style style
}

// Table draws the view as lines of at most width columns; colour adds ANSI styles (which take no columns).
func Table(v View, width int, colour bool) []string {
	lines := [][]cell{
		{{heading(v), bold}},
		{},
		{{fmt.Sprintf("%-18s%9s%10s%9s%8s%9s%11s", "pods on", "pending", "starting", "running", "ending", "nodes", "$/h"), dim}},
	}
	for _, layer := range record.Layers {
		lines = append(lines, layerLine(v.Sample, layer))
	}
	lines = append(lines, []cell{{fmt.Sprintf("%63s%11s", "", fmt.Sprintf("%.4f", v.Sample.TotalCost())), bold}}, nil)
	c := v.Sample.Claims
	lines = append(lines,
		[]cell{{"NodeClaims   ", dim}, count("launching", c.Launching, yellow), count("joining", c.Joining, yellow), count("ready", c.Ready, green), count("ending", c.Ending, cyan)},
		instanceLine(v.Sample), callLine(v))
	out := make([]string, 0, len(lines))
	for _, line := range lines {
		out = append(out, render(line, width, colour))
	}
	return out
}

func heading(v View) string {
	if v.Phase == "" {
		return fmt.Sprintf("karpenter-oke  %s", clockText(v.Elapsed))
	}
	return fmt.Sprintf("karpenter-oke  %s  phase %d of %d: %s", clockText(v.Elapsed), v.Number, v.Phases, v.Phase)
}

func clockText(d time.Duration) string {
	s := int(d.Seconds())
	return fmt.Sprintf("%d:%02d", s/60, s%60)
}

func layerLine(s record.Sample, layer record.Layer) []cell {
	p, ready, other := s.Pods[layer], s.NodesReady[layer], s.NodesOther[layer]
	nodes := fmt.Sprint(ready)
	if other > 0 {
		nodes = fmt.Sprintf("%d of %d", ready, ready+other)
	}
	return []cell{
		{fmt.Sprintf("%-18s", layer.Title()), plain},
		number(p.Pending, 9, yellow), number(p.Starting, 10, yellow), number(p.Running, 9, green), number(p.Ending, 8, cyan),
		{fmt.Sprintf("%9s", nodes), plain}, {fmt.Sprintf("%11.4f", s.Cost[layer]), plain},
	}
}

// number is right-aligned; a zero is dimmed, so that what happens stands out.
func number(n, width int, s style) cell {
	if n == 0 {
		s = dim
	}
	return cell{fmt.Sprintf("%*d", width, n), s}
}

func count(what string, n int, s style) cell {
	if n == 0 {
		s = dim
	}
	return cell{fmt.Sprintf("%3d %-12s", n, what), s}
}

func instanceLine(s record.Sample) []cell {
	line := []cell{{"instances    ", dim}}
	styles := map[string]style{"PROVISIONING": yellow, "RUNNING": green, "TERMINATING": cyan}
	for _, state := range states {
		line = append(line, count(strings.ToLower(state), s.Instances[state], styles[state]))
	}
	return line
}

func callLine(v View) []cell {
	line := []cell{{"OCI calls    ", dim}, count("total", v.Sample.OCICalls, plain), count("errors", v.Sample.OCIErrors, yellow)}
	for _, op := range busiest(v.Calls, 3) {
		line = append(line, cell{fmt.Sprintf("%s %d  ", op, v.Calls[op]), dim})
	}
	return line
}

// busiest lists the n operations with most calls.
func busiest(calls map[string]int, n int) []string {
	ops := slices.SortedFunc(maps.Keys(calls), func(a, b string) int {
		if calls[a] != calls[b] {
			return calls[b] - calls[a]
		}
		return strings.Compare(a, b)
	})
	return ops[:min(n, len(ops))]
}

// render joins the cells of a line, cut at width columns.
func render(line []cell, width int, colour bool) string {
	var out strings.Builder
	left := width
	for _, c := range line {
		text := []rune(c.text)
		text = text[:max(0, min(left, len(text)))]
		left -= len(text)
		if colour && c.style != plain && len(text) > 0 {
			fmt.Fprintf(&out, "\x1b[%sm%s\x1b[0m", c.style, string(text))
			continue
		}
		out.WriteString(string(text))
	}
	return strings.TrimRight(out.String(), " ")
}

// Line puts the view into one line for an output that is no terminal.
func Line(v View) string {
	var words []string
	for _, layer := range record.Layers {
		p := v.Sample.Pods[layer]
		if p.Total() == 0 && v.Sample.NodesReady[layer] == 0 {
			continue
		}
		text := fmt.Sprintf("%s: %d running", layer.Title(), p.Running)
		for _, part := range []struct {
			n    int
			what string
		}{{p.Pending, "pending"}, {p.Starting, "starting"}, {p.Ending, "ending"}} {
			if part.n > 0 {
				text += fmt.Sprintf(" %d %s", part.n, part.what)
			}
		}
		words = append(words, fmt.Sprintf("%s (%d nodes)", text, v.Sample.NodesReady[layer]))
	}
	c := v.Sample.Claims
	words = append(words, fmt.Sprintf("NodeClaims: %d (%d ready)", c.Total(), c.Ready),
		fmt.Sprintf("OCI calls: %d", v.Sample.OCICalls), fmt.Sprintf("$%.4f/h", v.Sample.TotalCost()))
	return strings.Join(words, " | ")
}
