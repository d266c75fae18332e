package ocisim

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/oracle/oci-go-sdk/v65/core"
	"github.com/samber/lo"
)

// standardConsoleBytes is how much of a console history is answered when the client does not say.
const standardConsoleBytes = 10_240

// consoleHistory is a capture of an instance's serial console.
type consoleHistory struct {
	model core.ConsoleHistory
	text  string
}

// SetConsole replaces what an instance has written to its serial console.
func (s *Simulator) SetConsole(id, text string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, known := s.state.instances.get(id)
	if !known {
		return notFound("instance %s", id)
	}
	i.console = text
	return nil
}

// ConsoleHistories counts the captures that nobody has deleted.
func (s *Simulator) ConsoleHistories() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.state.consoles.all())
}

// consoleOf is what the instance wrote: what was set, or the lines of a boot that went well.
func consoleOf(i *instance) string {
	if i.console != "" {
		return i.console
	}
	name := lo.FromPtr(i.model.DisplayName)
	return fmt.Sprintf("[    0.000000] Linux version 5.15.0\r\n%s login: ", name)
}

func consoleOperations() []operation {
	const one = "/20160918/instanceConsoleHistories/{id}"
	return []operation{
		{name: "CaptureConsoleHistory", method: http.MethodPost, path: "/20160918/instanceConsoleHistories", handle: captureConsoleHistory},
		{name: "ListConsoleHistories", method: http.MethodGet, path: "/20160918/instanceConsoleHistories", handle: listConsoleHistories},
		{name: "GetConsoleHistory", method: http.MethodGet, path: one, handle: getConsoleHistory},
		{name: "GetConsoleHistoryContent", method: http.MethodGet, path: one + "/data", handle: getConsoleHistoryContent},
		{name: "DeleteConsoleHistory", method: http.MethodDelete, path: one, handle: deleteConsoleHistory},
	}
}

// captureConsoleHistory answers at once; the record can be read after ActionDelay. Uncertain: that an instance must not be gone.
func captureConsoleHistory(s *Simulator, c *call) (*reply, error) {
	var d core.CaptureConsoleHistoryDetails
	if err := c.decode(&d); err != nil {
		return nil, err
	}
	i, known := s.state.instances.get(lo.FromPtr(d.InstanceId))
	if !known || !i.live() {
		return nil, notFound("instance %s", lo.FromPtr(d.InstanceId))
	}
	id := s.newID("consolehistory")
	h := &consoleHistory{model: core.ConsoleHistory{Id: lo.ToPtr(id), InstanceId: i.model.Id, AvailabilityDomain: i.model.AvailabilityDomain,
		CompartmentId: i.model.CompartmentId, DisplayName: d.DisplayName, LifecycleState: core.ConsoleHistoryLifecycleStateRequested, TimeCreated: stamp(c.now),
		FreeformTags: emptyIfNil(d.FreeformTags), DefinedTags: emptyIfNil(d.DefinedTags)}}
	s.state.consoles.put(id, h)
	s.later(c.now.Add(s.options.ActionDelay), func(time.Time) {
		h.text, h.model.LifecycleState = consoleOf(i), core.ConsoleHistoryLifecycleStateSucceeded
	})
	return ok(h.model), nil
}

func listConsoleHistories(s *Simulator, c *call) (*reply, error) {
	compartment, err := s.inCompartment(c)
	if err != nil {
		return nil, err
	}
	var out []core.ConsoleHistory
	for _, h := range s.state.consoles.all() {
		if *h.model.CompartmentId == compartment && c.is("instanceId", *h.model.InstanceId) && c.is("lifecycleState", string(h.model.LifecycleState)) {
			out = append(out, h.model)
		}
	}
	return list(c, out, func(h core.ConsoleHistory) string { return *h.Id })
}

func (s *Simulator) consoleHistoryOf(c *call) (*consoleHistory, error) {
	h, known := s.state.consoles.get(c.path("id"))
	if !known {
		return nil, notFound("console history %s", c.path("id"))
	}
	return h, nil
}

func getConsoleHistory(s *Simulator, c *call) (*reply, error) {
	h, err := s.consoleHistoryOf(c)
	if err != nil {
		return nil, err
	}
	return ok(h.model).with("etag", string(h.model.LifecycleState)), nil
}

func getConsoleHistoryContent(s *Simulator, c *call) (*reply, error) {
	h, err := s.consoleHistoryOf(c)
	if err != nil {
		return nil, err
	}
	if h.model.LifecycleState != core.ConsoleHistoryLifecycleStateSucceeded {
		return nil, conflict("IncorrectState", "console history %s is %s", c.path("id"), h.model.LifecycleState)
	}
	bounds := map[string]int{"offset": 0, "length": standardConsoleBytes}
	for name := range bounds {
		if !c.query.Has(name) {
			continue
		}
		n, err := strconv.Atoi(c.query.Get(name))
		if err != nil || n < 0 {
			return nil, invalid("%s must be a whole number", name)
		}
		bounds[name] = n
	}
	start := min(bounds["offset"], len(h.text))
	end := min(start+bounds["length"], len(h.text))
	rep := &reply{status: http.StatusOK, raw: []byte(strings.Clone(h.text[start:end]))}
	return rep.with("opc-bytes-remaining", strconv.Itoa(len(h.text)-end)), nil
}

func deleteConsoleHistory(s *Simulator, c *call) (*reply, error) {
	if _, err := s.consoleHistoryOf(c); err != nil {
		return nil, err
	}
	s.state.consoles.remove(c.path("id"))
	return &reply{status: http.StatusNoContent}, nil
}
