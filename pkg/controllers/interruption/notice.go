package interruption

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/oracle/oci-go-sdk/v65/core"
)

// kind is what a message is about; a metric label, so the set is closed.
type kind string

const (
	kindPreemption  kind = "preemption"
	kindMaintenance kind = "maintenance"
	kindOther       kind = "other" // an event of a type that says nothing of interruptions
	kindMalformed   kind = "malformed"
)

// Types of events, from the catalogue of OCI Events.
const (
	typePreemption  = "com.oraclecloud.computeapi.instancepreemptionaction"
	typeMaintenance = "com.oraclecloud.computeapi.instancemaintenance"
)

// notice is what a message of the stream says.
type notice struct {
	kind          kind
	instanceID    string
	compartmentID string
	at            time.Time // when it happened, by the service's clock; zero when the event does not say
	window        window    // of a maintenance
	over          bool      // the maintenance is over or was called off
}

// window is a maintenance of an instance.
type window struct {
	start  time.Time
	action string // what Oracle does to the instance, such as REBOOT_MIGRATION
}

// harmless says that the instance goes on running.
func (w window) harmless() bool {
	return w.action == string(core.InstanceMaintenanceEventInstanceActionNone)
}

// cloudEvent is the part of CloudEvents 0.1, as OCI Events writes it, that matters here. Unknown members are passed over.
type cloudEvent struct {
	EventType string `json:"eventType"`
	EventTime string `json:"eventTime"`
	Data      struct {
		CompartmentID string `json:"compartmentId"`
		ResourceID    string `json:"resourceId"`
		Details       struct {
			InstanceID      string `json:"instanceId"`
			LifecycleState  string `json:"lifecycleState"`
			InstanceAction  string `json:"instanceAction"`
			TimeWindowStart string `json:"timeWindowStart"`
		} `json:"additionalDetails"`
	} `json:"data"`
}

// parse reads a message. It never fails: what can not be read, or lacks what an event of its type must have, is malformed.
func parse(value []byte) notice {
	var e cloudEvent
	if err := json.Unmarshal(value, &e); err != nil || e.EventType == "" {
		return notice{kind: kindMalformed}
	}
	n := notice{compartmentID: e.Data.CompartmentID, at: timeOf(e.EventTime)}
	switch {
	case e.EventType == typePreemption:
		n.kind, n.instanceID = kindPreemption, e.Data.ResourceID
	case e.EventType == typeMaintenance || strings.HasPrefix(e.EventType, typeMaintenance+"."):
		n.kind, n.instanceID = kindMaintenance, e.Data.Details.InstanceID
		n.window = window{start: timeOf(e.Data.Details.TimeWindowStart), action: e.Data.Details.InstanceAction}
		n.over = isOver(core.InstanceMaintenanceEventLifecycleStateEnum(e.Data.Details.LifecycleState))
		if n.window.start.IsZero() && !n.over {
			return notice{kind: kindMalformed}
		}
	default:
		return notice{kind: kindOther}
	}
	if !strings.HasPrefix(n.instanceID, "ocid1.instance.") || n.compartmentID == "" {
		return notice{kind: kindMalformed}
	}
	return n
}

// isOver says whether a maintenance in this state has nothing more to do to its instance.
func isOver(state core.InstanceMaintenanceEventLifecycleStateEnum) bool {
	switch state {
	case core.InstanceMaintenanceEventLifecycleStateSucceeded, core.InstanceMaintenanceEventLifecycleStateFailed, core.InstanceMaintenanceEventLifecycleStateCanceled:
		return true
	default:
		return false
	}
}

// timeOf reads a time of an event; zero when it is none.
func timeOf(text string) time.Time {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999Z0700"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t
		}
	}
	return time.Time{}
}
