package ocisim

import (
	"net/http"
	"slices"
	"time"

	"github.com/oracle/oci-go-sdk/v65/workrequests"
	"github.com/samber/lo"
)

// Operation types of work requests.
const (
	operationLaunch    = "LaunchInstance"
	operationTerminate = "TerminateInstance"
)

// newWorkRequest records the start of an asynchronous operation on an instance.
func (s *Simulator) newWorkRequest(kind string, i *instance, action workrequests.WorkRequestResourceActionTypeEnum, now time.Time) *workRequest {
	id := s.newID("coreservicesworkrequest")
	work := &workRequest{model: workrequests.WorkRequest{OperationType: lo.ToPtr(kind), Status: workrequests.WorkRequestStatusAccepted, Id: lo.ToPtr(id),
		CompartmentId: i.model.CompartmentId, PercentComplete: lo.ToPtr(float32(0)), TimeAccepted: stamp(now),
		Resources: []workrequests.WorkRequestResource{{ActionType: action, EntityType: lo.ToPtr("instance"), Identifier: i.model.Id,
			EntityUri: lo.ToPtr("/20160918/instances/" + *i.model.Id)}}}}
	s.state.workRequests.put(id, work)
	s.later(now.Add(s.options.TerminatedRetention), func(time.Time) { s.state.workRequests.remove(id) })
	return work
}

func (w *workRequest) progress(percent float32, now time.Time) {
	w.model.Status, w.model.PercentComplete = workrequests.WorkRequestStatusInProgress, lo.ToPtr(percent)
	w.model.TimeStarted = lo.CoalesceOrEmpty(w.model.TimeStarted, stamp(now))
}

// finish ends the work request. The resource's action tells what has become of it.
func (w *workRequest) finish(status workrequests.WorkRequestStatusEnum, now time.Time) {
	w.progress(100, now)
	w.model.Status, w.model.TimeFinished = status, stamp(now)
	action := workrequests.WorkRequestResourceActionTypeCreated
	if *w.model.OperationType == operationTerminate {
		action = workrequests.WorkRequestResourceActionTypeDeleted
	}
	if status != workrequests.WorkRequestStatusSucceeded {
		action = workrequests.WorkRequestResourceActionTypeRelated
	}
	resource := w.model.Resources[0]
	resource.ActionType = action
	w.model.Resources = []workrequests.WorkRequestResource{resource}
	w.logs = append(w.logs, workrequests.WorkRequestLogEntry{Message: lo.ToPtr(*w.model.OperationType + " " + string(status)), Timestamp: stamp(now)})
}

func (w *workRequest) fail(cause *apiError, now time.Time) {
	w.finish(workrequests.WorkRequestStatusFailed, now)
	w.errors = append(w.errors, workrequests.WorkRequestError{Code: lo.ToPtr(cause.Code), Message: lo.ToPtr(cause.Message), Timestamp: stamp(now)})
}

func workRequestOperations() []operation {
	return []operation{
		{name: "ListWorkRequests", method: http.MethodGet, path: "/20160918/workRequests", handle: listWorkRequests},
		{name: "GetWorkRequest", method: http.MethodGet, path: "/20160918/workRequests/{id}", handle: getWorkRequest},
		{name: "ListWorkRequestErrors", method: http.MethodGet, path: "/20160918/workRequests/{id}/errors", handle: listWorkRequestErrors},
		{name: "ListWorkRequestLogs", method: http.MethodGet, path: "/20160918/workRequests/{id}/logs", handle: listWorkRequestLogs},
	}
}

// listWorkRequests answers the newest first.
func listWorkRequests(s *Simulator, c *call) (*reply, error) {
	compartment, err := s.inCompartment(c)
	if err != nil {
		return nil, err
	}
	var out []workrequests.WorkRequestSummary
	newest := s.state.workRequests.all()
	slices.Reverse(newest)
	for _, w := range newest {
		m := w.model
		if *m.CompartmentId != compartment || !c.is("resourceId", *m.Resources[0].Identifier) {
			continue
		}
		out = append(out, workrequests.WorkRequestSummary{OperationType: m.OperationType, Status: workrequests.WorkRequestSummaryStatusEnum(m.Status), Id: m.Id,
			CompartmentId: m.CompartmentId, PercentComplete: m.PercentComplete, TimeAccepted: m.TimeAccepted, TimeStarted: m.TimeStarted, TimeFinished: m.TimeFinished})
	}
	return list(c, out, func(m workrequests.WorkRequestSummary) string { return *m.Id })
}

func (s *Simulator) workRequestOf(c *call) (*workRequest, error) {
	w, known := s.state.workRequests.get(c.path("id"))
	if !known {
		return nil, notFound("work request %s", c.path("id"))
	}
	return w, nil
}

func getWorkRequest(s *Simulator, c *call) (*reply, error) {
	w, err := s.workRequestOf(c)
	if err != nil {
		return nil, err
	}
	rep := ok(w.model).with("etag", string(w.model.Status))
	if w.model.TimeFinished == nil {
		rep.with("retry-after", "1")
	}
	return rep, nil
}

func listWorkRequestErrors(s *Simulator, c *call) (*reply, error) {
	w, err := s.workRequestOf(c)
	if err != nil {
		return nil, err
	}
	return list(c, w.errors, func(e workrequests.WorkRequestError) string { return *e.Message })
}

func listWorkRequestLogs(s *Simulator, c *call) (*reply, error) {
	w, err := s.workRequestOf(c)
	if err != nil {
		return nil, err
	}
	return list(c, w.logs, func(e workrequests.WorkRequestLogEntry) string { return *e.Message })
}
