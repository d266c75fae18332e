package operator

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	crmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"
)

func TestAControllerOfCoreThatStandsStillIsWedgedUnlessItWaitsForOCI(t *testing.T) {
	ran := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: longestRun}, []string{"name", "controller"})
	registry := prometheus.NewRegistry()
	require.NoError(t, registry.Register(ran))
	clk, waiting := clocktesting.NewFakeClock(time.Unix(1000, 0)), false
	p := &processors{clock: clk, metrics: registry, waiting: func() bool { return waiting }}
	look := func(seconds float64) error {
		ran.WithLabelValues("provisioner", "provisioner").Set(seconds)
		ran.WithLabelValues("disruption", "disruption").Set(1)
		clk.Step(processorsEvery)
		return p.alive(nil)
	}
	require.NoError(t, look(stuckAfter.Seconds()))
	require.EqualError(t, look(stuckAfter.Seconds()+1), "a run of provisioner has stood still for 30m1s without waiting for OCI")
	waiting = true
	require.NoError(t, look(stuckAfter.Seconds()+600), "the cloud is slow")
	waiting = false
	require.NoError(t, look(2), "it went on")
	ran.WithLabelValues("provisioner", "provisioner").Set(1e6)
	require.NoError(t, p.alive(nil), "the measure is read now and then only")
}

// The queues of this controller-runtime have the measure that the check reads.
func TestQueuesMeasureTheirLongestRun(t *testing.T) {
	queue := priorityqueue.New[string]("stands-still")
	t.Cleanup(queue.ShutDown)
	queue.Add("x")
	_, _ = queue.Get() // and Done is never called
	require.Eventually(t, func() bool {
		families, err := crmetrics.Registry.Gather()
		require.NoError(t, err)
		for _, family := range families {
			for _, m := range family.GetMetric() {
				if family.GetName() == longestRun && nameOf(m) == "stands-still" {
					return m.GetGauge().GetValue() > 0
				}
			}
		}
		return false
	}, time.Minute, 10*time.Millisecond)
}
