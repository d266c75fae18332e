package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/utils/clock"

	"github.com/karpenter-oke/karpenter-oke/test/demo/live"
	"github.com/karpenter-oke/karpenter-oke/test/demo/report"
	"github.com/karpenter-oke/karpenter-oke/test/environment"
	"github.com/karpenter-oke/karpenter-oke/test/environment/record"
	"github.com/karpenter-oke/karpenter-oke/test/scenarios/mixed"
)

// redraw is how often the live table is drawn.
const redraw = 500 * time.Millisecond

// stopPatience bounds the time in which everything is ended.
const stopPatience = 30 * time.Second

func playCommand() *cobra.Command {
	s := &settings{}
	c := &cobra.Command{
		Use:   "demo",
		Short: "Bring up a mixed OKE cluster on this machine and play the scenario on it",
		Long: "Bring up a mixed OKE cluster on this machine (a real control plane, an OCI simulator, simulated nodes, the real controller),\n" +
			"play a scenario of test/scenarios on it, and write report.html and report.json. The exit status is 1 when a check failed.",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if s.Keep {
				return playAndKeep(c.Context(), s)
			}
			return playHere(c.Context(), s)
		},
	}
	s.add(c.Flags(), "demo", filepath.Join("out", "demo"))
	c.Flags().BoolVar(&s.Keep, "keep", false, "leave the cluster up in the background afterwards")
	c.Flags().Float64Var(&s.Patience, "patience", 1, "multiplies the time limits, for slow machines")
	return c
}

// playHere plays with a cluster that ends with this process.
func playHere(ctx context.Context, s *settings) error {
	ctx, cancel := watchStarters(ctx)
	defer cancel()
	screen := live.NewScreen(os.Stdout, clock.RealClock{})
	defer screen.Close()
	release, err := claimDir(s.Out)
	if err != nil {
		return err
	}
	defer release()
	e, err := begin(ctx, s, screen.Say)
	if err != nil {
		return err
	}
	outcome, err := perform(ctx, e, s, screen)
	screen.Say("ending the cluster")
	stopCtx, stopCancel := context.WithTimeout(context.WithoutCancel(ctx), stopPatience)
	defer stopCancel()
	if stopErr := e.Stop(stopCtx); err == nil {
		err = stopErr
	}
	screen.Close()
	if err != nil {
		return err
	}
	return outcome.tell()
}

// begin starts the cluster of a play; what an earlier play reported is removed, so that nobody takes it for this one's.
func begin(ctx context.Context, s *settings, say func(string)) (*environment.Environment, error) {
	play, err := s.scenario()
	if err != nil {
		return nil, err
	}
	o, err := s.options(say)
	if err != nil {
		return nil, err
	}
	play.prepare(&o)
	for _, name := range []string{report.HTMLFile, report.JSONFile, report.RecordingFile} {
		if err := os.Remove(filepath.Join(s.Out, name)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("removing an earlier report: %w", err)
		}
	}
	return environment.Start(ctx, o)
}

// perform plays the scenario on a running cluster and writes the report. An error means that there is no report.
func perform(ctx context.Context, e *environment.Environment, s *settings, screen *live.Screen) (*outcome, error) {
	play, err := s.scenario()
	if err != nil {
		return nil, err
	}
	stopShowing := show(ctx, e.Recorder(), screen, len(play.phases))
	defer stopShowing()
	lastPhase := ""
	stage := &mixed.Stage{
		Client: e.Client(), Recorder: e.Recorder(), Apply: e.Apply, Delete: e.Delete, Leftovers: e.Leftovers, Alive: e.Err,
		Say: func(line string) {
			if _, phase, n := e.Recorder().Latest(); phase != lastPhase {
				lastPhase = phase
				screen.Say(fmt.Sprintf("--- phase %d of %d: %s", n, len(play.phases), phase))
			}
			screen.Say(line)
		},
		Logs: e.ControllerLog() + " and " + e.LogDir(), Clock: clock.RealClock{}, Patience: s.Patience,
	}
	select {
	case <-e.Recorder().Synced():
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	err = play.play(ctx, e, stage)
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err != nil {
		e.Recorder().Fail(err.Error(), e.ControllerLogTail(40))
		screen.Say("stopped: " + oneLine(err))
	}
	stopShowing()
	return conclude(e, s.Out, play)
}

// conclude judges the recording and writes the report.
func conclude(e *environment.Environment, dir string, play scenario) (*outcome, error) {
	rec := e.Recorder().Recording()
	timings := play.timings(rec)
	for step, seconds := range e.Timings() {
		timings["start: "+step] = seconds
	}
	in := report.Input{Title: play.title, Recording: rec, Checks: play.judge(rec), Timings: timings, Figures: play.figures(rec, timings)}
	if charts, err := filepath.Rel(e.Dir(), filepath.Join(e.RepoDir(), "charts")); err == nil {
		in.Charts = filepath.ToSlash(charts)
	}
	if err := report.Write(dir, in); err != nil {
		return nil, err
	}
	return &outcome{input: in, dir: dir}, nil
}

// show keeps the table up to date until the returned function is called.
func show(ctx context.Context, r *record.Recorder, screen *live.Screen, phases int) func() {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	begin := time.Now()
	go func() {
		defer close(done)
		ticker := time.NewTicker(redraw)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
				sample, phase, number := r.Latest()
				screen.Show(live.View{Phase: phase, Number: number, Phases: phases, Elapsed: time.Since(begin), Sample: sample, Calls: sample.Calls})
			}
		}
	}()
	var once sync.Once
	return func() {
		once.Do(func() {
			cancel()
			<-done
			screen.Close()
		})
	}
}

// outcome is a finished play.
type outcome struct {
	input report.Input
	dir   string
}

// tell prints the checks and where the report is. It returns errChecksFailed when the play did not go as it should.
func (o *outcome) tell() error {
	var b strings.Builder
	b.WriteString("\n")
	for _, c := range o.input.Checks {
		mark := "ok    "
		if !c.Passed {
			mark = "FAILED"
		}
		fmt.Fprintf(&b, "%s  %s\n        %s\n", mark, c.Name, c.Detail)
	}
	if failure := o.input.Recording.Failure; failure != "" {
		fmt.Fprintf(&b, "\nstopped: %s\n", oneLine(errors.New(failure)))
	}
	fmt.Fprintf(&b, "\n%d of %d checks passed in %s; report: %s\n", len(o.input.Checks)-record.Failed(o.input.Checks), len(o.input.Checks),
		o.input.Recording.Ended.Sub(o.input.Recording.Started).Round(time.Second), filepath.Join(o.dir, report.HTMLFile))
	fmt.Print(b.String())
	if !o.input.Passed() {
		return errChecksFailed
	}
	return nil
}
