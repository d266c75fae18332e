package nodeclaim

import (
	opmetrics "github.com/awslabs/operatorpkg/metrics"
	"github.com/prometheus/client_golang/prometheus"
	crmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"
)

const metricsNamespace = "karpenter_oke"

var (
	orphansTerminated = opmetrics.NewPrometheusCounter(crmetrics.Registry, prometheus.CounterOpts{
		Namespace: metricsNamespace, Subsystem: "orphans", Name: "terminated_total",
		Help: "Instances that were ended because no NodeClaim owns them.",
	}, nil, opmetrics.Alpha)
	orphansLeft = opmetrics.NewPrometheusGauge(crmetrics.Registry, prometheus.GaugeOpts{
		Namespace: metricsNamespace, Subsystem: "orphans", Name: "left",
		Help: "Instances with this cluster's tag that no NodeClaim owns and that are left alone because their NodePool is not known here or their name is not that of their NodeClaim.",
	}, nil, opmetrics.Alpha)
)
