package docs

import (
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/karpenter-oke/karpenter-oke/test/docs/markdown"
)

func TestEveryLinkOfThePagesResolves(t *testing.T) {
	checked := 0
	for _, page := range pages(t) {
		for _, link := range markdown.Links(readFile(t, page)) {
			if strings.Contains(link.Target, "://") || strings.HasPrefix(link.Target, "mailto:") {
				continue
			}
			checked++
			file, anchor, _ := strings.Cut(link.Target, "#")
			target := page
			if file != "" {
				target = path.Join(path.Dir(page), file)
			}
			_, err := os.Stat(filepath.Join(root, filepath.FromSlash(target)))
			require.NoError(t, err, "%s:%d links to %s", page, link.Line, link.Target)
			if anchor != "" && strings.HasSuffix(target, ".md") {
				require.True(t, markdown.Anchors(readFile(t, target))[anchor], "%s:%d links to %s: there is no such heading", page, link.Line, link.Target)
			}
		}
	}
	require.Greater(t, checked, 50)
}

// TestTheIndexHasEveryPage holds docs/README.md against the folder.
func TestTheIndexHasEveryPage(t *testing.T) {
	linked := map[string]bool{}
	for _, link := range markdown.Links(readFile(t, "docs/README.md")) {
		file, _, _ := strings.Cut(link.Target, "#")
		linked[path.Join("docs", file)] = true
	}
	for _, page := range pages(t) {
		switch {
		case page == "docs/README.md" || !strings.HasPrefix(page, "docs/"):
		case strings.HasPrefix(page, "docs/runbooks/"): // each is linked from its alert; the index links to the folder
			require.True(t, linked["docs/runbooks"] || linked["docs/runbooks/README.md"], "docs/README.md does not link to docs/runbooks")
		default:
			require.True(t, linked[page], "docs/README.md does not link to %s", page)
		}
	}
}
