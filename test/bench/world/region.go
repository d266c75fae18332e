package world

import (
	"context"
	"fmt"
	"time"

	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/core"
	"github.com/samber/lo"
	"k8s.io/apimachinery/pkg/util/version"
	"k8s.io/utils/clock"

	"github.com/karpenter-oke/karpenter-oke/pkg/providers/cluster"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/shape"
	"github.com/karpenter-oke/karpenter-oke/test/ocisim/data"
)

// zones are the availability domains of the region.
var zones = []string{"PHX-AD-1", "PHX-AD-2", "PHX-AD-3"}

const (
	clusterID     = "ocid1.cluster.oc1.phx.bench"
	compartmentID = "ocid1.compartment.oc1..bench"
)

// shapes is a shape.Provider over the real catalogue; every shape is in every zone.
type shapes struct{ snapshot *shape.Snapshot }

// Snapshot implements shape.Provider.
func (s shapes) Snapshot() *shape.Snapshot { return s.snapshot }

func newShapes() (shapes, error) {
	records, err := data.Shapes()
	if err != nil {
		return shapes{}, err
	}
	all := make([]*shape.Shape, 0, len(records))
	for _, record := range records {
		s, ok := shape.FromRecord(record, nil)
		if !ok {
			return shapes{}, fmt.Errorf("the catalogue has a shape that cannot be read: %v", record)
		}
		s.Zones = zones
		all = append(all, s)
	}
	domains := lo.Map(zones, func(zone string, _ int) shape.AvailabilityDomain {
		return shape.AvailabilityDomain{Zone: zone, Name: "Uocm:" + zone}
	})
	return shapes{shape.NewSnapshot(1, domains, all)}, nil
}

// oke is a cluster.Provider.
type oke struct{}

// Get implements cluster.Provider.
func (oke) Get() *cluster.Cluster {
	return &cluster.Cluster{
		ID: clusterID, Name: "bench", VCNID: "ocid1.vcn.oc1.phx.bench", Version: version.MustParseGeneric("1.34.1"),
		Endpoint: "10.0.0.10", CABundle: []byte("ca"), Pods: cluster.Flannel, IPFamilies: []string{"IPv4"},
	}
}

// compute is OCI's compute service without limits: it launches what it is asked for, at once.
type compute struct {
	clock     clock.Clock
	instances map[string]*core.Instance
	launches  int
}

// LaunchInstance implements instance.API.
func (c *compute) LaunchInstance(_ context.Context, d core.LaunchInstanceDetails, _ string) (core.Instance, string, error) {
	c.launches++
	id := fmt.Sprintf("ocid1.instance.oc1.phx.%06d", c.launches)
	i := &core.Instance{
		Id: &id, DisplayName: d.DisplayName, AvailabilityDomain: d.AvailabilityDomain, FaultDomain: common.String("FAULT-DOMAIN-1"),
		CompartmentId: d.CompartmentId, Shape: d.Shape, SourceDetails: d.SourceDetails, FreeformTags: d.FreeformTags, DefinedTags: d.DefinedTags,
		PreemptibleInstanceConfig: d.PreemptibleInstanceConfig, LifecycleState: core.InstanceLifecycleStateRunning,
		TimeCreated: &common.SDKTime{Time: c.clock.Now()},
	}
	if d.ShapeConfig != nil {
		i.ShapeConfig = &core.InstanceShapeConfig{Ocpus: d.ShapeConfig.Ocpus, MemoryInGBs: d.ShapeConfig.MemoryInGBs}
	}
	c.instances[id] = i
	return *i, "", nil
}

// TerminateInstance implements instance.API.
func (c *compute) TerminateInstance(_ context.Context, id string) error {
	delete(c.instances, id)
	return nil
}

// GetInstance implements instance.API.
func (c *compute) GetInstance(_ context.Context, id string) (core.Instance, error) {
	i, ok := c.instances[id]
	if !ok {
		return core.Instance{}, fmt.Errorf("no instance %s", id)
	}
	return *i, nil
}

// ListVolumeAttachments: the worlds' instances have no data volumes.
func (c *compute) ListVolumeAttachments(context.Context, string, string) ([]core.VolumeAttachment, error) {
	return nil, nil
}

// InstanceAction implements instance.API; nothing reboots here.
func (c *compute) InstanceAction(_ context.Context, id string, action core.InstanceActionActionEnum, _ string) (core.Instance, error) {
	return core.Instance{}, fmt.Errorf("no action %s on instance %s", action, id)
}

// DeleteVolume is never called, as there are none.
func (c *compute) DeleteVolume(_ context.Context, id string) error {
	return fmt.Errorf("no volume %s", id)
}

// ListInstances implements inventory.API.
func (c *compute) ListInstances(context.Context, string) ([]core.Instance, error) {
	return lo.MapToSlice(c.instances, func(_ string, i *core.Instance) core.Instance { return *i }), nil
}

// epoch is when every world begins.
var epoch = time.Date(2026, 1, 5, 0, 0, 0, 0, time.UTC)
