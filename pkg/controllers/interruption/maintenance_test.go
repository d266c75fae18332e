package interruption

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"
	"github.com/karpenter-oke/karpenter-oke/test/ocisim"
)

// settle reconciles the maintenance once.
func (w *world) settle() {
	w.t.Helper()
	_, err := w.due.Reconcile(w.t.Context())
	require.NoError(w.t, err)
}

// later lets time pass until lists of maintenance are taken again, and takes one.
func (w *world) later(d time.Duration) {
	w.t.Helper()
	w.pass(d)
	_, err := w.inv.Fresh(w.t.Context(), 0)
	require.NoError(w.t, err)
	w.settle()
}

func (w *world) schedule(spec ocisim.MaintenanceSpec) string {
	w.t.Helper()
	id, err := w.ScheduleMaintenance(spec)
	require.NoError(w.t, err)
	return id
}

func (w *world) date(name string) string {
	return w.claim(name).Annotations[v1alpha1.AnnotationMaintenanceDue]
}

const days = 24 * time.Hour

func TestAMaintenanceIsToldWhenItIsAnnouncedAndReplacesNothingBeforeItsTime(t *testing.T) {
	w := newWorld(t, ocisim.Options{}, 0)
	id := w.node("node")
	w.node("other")
	w.settle()
	w.schedule(ocisim.MaintenanceSpec{InstanceID: id, Action: "STOP", StartsAfter: 14 * days})
	w.later(maintenanceInterval)
	require.Equal(t, "2026-11-15T12:00:00Z", w.date("node"))
	require.Empty(t, w.date("other"))
	require.Len(t, w.told("MaintenanceAnnounced"), 2, "of the NodeClaim and of the node")
	require.Equal(t, "Oracle announces maintenance of the instance's host (STOP) from 2026-11-15 12:00 UTC on; the node is replaced from 2026-11-14 12:00 UTC on, "+
		"as disruption budgets allow, and deleted at 2026-11-15 11:00 UTC at the latest", w.told("MaintenanceAnnounced")[0])
	pending, _ := gauge(t, "karpenter_oke_interruption_maintenance_nodeclaims")
	require.InDelta(t, 1, pending, 0)

	w.later(12*days + 23*time.Hour)
	require.False(t, w.policy.ReplaceNow(w.claim("node")), "not a day too early")
	w.later(time.Hour)
	require.True(t, w.policy.ReplaceNow(w.claim("node")), "core takes it for drifted, and keeps to budgets and do-not-disrupt")
	require.False(t, w.policy.ReplaceNow(w.claim("other")))
	w.later(22 * time.Hour)
	require.False(t, w.deleted("node"))
	w.later(time.Hour)
	require.True(t, w.deleted("node"), "an hour before it is the last moment")
	require.Equal(t, "2026-11-15T12:00:00Z", w.deadline("node"))
	require.True(t, w.tainted("node"))
	require.False(t, w.deleted("other"))
	require.Empty(t, w.spotReason())
	require.Len(t, w.told("MaintenanceAnnounced"), 2)
	require.Contains(t, w.told("MaintenanceDue")[0], "Oracle works on the instance's host from 2026-11-15 12:00 UTC on")
}

func TestADateThatIsMovedOrCalledOffIsFollowed(t *testing.T) {
	w := newWorld(t, ocisim.Options{}, 0)
	id := w.node("node")
	first := w.schedule(ocisim.MaintenanceSpec{InstanceID: id, Action: "TERMINATE", StartsAfter: 9 * days})
	w.settle()
	require.Equal(t, "2026-11-10T12:00:00Z", w.date("node"))
	second := w.schedule(ocisim.MaintenanceSpec{InstanceID: id, Action: "TERMINATE", StartsAfter: 4 * days})
	w.later(maintenanceInterval)
	require.Equal(t, "2026-11-05T12:00:00Z", w.date("node"), "the earliest counts")
	require.NoError(t, w.EndMaintenance(second, "CANCELED"))
	w.later(maintenanceInterval)
	require.Equal(t, "2026-11-10T12:00:00Z", w.date("node"))
	require.NoError(t, w.EndMaintenance(first, "SUCCEEDED"))
	w.later(maintenanceInterval)
	require.Empty(t, w.date("node"))
	require.Len(t, w.told("MaintenanceOver"), 2)
}

func TestAMaintenanceThatLeavesTheInstanceRunningIsNone(t *testing.T) {
	w := newWorld(t, ocisim.Options{StreamPartitions: 1}, 0)
	id := w.node("node")
	w.turn()
	w.schedule(ocisim.MaintenanceSpec{InstanceID: id, Action: "NONE", StartsAfter: time.Hour})
	w.settle()
	w.turn()
	require.Empty(t, w.date("node"))
	require.Equal(t, map[string]float64{"maintenance ignored": 1}, w.counts())
}

