package footprint

import (
	"context"
	"fmt"
	"net/http"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/karpenter-oke/karpenter-oke/test/bench/results"
)

const (
	leaseNamespace = "karpenter"
	leaseName      = "karpenter-leader-election" // core's
	// moreNodes are wanted while no controller runs.
	moreNodes = 5
)

// restart kills the controller, wants more nodes while it is away, and measures from its start until it is ready and from its election
// until it launches.
func (b *bench) restart(ctx context.Context, nodes int) error {
	b.Say("starting the controller again with %d nodes", nodes)
	before, err := b.acquired(ctx)
	if err != nil {
		return err
	}
	if err := b.KillController(); err != nil {
		return err
	}
	if err := b.Grow(ctx, nodes+moreNodes, podsPerNode); err != nil {
		return err
	}
	from, started := b.Mark(), time.Now()
	if err := b.RestartController(ctx); err != nil {
		return err
	}
	ready := time.Since(started)
	var elected, launched time.Time
	err = b.Wait(ctx, "the first launch", func(ctx context.Context) (string, error) {
		requests, err := b.Requests(from)
		if err != nil {
			return "", err
		}
		for _, r := range requests {
			if r.Operation == "LaunchInstance" && r.Status == http.StatusOK {
				launched = r.Time
				elected, err = b.acquired(ctx)
				return "", err
			}
		}
		return fmt.Sprintf("%d requests", len(requests)), nil
	})
	if err != nil {
		return err
	}
	if !elected.After(before) {
		return fmt.Errorf("the lease says that the controller leads since %s, before it was killed", elected)
	}
	if err := b.AwaitNodes(ctx, nodes+moreNodes, false); err != nil {
		return err
	}
	launches, err := b.Calls(from)
	if err != nil {
		return err
	}
	b.figures.Add("start with 1,000 nodes: until ready", ready.Seconds(), "s", results.AtMost(10))
	b.figures.Add("start with 1,000 nodes: from the election to the first launch", launched.Sub(elected).Seconds(), "s", results.AtMost(5),
		results.Note(fmt.Sprintf("%d launches for %d nodes that were wanted meanwhile; %s", launches["LaunchInstance"], moreNodes, launches)))
	b.figures.Add("start with 1,000 nodes: instances launched that were there already", float64(launches["LaunchInstance"]-moreNodes), "instances", results.AtMost(0))
	return nil
}

// acquired is when the present leader was elected.
func (b *bench) acquired(ctx context.Context) (time.Time, error) {
	lease := &coordinationv1.Lease{}
	if err := b.Client().Get(ctx, client.ObjectKey{Namespace: leaseNamespace, Name: leaseName}, lease); err != nil {
		return time.Time{}, fmt.Errorf("reading the controller's lease: %w", err)
	}
	if lease.Spec.AcquireTime == nil {
		return time.Time{}, fmt.Errorf("nobody holds the lease %s", leaseName)
	}
	return lease.Spec.AcquireTime.Time, nil
}
