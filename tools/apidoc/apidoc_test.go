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
	crd        = "../../pkg/apis/crds/karpenter.k8s.oracle_ocinodeclasses.yaml"
	conditions = "../../pkg/apis/v1alpha1/conditions.go"
	written    = "../../docs/reference/ocinodeclass.md"
)

func TestThePageIsWhatItsSourcesGive(t *testing.T) {
	require.NoError(t, generated.Run("apidoc", []string{"--crd", crd, "--conditions", conditions, "--out", written, "--check"}, sources))
}

func TestThePageTellsEveryFieldOnceWithItsMeaning(t *testing.T) {
	data, err := generate(crd, conditions)
	require.NoError(t, err)
	page := string(data)
	for _, want := range []string{
		"| `osVersion` | text |", "| `bootVolumeSizeInGBs` | integer | 50 | 50 to 32768 |", "| `imageFamily` | text | `OracleOKELinux` |",
		"| `adopt` | text | Automatic | `Automatic`, `Pinned` |", "| `imageSelector` | list of [object](#specimageselector) | required | 1 to 30 items |",
		"| `vpusPerGB` | integer | 10 | 0 to 120; in steps of 10 |", "| `min` | quantity |", "| `definedTags` | map of map of text |",
		"- 'min' must not be more than 'max'", "| `ImageReady` |", "## status",
	} {
		require.True(t, strings.Contains(page, want), want)
	}
	require.False(t, strings.Contains(page, "[object](#specpodnetworkingpodsubnetselector)"), "equal objects share a section")
	for _, line := range strings.Split(page, "\n") {
		if strings.HasPrefix(line, "| `") {
			cells := strings.Split(strings.TrimSuffix(line, " |"), " | ")
			require.NotEmpty(t, strings.TrimSpace(cells[len(cells)-1]), "without meaning: %s", line)
		}
	}
}

func TestEveryLinkHasItsSection(t *testing.T) {
	data, err := generate(crd, conditions)
	require.NoError(t, err)
	anchors := map[string]bool{}
	for _, line := range strings.Split(string(data), "\n") {
		if heading, ok := strings.CutPrefix(strings.TrimLeft(line, "#"), " "); ok && strings.HasPrefix(line, "#") {
			require.False(t, anchors[anchor(heading)], heading)
			anchors[anchor(heading)] = true
		}
	}
	for _, link := range strings.Split(string(data), "(#")[1:] {
		target, _, _ := strings.Cut(link, ")")
		require.True(t, anchors[target], target)
	}
}

func TestAnOldPageIsFound(t *testing.T) {
	old := filepath.Join(t.TempDir(), "page.md")
	require.NoError(t, os.WriteFile(old, []byte("# Old\n"), 0o600))
	args := []string{"--crd", crd, "--conditions", conditions, "--out", old}
	require.ErrorContains(t, generated.Run("apidoc", append(args, "--check"), sources), "make generate")
	require.NoError(t, generated.Run("apidoc", args, sources))
	require.NoError(t, generated.Run("apidoc", append(args, "--check"), sources))
}

func TestDefaultsAreReadFromTheDescriptions(t *testing.T) {
	for description, want := range map[string]string{
		"size is the size in GB; 50 when left out.":                                "50",
		"type is auto, the default, for what the cluster uses; Flannel to insist.": "auto",
		`version is "auto", the default, for the newest.`:                          "auto",
		"vpus is the performance: 10 (Balanced, the default), 20 (Higher).":        "10",
		"action is RESTORE (OCI's default) to start again.":                        "RESTORE",
		"id is where it is. Left out: the controller's compartment.":               "the controller's compartment",
		"list is a list. Left out or empty: none.":                                 "none",
		"name is a name.": "",
	} {
		require.Equal(t, want, defaultOf(schema{Description: description}, false), description)
	}
}

func TestAConditionNeedsItsMeaning(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.go")
	require.NoError(t, os.WriteFile(path, []byte("package c\n\n// Something.\nconst ConditionTypeX = \"X\"\n"), 0o600))
	_, err := readConditions(path)
	require.ErrorContains(t, err, "ConditionTypeX")
	require.NoError(t, os.WriteFile(path, []byte("package c\n"), 0o600))
	_, err = readConditions(path)
	require.Error(t, err)
}
