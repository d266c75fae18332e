package markdown

import (
	"testing"

	"github.com/stretchr/testify/require"
)

const page = "# A [page](b.md) of `x`\n\n```yaml\na: 1\n```\n\n- item\n\n  ```sh\n  ls ](no-link.md)\n  ```\n\nSee [this](c.md#d) and ![that](e.svg).\n\n## Bad input: why?\n"

func TestBlocksOfAPage(t *testing.T) {
	require.Equal(t, []Block{{Language: "yaml", Text: "a: 1\n", Line: 4}, {Language: "sh", Text: "ls ](no-link.md)\n", Line: 10}}, Blocks(page))
	require.Equal(t, []string{"a: 1\n"}, Of(page, "yaml"))
}

func TestLinksAndAnchorsOfAPage(t *testing.T) {
	require.Equal(t, []Link{{"b.md", 1}, {"c.md#d", 13}, {"e.svg", 13}}, Links(page))
	require.Equal(t, map[string]bool{"a-page-of-x": true, "bad-input-why": true}, Anchors(page))
}

func TestCommandsOfAPage(t *testing.T) {
	const page = "Say `kubectl get pods`, not `pods`.\n\n```console\n$ A=1 make up   # now\nmade\n$ kubectl get x -o yaml | \\\n  kubectl tool -f - > y\n```\n\n```yaml\nmake: it\n```\n"
	require.Equal(t, []Command{
		{[]string{"make", "up"}, 4}, {[]string{"kubectl", "get", "x", "-o", "yaml"}, 6}, {[]string{"kubectl", "tool", "-f", "-"}, 6},
		{[]string{"kubectl", "get", "pods"}, 1},
	}, Commands(page))
}
