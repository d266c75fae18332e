package ocisim

import (
	"time"

	"github.com/oracle/oci-go-sdk/v65/core"
	"github.com/samber/lo"
)

// softActionLimit is how long OCI waits for an operating system to shut down before it cuts the power (InstanceAction, SOFTRESET and SOFTSTOP).
const softActionLimit = 15 * time.Minute

// instanceAction: an action that was done before with the same retry token is answered and not done again. Uncertain: that RESET and STOP are taken
// while a soft action waits for the operating system; the documentation says only that a soft action ends in the hard one.
func instanceAction(s *Simulator, c *call) (*reply, error) {
	i, err := s.instanceOf(c)
	if err != nil {
		return nil, err
	}
	action, err := c.required("action")
	if err != nil {
		return nil, err
	}
	done, repeated, err := s.state.tokens.seen(c)
	if err != nil {
		return nil, err
	}
	if repeated {
		if done != *i.model.Id+" "+action {
			return nil, invalidatedRetryToken("it was used for another action")
		}
		return ok(i.model).with("etag", i.etag()), nil
	}
	from, change, err := s.powerAction(i, core.InstanceActionActionEnum(action), c.now)
	if err != nil {
		return nil, err
	}
	if !lo.Contains(from, i.model.LifecycleState) {
		return nil, conflict("IncorrectState", "instance %s is %s, the action %s needs %s", c.path("id"), i.model.LifecycleState, action, from[0])
	}
	if i.model.PreemptibleInstanceConfig != nil { // documented: preemptible instances cannot be stopped, started or rebooted
		return nil, invalid("the action %s is not available for preemptible instances", action)
	}
	change()
	s.state.tokens.remember(c, *i.model.Id+" "+action)
	return ok(i.model).with("etag", i.etag()), nil
}

// powerAction gives the states from which an action can be done, the usual one first, and what it does.
func (s *Simulator) powerAction(i *instance, action core.InstanceActionActionEnum, now time.Time) ([]core.InstanceLifecycleStateEnum, func(), error) {
	running := []core.InstanceLifecycleStateEnum{core.InstanceLifecycleStateRunning}
	hard := running
	if i.softAction && i.model.LifecycleState == core.InstanceLifecycleStateStopping {
		hard = append(hard, core.InstanceLifecycleStateStopping)
	}
	switch action {
	case core.InstanceActionActionStop:
		return hard, func() { s.stop(i, "", s.options.ActionDelay, now) }, nil
	case core.InstanceActionActionSoftstop:
		return running, func() { s.stop(i, "", s.shutdownTime(i), now); i.softAction = true }, nil
	case core.InstanceActionActionStart:
		return []core.InstanceLifecycleStateEnum{core.InstanceLifecycleStateStopped}, func() { s.start(i, now) }, nil
	case core.InstanceActionActionReset, core.InstanceActionActionRebootmigrate, core.InstanceActionActionDiagnosticreboot:
		return hard, func() { s.reset(i, "", s.options.ActionDelay, now) }, nil
	case core.InstanceActionActionSoftreset:
		return running, func() { s.reset(i, "", s.shutdownTime(i), now); i.softAction = true }, nil
	default:
		return nil, nil, invalid("action %q is not known", action)
	}
}

// shutdownTime is how long the operating system takes to end when it is asked.
func (s *Simulator) shutdownTime(i *instance) time.Duration {
	return lo.Ternary(i.hung, softActionLimit, s.options.ActionDelay)
}

// stop brings a running instance down, within down; start brings it up again.
func (s *Simulator) stop(i *instance, reason string, down time.Duration, now time.Time) {
	i.softAction = false
	s.move(i, core.InstanceLifecycleStateStopping, reason, now)
	s.moveLater(i, core.InstanceLifecycleStateStopped, down, now, nil)
}

func (s *Simulator) start(i *instance, now time.Time) {
	s.move(i, core.InstanceLifecycleStateStarting, "", now)
	s.moveLater(i, core.InstanceLifecycleStateRunning, s.options.ActionDelay, now, nil)
}

// reset takes a running instance through STOPPING, for down, and STARTING.
func (s *Simulator) reset(i *instance, reason string, down time.Duration, now time.Time) {
	i.softAction = false
	s.move(i, core.InstanceLifecycleStateStopping, reason, now)
	s.moveLater(i, core.InstanceLifecycleStateStarting, down, now, func(now time.Time) {
		i.hung = false // a fresh boot answers again
		s.moveLater(i, core.InstanceLifecycleStateRunning, s.options.ActionDelay, now, nil)
	})
}

// HangInstance makes the operating system of an instance deaf to requests to shut down, until its power is cut.
func (s *Simulator) HangInstance(id string) error {
	return s.behindOurBack(id, []core.InstanceLifecycleStateEnum{core.InstanceLifecycleStateRunning}, func(i *instance, _ time.Time) { i.hung = true })
}

// StopInstance stops an instance as its host's failure would: nobody asked for it through the API.
func (s *Simulator) StopInstance(id string) error {
	return s.behindOurBack(id, []core.InstanceLifecycleStateEnum{core.InstanceLifecycleStateRunning}, func(i *instance, now time.Time) {
		s.stop(i, "stopped from outside", s.options.ActionDelay, now)
	})
}

// ResetInstance reboots a running instance.
func (s *Simulator) ResetInstance(id string) error {
	return s.behindOurBack(id, []core.InstanceLifecycleStateEnum{core.InstanceLifecycleStateRunning}, func(i *instance, now time.Time) {
		s.reset(i, "reset from outside", s.options.ActionDelay, now)
	})
}