func TestListsOfMaintenanceAreTakenForCompartmentsAndNotForInstances(t *testing.T) {
	w := newWorld(t, ocisim.Options{}, 0)
	for _, name := range []string{"a", "b", "c", "d"} {
		w.node(name)
	}
	w.Journal().Reset()
	for range 120 { // an hour
		w.settle()
		w.pass(dueInterval)
	}
	require.Equal(t, 6, w.Journal().Counts()["ListInstanceMaintenanceEvents"])
	require.Zero(t, w.Journal().Counts()["GetInstance"]+w.Journal().Counts()["GetInstanceMaintenanceReboot"]+w.Journal().Counts()["GetInstanceMaintenanceEvent"])
}

// denied takes the right to list maintenance away.
func (w *world) denied() {
	w.Fail(ocisim.Fault{Operation: "ListInstanceMaintenanceEvents", Kind: ocisim.ErrorAnswer, Status: http.StatusNotFound, Code: "NotAuthorizedOrNotFound", Message: "x"})
}

func TestWithoutTheRightToListMaintenanceTheListOfInstancesTellsOfReboots(t *testing.T) {
	w := newWorld(t, ocisim.Options{}, 0)
	w.denied()
	id := w.node("node")
	w.schedule(ocisim.MaintenanceSpec{InstanceID: id, StartsAfter: 3 * days}) // a reboot
	w.later(time.Minute)
	require.Equal(t, "2026-11-04T12:00:00Z", w.date("node"))
}

func TestTheStreamTellsOfMaintenanceToo(t *testing.T) {
	w := newWorld(t, ocisim.Options{StreamPartitions: 1}, 0)
	w.denied()
	id := w.node("node")
	w.settle()
	w.turn()
	maintenance := w.schedule(ocisim.MaintenanceSpec{InstanceID: id, Action: "STOP", StartsAfter: 3 * days})
	w.turn()
	require.Equal(t, "2026-11-04T12:00:01Z", w.date("node"))
	require.Equal(t, map[string]float64{"maintenance handled": 1}, w.counts())
	w.later(days)
	require.Equal(t, "2026-11-04T12:00:01Z", w.date("node"), "a list that can not be read says nothing")
	w.restart(w.World.StreamID)
	w.later(maintenanceInterval)
	require.Equal(t, "2026-11-04T12:00:01Z", w.date("node"), "nor does a process that knows nothing yet")
	require.NoError(t, w.EndMaintenance(maintenance, "CANCELED"))
	w.turns(2)
	require.Empty(t, w.date("node"))
}

func TestNewsOfTheStreamOutliveAListThatDoesNotHaveThemYet(t *testing.T) {
	w := newWorld(t, ocisim.Options{StreamPartitions: 1}, 0)
	id := w.node("node")
	w.turn()
	w.say(id, func(e *ocisim.Event) {
		e.EventType = ocisim.EventMaintenance
		e.Data.AdditionalDetails = map[string]any{"instanceId": id, "lifecycleState": "SCHEDULED", "instanceAction": "STOP", "timeWindowStart": "2026-11-09T00:00:00.000Z"}
	})
	w.turn()
	w.settle()
	require.Equal(t, "2026-11-09T00:00:00Z", w.date("node"))
	w.later(listLag + time.Minute)
	require.Empty(t, w.date("node"), "in the end the list has the last word")
}

func TestAMaintenanceWhoseEndNobodyTellsIsForgottenInTheEnd(t *testing.T) {
	w := newWorld(t, ocisim.Options{}, 0)
	w.denied()
	w.policy.DeleteBefore = 0
	w.due.policy = w.policy
	w.node("node")
	claim := w.claim("node")
	claim.Annotations[v1alpha1.AnnotationMaintenanceDue] = "2026-11-01T13:00:00Z"
	require.NoError(t, w.kube.Update(t.Context(), claim))
	w.later(2 * days)
	require.Equal(t, "2026-11-01T13:00:00Z", w.date("node"))
	w.later(2 * time.Hour)
	require.Empty(t, w.date("node"))
	require.False(t, w.deleted("node"), "0 deletes nothing")
}

func TestADateThatIsNoneIsReplacedByWhatIsTrue(t *testing.T) {
	w := newWorld(t, ocisim.Options{}, 0)
	id := w.node("node")
	claim := w.claim("node")
	claim.Annotations[v1alpha1.AnnotationMaintenanceDue] = "soon"
	require.NoError(t, w.kube.Update(t.Context(), claim))
	require.False(t, w.policy.ReplaceNow(w.claim("node")))
	w.schedule(ocisim.MaintenanceSpec{InstanceID: id, StartsAfter: 3 * days})
	w.settle()
	require.Equal(t, "2026-11-04T12:00:00Z", w.date("node"))
}
