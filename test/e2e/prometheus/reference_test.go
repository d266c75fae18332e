//go:build e2e

package prometheus_test

import (
	"os"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/karpenter-oke/karpenter-oke/test/live"
)

// requireReference checks that the reference page has every family of Karpenter's that the controller served.
func requireReference(s *live.Spec, p *server) {
	s.Helper()
	names := referenceNames(s.T)
	found, err := p.ask(s.Context(), `count by (__name__) ({__name__=~"karpenter_.+"})`)
	require.NoError(s.T, err)
	require.NotEmpty(s.T, found)
	suffix := regexp.MustCompile(`_(bucket|sum|count)$`)
	for _, series := range found {
		name := series.Metric["__name__"]
		require.True(s.T, names[name] || names[suffix.ReplaceAllString(name, "")], "the controller serves %s, which docs/reference/metrics.md does not have", name)
	}
	s.Logf("all %d series names of Karpenter's are in the reference", len(found))
}

func referenceNames(t *testing.T) map[string]bool {
	t.Helper()
	page, err := os.ReadFile("../../../docs/reference/metrics.md")
	require.NoError(t, err)
	names := map[string]bool{}
	for _, found := range regexp.MustCompile("(?m)^### `([a-z0-9_]+)`").FindAllStringSubmatch(string(page), -1) {
		names[found[1]] = true
	}
	return names
}
