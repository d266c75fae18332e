package oci

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/oracle/oci-go-sdk/v65/common"
)

// Class says what an error from OCI means to a caller. It is decided in one table, from the HTTP status, the code and the
// message, and nobody looks at an error's text elsewhere.
type Class string

const (
	// ClassCapacity: the cloud has no host for this shape and size in this availability domain now. Try another offering.
	ClassCapacity Class = "Capacity"
	// ClassLimit: a service limit or compartment quota of the tenancy is used up. Try another shape family or domain.
	ClassLimit Class = "Limit"
	// ClassAddresses: the subnet has no free address. Try another subnet.
	ClassAddresses Class = "Addresses"
	// ClassThrottled: too many requests. Wait; says nothing about capacity.
	ClassThrottled Class = "Throttled"
	// ClassNotFound: the object is not there, or we may not see it: OCI answers the same for both.
	ClassNotFound Class = "NotFound"
	// ClassNotAuthorized: the caller is not known or not allowed.
	ClassNotAuthorized Class = "NotAuthorized"
	// ClassConfig: the request itself is wrong; the same request will fail again.
	ClassConfig Class = "Config"
	// ClassConflict: the object is in a state that does not allow the call now, or the retry token was used for another request.
	ClassConflict Class = "Conflict"
	// ClassTransient: the service or the network failed; the same request may work again.
	ClassTransient Class = "Transient"
)

// codeNotSent marks the error of a call that the controller itself held back.
const codeNotSent = "NotSent"

// Error is a failed call to OCI.
type Error struct {
	Operation  string        // such as LaunchInstance
	Class      Class         // what it means
	Status     int           // HTTP status; 0 when there was no answer
	Code       string        // OCI's error code, such as LimitExceeded
	Message    string        // OCI's message, without request ids and time stamps
	RequestID  string        // opc-request-id, for a support request; never part of Error()
	RetryAfter time.Duration // from the Retry-After header; 0 when absent
	// Repeated says of a conflict that an earlier try of the same call had no answer, or a failure of the service: it may have done what was asked for.
	Repeated bool
	cause    error
}

// Error names the operation, the status, the code and the message. It is stable: equal failures give equal texts, so it may
// stand in a status condition.
func (e *Error) Error() string {
	if e.Code == codeNotSent {
		return fmt.Sprintf("%s was not sent: %s", e.Operation, e.Message)
	}
	if e.Status == 0 && e.Code == "" {
		return fmt.Sprintf("%s: no answer from OCI: %s", e.Operation, e.Message)
	}
	if e.Status == 0 {
		return fmt.Sprintf("%s failed after it was accepted: %s: %s", e.Operation, e.Code, e.Message)
	}
	return fmt.Sprintf("%s: %d %s: %s", e.Operation, e.Status, e.Code, e.Message)
}

// Unwrap gives the SDK's or the network's own error.
func (e *Error) Unwrap() error { return e.cause }

// ClassOf is the class of an error that came from this package, through any wrapping; "" for any other error.
func ClassOf(err error) Class {
	var e *Error
	if errors.As(err, &e) {
		return e.Class
	}
	return ""
}

// codeTokenUsed is OCI's code for a retry token of an earlier request that changed something, and that a later one has invalidated (OCI
// documentation, "API Errors").
const codeTokenUsed = "InvalidatedRetryToken"

// MayBeDone says of a call with a retry token that OCI refused it, and that an earlier request with the same token may nevertheless have
// done what it asked for: the token was used up, or it is in conflict with a try that nobody saw end.
func MayBeDone(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Class == ClassConflict && (e.Repeated || e.Code == codeTokenUsed)
}

// rule is one row of the table: an error matches when every field that is set does.
type rule struct {
	status  int
	code    string
	message string // lower-case part of the message
	class   Class
}

