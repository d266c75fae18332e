package ocisim

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/oracle/oci-go-sdk/v65/core"
	"github.com/oracle/oci-go-sdk/v65/workrequests"
	"github.com/samber/lo"
)

// instance is a compute instance with what the API does not show.
type instance struct {
	imageName        string
	dataDevices      []string
	smtOff           bool // one thread a core
	asked            core.LaunchInstanceDetails
	model            core.Instance
	shape            core.Shape
	size             size
	revision         int // the etag
	turn             int // grows with every transition, so that a planned one can see it has been overtaken
	boots            int
	created          time.Time
	running          time.Time
	terminated       time.Time
	listedFrom       time.Time
	reason           string
	console          string // what was set to stand on the serial console
	privateIP        string
	subnetID         string
	computeClusterID string
	nsgIDs           []string
	bootVolumeID     string
	bootVolumeGB     int64
	bootVolumeVPUs   int64
	preserveBoot     bool
	preserveData     bool
	hung             bool // its operating system does not answer a request to shut down
	softAction       bool // such a request is what it is STOPPING for
}

// launchEffects are the scripted oddities of one launch.
type launchEffects struct {
	late       *Fault // fails after the answer
	extraDelay time.Duration
	stuck      bool
	listLag    time.Duration
}

// launchInstance: an earlier launch with the same retry token is answered with its instance; then come validity, scripted faults, limits, hosts and
// addresses, in this order, and only then is anything created.
func launchInstance(s *Simulator, c *call) (*reply, error) {
	var d core.LaunchInstanceDetails
	if err := c.decode(&d); err != nil {
		return nil, err
	}
	id, repeated, err := s.state.tokens.seen(c)
	if err != nil {
		return nil, err
	}
	if repeated {
		return s.repeatedLaunch(id)
	}
	p, err := s.validateLaunch(d)
	if err != nil {
		return nil, err
	}
	effects, err := s.launchFaults(p)
	if err != nil {
		return nil, err
	}
	if err := s.checkLimits(p); err != nil {
		return nil, err
	}
	fd, err := s.placeOnHost(p)
	if err != nil {
		return nil, err
	}
	i, work, err := s.create(p, fd, effects, c.now)
	if err != nil {
		return nil, err
	}
	s.state.tokens.remember(c, *i.model.Id)
	return ok(i.model).with("etag", i.etag()).with("opc-work-request-id", work), nil
}

// repeatedLaunch answers the retry of a launch. Uncertain: that a terminated instance invalidates the token follows the documentation's "deleted and
// purged"; the real service may answer the record as long as it is listed.
func (s *Simulator) repeatedLaunch(id string) (*reply, error) {
	i, known := s.state.instances.get(id)
	if !known || i.model.LifecycleState == core.InstanceLifecycleStateTerminated {
		return nil, invalidatedRetryToken("the instance it created has been terminated")
	}
	return ok(i.model).with("etag", i.etag()), nil
}

// launchFaults applies the script to a valid launch.
func (s *Simulator) launchFaults(p *launchPlan) (launchEffects, error) {
	var effects launchEffects
	who := p.subject()
	refusal := kindSet(OutOfHostCapacity, LimitExceeded, QuotaExceeded, ShapeNotFound)
	if f, hit := s.faults.take(who, func(f Fault) bool { return refusal[f.Kind] }); hit {
		return effects, f.answer(*p.shape.Shape, p.limitNames())
	}
	for _, kind := range []FaultKind{OutOfHostCapacityLater, SlowProvisioning, StuckProvisioning, ListLag, MemoryRewritten} {
		f, hit := s.faults.take(who, func(f Fault) bool { return f.Kind == kind })
		if !hit {
			continue
		}
		switch kind {
		case OutOfHostCapacityLater:
			effects.late = &f
		case SlowProvisioning:
			effects.extraDelay = f.Delay
		case StuckProvisioning:
			effects.stuck = true
		case ListLag:
			effects.listLag = f.Delay
		case MemoryRewritten:
			p.size.memoryGB = p.size.ocpus * 6
		}
	}
	return effects, nil
}

func (p *launchPlan) subject() subject {
	return launchSubject(p.details)
}

