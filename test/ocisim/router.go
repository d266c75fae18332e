package ocisim

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
)

// maxBody is the largest request body that is read; OCI's own requests stay far below.
const maxBody = 1 << 20

// operation is one row of the API: its SDK name, where it lives, what answers it.
type operation struct {
	name, method, path string
	handle             func(s *Simulator, c *call) (*reply, error)
	unsigned           bool // answered without a signature
}

// call is one request on its way through the simulator. Handlers run with the state locked.
type call struct {
	r         *http.Request
	op        string
	now       time.Time
	body      []byte
	query     url.Values
	requestID string
	pageSize  int
}

// reply is what a handler answers; body is marshalled after the state has been unlocked, so it must not share anything that changes.
type reply struct {
	status  int
	body    any
	raw     []byte // used instead of body when set
	headers map[string]string
}

func ok(body any) *reply { return &reply{status: http.StatusOK, body: body} }

func (r *reply) with(header, value string) *reply {
	if r.headers == nil {
		r.headers = map[string]string{}
	}
	r.headers[header] = value
	return r
}

func (c *call) path(name string) string { return c.r.PathValue(name) }

// required returns a query parameter that the API insists on.
func (c *call) required(name string) (string, error) {
	if v := c.query.Get(name); v != "" {
		return v, nil
	}
	return "", missing(name)
}

// is says whether a list filter lets the value pass: the filter is absent or equal.
func (c *call) is(filter, value string) bool {
	return !c.query.Has(filter) || c.query.Get(filter) == value
}

// oneOf is like is for a filter that may be given several times.
func (c *call) oneOf(filter, value string) bool {
	values, given := c.query[filter]
	if !given {
		return true
	}
	for _, v := range values {
		if v == value {
			return true
		}
	}
	return false
}

// flag reads a boolean query parameter.
func (c *call) flag(name string, standard bool) (bool, error) {
	if !c.query.Has(name) {
		return standard, nil
	}
	v, err := strconv.ParseBool(c.query.Get(name))
	if err != nil {
		return false, invalid("%s must be true or false", name)
	}
	return v, nil
}

// decode reads the body into an SDK model. Numbers or texts of the wrong type are the client's mistake.
func (c *call) decode(into any) error {
	if len(bytes.TrimSpace(c.body)) == 0 {
		return &apiError{Status: http.StatusBadRequest, Code: "CannotParseRequest", Message: "The request body is empty"}
	}
	if err := json.Unmarshal(c.body, into); err != nil {
		return &apiError{Status: http.StatusBadRequest, Code: "CannotParseRequest", Message: "Incorrectly formatted request: " + err.Error()}
	}
	return nil
}

// routes builds the request multiplexer of the API.
func (s *Simulator) routes() *http.ServeMux {
	mux := http.NewServeMux()
	for _, op := range s.operations {
		mux.HandleFunc(op.method+" "+op.path, func(w http.ResponseWriter, r *http.Request) { s.serve(w, r, op) })
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		s.serve(w, r, operation{name: "Unknown", unsigned: true, handle: func(*Simulator, *call) (*reply, error) {
			return nil, notFound("%s %s is no operation of this simulator", r.Method, r.URL.Path)
		}})
	})
	return mux
}

