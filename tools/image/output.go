package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/karpenter-oke/karpenter-oke/tools/image/ociarchive"
)

// writeArchive writes the archive, its digest and the bills of materials into the folder of outputs.
func (s *settings) writeArchive(ctx context.Context, out io.Writer, programs map[string][]byte) error {
	if err := os.MkdirAll(s.Out, 0o755); err != nil {
		return fmt.Errorf("making the folder %s: %w", s.Out, err)
	}
	name := filepath.Join(s.Out, programName+"-"+s.Version)
	archive := ociarchive.Archive{Reference: s.Reference, Created: s.Created, Annotations: s.labels()}
	for _, platform := range s.Platforms {
		layers, bill, err := s.contents(ctx, platform, programs[platform])
		if err != nil {
			return err
		}
		archive.Images = append(archive.Images, s.image(platform, layers))
		if err := os.WriteFile(name+"-"+strings.ReplaceAll(platform, "/", "-")+".cdx.json", bill, 0o644); err != nil {
			return fmt.Errorf("writing the bill of materials: %w", err)
		}
	}
	if err := writeFile(name+".tar", archive.Write); err != nil {
		return err
	}
	// What was written is read back: its digest is what a registry will show, and what the chart's image.digest takes.
	layout, size, err := readBack(name + ".tar")
	if err != nil {
		return err
	}
	if err := os.WriteFile(name+".digest", []byte(layout.Digest.String()+"\n"), 0o644); err != nil {
		return fmt.Errorf("writing the digest: %w", err)
	}
	fmt.Fprintf(out, "%s: %s for %s, %.0f MB\n%s\n", name+".tar", s.Reference, strings.Join(s.Platforms, " and "), float64(size)/1e6, layout.Digest)
	return nil
}

func readBack(path string) (*ociarchive.Layout, int64, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, 0, fmt.Errorf("opening the archive: %w", err)
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return nil, 0, fmt.Errorf("looking at the archive: %w", err)
	}
	layout, err := ociarchive.Read(f)
	return layout, info.Size(), err
}

// writeFile writes a file beside its name and moves it there when it is whole.
func writeFile(path string, write func(io.Writer) error) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".writing-")
	if err != nil {
		return fmt.Errorf("making %s: %w", path, err)
	}
	defer func() { _ = os.Remove(f.Name()) }()
	if err := write(f); err != nil {
		_ = f.Close()
		return fmt.Errorf("writing %s: %w", path, err)
	}
	if err := f.Chmod(0o644); err != nil {
		_ = f.Close()
		return fmt.Errorf("writing %s: %w", path, err)
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return nil
}

// writeRootFS writes the files of the one platform's image, for a Dockerfile that copies them into an empty image.
func (s *settings) writeRootFS(ctx context.Context, programs map[string][]byte) error {
	layers, _, err := s.contents(ctx, s.Platforms[0], programs[s.Platforms[0]])
	if err != nil {
		return err
	}
	for _, layer := range layers {
		for _, f := range layer.Files {
			path := filepath.Join(s.RootFS, filepath.FromSlash(f.Path))
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				return fmt.Errorf("making the folder of %s: %w", f.Path, err)
			}
			if err := os.WriteFile(path, f.Data, os.FileMode(f.Mode)); err != nil {
				return fmt.Errorf("writing %s: %w", f.Path, err)
			}
		}
	}
	return nil
}
