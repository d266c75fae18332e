// Package calls counts what the controller asks of OCI: for nodes that come and go, and for nodes that stay.
package calls

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/karpenter-oke/karpenter-oke/test/bench/results"
	"github.com/karpenter-oke/karpenter-oke/test/bench/stand"
	"github.com/karpenter-oke/karpenter-oke/test/environment"
	"github.com/karpenter-oke/karpenter-oke/test/ocisim"
)

// nodes are launched and ended, as when the peers' calls were counted.
const nodes = 20

// boots are the times from a running instance to its kubelet's start for which calls are counted: that of the peers' figures, and one as
// real instances take.
var boots = []struct {
	is   string
	take time.Duration
}{
	{"", 0},
	{", booting for 60 s", time.Minute},
}

// RunAll counts the calls of nodes that come and go.
func RunAll(ctx context.Context, figures *results.Figures, to io.Writer) error {
	for _, boot := range boots {
		if err := comeAndGo(ctx, figures, to, boot.is, boot.take); err != nil {
			return err
		}
	}
	return nil
}

func comeAndGo(ctx context.Context, figures *results.Figures, to io.Writer, is string, boot time.Duration) (err error) {
	_, _ = fmt.Fprintf(to, "counting calls: %d nodes come and go%s\n", nodes, is)
	s, err := stand.Start(ctx, to, environment.Options{
		Name: "bench-calls", BootDelay: boot,
		OCISim: ocisim.Options{ProvisioningDelay: stand.BaseProvisioning, TerminationDelay: stand.BaseTermination},
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if err := s.InstallPool(ctx); err != nil {
		return err
	}
	started, err := s.Calls(0)
	if err != nil {
		return err
	}
	from := s.Mark()
	if err := errors.Join(s.Grow(ctx, nodes, 1), s.AwaitNodes(ctx, nodes, true)); err != nil {
		return err
	}
	launched, err := s.Calls(from)
	if err != nil {
		return err
	}
	from = s.Mark()
	if err := s.Shrink(ctx); err != nil {
		return err
	}
	ended, err := s.Calls(from)
	if err != nil {
		return err
	}
	if launched["LaunchInstance"] != nodes || ended["TerminateInstance"] != nodes {
		return fmt.Errorf("%d nodes were to come and go: %s; then %s", nodes, launched, ended)
	}
	kpo := func(calls float64) results.Option { return results.Peer(calls, "Oracle's provider v1.0.0") }
	figures.Add("OCI calls a node launched, until its first drift check"+is, float64(launched.Total())/nodes, "calls", results.AtMost(1.5), kpo(241.0/nodes),
		results.Note(fmt.Sprintf("%d nodes, 30 s to RUNNING: %s", nodes, launched)))
	figures.Add("OCI calls a node terminated"+is, float64(ended.Total())/nodes, "calls", results.AtMost(1.5), kpo(240.0/nodes),
		results.Note(fmt.Sprintf("%d nodes, 45 s to TERMINATED: %s", nodes, ended)))
	if is == "" {
		figures.Add("OCI calls at start, until a node class is ready", float64(started.Total()), "calls", results.Note(started.String()))
	}
	return nil
}