// serve takes one request through the door (signature, faults), the operation and the journal.
func (s *Simulator) serve(w http.ResponseWriter, r *http.Request, op operation) {
	start := s.clock.Now()
	c := &call{r: r, op: op.name, query: r.URL.Query(), requestID: requestID(r), pageSize: s.options.PageSize}
	entry := Entry{Time: start, Operation: op.name, Method: r.Method, Path: r.URL.Path, Query: r.URL.RawQuery, RequestID: c.requestID,
		RetryToken: r.Header.Get("opc-retry-token"), UserAgent: r.UserAgent(), Retry: r.Header.Get("opc-client-retries")}
	rep, fault, err := s.answer(c, op)
	entry.FaultID = fault.ID
	entry.Duration = s.clock.Since(start)
	if fault.Kind == CutBefore || fault.Kind == CutAfter {
		s.journal.add(entry)
		fault.then()
		cut(w)
		return
	}
	status, payload, headers := render(rep, err)
	entry.Status = status
	var known *apiError
	if errors.As(err, &known) {
		entry.Code = known.Code
	}
	s.journal.add(entry)
	for name, value := range headers {
		w.Header().Set(name, value)
	}
	w.Header().Set("opc-request-id", c.requestID)
	w.Header().Set("Date", s.clock.Now().UTC().Format(http.TimeFormat)) // the region's own time
	if payload != nil {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", strconv.Itoa(len(payload)))
	}
	w.WriteHeader(status)
	_, _ = w.Write(payload) // the client may have gone: nobody is left to tell
	if fault.Kind == Answered {
		_ = http.NewResponseController(w).Flush()
		fault.then()
	}
}

// answer runs the operation unless the door stops the request. The returned fault, if any, is the one the request met at the door.
func (s *Simulator) answer(c *call, op operation) (*reply, Fault, error) {
	body, err := io.ReadAll(io.LimitReader(c.r.Body, maxBody+1))
	if err != nil || len(body) > maxBody {
		return nil, Fault{}, &apiError{Status: http.StatusRequestEntityTooLarge, Code: "RequestEntityTooLarge", Message: "The request body is too large or incomplete"}
	}
	c.body = body
	who := s.subjectOf(c)
	if slow, hit := s.faults.take(who, isLatency); hit {
		if !s.wait(c.r.Context(), slow.Delay) {
			return nil, Fault{ID: slow.ID, Kind: CutBefore}, nil
		}
	}
	if !op.unsigned {
		if err := s.checkSignature(c); err != nil {
			return nil, Fault{}, err
		}
	}
	if !s.throttle.admits(op.name, s.clock.Now()) {
		return nil, Fault{}, tooManyRequests(0)
	}
	fault, hit := s.faults.take(who, atTheDoor(op.name))
	if hit && fault.Kind == CutBefore {
		return nil, fault, nil
	}
	if e := fault.answer(who.shape, "scripted"); hit && e != nil {
		return nil, fault, e
	}
	rep, err := s.locked(c, op)
	return rep, fault, err
}

// locked runs the handler on a state that is up to date.
func (s *Simulator) locked(c *call, op operation) (*reply, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c.now = s.clock.Now()
	s.advance(c.now)
	return op.handle(s, c)
}

// render turns a handler's result into what goes over the wire.
func render(rep *reply, err error) (status int, payload []byte, headers map[string]string) {
	if err == nil {
		payload = rep.raw
		if payload == nil && rep.body != nil {
			payload, err = json.Marshal(rep.body)
		}
	}
	if err == nil {
		return rep.status, payload, rep.headers
	}
	var known *apiError
	if !errors.As(err, &known) {
		known = &apiError{Status: http.StatusInternalServerError, Code: "InternalServerError", Message: err.Error()}
	}
	payload, _ = json.Marshal(map[string]string{"code": known.Code, "message": known.Message})
	if known.RetryAfter > 0 {
		headers = map[string]string{"Retry-After": strconv.Itoa(int((known.RetryAfter + time.Second - 1) / time.Second))}
	}
	return known.Status, payload, headers
}

// cut ends the connection without an answer.
func cut(w http.ResponseWriter) {
	if hijacker, can := w.(http.Hijacker); can {
		if conn, _, err := hijacker.Hijack(); err == nil {
			_ = conn.Close()
			return
		}
	}
	panic(http.ErrAbortHandler) // the way net/http offers to drop an HTTP/2 stream
}

// requestID makes the opc-request-id of the answer: the client's, then the service's own part, as the real services do.
func requestID(r *http.Request) string {
	own := strings.ToUpper(strings.ReplaceAll(uuid.NewString(), "-", ""))
	if sent := r.Header.Get("opc-request-id"); sent != "" {
		return fmt.Sprintf("%.98s/%s/%s", sent, own, own)
	}
	return own + "/" + own
}
