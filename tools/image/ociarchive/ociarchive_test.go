package ociarchive

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/stretchr/testify/require"
)

func sample() *Archive {
	image := func(architecture, program string) Image {
		return Image{
			Platform: v1.Platform{OS: "linux", Architecture: architecture}, Config: v1.ImageConfig{User: "65532:65532", Entrypoint: []string{"/app"}},
			Layers: []Layer{
				{About: "documents", Files: []File{{Path: "usr/share/doc/b", Mode: 0o444, Data: []byte("b")}, {Path: "etc/a", Mode: 0o444, Data: []byte("a")}}},
				{About: "the program", Files: []File{{Path: "app", Mode: 0o555, Data: []byte(program)}}},
			},
		}
	}
	return &Archive{Reference: "registry:5000/app:v1", Created: time.Unix(1_800_000_000, 0).UTC(), Annotations: map[string]string{"about": "this"},
		Images: []Image{image("amd64", "one"), image("arm64", "two")}}
}

func written(t *testing.T, a *Archive) []byte {
	t.Helper()
	out := &bytes.Buffer{}
	require.NoError(t, a.Write(out))
	return out.Bytes()
}

func TestWhatIsWrittenCanBeExtracted(t *testing.T) {
	layout, err := Read(bytes.NewReader(written(t, sample())))
	require.NoError(t, err)
	require.Equal(t, "registry:5000/app:v1", layout.Reference)
	require.Equal(t, "this", layout.Index.Annotations["about"])
	for architecture, program := range map[string]string{"amd64": "one", "arm64": "two"} {
		dir := t.TempDir()
		config, err := layout.Extract("linux", architecture, dir)
		require.NoError(t, err)
		require.Equal(t, "65532:65532", config.Config.User)
		require.Len(t, config.History, 2)
		data, err := os.ReadFile(filepath.Join(dir, "app"))
		require.NoError(t, err)
		require.Equal(t, program, string(data))
		info, err := os.Stat(filepath.Join(dir, "app"))
		require.NoError(t, err)
		require.EqualValues(t, 0o555, info.Mode().Perm())
		require.FileExists(t, filepath.Join(dir, "usr/share/doc/b"))
	}
	_, err = layout.Extract("linux", "riscv64", t.TempDir())
	require.ErrorContains(t, err, "no image for linux/riscv64")
}

func TestTheSameContentsAreTheSameBytes(t *testing.T) {
	first := written(t, sample())
	turned := sample()
	files := turned.Images[0].Layers[0].Files
	files[0], files[1] = files[1], files[0]
	require.Equal(t, first, written(t, turned))
	changed := sample()
	changed.Images[1].Layers[1].Files[0].Data = []byte("three")
	before, err := Read(bytes.NewReader(first))
	require.NoError(t, err)
	after, err := Read(bytes.NewReader(written(t, changed)))
	require.NoError(t, err)
	require.NotEqual(t, before.Digest, after.Digest)
	require.Equal(t, before.Index.Manifests[0].Digest, after.Index.Manifests[0].Digest, "the other platform's image stays what it was")
}

func TestWhatCanNotBeWrittenIsSaid(t *testing.T) {
	for says, change := range map[string]func(*Archive){
		"has no tag":             func(a *Archive) { a.Reference = "registry:5000/app" },
		"there is no image":      func(a *Archive) { a.Images = nil },
		`"etc/a" is no path`:     func(a *Archive) { a.Images[0].Layers[0].Files[0].Path = "etc/a" },
		`"../x" is no path`:      func(a *Archive) { a.Images[0].Layers[0].Files[0].Path = "../x" },
		`"/etc/shadow" is no pa`: func(a *Archive) { a.Images[0].Layers[0].Files[0].Path = "/etc/shadow" },
	} {
		t.Run(says, func(t *testing.T) {
			a := sample()
			change(a)
			require.ErrorContains(t, a.Write(io.Discard), says)
		})
	}
}

func TestADamagedArchiveIsRefused(t *testing.T) {
	whole := written(t, sample())
	layout, err := Read(bytes.NewReader(whole))
	require.NoError(t, err)
	manifest, _, err := layout.Manifest("linux", "amd64")
	require.NoError(t, err)
	layer := manifest.Layers[1].Digest

	damaged := rewrite(t, whole, func(h *tar.Header, data []byte) []byte {
		if filepath.Base(h.Name) == layer.Encoded() {
			data[len(data)-1] ^= 1
		}
		return data
	})
	layout, err = Read(bytes.NewReader(damaged))
	require.NoError(t, err)
	_, err = layout.Extract("linux", "amd64", t.TempDir())
	require.ErrorContains(t, err, "missing or not what its name says")

	_, err = Read(bytes.NewReader(rewrite(t, whole, func(h *tar.Header, data []byte) []byte {
		if h.Name == v1.ImageLayoutFile {
			return []byte("{}")
		}
		return data
	})))
	require.ErrorContains(t, err, "no OCI image layout")
	_, err = Read(bytes.NewReader(whole[:len(whole)/2]))
	require.Error(t, err)
}

// rewrite copies a tar with other contents.
func rewrite(t *testing.T, from []byte, change func(*tar.Header, []byte) []byte) []byte {
	t.Helper()
	out := &bytes.Buffer{}
	in, w := tar.NewReader(bytes.NewReader(from)), tar.NewWriter(out)
	for {
		header, err := in.Next()
		if errors.Is(err, io.EOF) {
			require.NoError(t, w.Close())
			return out.Bytes()
		}
		require.NoError(t, err)
		data, err := io.ReadAll(in)
		require.NoError(t, err)
		data = change(header, data)
		header.Size = int64(len(data))
		require.NoError(t, w.WriteHeader(header))
		_, err = w.Write(data)
		require.NoError(t, err)
	}
}
