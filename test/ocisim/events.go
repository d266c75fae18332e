package ocisim

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/oracle/oci-go-sdk/v65/core"
	"github.com/samber/lo"
)

// Types of events that this region emits, from the catalogue of OCI Events.
const (
	EventPreemption       = "com.oraclecloud.computeapi.instancepreemptionaction"
	EventMaintenance      = "com.oraclecloud.computeapi.instancemaintenance"
	EventMaintenanceBegin = EventMaintenance + ".begin"
	EventMaintenanceEnd   = EventMaintenance + ".end"
)

// EventRule sends events of a compartment and those below it to a stream, as a rule of OCI Events with a streaming action.
type EventRule struct {
	CompartmentID string   `json:"compartmentId"`
	EventTypes    []string `json:"eventTypes,omitempty"` // empty: all
	StreamID      string   `json:"streamId"`
}

// Event is what OCI Events emits: CloudEvents 0.1 in JSON.
type Event struct {
	EventType          string          `json:"eventType"`
	CloudEventsVersion string          `json:"cloudEventsVersion"`
	EventTypeVersion   string          `json:"eventTypeVersion"`
	Source             string          `json:"source"`
	EventID            string          `json:"eventID"`
	EventTime          string          `json:"eventTime"` // RFC 3339
	ContentType        string          `json:"contentType"`
	Data               EventData       `json:"data"`
	Extensions         EventExtensions `json:"extensions"`
}

// EventData says what the event is about.
type EventData struct {
	CompartmentID      string                    `json:"compartmentId"`
	CompartmentName    string                    `json:"compartmentName"`
	ResourceName       string                    `json:"resourceName"`
	ResourceID         string                    `json:"resourceId"`
	AvailabilityDomain string                    `json:"availabilityDomain"`
	FreeformTags       map[string]string         `json:"freeFormTags,omitempty"`
	DefinedTags        map[string]map[string]any `json:"definedTags,omitempty"`
	AdditionalDetails  map[string]any            `json:"additionalDetails,omitempty"`
}

// EventExtensions repeat the compartment.
type EventExtensions struct {
	CompartmentID string `json:"compartmentId"`
}

// AddEventRule makes a rule. The region starts with one that sends everything of the cluster's compartment to the stream World.StreamID.
func (s *Simulator) AddEventRule(rule EventRule) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.state.compartment(rule.CompartmentID); err != nil {
		return err
	}
	if _, known := s.state.streams.get(rule.StreamID); !known {
		return notFound("stream %s", rule.StreamID)
	}
	s.state.rules = append(s.state.rules, rule)
	return nil
}

// ClearEventRules removes all rules, so that no event reaches a stream by itself.
func (s *Simulator) ClearEventRules() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state.rules = nil
}

// PreemptionEvent is the event that announces an instance's preemption, for tests that publish it themselves. It fails when the instance
// is not known.
func (s *Simulator) PreemptionEvent(instanceID string) (Event, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, known := s.state.instances.get(instanceID)
	if !known {
		return Event{}, notFound("instance %s", instanceID)
	}
	return s.preemptionEvent(i, s.clock.Now()), nil
}

func (s *Simulator) preemptionEvent(i *instance, now time.Time) Event {
	e := s.eventOf(EventPreemption, i, now)
	e.Data.AdditionalDetails = map[string]any{"preemptionAction": "TERMINATE"}
	return e
}

func (s *Simulator) maintenanceEvent(kind string, m core.InstanceMaintenanceEvent, i *instance, now time.Time) Event {
	e := s.eventOf(kind, i, now)
	e.Data.ResourceID, e.Data.ResourceName = *m.Id, lo.FromPtr(m.DisplayName)
	e.Data.AdditionalDetails = map[string]any{
		"instanceId": *m.InstanceId, "lifecycleState": string(m.LifecycleState), "maintenanceCategory": string(m.MaintenanceCategory),
		"maintenanceReason": string(m.MaintenanceReason), "instanceAction": string(m.InstanceAction), "canReschedule": lo.FromPtr(m.CanReschedule),
		"alternativeResolutionActions": m.AlternativeResolutionActions, "timeWindowStart": m.TimeWindowStart.Format(time.RFC3339),
		"startWindowDuration": lo.FromPtr(m.StartWindowDuration), "description": "The infrastructure of the instance needs maintenance.",
	}
	return e
}

func (s *Simulator) eventOf(kind string, i *instance, now time.Time) Event {
	m := i.model
	compartment, _ := s.state.compartments.get(lo.FromPtr(m.CompartmentId))
	return Event{
		EventType: kind, CloudEventsVersion: "0.1", EventTypeVersion: "2.0", Source: "ComputeApi", EventID: uuid.NewString(),
		EventTime: now.UTC().Format(time.RFC3339), ContentType: "application/json", Extensions: EventExtensions{CompartmentID: lo.FromPtr(m.CompartmentId)},
		Data: EventData{
			CompartmentID: lo.FromPtr(m.CompartmentId), CompartmentName: lo.FromPtr(compartment.Name), ResourceName: lo.FromPtr(m.DisplayName),
			ResourceID: lo.FromPtr(m.Id), AvailabilityDomain: lo.FromPtr(m.AvailabilityDomain), FreeformTags: m.FreeformTags, DefinedTags: m.DefinedTags,
		},
	}
}

// emit sends an event to the streams of the rules that it matches, after the delay of events. The state must be locked.
func (s *Simulator) emit(e Event, now time.Time) {
	raw, err := json.Marshal(e)
	if err != nil {
		return // tags are JSON already
	}
	for _, rule := range s.state.rules {
		if len(rule.EventTypes) > 0 && !slices.Contains(rule.EventTypes, e.EventType) || !s.state.isBelow(e.Data.CompartmentID, rule.CompartmentID) {
			continue
		}
		send := func(at time.Time) {
			if st, known := s.state.streams.get(rule.StreamID); known {
				st.put(nil, raw, at)
			}
		}
		if s.options.EventDelay <= 0 {
			send(now)
			continue
		}
		s.later(now.Add(s.options.EventDelay), send)
	}
}

// isBelow says whether a compartment is another one or below it.
func (st *state) isBelow(id, above string) bool {
	for range len(st.compartments.ids) + 1 {
		if id == above {
			return true
		}
		c, known := st.compartments.get(id)
		if !known || lo.FromPtr(c.CompartmentId) == id {
			return false
		}
		id = lo.FromPtr(c.CompartmentId)
	}
	return false
}
