package operator

import (
	"github.com/awslabs/operatorpkg/controller"

	"github.com/karpenter-oke/karpenter-oke/pkg/controllers/interruption"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/maintenance"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/stream"
)

func (o *Operator) maintenancePolicy() maintenance.Policy {
	return maintenance.Policy{Clock: o.Clock, ReplaceBefore: o.interruption.ReplaceBefore, DeleteBefore: o.interruption.DeleteBefore}
}

// interruptionControllers watch for preemptions and maintenance: in lists always, and in the stream where one is configured.
func (o *Operator) interruptionControllers() []controller.Controller {
	reader := stream.NewReader(o.OCI, o.Clock, o.interruption.StreamID, o.clusterID)
	d := interruption.Dependencies{
		Kube: o.GetClient(), Recorder: o.EventRecorder, Inventory: o.Inventory, Compartments: occupied{compartments{kube: o.GetClient(), own: o.compartmentID}},
		Unavailable: o.Unavailable, Clock: o.Clock, Health: interruption.NewHealth(o.Clock, o.interruption.StreamID, reader.Group()),
	}
	due := interruption.NewMaintenanceController(d, o.OCI, o.maintenancePolicy())
	all := []controller.Controller{
		due, interruption.NewPollController(d, o.interruption.PollInterval), interruption.NewConditionController(o.GetClient(), o.EventRecorder, d.Health),
	}
	if o.interruption.StreamID != "" {
		all = append(all, interruption.NewStreamController(d, reader, due))
	}
	return all
}
