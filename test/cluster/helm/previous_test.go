package helm

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// repository is one with a chart of version 0.2.0 that was committed twice.
func repository(t *testing.T) (dir string, git func(args ...string)) {
	t.Helper()
	dir = t.TempDir()
	git = func(args ...string) {
		cmd := exec.Command("git", append([]string{"-c", "user.name=test", "-c", "user.email=test@example.com", "-c", "commit.gpgsign=false", "-c", "tag.gpgsign=false"}, args...)...)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, string(out))
	}
	git("init", "-q")
	for _, version := range []string{"0.1.0", "0.2.0"} {
		for path, text := range map[string]string{"Chart.yaml": "name: app\nversion: " + version + "\n", "templates/a.yaml": "of: " + version + "\n"} {
			file := filepath.Join(dir, "charts", "app", path)
			require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
			require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		}
		git("add", "-A")
		git("commit", "-qm", version)
	}
	return dir, git
}

func TestPreviousIsTheLastReleaseBeforeThisCommit(t *testing.T) {
	repo, git := repository(t)
	git("tag", "v0.1.0", "HEAD^")
	git("tag", "v0.2.0") // of the present commit: not before it
	dir, err := Previous(t.Context(), repo, "app", t.TempDir())
	require.NoError(t, err)
	for path, want := range map[string]string{"Chart.yaml": "name: app\nversion: 0.1.0\n", "templates/a.yaml": "of: 0.1.0\n"} {
		text, err := os.ReadFile(filepath.Join(dir, path))
		require.NoError(t, err)
		require.Equal(t, want, string(text))
	}
}

func TestBeforeTheFirstReleasePreviousIsTheChartUnderALowerVersion(t *testing.T) {
	repo, _ := repository(t)
	dir, err := Previous(t.Context(), repo, "app", t.TempDir())
	require.NoError(t, err)
	text, err := os.ReadFile(filepath.Join(dir, "Chart.yaml"))
	require.NoError(t, err)
	require.Equal(t, "name: app\nversion: 0.0.1\n", string(text))
	text, err = os.ReadFile(filepath.Join(dir, "templates", "a.yaml"))
	require.NoError(t, err)
	require.Equal(t, "of: 0.2.0\n", string(text))
	_, err = Previous(t.Context(), repo, "nothing", t.TempDir())
	require.ErrorContains(t, err, "copying the chart nothing")
}
