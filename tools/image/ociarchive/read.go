package ociarchive

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// Layout is an archive that was read, with every digest checked on the way to what is asked for.
type Layout struct {
	Reference string
	Digest    digest.Digest // of the index of platforms
	Index     v1.Index
	files     map[string][]byte
}

// Read reads an archive.
func Read(r io.Reader) (*Layout, error) {
	l := &Layout{files: map[string][]byte{}}
	for archive := tar.NewReader(r); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("reading the archive: %w", err)
		}
		if header.Typeflag != tar.TypeReg {
			continue
		}
		if l.files[header.Name], err = io.ReadAll(archive); err != nil {
			return nil, fmt.Errorf("reading %s: %w", header.Name, err)
		}
	}
	var version v1.ImageLayout
	var entry v1.Index
	if err := json.Unmarshal(l.files[v1.ImageLayoutFile], &version); err != nil || version.Version != v1.ImageLayoutVersion {
		return nil, fmt.Errorf("this is no OCI image layout of version %s", v1.ImageLayoutVersion)
	}
	if err := json.Unmarshal(l.files[v1.ImageIndexFile], &entry); err != nil || len(entry.Manifests) != 1 {
		return nil, errors.New("the layout's index names no single image")
	}
	l.Reference, l.Digest = entry.Manifests[0].Annotations["io.containerd.image.name"], entry.Manifests[0].Digest
	return l, l.json(entry.Manifests[0], &l.Index)
}

// Manifest reads the manifest and the configuration of the image for a platform, such as linux and amd64.
func (l *Layout) Manifest(goos, goarch string) (v1.Manifest, v1.Image, error) {
	var manifest v1.Manifest
	var config v1.Image
	for _, m := range l.Index.Manifests {
		if m.Platform == nil || m.Platform.OS != goos || m.Platform.Architecture != goarch {
			continue
		}
		if err := l.json(m, &manifest); err != nil {
			return manifest, config, err
		}
		return manifest, config, l.json(manifest.Config, &config)
	}
	return manifest, config, fmt.Errorf("there is no image for %s/%s", goos, goarch)
}

// Extract writes the root file system of the image for a platform into a folder, and returns the image's configuration.
func (l *Layout) Extract(goos, goarch, dir string) (v1.Image, error) {
	manifest, config, err := l.Manifest(goos, goarch)
	if err != nil {
		return config, err
	}
	if len(manifest.Layers) != len(config.RootFS.DiffIDs) {
		return config, errors.New("manifest and configuration differ in their layers")
	}
	for i, layer := range manifest.Layers {
		packed, err := l.blob(layer)
		if err != nil {
			return config, err
		}
		if err := extract(packed, config.RootFS.DiffIDs[i], dir); err != nil {
			return config, fmt.Errorf("extracting layer %s: %w", layer.Digest, err)
		}
	}
	return config, nil
}

func extract(packed []byte, want digest.Digest, dir string) error {
	zip, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return err
	}
	plain, err := io.ReadAll(zip)
	if err != nil {
		return err
	}
	if is := digest.FromBytes(plain); is != want {
		return fmt.Errorf("it holds %s, the configuration says %s", is, want)
	}
	for archive := tar.NewReader(bytes.NewReader(plain)); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if !filepath.IsLocal(filepath.FromSlash(header.Name)) {
			return fmt.Errorf("%q leads out of the image", header.Name)
		}
		target := filepath.Join(dir, filepath.FromSlash(header.Name))
		if err := extractOne(archive, header, target); err != nil {
			return err
		}
	}
}

func extractOne(r io.Reader, header *tar.Header, target string) error {
	mode := os.FileMode(header.Mode) & os.ModePerm
	switch header.Typeflag {
	case tar.TypeDir:
		return os.MkdirAll(target, mode)
	case tar.TypeReg:
		data, err := io.ReadAll(r)
		if err != nil {
			return err
		}
		return os.WriteFile(target, data, mode)
	default:
		return fmt.Errorf("%s is neither a file nor a folder", header.Name)
	}
}

func (l *Layout) blob(d v1.Descriptor) ([]byte, error) {
	if err := d.Digest.Validate(); err != nil {
		return nil, fmt.Errorf("digest %q: %w", d.Digest, err)
	}
	data, ok := l.files[path.Join(v1.ImageBlobsDir, d.Digest.Algorithm().String(), d.Digest.Encoded())]
	if !ok || int64(len(data)) != d.Size || digest.FromBytes(data) != d.Digest {
		return nil, fmt.Errorf("the blob %s is missing or not what its name says", d.Digest)
	}
	return data, nil
}

func (l *Layout) json(d v1.Descriptor, into any) error {
	data, err := l.blob(d)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, into); err != nil {
		return fmt.Errorf("reading %s %s: %w", strings.TrimPrefix(d.MediaType, "application/vnd.oci."), d.Digest, err)
	}
	return nil
}
