package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/utils/clock"

	"github.com/karpenter-oke/karpenter-oke/test/demo/live"
	"github.com/karpenter-oke/karpenter-oke/test/environment"
)

// A cluster in the background is owned by a host: this program once more, in a session of its own. The host and the command in the
// foreground that started it share two pipes. On the one the host tells how far it is; the other is a leash: when it breaks before
// the foreground has let go, the host ends everything. So no cluster is left behind by a start that was killed.
const (
	leashFD    = 3
	messagesFD = 4
	letGo      = 'k'
)

// message is one line from the host.
type message struct {
	Say     string   `json:"say,omitempty"`
	Ready   bool     `json:"ready,omitempty"` // the last message, unless Error is set
	Error   string   `json:"error,omitempty"`
	Failed  bool     `json:"failed,omitempty"` // checks of a play failed
	Cluster *cluster `json:"cluster,omitempty"`
}

func hostCommand() *cobra.Command {
	s := &settings{}
	play := false
	c := &cobra.Command{
		Use: "host", Short: "Own a cluster in the background", Hidden: true, Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return host(c.Context(), s, play) },
	}
	s.add(c.Flags(), "default", "")
	c.Flags().BoolVar(&play, "play", false, "play the scenario first")
	c.Flags().Float64Var(&s.Patience, "patience", 1, "multiplies the time limits")
	return c
}

// host runs a cluster until it is asked to end, or until the leash breaks.
func host(ctx context.Context, s *settings, play bool) error {
	leash, messages := os.NewFile(leashFD, "leash"), os.NewFile(messagesFD, "messages")
	if leash == nil || messages == nil {
		return errors.New("host is started by the other commands only")
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	released := watchLeash(leash, cancel)
	tell := json.NewEncoder(messages)
	release, err := claimDir(s.Out)
	if err != nil {
		return errors.Join(tell.Encode(message{Error: oneLine(err)}), err)
	}
	defer release()
	c, failed, e, err := hosted(ctx, s, play, func(line string) { _ = tell.Encode(message{Say: line}) })
	if err != nil {
		_ = tell.Encode(message{Error: oneLine(err)})
		return err
	}
	defer func() { _ = c.forget() }()
	if err := tell.Encode(message{Ready: true, Failed: failed, Cluster: &c}); err == nil {
		_ = messages.Close()
		stand(ctx, s, e, released)
	}
	stopCtx, stopCancel := context.WithTimeout(context.WithoutCancel(ctx), stopPatience)
	defer stopCancel()
	return e.Stop(stopCtx)
}

// watchLeash cancels when the foreground ends without having let go. The returned channel is closed when it has.
func watchLeash(leash io.Reader, cancel context.CancelCauseFunc) <-chan struct{} {
	released := make(chan struct{})
	go func() {
		b := make([]byte, 1)
		if n, _ := leash.Read(b); n == 1 && b[0] == letGo {
			close(released)
			return
		}
		cancel(errInterrupted)
	}()
	return released
}

// hosted starts the cluster and plays if asked.
func hosted(ctx context.Context, s *settings, play bool, say func(string)) (c cluster, failed bool, e *environment.Environment, err error) {
	var screen *live.Screen
	if play {
		screen = live.NewScreen(os.Stdout, clock.RealClock{})
		say = screen.Say
	}
	if e, err = begin(ctx, s, say); err != nil {
		return c, false, nil, err
	}
	defer func() {
		if err != nil {
			stopCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopPatience)
			defer cancel()
			err = errors.Join(err, e.Stop(stopCtx))
		}
	}()
	if play {
		result, playErr := perform(ctx, e, s, screen)
		if playErr != nil {
			return c, false, e, playErr
		}
		screen.Close()
		failed = errors.Is(result.tell(), errChecksFailed)
	}
	c = describe(s.Name, e)
	return c, failed, e, c.write()
}

func describe(name string, e *environment.Environment) cluster {
	owner, _, _, err := identify(os.Getpid())
	if err != nil {
		owner = identity{PID: os.Getpid()}
	}
	return cluster{
		Name: name, Owner: owner, Dir: e.Dir(), Kubeconfig: e.Kubeconfig(), OCIURL: e.SimulatorURL(), OCIConfig: e.OCIConfig(),
		MetricsURL: e.MetricsURL(), ControllerLog: e.ControllerLog(), LogDir: e.LogDir(), Started: time.Now(),
	}
}

// stand keeps the cluster up until ctx ends. Once the foreground has let go, nothing of its terminal is held any more. A part that
// ends by itself is told to the log; the rest stays up for whoever wants to look.
func stand(ctx context.Context, s *settings, e *environment.Environment, released <-chan struct{}) {
	select {
	case <-released:
	case <-ctx.Done():
		return
	}
	if err := redirectOutput(filepath.Join(s.Out, "host.log")); err != nil {
		return
	}
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	told := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			if err := e.Err(); err != nil && !told {
				told = true
				fmt.Println(time.Now().Format(time.RFC3339), err)
			}
		}
	}
}

// readMessages hands the host's messages over and returns the last one.
func readMessages(r io.Reader, say func(string)) (message, error) {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 64<<10), 1<<20)
	for lines.Scan() {
		var m message
		if err := json.Unmarshal(lines.Bytes(), &m); err != nil {
			return m, fmt.Errorf("the cluster's owner said something unexpected: %w", err)
		}
		if m.Say == "" {
			return m, nil
		}
		say(m.Say)
	}
	return message{}, errors.New("the cluster's owner ended without a word")
}
