package virtualnode

import (
	"context"
	"time"

	opmetrics "github.com/awslabs/operatorpkg/metrics"
	"github.com/awslabs/operatorpkg/reconciler"
	"github.com/awslabs/operatorpkg/singleton"
	"github.com/prometheus/client_golang/prometheus"
	controllerruntime "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	crmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"
)

const (
	metricsNamespace = "karpenter_oke"
	metricsSubsystem = "virtual_node"
	metricsInterval  = 2 * time.Second // shorter than any scrape interval
)

// Labels of the metrics; all have few values.
const (
	labelReason = "reason" // a Cause
	labelState  = "state"  // usable, not-ready, cordoned, full, troubled
	labelArch   = "arch"   // amd64, arm64, unknown
	labelLayer  = "layer"
	labelRule   = "rule"
)

var (
	causeLabel = opmetrics.Label{Name: labelReason, Help: "What keeps virtual nodes from taking the pod, scheduler, no-address, quota, no-capacity, full, no-room, cordoned, not-ready, too-large, no-match or absent."}
	ruleLabel  = opmetrics.Label{Name: labelRule, Help: "Name of the rule of the filter."}
)

var (
	skippedPodsGauge = opmetrics.NewPrometheusGauge(crmetrics.Registry, prometheus.GaugeOpts{
		Namespace: metricsNamespace, Subsystem: metricsSubsystem, Name: "skipped_pods",
		Help: "Pending pods that Karpenter leaves to virtual nodes, by what keeps them from running there.",
	}, []opmetrics.Label{causeLabel}, opmetrics.Alpha)
	oldestSkippedGauge = opmetrics.NewPrometheusGauge(crmetrics.Registry, prometheus.GaugeOpts{
		Namespace: metricsNamespace, Subsystem: metricsSubsystem, Name: "oldest_skipped_pod_age_seconds",
		Help: "Seconds for which the longest-waiting skipped pod has been unschedulable; 0 when none is skipped.",
	}, nil, opmetrics.Alpha)
	nodesGauge = opmetrics.NewPrometheusGauge(crmetrics.Registry, prometheus.GaugeOpts{
		Namespace: metricsNamespace, Subsystem: metricsSubsystem, Name: "nodes",
		Help: "Virtual nodes by state and by the architecture of their pod shape. usable: Ready, not cordoned, pods free, and pods start.",
	}, []opmetrics.Label{
		{Name: labelState, Help: "usable, not-ready, cordoned, full or troubled."}, {Name: labelArch, Help: "amd64, arm64 or unknown."},
	}, opmetrics.Alpha)
	decisionsCounter = opmetrics.NewPrometheusCounter(crmetrics.Registry, prometheus.CounterOpts{
		Namespace: metricsNamespace, Subsystem: metricsSubsystem, Name: "decisions_total",
		Help: "Decisions on unschedulable pods; a pod counts again when its layer or rule changes.",
	}, []opmetrics.Label{{Name: labelLayer, Help: "managed or virtual."}, ruleLabel}, opmetrics.Alpha)
	overflowCounter = opmetrics.NewPrometheusCounter(crmetrics.Registry, prometheus.CounterOpts{
		Namespace: metricsNamespace, Subsystem: metricsSubsystem, Name: "overflow_total",
		Help: "Pods that Karpenter took over because virtual nodes did not take them in time, by what kept virtual nodes from it.",
	}, []opmetrics.Label{causeLabel}, opmetrics.Alpha)
	ruleErrorsCounter = opmetrics.NewPrometheusCounter(crmetrics.Registry, prometheus.CounterOpts{
		Namespace: metricsNamespace, Subsystem: metricsSubsystem, Name: "rule_errors_total",
		Help: "Evaluations of a rule from --virtual-node-extra-rules that failed; the rule then counted as not met.",
	}, []opmetrics.Label{ruleLabel}, opmetrics.Alpha)
)

func (f *Filter) setSkippedGauge() {
	for cause, n := range f.pending.skippedByCause() {
		skippedPodsGauge.Set(float64(n), map[string]string{labelReason: string(cause)})
	}
}

// metricsController sets the gauges that change with time alone.
type metricsController struct {
	filter *Filter
}

func (c *metricsController) Name() string { return "virtualnode.metrics" }

// Register also makes the counters exist, so that an alert on their growth sees the first of each.
func (c *metricsController) Register(_ context.Context, m manager.Manager) error {
	for _, cause := range Causes {
		overflowCounter.Add(0, map[string]string{labelReason: string(cause)})
	}
	for _, r := range c.filter.config.ExtraRules {
		ruleErrorsCounter.Add(0, map[string]string{labelRule: r.Name})
	}
	return controllerruntime.NewControllerManagedBy(m).
		Named("virtualnode.metrics").
		WatchesRawSource(singleton.Source()).
		Complete(singleton.AsReconciler(c))
}

func (c *metricsController) Reconcile(_ context.Context) (reconciler.Result, error) {
	f := c.filter
	now := f.clock.Now()
	s := f.index.Snapshot()
	for _, arch := range []string{archAMD64, archARM64, archUnknown} {
		counts := s.countArch(arch, now, f.config.GracePeriod)
		for state, n := range map[string]int{
			"usable": counts.Usable(), "not-ready": counts.NotReady, "cordoned": counts.Cordoned, "full": counts.Full, "troubled": counts.Troubled,
		} {
			nodesGauge.Set(float64(n), map[string]string{labelState: state, labelArch: arch})
		}
	}
	age := 0.0
	if oldest, ok := f.pending.oldestSkipped(); ok {
		age = max(0, now.Sub(oldest).Seconds())
	}
	oldestSkippedGauge.Set(age, nil)
	f.setSkippedGauge()
	return reconciler.Result{RequeueAfter: metricsInterval}, nil
}
