package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestErrorsAreToldInOneLine(t *testing.T) {
	cases := []struct{ name, in, want string }{
		{"a single line stays", "no cluster is up", "no cluster is up"},
		{"of a log the last line stays", "karpenter-oke ended by itself (exit status 1); its log is out/x.log; last lines:\nfirst\n--cluster-id is required", "karpenter-oke ended by itself (exit status 1); its log is out/x.log; it said: --cluster-id is required"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) { require.Equal(t, c.want, oneLine(errors.New(c.in))) })
	}
}

func TestSettingsSurviveTheWayToTheOwnerOfABackgroundCluster(t *testing.T) {
	want := settings{Scenario: "preemption", Name: "x", Out: "out/x", Bin: "b", Nodes: 3, SystemNodes: 1, VirtualNodes: 0, ControllerArgs: "--log-level 'a b'", OCISimArgs: "--page-size=1", RBAC: []string{"r.yaml"}}
	got := settings{}
	c := upCommand()
	got.add(c.PersistentFlags(), "default", "")
	require.NoError(t, c.PersistentFlags().Parse(want.args()))
	require.Equal(t, want, got)
}

func TestBadSettingsAreRefusedByTheirFlag(t *testing.T) {
	for flag, s := range map[string]settings{
		"--controller-args": {Name: "x", ControllerArgs: "'"}, "--ocisim-args": {Name: "x", OCISimArgs: "--page-size x"},
	} {
		_, err := s.options(nil)
		require.ErrorContains(t, err, flag)
	}
}

func TestAProcessIsKnownByItsStartNotOnlyByItsNumber(t *testing.T) {
	me, name, parent, err := identify(os.Getpid())
	require.NoError(t, err)
	require.NotEmpty(t, name)
	require.Equal(t, os.Getppid(), parent)
	require.True(t, me.alive())
	me.Start++
	require.False(t, me.alive(), "another process with the same number is not this one")
}

func TestAnEndedProcessIsNotAlive(t *testing.T) {
	child := exec.Command("sleep", "60")
	require.NoError(t, child.Start())
	id, _, _, err := identify(child.Process.Pid)
	require.NoError(t, err)
	require.True(t, id.alive())
	require.NoError(t, child.Process.Kill())
	require.Eventually(t, func() bool { return !id.alive() }, 5*time.Second, 10*time.Millisecond, "ended, although nobody has waited for it yet")
	_ = child.Wait()
	require.False(t, id.alive())
}

func TestABrokenLeashEndsTheOwnerAndLettingGoDoesNot(t *testing.T) {
	for name, letGoFirst := range map[string]bool{"the foreground is killed": false, "the foreground lets go": true} {
		t.Run(name, func(t *testing.T) {
			held, leash, err := os.Pipe()
			require.NoError(t, err)
			ctx, cancel := context.WithCancelCause(t.Context())
			released := watchLeash(held, cancel)
			if letGoFirst {
				_, err := leash.Write([]byte{letGo})
				require.NoError(t, err)
			}
			require.NoError(t, leash.Close())
			select {
			case <-released:
				require.True(t, letGoFirst)
				require.NoError(t, ctx.Err())
			case <-ctx.Done():
				require.False(t, letGoFirst)
				require.ErrorIs(t, context.Cause(ctx), errInterrupted)
			case <-time.After(5 * time.Second):
				require.Fail(t, "the owner noticed nothing")
			}
		})
	}
}

func TestTheOwnersMessagesAreHandedOn(t *testing.T) {
	var said []string
	m, err := readMessages(strings.NewReader(`{"say":"one"}`+"\n"+`{"say":"two"}`+"\n"+`{"ready":true,"failed":true,"cluster":{"name":"x"}}`+"\n"), func(s string) { said = append(said, s) })
	require.NoError(t, err)
	require.Equal(t, []string{"one", "two"}, said)
	require.True(t, m.Ready && m.Failed)
	require.Equal(t, "x", m.Cluster.Name)
	_, err = readMessages(strings.NewReader(`{"say":"one"}`+"\n"), func(string) {})
	require.ErrorContains(t, err, "ended without a word")
	_, err = readMessages(strings.NewReader("panic: oh\n"), func(string) {})
	require.ErrorContains(t, err, "unexpected")
}

func inTempDir(t *testing.T) {
	t.Helper()
	t.Chdir(t.TempDir())
}

