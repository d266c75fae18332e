package convert_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/karpenter-oke/karpenter-oke/pkg/convert"
)

const guide = "../../docs/migrate-from-oracle-provider.md"

// TestTheGuideShowsTheTable holds what the guide says against the rows.
func TestTheGuideShowsTheTable(t *testing.T) {
	text, err := os.ReadFile(guide)
	require.NoError(t, err)
	got := replaceBetween(t, string(text), "fields", fieldTable())
	got = replaceBetween(t, got, "labels", labelTable())
	if *update {
		require.NoError(t, os.WriteFile(guide, []byte(got), 0o644))
		return
	}
	require.Equal(t, got, string(text), "run: go test ./pkg/convert -update")
}

func replaceBetween(t *testing.T, text, name, table string) string {
	t.Helper()
	begin, end := "<!-- begin "+name+" -->\n", "<!-- end "+name+" -->"
	before, rest, ok := strings.Cut(text, begin)
	require.True(t, ok, begin)
	_, after, ok := strings.Cut(rest, end)
	require.True(t, ok, end)
	return before + begin + table + end + after
}

// fieldTable has one line for rows in a row that differ in the last part of their names alone.
func fieldTable() string {
	var b strings.Builder
	b.WriteString("| OCINodeClass | OciNodeClass | what to know |\n|---|---|---|\n")
	for i := 0; i < len(convert.Rows); {
		first := convert.Rows[i]
		var from, to []string
		for ; i < len(convert.Rows) && alike(first, convert.Rows[i]); i++ {
			from, to = append(from, last(convert.Rows[i].Path)), append(to, last(convert.Rows[i].Target))
		}
		target := "none"
		switch {
		case strings.HasPrefix(first.Target, "NodePool: "):
			target = "NodePool's `" + strings.TrimPrefix(first.Target, "NodePool: spec.") + "`"
		case first.Target != "":
			target = joined(parent(first.Target), to)
		}
		fmt.Fprintf(&b, "| %s | %s | %s |\n", joined(parent(first.Path), from), target, first.Note)
	}
	return b.String()
}

func alike(a, b convert.Row) bool {
	return parent(a.Path) == parent(b.Path) && parent(a.Target) == parent(b.Target) && a.Note == b.Note && (a.Target == "") == (b.Target == "")
}

// joined is `parent.name` or `parent.{name, name}`.
func joined(parent string, names []string) string {
	parent = strings.TrimPrefix(parent, "spec.")
	if len(names) == 1 {
		return "`" + parent + names[0] + "`"
	}
	return "`" + parent + "{" + strings.Join(names, ", ") + "}`"
}

// parent is a path up to its last dot, last what comes after it.
func parent(path string) string { return path[:strings.LastIndexByte(path, '.')+1] }
func last(path string) string   { return strings.TrimPrefix(path, parent(path)) }

func labelTable() string {
	var b strings.Builder
	b.WriteString("| label | becomes |\n|---|---|\n")
	for _, r := range convert.LabelRows {
		fmt.Fprintf(&b, "| `%s` | %s |\n", r.Label, r.Becomes())
	}
	return b.String()
}
