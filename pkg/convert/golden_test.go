package convert_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/karpenter-oke/karpenter-oke/pkg/convert"
	"github.com/karpenter-oke/karpenter-oke/pkg/manifest"
)

// update writes what the tests compare with: go test ./pkg/convert -update.
var update = flag.Bool("update", false, "write the golden files and the table in docs/")

// cases are the files that are converted.
func cases(t testing.TB) map[string][]byte {
	t.Helper()
	names, err := filepath.Glob("testdata/cases/*.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, names)
	out := map[string][]byte{}
	for _, name := range names {
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		out[strings.TrimSuffix(filepath.Base(name), ".yaml")] = text
	}
	return out
}

// converted is a text after conversion: the output, and the warnings one a line.
func converted(t testing.TB, text []byte, o convert.Options) (string, string) {
	t.Helper()
	documents, err := manifest.Read("in.yaml", text)
	require.NoError(t, err)
	result, err := convert.Convert(documents, o)
	require.NoError(t, err)
	var out bytes.Buffer
	require.NoError(t, manifest.Write(&out, result.Documents))
	warnings := ""
	for _, w := range result.Warnings {
		require.NotContains(t, w.String(), "\n")
		warnings += w.String() + "\n"
	}
	return out.String(), warnings
}

// compare compares a text with a file, or writes the file.
func compare(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
		require.NoError(t, os.WriteFile(file, []byte(got), 0o644))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, string(want), got, "if this is right, run: go test ./pkg/convert -update")
}

func TestCasesBecomeTheirGoldenFiles(t *testing.T) {
	for name, text := range cases(t) {
		t.Run(name, func(t *testing.T) {
			out, warnings := converted(t, text, convert.Options{})
			compare(t, "testdata/golden/"+name+".yaml", out)
			compare(t, "testdata/golden/"+name+".warnings", warnings)
		})
	}
}

func TestTheOutputNeedsNoSecondConversion(t *testing.T) {
	for name, text := range cases(t) {
		t.Run(name, func(t *testing.T) {
			once, _ := converted(t, text, convert.Options{})
			twice, _ := converted(t, []byte(once), convert.Options{})
			require.Equal(t, once, twice)
		})
	}
}
