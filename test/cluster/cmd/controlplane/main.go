// Command controlplane runs a bare Kubernetes control plane until it is interrupted and prints how to reach it.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/karpenter-oke/karpenter-oke/test/cluster"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "controlplane:", err)
		os.Exit(1)
	}
}

func run() error {
	var o cluster.Options
	flag.StringVar(&o.BinDir, "bin", "", "folder of the control plane's programs (default: the repository's bin/)")
	flag.StringVar(&o.WorkDir, "work-dir", "", "folder for data, logs and the kubeconfig (default: a new one in out/planes/)")
	flag.BoolVar(&o.KeepWorkDir, "keep", false, "leave the work folder in place at the end")
	flag.BoolVar(&o.AuditLog, "audit", false, "record every request's user, verb and resource in audit.jsonl")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "Runs a Kubernetes control plane on loopback until Ctrl-C.\n\nUsage: go run ./test/cluster/cmd/controlplane [flags]")
		flag.PrintDefaults()
	}
	flag.Parse()
	if flag.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q (see --help)", flag.Arg(0))
	}
	o.Log = os.Stderr
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	plane, err := cluster.Start(ctx, o)
	if err != nil {
		return err
	}
	fmt.Printf("export KUBECONFIG=%s\n", plane.Kubeconfig())
	fmt.Printf("# try: %s/kubectl get namespaces    (Ctrl-C ends the control plane)\n", plane.BinDir())
	failed := watch(ctx, plane)
	if err := plane.Stop(context.Background()); err != nil {
		return err
	}
	return failed
}

// watch returns nil when ctx ends and an error when one of the plane's programs ended by itself.
func watch(ctx context.Context, plane *cluster.Plane) error {
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			if err := plane.Err(); err != nil {
				return err
			}
		}
	}
}
