// Package simsource feeds a fleet of kubelets from the OCI simulator.
package simsource

import (
	"context"
	"net"
	"strings"

	"github.com/samber/lo"

	"github.com/karpenter-oke/karpenter-oke/test/cluster/kubelets"
	"github.com/karpenter-oke/karpenter-oke/test/cluster/kubelets/machine"
	"github.com/karpenter-oke/karpenter-oke/test/ocisim"
)

// Events follows the simulator's instances until ctx ends; the present ones come first.
func Events(ctx context.Context, sim *ocisim.Simulator) <-chan kubelets.Instance {
	in := sim.Watch(ctx)
	out := make(chan kubelets.Instance)
	go func() {
		defer close(out)
		for {
			select {
			case <-ctx.Done():
				return
			case event, ok := <-in:
				if !ok {
					return
				}
				select {
				case out <- Convert(event.Instance):
				case <-ctx.Done():
					return
				}
			}
		}
	}()
	return out
}

// Convert takes what a machine knows of itself from the simulator's record.
func Convert(i ocisim.Instance) kubelets.Instance {
	return kubelets.Instance{
		ID: i.ID, DisplayName: i.DisplayName, CompartmentID: i.CompartmentID, State: i.State, Shape: i.Shape,
		AvailabilityDomain: i.AD, FaultDomain: i.FD, Region: i.Region, ImageID: i.ImageID, Image: imageKind(i.ImageName),
		Volumes:     lo.Map(i.DataDevices, func(d string, _ int) machine.Volume { return machine.Volume{Device: d} }),
		LocalDrives: i.LocalDisks, LocalDrivesGB: i.LocalDisksGB,
		VCPUs: i.VCPUs, OCPUs: i.OCPUs, MemoryGB: i.MemoryGB, GPUs: i.GPUs, BootVolumeSizeGB: i.BootVolumeSizeGB, Preemptible: i.Preemptible,
		PrivateIP: i.PrivateIP, Metadata: i.Metadata, ExtendedMetadata: i.ExtendedMetadata, FreeformTags: i.FreeformTags, Boots: i.Boots,
	}
}

// imageKind tells what an image does at boot from its name.
func imageKind(name string) string {
	switch lower := strings.ToLower(name); {
	case strings.Contains(lower, "ubuntu"):
		return machine.ImageUbuntu
	case strings.Contains(lower, "-oke-"):
		return machine.ImageOracleLinux
	default:
		return ""
	}
}

// Endpoint is the host of the simulated cluster's private API endpoint, which nodes have to be given.
func Endpoint(w ocisim.World) string {
	host, _, err := net.SplitHostPort(w.PrivateEndpoint)
	if err != nil {
		return w.PrivateEndpoint
	}
	return host
}
