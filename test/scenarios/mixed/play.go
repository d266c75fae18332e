package mixed

import (
	"context"
	"fmt"
	"strings"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/test/environment/record"
)

// The phases, in order.
const (
	PhaseBaseline    = "baseline"
	PhaseBurst       = "burst 2 to 25"
	PhaseStateful    = "stateful 1 to 12"
	PhaseBurstDown   = "burst 25 to 2"
	PhaseConsolidate = "stateful 12 to 1"
	PhaseCordoned    = "virtual nodes cordoned"
	PhaseUncordoned  = "virtual nodes uncordoned"
	PhaseManagedTwin = "without the toleration"
	PhaseCleanUp     = "clean up"
)

// Phases in order.
var Phases = []string{
	PhaseBaseline, PhaseBurst, PhaseStateful, PhaseBurstDown, PhaseConsolidate, PhaseCordoned, PhaseUncordoned, PhaseManagedTwin, PhaseCleanUp,
}

// Karpenter decides about pending pods at most 10 s after the first of them (core's batch-max-duration), so what has not
// happened a little later is not going to happen.
const (
	burstWatch  = 3 * time.Second
	cordonWatch = 13 * time.Second
)

// Play runs the scenario on a stage. It stops at the first step that does not reach its goal and returns why; the phase
// carries the error too.
func Play(ctx context.Context, s *Stage) error {
	steps := []struct {
		phase string
		run   func(context.Context) error
	}{
		{PhaseBaseline, s.baseline}, {PhaseBurst, s.burst}, {PhaseStateful, s.stateful}, {PhaseBurstDown, s.burstDown},
		{PhaseConsolidate, s.consolidate}, {PhaseCordoned, s.cordoned}, {PhaseUncordoned, s.uncordoned},
		{PhaseManagedTwin, s.managedTwin}, {PhaseCleanUp, s.cleanUp},
	}
	for _, step := range steps {
		s.Recorder.BeginPhase(step.phase)
		err := step.run(ctx)
		s.Recorder.EndPhase(err)
		if err != nil {
			return fmt.Errorf("phase %q: %w", step.phase, err)
		}
	}
	return nil
}

func (s *Stage) baseline(ctx context.Context) error {
	if err := s.apply(ctx, FileNodeClass, FileNodePool); err != nil {
		return err
	}
	if err := s.await(ctx, "OciNodeClass "+NodeClass+" to be ready", s.nodeClassReady(ctx)); err != nil {
		return err
	}
	if err := s.apply(ctx, FileAPIService, FileCPUDemo); err != nil {
		return err
	}
	return s.await(ctx, "the first pods to run", both(
		running(APIService, APIServiceLow, record.LayerVirtual), running(CPUDemo, CPUDemoLow, record.LayerFixed)))
}

func (s *Stage) burst(ctx context.Context) error {
	if err := s.scale(ctx, APIService, APIServiceHigh); err != nil {
		return err
	}
	if err := s.await(ctx, "25 burst pods to run on virtual nodes", running(APIService, APIServiceHigh, record.LayerVirtual)); err != nil {
		return err
	}
	return s.hold(ctx, burstWatch, "the burst causes no NodeClaim")
}

func (s *Stage) stateful(ctx context.Context) error {
	if err := s.scale(ctx, CPUDemo, CPUDemoHigh); err != nil {
		return err
	}
	return s.await(ctx, "12 stateful pods to run and every NodeClaim to be initialized", both(
		running(CPUDemo, CPUDemoHigh, record.LayerFixed, record.LayerKarpenter), claimsInitialized))
}

func (s *Stage) burstDown(ctx context.Context) error {
	if err := s.scale(ctx, APIService, APIServiceLow); err != nil {
		return err
	}
	return s.await(ctx, "2 burst pods to be left", running(APIService, APIServiceLow, record.LayerVirtual))
}

func (s *Stage) consolidate(ctx context.Context) error {
	if err := s.scale(ctx, CPUDemo, CPUDemoLow); err != nil {
		return err
	}
	return s.await(ctx, "Karpenter's nodes to go and their instances to be TERMINATED", both(
		running(CPUDemo, CPUDemoLow, record.LayerFixed), nothingBought))
}

func (s *Stage) cordoned(ctx context.Context) error {
	if err := s.cordon(ctx, true); err != nil {
		return err
	}
	if err := s.scale(ctx, APIService, APIServiceLow+1); err != nil {
		return err
	}
	if err := s.apply(ctx, FileReportBuilder); err != nil {
		return err
	}
	if err := s.await(ctx, "both waiting pods to be skipped by Karpenter with an event", both(skipped(APIService), skipped(ReportBuilder))); err != nil {
		return err
	}
	return s.hold(ctx, cordonWatch, "skipped pods cause no NodeClaim")
}

func (s *Stage) uncordoned(ctx context.Context) error {
	if err := s.cordon(ctx, false); err != nil {
		return err
	}
	return s.await(ctx, "the waiting pods to start on virtual nodes", both(
		running(APIService, APIServiceLow+1, record.LayerVirtual), running(ReportBuilder, 1, record.LayerVirtual)))
}

func (s *Stage) managedTwin(ctx context.Context) error {
	if err := s.apply(ctx, FileReportBuilderManaged); err != nil {
		return err
	}
	return s.await(ctx, "the pod without the toleration to run on a Karpenter node", both(
		running(ReportBuilderManaged, 1, record.LayerKarpenter), claimsInitialized))
}

func (s *Stage) cleanUp(ctx context.Context) error {
	if err := s.delete(ctx, FileAPIService, FileCPUDemo, FileReportBuilder, FileReportBuilderManaged); err != nil {
		return err
	}
	if err := s.await(ctx, "all pods, NodeClaims and instances of the scenario to go", both(noPods, nothingBought)); err != nil {
		return err
	}
	if err := s.delete(ctx, FileNodePool, FileNodeClass); err != nil {
		return err
	}
	if err := s.await(ctx, "OciNodeClass "+NodeClass+" to go", s.nodeClassGone(ctx)); err != nil {
		return err
	}
	left, err := s.Leftovers(ctx)
	if err != nil {
		return fmt.Errorf("looking for leftovers: %w", err)
	}
	s.Recorder.SetLeftovers(left)
	return nil
}

func (s *Stage) nodeClassReady(ctx context.Context) func(*record.Recording) (bool, string) {
	return func(*record.Recording) (bool, string) {
		class := &v1alpha1.OciNodeClass{}
		if err := s.Client.Get(ctx, client.ObjectKey{Name: NodeClass}, class); err != nil {
			return false, err.Error()
		}
		var seen []string
		for _, c := range class.GetConditions() {
			seen = append(seen, strings.TrimSpace(fmt.Sprintf("%s=%s %s", c.Type, c.Status, c.Message)))
		}
		if len(seen) == 0 {
			return false, "no conditions yet"
		}
		return class.StatusConditions().Root().IsTrue(), strings.Join(seen, ", ")
	}
}

func (s *Stage) nodeClassGone(ctx context.Context) func(*record.Recording) (bool, string) {
	return func(*record.Recording) (bool, string) {
		class := &v1alpha1.OciNodeClass{}
		err := s.Client.Get(ctx, client.ObjectKey{Name: NodeClass}, class)
		if err == nil {
			return false, fmt.Sprintf("it has finalizers %v", class.Finalizers)
		}
		return client.IgnoreNotFound(err) == nil, err.Error()
	}
}