// rules is read from the top; the first match wins. Sources: OCI's "API Errors" page, and public issue threads for the messages
// of capacity errors, which come as 500 and must not be retried.
var rules = []rule{
	{message: "out of host capacity", class: ClassCapacity},
	{message: "out of capacity", class: ClassCapacity},
	{code: "OutOfHostCapacity", class: ClassCapacity},
	{message: "capacity reservation", class: ClassCapacity}, // ended, full, or of other sizes: there is capacity of other kinds
	{message: "ocid1.capacityreservation.", class: ClassCapacity},
	{status: http.StatusNotFound, message: "shape ", class: ClassCapacity}, // "shape X not found": not sold in this domain
	{message: "no available private ip", class: ClassAddresses},
	{message: "no free private ip", class: ClassAddresses},
	{message: "subnet has insufficient", class: ClassAddresses},
	{code: "LimitExceeded", class: ClassLimit},
	{code: "QuotaExceeded", class: ClassLimit},
	{code: "TooManyRequests", class: ClassThrottled},
	{status: http.StatusTooManyRequests, class: ClassThrottled},
	{code: "NotAuthenticated", class: ClassNotAuthorized},
	{code: "NotAuthorized", class: ClassNotAuthorized},
	{status: http.StatusUnauthorized, class: ClassNotAuthorized},
	{status: http.StatusForbidden, class: ClassNotAuthorized},
	{code: "NotAuthorizedOrNotFound", class: ClassNotFound},
	{code: "RelatedResourceNotAuthorizedOrNotFound", class: ClassConfig},
	{status: http.StatusNotFound, class: ClassNotFound},
	{status: http.StatusConflict, class: ClassConflict},
	{status: http.StatusPreconditionFailed, class: ClassConflict},
	{status: http.StatusNotImplemented, class: ClassConfig},
	{status: http.StatusRequestTimeout, class: ClassTransient},
}

// Classify decides what a status, code and message mean. A status of 0 stands for an error without one, such as those of a
// work request.
func Classify(status int, code, message string) Class {
	text := strings.ToLower(message)
	for _, r := range rules {
		if (r.status == 0 || r.status == status) && (r.code == "" || r.code == code) && (r.message == "" || strings.Contains(text, r.message)) {
			return r.class
		}
	}
	if status >= 400 && status < 500 {
		return ClassConfig
	}
	return ClassTransient
}

// newError turns what the SDK returned into an *Error. response may be nil: the SDK gives none when the network failed.
func newError(operation string, err error, response *http.Response) error {
	if err == nil {
		return nil
	}
	// The SDK does not wrap service errors, and its own test is a type assertion.
	if service, ok := common.IsServiceError(err); ok {
		return &Error{
			Operation: operation, cause: err,
			Class:  Classify(service.GetHTTPStatusCode(), service.GetCode(), service.GetMessage()),
			Status: service.GetHTTPStatusCode(), Code: service.GetCode(), Message: service.GetMessage(),
			RequestID: service.GetOpcRequestID(), RetryAfter: retryAfter(response),
		}
	}
	return &Error{Operation: operation, cause: err, Class: ClassTransient, Message: networkMessage(err)}
}

// networkMessage says in stable words what went wrong on the way; the full error stays in the chain for the log.
func networkMessage(err error) string {
	var dns *net.DNSError
	var op *net.OpError
	var timeout net.Error
	switch {
	case errors.Is(err, context.Canceled):
		return "the request was cancelled"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "the request timed out"
	case errors.As(err, &dns):
		return fmt.Sprintf("the host name %s is not known", dns.Name)
	case errors.As(err, &op) && op.Op == "dial":
		return fmt.Sprintf("cannot connect to %s", op.Addr)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "the connection was cut"
	default:
		return err.Error()
	}
}

// mostRetryAfter is the longest Retry-After that is believed: a header gone wrong must not stop a class of calls for years. Who was asked to
// wait longer is asked again.
const mostRetryAfter = time.Hour

// retryAfter reads the Retry-After header: seconds, or a time, which is compared with the answer's own date since clocks differ.
func retryAfter(response *http.Response) time.Duration {
	if response == nil {
		return 0
	}
	header := response.Header.Get("Retry-After")
	if seconds, err := strconv.ParseFloat(header, 64); err == nil {
		if math.IsNaN(seconds) || seconds <= 0 {
			return 0
		}
		return time.Duration(min(seconds, mostRetryAfter.Seconds()) * float64(time.Second))
	}
	at, badTime := http.ParseTime(header)
	answered, badDate := http.ParseTime(response.Header.Get("Date"))
	if badTime != nil || badDate != nil {
		return 0
	}
	return min(max(at.Sub(answered), 0), mostRetryAfter)
}

// NewAsyncError is the error of a request that OCI accepted and that failed afterwards, as its work request tells it.
func NewAsyncError(operation, code, message string) error {
	return &Error{Operation: operation, Class: Classify(0, code, message), Code: code, Message: message}
}
