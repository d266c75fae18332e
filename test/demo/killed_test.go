package main

import (
	"bufio"
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// asDemo in the environment makes the test binary be the demo command.
const asDemo = "TEST_BINARY_IS_THE_DEMO"

func TestMain(m *testing.M) {
	if os.Getenv(asDemo) == "1" {
		main()
	}
	os.Exit(m.Run())
}

// startDemo starts the demo with its output folder in dir and returns its lines.
func startDemo(t *testing.T, dir string, args ...string) (*exec.Cmd, *bufio.Scanner) {
	t.Helper()
	cmd := exec.Command(os.Args[0], append(args, "--out", dir, "--name", "killed")...)
	cmd.Env = append(os.Environ(), asDemo+"=1")
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	cmd.Stderr = cmd.Stdout
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	return cmd, bufio.NewScanner(out)
}

// processesOf lists the command lines that name a folder.
func processesOf(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	require.NoError(t, err)
	var out []string
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err == nil && bytes.Contains(data, []byte(dir)) {
			out = append(out, strings.ReplaceAll(string(data), "\x00", " "))
		}
	}
	return out
}

func TestAnEndedDemoLeavesNoProcessAndNoFolderElsewhere(t *testing.T) {
	if testing.Short() {
		t.Skip("starts control planes")
	}
	if _, err := os.Stat("/proc/self/cmdline"); err != nil {
		t.Skip("needs /proc to see processes")
	}
	cases := []struct {
		name   string
		args   []string
		line   string // what it says when it is ended
		signal syscall.Signal
	}{
		{"killed while the control plane starts", nil, "starting the control plane", syscall.SIGKILL},
		{"killed while nodes and controller start", nil, "starting the controller", syscall.SIGKILL},
		{"killed while it plays", nil, "kubectl scale", syscall.SIGKILL},
		{"interrupted while nodes and controller start", nil, "starting the controller", syscall.SIGINT},
		{"interrupted while it plays", nil, "kubectl scale", syscall.SIGINT},
		{"killed while a cluster that is to stay starts", []string{"up"}, "starting the controller", syscall.SIGKILL},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			temp, work := t.TempDir(), t.TempDir()
			t.Setenv("TMPDIR", temp)
			dir := filepath.Join(work, "out")
			cmd, lines := startDemo(t, dir, c.args...)
			var said []string
			for lines.Scan() {
				said = append(said, lines.Text())
				if strings.Contains(lines.Text(), c.line) {
					break
				}
			}
			require.Contains(t, strings.Join(said, "\n"), c.line)
			require.NotEmpty(t, processesOf(t, dir))
			require.NoError(t, cmd.Process.Signal(c.signal))
			for lines.Scan() {
				said = append(said, lines.Text())
			}
			err := cmd.Wait()
			require.Eventually(t, func() bool { return len(processesOf(t, dir)) == 0 }, 15*time.Second, 50*time.Millisecond,
				"still running: %v", processesOf(t, dir))
			if c.signal == syscall.SIGINT {
				var exit *exec.ExitError
				require.ErrorAs(t, err, &exit)
				require.Equal(t, exitInterrupted, exit.ExitCode(), strings.Join(said, "\n"))
				require.Contains(t, said[len(said)-1], "interrupted")
			}
			require.Empty(t, entries(t, temp), "temporary files")
			require.Equal(t, []string{"out"}, entries(t, work))
		})
	}
}

func entries(t *testing.T, dir string) []string {
	t.Helper()
	found, err := os.ReadDir(dir)
	require.NoError(t, err)
	var names []string
	for _, e := range found {
		names = append(names, e.Name())
	}
	slices.Sort(names)
	return names
}
