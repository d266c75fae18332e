// Command demo brings up a mixed OKE cluster on this machine and plays the project's main scenario on it, with a live table in
// the terminal and a report at the end. It also starts and ends such clusters in the background (up, down, list).
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/go-logr/logr"
	"github.com/spf13/cobra"
	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/log"
)

// Exit statuses. exitInterrupted is what shells use for a program ended by Ctrl-C.
const (
	exitFailed      = 1
	exitInterrupted = 130
)

// errInterrupted is the cause of a context that ended because somebody asked for it.
var errInterrupted = errors.New("interrupted")

// errChecksFailed ends the program with a status although everything has been told already.
var errChecksFailed = errors.New("checks failed")

func main() {
	// Libraries log to nobody: what matters is said by the screen, and the parts of the cluster have log files of their own.
	log.SetLogger(logr.Discard())
	klog.SetLogger(logr.Discard())
	os.Exit(run())
}

func run() int {
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	go func() {
		<-signals
		cancel(errInterrupted)
		signal.Stop(signals) // a second one ends the program at once; its children die with it
	}()
	err := rootCommand().ExecuteContext(ctx)
	switch {
	case err == nil:
		return 0
	case errors.Is(context.Cause(ctx), errInterrupted) || errors.Is(err, errInterrupted):
		fmt.Fprintln(os.Stderr, "karpenter-oke demo: interrupted; everything it started has been ended")
		return exitInterrupted
	case errors.Is(err, errChecksFailed):
		return exitFailed
	default:
		fmt.Fprintln(os.Stderr, "karpenter-oke demo: "+oneLine(err))
		return exitFailed
	}
}

func rootCommand() *cobra.Command {
	root := playCommand()
	root.AddCommand(upCommand(), downCommand(), listCommand(), hostCommand())
	root.SilenceErrors, root.SilenceUsage = true, true
	root.CompletionOptions.DisableDefaultCmd = true
	return root
}

// oneLine makes an error a single line: of a program's log only the last line stays.
func oneLine(err error) string {
	text := strings.TrimSpace(err.Error())
	head, rest, more := strings.Cut(text, "\n")
	if !more {
		return text
	}
	lines := strings.Split(strings.TrimSpace(rest), "\n")
	return strings.TrimSuffix(head, "last lines:") + "it said: " + strings.TrimSpace(lines[len(lines)-1])
}
