package ocisim

import (
	"fmt"
	"strconv"
	"time"

	"github.com/oracle/oci-go-sdk/v65/core"
	"github.com/oracle/oci-go-sdk/v65/workrequests"
	"github.com/samber/lo"
)

func (i *instance) etag() string { return strconv.Itoa(i.revision) }

// live says whether the instance still occupies a host and counts against limits.
func (i *instance) live() bool {
	return i.model.LifecycleState != core.InstanceLifecycleStateTerminated
}

// move puts the instance into a state and tells the watchers. Every planned transition of before is overtaken.
func (s *Simulator) move(i *instance, to core.InstanceLifecycleStateEnum, reason string, now time.Time) {
	previous := string(i.model.LifecycleState)
	i.model.LifecycleState = to
	i.turn++
	i.revision++
	if reason != "" {
		i.reason = reason
	}
	if to == core.InstanceLifecycleStateRunning {
		i.boots++
		if i.running.IsZero() {
			i.running = now
		}
	}
	if to == core.InstanceLifecycleStateTerminated {
		i.terminated = now
	}
	s.watchers.publish(InstanceEvent{Instance: i.snapshot(), Previous: previous, Reason: reason, At: now})
}

// moveLater moves the instance after a delay unless something else happens to it first.
func (s *Simulator) moveLater(i *instance, to core.InstanceLifecycleStateEnum, delay time.Duration, now time.Time, then func(now time.Time)) {
	turn := i.turn
	s.later(now.Add(delay), func(now time.Time) {
		if i.turn != turn {
			return
		}
		s.move(i, to, "", now)
		if then != nil {
			then(now)
		}
	})
}

// terminate starts the end of an instance and returns the work request's OCID.
func (s *Simulator) terminate(i *instance, reason string, now time.Time) string {
	work := s.newWorkRequest(operationTerminate, i, workrequests.WorkRequestResourceActionTypeInProgress, now)
	s.move(i, core.InstanceLifecycleStateTerminating, reason, now)
	id := *i.model.Id
	for _, link := range s.state.vnicLinks.all() {
		if *link.InstanceId == id {
			link.LifecycleState = core.VnicAttachmentLifecycleStateDetaching
		}
	}
	turn := i.turn
	s.later(now.Add(s.options.TerminationDelay), func(now time.Time) {
		if i.turn != turn {
			return
		}
		s.releaseNetwork(id)
		s.releaseVolumes(i, now)
		if r, known := s.state.reservations.get(lo.FromPtr(i.model.CapacityReservationId)); known {
			r.count(*i.model.Shape, i.size, *i.model.FaultDomain, -1)
		}
		s.move(i, core.InstanceLifecycleStateTerminated, "", now)
		work.finish(workrequests.WorkRequestStatusSucceeded, now)
		s.later(now.Add(s.options.TerminatedRetention), func(time.Time) { s.purge(id) })
	})
	return *work.model.Id
}

// releaseNetwork detaches and deletes the VNICs of an instance; the attachments stay listed as DETACHED.
func (s *Simulator) releaseNetwork(id string) {
	for _, link := range s.state.vnicLinks.all() {
		if *link.InstanceId == id {
			link.LifecycleState = core.VnicAttachmentLifecycleStateDetached
			s.dropVNIC(*link.VnicId)
		}
	}
}

// releaseVolumes detaches the volumes and deletes those that are not to be kept.
func (s *Simulator) releaseVolumes(i *instance, now time.Time) {
	id := *i.model.Id
	for _, link := range s.state.bootLinks.all() {
		if *link.InstanceId == id {
			link.LifecycleState, link.TimeUpdated = core.BootVolumeAttachmentLifecycleStateDetached, stamp(now)
		}
	}
	if boot, known := s.state.bootVolumes.get(i.bootVolumeID); known && !i.preserveBoot {
		boot.LifecycleState = core.BootVolumeLifecycleStateTerminated
	}
	for _, link := range s.state.volumeLinks.all() {
		if link.instanceID != id {
			continue
		}
		link.state = core.VolumeAttachmentLifecycleStateDetached
		if volume, known := s.state.volumes.get(link.volumeID); known && link.atLaunch && !i.preserveData {
			volume.LifecycleState = core.VolumeLifecycleStateTerminated
		}
	}
}

