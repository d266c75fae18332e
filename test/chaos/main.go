// Command chaos breaks things around a running controller, as a seed decides, and looks at what is true when everything has come to rest. It writes
// out/chaos/report.json and ends with 1 when something that must be true is not.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/karpenter-oke/karpenter-oke/test/chaos/plan"
	"github.com/karpenter-oke/karpenter-oke/test/chaos/play"
)

var errInvariant = errors.New("an invariant failed")

func main() {
	log.SetLogger(logr.Discard())
	klog.SetLogger(logr.Discard())
	var s settings
	flag.Uint64Var(&s.seed, "seed", 1, "decides what goes wrong and when; odd ones have two controllers with leader election")
	flag.DurationVar(&s.duration, "duration", 5*time.Minute, "how long things go wrong")
	flag.DurationVar(&s.patience, "patience", 12*time.Minute, "bound of each wait for things to come to rest")
	flag.StringVar(&s.out, "out", "out/chaos", "folder for the report and the logs")
	flag.BoolVar(&s.race, "race", true, "build the controller with the race detector, which needs a C compiler")
	flag.BoolVar(&s.dry, "plan", false, "print the plan and end")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, s)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "chaos:", err)
		os.Exit(1)
	}
}

type settings struct {
	seed               uint64
	duration, patience time.Duration
	out                string
	race, dry          bool
}

func run(ctx context.Context, s settings) error {
	p := plan.New(s.seed, s.duration)
	p.Print(os.Stdout)
	if s.dry {
		return nil
	}
	out, err := filepath.Abs(s.out)
	if err != nil {
		return err
	}
	o := play.Options{Name: "chaos", Dir: out, Patience: s.patience, Clock: clock.RealClock{}, Say: func(line string) { fmt.Println(line) }}
	if s.race {
		if o.RaceController, err = buildRace(ctx, filepath.Join(out, "bin")); err != nil {
			return err
		}
	}
	r, err := play.Run(ctx, p, o)
	if err != nil {
		return err
	}
	path := filepath.Join(out, "report.json")
	if err := r.Write(path); err != nil {
		return err
	}
	r.Print(os.Stdout)
	fmt.Println("written to", path)
	if !r.Passed() {
		return fmt.Errorf("%w; play it again with --seed %d --duration %s", errInvariant, s.seed, s.duration)
	}
	return nil
}

// buildRace builds the controller with the race detector.
func buildRace(ctx context.Context, dir string) (string, error) {
	program := filepath.Join(dir, "karpenter-oke")
	fmt.Println("building the controller with the race detector (minutes the first time)")
	build := exec.CommandContext(ctx, "go", "build", "-race", "-trimpath", "-o", program, "./cmd/controller")
	build.Env = append(os.Environ(), "CGO_ENABLED=1")
	build.Stdout, build.Stderr = os.Stdout, os.Stderr
	if err := build.Run(); err != nil {
		return "", fmt.Errorf("building the controller with the race detector (is a C compiler there? --race=false goes without): %w", err)
	}
	return program, nil
}
