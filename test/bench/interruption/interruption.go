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
	"net/http"
	"time"

	"github.com/samber/lo"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"

	"github.com/karpenter-oke/karpenter-oke/test/bench/results"
	"github.com/karpenter-oke/karpenter-oke/test/bench/stand"
	"github.com/karpenter-oke/karpenter-oke/test/environment"
	"github.com/karpenter-oke/karpenter-oke/test/ocisim"
)

// Goals of the project.
const (
	nodes     = 200
	reactGoal = 3 // seconds
	messages  = 1000
	drainGoal = 20 // seconds
	buyGoal   = 11 // seconds: a scheduling loop gathers pods for at most ten (core's batch-max-duration)
)

//go:embed workload.yaml
var workload string

// RunAll brings the cluster up, preempts all nodes at once and adds the figures.
func RunAll(ctx context.Context, figures *results.Figures, to io.Writer) (err error) {
	s, err := stand.Start(ctx, to, environment.Options{
		Name: "bench-interruption", InterruptionStream: true,
		OCISim:         ocisim.Options{StreamPartitions: 2, ProvisioningDelay: 200 * time.Millisecond},
		ControllerArgs: []string{"--oci-rate-limit-launches", "100", "--oci-rate-limit-writes", "100", "--oci-rate-limit-reads", "100"},
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	b := &bench{s}
	if err := b.drain(ctx, figures); err != nil {
		return err
	}
	return b.preempt(ctx, figures)
}

type bench struct{ *stand.Stand }

// drain publishes messages that nobody here is meant by and waits until all have been committed.
func (b *bench) drain(ctx context.Context, figures *results.Figures) error {
	sim := b.Simulator()
	w := sim.World()
	if err := b.Wait(ctx, "the stream to be read", func(context.Context) (string, error) {
		groups := sim.Groups(w.StreamID)
		return lo.Ternary(len(groups) == 1, "", fmt.Sprintf("consumer groups %v", groups)), nil
	}); err != nil {
		return err
	}
	group := sim.Groups(w.StreamID)[0]
	all := lo.Times(messages, func(n int) []byte {
		return fmt.Appendf(nil, `{"eventType":%q,"eventTime":%q,"data":{"compartmentId":%q,"resourceId":"ocid1.instance.oc1.phx.of-another-cluster-%d","additionalDetails":{"preemptionAction":"TERMINATE"}}}`,
			ocisim.EventPreemption, time.Now().UTC().Format(time.RFC3339), w.CompartmentID, n)
	})
	mark, begin := b.Mark(), time.Now()
	if err := sim.Publish(w.StreamID, all...); err != nil {
		return err
	}
	if err := b.Wait(ctx, "the messages to be committed", func(context.Context) (string, error) {
		left, err := sim.Waiting(w.StreamID, group)
		return lo.Ternary(left == 0, "", fmt.Sprintf("%d of %d", left, messages)), err
	}); err != nil {
		return err
	}
	requests, err := b.Requests(mark)
	if err != nil {
		return err
	}
	end := lastCommit(requests)
	if end.IsZero() {
		return errors.New("the messages are committed, and the journal has no commit")
	}
	figures.Add(fmt.Sprintf("interruption: %d queued messages drained", messages), end.Sub(begin).Seconds(), "s", results.AtMost(drainGoal),
		results.Note("2 partitions, published to committed"))
	return nil
}

// lastCommit is when the last commit was asked for; zero when none was.
func lastCommit(requests []ocisim.Entry) (at time.Time) {
	for _, r := range requests {
		if r.Operation == "ConsumerCommit" && r.Status == http.StatusOK {
			at = r.Time
		}
	}
	return at
}

// preempt has all nodes of the workload taken back at once.
func (b *bench) preempt(ctx context.Context, figures *results.Figures) error {
	if err := b.Create(ctx, workload, nodes); err != nil {
		return err
	}
	// A storm that falls upon a cluster at rest, not one that is still coming up.
	if err := b.AwaitNodes(ctx, nodes, false); err != nil {
		return err
	}
	if err := b.AwaitPods(ctx, nodes); err != nil {
		return err
	}
	claims, err := b.Claims(ctx)
	if err != nil {
		return err
	}
	seen := newSightings(claims)
	watching, stop := context.WithCancel(ctx)
	defer stop()
	if err := seen.watch(watching, b.RESTConfig()); err != nil {
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
	b.Say("%d preemptions announced within %s", len(claims), time.Since(begin).Round(time.Millisecond))
	if err := b.Wait(ctx, "every NodeClaim to be deleted and to have a replacement", func(context.Context) (string, error) { return seen.missing(), nil }); err != nil {
		return err
	}
	took := seen.took(published)
	note := results.Note(fmt.Sprintf("%d simultaneous preemptions; median %.2f s, longest %.2f s, seen by a watch", len(took), quantile(took, 0.5), took[len(took)-1]))
	figures.Add("interruption: published to NodeClaim deleted, p99", quantile(took, 0.99), "s", results.AtMost(reactGoal), note)
	bought := seen.bought(begin)
	figures.Add("interruption: published to first replacement requested", bought[0], "s", results.AtMost(buyGoal),
		results.Note(fmt.Sprintf("a scheduling loop gathers pods for 1 to 10 s; the last of %d after %.1f s", len(took), bought[len(took)-1])))
	return b.aftermath(ctx, figures, claims, begin)
}

// aftermath waits until all pods run again, and counts the preemptions that no event tells of.
func (b *bench) aftermath(ctx context.Context, figures *results.Figures, claims []karpv1.NodeClaim, begin time.Time) error {
	var lastRun time.Time
	if err := b.Wait(ctx, "all pods to run again", func(ctx context.Context) (string, error) {
		pods := &corev1.PodList{}
		if err := b.Client().List(ctx, pods, client.InNamespace(corev1.NamespaceDefault)); err != nil {
			return "", err
		}
		running := 0
		for i := range pods.Items {
			for _, c := range pods.Items[i].Status.Conditions {
				if c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue && pods.Items[i].DeletionTimestamp.IsZero() {
					running++
					lastRun = lo.Latest(lastRun, c.LastTransitionTime.Time)
				}
			}
		}
		old := lo.CountBy(pods.Items, func(p corev1.Pod) bool { return p.CreationTimestamp.Time.Before(begin.Truncate(time.Second)) })
		return lo.Ternary(running == nodes && old == 0, "", fmt.Sprintf("%d of %d run, %d are still the old ones", running, nodes, old)), nil
	}); err != nil {
		return err
	}
	figures.Add("interruption: published to every pod ready again", lastRun.Sub(begin).Seconds(), "s",
		results.Note(fmt.Sprintf("%d pods, with on-demand nodes in place of preempted ones; all parts of the cluster share this machine", nodes)))
	events := &corev1.EventList{}
	if err := b.Client().List(ctx, events, client.MatchingFields{"reason": "Preempted"}); err != nil {
		return fmt.Errorf("listing events: %w", err)
	}
	told := lo.SliceToMap(events.Items, func(e corev1.Event) (types.UID, bool) { return e.InvolvedObject.UID, true })
	untold := lo.CountBy(claims, func(c karpv1.NodeClaim) bool { return !told[c.UID] })
	figures.Add("interruption: preemptions that no event tells of", float64(untold), "NodeClaims", results.AtMost(0), results.Note(fmt.Sprintf("of %d", len(claims))))
	return nil
}

// quantile of sorted values, by the nearest rank.
func quantile(sorted []float64, q float64) float64 {
	return sorted[min(max(int(math.Ceil(q*float64(len(sorted))))-1, 0), len(sorted)-1)]
}
