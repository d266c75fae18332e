package ocisim

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"time"
)

// maxClockSkew is how far a request's date may be from the service's clock (documentation, "Request Signatures").
const maxClockSkew = 5 * time.Minute

// trustedKeys are the public keys that signatures are checked against when Options.VerifySignatures is set.
type trustedKeys struct {
	mu   *sync.Mutex
	keys map[string]trustedKey
}

type trustedKey struct {
	public *rsa.PublicKey
	until  time.Time // zero: for ever
}

func newTrustedKeys() trustedKeys {
	return trustedKeys{mu: &sync.Mutex{}, keys: map[string]trustedKey{}}
}

// Trust makes the simulator accept requests signed with the key under this key id ("tenancy/user/fingerprint").
func (s *Simulator) Trust(keyID string, key *rsa.PublicKey) {
	s.keys.put(keyID, trustedKey{public: key})
}

// RevokeSessions makes the simulator refuse all session tokens that it has given out.
func (s *Simulator) RevokeSessions() {
	s.keys.mu.Lock()
	defer s.keys.mu.Unlock()
	for id := range s.keys.keys {
		if strings.HasPrefix(id, sessionPrefix) {
			delete(s.keys.keys, id)
		}
	}
}

func (k trustedKeys) put(keyID string, key trustedKey) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.keys[keyID] = key
}

// get is the key with this id, unless it is not known or its time is over.
func (k trustedKeys) get(keyID string, now time.Time) *rsa.PublicKey {
	k.mu.Lock()
	defer k.mu.Unlock()
	key, known := k.keys[keyID]
	if !known || !key.until.IsZero() && !now.Before(key.until) {
		return nil
	}
	return key.public
}

var signatureField = regexp.MustCompile(`(\w+)="([^"]*)"`)

func notAuthenticated(why string) *apiError {
	return &apiError{Status: http.StatusUnauthorized, Code: "NotAuthenticated",
		Message: "The required information to complete authentication was not provided or was incorrect: " + why}
}

// checkSignature insists on a well-formed signature that covers what OCI wants covered and, when asked to, verifies it.
func (s *Simulator) checkSignature(c *call) error {
	header := c.r.Header.Get("Authorization")
	if !strings.HasPrefix(header, "Signature ") {
		return notAuthenticated("the authorization header is not a signature")
	}
	fields := map[string]string{}
	for _, m := range signatureField.FindAllStringSubmatch(header, -1) {
		fields[m[1]] = m[2]
	}
	if fields["keyId"] == "" || fields["signature"] == "" || fields["algorithm"] != "rsa-sha256" {
		return notAuthenticated("keyId, signature and algorithm rsa-sha256 are needed")
	}
	signed := strings.Fields(fields["headers"])
	needed := []string{"date", "(request-target)", "host"}
	if c.r.Method == http.MethodPost || c.r.Method == http.MethodPut {
		needed = append(needed, "content-length", "content-type", "x-content-sha256")
	}
	for _, name := range needed {
		if !contains(signed, name) && (name != "date" || !contains(signed, "x-date")) {
			return notAuthenticated("the signature does not cover " + name)
		}
	}
	if !s.options.VerifySignatures {
		return nil
	}
	return s.verify(c, fields, signed)
}

func contains(list []string, item string) bool {
	for _, i := range list {
		if strings.EqualFold(i, item) {
			return true
		}
	}
	return false
}

func (s *Simulator) verify(c *call, fields map[string]string, signed []string) error {
	key := s.keys.get(fields["keyId"], s.clock.Now())
	if key == nil {
		return notAuthenticated("the key " + fields["keyId"] + " is not known, or its time is over")
	}
	date, err := http.ParseTime(firstOf(c.r.Header.Get("x-date"), c.r.Header.Get("Date")))
	if err != nil {
		return notAuthenticated("the date header cannot be read")
	}
	if skew := s.clock.Now().Sub(date); skew > maxClockSkew || skew < -maxClockSkew {
		return notAuthenticated("the date of the request is more than five minutes from the service's clock")
	}
	if contains(signed, "x-content-sha256") {
		sum := sha256.Sum256(c.body)
		if base64.StdEncoding.EncodeToString(sum[:]) != c.r.Header.Get("x-content-sha256") {
			return notAuthenticated("x-content-sha256 does not fit the body")
		}
	}
	var lines []string
	for _, name := range signed {
		lines = append(lines, strings.ToLower(name)+": "+signedValue(c.r, name))
	}
	signature, err := base64.StdEncoding.DecodeString(fields["signature"])
	if err != nil {
		return notAuthenticated("the signature is not base64")
	}
	sum := sha256.Sum256([]byte(strings.Join(lines, "\n")))
	if rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], signature) != nil {
		return notAuthenticated("the signature does not fit the request")
	}
	return nil
}

func signedValue(r *http.Request, name string) string {
	switch strings.ToLower(name) {
	case "(request-target)":
		return strings.ToLower(r.Method) + " " + r.URL.RequestURI()
	case "host":
		return r.Host
	}
	return r.Header.Get(name)
}

func firstOf(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}