func launchSubject(d core.LaunchInstanceDetails) subject {
	who := subject{operation: launchOperation, shape: lo.FromPtr(d.Shape), ad: lo.FromPtr(d.AvailabilityDomain), fd: lo.FromPtr(d.FaultDomain),
		capacityType: capacityTypeOf(d), compartment: lo.FromPtr(d.CompartmentId), displayName: lo.FromPtr(d.DisplayName)}
	if d.ShapeConfig != nil {
		who.ocpus = float64(lo.FromPtr(d.ShapeConfig.Ocpus))
	}
	return who
}

// subjectOf tells the script what a request is about.
func (s *Simulator) subjectOf(c *call) subject {
	who := subject{operation: c.op, shape: c.query.Get("shape"), ad: c.query.Get("availabilityDomain"), compartment: c.query.Get("compartmentId"),
		displayName: c.query.Get("displayName"), resource: c.r.PathValue("id")}
	if c.op != launchOperation {
		return who
	}
	var d core.LaunchInstanceDetails
	if json.Unmarshal(c.body, &d) != nil {
		return who // the operation itself will say what is wrong with the body
	}
	return launchSubject(d)
}

// create makes the instance with its VNIC and volumes and plans its way to RUNNING. It returns the work request's OCID.
func (s *Simulator) create(p *launchPlan, fd string, effects launchEffects, now time.Time) (*instance, string, error) {
	d := p.details
	id := s.newID("instance")
	name := lo.FromPtr(d.DisplayName)
	if name == "" {
		name = "instance" + now.UTC().Format("20060102150405")
	}
	i := &instance{shape: p.shape, size: p.size, created: now, listedFrom: now.Add(max(s.options.ListLag, effects.listLag)), bootVolumeGB: p.bootVolumeGB,
		bootVolumeVPUs: p.bootVolumeVPUs, subnetID: *p.vnic.subnet.model.Id, nsgIDs: p.vnic.details.NsgIds, preserveData: true, imageName: lo.FromPtr(p.image.DisplayName), dataDevices: p.devices, smtOff: smtOff(p.platform),
		computeClusterID: lo.FromPtr(d.ComputeClusterId), asked: d}
	i.model = core.Instance{AvailabilityDomain: d.AvailabilityDomain, CompartmentId: d.CompartmentId, Id: lo.ToPtr(id), DisplayName: lo.ToPtr(name),
		LifecycleState: core.InstanceLifecycleStateProvisioning, Region: lo.ToPtr(regionInIDs(s.world.Region)), Shape: d.Shape, TimeCreated: stamp(now),
		CapacityReservationId: lo.EmptyableToPtr(lo.FromPtr(d.CapacityReservationId)), ClusterPlacementGroupId: d.ClusterPlacementGroupId,
		DedicatedVmHostId: d.DedicatedVmHostId, PlacementConstraintDetails: d.PlacementConstraintDetails, DefinedTags: emptyIfNil(d.DefinedTags),
		FreeformTags: emptyIfNil(d.FreeformTags), SystemTags: map[string]map[string]any{}, ExtendedMetadata: emptyIfNil(d.ExtendedMetadata),
		Metadata: emptyIfNil(d.Metadata), FaultDomain: lo.ToPtr(fd), ImageId: p.image.Id, IpxeScript: d.IpxeScript,
		LaunchMode: core.InstanceLaunchModeEnum(p.image.LaunchMode), LaunchOptions: lo.CoalesceOrEmpty(d.LaunchOptions, p.image.LaunchOptions),
		InstanceOptions:    lo.CoalesceOrEmpty(d.InstanceOptions, &core.InstanceOptions{AreLegacyImdsEndpointsDisabled: lo.ToPtr(false)}),
		AvailabilityConfig: availabilityConfig(d.AvailabilityConfig), PreemptibleInstanceConfig: d.PreemptibleInstanceConfig,
		ShapeConfig: describe(p.shape, p.size, p.baseline), AgentConfig: agentConfig(d.AgentConfig), PlatformConfig: p.platform,
		SourceDetails: core.InstanceSourceViaImageDetails{ImageId: p.image.Id, BootVolumeSizeInGBs: lo.ToPtr(p.bootVolumeGB), BootVolumeVpusPerGB: lo.ToPtr(p.bootVolumeVPUs)}}
	v, link, err := s.makeVNIC(p.vnic, i, name, true, now)
	if err != nil {
		return nil, "", err
	}
	i.privateIP = *v.model.PrivateIp
	s.state.instances.put(id, i)
	boot, bootLink := s.makeBootVolume(p, i, now)
	s.makeDataVolumes(p, i, now)
	if p.reservation != nil {
		p.reservation.count(*p.shape.Shape, p.size, fd, 1)
	}
	work := s.newWorkRequest(operationLaunch, i, workrequests.WorkRequestResourceActionTypeInProgress, now)
	s.planProvisioning(i, v, link, boot, bootLink, work, effects)
	s.watchers.publish(InstanceEvent{Instance: i.snapshot(), At: now})
	return i, *work.model.Id, nil
}

