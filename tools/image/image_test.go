package main

import (
	"bytes"
	"crypto/x509"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/samber/lo"
	"github.com/stretchr/testify/require"
	"golang.org/x/mod/modfile"
)

// small builds a static program that says one word, in place of the controller, for the platform of this machine.
func small(t *testing.T) (platform, path string) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("images hold Linux programs")
	}
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module example.com/small\n\ngo 1.26\n"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "main.go"), []byte("package main\n\nfunc main() { println(\"small\") }\n"), 0o600))
	cmd := exec.Command("go", "build", "-o", "small", ".")
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "CGO_ENABLED=0")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	return "linux/" + runtime.GOARCH, filepath.Join(dir, "small")
}

func TestTheArchiveHoldsAnImageThatRuns(t *testing.T) {
	platform, program := small(t)
	t.Chdir("../..")
	t.Setenv("SOURCE_DATE_EPOCH", "1800000000")
	folder := t.TempDir()
	said := &bytes.Buffer{}
	args := []string{"--version", "v9.8.7", "--platforms", platform, "--binary", platform + "=" + program}
	require.NoError(t, run(t.Context(), said, append(args, "--out", folder)))

	layout, _, err := readBack(filepath.Join(folder, "karpenter-oke-v9.8.7.tar"))
	require.NoError(t, err)
	require.Equal(t, "ghcr.io/karpenter-oke/karpenter-oke:v9.8.7", layout.Reference)
	digest, err := os.ReadFile(filepath.Join(folder, "karpenter-oke-v9.8.7.digest"))
	require.NoError(t, err)
	require.Equal(t, layout.Digest.String()+"\n", string(digest))
	require.Contains(t, said.String(), layout.Digest.String())

	root := t.TempDir()
	config, err := layout.Extract("linux", runtime.GOARCH, root)
	require.NoError(t, err)
	require.Equal(t, "65532:65532", config.Config.User)
	require.Equal(t, "v9.8.7", config.Config.Labels["org.opencontainers.image.version"])
	require.Equal(t, time.Unix(1_800_000_000, 0).UTC(), *config.Created)
	out, err := exec.Command(filepath.Join(root, config.Config.Entrypoint[0])).CombinedOutput()
	require.NoError(t, err)
	require.Equal(t, "small\n", string(out))

	certificates, err := os.ReadFile(filepath.Join(root, certificatesPath))
	require.NoError(t, err)
	require.True(t, x509.NewCertPool().AppendCertsFromPEM(certificates))
	require.Greater(t, bytes.Count(certificates, []byte("BEGIN CERTIFICATE")), 80)
	for _, path := range []string{"licenses/github.com/karpenter-oke/karpenter-oke@v9.8.7/LICENSE", "licenses/sigs.k8s.io/karpenter@v1.15.0/LICENSE", billPath, "etc/passwd"} {
		require.FileExists(t, filepath.Join(root, path))
	}

	t.Run("the same again is the same bytes", func(t *testing.T) {
		other := t.TempDir()
		require.NoError(t, run(t.Context(), said, append(args, "--out", other)))
		first, err := os.ReadFile(filepath.Join(folder, "karpenter-oke-v9.8.7.tar"))
		require.NoError(t, err)
		second, err := os.ReadFile(filepath.Join(other, "karpenter-oke-v9.8.7.tar"))
		require.NoError(t, err)
		require.True(t, bytes.Equal(first, second))
	})
	t.Run("a Dockerfile gets the same files", func(t *testing.T) {
		copied := filepath.Join(t.TempDir(), "rootfs")
		require.NoError(t, run(t.Context(), said, append(args, "--rootfs", copied)))
		require.Equal(t, files(t, root), files(t, copied))
	})
}

func files(t *testing.T, root string) map[string]fs.FileMode {
	t.Helper()
	found := map[string]fs.FileMode{}
	require.NoError(t, filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		found[strings.TrimPrefix(path, root)] = info.Mode()
		return err
	}))
	return found
}

func TestMistakesAreSaid(t *testing.T) {
	platform, program := small(t)
	other := lo.Ternary(platform == "linux/amd64", "linux/arm64", "linux/amd64")
	script := filepath.Join(t.TempDir(), "script")
	require.NoError(t, os.WriteFile(script, []byte("#!/bin/sh\n"), 0o700))
	t.Chdir("../..")
	for says, args := range map[string][]string{
		`--version "" can not be a tag`:            {},
		`--version "a b" can not be a tag`:         {"--version", "a b"},
		`"windows/amd64" is not linux/`:            {"--version", "v1", "--platforms", "windows/amd64"},
		"takes the files of one platform":          {"--version", "v1", "--rootfs", "x"},
		"want platform=path":                       {"--version", "v1", "--binary", "x"},
		"the program for " + other + " is one for": {"--version", "v1", "--platforms", other, "--binary", other + "=" + program},
		"is no Linux program":                      {"--version", "v1", "--platforms", platform, "--binary", platform + "=" + script},
	} {
		t.Run(says, func(t *testing.T) {
			require.ErrorContains(t, run(t.Context(), &bytes.Buffer{}, append(args, "--out", t.TempDir())), says)
		})
	}
	t.Setenv("SOURCE_DATE_EPOCH", "yesterday")
	require.ErrorContains(t, run(t.Context(), &bytes.Buffer{}, []string{"--version", "v1"}), `SOURCE_DATE_EPOCH "yesterday"`)
}

// The Dockerfile copies what this program wrote; what it says itself must be the same.
func TestTheDockerfileSaysTheSame(t *testing.T) {
	data, err := os.ReadFile("../../Dockerfile")
	require.NoError(t, err)
	text := string(data)
	gomod, err := os.ReadFile("../../go.mod")
	require.NoError(t, err)
	parsed, err := modfile.Parse("go.mod", gomod, nil)
	require.NoError(t, err)
	require.Contains(t, text, "library/golang:"+strings.TrimPrefix(parsed.Toolchain.Name, "go")+" AS build")

	s := settings{Version: "v1"}
	image := s.image("linux/amd64", nil)
	require.Contains(t, text, "\nUSER "+image.Config.User+"\n")
	require.Contains(t, text, "\nENTRYPOINT [\""+image.Config.Entrypoint[0]+"\"]\n")
	require.Contains(t, text, "\nFROM scratch\n")
	labels := map[string]string{}
	for _, found := range regexp.MustCompile(`(?m)(org\.opencontainers\.\S+)="([^"]*)"`).FindAllStringSubmatch(text, -1) {
		labels[found[1]] = found[2]
	}
	want := s.labels()
	delete(want, "org.opencontainers.image.created") // BuildKit writes it
	require.ElementsMatch(t, lo.Keys(want), lo.Keys(labels))
	for name, value := range want {
		if !strings.HasPrefix(labels[name], "$") {
			require.Equal(t, value, labels[name], name)
		}
	}
	exposed := lo.Map(lo.Keys(image.Config.ExposedPorts), func(port string, _ int) string { return strings.TrimSuffix(port, "/tcp") })
	for _, port := range exposed {
		require.Regexp(t, `(?m)^EXPOSE .*\b`+port+`\b`, text)
	}
}
