// Package interruption takes the figures of preemption on the local cluster: a real control plane, the real controller, simulated nodes and
// the simulated stream.
package interruption

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"github.com/samber/lo"
	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"

	"github.com/karpenter-oke/karpenter-oke/test/bench/results"
	"github.com/karpenter-oke/karpenter-oke/test/environment"
	"github.com/karpenter-oke/karpenter-oke/test/ocisim"
)

// Goals of the project.
const (
	nodes      = 200
	reactGoal  = 3 // seconds
	messages   = 1000
	drainGoal  = 20 // seconds
	buyGoal    = 11 // seconds: a scheduling loop gathers pods for at most ten (core's batch-max-duration)
	settle     = 15 * time.Minute
	afterwards = 5 * time.Minute
	// memory is the pace of questions that cost nothing, calm that of questions to the API server, which must not be slowed by them.
	memory = 20 * time.Millisecond
	calm   = 3 * time.Second
)

//go:embed workload.yaml
var workload string

// RunAll brings the cluster up, preempts all nodes at once and adds the figures.
func RunAll(ctx context.Context, figures *results.Figures, to io.Writer) (err error) {
	log.SetLogger(logr.Discard()) // what matters is in the controller's own log
	none := 0
	e, err := environment.Start(ctx, environment.Options{
		Name: "bench-interruption", FixedNodes: &none, VirtualNodes: &none, Controller: true, InterruptionStream: true,
		OCISim:         ocisim.Options{StreamPartitions: 2, ProvisioningDelay: 200 * time.Millisecond},
		ControllerArgs: []string{"--oci-rate-limit-launches", "100", "--oci-rate-limit-writes", "100", "--oci-rate-limit-reads", "100"},
		Say:            func(line string) { fmt.Fprintln(to, line) },
	})
	if err != nil {
		return err
	}
	defer func() {
		stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
		defer cancel()
		err = errors.Join(err, e.Stop(stop))
	}()
	b := &bench{Environment: e, to: to}
	if err := b.drain(ctx, figures); err != nil {
		return err
	}
	return b.preempt(ctx, figures)
}

type bench struct {
	*environment.Environment
	to io.Writer
}

// drain publishes messages that nobody here is meant by and waits until all have been committed.
func (b *bench) drain(ctx context.Context, figures *results.Figures) error {
	sim := b.Simulator()
	w := sim.World()
	if err := b.until(ctx, settle, memory, "the stream to be read", func() (bool, error) { return len(sim.Groups(w.StreamID)) == 1, nil }); err != nil {
		return err
	}
	group := sim.Groups(w.StreamID)[0]
	all := lo.Times(messages, func(n int) []byte {
		return fmt.Appendf(nil, `{"eventType":%q,"eventTime":%q,"data":{"compartmentId":%q,"resourceId":"ocid1.instance.oc1.phx.of-another-cluster-%d","additionalDetails":{"preemptionAction":"TERMINATE"}}}`,
			ocisim.EventPreemption, time.Now().UTC().Format(time.RFC3339), w.CompartmentID, n)
	})
	begin := time.Now()
	if err := sim.Publish(w.StreamID, all...); err != nil {
		return err
	}
	if err := b.until(ctx, settle, memory, "the messages to be committed", func() (bool, error) {
		left, err := sim.Waiting(w.StreamID, group)
		return left == 0, err
	}); err != nil {
		return err
	}
	figures.Add(fmt.Sprintf("interruption: %d queued messages drained", messages), time.Since(begin).Seconds(), "s", results.AtMost(drainGoal),
		results.Note("2 partitions, published to committed"))
	return nil
}

