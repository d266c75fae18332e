package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const cases = "../../pkg/convert/testdata/cases"

// call runs the program.
func call(stdin string, args ...string) (code int, out, errs string) {
	var stdout, stderr bytes.Buffer
	code = run(args, strings.NewReader(stdin), &stdout, &stderr)
	return code, stdout.String(), stderr.String()
}

func write(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

func TestAFileIsConvertedToStandardOutput(t *testing.T) {
	code, out, errs := call("", "convert", "-f", filepath.Join(cases, "minimal.yaml"))
	require.Zero(t, code)
	require.Empty(t, errs)
	require.Contains(t, out, "kind: OciNodeClass")
	require.Equal(t, 1, strings.Count(out, "\n---\n"))
}

func TestStandardInputAndSeveralNamesAreRead(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(cases, "minimal.yaml"))
	require.NoError(t, err)
	code, out, _ := call(string(text), "convert", "-f", "-", "-f", filepath.Join(cases, "ubuntu.yaml"), "--nodepool-suffix=-oke")
	require.Zero(t, code)
	require.Contains(t, out, "name: general-oke\n")
	require.Contains(t, out, "imageFamily: Ubuntu")
}

func TestADirectoryIsReadAsAWhole(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "a.yaml", "apiVersion: karpenter.sh/v1\nkind: NodePool\nmetadata: {name: p}\nspec: {template: {spec: {requirements: [], nodeClassRef: {group: oci.oraclecloud.com, kind: OCINodeClass, name: c}}}}")
	write(t, dir, "b.JSON", `{"apiVersion":"oci.oraclecloud.com/v1beta1","kind":"OCINodeClass","metadata":{"name":"c"},"spec":{"kubeletConfig":{"nodeLabels":{"a":"b"}}}}`)
	write(t, dir, "README.md", "not YAML: [")
	require.NoError(t, os.Mkdir(filepath.Join(dir, "sub.yaml"), 0o700))
	code, out, _ := call("", "convert", "-f", dir)
	require.Zero(t, code)
	require.Contains(t, out, "a: b", "the class's label is in the NodePool of another file")
}

func TestWarningsAreOneLineEachAndFailOnlyWithStrict(t *testing.T) {
	file := filepath.Join(cases, "odd.yaml")
	code, out, errs := call("", "convert", "-f", file)
	require.Zero(t, code)
	require.NotEmpty(t, out)
	for line := range strings.Lines(errs) {
		require.True(t, strings.HasPrefix(line, "warning: "+file+": "), line)
	}
	code, out, strict := call("", "convert", "--strict", "-f", file)
	require.Equal(t, 1, code)
	require.Empty(t, out)
	require.True(t, strings.HasPrefix(strict, errs))
	require.Contains(t, strict, "error: --strict: ")
	code, out, _ = call("", "convert", "--strict", "-f", filepath.Join(cases, "minimal.yaml"))
	require.Zero(t, code)
	require.NotEmpty(t, out)
}

func TestWhatCanNotBeReadEndsWithOneLineAndNothingWritten(t *testing.T) {
	dir := t.TempDir()
	good := filepath.Join(cases, "minimal.yaml")
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"no name":            {[]string{}, "name what to convert"},
		"a file that is not": {[]string{"-f", good, "-f", filepath.Join(dir, "none.yaml")}, "no such file"},
		"a broken file":      {[]string{"-f", good, "-f", write(t, dir, "broken.yaml", "a: [")}, "broken.yaml:1: it is neither YAML nor JSON"},
		"a field of a wrong type": {[]string{"-f", good, "-f", write(t, dir, "type.yaml",
			"apiVersion: oci.oraclecloud.com/v1beta1\nkind: OCINodeClass\nmetadata: {name: c}\nspec: {shapeConfigs: 7}")}, "type.yaml: OCINodeClass c: spec.shapeConfigs"},
		"an empty directory": {[]string{"-f", t.TempDir()}, "holds no .yaml"},
		"an argument":        {[]string{good}, "unknown command"},
		"an unknown flag":    {[]string{"--file", good}, "unknown flag"},
	} {
		t.Run(name, func(t *testing.T) {
			code, out, errs := call("", append([]string{"convert"}, c.args...)...)
			require.Equal(t, 1, code)
			require.Empty(t, out)
			require.True(t, strings.HasPrefix(errs, "error: "), errs)
			require.Equal(t, 1, strings.Count(errs, "\n"))
			require.Contains(t, errs, c.want)
		})
	}
}

func TestInputWithNothingToConvertIsSaid(t *testing.T) {
	code, out, errs := call("apiVersion: v1\nkind: ConfigMap\n", "convert", "-f", "-")
	require.Zero(t, code)
	require.Equal(t, "apiVersion: v1\nkind: ConfigMap\n", out)
	require.Contains(t, errs, "note: nothing to convert")
}

func TestVersionAndHelp(t *testing.T) {
	code, out, _ := call("", "version")
	require.Zero(t, code)
	require.Regexp(t, `^karpenter_oke \S+ \(go1\.\S+, \w+/\w+\)\n$`, out)
	code, out, _ = call("", "convert", "--help")
	require.Zero(t, code)
	for _, want := range []string{"kubectl karpenter_oke convert -f FILE", "--strict", "--nodepool-suffix", "Exit code"} {
		require.Contains(t, out, want)
	}
}
