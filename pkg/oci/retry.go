package oci

import (
	"errors"
	"math/rand/v2"
	"time"
)

// retryPolicy says how often and how patiently a class of errors is tried again with the same request.
type retryPolicy struct {
	attempts int           // tries in all
	first    time.Duration // upper bound of the wait after the first try; it doubles with each further one
}

// retries has a row for each class that may go away by itself; no other class is tried again: the same request would fail again,
// or the caller has something better to do, such as another offering.
var retries = map[Class]retryPolicy{
	// The class of calls pauses and slows down as well; this only keeps a caller from failing for it.
	ClassThrottled: {attempts: 4, first: time.Second},
	// About 4 seconds when OCI answers at once.
	ClassTransient: {attempts: 4, first: 500 * time.Millisecond},
}

// maxRetryAfter is the longest Retry-After that is slept through; a longer one is the caller's to wait out.
const maxRetryAfter = 10 * time.Second

// backoff says whether a failed call may be tried again with the same request, and after how long. Full jitter, on top of what
// OCI asks for, keeps many workers from coming back together.
func backoff(err error, attempt int) (time.Duration, bool) {
	var failure *Error
	if !errors.As(err, &failure) {
		return 0, false
	}
	policy, again := retries[failure.Class]
	if !again || attempt >= policy.attempts || failure.RetryAfter > maxRetryAfter {
		return 0, false
	}
	return failure.RetryAfter + rand.N(policy.first<<(attempt-1)), true //nolint:gosec // jitter is no secret
}
