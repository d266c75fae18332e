// Command kubectl-karpenter_oke is karpenter-oke's plugin of kubectl: put it in the PATH and call it as kubectl karpenter_oke.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/go-logr/logr"
	"github.com/spf13/cobra"
	"sigs.k8s.io/controller-runtime/pkg/log"
)

func main() {
	log.SetLogger(logr.Discard()) // what the controller's packages would log is not what a person asked for
	os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run executes the command line and returns the exit code.
func run(args []string, in io.Reader, out, errs io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	root := newRoot()
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errs)
	if err := root.ExecuteContext(ctx); err != nil {
		fmt.Fprintln(errs, "error: "+err.Error())
		if f := (failure{}); errors.As(err, &f) {
			return f.code
		}
		return 1
	}
	return 0
}

// failure is an error that ends the program with an exit code other than 1.
type failure struct {
	code int
	error
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "kubectl-karpenter_oke",
		Short: "Tools for clusters whose nodes karpenter-oke manages",
		Long: "kubectl karpenter_oke helps to work with karpenter-oke, the Karpenter provider for Oracle Kubernetes Engine (OKE).\n" +
			"It asks the running controller for what it knows (types, explain, layers), and reads files (lint, convert).",
		Annotations:   map[string]string{cobra.CommandDisplayNameAnnotation: "kubectl karpenter_oke"},
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.AddCommand(newTypes(), newExplain(), newLayers(), newLint(), newConvert(), newVersion())
	return root
}
