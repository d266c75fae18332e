// Package ociarchive writes and reads container images as one file in the OCI image layout: an index of images for several platforms,
// which `skopeo copy oci-archive:`, `ctr images import`, `podman load` and `docker load` take. What goes in decides every byte.
package ociarchive

import (
	"archive/tar"
	"bytes"
	"cmp"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// File is one file of a layer; it belongs to root.
type File struct {
	Path string // from the root, without a leading slash
	Mode int64  // permissions
	Data []byte
}

// Image is the image for one platform. Layers are given from the lowest to the highest.
type Image struct {
	Platform v1.Platform
	Config   v1.ImageConfig
	Layers   []Layer
}

// Layer is a set of files, with a word on what they are.
type Layer struct {
	About string
	Files []File
}

// Archive is what is written.
type Archive struct {
	Reference   string // such as ghcr.io/karpenter-oke/karpenter-oke:v1.2.3
	Created     time.Time
	Annotations map[string]string // of the index
	Images      []Image
}

// blobs are the contents of the layout by digest, in the order in which they were made.
type blobs struct {
	order []digest.Digest
	data  map[digest.Digest][]byte
}

// Write writes the archive.
func (a *Archive) Write(w io.Writer) error {
	_, tag, ok := cutTag(a.Reference)
	if !ok {
		return fmt.Errorf("the reference %q has no tag", a.Reference)
	}
	if len(a.Images) == 0 {
		return errors.New("there is no image to write")
	}
	all := &blobs{data: map[digest.Digest][]byte{}}
	index := v1.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: v1.MediaTypeImageIndex, Annotations: a.Annotations}
	for i := range a.Images {
		manifest, err := all.image(&a.Images[i], a.Created)
		if err != nil {
			return err
		}
		index.Manifests = append(index.Manifests, manifest)
	}
	top, err := all.json(v1.MediaTypeImageIndex, index)
	if err != nil {
		return err
	}
	top.Annotations = map[string]string{v1.AnnotationRefName: tag, "io.containerd.image.name": a.Reference}
	entry := v1.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: v1.MediaTypeImageIndex, Manifests: []v1.Descriptor{top}}
	return all.layout(w, entry, a.Created)
}

// cutTag takes a reference apart at its tag.
func cutTag(reference string) (repository, tag string, ok bool) {
	at := strings.LastIndex(reference, ":")
	if at < 1 || at == len(reference)-1 || strings.Contains(reference[at:], "/") {
		return "", "", false
	}
	return reference[:at], reference[at+1:], true
}

// image adds an image's layers, configuration and manifest.
func (b *blobs) image(i *Image, created time.Time) (v1.Descriptor, error) {
	config := v1.Image{Created: &created, Platform: i.Platform, Config: i.Config, RootFS: v1.RootFS{Type: "layers"}}
	manifest := v1.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: v1.MediaTypeImageManifest}
	for _, layer := range i.Layers {
		plain, packed, err := layer.pack(created)
		if err != nil {
			return v1.Descriptor{}, fmt.Errorf("packing the layer of %s: %w", layer.About, err)
		}
		config.RootFS.DiffIDs = append(config.RootFS.DiffIDs, plain)
		config.History = append(config.History, v1.History{Created: &created, CreatedBy: layer.About})
		manifest.Layers = append(manifest.Layers, b.add(v1.MediaTypeImageLayerGzip, packed))
	}
	var err error
	if manifest.Config, err = b.json(v1.MediaTypeImageConfig, config); err != nil {
		return v1.Descriptor{}, err
	}
	descriptor, err := b.json(v1.MediaTypeImageManifest, manifest)
	descriptor.Platform = &i.Platform
	return descriptor, err
}

func (b *blobs) add(mediaType string, data []byte) v1.Descriptor {
	id := digest.FromBytes(data)
	if _, known := b.data[id]; !known {
		b.order = append(b.order, id)
		b.data[id] = data
	}
	return v1.Descriptor{MediaType: mediaType, Digest: id, Size: int64(len(data))}
}

func (b *blobs) json(mediaType string, value any) (v1.Descriptor, error) {
	data, err := json.Marshal(value)
	if err != nil {
		return v1.Descriptor{}, fmt.Errorf("encoding %s: %w", mediaType, err)
	}
	return b.add(mediaType, data), nil
}

// layout writes the blobs and what leads to them.
func (b *blobs) layout(w io.Writer, index v1.Index, created time.Time) error {
	version, err := json.Marshal(v1.ImageLayout{Version: v1.ImageLayoutVersion})
	if err != nil {
		return fmt.Errorf("encoding the layout's version: %w", err)
	}
	entry, err := json.Marshal(index)
	if err != nil {
		return fmt.Errorf("encoding the index: %w", err)
	}
	files := []File{{Path: v1.ImageLayoutFile, Mode: 0o644, Data: version}, {Path: v1.ImageIndexFile, Mode: 0o644, Data: entry}}
	for _, id := range b.order {
		files = append(files, File{Path: path.Join(v1.ImageBlobsDir, id.Algorithm().String(), id.Encoded()), Mode: 0o644, Data: b.data[id]})
	}
	return writeTar(w, files, created)
}

// pack makes a layer's blob, and the digest of what is within its compression.
func (l Layer) pack(created time.Time) (plain digest.Digest, packed []byte, err error) {
	out := &bytes.Buffer{}
	zip, err := gzip.NewWriterLevel(out, gzip.BestCompression)
	if err != nil {
		return "", nil, err
	}
	hash := digest.Canonical.Digester()
	if err := writeTar(io.MultiWriter(zip, hash.Hash()), l.Files, created); err != nil {
		return "", nil, err
	}
	if err := zip.Close(); err != nil {
		return "", nil, err
	}
	return hash.Digest(), out.Bytes(), nil
}

// writeTar writes files in the order of their paths, each after the folders that it lies in.
func writeTar(w io.Writer, files []File, at time.Time) error {
	sorted := slices.Clone(files)
	slices.SortFunc(sorted, func(a, b File) int { return cmp.Compare(a.Path, b.Path) })
	out := tar.NewWriter(w)
	made := map[string]bool{".": true}
	for _, f := range sorted {
		if f.Path != path.Clean(f.Path) || path.IsAbs(f.Path) || strings.HasPrefix(f.Path, "..") || made[f.Path] {
			return fmt.Errorf("%q is no path of a file, or there twice", f.Path)
		}
		for _, dir := range parents(f.Path) {
			if made[dir] {
				continue
			}
			made[dir] = true
			if err := out.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: dir + "/", Mode: 0o755, ModTime: at, Format: tar.FormatPAX}); err != nil {
				return fmt.Errorf("writing %s: %w", dir, err)
			}
		}
		made[f.Path] = true
		header := &tar.Header{Typeflag: tar.TypeReg, Name: f.Path, Mode: f.Mode, Size: int64(len(f.Data)), ModTime: at, Format: tar.FormatPAX}
		if err := out.WriteHeader(header); err != nil {
			return fmt.Errorf("writing %s: %w", f.Path, err)
		}
		if _, err := out.Write(f.Data); err != nil {
			return fmt.Errorf("writing %s: %w", f.Path, err)
		}
	}
	return out.Close()
}

// parents are the folders of a path, the outermost first.
func parents(name string) []string {
	var dirs []string
	for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
		dirs = append(dirs, dir)
	}
	slices.Reverse(dirs)
	return dirs
}
