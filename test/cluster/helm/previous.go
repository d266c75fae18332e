package helm

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"strings"
)

var versionLine = regexp.MustCompile(`(?m)^version: .*$`)

// Previous writes the version before the present one of a chart below charts/ into a folder, and returns the chart's folder: that of the last
// release tag (v1.2.3) before HEAD, or, before there is one, the present chart under a lower version.
func Previous(ctx context.Context, repo, chart, into string) (string, error) {
	target := filepath.Join(into, chart)
	tag, err := git(ctx, repo, "describe", "--tags", "--abbrev=0", "--match", "v[0-9]*", "HEAD^")
	if err == nil {
		archive, err := git(ctx, repo, "archive", strings.TrimSpace(string(tag)), "charts/"+chart)
		if err != nil {
			return "", fmt.Errorf("reading the chart of %s: %w", tag, err)
		}
		return target, untar(archive, into)
	}
	if err := os.CopyFS(target, os.DirFS(filepath.Join(repo, "charts", chart))); err != nil {
		return "", fmt.Errorf("copying the chart %s: %w", chart, err)
	}
	file := filepath.Join(target, "Chart.yaml")
	text, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("reading the chart %s: %w", chart, err)
	}
	if !versionLine.Match(text) {
		return "", fmt.Errorf("%s has no version", file)
	}
	return target, os.WriteFile(file, versionLine.ReplaceAll(text, []byte("version: 0.0.1")), 0o600)
}

func git(ctx context.Context, repo string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir = repo
	return cmd.Output()
}

// untar writes the files below charts/ of an archive.
func untar(archive []byte, into string) error {
	for r := tar.NewReader(bytes.NewReader(archive)); ; {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading the archive: %w", err)
		}
		name := strings.TrimPrefix(path.Clean(header.Name), "charts/")
		if header.Typeflag != tar.TypeReg || !filepath.IsLocal(name) {
			continue
		}
		data, err := io.ReadAll(r)
		if err != nil {
			return fmt.Errorf("reading %s: %w", name, err)
		}
		file := filepath.Join(into, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(file, data, 0o600); err != nil {
			return err
		}
	}
}
