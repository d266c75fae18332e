package ocisim

import (
	"context"
	"maps"
	"sync"
	"time"

	"github.com/oracle/oci-go-sdk/v65/core"
	"github.com/samber/lo"
)

// Instance is a snapshot of a simulated instance, in plain types. Nothing in it changes after it has been handed out.
type Instance struct {
	ID               string                    `json:"id"`
	DisplayName      string                    `json:"displayName"`
	CompartmentID    string                    `json:"compartmentId"`
	State            string                    `json:"state"` // PROVISIONING, RUNNING, STOPPING, STOPPED, STARTING, TERMINATING, TERMINATED
	Shape            string                    `json:"shape"`
	AD               string                    `json:"availabilityDomain"` // full name, Uocm:PHX-AD-1
	FD               string                    `json:"faultDomain"`
	Region           string                    `json:"region"` // as Instance.region: phx, iad, or the public name elsewhere
	ImageID          string                    `json:"imageId"`
	ImageName        string                    `json:"imageName"`
	DataDevices      []string                  `json:"dataDevices,omitempty"` // device paths of the volumes made with it, in their order
	OCPUs            float64                   `json:"ocpus"`
	MemoryGB         float64                   `json:"memoryInGBs"` // GiB in fact
	VCPUs            int                       `json:"vcpus"`
	GPUs             int                       `json:"gpus"`
	Baseline         string                    `json:"baselineOcpuUtilization,omitempty"`  // BASELINE_1_8, BASELINE_1_2 or empty
	LocalDisks       int                       `json:"localDisks,omitempty"`               // NVMe drives of the machine itself
	LocalDisksGB     float64                   `json:"localDisksTotalSizeInGBs,omitempty"` // of 10^9 bytes, all together
	BootVolumeSizeGB int64                     `json:"bootVolumeSizeInGBs"`
	BootVolumeVPUs   int64                     `json:"bootVolumeVpusPerGB"`
	Preemptible      bool                      `json:"preemptible"`
	ReservationID    string                    `json:"capacityReservationId,omitempty"`
	Metadata         map[string]string         `json:"metadata,omitempty"`
	ExtendedMetadata map[string]any            `json:"extendedMetadata,omitempty"`
	FreeformTags     map[string]string         `json:"freeformTags,omitempty"`
	DefinedTags      map[string]map[string]any `json:"definedTags,omitempty"`
	PrivateIP        string                    `json:"privateIp,omitempty"` // of the primary VNIC
	SubnetID         string                    `json:"subnetId,omitempty"`
	NSGIDs           []string                  `json:"nsgIds,omitempty"`
	Boots            int                       `json:"boots"` // how often it has come up; grows with start and reset
	Created          time.Time                 `json:"created"`
	Running          time.Time                 `json:"running"`    // first time RUNNING; zero before
	Terminated       time.Time                 `json:"terminated"` // zero before
	Reason           string                    `json:"reason,omitempty"`
}

// InstanceEvent is a change of an instance's lifecycle state or boot count; the first events of a watch are the instances that already exist.
type InstanceEvent struct {
	Instance Instance  `json:"instance"`
	Previous string    `json:"previous,omitempty"` // the state before; empty for a new or already present instance
	Reason   string    `json:"reason,omitempty"`   // why, in words, when nobody asked for it
	At       time.Time `json:"at"`
}

// watchers hands lifecycle events to any number of readers without ever dropping one or making the simulator wait.
type watchers struct {
	mu   sync.Mutex
	list map[*watcher]struct{}
}

type watcher struct {
	mu    sync.Mutex
	queue []InstanceEvent
	ready chan struct{}
}

func (w *watcher) push(events ...InstanceEvent) {
	w.mu.Lock()
	w.queue = append(w.queue, events...)
	w.mu.Unlock()
	select {
	case w.ready <- struct{}{}:
	default:
	}
}

func (w *watcher) drain() []InstanceEvent {
	w.mu.Lock()
	defer w.mu.Unlock()
	events := w.queue
	w.queue = nil
	return events
}

func (ws *watchers) publish(e InstanceEvent) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	for w := range ws.list {
		w.push(e)
	}
}

// Watch returns every lifecycle change from now on, in order, after one event for each instance already known (TERMINATED ones too). Events are queued
// without bound for a slow reader. The channel is closed when ctx ends.
func (s *Simulator) Watch(ctx context.Context) <-chan InstanceEvent {
	w := &watcher{ready: make(chan struct{}, 1)}
	s.mu.Lock()
	now := s.clock.Now()
	s.advance(now)
	for _, i := range s.state.instances.all() {
		w.push(InstanceEvent{Instance: i.snapshot(), At: now})
	}
	s.watchers.mu.Lock()
	s.watchers.list[w] = struct{}{}
	s.watchers.mu.Unlock()
	s.mu.Unlock()

	out := make(chan InstanceEvent)
	go func() {
		defer close(out)
		defer func() {
			s.watchers.mu.Lock()
			delete(s.watchers.list, w)
			s.watchers.mu.Unlock()
		}()
		for {
			for _, e := range w.drain() {
				select {
				case out <- e:
				case <-ctx.Done():
					return
				}
			}
			select {
			case <-w.ready:
			case <-ctx.Done():
				return
			}
		}
	}()
	return out
}