// preempt has all nodes of the workload taken back at once.
func (b *bench) preempt(ctx context.Context, figures *results.Figures) error {
	if err := b.Apply(ctx, strings.ReplaceAll(workload, "REPLICAS", fmt.Sprint(nodes))); err != nil {
		return err
	}
	var claims []karpv1.NodeClaim
	if err := b.until(ctx, settle, calm, fmt.Sprintf("%d nodes", nodes), func() (bool, error) {
		list := &karpv1.NodeClaimList{}
		err := b.Client().List(ctx, list)
		claims = lo.Filter(list.Items, func(c karpv1.NodeClaim, _ int) bool {
			return c.StatusConditions().Get(karpv1.ConditionTypeInitialized).IsTrue()
		})
		return len(claims) >= nodes && len(claims) == len(list.Items), err
	}); err != nil {
		return err
	}
	// A storm that falls upon a cluster at rest, not one that is still coming up.
	if err := b.until(ctx, settle, calm, "all pods to run", func() (bool, error) {
		d := &appsv1.Deployment{}
		err := b.Client().Get(ctx, client.ObjectKey{Namespace: "default", Name: "bench"}, d)
		return d.Status.ReadyReplicas == nodes, err
	}); err != nil {
		return err
	}
	seen, err := b.watch(ctx, claims)
	if err != nil {
		return err
	}
	begin := time.Now()
	published := map[types.UID]time.Time{}
	for i := range claims {
		published[claims[i].UID] = time.Now()
		if err := b.Simulator().PreemptInstance(claims[i].Status.ProviderID); err != nil {
			return err
		}
	}
	fmt.Fprintf(b.to, "%d preemptions announced within %s\n", len(claims), time.Since(begin).Round(time.Millisecond))
	if err := b.until(ctx, afterwards, memory, "every NodeClaim to be deleted and a replacement to be made", func() (bool, error) {
		deleted, first := seen.get()
		return len(deleted) == len(claims) && !first.IsZero(), nil
	}); err != nil {
		return err
	}
	deleted, first := seen.get()
	var took []float64
	for uid, at := range deleted {
		took = append(took, max(at.Sub(published[uid]), 0).Seconds())
	}
	slices.Sort(took)
	note := results.Note(fmt.Sprintf("%d simultaneous preemptions on the local cluster; median %.2f s, longest %.2f s, seen by a watch", len(took), quantile(took, 0.5), took[len(took)-1]))
	figures.Add("interruption: published to NodeClaim deleted, p99", quantile(took, 0.99), "s", results.AtMost(reactGoal), note)
	figures.Add("interruption: published to first replacement requested", max(first.Sub(begin), 0).Seconds(), "s", results.AtMost(buyGoal),
		results.Note("a scheduling loop gathers pods for 1 to 10 s"))
	return nil
}

// quantile of sorted values, by the nearest rank.
func quantile(sorted []float64, q float64) float64 {
	return sorted[min(max(int(math.Ceil(q*float64(len(sorted))))-1, 0), len(sorted)-1)]
}

// sightings are when NodeClaims were first seen to be deleted, and when the first new one was seen.
type sightings struct {
	mu      sync.Mutex
	deleted map[types.UID]time.Time
	first   time.Time
}

func (s *sightings) get() (map[types.UID]time.Time, time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return lo.Assign(s.deleted), s.first
}

// watch follows the NodeClaims until ctx ends.
func (b *bench) watch(ctx context.Context, claims []karpv1.NodeClaim) (*sightings, error) {
	c, err := client.NewWithWatch(b.RESTConfig(), client.Options{Scheme: scheme.Scheme})
	if err != nil {
		return nil, fmt.Errorf("making a client: %w", err)
	}
	watcher, err := c.Watch(ctx, &karpv1.NodeClaimList{})
	if err != nil {
		return nil, fmt.Errorf("watching NodeClaims: %w", err)
	}
	old := lo.SliceToMap(claims, func(c karpv1.NodeClaim) (types.UID, bool) { return c.UID, true })
	s := &sightings{deleted: map[types.UID]time.Time{}}
	go func() {
		for e := range watcher.ResultChan() {
			claim, ok := e.Object.(*karpv1.NodeClaim)
			if !ok {
				continue
			}
			now := time.Now()
			s.mu.Lock()
			_, known := s.deleted[claim.UID]
			switch {
			case !old[claim.UID] && s.first.IsZero():
				s.first = now
			case old[claim.UID] && !known && (!claim.DeletionTimestamp.IsZero() || e.Type == watch.Deleted):
				s.deleted[claim.UID] = now
			}
			s.mu.Unlock()
		}
	}()
	return s, nil
}

// until asks at this pace until the answer is yes. A question that fails is asked again: an API server under load may not answer in time.
func (b *bench) until(ctx context.Context, patience, every time.Duration, what string, ask func() (bool, error)) error {
	fmt.Fprintln(b.to, "waiting for", what)
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for end := time.Now().Add(patience); ; {
		done, err := ask()
		if done {
			return nil
		}
		if dead := b.Err(); dead != nil {
			return fmt.Errorf("waiting for %s: %w", what, dead)
		}
		if time.Now().After(end) {
			return errors.Join(fmt.Errorf("waited %s for %s", patience, what), err)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-ticker.C:
		}
	}
}
