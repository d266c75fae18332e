// Package burst launches hundreds of nodes at once against a service that limits launches.
package burst

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/samber/lo"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/test/bench/results"
	"github.com/karpenter-oke/karpenter-oke/test/bench/stand"
	"github.com/karpenter-oke/karpenter-oke/test/environment"
	"github.com/karpenter-oke/karpenter-oke/test/ocisim"
)

const (
	nodes = 500
	// perSecond is how many launches a second the service takes, which is what the controller sends at most when nobody says otherwise.
	perSecond = 10
	// strict is how many a service takes that is less generous than the controller supposes.
	strict      = 5
	strictNodes = 200
	// boot keeps the simulated kubelets out of the time in which nodes are launched: they share this machine.
	boot = time.Minute
)

// RunAll takes the figures.
func RunAll(ctx context.Context, figures *results.Figures, to io.Writer) error {
	b, err := play(ctx, to, nodes, perSecond)
	if err != nil {
		return err
	}
	note := results.Note(fmt.Sprintf("%d nodes, %d launches a second: %.1f s from the first launch to the last; %s", nodes, perSecond, b.took.Seconds(), b.calls))
	figures.Add("burst: time by the limiter's own time", b.took.Seconds()/b.ideal.Seconds(), "ratio", results.AtMost(1.15), note)
	figures.Add("burst: duplicates", float64(b.duplicates), "instances", results.AtMost(0), results.Peer(5, "Oracle's provider v1.0.0"),
		results.Note("peer: after a kill during 5 launches"))
	figures.Add("burst: calls answered with 429", 100*b.refused(), "%", results.AtMost(2))
	figures.Add("burst: OCI calls a node, until initialized", float64(b.calls.Total())/nodes, "calls", results.AtMost(1.5))
	if b, err = play(ctx, to, strictNodes, strict); err != nil {
		return err
	}
	figures.Add("burst against half the expected limit: calls answered with 429", 100*b.refused(), "%",
		results.Note(fmt.Sprintf("%d nodes, %d launches a second: %.1f s, %.2f by the limiter's own time; %d duplicates; %s",
			strictNodes, strict, b.took.Seconds(), b.took.Seconds()/b.ideal.Seconds(), b.duplicates, b.calls)))
	return nil
}

// outcome is what a burst was like.
type outcome struct {
	took       time.Duration // from the first launch that was sent to the last that was accepted
	ideal      time.Duration // what the limiter alone takes
	duplicates int           // instances beyond one for each NodeClaim
	throttled  int
	calls      stand.Calls
}

func (o outcome) refused() float64 { return float64(o.throttled) / float64(max(1, o.calls.Total())) }

func play(ctx context.Context, to io.Writer, nodes int, perSecond float64) (o outcome, err error) {
	_, _ = fmt.Fprintf(to, "%d nodes at once, %v launches a second\n", nodes, perSecond)
	s, err := stand.Start(ctx, to, environment.Options{
		Name: "bench-burst", BootDelay: boot,
		OCISim: ocisim.Options{ProvisioningDelay: stand.BaseProvisioning, MostPerSecond: map[string]float64{"LaunchInstance": perSecond}},
	})
	if err != nil {
		return o, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if err := s.InstallPool(ctx); err != nil {
		return o, err
	}
	from := s.Mark()
	if err := s.Grow(ctx, nodes, 1); err != nil {
		return o, err
	}
	if err := s.AwaitNodes(ctx, nodes, false); err != nil {
		return o, err
	}
	requests, err := s.Requests(from)
	if err != nil {
		return o, err
	}
	o = judge(requests, s.Simulator().Instances())
	// A second's worth goes out at once; the others follow at the limiter's pace.
	o.ideal = time.Duration((float64(nodes) - perSecond) / perSecond * float64(time.Second))
	return o, nil
}

// judge reads a burst off the journal and the instances that it left.
func judge(requests []ocisim.Entry, instances []ocisim.Instance) outcome {
	o := outcome{calls: stand.Calls{}}
	launches := lo.Filter(requests, func(r ocisim.Entry, _ int) bool { return r.Operation == "LaunchInstance" })
	for _, r := range requests {
		o.calls[r.Operation]++
		if r.Status == http.StatusTooManyRequests {
			o.throttled++
		}
	}
	for _, r := range launches {
		if r.Status == http.StatusOK {
			o.took = max(o.took, r.Time.Sub(launches[0].Time))
		}
	}
	owners := map[string]int{}
	for i := range instances {
		if claim := instances[i].FreeformTags[v1alpha1.TagNodeClaim]; claim != "" {
			if owners[claim]++; owners[claim] > 1 {
				o.duplicates++
			}
		}
	}
	return o
}
