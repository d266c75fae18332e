package ocisim

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"time"
)

// retryTokens remembers which resource a create request with an opc-retry-token made.
type retryTokens struct {
	ttl     time.Duration
	entries map[string]retryEntry
}

type retryEntry struct {
	body, resource string
	expires        time.Time
}

func newRetryTokens(ttl time.Duration) *retryTokens {
	return &retryTokens{ttl: ttl, entries: map[string]retryEntry{}}
}

// seen returns the resource that an earlier request of the same operation, token and body made. A body that differs is refused with 409
// InvalidatedRetryToken (uncertain: the code is documented for tokens that a later operation has invalidated; no source says what a mere mismatch gives).
func (t *retryTokens) seen(c *call) (resource string, found bool, err error) {
	token := c.r.Header.Get("opc-retry-token")
	entry, known := t.entries[c.op+"\x00"+token]
	if token == "" || !known || !c.now.Before(entry.expires) {
		return "", false, nil
	}
	if entry.body != digest(c.body) {
		return "", false, invalidatedRetryToken("it was used with a different request body")
	}
	return entry.resource, true, nil
}

// remember notes what the request made. Requests that failed are not noted: their token may be used again.
func (t *retryTokens) remember(c *call, resource string) {
	if token := c.r.Header.Get("opc-retry-token"); token != "" {
		t.entries[c.op+"\x00"+token] = retryEntry{body: digest(c.body), resource: resource, expires: c.now.Add(t.ttl)}
	}
}

// expire forgets tokens that are too old.
func (t *retryTokens) expire(now time.Time) {
	for key, entry := range t.entries {
		if !now.Before(entry.expires) {
			delete(t.entries, key)
		}
	}
}

func invalidatedRetryToken(why string) *apiError {
	return conflict("InvalidatedRetryToken", "The provided retry token cannot be used: %s", why)
}

// digest is equal for bodies that differ in spacing and member order only.
func digest(body []byte) string {
	var value any
	if json.Unmarshal(body, &value) == nil {
		if canonical, err := json.Marshal(value); err == nil {
			body = canonical
		}
	}
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}
