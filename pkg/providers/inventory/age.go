package inventory

import (
	"context"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/log"
)

// StaleAge is the age from which a list is called old: it should have been taken anew before. Who can do with any list that is not old
// asks for this age and has none taken.
const StaleAge = 5 * time.Minute

// Age is how long ago the newest list began; before the first one, for how long one has been wanted. It is 0 where none is, as on a replica
// that does not lead.
func (p *DefaultProvider) Age() time.Duration {
	if taken := p.Current().Taken; !taken.IsZero() {
		return p.clock.Since(taken)
	}
	asked := p.asked.Load()
	if asked == nil {
		return 0
	}
	return p.clock.Since(*asked)
}

// AgeMetric tells the age at the moment of each scrape, so that it grows also when whatever takes the lists stands still.
func (p *DefaultProvider) AgeMetric() prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Namespace: "karpenter_oke", Subsystem: "inventory", Name: "age_seconds",
		Help: "Age of the newest complete list of instances, in seconds; all that is decided about instances is decided from it.",
	}, func() float64 { return p.Age().Seconds() })
}

// failed adds to a list's error how old the truth is that stays in force; mu is held. The moment stands in the text, not the age, so
// that equal failures have equal texts. The log has the age, once until lists work again.
func (p *DefaultProvider) failed(ctx context.Context, err error) error {
	if age := p.Age(); age >= StaleAge && !p.stale {
		p.stale = true
		log.FromContext(ctx).Info("the list of instances is old; what is decided about instances is decided from it until OCI answers",
			"age", age.Round(time.Second).String(), "instances", len(p.listed), "error", err.Error())
	}
	if p.taken.IsZero() {
		return fmt.Errorf("%w (no list has succeeded yet)", err)
	}
	return fmt.Errorf("%w (the newest list is of %s)", err, p.taken.UTC().Format(time.RFC3339))
}

// succeeded says that lists work again, when it was said that they do not; mu is held.
func (p *DefaultProvider) succeeded(ctx context.Context) {
	if p.stale {
		p.stale = false
		log.FromContext(ctx).Info("the list of instances is up to date again", "wasOldFor", p.Age().Round(time.Second).String())
	}
}
