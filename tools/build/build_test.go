package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// fixture is a tools folder with one module that builds in a moment and needs no network.
func fixture(t *testing.T) (*builder, tool, *bytes.Buffer) {
	t.Helper()
	tools := t.TempDir()
	dir := filepath.Join(tools, "hello")
	require.NoError(t, os.Mkdir(dir, 0o755))
	write(t, filepath.Join(dir, "go.mod"), "module example.com/hello\n\ngo 1.26\n")
	write(t, filepath.Join(dir, "go.sum"), "")
	write(t, filepath.Join(dir, "main.go"), "package main\n\nvar version = \"none\"\n\nfunc main() { println(version) }\n")
	out := &bytes.Buffer{}
	return &builder{tools: tools, bin: filepath.Join(t.TempDir(), "bin"), out: &printer{w: out}},
		tool{Name: "hello", Module: "hello", Package: "example.com/hello", Version: "v1", LDFlags: "-X main.version=v1", Weight: 1}, out
}

func write(t *testing.T, path, content string) {
	t.Helper()
	require.NoError(t, os.WriteFile(path, []byte(content), 0o644))
}

func TestBuild(t *testing.T) {
	b, hello, out := fixture(t)
	ctx := context.Background()
	require.NoError(t, b.build(ctx, []tool{hello}))
	said, err := exec.Command(filepath.Join(b.bin, "hello")).CombinedOutput()
	require.NoError(t, err)
	require.Equal(t, "v1\n", string(said))
	require.Regexp(t, `\[1/1\] hello v1 \.\.\. \(.* left\)\nbuilt 1 tools in `, out.String())

	t.Run("a second build does nothing and says one line", func(t *testing.T) {
		out.Reset()
		require.NoError(t, b.build(ctx, []tool{hello}))
		require.Equal(t, fmt.Sprintf("1 tools up to date in %s\n", b.bin), out.String())
	})
	for name, spoil := range map[string]func(){
		"a changed row":               func() { hello.LDFlags = "-X main.version=v2" },
		"a changed go.mod":            func() { write(t, filepath.Join(b.tools, "hello", "go.mod"), "module example.com/hello\n\ngo 1.26.1\n") },
		"a missing program":           func() { require.NoError(t, os.Remove(filepath.Join(b.bin, "hello"))) },
		"a program that is cut short": func() { require.NoError(t, os.Truncate(filepath.Join(b.bin, "hello"), 100)) },
		"a missing stamp":             func() { require.NoError(t, os.Remove(b.stampPath("hello"))) },
	} {
		t.Run(name+" is built again", func(t *testing.T) {
			spoil()
			out.Reset()
			require.NoError(t, b.build(ctx, []tool{hello}))
			require.Contains(t, out.String(), "built 1 tools")
		})
	}
	t.Run("what killed builds left is swept away", func(t *testing.T) {
		left := filepath.Join(b.bin, ".building-hello-1")
		write(t, left, "half")
		require.NoError(t, os.Remove(b.stampPath("hello")))
		require.NoError(t, b.build(ctx, []tool{hello}))
		require.NoFileExists(t, left)
	})
	t.Run("a failed build is told in one line with the compiler's words and keeps the old program", func(t *testing.T) {
		write(t, filepath.Join(b.tools, "hello", "main.go"), "package main\n\nfunc main() { undefined() }\n")
		hello.LDFlags = ""
		err := b.build(ctx, []tool{hello})
		require.ErrorContains(t, err, "building hello v1 failed")
		require.ErrorContains(t, err, "undefined: undefined")
		require.FileExists(t, filepath.Join(b.bin, "hello"))
		left, err := filepath.Glob(filepath.Join(b.bin, ".building-*"))
		require.NoError(t, err)
		require.Empty(t, left)
	})
}

