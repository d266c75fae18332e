// Command bench takes the project's figures and writes them to out/bench/results.json.
//
//	go run ./test/bench cost    what nodes cost for pod traces, against bounds and configurations by hand
//	go run ./test/bench churn   some simulated days of Fit and of Grid
//	go run ./test/bench speed   the hot paths
//	go run ./test/bench calls   what is asked of OCI for nodes that come and go
//	go run ./test/bench burst   500 nodes at once, against a service that limits launches
//	go run ./test/bench scale   memory, calls an hour and a start, on fleets of up to 1,000 nodes with 10,000 pods
//	go run ./test/bench interruption   how fast preemptions are answered, on a cluster of its own with 200 nodes
//
// The exit code is 0 when every figure was taken, whether its goal was met or not.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"

	"github.com/karpenter-oke/karpenter-oke/test/bench/burst"
	"github.com/karpenter-oke/karpenter-oke/test/bench/calls"
	"github.com/karpenter-oke/karpenter-oke/test/bench/churn"
	"github.com/karpenter-oke/karpenter-oke/test/bench/cost"
	"github.com/karpenter-oke/karpenter-oke/test/bench/footprint"
	"github.com/karpenter-oke/karpenter-oke/test/bench/interruption"
	"github.com/karpenter-oke/karpenter-oke/test/bench/results"
	"github.com/karpenter-oke/karpenter-oke/test/bench/speed"
)

func main() {
	out := flag.String("out", "out/bench/results.json", "file that figures are merged into")
	scale := footprint.Options{}
	flag.DurationVar(&scale.Window, "window", footprint.DefaultWindow, "how long scale counts calls while nothing changes, for each size")
	flag.IntVar(&scale.Least, "least", 100, "nodes of the smallest fleet of scale")
	flag.IntVar(&scale.Most, "nodes", 1000, "nodes of the largest fleet of scale: 100, 250, 500 or 1000")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, *out, scale, flag.Args())
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out string, scale footprint.Options, what []string) error {
	if len(what) == 0 {
		return fmt.Errorf("say what to measure: cost, churn, speed, calls, burst, scale, interruption")
	}
	figures := results.Figures{}
	var kept results.Figures
	scale.Out = out
	for _, w := range what {
		var err error
		switch w {
		case "cost":
			err = cost.RunAll(ctx, &figures, os.Stdout)
		case "churn":
			err = churn.RunAll(ctx, &figures, os.Stdout)
		case "speed":
			err = speed.RunAll(ctx, &figures, os.Stdout)
		case "calls":
			err = calls.RunAll(ctx, &figures, os.Stdout)
		case "burst":
			err = burst.RunAll(ctx, &figures, os.Stdout)
		case "scale":
			err = footprint.RunAll(ctx, &figures, os.Stdout, scale)
		case "interruption":
			err = interruption.RunAll(ctx, &figures, os.Stdout)
		default:
			err = fmt.Errorf("%q is nothing that is measured here: cost, churn, speed, calls, burst, scale, interruption", w)
		}
		if err != nil {
			return err
		}
		if kept, err = figures.Merge(out); err != nil { // after each part, so that one that is broken off loses none of those before
			return err
		}
	}
	fmt.Println()
	if err := figures.Print(os.Stdout); err != nil {
		return err
	}
	fmt.Printf("\nwritten to %s, which has %d figures more of earlier runs\n", out, len(kept)-len(figures))
	return nil
}
