package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/karpenter-oke/karpenter-oke/tools/generated"
)

const written = "../../docs/reference/capacity.md"

func TestThePageIsWhatItsSourcesGive(t *testing.T) {
	require.NoError(t, generated.Run("capacitydoc", []string{"--out", written, "--check"}, sources))
}

func TestThePageTellsWhatOffersAreMadeFrom(t *testing.T) {
	data, err := generate()
	require.NoError(t, err)
	for _, want := range []string{
		"| VM.Standard.A1.Flex | arm64 |", "| VM.DenseIO.E5.Flex | amd64 | 8, 16, 24, 32, 40, 48 |", "| 1 nvidia a10 of 24 GB |", "| VM.Standard.E4.Flex | 28 to 114 | 1760 |", "`CapacityReservationsReady`", "`PlacementDrifted`",
	} {
		require.Contains(t, string(data), want)
	}
	for line := range strings.Lines(string(data)) {
		if strings.HasPrefix(line, "| BM.") {
			require.NotContains(t, strings.Split(line, "|")[6], "s", "bare metal is never preemptible: %s", line)
		}
	}
}

func TestEveryRecipeIsThere(t *testing.T) {
	for _, k := range kinds() {
		_, err := os.Stat(filepath.Join("../../docs/recipes", k.recipe+".md"))
		require.NoError(t, err, k.name)
	}
}

func TestAPageThatIsOldIsFound(t *testing.T) {
	old := filepath.Join(t.TempDir(), "capacity.md")
	require.NoError(t, os.WriteFile(old, []byte("# Capacity\n"), 0o600))
	require.ErrorContains(t, generated.Run("capacitydoc", []string{"--out", old, "--check"}, sources), "make generate")
}