func TestClustersInTheBackgroundAreFoundByName(t *testing.T) {
	inTempDir(t)
	_, err := choose("default", false)
	require.ErrorContains(t, err, "make up")
	for _, name := range []string{"b", "a"} {
		require.NoError(t, cluster{Name: name, Dir: filepath.Join(clustersDir, name), Owner: identity{PID: os.Getpid(), Start: 1}}.write())
	}
	_, err = choose("c", false)
	require.ErrorContains(t, err, `there is no cluster "c"; up are: a, b`)
	got, err := choose("a", false)
	require.NoError(t, err)
	require.Len(t, got, 1)
	all, err := choose("", true)
	require.NoError(t, err)
	require.Len(t, all, 2)
}

func TestDownCleansUpAfterAnOwnerThatWasKilled(t *testing.T) {
	inTempDir(t)
	c := cluster{Name: "dead", Dir: filepath.Join(clustersDir, "dead"), Owner: identity{PID: os.Getpid(), Start: 1}}
	require.NoError(t, c.write())
	require.NoError(t, os.MkdirAll(filepath.Join(c.Dir, "cluster", "etcd"), 0o755))
	require.NoError(t, os.MkdirAll(filepath.Join(c.Dir, "cluster", "logs"), 0o755))
	require.NoError(t, end(t.Context(), c))
	require.NoFileExists(t, stateFile("dead"))
	require.NoDirExists(t, filepath.Join(c.Dir, "cluster", "etcd"))
	require.DirExists(t, filepath.Join(c.Dir, "cluster", "logs"))
}

func TestDownEndsALivingOwner(t *testing.T) {
	inTempDir(t)
	child := exec.Command("sleep", "60")
	child.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	require.NoError(t, child.Start())
	go func() { _ = child.Wait() }()
	owner, _, _, err := identify(child.Process.Pid)
	require.NoError(t, err)
	c := cluster{Name: "alive", Dir: filepath.Join(clustersDir, "alive"), Owner: owner}
	require.NoError(t, c.write())
	require.NoError(t, end(t.Context(), c))
	require.False(t, owner.alive())
	require.NoFileExists(t, stateFile("alive"))
}

func TestAFolderBelongsToOneClusterAtATime(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "mine")
	release, err := claimDir(dir)
	require.NoError(t, err)
	_, err = claimDir(dir)
	require.ErrorContains(t, err, "another cluster is using")
	require.ErrorContains(t, err, "NAME=mine")
	release()
	release, err = claimDir(dir)
	require.NoError(t, err)
	release()
}

// The test binary stands in for this program: started by a shell that calls itself make, it must end when that is killed.
func TestBeingStartedByAMakeThatIsKilledCountsAsAnInterrupt(t *testing.T) {
	if os.Getenv("WATCH_STARTERS") == "1" {
		ctx, cancel := watchStarters(t.Context())
		defer cancel()
		fmt.Println("watching", len(starters()))
		<-ctx.Done()
		fmt.Println("cause", context.Cause(ctx))
		return
	}
	sh, err := exec.LookPath("bash")
	require.NoError(t, err, "make needs bash as well")
	fake := filepath.Join(t.TempDir(), "make")
	require.NoError(t, os.Symlink(sh, fake))
	out, in, err := os.Pipe()
	require.NoError(t, err)
	script := fmt.Sprintf("%s -test.run '^TestBeingStartedByAMakeThatIsKilledCountsAsAnInterrupt$' -test.v; true", os.Args[0])
	maker := exec.Command(fake, "-c", script)
	maker.Env = append(os.Environ(), "WATCH_STARTERS=1")
	maker.Stdout = in
	require.NoError(t, maker.Start())
	require.NoError(t, in.Close())
	text := readUntil(t, out, "watching")
	require.Contains(t, text, "watching 1")
	require.NoError(t, maker.Process.Kill())
	_ = maker.Wait()
	require.Contains(t, readUntil(t, out, "cause"), "interrupted")
}

// readUntil reads what is written until a word has come.
func readUntil(t *testing.T, r *os.File, word string) string {
	t.Helper()
	require.NoError(t, r.SetReadDeadline(time.Now().Add(10*time.Second)))
	var text strings.Builder
	b := make([]byte, 1)
	for !strings.Contains(text.String(), word) || !strings.HasSuffix(text.String(), "\n") {
		_, err := r.Read(b)
		require.NoError(t, err, "read so far: %s", text.String())
		text.Write(b)
	}
	return text.String()
}
