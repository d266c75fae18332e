package operator

import (
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"k8s.io/utils/clock"
)

const (
	// stuckAfter is how long one run of a controller may take while no call to OCI is under way. Runs end after seconds, core's longest search for a
	// consolidation after three minutes.
	stuckAfter = 30 * time.Minute
	// processorsEvery is how often the measure is read: gathering metrics costs as much as a scrape.
	processorsEvery = 5 * time.Minute
	longestRun      = "workqueue_longest_running_processor_seconds"
)

// processors tell a controller that stands still, core's included, from one that waits for OCI, by what its queue measures of itself.
type processors struct {
	clock   clock.PassiveClock
	metrics prometheus.Gatherer
	waiting func() bool // for OCI

	mu    sync.Mutex
	asked time.Time
	last  error
}

// alive is a liveness check.
func (p *processors) alive(*http.Request) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if now := p.clock.Now(); p.asked.IsZero() || now.Sub(p.asked) >= processorsEvery {
		p.asked, p.last = now, p.look()
	}
	return p.last
}

func (p *processors) look() error {
	if p.waiting() {
		return nil
	}
	families, err := p.metrics.Gather()
	if err != nil && len(families) == 0 {
		return nil // a broken metric is no wedge
	}
	for _, family := range families {
		if family.GetName() != longestRun {
			continue
		}
		for _, m := range family.GetMetric() {
			if ran := time.Duration(m.GetGauge().GetValue()) * time.Second; ran > stuckAfter {
				return fmt.Errorf("a run of %s has stood still for %s without waiting for OCI", nameOf(m), ran)
			}
		}
	}
	return nil
}

func nameOf(m *dto.Metric) string {
	for _, label := range m.GetLabel() {
		if label.GetName() == "controller" {
			return label.GetValue()
		}
	}
	return "a controller"
}
