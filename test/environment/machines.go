package environment

import (
	"context"

	"github.com/karpenter-oke/karpenter-oke/test/cluster/kubelets"
	"github.com/karpenter-oke/karpenter-oke/test/ocisim"
)

// machineEvents tells the simulated kubelets what happens to the region's instances, until ctx ends.
func machineEvents(ctx context.Context, sim *ocisim.Simulator) <-chan kubelets.Instance {
	out := make(chan kubelets.Instance)
	events := sim.Watch(ctx)
	go func() {
		defer close(out)
		for e := range events {
			select {
			case out <- asMachine(e.Instance):
			case <-ctx.Done():
				return
			}
		}
	}()
	return out
}

func asMachine(i ocisim.Instance) kubelets.Instance {
	return kubelets.Instance{
		ID: i.ID, DisplayName: i.DisplayName, CompartmentID: i.CompartmentID, State: i.State, Shape: i.Shape, AvailabilityDomain: i.AD, FaultDomain: i.FD,
		Region: i.Region, ImageID: i.ImageID, VCPUs: i.VCPUs, OCPUs: i.OCPUs, MemoryGB: i.MemoryGB, GPUs: i.GPUs, BootVolumeSizeGB: i.BootVolumeSizeGB,
		Preemptible: i.Preemptible, PrivateIP: i.PrivateIP, Metadata: i.Metadata, ExtendedMetadata: i.ExtendedMetadata, FreeformTags: i.FreeformTags, Boots: i.Boots,
	}
}