// purge forgets an instance, its attachments, its terminated volumes and old retry tokens.
func (s *Simulator) purge(id string) {
	i, known := s.state.instances.get(id)
	if !known {
		return
	}
	s.state.instances.remove(id)
	for _, link := range s.state.vnicLinks.all() {
		if *link.InstanceId == id {
			s.state.vnicLinks.remove(*link.Id)
		}
	}
	for _, link := range s.state.bootLinks.all() {
		if *link.InstanceId == id {
			s.state.bootLinks.remove(*link.Id)
		}
	}
	for _, h := range s.state.consoles.all() {
		if *h.model.InstanceId == id {
			s.state.consoles.remove(*h.model.Id)
		}
	}
	if boot, there := s.state.bootVolumes.get(i.bootVolumeID); there && boot.LifecycleState == core.BootVolumeLifecycleStateTerminated {
		s.state.bootVolumes.remove(i.bootVolumeID)
	}
	for _, link := range s.state.volumeLinks.all() {
		if link.instanceID != id {
			continue
		}
		if volume, there := s.state.volumes.get(link.volumeID); there && volume.LifecycleState == core.VolumeLifecycleStateTerminated {
			s.state.volumes.remove(link.volumeID)
		}
		s.state.volumeLinks.remove(link.id)
	}
	s.state.tokens.expire(s.clock.Now())
}

// TerminateInstance terminates an instance as an operator in the console would.
func (s *Simulator) TerminateInstance(id string) error {
	return s.behindOurBack(id, liveStates, func(i *instance, now time.Time) { s.terminate(i, "terminated from outside", now) })
}

// PreemptInstance takes a preemptible instance back: an event announces it, it stays RUNNING for PreemptionNotice and is then terminated.
func (s *Simulator) PreemptInstance(id string) error {
	var refused error
	err := s.behindOurBack(id, []core.InstanceLifecycleStateEnum{core.InstanceLifecycleStateRunning}, func(i *instance, now time.Time) {
		if i.model.PreemptibleInstanceConfig == nil {
			refused = fmt.Errorf("instance %s is not preemptible", id)
			return
		}
		i.reason = "preemption announced"
		s.emit(s.preemptionEvent(i, now), now)
		s.later(now.Add(s.options.PreemptionNotice), func(now time.Time) {
			if i.live() && i.model.LifecycleState != core.InstanceLifecycleStateTerminating {
				s.terminate(i, "preempted", now)
			}
		})
	})
	return lo.CoalesceOrEmpty(err, refused)
}

var liveStates = []core.InstanceLifecycleStateEnum{core.InstanceLifecycleStateProvisioning, core.InstanceLifecycleStateRunning,
	core.InstanceLifecycleStateStarting, core.InstanceLifecycleStateStopping, core.InstanceLifecycleStateStopped}

func (s *Simulator) behindOurBack(id string, from []core.InstanceLifecycleStateEnum, change func(i *instance, now time.Time)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.clock.Now()
	s.advance(now)
	i, known := s.state.instances.get(id)
	if !known {
		return notFound("instance %s", id)
	}
	if !lo.Contains(from, i.model.LifecycleState) {
		return conflict("IncorrectState", "instance %s is %s", id, i.model.LifecycleState)
	}
	change(i, now)
	return nil
}

// CatchUp ends the lag of lists for every instance that there is.
func (s *Simulator) CatchUp() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.advance(s.clock.Now())
	for _, i := range s.state.instances.all() {
		i.listedFrom = i.created
	}
}
