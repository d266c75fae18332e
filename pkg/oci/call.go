package oci

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/oracle/oci-go-sdk/v65/common"
)

// operation names one OCI API call. service and name are the metric labels, so they are bounded sets.
type operation struct {
	service service
	name    string
	write   bool
	launch  bool // counts as a launch, not as another write
}

func (o operation) class() verbClass {
	switch {
	case o.launch:
		return verbLaunch
	case o.write:
		return verbWrite
	default:
		return verbRead
	}
}

// response is what every typed SDK response offers.
type response interface{ HTTPResponse() *http.Response }

// attemptTimeout bounds one try. OCI's launches answer within seconds; the SDK's own default is 60 s.
const attemptTimeout = 30 * time.Second

// call runs one operation: it waits for the limiter, gives each try a time limit, counts it, and tries again when the class
// of the error says that the same request may work. It never outlives ctx, and gives up early when ctx would end in a wait.
func call[Req common.OCIRequest, Resp response](ctx context.Context, c *Client, op operation, do func(context.Context, Req) (Resp, error), request Req) (Resp, error) {
	defer c.waiting(ctx)()
	repeated := false // after a try whose outcome is not known
	for attempt := 1; ; attempt++ {
		place, err := c.limiter.acquire(ctx, op)
		if err != nil {
			var none Resp
			return none, notSent(op, err)
		}
		resp, err := try(ctx, c, op, do, request)
		place.release()
		if err == nil {
			noteAnswer(ctx)
			return resp, nil
		}
		err = afterRepeats(err, repeated)
		repeated = repeated || ClassOf(err) == ClassTransient
		if attempt == 1 && c.renewSession(err) {
			observeRetry(op, err)
			continue
		}
		delay, again := backoff(err, attempt)
		if !again || ctx.Err() != nil || tooLong(ctx, c.clock.Now(), delay) {
			return resp, err
		}
		observeRetry(op, err)
		timer := c.clock.NewTimer(delay)
		select {
		case <-ctx.Done():
			timer.Stop()
			return resp, err
		case <-timer.C():
		}
	}
}

// afterRepeats says in the error of a conflict that an earlier try of the call may have done what was asked for. The error is copied, since
// those of exchanges of tokens are shared.
func afterRepeats(err error, repeated bool) error {
	var failure *Error
	if !repeated || !errors.As(err, &failure) || failure.Class != ClassConflict {
		return err
	}
	conflict := *failure
	conflict.Repeated = true
	return &conflict
}

// renewSession has a session fetched anew that OCI did not accept, such as one that was revoked.
func (c *Client) renewSession(err error) bool {
	var failure *Error
	if c.session == nil || !errors.As(err, &failure) || failure.Status != http.StatusUnauthorized || failure.Operation == exchangeName {
		return false
	}
	return c.session.discard()
}

// notSent is the error of a call that the limiter did not let out.
func notSent(op operation, err error) error {
	var paused errPaused
	if errors.As(err, &paused) {
		return &Error{Operation: op.name, Class: ClassThrottled, Code: codeNotSent, Message: "OCI asked for a pause", RetryAfter: paused.left, cause: err}
	}
	return &Error{Operation: op.name, Class: ClassTransient, Code: codeNotSent, Message: networkMessage(err) + " while it waited for the controller's rate limit", cause: err}
}

func try[Req common.OCIRequest, Resp response](ctx context.Context, c *Client, op operation, do func(context.Context, Req) (Resp, error), request Req) (Resp, error) {
	attempt, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	if c.session != nil {
		if err := c.session.ensure(attempt); err != nil {
			var none Resp
			return none, err
		}
	}
	start := c.clock.Now()
	resp, err := do(sheltered(attempt), request)
	raw := resp.HTTPResponse()
	err = newError(op.name, err, raw)
	observe(op, c.clock.Since(start), statusLabel(err, raw))
	var failure *Error
	if errors.As(err, &failure) && failure.Class == ClassThrottled {
		c.limiter.throttled(op, start, failure.RetryAfter)
	}
	return resp, err
}

// statusLabel is the metric label of an outcome: the HTTP status, or "none" when there was no answer.
func statusLabel(err error, raw *http.Response) string {
	var failure *Error
	if errors.As(err, &failure) {
		if failure.Status == 0 {
			return "none"
		}
		return strconv.Itoa(failure.Status)
	}
	if raw == nil {
		return strconv.Itoa(http.StatusOK)
	}
	return strconv.Itoa(raw.StatusCode)
}

// listAll follows opc-next-page until the last page. A page that fails fails the whole list: a short list is never returned.
func listAll[T any](page func(token *string) (items []T, next *string, err error)) ([]T, error) {
	var all []T
	var token *string
	for {
		items, next, err := page(token)
		if err != nil {
			return nil, err
		}
		all = append(all, items...)
		if Value(next) == "" {
			return all, nil
		}
		if Value(token) == *next {
			return nil, errors.New("OCI leads from one page of a list to the same page")
		}
		token = next
	}
}
