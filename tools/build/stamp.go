package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// stamp says what a finished program was made from. It is read by others too (test/cluster/binaries).
type stamp struct {
	Hash    string `json:"hash"`
	Size    int64  `json:"size"` // bytes
	Version string `json:"version"`
}

// hash covers everything that decides how a program turns out: its row, its module's go.mod and go.sum, Go's version and the platform.
func (b *builder) hash(t tool, goVersion string) (string, error) {
	h := sha256.New()
	t.Weight = 0
	row, err := json.Marshal(t)
	if err != nil {
		return "", fmt.Errorf("hashing the row of %s: %w", t.Name, err)
	}
	fmt.Fprintln(h, string(row), goVersion, runtime.GOOS, runtime.GOARCH)
	for _, name := range []string{"go.mod", "go.sum"} {
		data, err := os.ReadFile(filepath.Join(b.tools, t.Module, name))
		if err != nil {
			return "", fmt.Errorf("tools/%s is not a whole module: %w", t.Module, err)
		}
		fmt.Fprintln(h, name, len(data))
		_, _ = h.Write(data)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// fresh tells whether the program is in place, whole and made from what the hash covers.
func (b *builder) fresh(name, hash string) bool {
	data, err := os.ReadFile(b.stampPath(name))
	if err != nil {
		return false
	}
	var s stamp
	if err := json.Unmarshal(data, &s); err != nil || s.Hash != hash {
		return false
	}
	info, err := os.Stat(filepath.Join(b.bin, name))
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 && info.Size() == s.Size
}

func (b *builder) stampPath(name string) string { return filepath.Join(b.bin, ".stamps", name+".json") }

// dropStamp removes the stamp before the program is replaced, so that a kill between the two is seen.
func (b *builder) dropStamp(name string) error {
	if err := os.Remove(b.stampPath(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("removing the old stamp of %s: %w", name, err)
	}
	return nil
}

func (b *builder) writeStamp(name string, s stamp) error {
	data, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("encoding the stamp of %s: %w", name, err)
	}
	temp := b.stampPath(name) + ".new"
	if err := os.WriteFile(temp, append(data, '\n'), 0o644); err != nil {
		return fmt.Errorf("writing the stamp of %s: %w", name, err)
	}
	if err := os.Rename(temp, b.stampPath(name)); err != nil {
		return fmt.Errorf("writing the stamp of %s: %w", name, err)
	}
	return nil
}

// sweep removes what killed builds left; the caller holds the lock.
func (b *builder) sweep() {
	left, _ := filepath.Glob(filepath.Join(b.bin, ".building-*"))
	for _, path := range left {
		_ = os.Remove(path)
	}
}

// goVersion is the version of the go command on the PATH, e.g. "go1.26.10".
func goVersion(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "env", "GOVERSION").Output()
	if err != nil {
		return "", fmt.Errorf("asking Go for its version: %w (is the go command on the PATH?)", err)
	}
	return strings.TrimSpace(string(out)), nil
}
