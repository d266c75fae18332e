package instance

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	crmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/karpenter-oke/karpenter-oke/pkg/oci"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/capacity"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/instancetype"
)

// counted is the value of a counter for one label value; 0 when it was never counted.
func counted(t *testing.T, name, value string) float64 {
	t.Helper()
	families, err := crmetrics.Registry.Gather()
	require.NoError(t, err)
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			if m.GetLabel()[0].GetValue() == value {
				return m.GetCounter().GetValue()
			}
		}
	}
	return 0
}

func TestWhatFittingSavesIsCounted(t *testing.T) {
	const shape = "VM.Test.Flex"
	size := func(ocpus, memoryGB float64) instancetype.Size {
		return instancetype.Size{ShapeName: shape, OCPUs: ocpus, MemoryGB: memoryGB}
	}
	outcomes := func() []float64 {
		return []float64{counted(t, "karpenter_oke_instance_fits_total", "Fitted"), counted(t, "karpenter_oke_instance_fits_total", "Full")}
	}
	before := outcomes()
	reportFit(&instancetype.Fit{Outcome: instancetype.Fitted, Cell: size(8, 64), Size: size(2, 14)})
	reportFit(&instancetype.Fit{Outcome: instancetype.Fitted, Cell: size(4, 32), Size: size(4, 30)})
	reportFit(&instancetype.Fit{Outcome: instancetype.FitFull, Cell: size(8, 64), Size: size(8, 64)})
	require.Equal(t, []float64{before[0] + 2, before[1] + 1}, outcomes())
	require.InDelta(t, 6, counted(t, "karpenter_oke_instance_fit_saved_ocpus_total", shape), 1e-9)
	require.InDelta(t, 52, counted(t, "karpenter_oke_instance_fit_saved_memory_gb_total", shape), 1e-9)
}

func TestLaunchesAreCountedByWhatBecameOfThem(t *testing.T) {
	o := capacity.Offering{Shape: "VM.Counted.Flex", Zone: "AD-1", CapacityType: "on-demand"}
	reportLaunch(o, nil)
	for _, code := range []string{"LimitExceeded", "QuotaExceeded"} {
		reportLaunch(o, fmt.Errorf("launching: %w", oci.NewAsyncError("LaunchInstance", code, "")))
	}
	reportLaunch(o, errors.New("of another kind"))
	ReportLateFailure(o, nil)
	series := map[string]float64{}
	families, err := crmetrics.Registry.Gather()
	require.NoError(t, err)
	for _, f := range families {
		for _, m := range f.GetMetric() {
			labels := map[string]string{}
			for _, l := range m.GetLabel() {
				labels[l.GetName()] = l.GetValue()
			}
			if labels["shape"] == o.Shape && labels["zone"] == o.Zone && labels["capacity_type"] == o.CapacityType {
				series[f.GetName()+" "+labels["class"]] = m.GetCounter().GetValue()
			}
		}
	}
	require.Equal(t, map[string]float64{
		"karpenter_oke_instance_launches_total ": 1, "karpenter_oke_instance_launch_failures_total Limit": 2,
		"karpenter_oke_instance_launch_failures_total None": 1, "karpenter_oke_instance_late_launch_failures_total None": 1,
	}, series)
}
