package ocisim

import (
	"fmt"
	"net/http"
	"time"
)

// apiError is an error as the service answers it: an HTTP status and a {code, message} body.
type apiError struct {
	Status     int
	Code       string
	Message    string
	RetryAfter time.Duration // when positive, told to the client in whole seconds
}

func (e *apiError) Error() string { return fmt.Sprintf("%d %s: %s", e.Status, e.Code, e.Message) }

func invalid(format string, args ...any) *apiError {
	return &apiError{Status: http.StatusBadRequest, Code: "InvalidParameter", Message: fmt.Sprintf(format, args...)}
}

func missing(name string) *apiError {
	return &apiError{Status: http.StatusBadRequest, Code: "MissingParameter", Message: fmt.Sprintf("Missing required parameter: %s", name)}
}

// notFound is the one answer for "does not exist" and "you may not see it".
func notFound(format string, args ...any) *apiError {
	return &apiError{Status: http.StatusNotFound, Code: "NotAuthorizedOrNotFound",
		Message: "Authorization failed or requested resource not found: " + fmt.Sprintf(format, args...)}
}

// relatedNotFound is the answer for a resource that a request's body refers to.
func relatedNotFound(format string, args ...any) *apiError {
	return &apiError{Status: http.StatusBadRequest, Code: "RelatedResourceNotAuthorizedOrNotFound",
		Message: "Authorization failed or related resource not found: " + fmt.Sprintf(format, args...)}
}

func conflict(code, format string, args ...any) *apiError {
	return &apiError{Status: http.StatusConflict, Code: code, Message: fmt.Sprintf(format, args...)}
}

func outOfHostCapacity() *apiError {
	return &apiError{Status: http.StatusInternalServerError, Code: "InternalError", Message: "Out of host capacity."}
}

func limitExceeded(names string) *apiError {
	return &apiError{Status: http.StatusBadRequest, Code: "LimitExceeded", Message: "The following service limits were exceeded: " + names +
		". Request a service limit increase from the service limits page in the console. "}
}

func quotaExceeded(names string) *apiError {
	return &apiError{Status: http.StatusBadRequest, Code: "QuotaExceeded", Message: "The following compartment quotas were exceeded: " + names +
		". Contact your administrator to increase the quota."}
}

func tooManyRequests(retryAfter time.Duration) *apiError {
	return &apiError{Status: http.StatusTooManyRequests, Code: "TooManyRequests", Message: "Too many requests for the user", RetryAfter: retryAfter}
}

func shapeNotFound(shape string) *apiError {
	return &apiError{Status: http.StatusNotFound, Code: "NotAuthorizedOrNotFound", Message: fmt.Sprintf("shape %s not found", shape)}
}
