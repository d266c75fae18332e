package ocisim

import (
	"net/netip"
	"strings"
	"time"

	"github.com/oracle/oci-go-sdk/v65/clusterplacementgroups"
	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/containerengine"
	"github.com/oracle/oci-go-sdk/v65/core"
	"github.com/oracle/oci-go-sdk/v65/identity"
	"github.com/oracle/oci-go-sdk/v65/keymanagement"
	"github.com/oracle/oci-go-sdk/v65/workrequests"
	"github.com/samber/lo"

	"github.com/karpenter-oke/karpenter-oke/test/ocisim/data"
)

// state is everything a region knows. It is guarded by Simulator.mu. SDK models in it are replaced, never changed behind a pointer or inside a map, so a
// shallow copy of a model may leave the lock.
type state struct {
	born     time.Time
	serial   int
	schedule schedule
	tokens   *retryTokens

	compartments    *table[identity.Compartment]
	shapes          []core.Shape
	absentShapes    map[string]bool // "shape\x00AD": not offered there
	images          *table[core.Image]
	instances       *table[*instance]
	workRequests    *table[*workRequest]
	consoles        *table[*consoleHistory]
	vcns            *table[core.Vcn]
	subnets         *table[*subnet]
	nsgs            *table[core.NetworkSecurityGroup]
	vnics           *table[*vnic]
	vnicLinks       *table[*core.VnicAttachment]
	privateIPs      *table[*core.PrivateIp]
	bootVolumes     *table[*core.BootVolume]
	bootLinks       *table[*core.BootVolumeAttachment]
	volumes         *table[*core.Volume]
	volumeLinks     *table[*volumeLink]
	reservations    *table[*reservation]
	clusters        *table[*core.ComputeCluster]
	vmHosts         *table[core.DedicatedVmHost]
	placementGroups *table[clusterplacementgroups.ClusterPlacementGroup]
	keys            *table[keymanagement.Key]
	maintenance     *table[*core.InstanceMaintenanceEvent]
	streams         *table[*stream]
	rules           []EventRule
	hostCapacity    []HostCapacity
	limits          map[string]int64 // limit name, or name\x00AD, to its value
	quotas          map[string]int64
	oke             ClusterState
	addons          []containerengine.Addon
	virtualPools    *table[*virtualPool]
	prices          []byte // the price list once a price was set; nil: the embedded one
	launchesPlaced  int    // turns the choice of fault domain
}

// workRequest is an asynchronous operation of the compute service.
type workRequest struct {
	model  workrequests.WorkRequest
	errors []workrequests.WorkRequestError
	logs   []workrequests.WorkRequestLogEntry
}

func newState(o Options, w World, now time.Time) (*state, error) {
	st := &state{
		born: now, tokens: newRetryTokens(o.RetryTokenTTL), compartments: newTable[identity.Compartment](), absentShapes: map[string]bool{},
		images: newTable[core.Image](), instances: newTable[*instance](), workRequests: newTable[*workRequest](), consoles: newTable[*consoleHistory](), vcns: newTable[core.Vcn](),
		subnets: newTable[*subnet](), nsgs: newTable[core.NetworkSecurityGroup](), vnics: newTable[*vnic](),
		vnicLinks: newTable[*core.VnicAttachment](), privateIPs: newTable[*core.PrivateIp](), bootVolumes: newTable[*core.BootVolume](),
		bootLinks: newTable[*core.BootVolumeAttachment](), volumes: newTable[*core.Volume](), volumeLinks: newTable[*volumeLink](),
		reservations: newTable[*reservation](), clusters: newTable[*core.ComputeCluster](), maintenance: newTable[*core.InstanceMaintenanceEvent](),
		limits: map[string]int64{}, quotas: map[string]int64{}, virtualPools: newTable[*virtualPool](), vmHosts: newTable[core.DedicatedVmHost](),
		placementGroups: newTable[clusterplacementgroups.ClusterPlacementGroup](), keys: newTable[keymanagement.Key](), streams: newTable[*stream](),
	}
	if err := st.loadCatalogue(o.Region); err != nil {
		return nil, err
	}
	st.addCompartments(w, now)
	if err := st.addNetwork(o, w, now); err != nil {
		return nil, err
	}
	st.addCluster(o, w, now)
	if err := st.addStream(w.StreamID, StreamSpec{Name: "interruptions", Partitions: o.StreamPartitions}, w, now); err != nil {
		return nil, err
	}
	st.rules = []EventRule{{CompartmentID: w.CompartmentID, StreamID: w.StreamID}}
	return st, nil
}

// loadCatalogue takes the embedded shapes and images, giving the images the region's key.
func (st *state) loadCatalogue(region string) error {
	shapes, err := data.Shapes()
	if err != nil {
		return err
	}
	images, err := data.Images()
	if err != nil {
		return err
	}
	st.shapes = shapes
	for i := len(images) - 1; i >= 0; i-- { // oldest first, as every table
		image := images[i]
		image.Id = lo.ToPtr(strings.Replace(lo.FromPtr(image.Id), ".oc1.iad.", ".oc1."+regionInIDs(region)+".", 1))
		st.images.put(*image.Id, image)
	}
	return nil
}

func (st *state) addCompartments(w World, now time.Time) {
	for _, c := range []struct{ id, parent, name string }{
		{w.TenancyID, w.TenancyID, w.TenancyName}, {w.CompartmentID, w.TenancyID, "workloads"},
		{w.ImageCompartmentID, w.TenancyID, "oke-images"}, {w.UbuntuImageCompartmentID, w.TenancyID, "oke-ubuntu-images"},
	} {
		st.compartments.put(c.id, identity.Compartment{Id: lo.ToPtr(c.id), CompartmentId: lo.ToPtr(c.parent), Name: lo.ToPtr(c.name),
			Description: lo.ToPtr(c.name), TimeCreated: stamp(now), LifecycleState: identity.CompartmentLifecycleStateActive,
			FreeformTags: map[string]string{}, DefinedTags: map[string]map[string]any{}})
	}
}

// compartment checks that a compartment (or the tenancy) exists.
func (st *state) compartment(id string) error {
	if _, known := st.compartments.get(id); !known {
		return notFound("compartment %s", id)
	}
	return nil
}

// inCompartment reads the mandatory compartment of a list.
func (s *Simulator) inCompartment(c *call) (string, error) {
	id, err := c.required("compartmentId")
	if err != nil {
		return "", err
	}
	return id, s.state.compartment(id)
}

// availabilityDomain checks that the AD exists.
func (s *Simulator) availabilityDomain(name string) error {
	if !lo.Contains(s.world.ADs, name) {
		return invalid("availability domain %q does not exist in region %s", name, s.world.Region)
	}
	return nil
}

// stamp renders a time as the API does: UTC, milliseconds.
func stamp(t time.Time) *common.SDKTime {
	if t.IsZero() {
		return nil
	}
	return &common.SDKTime{Time: t.UTC().Truncate(time.Millisecond)}
}

func addrOf(text string) (netip.Addr, bool) {
	a, err := netip.ParseAddr(text)
	return a, err == nil
}
