// Command bench takes the project's figures and writes them to out/bench/results.json.
//
//	go run ./test/bench cost    what nodes cost for pod traces, against bounds and configurations by hand
//	go run ./test/bench churn   some simulated days of Fit and of Grid
//	go run ./test/bench speed   the hot paths
//
// The exit code is 0 when every figure was taken, whether its goal was met or not.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"

	"github.com/karpenter-oke/karpenter-oke/test/bench/churn"
	"github.com/karpenter-oke/karpenter-oke/test/bench/cost"
	"github.com/karpenter-oke/karpenter-oke/test/bench/results"
	"github.com/karpenter-oke/karpenter-oke/test/bench/speed"
)

func main() {
	out := flag.String("out", "out/bench/results.json", "file that figures are merged into")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, *out, flag.Args())
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out string, what []string) error {
	if len(what) == 0 {
		return fmt.Errorf("say what to measure: cost, churn, speed")
	}
	figures := results.Figures{}
	for _, w := range what {
		var err error
		switch w {
		case "cost":
			err = cost.RunAll(ctx, &figures, os.Stdout)
		case "churn":
			err = churn.RunAll(ctx, &figures, os.Stdout)
		case "speed":
			err = speed.RunAll(ctx, &figures, os.Stdout)
		default:
			err = fmt.Errorf("%q is nothing that is measured here: cost, churn, speed", w)
		}
		if err != nil {
			return err
		}
	}
	if _, err := figures.Merge(out); err != nil {
		return err
	}
	fmt.Println()
	if err := figures.Print(os.Stdout); err != nil {
		return err
	}
	fmt.Println("\nwritten to", out)
	return nil
}
