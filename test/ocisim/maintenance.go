package ocisim

import (
	"net/http"
	"time"

	"github.com/oracle/oci-go-sdk/v65/core"
	"github.com/samber/lo"
)

// MaintenanceSpec describes a maintenance that Oracle schedules for an instance.
type MaintenanceSpec struct {
	InstanceID  string        `json:"instanceId"`
	Action      string        `json:"action,omitempty"`   // REBOOT_MIGRATION (default), TERMINATE, STOP or NONE
	Category    string        `json:"category,omitempty"` // FLEXIBLE (default), MANDATORY, EMERGENCY, OPTIONAL or NOTIFICATION
	StartsAfter time.Duration `json:"-"`                  // from now to the start of the window
}

// ScheduleMaintenance records a maintenance event, emits it and returns its OCID. A REBOOT_MIGRATION also sets the instance's timeMaintenanceRebootDue. Nothing
// happens to the instance by itself when the window starts: say so with StopInstance, ResetInstance or TerminateInstance.
func (s *Simulator) ScheduleMaintenance(spec MaintenanceSpec) (string, error) {
	setDefault(&spec.Action, string(core.InstanceMaintenanceEventInstanceActionRebootMigration))
	setDefault(&spec.Category, string(core.InstanceMaintenanceEventMaintenanceCategoryFlexible))
	action, knownAction := core.GetMappingInstanceMaintenanceEventInstanceActionEnum(spec.Action)
	category, knownCategory := core.GetMappingInstanceMaintenanceEventMaintenanceCategoryEnum(spec.Category)
	if !knownAction || !knownCategory {
		return "", invalid("action %q or category %q is not known", spec.Action, spec.Category)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.clock.Now()
	i, known := s.state.instances.get(spec.InstanceID)
	if !known {
		return "", notFound("instance %s", spec.InstanceID)
	}
	start := now.Add(spec.StartsAfter)
	id := s.newID("instancemaintenanceevent")
	s.state.maintenance.put(id, &core.InstanceMaintenanceEvent{Id: lo.ToPtr(id), InstanceId: i.model.Id, CompartmentId: i.model.CompartmentId,
		MaintenanceCategory: category, MaintenanceReason: core.InstanceMaintenanceEventMaintenanceReasonHardwareReplacement, InstanceAction: action,
		AlternativeResolutionActions: []core.InstanceMaintenanceAlternativeResolutionActionsEnum{}, TimeWindowStart: stamp(start),
		StartWindowDuration: lo.ToPtr("P1D"), CanReschedule: lo.ToPtr(category == core.InstanceMaintenanceEventMaintenanceCategoryFlexible),
		TimeCreated: stamp(now), LifecycleState: core.InstanceMaintenanceEventLifecycleStateScheduled, CreatedBy: core.InstanceMaintenanceEventCreatedBySystem,
		DisplayName: i.model.DisplayName, FreeformTags: map[string]string{}, DefinedTags: map[string]map[string]any{}})
	if action == core.InstanceMaintenanceEventInstanceActionRebootMigration {
		i.model.TimeMaintenanceRebootDue = stamp(start)
		i.revision++
	}
	m, _ := s.state.maintenance.get(id)
	s.emit(s.maintenanceEvent(EventMaintenance, *m, i, now), now)
	return id, nil
}

// EndMaintenance puts a maintenance event into its last state, SUCCEEDED, FAILED or CANCELED, and emits it. The instance's
// timeMaintenanceRebootDue goes.
func (s *Simulator) EndMaintenance(id, state string) error {
	last, known := core.GetMappingInstanceMaintenanceEventLifecycleStateEnum(state)
	if !known {
		return invalid("state %q of a maintenance event is not known", state)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.clock.Now()
	m, known := s.state.maintenance.get(id)
	if !known {
		return notFound("instance maintenance event %s", id)
	}
	ended := *m
	ended.LifecycleState, ended.TimeFinished = last, stamp(now)
	s.state.maintenance.put(id, &ended)
	if i, there := s.state.instances.get(*m.InstanceId); there {
		i.model.TimeMaintenanceRebootDue = nil
		i.revision++
		s.emit(s.maintenanceEvent(EventMaintenanceEnd, ended, i, now), now)
	}
	return nil
}

func maintenanceOperations() []operation {
	return []operation{
		{name: "ListInstanceMaintenanceEvents", method: http.MethodGet, path: "/20160918/instanceMaintenanceEvents", handle: listMaintenance},
		{name: "GetInstanceMaintenanceEvent", method: http.MethodGet, path: "/20160918/instanceMaintenanceEvents/{id}", handle: getMaintenance},
		{name: "GetInstanceMaintenanceReboot", method: http.MethodGet, path: "/20160918/instances/{id}/maintenanceReboot", handle: getMaintenanceReboot},
	}
}

func listMaintenance(s *Simulator, c *call) (*reply, error) {
	compartment, err := s.inCompartment(c)
	if err != nil {
		return nil, err
	}
	var out []core.InstanceMaintenanceEvent
	for _, m := range s.state.maintenance.all() {
		if *m.CompartmentId == compartment && c.is("instanceId", *m.InstanceId) && c.is("lifecycleState", string(m.LifecycleState)) && c.is("instanceAction", string(m.InstanceAction)) {
			out = append(out, *m)
		}
	}
	return list(c, out, func(m core.InstanceMaintenanceEvent) string { return *m.Id })
}

func getMaintenance(s *Simulator, c *call) (*reply, error) {
	m, known := s.state.maintenance.get(c.path("id"))
	if !known {
		return nil, notFound("instance maintenance event %s", c.path("id"))
	}
	return ok(*m).with("etag", "1"), nil
}

func getMaintenanceReboot(s *Simulator, c *call) (*reply, error) {
	i, err := s.instanceOf(c)
	if err != nil {
		return nil, err
	}
	due := i.model.TimeMaintenanceRebootDue
	if due == nil {
		return nil, notFound("instance %s has no maintenance reboot", c.path("id"))
	}
	return ok(core.InstanceMaintenanceReboot{TimeMaintenanceRebootDueMax: due}), nil
}
