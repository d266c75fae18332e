package oci

import (
	"context"
	"errors"
	"math/rand/v2"
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
}

// response is what every typed SDK response offers.
type response interface{ HTTPResponse() *http.Response }

const (
	// maxAttempts bounds the tries of one call; with the back-off below they span about 4 seconds when OCI answers at once.
	maxAttempts = 4
	// attemptTimeout bounds one try. OCI's launches answer within seconds; the SDK's own default is 60 s.
	attemptTimeout = 30 * time.Second
	firstBackoff   = 500 * time.Millisecond
	// maxRetryAfter is the longest Retry-After that is slept through; a longer one is the caller's to wait out.
	maxRetryAfter = 10 * time.Second
)

// call runs one operation: it waits for the limiter, gives each try a time limit, counts it, and tries again when the class
// of the error says that the same request may work. It never outlives ctx.
func call[Req common.OCIRequest, Resp response](ctx context.Context, c *Client, op operation, do func(context.Context, Req) (Resp, error), request Req) (Resp, error) {
	var err error
	var resp Resp
	for attempt := 1; ; attempt++ {
		if err = c.limiter.wait(ctx, op); err != nil {
			return resp, &Error{Operation: op.name, Class: ClassTransient, Message: networkMessage(err), cause: err}
		}
		resp, err = try(ctx, c, op, do, request)
		if err == nil {
			return resp, nil
		}
		delay, again := backoff(err, attempt)
		if !again || ctx.Err() != nil {
			return resp, err
		}
		timer := c.clock.NewTimer(delay)
		select {
		case <-ctx.Done():
			timer.Stop()
			return resp, err
		case <-timer.C():
		}
	}
}

func try[Req common.OCIRequest, Resp response](ctx context.Context, c *Client, op operation, do func(context.Context, Req) (Resp, error), request Req) (Resp, error) {
	attempt, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	start := c.clock.Now()
	resp, err := do(attempt, request)
	raw := resp.HTTPResponse()
	err = newError(op.name, err, raw)
	observe(op, c.clock.Since(start), statusLabel(err, raw))
	var failure *Error
	if errors.As(err, &failure) && failure.Class == ClassThrottled {
		c.limiter.throttled(op, failure.RetryAfter)
	}
	return resp, err
}

// backoff says whether a failed call may be tried again with the same request, and after how long. Full jitter keeps many
// workers from coming back together.
func backoff(err error, attempt int) (time.Duration, bool) {
	var failure *Error
	if !errors.As(err, &failure) || attempt >= maxAttempts {
		return 0, false
	}
	if failure.Class != ClassThrottled && failure.Class != ClassTransient {
		return 0, false
	}
	if failure.RetryAfter > maxRetryAfter {
		return 0, false
	}
	limit := firstBackoff << (attempt - 1)
	return max(failure.RetryAfter, rand.N(limit)), true //nolint:gosec // jitter is no secret
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
		if next == nil || *next == "" {
			return all, nil
		}
		token = next
	}
}
