package sbom

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	cyclonedx "github.com/CycloneDX/cyclonedx-go"
	"github.com/samber/lo"
	"github.com/stretchr/testify/require"
)

// built is a program of this repository, into which a module is linked. Test programs say nothing of their modules.
func built(t *testing.T) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "licences")
	out, err := exec.Command("go", "build", "-buildvcs=false", "-o", path, "../../licences").CombinedOutput()
	require.NoError(t, err, string(out))
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	return data
}

func TestTheBillNamesWhatIsLinked(t *testing.T) {
	subject := Subject{Name: "karpenter-oke", Version: "v1", Platform: "linux/amd64", Created: time.Unix(0, 0),
		Licences: map[string][]string{"github.com/google/licensecheck": {"BSD-3-Clause"}, "std": {"BSD-3-Clause"}}}
	program := built(t)
	bom, err := Of(program, subject)
	require.NoError(t, err)
	out := &bytes.Buffer{}
	require.NoError(t, Encode(out, bom))

	read := &cyclonedx.BOM{}
	require.NoError(t, cyclonedx.NewBOMDecoder(bytes.NewReader(out.Bytes()), cyclonedx.BOMFileFormatJSON).Decode(read))
	require.Equal(t, cyclonedx.SpecVersion1_6, read.SpecVersion)
	require.Equal(t, "pkg:golang/github.com/karpenter-oke/karpenter-oke@v1?type=module&goos=linux&goarch=amd64", read.Metadata.Component.PackageURL)
	byName := lo.KeyBy(*read.Components, func(c cyclonedx.Component) string { return c.Name })
	linked := byName["github.com/google/licensecheck"]
	require.Regexp(t, `^pkg:golang/github.com/google/licensecheck@v0\.\d+\.\d+$`, linked.PackageURL)
	require.Equal(t, "BSD-3-Clause", (*linked.Licenses)[0].License.ID)
	require.Regexp(t, `^h1:.{43}=$`, (*linked.Properties)[0].Value)
	require.Regexp(t, `^go1\.`, byName["std"].Version)
	require.Len(t, *(*read.Dependencies)[0].Dependencies, len(*read.Components))

	again, err := Of(program, subject)
	require.NoError(t, err)
	require.Equal(t, bom, again)
	var plain map[string]any
	require.NoError(t, json.Unmarshal(out.Bytes(), &plain))
	require.Regexp(t, `^urn:uuid:[0-9a-f-]{36}$`, plain["serialNumber"])
}

func TestWhatGoDidNotBuildHasNoBill(t *testing.T) {
	_, err := Of([]byte("#!/bin/sh\n"), Subject{Name: "script"})
	require.ErrorContains(t, err, "reading what was linked into script")
}