// planProvisioning schedules the attachments (half way) and then RUNNING, or the late failure.
func (s *Simulator) planProvisioning(i *instance, v *vnic, link *core.VnicAttachment, boot *core.BootVolume, bootLink *core.BootVolumeAttachment, work *workRequest, effects launchEffects) {
	delay := s.options.ProvisioningDelay + effects.extraDelay
	turn := i.turn
	s.later(i.created.Add(delay/2), func(now time.Time) {
		if i.turn != turn {
			return
		}
		v.model.LifecycleState, link.LifecycleState = core.VnicLifecycleStateAvailable, core.VnicAttachmentLifecycleStateAttached
		boot.LifecycleState, bootLink.LifecycleState = core.BootVolumeLifecycleStateAvailable, core.BootVolumeAttachmentLifecycleStateAttached
		work.progress(50, now)
	})
	switch {
	case effects.late != nil:
		fault := *effects.late
		s.later(i.created.Add(s.options.LateFailureDelay), func(now time.Time) { s.failLaunch(i, turn, work, fault, now) })
	case !effects.stuck:
		s.later(i.created.Add(delay), func(now time.Time) {
			if i.turn != turn {
				work.finish(workrequests.WorkRequestStatusCanceled, now)
				return
			}
			work.finish(workrequests.WorkRequestStatusSucceeded, now)
			s.move(i, core.InstanceLifecycleStateRunning, "", now)
		})
	}
}

// failLaunch ends a launch that had been accepted: the work request carries the error, the instance goes away.
func (s *Simulator) failLaunch(i *instance, turn int, work *workRequest, f Fault, now time.Time) {
	if i.turn != turn {
		return
	}
	cause := outOfHostCapacity()
	if f.Message != "" {
		cause.Message = f.Message
	}
	if f.Code != "" {
		cause.Code = f.Code
	}
	work.fail(cause, now)
	s.terminate(i, fmt.Sprintf("launch failed: %s", cause.Message), now)
}

func availabilityConfig(d *core.LaunchInstanceAvailabilityConfigDetails) *core.InstanceAvailabilityConfig {
	config := &core.InstanceAvailabilityConfig{RecoveryAction: core.InstanceAvailabilityConfigRecoveryActionRestoreInstance}
	if d == nil {
		return config
	}
	config.IsLiveMigrationPreferred = d.IsLiveMigrationPreferred
	if d.RecoveryAction != "" {
		config.RecoveryAction = core.InstanceAvailabilityConfigRecoveryActionEnum(d.RecoveryAction)
	}
	return config
}

func agentConfig(d *core.LaunchInstanceAgentConfigDetails) *core.InstanceAgentConfig {
	config := &core.InstanceAgentConfig{IsMonitoringDisabled: lo.ToPtr(false), IsManagementDisabled: lo.ToPtr(false), AreAllPluginsDisabled: lo.ToPtr(false)}
	if d == nil {
		return config
	}
	config.IsMonitoringDisabled = lo.CoalesceOrEmpty(d.IsMonitoringDisabled, config.IsMonitoringDisabled)
	config.IsManagementDisabled = lo.CoalesceOrEmpty(d.IsManagementDisabled, config.IsManagementDisabled)
	config.AreAllPluginsDisabled = lo.CoalesceOrEmpty(d.AreAllPluginsDisabled, config.AreAllPluginsDisabled)
	config.PluginsConfig = d.PluginsConfig
	return config
}
