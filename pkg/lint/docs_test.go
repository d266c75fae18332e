package lint_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/karpenter-oke/karpenter-oke/pkg/virtualnode"
)

const guide = "../../docs/virtual-nodes.md"

var update = flag.Bool("update", false, "write the tables of rules in the guide")

// TestTheGuideShowsTheRules holds what the guide says against the table that the filter runs on.
func TestTheGuideShowsTheRules(t *testing.T) {
	text, err := os.ReadFile(guide)
	require.NoError(t, err)
	got := replaceBetween(t, string(text), "refused", ruleTable(virtualnode.Hard))
	got = replaceBetween(t, got, "ignored", ruleTable(virtualnode.Advisory))
	if *update {
		require.NoError(t, os.WriteFile(guide, []byte(got), 0o644))
		return
	}
	require.Equal(t, got, string(text), "run: go test ./pkg/lint -run Guide -update")
}

// TestTheGuideNamesEveryDecision fails when the filter learns a way to decide that the guide does not explain.
func TestTheGuideNamesEveryDecision(t *testing.T) {
	text, err := os.ReadFile(guide)
	require.NoError(t, err)
	for _, rule := range []string{
		virtualnode.RuleStatedManaged, virtualnode.RuleNotTolerated, virtualnode.RuleNeedsManaged, virtualnode.RuleBadAffinity, virtualnode.RuleStatedVirtual,
		virtualnode.RuleToleratesAll, virtualnode.RuleAllNoRoom, virtualnode.RuleNoMatch, virtualnode.RuleNothingFits, virtualnode.RuleNamesTaint, virtualnode.RuleOverflow,
	} {
		require.Contains(t, string(text), "\n| `"+rule+"` | ")
	}
	require.Contains(t, string(text), "`"+virtualnode.EventConflict+"`")
	require.Contains(t, string(text), virtualnode.LayerKey+": managed")
	require.Contains(t, string(text), virtualnode.OverflowAfterKey+": 5m")
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

func ruleTable(s virtualnode.Severity) string {
	var b strings.Builder
	b.WriteString("| rule | the pod | known from |\n|---|---|---|\n")
	for _, r := range virtualnode.Rules() {
		if r.Severity == s {
			fmt.Fprintf(&b, "| `%s` | %s | %s |\n", r.Name, r.Message, r.Source)
		}
	}
	return b.String()
}
