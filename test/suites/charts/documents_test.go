package charts_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/modfile"
)

// The table of versions that fit says of the present version what the sources say.
func TestTheTableOfVersionsIsTrue(t *testing.T) {
	row := regexp.MustCompile(`(?m)^\| ([\d.]+) \| (\S+) \| (\S+) or newer \| (\S+) \|`).FindStringSubmatch(read(t, "../../../docs/upgrade.md"))
	require.NotNil(t, row, "docs/upgrade.md has no row of versions")
	for _, dir := range []string{chart, crdChart} {
		text := read(t, dir+"/Chart.yaml")
		require.Contains(t, text, "\nappVersion: v"+row[1]+"\n")
		require.Contains(t, text, "\nkubeVersion: \">="+row[3]+".0-0\"\n")
	}
	data, err := os.ReadFile("../../../go.mod")
	require.NoError(t, err)
	mod, err := modfile.Parse("go.mod", data, nil)
	require.NoError(t, err)
	core := ""
	for _, r := range mod.Require {
		if r.Mod.Path == "sigs.k8s.io/karpenter" {
			core = r.Mod.Version
		}
	}
	require.Equal(t, core, row[2])
	require.Contains(t, read(t, "../../../tools/build/table.go"), `kubernetesVersion = "`+row[4]+`"`)
}

// Nobody has to read a template to know what a setting is for.
func TestEverySettingIsExplained(t *testing.T) {
	for _, dir := range []string{chart, crdChart} {
		for line := range strings.Lines(read(t, dir+"/README.md")) {
			if strings.HasPrefix(line, "| settings.") || dir == crdChart && strings.HasPrefix(line, "| keep") {
				require.NotRegexp(t, `\| +\|$`, strings.TrimSpace(line))
			}
		}
	}
}