// Instances returns all instances the region knows, TERMINATED ones too, oldest first.
func (s *Simulator) Instances() []Instance {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.advance(s.clock.Now())
	return lo.Map(s.state.instances.all(), func(i *instance, _ int) Instance { return i.snapshot() })
}

// LaunchOf returns what OCI was asked for when an instance was launched; false for an instance that is not known. It must not be changed.
func (s *Simulator) LaunchOf(instanceID string) (core.LaunchInstanceDetails, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, known := s.state.instances.get(instanceID)
	if !known {
		return core.LaunchInstanceDetails{}, false
	}
	return i.asked, true
}

// Addresses are the IPv4 and IPv6 addresses of an instance's primary VNIC; none once it has been terminated.
func (s *Simulator) Addresses(instanceID string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, link := range s.state.vnicLinks.all() {
		if v, there := s.state.vnics.get(*link.VnicId); there && *link.InstanceId == instanceID && lo.FromPtr(v.model.IsPrimary) {
			return append([]string{*v.model.PrivateIp}, v.model.Ipv6Addresses...)
		}
	}
	return nil
}

// Volume is a boot or block volume that is there, which is what is billed.
type Volume struct {
	ID        string
	SizeGB    int64
	VPUsPerGB int64
	// InstanceID is the instance that the volume was made with or is attached to; empty for one that has outlived it.
	InstanceID string
	// KMSKeyID is the vault key that encrypts it; empty for a key that Oracle manages.
	KMSKeyID string
}

// Volumes returns all volumes that have not been terminated: boot volumes first, each kind oldest first.
func (s *Simulator) Volumes() []Volume {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.advance(s.clock.Now())
	owners := map[string]string{}
	for _, link := range s.state.bootLinks.all() {
		owners[*link.BootVolumeId] = *link.InstanceId
	}
	for _, link := range s.state.volumeLinks.all() {
		owners[link.volumeID] = link.instanceID
	}
	var out []Volume
	for _, v := range s.state.bootVolumes.all() {
		if v.LifecycleState != core.BootVolumeLifecycleStateTerminated {
			out = append(out, Volume{ID: *v.Id, SizeGB: lo.FromPtr(v.SizeInGBs), VPUsPerGB: lo.FromPtr(v.VpusPerGB), InstanceID: owners[*v.Id], KMSKeyID: lo.FromPtr(v.KmsKeyId)})
		}
	}
	for _, v := range s.state.volumes.all() {
		if v.LifecycleState != core.VolumeLifecycleStateTerminated {
			out = append(out, Volume{ID: *v.Id, SizeGB: lo.FromPtr(v.SizeInGBs), VPUsPerGB: lo.FromPtr(v.VpusPerGB), InstanceID: owners[*v.Id], KMSKeyID: lo.FromPtr(v.KmsKeyId)})
		}
	}
	return out
}

// snapshot copies an instance into plain types.
func (i *instance) snapshot() Instance {
	m := i.model
	return Instance{
		ID: lo.FromPtr(m.Id), DisplayName: lo.FromPtr(m.DisplayName), CompartmentID: lo.FromPtr(m.CompartmentId), State: string(m.LifecycleState),
		Shape: lo.FromPtr(m.Shape), AD: lo.FromPtr(m.AvailabilityDomain), FD: lo.FromPtr(m.FaultDomain), Region: lo.FromPtr(m.Region),
		ImageID: lo.FromPtr(m.ImageId), ImageName: i.imageName, DataDevices: i.dataDevices, LocalDisks: lo.FromPtr(m.ShapeConfig.LocalDisks), LocalDisksGB: float64(lo.FromPtr(m.ShapeConfig.LocalDisksTotalSizeInGBs)), OCPUs: i.size.ocpus, MemoryGB: i.size.memoryGB, VCPUs: i.vcpus(), GPUs: i.size.gpus,
		Baseline: baselineName(m.ShapeConfig), BootVolumeSizeGB: i.bootVolumeGB, BootVolumeVPUs: i.bootVolumeVPUs,
		Preemptible: m.PreemptibleInstanceConfig != nil, ReservationID: lo.FromPtr(m.CapacityReservationId),
		Metadata: maps.Clone(m.Metadata), ExtendedMetadata: maps.Clone(m.ExtendedMetadata), FreeformTags: maps.Clone(m.FreeformTags),
		DefinedTags: maps.Clone(m.DefinedTags), PrivateIP: i.privateIP, SubnetID: i.subnetID, NSGIDs: append([]string(nil), i.nsgIDs...),
		Boots: i.boots, Created: i.created, Running: i.running, Terminated: i.terminated, Reason: i.reason,
	}
}

func baselineName(c *core.InstanceShapeConfig) string {
	if c == nil || c.BaselineOcpuUtilization == core.InstanceShapeConfigBaselineOcpuUtilization1 {
		return ""
	}
	return string(c.BaselineOcpuUtilization)
}
