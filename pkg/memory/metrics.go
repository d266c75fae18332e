package memory

import (
	"errors"
	"fmt"

	"github.com/awslabs/operatorpkg/controller"
	opmetrics "github.com/awslabs/operatorpkg/metrics"
	"github.com/awslabs/operatorpkg/status"
	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	metricspod "sigs.k8s.io/karpenter/pkg/controllers/metrics/pod"
)

// nameLabel is core's label of a metric of pods, and operatorpkg's of one of conditions, that names the object.
const nameLabel = "name"

// ReplaceGauges puts gauges that need less memory in the place of those of which core, in its controllers given here, has a series or more for
// every pod, node and NodeClaim. Names, labels and values stay. It must be called before the controllers run.
func ReplaceGauges(registry prometheus.Registerer, controllers []controller.Controller) error {
	gauges := []*opmetrics.GaugeMetric{
		&metricspod.PodState,
		&status.ConditionCount, &status.ConditionCurrentStatusSeconds, // those without a kind in their names, of NodeClaims and NodePools
	}
	for _, c := range controllers {
		switch c := c.(type) {
		case *status.Controller[*karpv1.NodeClaim]:
			gauges = append(gauges, &c.ConditionCount, &c.ConditionCurrentStatusSeconds)
		case *status.GenericObjectController[*corev1.Node]:
			gauges = append(gauges, &c.ConditionCount, &c.ConditionCurrentStatusSeconds)
		}
	}
	var errs []error
	for _, g := range gauges {
		errs = append(errs, Replace(registry, g, nameLabel))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("replacing core's gauges: %w", err)
	}
	return nil
}
