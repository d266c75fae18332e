package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/karpenter-oke/karpenter-oke/tools/generated"
)

const (
	chartValues = "../../charts/karpenter-oke/values.yaml"
	writtenPage = "../../docs/reference/settings.md"
)

func TestThePageIsWhatTheFlagsGive(t *testing.T) {
	require.NoError(t, generated.Run("settingsdoc", []string{"--values", chartValues, "--out", writtenPage, "--check"}, sources))
}

func TestThePageTellsFlagValueDefaultAndMeaning(t *testing.T) {
	data, err := generate(chartValues)
	require.NoError(t, err)
	page := string(data)
	for _, want := range []string{
		"| `--cluster-id` | `settings.clusterId` |  | Required.", "| `--virtual-node-overflow-after` | `settings.virtualNodeOverflowAfter` | `0s` |",
		"| `--oci-config-file` | `settings.ociConfigFile` |  |", "| `--batch-max-duration` | `settings.batchMaxDuration` | `10s` |", "| `NodeRepair` | false |",
		"| `--price-refresh` | `settings.priceRefresh` | `true` |", "| `--disable-leader-election` | `settings.disableLeaderElection` | `false` |",
	} {
		require.Contains(t, page, want)
	}
	for _, line := range strings.Split(page, "\n") {
		if strings.HasPrefix(line, "| `--") {
			require.False(t, strings.HasSuffix(line, "|  |"), "without meaning: %s", line)
		}
	}
}

func TestAnOldPageIsFound(t *testing.T) {
	old := filepath.Join(t.TempDir(), "page.md")
	require.NoError(t, os.WriteFile(old, []byte("# Old\n"), 0o600))
	args := []string{"--values", chartValues, "--out", old}
	require.ErrorContains(t, generated.Run("settingsdoc", append(args, "--check"), sources), "make generate")
	require.NoError(t, generated.Run("settingsdoc", args, sources))
	require.NoError(t, generated.Run("settingsdoc", append(args, "--check"), sources))
}