func TestTwoBuildsDoNotCollide(t *testing.T) {
	b, hello, _ := fixture(t)
	require.NoError(t, os.MkdirAll(filepath.Join(b.bin, ".stamps"), 0o755))
	unlock, err := b.lock(context.Background())
	require.NoError(t, err)
	var second safeBuffer
	other := &builder{tools: b.tools, bin: b.bin, out: &printer{w: &second}}
	done := make(chan error, 1)
	go func() { done <- other.build(context.Background(), []tool{hello}) }()
	require.Eventually(t, func() bool { return strings.Contains(second.String(), "another build is using") }, 10*time.Second, 10*time.Millisecond)
	require.NoFileExists(t, filepath.Join(b.bin, "hello"))
	unlock()
	require.NoError(t, <-done)
	require.FileExists(t, filepath.Join(b.bin, "hello"))
}

type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func TestInterruptedBuildSaysSoAndLeavesNothing(t *testing.T) {
	b, hello, _ := fixture(t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	require.Error(t, b.build(ctx, []tool{hello}))
	require.NoFileExists(t, filepath.Join(b.bin, "hello"))
}

func TestExplainNamesTheMend(t *testing.T) {
	for output, hint := range map[string]string{
		"dial tcp: lookup proxy: no such host": "check the network",
		"write: no space left on device":       "disk is full",
		"missing go.sum entry for module":      "go mod tidy",
		"compile: signal: killed":              "memory",
		"main.go:3: undefined: x":              "tools/build/table.go",
	} {
		require.ErrorContains(t, explain(job{tool: tool{Name: "a", Module: "m"}}, exec.ErrNotFound, output), hint)
	}
}

func TestChoose(t *testing.T) {
	rows := table()
	all, err := choose(rows, "all", nil)
	require.NoError(t, err)
	require.Equal(t, rows, all)
	cluster, err := choose(rows, groupCluster, nil)
	require.NoError(t, err)
	require.Equal(t, []string{"etcd", "kube-apiserver", "kube-scheduler", "kube-controller-manager", "kubectl", "kwok", "helm"}, names(cluster))
	_, err = choose(rows, "all", []string{"kube-apiservre"})
	require.ErrorContains(t, err, `no tool "kube-apiservre"; tools: etcd`)
	_, err = choose(rows, "none", nil)
	require.ErrorContains(t, err, "no group")
}

// Every row must be what its module's go.mod pins, or the version shown would lie.
func TestTableAgreesWithTheModules(t *testing.T) {
	for _, row := range table() {
		data, err := os.ReadFile(filepath.Join("..", row.Module, "go.mod"))
		require.NoError(t, err, row.Name)
		pin := regexp.MustCompile(`(?m)^(require )?\s*` + regexp.QuoteMeta(row.Require) + ` (\S+)`).FindStringSubmatch(string(data))
		require.NotNil(t, pin, "%s does not require %s", row.Module, row.Require)
		require.Equal(t, row.Version, pin[2], row.Name)
		require.Regexp(t, `(?m)^(tool )?\s*`+regexp.QuoteMeta(row.Package)+`$`, string(data), "%s is no tool of its module", row.Name)
		require.FileExists(t, filepath.Join("..", row.Module, "go.sum"))
		require.Positive(t, row.Weight)
	}
}

func TestEstimate(t *testing.T) {
	now := time.Unix(0, 0)
	e := newEstimate([]job{{tool: tool{Weight: 600}}, {tool: tool{Weight: 300}}, {tool: tool{Weight: 100}}}, func() time.Time { return now })
	first := e.left()
	now = now.Add(10 * time.Minute) // much slower than guessed
	e.finish()
	require.Greater(t, e.left(), 4*time.Minute, "a slow machine is believed")
	require.Less(t, e.left(), 8*time.Minute)
	now = now.Add(30 * time.Minute)
	require.Positive(t, e.left(), "an overdue job is not over")
	e.finish()
	e.finish()
	require.Zero(t, e.left())
	require.Positive(t, first)
}

func TestAbout(t *testing.T) {
	for d, want := range map[time.Duration]string{2 * time.Second: "a few seconds left", 44 * time.Second: "about 40s left", 4*time.Minute + 20*time.Second: "about 4m left"} {
		require.Equal(t, want, about(d))
	}
}
