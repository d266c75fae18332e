// Package stand is the ground on which figures of the whole controller are taken: a real control plane, simulated nodes, and the controller
// as a process of its own against the OCI simulator, whose journal counts the calls.
package stand

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/template"
	"time"

	"github.com/go-logr/logr"
	"sigs.k8s.io/controller-runtime/pkg/log"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"

	"github.com/karpenter-oke/karpenter-oke/test/environment"
	"github.com/karpenter-oke/karpenter-oke/test/ocisim"
)

const (
	// BaseProvisioning and BaseTermination are how long the simulated OCI took when the peers' calls were counted.
	BaseProvisioning = 30 * time.Second
	BaseTermination  = 45 * time.Second
	// patience bounds a wait for something that does not come any nearer. It is long: figures may be taken beside other work.
	patience = 10 * time.Minute
)

// Stand is a running cluster to take figures on.
type Stand struct {
	*environment.Environment
	to io.Writer
}

// Start starts a cluster with nothing but its system nodes, and the controller. It says on the writer how it goes.
func Start(ctx context.Context, to io.Writer, o environment.Options) (*Stand, error) {
	none := 0
	o.Controller, o.FixedNodes, o.VirtualNodes = true, &none, &none
	o.Say = func(line string) { _, _ = fmt.Fprintln(to, "   "+line) }
	log.SetLogger(logr.Discard()) // of the clients in this process; the controller has a log of its own
	e, err := environment.Start(ctx, o)
	if err != nil {
		return nil, err
	}
	return &Stand{Environment: e, to: to}, nil
}

// Close ends the cluster. Its logs stay.
func (s *Stand) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	return s.Stop(ctx)
}

// Say tells the reader something.
func (s *Stand) Say(format string, args ...any) { _, _ = fmt.Fprintf(s.to, format+"\n", args...) }

// Wait asks until nothing is missing any more. It gives up, with what was missing last, when that has not changed for some minutes or when
// a part of the cluster has died.
func (s *Stand) Wait(ctx context.Context, what string, ask func(context.Context) (missing string, err error)) error {
	begin := time.Now()
	last, changed := "", begin
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		missing, err := ask(ctx)
		if err != nil { // an API server that is busy may not answer for a while
			missing = err.Error()
		}
		if missing == "" {
			s.Say("   %s: after %.1f s", what, time.Since(begin).Seconds())
			return nil
		}
		if missing != last {
			last, changed = missing, time.Now()
		}
		if err := s.Err(); err != nil {
			return fmt.Errorf("waiting for %s (%s): %w", what, missing, err)
		}
		if time.Since(changed) > patience {
			return fmt.Errorf("waiting for %s: for %s nothing new but: %s", what, patience, missing)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s (%s): %w", what, missing, context.Cause(ctx))
		case <-tick.C:
		}
	}
}

// Pause lets time pass.
func (s *Stand) Pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return s.Err()
	}
}

// Create applies a manifest that is a template filled with data.
func (s *Stand) Create(ctx context.Context, manifest string, data any) error {
	parsed, err := template.New("manifest").Option("missingkey=error").Parse(manifest)
	if err != nil {
		return err
	}
	out := &bytes.Buffer{}
	if err := parsed.Execute(out, data); err != nil {
		return err
	}
	return s.Apply(ctx, out.String())
}

// Claims are all NodeClaims.
func (s *Stand) Claims(ctx context.Context) ([]karpv1.NodeClaim, error) {
	list := &karpv1.NodeClaimList{}
	if err := s.Client().List(ctx, list); err != nil {
		return nil, fmt.Errorf("listing NodeClaims: %w", err)
	}
	return list.Items, nil
}

// Calls counts requests to OCI by operation.
type Calls map[string]int

// Total is the number of all requests.
func (c Calls) Total() int {
	n := 0
	for _, of := range c {
		n += of
	}
	return n
}

// String names the operations, the most frequent first.
func (c Calls) String() string {
	names := slices.SortedFunc(maps.Keys(c), func(a, b string) int {
		if c[a] != c[b] {
			return c[b] - c[a]
		}
		return strings.Compare(a, b)
	})
	parts := make([]string, 0, len(names))
	for _, name := range names {
		parts = append(parts, fmt.Sprintf("%s %d", name, c[name]))
	}
	return strings.Join(parts, ", ")
}

// Mark remembers a place in the journal of requests; 0 is its beginning.
type Mark uint64

// Mark is the present end of the journal.
func (s *Stand) Mark() Mark {
	entries := s.Simulator().Journal().Entries(0)
	if len(entries) == 0 {
		return 0
	}
	return Mark(entries[len(entries)-1].Seq)
}

// ErrForgotten says that the journal was too small for what was to be counted.
var ErrForgotten = errors.New("the journal has forgotten requests that were to be counted")

// Requests are the controller's requests since a mark.
func (s *Stand) Requests(since Mark) ([]ocisim.Entry, error) {
	all := s.Simulator().Journal().Entries(uint64(since))
	if len(all) > 0 && all[0].Seq != uint64(since)+1 {
		return nil, ErrForgotten
	}
	return slices.DeleteFunc(all, func(e ocisim.Entry) bool { return strings.Contains(e.UserAgent, environment.UserAgent) }), nil
}

// Calls counts the controller's requests since a mark.
func (s *Stand) Calls(since Mark) (Calls, error) {
	requests, err := s.Requests(since)
	if err != nil {
		return nil, err
	}
	counted := Calls{}
	for _, r := range requests {
		counted[r.Operation]++
	}
	return counted, nil
}
