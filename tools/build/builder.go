package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// builder builds rows of the table into one bin folder.
type builder struct {
	tools string // absolute path of tools/
	bin   string // absolute path of bin/
	out   *printer
}

// job is a tool that has to be built, with the hash its stamp will carry.
type job struct {
	tool
	hash string
}

// build brings every wanted tool up to date. Two builds of one bin folder do not collide: the second waits.
func (b *builder) build(ctx context.Context, wanted []tool) error {
	begin := time.Now()
	pending, err := b.outdated(ctx, wanted)
	if err != nil {
		return err
	}
	if len(pending) == 0 {
		b.out.line("%d tools up to date in %s", len(wanted), b.bin)
		return nil
	}
	if err := os.MkdirAll(filepath.Join(b.bin, ".stamps"), 0o755); err != nil {
		return fmt.Errorf("making %s: %w", b.bin, err)
	}
	unlock, err := b.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	// Another build may have done our work while we waited for the lock.
	if pending, err = b.outdated(ctx, wanted); err != nil {
		return err
	}
	b.sweep()
	est := newEstimate(pending, time.Now)
	for i, j := range pending {
		title := fmt.Sprintf("[%d/%d] %s %s", i+1, len(pending), j.Name, j.Version)
		stop := b.out.watch(title, est)
		err := b.one(ctx, j)
		stop()
		if err != nil {
			return err
		}
		est.finish()
	}
	b.out.line("built %d tools in %s (%d were up to date): %s", len(pending), round(time.Since(begin)), len(wanted)-len(pending), b.bin)
	return nil
}

// outdated returns the wanted tools whose program or stamp is missing or differs.
func (b *builder) outdated(ctx context.Context, wanted []tool) ([]job, error) {
	goVersion, err := goVersion(ctx)
	if err != nil {
		return nil, err
	}
	var out []job
	for _, t := range wanted {
		hash, err := b.hash(t, goVersion)
		if err != nil {
			return nil, err
		}
		if !b.fresh(t.Name, hash) {
			out = append(out, job{tool: t, hash: hash})
		}
	}
	return out, nil
}

// one builds a tool beside its final name and moves it there when it is whole; the stamp is written last.
func (b *builder) one(ctx context.Context, j job) error {
	temp := filepath.Join(b.bin, fmt.Sprintf(".building-%s-%d", j.Name, os.Getpid()))
	defer func() { _ = os.Remove(temp) }()
	// The parent-death signal is tied to the thread that starts the compiler.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd := exec.CommandContext(ctx, "go", "build", "-mod=readonly", "-trimpath", "-buildvcs=false",
		"-ldflags", strings.TrimSpace("-s -w "+j.LDFlags), "-o", temp, j.Package)
	cmd.Dir = filepath.Join(b.tools, j.Module)
	cmd.Env = buildEnv(os.Environ())
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	ownGroup(cmd)
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return errors.New("interrupted; run it again to go on where it stopped")
		}
		return explain(j, err, output.String())
	}
	info, err := os.Stat(temp)
	if err != nil {
		return fmt.Errorf("%s: the build left no program: %w", j.Name, err)
	}
	if err := b.dropStamp(j.Name); err != nil {
		return err
	}
	if err := os.Rename(temp, filepath.Join(b.bin, j.Name)); err != nil {
		return fmt.Errorf("moving %s into place: %w", j.Name, err)
	}
	return b.writeStamp(j.Name, stamp{Hash: j.hash, Size: info.Size(), Version: j.Version})
}

// buildEnv makes builds equal on every machine: no workspace, no C compiler, no flags from outside; the toolchain that a module asks for may be fetched.
func buildEnv(env []string) []string {
	out := make([]string, 0, len(env)+4)
	for _, kv := range env {
		switch name, _, _ := strings.Cut(kv, "="); name {
		case "GOFLAGS", "GOWORK", "CGO_ENABLED", "GOTOOLCHAIN", "GOOS", "GOARCH":
		default:
			out = append(out, kv)
		}
	}
	return append(out, "GOFLAGS=", "GOWORK=off", "CGO_ENABLED=0", "GOTOOLCHAIN=auto")
}

// explain turns a failed build into one line that says what failed and how to mend it, followed by the end of the output.
func explain(j job, err error, output string) error {
	hint := fmt.Sprintf("mend tools/%s (its go.mod pins the version) or the row %q in tools/build/table.go", j.Module, j.Name)
	lower := strings.ToLower(output)
	switch {
	case containsAny(lower, "dial tcp", "no such host", "i/o timeout", "connection refused", "tls handshake", "502 bad gateway", "503 service"):
		hint = "a Go module could not be fetched: check the network and `go env GOPROXY`, then run it again"
	case strings.Contains(lower, "no space left on device"):
		hint = "the disk is full: free some space (a full build needs about 6 GB below `go env GOCACHE GOMODCACHE`)"
	case containsAny(lower, "missing go.sum entry", "updates to go.mod needed", "checksum mismatch"):
		hint = fmt.Sprintf("tools/%s/go.mod and go.sum do not fit each other: run `go mod tidy` in tools/%s", j.Module, j.Module)
	case containsAny(lower, "signal: killed", "cannot allocate memory", "out of memory"):
		hint = "the compiler was killed, most likely for want of memory (it needs about 3 GB): close other programs and run it again"
	}
	return fmt.Errorf("building %s %s failed (%w): %s\n%s", j.Name, j.Version, err, hint, lastLines(output, 15))
}

func containsAny(s string, parts ...string) bool {
	for _, part := range parts {
		if strings.Contains(s, part) {
			return true
		}
	}
	return false
}

func lastLines(s string, n int) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	if len(lines) > n {
		lines = lines[len(lines)-n:]
	}
	return "    " + strings.Join(lines, "\n    ")
}
